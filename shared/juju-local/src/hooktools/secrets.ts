import { z } from 'zod';
import type { SecretChange } from '../agent/context.ts';
import { ROTATION } from '../agent/next.ts';
import type { Secret } from '../model/documents.ts';
import { readStrings } from '../yaml.ts';
import {
  ANY,
  FORMAT,
  isApplicationName,
  isUnitName,
  parse,
  print,
  relationId,
  relationOf,
  YAML,
  type Tool,
  type ToolCall,
} from './tool.ts';
import { ToolError } from './error.ts';

const KEY = /^([a-z](?:-?[a-z0-9]){2,})$/;

/** Of all values together, in base64 (core/secrets/createsecret.go). */
const MOST_BYTES = 1_000_000;

const RELATION = { relation: { type: 'string', short: 'r' } } as const;

const METADATA = {
  label: { type: 'string' },
  description: { type: 'string' },
  owner: { type: 'string', default: 'application' },
  rotate: { type: 'string' },
  expire: { type: 'string' },
  file: { type: 'string' },
} as const;

export const secretTools: Readonly<Record<string, Tool>> = {
  'secret-add': async (call) => {
    const { model, context } = call;
    const { values, positionals } = parse(call, METADATA, ANY);
    if (positionals.length === 0 && !values.file) throw new ToolError(2, 'missing secret value or filename');
    const metadata = readMetadata(call, values);
    const content = await readContent(call, values.file, positionals);
    const isApp = values.owner === 'application';
    if (Object.keys(content).length === 0) throw new ToolError(1, 'empty secret value not valid');
    if (isApp && !model.isLeader(context.unit)) throw new ToolError(1, 'this unit is not the leader');
    const { label } = metadata;
    if ([...context.secrets.values()].some((other) => other.isNew && label && other.label === label))
      throw new ToolError(1, `secret with label "${label}" already exists`);
    const id = model.newSecretId();
    context.secrets.set(id, {
      id,
      owner: isApp ? context.unit.app : context.unit.name,
      content,
      isNew: true,
      ...metadata,
    });
    return `${model.secretUri(id)}\n`;
  },

  // Whether there is such a secret, and whose it is, is only looked at when the hook has ended.
  'secret-set': async (call) => {
    const { model, context } = call;
    const { values, positionals } = parse(call, METADATA, ANY);
    const [uri, ...rest] = positionals;
    if (uri === undefined) throw new ToolError(2, 'missing secret URI');
    const id = bareId(uri);
    const metadata = readMetadata(call, values);
    const content = await readContent(call, values.file, rest);
    const isSomething = Object.keys({ ...metadata, ...content }).length > 0;
    if (!isSomething) return '';
    const pending = context.secrets.get(id);
    context.removedSecrets.delete(id);
    context.secrets.set(id, {
      isNew: false,
      owner: model.secrets.get(id)?.owner ?? context.unit.app,
      ...pending,
      id,
      ...metadata,
      ...(Object.keys(content).length > 0 && { content }),
    });
    return '';
  },

  'secret-get': (call) => {
    const { model, context } = call;
    const { values, positionals } = parse(
      call,
      {
        ...YAML,
        label: { type: 'string' },
        peek: { type: 'boolean', default: false },
        refresh: { type: 'boolean', default: false },
      },
      2,
    );
    const [given, key] = positionals;
    const id = given === undefined ? undefined : bareId(given);
    const label = values.label === '' ? undefined : values.label;
    if (id === undefined && label === undefined)
      throw new ToolError(2, 'require either a secret URI or label');
    if (values.peek && values.refresh)
      throw new ToolError(2, 'specify one of --peek or --refresh but not both');
    const pending = [...context.secrets.values()].find((change) =>
      id === undefined ? change.label !== undefined && change.label === label : change.id === id,
    );
    // What this hook has written it reads, unless it is pinned to what was there before.
    if (pending?.content && (pending.isNew || values.peek || values.refresh)) {
      if (id !== undefined && label !== undefined) context.secrets.set(id, { ...pending, label });
      return show(call, pending.content, key, values);
    }
    const secret = id === undefined ? byLabel(call, label ?? '') : model.secrets.get(id);
    if (!secret) throw new ToolError(1, `secret "${id ?? ''}" not found`);
    if (!mayRead(call, secret)) throw new ToolError(1, 'permission denied');
    const latest = secret.revisions.at(-1);
    const isOwner = secret.owner === context.unit.name || secret.owner === context.unit.app;
    const consumer = (secret.consumers[context.unit.name] ??= { revision: latest?.number ?? 1 });
    if (label !== undefined && id !== undefined) {
      requireFreeLabel(call, label, secret.id);
      if (!isOwner) consumer.label = label;
      else if (ownSecrets(call).includes(secret)) secret.label = label;
    }
    if (values.refresh) consumer.revision = latest?.number ?? 1;
    call.changed();
    const revision =
      values.peek || values.refresh
        ? latest
        : secret.revisions.find(({ number }) => number === consumer.revision);
    return show(call, revision?.content ?? {}, key, values);
  },

  'secret-info-get': (call) => {
    const { values, positionals } = parse(call, { ...YAML, label: { type: 'string' } }, 1);
    const [given] = positionals;
    const id = given === undefined ? undefined : bareId(given);
    const label = values.label === '' ? undefined : values.label;
    if (id === undefined && label === undefined)
      throw new ToolError(2, 'require either a secret URI or label');
    if (id !== undefined && label !== undefined)
      throw new ToolError(2, 'specify either a secret URI or label but not both');
    const secret = secretsAsWritten(call).find((own) =>
      id === undefined ? own.label === label : own.id === id,
    );
    if (!secret) throw new ToolError(1, `secret "${id ?? label}" not found`);
    const { owner, label: shown = '', description, revisions, grants, rotate, nextRotate, expire } = secret;
    const info = {
      revision: revisions.at(-1)?.number ?? 1,
      label: shown,
      owner: owner.includes('/') ? 'unit' : 'application',
      ...(description !== undefined && { description }),
      rotation: rotate ?? 'never',
      ...(expire !== undefined && { expiry: wholeSeconds(expire) }),
      ...(nextRotate !== undefined && { rotates: wholeSeconds(nextRotate) }),
      ...(grants.length > 0 && {
        access: grants.map(({ relation, to }) => ({
          target: to.includes('/') ? `unit-${to.replace('/', '-')}` : `application-${to}`,
          scope: `relation-${relation}`,
          role: 'view',
        })),
      }),
    };
    return print(call, { [secret.id]: info }, values, ['json', 'yaml']);
  },

  'secret-ids': (call) => {
    const { values } = parse(call, FORMAT, 0);
    const ids = secretsAsWritten(call).map(({ id }) => id);
    const isNothing = ids.length === 0 && values.format === 'json';
    return print(call, isNothing ? null : ids, values);
  },

  'secret-grant': (call) => {
    const { model, context } = call;
    const { values, positionals } = parse(call, { ...RELATION, unit: { type: 'string' } }, 1);
    const [uri] = positionals;
    if (uri === undefined) throw new ToolError(2, 'missing secret URI');
    const id = bareId(uri);
    const relation = relationOf(call, values.relation);
    const remoteApp = model.remoteApp(relation, context.unit.app);
    const { unit } = values;
    if (unit && !isUnitName(unit)) throw new ToolError(2, `unit "${unit}" not valid`);
    if (unit && unit.split('/')[0] !== remoteApp)
      throw new ToolError(2, `cannot specify unit "${unit}" in relation to application "${remoteApp}"`);
    const secret = secretsAsWritten(call).find((own) => own.id === id);
    if (!secret) throw new ToolError(1, `secret "${id}" not found`);
    const grant = { relation: relation.id, to: unit === undefined || unit === '' ? remoteApp : unit };
    const there = secret.grants.filter((known) => known.relation === relation.id);
    if (there.some(({ to }) => to === grant.to || !to.includes('/'))) return '';
    if (there.length > 0 && grant.to === remoteApp)
      throw new ToolError(
        1,
        'any unit level grants need to be revoked before granting access to the corresponding application',
      );
    context.grants.push({ secret: id, grant, revokes: () => false });
    return '';
  },

  'secret-revoke': (call) => {
    const { model, context } = call;
    const { values, positionals } = parse(
      call,
      { ...RELATION, unit: { type: 'string' }, app: { type: 'string' }, application: { type: 'string' } },
      1,
    );
    const [uri] = positionals;
    if (uri === undefined) throw new ToolError(2, 'missing secret URI');
    const id = bareId(uri);
    const [app = '', unit = ''] = [values.app ?? values.application, values.unit];
    if (app !== '' && !isApplicationName(app)) throw new ToolError(2, `application "${app}" not valid`);
    if (unit !== '' && !isUnitName(unit)) throw new ToolError(2, `unit "${unit}" not valid`);
    if (app !== '' && unit !== '') throw new ToolError(2, 'specify only one of application or unit');
    const number = relationId(call, values.relation);
    const relation = number === undefined ? undefined : model.relations.get(number);
    // The relation that the hook is about counts as if it had been named.
    if (relation && app !== '') throw new ToolError(2, 'do not specify both relation and app');
    const to = unit || app || (relation && model.remoteApp(relation, context.unit.app));
    if (to === undefined) throw new ToolError(2, 'missing relation or application or unit');
    context.grants.push({ secret: id, revokes: (known) => known.to === to });
    return '';
  },

  'secret-remove': (call) => {
    const { context } = call;
    const { values, positionals } = parse(call, { revision: { type: 'string', default: '0' } }, 1);
    if (!/^[+-]?\d+$/.test(values.revision))
      throw new ToolError(
        2,
        `invalid value "${values.revision}" for option --revision: strconv.ParseInt: parsing "${values.revision}": invalid syntax`,
      );
    const [uri] = positionals;
    if (uri === undefined) throw new ToolError(2, 'missing secret URI');
    const id = bareId(uri);
    const isNew = context.secrets.get(id)?.isNew === true;
    context.secrets.delete(id);
    context.dropGrants(id);
    if (isNew) return '';
    const known = context.removedSecrets.get(id);
    const revision = Number(values.revision);
    if (revision <= 0 || known === 'all') context.removedSecrets.set(id, 'all');
    else context.removedSecrets.set(id, new Set([...(known ?? []), revision]));
    return '';
  },
};

/** A label names one secret of an owner. @throws {ToolError} 1 */
function requireFreeLabel({ model, context }: ToolCall, label: string | undefined, id?: string): void {
  if (label === undefined) return;
  const { unit } = context;
  const own = [...model.secrets.values(), ...context.secrets.values()].filter(
    ({ owner }) => owner === unit.name || owner === unit.app,
  );
  const consumed = [...model.secrets.values()].filter(
    ({ consumers }) => consumers[unit.name]?.label === label,
  );
  const taken = [...own.filter((secret) => secret.label === label), ...consumed];
  if (taken.some((secret) => secret.id !== id))
    throw new ToolError(1, `secret with label "${label}" already exists`);
}

/** @throws {ToolError} 2 */
function readMetadata(
  { time }: ToolCall,
  values: Readonly<Partial<Record<'label' | 'description' | 'owner' | 'rotate' | 'expire', string>>>,
): Pick<SecretChange, 'label' | 'description' | 'rotate' | 'nextRotate' | 'expire'> {
  // What is "" is not given.
  const [label, description, rotate, expire] = [
    values.label,
    values.description,
    values.rotate,
    values.expire,
  ].map((value) => (value === '' ? undefined : value));
  const until = expire === undefined ? undefined : expiryDate(expire, time);
  if (rotate !== undefined && rotate !== 'never' && !(rotate in ROTATION))
    throw new ToolError(2, `rotate policy "${rotate}" not valid`);
  if (!['application', 'unit'].includes(values.owner ?? ''))
    throw new ToolError(2, `secret owner "${values.owner ?? ''}" not valid`);
  const period = ROTATION[rotate ?? ''];
  return {
    ...(label !== undefined && { label }),
    ...(description !== undefined && { description }),
    ...(rotate !== undefined && { rotate }),
    ...(period !== undefined && { nextRotate: new Date(time + period).toISOString() }),
    ...(until !== undefined && { expire: until }),
  };
}

const UNIT_OF_TIME: Readonly<Record<string, number>> = {
  h: 3_600_000,
  m: 60_000,
  s: 1000,
  ms: 1,
  us: 1e-3,
  µs: 1e-3,
  ns: 1e-6,
};

/** `90m`, `1h30m`, or an RFC 3339 date → ISO date. @throws {ToolError} 2 */
function expiryDate(text: string, time: number): string {
  if (/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)?$/.test(text)) {
    const date = new Date(/(Z|[+-]\d\d:\d\d)$/.test(text) ? text : `${text}Z`);
    if (!Number.isNaN(date.valueOf())) return date.toISOString();
  }
  const parts = [...text.matchAll(/(\d+(?:\.\d*)?|\.\d+)(h|ms|m|s|us|µs|ns)/g)];
  const unsigned = text.replace(/^[+-]/, '');
  if (parts.length === 0 || parts.map(([part]) => part).join('') !== unsigned)
    throw new ToolError(2, `expire time or duration "${text}" not valid`);
  const sum = parts.reduce(
    (total, [, number, unit]) => total + Number(number) * (UNIT_OF_TIME[unit ?? ''] ?? 0),
    0,
  );
  if (text.startsWith('-') || sum <= 0)
    throw new ToolError(2, `negative expire duration "${text}" not valid`);
  return new Date(time + sum).toISOString();
}

/** As Juju prints dates: `2026-01-01T00:00:00Z` */
function wholeSeconds(date: string): string {
  return date.replace(/\.\d+Z$/, 'Z');
}

/** `key=value`, `key#base64=value`, `key#file=path`, and over them the values of `--file`. @throws {ToolError} 2 */
async function readContent(
  call: ToolCall,
  file: string | undefined,
  args: readonly string[],
): Promise<Record<string, string>> {
  const content: Record<string, string> = {};
  const add = (name: string, value: string): void => {
    const isCoded = name.endsWith('#base64');
    const key = isCoded ? name.slice(0, -'#base64'.length) : name;
    if (!KEY.test(key)) throw new ToolError(2, `key "${key}" not valid`);
    content[key] = isCoded ? Buffer.from(value, 'base64').toString('utf8') : value;
  };
  for (const arg of args) {
    // Juju takes what is left of the last value for padding, so that `key=` has no value.
    const at = arg.replace(/=+$/, '').indexOf('=');
    if (at < 1) throw new ToolError(2, `key value ${JSON.stringify(arg)} not valid`);
    const [name, value] = [arg.slice(0, at), arg.slice(at + 1)];
    if (name.endsWith('#file')) add(name.slice(0, -'#file'.length), await read(call, value));
    else add(name, value);
  }
  if (file !== undefined && file !== '') {
    const values = z.record(z.string(), z.string()).safeParse(readStrings(await read(call, file)) ?? {});
    if (!values.success) throw new ToolError(2, `cannot parse secret values from "${file}"`);
    for (const [name, value] of Object.entries(values.data)) add(name, value);
  }
  const size = Object.values(content).reduce(
    (sum, value) => sum + Math.ceil(Buffer.byteLength(value) / 3) * 4,
    0,
  );
  if (size > MOST_BYTES) throw new ToolError(2, `base64 encoded secret content too large: ${size} bytes`);
  return content;
}

/** Juju reads the files of secrets while it reads the arguments. @throws {ToolError} 2 */
async function read(call: ToolCall, path: string): Promise<string> {
  try {
    if (path === '-') throw new Error('open -: no such file or directory');
    return await call.readFile(path);
  } catch (error) {
    throw new ToolError(2, error instanceof Error ? error.message : String(error));
  }
}

/** The secrets that this unit manages, as they are once its hook has succeeded. */
function secretsAsWritten(
  call: ToolCall,
): (Secret | (SecretChange & Pick<Secret, 'revisions' | 'grants'>))[] {
  const { context } = call;
  const made = [...context.secrets.values()]
    .filter(({ isNew }) => isNew)
    .map((change) => ({ ...change, revisions: [], grants: [] }));
  return [...ownSecrets(call), ...made]
    .filter(({ id }) => context.removedSecrets.get(id) !== 'all')
    .map((secret) => {
      const { content: _content, isNew: _isNew, ...change } = context.secrets.get(secret.id) ?? {};
      return { ...secret, ...change, grants: context.grantsOf(secret.id, secret.grants) };
    });
}

function ownSecrets({ model, context: { unit } }: ToolCall): Secret[] {
  return [...model.secrets.values()].filter(
    ({ owner }) => owner === unit.name || (owner === unit.app && model.isLeader(unit)),
  );
}

/** A label of this unit's own, or of its application, or one that it gave to a secret it reads. @throws {ToolError} 1 */
function byLabel({ model, context: { unit } }: ToolCall, label: string): Secret {
  const secret = [...model.secrets.values()].find(
    (candidate) =>
      ((candidate.owner === unit.name || candidate.owner === unit.app) && candidate.label === label) ||
      candidate.consumers[unit.name]?.label === label,
  );
  if (!secret) throw new ToolError(1, `consumer label "${label}" not found`);
  return secret;
}

function mayRead({ model, context: { unit } }: ToolCall, secret: Secret): boolean {
  if (secret.owner === unit.name || secret.owner === unit.app) return true;
  return secret.grants.some(
    ({ relation, to }) => (to === unit.app || to === unit.name) && model.relations.has(relation),
  );
}

function show(
  call: ToolCall,
  content: Readonly<Record<string, string>>,
  key: string | undefined,
  wanted: { readonly format: string; readonly output?: string },
): Promise<string> {
  const formats = ['json', 'yaml'];
  if (key === undefined || key === '') return print(call, content, wanted, formats);
  const isCoded = key.endsWith('#base64');
  const name = isCoded ? key.slice(0, -'#base64'.length) : key;
  const value = content[name];
  if (value === undefined) throw new ToolError(1, `secret key value "${name}" not found`);
  return print(call, isCoded ? Buffer.from(value).toString('base64') : value, wanted, formats);
}

/** `secret:9m4e…`, `secret://<model>/9m4e…` or the bare id. @throws {ToolError} 2 */
function bareId(uri: string): string {
  const id =
    /^(?:secret:(?:\/\/[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\/|\/{0,2})?)?([0-9a-v]{20})$/.exec(
      uri,
    )?.[1];
  if (id === undefined) throw new ToolError(2, `secret URI "${uri}" not valid`);
  return id;
}

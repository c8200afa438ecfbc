import { parse as parseYaml } from 'yaml';
import { z } from 'zod';
import type { SecretChange } from '../agent/context.ts';
import { ROTATION } from '../agent/next.ts';
import type { Secret } from '../model/documents.ts';
import { fileText, format, FORMAT, parse, relationOf, ToolError, type Tool, type ToolCall } from './tool.ts';

const KEY = /^([a-z](?:-?[a-z0-9]){2,})$/;

/** Of all values together, in base64 (core/secrets/createsecret.go). */
const MOST_BYTES = 1_000_000;

const RELATION = { relation: { type: 'string', short: 'r' } } as const;

const METADATA = {
  label: { type: 'string' },
  description: { type: 'string' },
  owner: { type: 'string' },
  rotate: { type: 'string' },
  expire: { type: 'string' },
  file: { type: 'string' },
} as const;

/** Juju's secrets cannot be printed in its smart format. */
const YAML = { format: { type: 'string', default: 'yaml' } } as const;

export const secretTools: Readonly<Record<string, Tool>> = {
  'secret-add': async (call) => {
    const { model, context } = call;
    const { values, positionals } = parse(call, METADATA);
    const content = await readContent(call, values.file, positionals);
    if (Object.keys(content).length === 0) throw new ToolError(2, 'missing secret value or filename');
    const owner = values.owner ?? 'application';
    if (!['application', 'unit'].includes(owner)) throw new ToolError(2, `secret owner "${owner}" not valid`);
    const isApp = owner === 'application';
    const metadata = readMetadata(call, values);
    if (isApp && !model.isLeader(context.unit)) throw new ToolError(1, 'this unit is not the leader');
    requireFreeLabel(call, values.label);
    const id = model.newSecretId();
    context.secrets.set(id, {
      id,
      owner: isApp ? context.unit.app : context.unit.name,
      content,
      isNew: true,
      ...metadata,
    });
    return `secret:${id}\n`;
  },

  'secret-set': async (call) => {
    const { model, context } = call;
    const { values, positionals } = parse(call, METADATA);
    const [uri = '', ...rest] = positionals;
    if (uri === '') throw new ToolError(2, 'missing secret URI');
    const id = bareId(uri);
    const content = await readContent(call, values.file, rest);
    const metadata = readMetadata(call, values);
    const pending = context.secrets.get(id);
    const owner = pending?.owner ?? model.secrets.get(id)?.owner ?? context.unit.app;
    if (owner === context.unit.app && !model.isLeader(context.unit))
      throw new ToolError(1, 'this unit is not the leader');
    if (owner !== context.unit.app && owner !== context.unit.name)
      throw new ToolError(1, 'permission denied');
    requireFreeLabel(call, values.label, id);
    context.secrets.set(id, {
      isNew: false,
      ...pending,
      id,
      owner,
      ...metadata,
      ...(Object.keys(content).length > 0 && { content }),
    });
    return '';
  },

  'secret-get': (call) => {
    const { model, context } = call;
    const { values, positionals } = parse(call, {
      ...YAML,
      label: { type: 'string' },
      peek: { type: 'boolean', default: false },
      refresh: { type: 'boolean', default: false },
    });
    const [uri, key] = positionals;
    if (uri === undefined && values.label === undefined)
      throw new ToolError(2, 'require either a secret URI or label');
    const pending = [...context.secrets.values()].find(({ id, label }) =>
      uri === undefined ? label !== undefined && label === values.label : id === bareId(uri),
    );
    // What this hook has written it reads, unless it is pinned to what was there before.
    if (pending?.content && (pending.isNew || values.peek || values.refresh))
      return print(pending.content, key, values.format);
    const secret = uri === undefined ? byLabel(call, values.label ?? '') : model.secrets.get(bareId(uri));
    if (!secret) throw new ToolError(1, `secret "${uri === undefined ? '' : bareId(uri)}" not found`);
    if (!mayRead(call, secret)) throw new ToolError(1, 'permission denied');
    const latest = secret.revisions.at(-1);
    const isOwner = secret.owner === context.unit.name || secret.owner === context.unit.app;
    const consumer = (secret.consumers[context.unit.name] ??= { revision: latest?.number ?? 1 });
    if (values.label !== undefined && uri !== undefined) {
      requireFreeLabel(call, values.label, secret.id);
      if (!isOwner) consumer.label = values.label;
      else if (ownSecrets(call).includes(secret)) secret.label = values.label;
    }
    if (values.refresh) consumer.revision = latest?.number ?? 1;
    call.changed();
    const revision =
      values.peek || values.refresh
        ? latest
        : secret.revisions.find(({ number }) => number === consumer.revision);
    return print(revision?.content ?? {}, key, values.format);
  },

  'secret-info-get': (call) => {
    const { values, positionals } = parse(call, { ...YAML, label: { type: 'string' } });
    const [uri] = positionals;
    if (uri === undefined && values.label === undefined)
      throw new ToolError(2, 'require either a secret URI or label');
    if (uri !== undefined && values.label !== undefined)
      throw new ToolError(2, 'specify either a secret URI or label but not both');
    const secret = ownSecrets(call).find(({ id, label }) =>
      uri === undefined ? label === values.label : id === bareId(uri),
    );
    if (!secret)
      throw new ToolError(1, `secret "${uri === undefined ? (values.label ?? '') : bareId(uri)}" not found`);
    const { owner, label = '', description, revisions, grants, rotate, nextRotate, expire } = secret;
    const info = {
      revision: revisions.at(-1)?.number ?? 1,
      label,
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
    return format({ [secret.id]: info }, values.format);
  },

  'secret-ids': (call) => {
    const { values } = parse(call, FORMAT);
    const pending = [...call.context.secrets.values()].filter(({ isNew }) => isNew);
    const ids = [...ownSecrets(call), ...pending].map(({ id }) => id);
    return format(ids.length > 0 ? ids : null, values.format);
  },

  'secret-grant': (call) => {
    const { model, context } = call;
    const { values, positionals } = parse(call, { ...RELATION, unit: { type: 'string' } });
    const [uri] = positionals;
    if (uri === undefined) throw new ToolError(2, 'missing secret URI');
    const relation = relationOf(call, values.relation);
    const secret = manageable(call, bareId(uri));
    const remoteApp = model.remoteApp(relation, context.unit.app);
    if (values.unit !== undefined && values.unit.split('/')[0] !== remoteApp)
      throw new ToolError(2, `unit "${values.unit}" is not in relation "${relation.id}"`);
    const grant = { relation: relation.id, to: values.unit ?? remoteApp };
    const revokes = (known: Grant) => known.relation === grant.relation && known.to === grant.to;
    context.grants.push({ secret, grant, revokes });
    return '';
  },

  'secret-revoke': (call) => {
    const { values, positionals } = parse(call, {
      ...RELATION,
      unit: { type: 'string' },
      app: { type: 'string' },
      application: { type: 'string' },
    });
    const [uri] = positionals;
    if (uri === undefined) throw new ToolError(2, 'missing secret URI');
    const to = values.unit ?? values.app ?? values.application;
    if (to === undefined && values.relation === undefined)
      throw new ToolError(2, 'missing relation or application or unit');
    const relation = values.relation === undefined ? undefined : relationOf(call, values.relation);
    const secret = manageable(call, bareId(uri));
    const revokes = (known: Grant) =>
      to === undefined ? known.relation === relation?.id : isOf(known.to, to);
    call.context.grants.push({ secret, revokes });
    return '';
  },

  'secret-remove': (call) => {
    const { context } = call;
    const { values, positionals } = parse(call, { revision: { type: 'string' } });
    const [uri] = positionals;
    if (uri === undefined) throw new ToolError(2, 'missing secret URI');
    const id = manageable(call, bareId(uri));
    const known = context.removedSecrets.get(id);
    if (values.revision === undefined || known === 'all') context.removedSecrets.set(id, 'all');
    else if (/^\d+$/.test(values.revision))
      context.removedSecrets.set(id, new Set([...(known ?? []), Number(values.revision)]));
    else throw new ToolError(2, `invalid value "${values.revision}" for option --revision`);
    return '';
  },
};

type Grant = Secret['grants'][number];

/** Whether a grant to a unit or application is one of those meant: an application includes its units. */
function isOf(granted: string, meant: string): boolean {
  return granted === meant || granted.startsWith(`${meant}/`);
}

/** Checks a secret that only its owner may manage, and returns its id. @throws {ToolError} 1 */
function manageable(call: ToolCall, id: string): string {
  const { model, context } = call;
  const owner = context.secrets.get(id)?.owner ?? model.secrets.get(id)?.owner;
  if (owner === undefined) throw new ToolError(1, `secret "${id}" not found`);
  if (owner === context.unit.app && !model.isLeader(context.unit))
    throw new ToolError(1, 'this unit is not the leader');
  if (owner !== context.unit.app && owner !== context.unit.name) throw new ToolError(1, 'permission denied');
  return id;
}

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
  values: Readonly<Partial<Record<'label' | 'description' | 'rotate' | 'expire', string>>>,
): Pick<SecretChange, 'label' | 'description' | 'rotate' | 'nextRotate' | 'expire'> {
  const { label, description, rotate, expire } = values;
  if (rotate !== undefined && rotate !== 'never' && !(rotate in ROTATION))
    throw new ToolError(2, `rotate policy "${rotate}" not valid`);
  const period = ROTATION[rotate ?? ''];
  return {
    ...(label !== undefined && { label }),
    ...(description !== undefined && { description }),
    ...(rotate !== undefined && { rotate }),
    ...(period !== undefined && { nextRotate: new Date(time + period).toISOString() }),
    ...(expire !== undefined && { expire: expiryDate(expire, time) }),
  };
}

const UNIT_OF_TIME: Readonly<Record<string, number>> = { h: 3_600_000, m: 60_000, s: 1000, ms: 1 };

/** `90m`, `1h30m`, or an RFC 3339 date → ISO date. @throws {ToolError} 2 */
function expiryDate(text: string, time: number): string {
  const parts = [...text.matchAll(/(\d+(?:\.\d+)?)(ms|h|m|s)/g)];
  const isDuration = parts.length > 0 && parts.map(([part]) => part).join('') === text;
  const sum = parts.reduce(
    (total, [, number, unit]) => total + Number(number) * (UNIT_OF_TIME[unit ?? ''] ?? 0),
    0,
  );
  const date = isDuration ? time + sum : Date.parse(text);
  if (Number.isNaN(date) || (!isDuration && !/^\d{4}-\d\d-\d\d/.test(text)))
    throw new ToolError(2, `expire time or duration "${text}" not valid`);
  if (date <= time) throw new ToolError(2, `expire time "${text}" is in the past`);
  return new Date(date).toISOString();
}

/** As Juju prints dates: `2026-01-01T00:00:00Z` */
function wholeSeconds(date: string): string {
  return date.replace(/\.\d+Z$/, 'Z');
}

/** The values of `--file`, and over them `key=value`, `key#base64=value`, `key#file=path`. @throws {ToolError} 2 */
async function readContent(
  call: ToolCall,
  file: string | undefined,
  args: readonly string[],
): Promise<Record<string, string>> {
  const fromFile = z
    .record(z.string(), z.string())
    .safeParse(file === undefined ? {} : parseYaml(await fileText(call, file), { schema: 'failsafe' }));
  if (!fromFile.success) throw new ToolError(2, `cannot parse secret values from "${file ?? ''}"`);
  const entries = [
    ...Object.entries(fromFile.data),
    ...args.map((arg) => {
      const at = arg.indexOf('=');
      if (at < 1) throw new ToolError(2, `expected "key=value", got "${arg}"`);
      return [arg.slice(0, at), arg.slice(at + 1)] as const;
    }),
  ];
  const content: Record<string, string> = {};
  for (const [name, value] of entries) {
    const [key = '', modifier] = name.split('#');
    if (!KEY.test(key)) throw new ToolError(2, `key "${key}" not valid`);
    if (modifier === 'file') content[key] = await call.readFile(value);
    else content[key] = modifier === 'base64' ? Buffer.from(value, 'base64').toString('utf8') : value;
  }
  const size = Object.values(content).reduce(
    (sum, value) => sum + Math.ceil(Buffer.byteLength(value) / 3) * 4,
    0,
  );
  if (size > MOST_BYTES) throw new ToolError(1, `secret content of ${size} bytes is too large`);
  return content;
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

function print(
  content: Readonly<Record<string, string>>,
  key: string | undefined,
  how: string | undefined,
): string {
  if (key === undefined) return format(content, how);
  const [name = '', modifier] = key.split('#');
  const value = content[name];
  if (value === undefined) throw new ToolError(1, `secret key "${name}" not found`);
  const shown = modifier === 'base64' ? Buffer.from(value).toString('base64') : value;
  return how === 'json' ? format(shown, 'json') : `${shown}\n`;
}

/** `secret:9m4e…`, `secret://<model>/9m4e…` or the bare id. @throws {ToolError} 2 */
function bareId(uri: string): string {
  const id = /^(?:secret:(?:\/\/[0-9a-f-]+\/)?)?([0-9a-v]{20})$/.exec(uri)?.[1];
  if (id === undefined) throw new ToolError(2, `secret URI "${uri}" not valid`);
  return id;
}

import type { Secret } from '../model/documents.ts';
import { format, FORMAT, parse, relationOf, ToolError, type Tool, type ToolCall } from './tool.ts';

const KEY = /^([a-z](?:-?[a-z0-9]){2,})$/;

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
    const content = await readContent(call, positionals);
    if (Object.keys(content).length === 0) throw new ToolError(2, 'missing secret value or filename');
    const isApp = (values.owner ?? 'application') === 'application';
    if (isApp && !model.isLeader(context.unit)) throw new ToolError(1, 'this unit is not the leader');
    const owner = isApp ? context.unit.app : context.unit.name;
    const taken = ownSecrets(call).some(({ label }) => label !== undefined && label === values.label);
    if (taken) throw new ToolError(1, `secret with label "${values.label ?? ''}" already exists`);
    const id = model.newSecretId();
    context.secrets.set(id, {
      id,
      owner,
      content,
      isNew: true,
      ...(values.label !== undefined && { label: values.label }),
      ...(values.description !== undefined && { description: values.description }),
    });
    return `secret:${id}\n`;
  },

  'secret-set': async (call) => {
    const { context } = call;
    const { values, positionals } = parse(call, METADATA);
    const [uri = '', ...rest] = positionals;
    const id = bareId(uri);
    const content = await readContent(call, rest);
    const pending = context.secrets.get(id);
    const owner = pending?.owner ?? ownSecret(call, id).owner;
    context.secrets.set(id, {
      ...pending,
      id,
      owner,
      isNew: pending?.isNew ?? false,
      ...(values.label !== undefined && { label: values.label }),
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
    const pending = [...context.secrets.values()].find(
      ({ id, label }) => id === (uri && bareId(uri)) || (label !== undefined && label === values.label),
    );
    if (pending?.content) return print(pending.content, key, values.format);
    const secret = uri === undefined ? byLabel(call, values.label ?? '') : model.secrets.get(bareId(uri));
    if (!secret) throw new ToolError(1, `secret "${uri === undefined ? '' : bareId(uri)}" not found`);
    if (!mayRead(call, secret)) throw new ToolError(1, 'permission denied');
    const latest = secret.revisions.at(-1);
    const isOwner = secret.owner === context.unit.name || secret.owner === context.unit.app;
    const consumer = (secret.consumers[context.unit.name] ??= { revision: latest?.number ?? 1 });
    if (!isOwner && values.label !== undefined && uri !== undefined) consumer.label = values.label;
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
    if ((uri === undefined) === (values.label === undefined))
      throw new ToolError(2, 'require either a secret URI or label');
    const secret = ownSecrets(call).find(({ id, label }) =>
      uri === undefined ? label === values.label : id === bareId(uri),
    );
    if (!secret) throw new ToolError(1, `secret "${uri ?? values.label ?? ''}" not found`);
    const { owner, label = '', description, revisions, grants } = secret;
    const info = {
      revision: revisions.at(-1)?.number ?? 1,
      label,
      owner: owner.includes('/') ? 'unit' : 'application',
      ...(description !== undefined && { description }),
      rotation: 'never',
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
    const ids = ownSecrets(call).map(({ id }) => id);
    return format(ids.length > 0 ? ids : null, values.format);
  },

  'secret-grant': (call) => {
    const { model, context } = call;
    const { values, positionals } = parse(call, {
      relation: { type: 'string', short: 'r' },
      unit: { type: 'string' },
    });
    const id = grantable(call, positionals[0]);
    const relation = relationOf(call, values.relation);
    const to = values.unit ?? model.remoteApp(relation, context.unit.app);
    context.grants.push({ secret: id, relation: relation.id, to, revoke: false });
    return '';
  },

  'secret-revoke': (call) => {
    const { model, context } = call;
    const { values, positionals } = parse(call, {
      relation: { type: 'string', short: 'r' },
      app: { type: 'string' },
      unit: { type: 'string' },
    });
    const id = grantable(call, positionals[0]);
    if (values.relation !== undefined) {
      const relation = relationOf(call, values.relation);
      const to = values.unit ?? model.remoteApp(relation, context.unit.app);
      context.grants.push({ secret: id, relation: relation.id, to, revoke: true });
      return '';
    }
    const to = values.unit ?? values.app;
    if (to === undefined) throw new ToolError(2, 'missing relation or application or unit');
    for (const grant of model.secrets.get(id)?.grants ?? [])
      if (grant.to === to) context.grants.push({ ...grant, secret: id, revoke: true });
    return '';
  },

  'secret-remove': (call) => {
    const { positionals } = parse(call, { revision: { type: 'string' } });
    const { id } = ownSecret(call, bareId(positionals[0] ?? ''));
    call.context.removedSecrets.add(id);
    return '';
  },
};

/** The id of a secret that this unit may give to others. @throws {ToolError} 1 */
function grantable(call: ToolCall, uri = ''): string {
  const id = bareId(uri);
  return call.context.secrets.has(id) ? id : ownSecret(call, id).id;
}

/** `key=value`, `key#base64=value`, `key#file=path` → values. @throws {ToolError} 2 */
async function readContent(call: ToolCall, args: readonly string[]): Promise<Record<string, string>> {
  const content: Record<string, string> = {};
  for (const arg of args) {
    const at = arg.indexOf('=');
    if (at < 1) throw new ToolError(2, `expected "key=value", got "${arg}"`);
    const [key = '', modifier] = arg.slice(0, at).split('#');
    const value = arg.slice(at + 1);
    if (!KEY.test(key)) throw new ToolError(2, `key "${key}" not valid`);
    if (modifier === 'file') content[key] = await call.readFile(value);
    else content[key] = modifier === 'base64' ? Buffer.from(value, 'base64').toString('utf8') : value;
  }
  return content;
}

function ownSecrets({ model, context: { unit } }: ToolCall): Secret[] {
  return [...model.secrets.values()].filter(
    ({ owner }) => owner === unit.name || (owner === unit.app && model.isLeader(unit)),
  );
}

/** @throws {ToolError} 1 */
function ownSecret(call: ToolCall, id: string): Secret {
  const secret = ownSecrets(call).find((candidate) => candidate.id === id);
  if (!secret) throw new ToolError(1, `secret "${id}" not found`);
  return secret;
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
    ({ relation, to }) =>
      (to === unit.app || to === unit.name) && model.relations.get(relation)?.life !== undefined,
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

function bareId(uri: string): string {
  return uri.slice(uri.lastIndexOf('/') + 1).replace(/^secret:/, '');
}

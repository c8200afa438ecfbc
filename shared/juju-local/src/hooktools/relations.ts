import type { Relation } from '../model/documents.ts';
import { describeEndpoints } from '../model/endpoints.ts';
import { inOneScope } from '../model/model.ts';
import {
  fileText,
  format,
  FORMAT,
  keyValues,
  parse,
  relationOf,
  stringMap,
  ToolError,
  type Tool,
  type ToolCall,
} from './tool.ts';

const RELATION = { relation: { type: 'string', short: 'r' } } as const;

export const relationTools: Readonly<Record<string, Tool>> = {
  'relation-ids': (call) => {
    const { model, context } = call;
    const { values, positionals } = parse(call, FORMAT);
    const own = context.relation === undefined ? undefined : model.relations.get(context.relation);
    const endpoint = positionals[0] ?? (own && model.ownEndpoint(own, context.unit.app).name);
    if (endpoint === undefined) throw new ToolError(2, 'no endpoint name specified');
    const ids = model
      .relationsOf(context.unit.app)
      .filter((relation) => model.ownEndpoint(relation, context.unit.app).name === endpoint)
      .filter((relation) => relation.units.includes(context.unit.name) && !isBreaking(call, relation.id))
      .map(({ id }) => `${endpoint}:${id}`)
      .sort();
    return format(ids, values.format);
  },

  'relation-list': (call) => {
    const { values } = parse(call, { ...FORMAT, ...RELATION, app: { type: 'boolean', default: false } });
    const relation = relationOf(call, values.relation);
    const { model, context } = call;
    if (values.app) return format(model.remoteApp(relation, context.unit.app), values.format);
    return format(context.members(relation.id), values.format);
  },

  'relation-get': (call) => {
    const { model, context } = call;
    const { values, positionals } = parse(call, {
      ...FORMAT,
      ...RELATION,
      app: { type: 'boolean', default: false },
    });
    const relation = relationOf(call, values.relation);
    const { operation, unit } = context;
    const [key = '-', named] = positionals;
    const remote = operation.kind === 'hook' ? operation.remoteUnit : undefined;
    const owner = named ?? (values.app ? model.remoteApp(relation, unit.app) : remote);
    if (owner === undefined) throw new ToolError(2, 'no unit or application specified');
    if (!values.app && !owner.includes('/')) {
      throw new ToolError(2, `expected unit name, got application name "${owner}"`);
    }
    const name = values.app ? (owner.split('/')[0] ?? '') : owner;
    if (values.app) {
      if (!relation.endpoints.some(({ app }) => app === name)) throw new ToolError(1, 'permission denied');
      const isPeer = relation.endpoints.length === 1;
      if (name === unit.app && !isPeer && !model.isLeader(unit)) throw new ToolError(1, 'permission denied');
    } else if (name !== unit.name && !(name in relation.bags && isVisible(call, relation, name))) {
      throw new ToolError(
        1,
        `cannot read settings for unit "${name}" in relation "${describeEndpoints(relation.endpoints)}": unit "${name}": settings not found`,
      );
    }
    const bag = context.bag(model, relation.id, name);
    return format(key === '-' ? bag : bag[key], values.format);
  },

  'relation-set': async (call) => {
    const { model, context } = call;
    const { values, positionals } = parse(call, {
      ...RELATION,
      app: { type: 'boolean', default: false },
      file: { type: 'string' },
    });
    const relation = relationOf(call, values.relation);
    const text = await fileText(call, values.file);
    const settings = { ...stringMap(values.file, text), ...keyValues(positionals) };
    if (values.app && !model.isLeader(context.unit)) throw new ToolError(1, 'cannot write relation settings');
    context.setBag(relation.id, values.app ? context.unit.app : context.unit.name, settings);
    return '';
  },

  'relation-model-get': (call) => {
    const { values } = parse(call, { ...FORMAT, ...RELATION });
    relationOf(call, values.relation);
    return format({ uuid: call.model.settings.uuid }, values.format);
  },
};

/** Whether the hook is the last one of this relation, in which relation-ids leaves it out. */
function isBreaking({ context: { operation } }: ToolCall, relation: number): boolean {
  return operation.kind === 'hook' && operation.relation === relation && operation.name.endsWith('-broken');
}

function isVisible({ model, context: { unit } }: ToolCall, relation: Relation, other: string): boolean {
  const found = model.units.get(other);
  if (found === undefined) return relation.scope === 'global' || unit.principal === other;
  return inOneScope(relation, found, unit);
}

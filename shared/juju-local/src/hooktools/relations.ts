import { parse as parseYaml } from 'yaml';
import { z } from 'zod';
import { format, FORMAT, keyValues, parse, relationOf, ToolError, type Tool } from './tool.ts';

const Map = z.record(z.string(), z.coerce.string()).nullable();
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
    const units = model.remoteUnits(relation, context.unit).filter((name) => {
      const { operation } = context;
      return !(
        operation.kind === 'hook' &&
        operation.name.endsWith('-departed') &&
        operation.remoteUnit === name
      );
    });
    return format(isBreaking(call, relation.id) ? [] : units, values.format);
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
    } else if (name !== unit.name && !(name in relation.bags)) {
      const missing = `unit "${name}": settings not found`;
      throw new ToolError(
        1,
        `cannot read settings for unit "${name}" in relation "${relation.id}": ${missing}`,
      );
    } else if (relation.scope === 'container' && name !== unit.name && !isTogether(call, name)) {
      throw new ToolError(1, `cannot read settings for unit "${name}": settings not found`);
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
    const text =
      values.file === undefined ? '' : values.file === '-' ? call.stdin : await call.readFile(values.file);
    const fromFile = Map.safeParse(text === '' ? null : parseYaml(text));
    if (!fromFile.success)
      throw new ToolError(1, `cannot unmarshal ${values.file ?? ''} into a map of strings`);
    const settings = { ...fromFile.data, ...keyValues(positionals) };
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
function isBreaking({ context: { operation } }: Parameters<Tool>[0], relation: number): boolean {
  return operation.kind === 'hook' && operation.relation === relation && operation.name.endsWith('-broken');
}

function isTogether({ model, context: { unit } }: Parameters<Tool>[0], other: string): boolean {
  const remote = model.units.get(other);
  return remote?.principal === unit.name || unit.principal === other;
}

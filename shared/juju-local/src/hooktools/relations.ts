import { describeEndpoints } from '../model/endpoints.ts';
import { inOneScope } from '../model/model.ts';
import {
  ANY,
  fileText,
  FORMAT,
  isApplicationName,
  isUnitName,
  keyValues,
  OLD_FORMAT,
  parse,
  print,
  relationOf,
  stringMap,
  type Tool,
  type ToolCall,
} from './tool.ts';
import { ToolError } from './error.ts';

const RELATION = { relation: { type: 'string', short: 'r' } } as const;
const APP = { app: { type: 'boolean', default: false } } as const;

export const relationTools: Readonly<Record<string, Tool>> = {
  'relation-ids': (call) => {
    const { model, context } = call;
    const { values, positionals } = parse(call, FORMAT, 1);
    const own = context.relation === undefined ? undefined : model.relations.get(context.relation);
    const endpoint = positionals[0] ?? (own && model.ownEndpoint(own, context.unit.app).name);
    if (endpoint === undefined) throw new ToolError(2, 'no endpoint name specified');
    const ids = model
      .relationsOf(context.unit.app)
      .filter((relation) => model.ownEndpoint(relation, context.unit.app).name === endpoint)
      .filter((relation) => relation.units.includes(context.unit.name) && !isBreaking(call, relation.id))
      .map(({ id }) => `${endpoint}:${id}`)
      .sort();
    return print(call, ids, values);
  },

  'relation-list': (call) => {
    const { values } = parse(call, { ...FORMAT, ...RELATION, ...APP }, 0);
    const relation = relationOf(call, values.relation);
    const { model, context } = call;
    if (values.app) return print(call, model.remoteApp(relation, context.unit.app), values);
    return print(call, context.members(relation.id), values);
  },

  'relation-get': (call) => {
    const { model, context } = call;
    const { values, positionals } = parse(call, { ...FORMAT, ...RELATION, ...APP }, 2);
    const relation = relationOf(call, values.relation);
    const { unit } = context;
    const [key = '', named] = positionals;
    const { owner, isApp } = whose(call, named, values.app);
    if (relation.isLost) throw new ToolError(1, whyLost(call, isApp && owner === unit.app));
    if (isApp) {
      const isOther = owner !== unit.app && relation.endpoints.some(({ app }) => app === owner);
      const isPeer = relation.endpoints.length === 1;
      // Juju 4 does not look who asks for the own application's databag.
      const isOwn = owner === unit.app && (isPeer || model.isLeader(unit) || model.isJuju4);
      if (!isOther && !isOwn) throw new ToolError(1, denied(call));
    } else if (owner !== unit.name && !(owner in relation.bags && inOneScope(relation, owner, unit.name))) {
      throw new ToolError(
        1,
        `cannot read settings for unit "${owner}" in relation "${describeEndpoints(relation.endpoints)}": unit "${owner}": settings not found`,
      );
    }
    const bag = context.bag(model, relation.id, owner);
    return print(call, ['', '-'].includes(key) ? bag : bag[key], values);
  },

  'relation-set': async (call) => {
    const { model, context } = call;
    const { values, positionals } = parse(
      call,
      { ...OLD_FORMAT, ...RELATION, ...APP, file: { type: 'string' } },
      ANY,
    );
    const relation = relationOf(call, values.relation);
    const over = keyValues(positionals);
    const settings = { ...stringMap(values.file, await fileText(call, values.file)), ...over };
    if (values.app && !model.isLeader(context.unit)) throw new ToolError(1, 'cannot write relation settings');
    if (relation.isLost)
      throw new ToolError(1, `cannot read relation settings: ${whyLost(call, values.app)}`);
    context.setBag(relation.id, values.app ? context.unit.app : context.unit.name, settings);
    return '';
  },

  'relation-model-get': (call) => {
    const { values } = parse(call, { ...FORMAT, ...RELATION }, 0);
    relationOf(call, values.relation);
    return print(call, { uuid: call.model.settings.uuid }, values);
  },
};

/** Whose databag relation-get is asked for: who is named, else whom the hook is about. @throws {ToolError} 2 */
function whose(
  { context: { operation } }: ToolCall,
  named: string | undefined,
  isApp: boolean,
): { readonly owner: string; readonly isApp: boolean } {
  if (named !== undefined && isApp) return { owner: named.split('/')[0] ?? '', isApp };
  if (named !== undefined) {
    if (isUnitName(named)) return { owner: named, isApp };
    throw new ToolError(
      2,
      isApplicationName(named)
        ? `expected unit name, got application name "${named}"`
        : `invalid unit name "${named}"`,
    );
  }
  const about = operation.kind === 'hook' ? operation : undefined;
  const owner = (isApp ? undefined : about?.remoteUnit) ?? about?.remoteApp;
  if (owner === undefined) throw new ToolError(2, 'no unit or application specified');
  return { owner, isApp: isApp || about?.remoteUnit === undefined };
}

function denied({ model }: ToolCall): string {
  return model.isJuju4 ? 'permission denied (unauthorized access)' : 'permission denied';
}

/** What Juju 4 says of a relation that was removed by force, and that the agent goes on listing. */
function whyLost(call: ToolCall, isOwnApp: boolean): string {
  return isOwnApp ? denied(call) : 'getting regular relation by key: relation not found';
}

/** Whether the hook is the last one of this relation, in which relation-ids leaves it out. */
function isBreaking({ context: { operation } }: ToolCall, relation: number): boolean {
  return operation.kind === 'hook' && operation.relation === relation && operation.name.endsWith('-broken');
}

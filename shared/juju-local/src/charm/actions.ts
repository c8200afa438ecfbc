import { readYaml } from '../yaml.ts';
import { z } from 'zod';
import { UsageError } from '../errors.ts';
import type { CharmInfo } from './info.ts';

type Schema = CharmInfo['actions'][string]['params'][string];

/**
 * What an action gets: its defaults, and over them what the user has given; a text stands for a value of its type.
 * @throws {UsageError} for what the action's schema does not allow, worded as Juju words it.
 */
export function actionParams(
  { actions, metadata }: CharmInfo,
  name: string,
  given: Readonly<Record<string, unknown>>,
): Record<string, unknown> {
  const action = actions[name];
  if (!action) throw new UsageError(`action "${name}" not defined on charm "${metadata.name}"`);
  const typed: Record<string, unknown> = {};
  for (const [path, value] of Object.entries(given)) setPath(typed, path.split('.'), value);
  const params: Record<string, unknown> = {};
  for (const [key, schema] of Object.entries(action.params))
    if (schema.default !== undefined) params[key] = schema.default;
  for (const [key, value] of Object.entries(typed)) {
    const schema = action.params[key];
    if (!schema && !action.additionalProperties) {
      throw new UsageError(
        `validation failed: (root) : additional property "${key}" is not allowed, given ${JSON.stringify(typed)}`,
      );
    }
    params[key] = schema ? checked(`(root).${key}`, schema, value) : fromText(value);
  }
  for (const key of action.required) {
    if (key in params) continue;
    throw new UsageError(
      `validation failed: (root) : "${key}" property is missing and required, given ${JSON.stringify(typed)}`,
    );
  }
  return params;
}

function checked(path: string, { type, enum: allowed }: Schema, given: unknown): unknown {
  const value = type === 'string' ? given : fromText(given);
  if (type !== undefined && !hasType(value, type)) {
    throw new UsageError(
      `validation failed: ${path} : must be of type ${type}, given ${JSON.stringify(value)}`,
    );
  }
  if (allowed && !allowed.includes(value)) {
    throw new UsageError(
      `validation failed: ${path} : must match one of the enum values ${JSON.stringify(allowed)}, given ${JSON.stringify(value)}`,
    );
  }
  return value;
}

function hasType(value: unknown, type: string): boolean {
  switch (type) {
    case 'array':
      return Array.isArray(value);
    case 'object':
      return typeof value === 'object' && value !== null && !Array.isArray(value);
    case 'integer':
      return Number.isInteger(value);
    default:
      return typeof value === type;
  }
}

/** What a user types is YAML. */
function fromText(value: unknown): unknown {
  return typeof value === 'string' ? readYaml(value) : value;
}

/** `a.b` = c → `{ a: { b: c } }` */
export function setPath(into: Record<string, unknown>, keys: readonly string[], value: unknown): void {
  const [key = '', ...rest] = keys;
  if (rest.length === 0) {
    into[key] = value;
    return;
  }
  const below: Record<string, unknown> = z.record(z.string(), z.unknown()).catch({}).parse(into[key]);
  setPath(below, rest, value);
  into[key] = below;
}

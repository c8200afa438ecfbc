import { UsageError } from '../errors.ts';
import type { CharmInfo, OptionDefinition } from './info.ts';

type Scalar = string | number | boolean;

/** Parses what a user typed for an option by its type, as Juju does. @throws {UsageError} */
export function parseOption(charm: CharmInfo, name: string, text: string): Scalar {
  const definition = definitionOf(charm, name);
  switch (definition.type) {
    case 'string':
      return text;
    case 'secret':
      if (text === '' || text.startsWith('secret:')) return text;
      break;
    case 'int':
      if (/^[+-]?\d+$/.test(text)) return Number(text);
      break;
    case 'float':
      if (text.trim() !== '' && Number.isFinite(Number(text))) return Number(text);
      break;
    case 'boolean':
      if (/^(1|t|true)$/i.test(text)) return true;
      if (/^(0|f|false)$/i.test(text)) return false;
      break;
  }
  throw new UsageError(`option "${name}" expected ${definition.type}, got "${text}"`);
}

/** Checks a value that YAML has typed already, from a bundle or a file. @throws {UsageError} */
export function checkOption(charm: CharmInfo, name: string, value: unknown): Scalar {
  const { type } = definitionOf(charm, name);
  if (type === 'int' && Number.isInteger(value)) return Number(value);
  if (type === 'float' && typeof value === 'number') return value;
  if (type === 'boolean' && typeof value === 'boolean') return value;
  if (typeof value === 'string') return parseOption(charm, name, value);
  throw new UsageError(`option "${name}" expected ${type}, got ${JSON.stringify(value)}`);
}

/** The values that a charm sees: those that are set, and defaults. */
export function effectiveOptions(
  charm: CharmInfo,
  set: Readonly<Record<string, Scalar>>,
): Record<string, Scalar> {
  const values: Record<string, Scalar> = {};
  for (const [name, definition] of Object.entries(charm.options)) {
    const value = set[name] ?? definition.default;
    if (value !== undefined && value !== null) values[name] = value;
  }
  return values;
}

function definitionOf(charm: CharmInfo, name: string): OptionDefinition {
  const definition = charm.options[name];
  if (!definition) throw new UsageError(`unknown option "${name}"`);
  return definition;
}

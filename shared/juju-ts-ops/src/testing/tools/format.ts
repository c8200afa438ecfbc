import { writeFileSync } from 'node:fs';
import { stringify as stringifyYaml } from 'yaml';
import { Refusal } from './command-line.ts';

export const FORMAT = {
  format: { type: 'string', default: 'smart' },
  output: { type: 'string', short: 'o' },
} as const;
export const YAML = { ...FORMAT, format: { type: 'string', default: 'yaml' } } as const;
/** Taken for the sake of old charms. */
export const OLD_FORMAT = { format: { type: 'string' } } as const;

/** How the caller wants an answer; the tools of secrets and goal-state do not print in Juju's smart format. */
interface Wanted {
  readonly format?: string | undefined;
  readonly output?: string | undefined;
}

export function format(
  value: unknown,
  { format: how = 'smart', output = '' }: Wanted,
  known = FORMATS,
): string {
  if (!known.includes(how))
    throw new Refusal(2, `invalid value "${how}" for option --format: unknown format "${how}"`);
  const text = how === 'smart' ? smart(value) : inFormat(value, how);
  if (output === '') return text;
  writeFileSync(output, text);
  return '';
}

const FORMATS: readonly string[] = ['json', 'smart', 'yaml'];
export const PLAIN_FORMATS: readonly string[] = ['json', 'yaml'];

function inFormat(value: unknown, how: string): string {
  if (how === 'json') return `${JSON.stringify(value ?? null)}\n`;
  return value === undefined || value === null ? '' : stringifyYaml(value);
}

function smart(value: unknown): string {
  if (value === undefined || value === null || value === '') return '';
  if (typeof value === 'boolean') return value ? 'True\n' : 'False\n';
  if (typeof value === 'string') return `${value}\n`;
  if (Array.isArray(value) && value.every((item) => typeof item === 'string'))
    return value.length > 0 ? `${value.join('\n')}\n` : '';
  return stringifyYaml(value);
}

export function entry(map: unknown, key: string): unknown {
  if (typeof map !== 'object' || map === null) return undefined;
  return Object.entries(map).find(([name]) => name === key)?.[1];
}

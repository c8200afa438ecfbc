import { stringify } from 'yaml';
import { CommandLineError } from '../errors.ts';

export const FORMAT = { format: { type: 'string' } } as const;

export function print(value: unknown, format: string): void {
  if (format === 'json') console.log(JSON.stringify(value));
  else if (format === 'yaml') console.log(stringify(value).trimEnd());
  else throw new CommandLineError(unknownFormat(format));
}

export function unknownFormat(format: string): string {
  return `invalid value "${format}" for option --format: unknown format "${format}"`;
}

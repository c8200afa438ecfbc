import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { CommandLineError, UsageError } from '../errors.ts';
import { readYaml } from '../yaml.ts';

export const MANY = { type: 'string', multiple: true } as const;

/** Lists that juju takes as one word with commas, or several times. */
export function list(values: readonly string[] | undefined): string[] {
  return (values ?? []).flatMap((value) => value.split(',')).filter((value) => value !== '');
}

export function count(text: string): number {
  const number = Number(text);
  if (!Number.isInteger(number) || number < 0) throw new CommandLineError(`"${text}" is not a number`);
  return number;
}

/** `5`, `5s`, `2m`, `1h` → seconds. */
export function seconds(text: string): number {
  const match = /^(\d+(?:\.\d+)?)(s|m|h)?$/.exec(text);
  if (!match) throw new CommandLineError(`"${text}" is no duration such as 5s`);
  return Number(match[1]) * ({ h: 3600, m: 60 }[match[2] ?? 's'] ?? 1);
}

/** `key=value`, `key=@file`, or the path of a YAML file of one application's options → texts by key. */
export async function readConfig(
  words: readonly string[],
  app: string | undefined,
): Promise<Record<string, string>> {
  const values: Record<string, string> = {};
  for (const word of words) {
    const at = word.indexOf('=');
    if (at > 0) {
      const text = word.slice(at + 1);
      values[word.slice(0, at)] = text.startsWith('@') ? await readFile(text.slice(1), 'utf8') : text;
      continue;
    }
    const all = await readYamlFile(word);
    const own = app !== undefined && app in all ? z.record(z.string(), z.unknown()).parse(all[app]) : all;
    for (const [key, value] of Object.entries(own)) values[key] = String(value);
  }
  return values;
}

export async function readYamlFile(file: string): Promise<Record<string, unknown>> {
  const text = await readFile(file, 'utf8').catch(() => {
    throw new UsageError(`no file was found at "${file}"`);
  });
  return z.record(z.string(), z.unknown()).parse(readYaml(text));
}

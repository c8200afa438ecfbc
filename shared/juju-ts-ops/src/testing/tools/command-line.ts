import { readFileSync } from 'node:fs';
import { parseArgs, type ParseArgsOptionsConfig } from 'node:util';
import { isScalar, parseDocument } from 'yaml';
import { z } from 'zod';
import type { RawBag } from '../../databag.ts';

/** As many words as the caller likes. */
export const ANY = Number.POSITIVE_INFINITY;
export const RELATION = { relation: { type: 'string', short: 'r' } } as const;
export const APP = { app: { type: 'boolean', default: false } } as const;
export const FILE = { file: { type: 'string' } } as const;
const APP_NAME = /^[a-z][a-z0-9]*(-[a-z0-9]*[a-z][a-z0-9]*)*$/;
const Texts = z.union([z.literal(''), z.record(z.string(), z.string())]).nullable();

/** Why a tool refuses: exit code 2 for its arguments, 1 for what it is asked to do. */
export class Refusal extends Error {
  readonly exitCode: 1 | 2;

  constructor(exitCode: 1 | 2, message: string) {
    super(message);
    this.exitCode = exitCode;
  }
}

/** The options and words of a command line as Juju's tools read it; more words than `most` are refused. */
export function parse<O extends ParseArgsOptionsConfig>(args: readonly string[], options: O, most: number) {
  const plain = plainly(args, options);
  const { values, positionals } = parseArgs({
    args: plain,
    options,
    allowPositionals: true,
    strict: true,
  });
  if (positionals.length > most) {
    const surplus = positionals.slice(most).map((word) => JSON.stringify(word));
    throw new Refusal(2, `unrecognized args: [${surplus.join(' ')}]`);
  }
  return { values, positionals };
}

/**
 * A command line with every option in its long form, and its value in the same word: what Go's flags take (`-r1`,
 * `--app=false`, a value that begins with a minus), and nothing of what they refuse.
 */
function plainly(args: readonly string[], options: ParseArgsOptionsConfig): string[] {
  const given: string[] = [];
  const words: string[] = [];
  const switches = new Map<string, boolean>();
  let at = 0;
  const take = (spelled: string, attached: string | undefined) => {
    const shown = spelled.length === 1 ? `-${spelled}` : `--${spelled}`;
    const name = Object.keys(options).find((key) => key === spelled || options[key]?.short === spelled);
    if (name === undefined) throw new Refusal(2, `option provided but not defined: ${shown}`);
    if (options[name]?.type === 'boolean') {
      if (!/^(1|0|t|f|T|F|true|false|True|False|TRUE|FALSE)$/.test(attached ?? '1'))
        throw new Refusal(
          2,
          `invalid value "${attached ?? ''}" for option ${shown}: strconv.ParseBool: parsing "${attached ?? ''}": invalid syntax`,
        );
      switches.set(name, /^[1t]/i.test(attached ?? '1'));
      return;
    }
    if (attached === undefined && at >= args.length)
      throw new Refusal(2, `option needs an argument: ${shown}`);
    given.push(`--${name}=${attached ?? args[at++] ?? ''}`);
  };
  while (at < args.length) {
    const arg = args[at++] ?? '';
    if (arg === '--') {
      words.push(...args.slice(at));
      break;
    }
    if (arg.startsWith('--')) {
      const [, name = '', , value] = /^--([^=]*)(=([^]*))?$/.exec(arg) ?? [];
      take(name, value);
    } else if (arg.startsWith('-') && arg !== '-') {
      let letters = arg.slice(1);
      while (letters !== '') {
        const [letter = ''] = letters;
        letters = letters.slice(letter.length);
        const isSwitch = Object.values(options).some(
          ({ short, type }) => short === letter && type === 'boolean',
        );
        take(letter, isSwitch || letters === '' ? undefined : letters);
        if (!isSwitch) break;
      }
    } else words.push(arg);
  }
  for (const [name, isOn] of switches) if (isOn) given.push(`--${name}`);
  return [...given, '--', ...words];
}

/** `key=value` words: trimmed, each key once; an empty word is nothing. */
export function keyValues(args: readonly string[]): Record<string, string> {
  const pairs: Record<string, string> = {};
  for (const arg of args.filter((word) => word !== '')) {
    const [, key = '', value = ''] = /^([^=]*)=([^]*)$/.exec(arg)?.map((part) => part.trim()) ?? [];
    if (key === '')
      throw new Refusal(
        2,
        `expected "key=value", got ${arg.includes('=') ? `"=${value}"` : JSON.stringify(arg)}`,
      );
    if (Object.hasOwn(pairs, key)) throw new Refusal(2, `key "${key}" specified more than once`);
    pairs[key] = value;
  }
  return pairs;
}

/** The map of texts that `--file` names. */
export function mapIn(file: string | undefined, stdin: string): RawBag {
  if (file === undefined) return {};
  const text = file === '-' ? stdin : contentOf(file, 1);
  // A number or a truth value stays as it is spelled; null is "".
  const document = parseDocument(text, { schema: 'failsafe', merge: true, uniqueKeys: false });
  const parsed = Texts.safeParse(document.toJS());
  if (!parsed.success) throw new Refusal(1, `cannot unmarshal ${file} into a map of texts`);
  return Object.fromEntries(
    Object.entries(parsed.data || {}).map(([key, value]) => [
      key,
      isNull(document.get(key, true)) ? '' : value,
    ]),
  );
}

function isNull(node: unknown): boolean {
  return isScalar(node) && node.type === 'PLAIN' && /^(~|null|Null|NULL)?$/.test(String(node.value));
}

export function contentOf(path: string, exitCode: 1 | 2): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    throw new Refusal(exitCode, `open ${path}: no such file or directory`);
  }
}

/** Without the keys that are set to nothing: they do not exist. */
export function filled(bag: RawBag): RawBag {
  return Object.fromEntries(Object.entries(bag).filter(([, value]) => value !== ''));
}

export function isAppName(name: string): boolean {
  return APP_NAME.test(name);
}

export function isUnitName(name: string): boolean {
  const [app = '', number = '', ...more] = name.split('/');
  return more.length === 0 && isAppName(app) && /^(0|[1-9]\d*)$/.test(number);
}

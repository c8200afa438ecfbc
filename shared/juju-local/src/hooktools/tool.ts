import { parseArgs, type ParseArgsOptionsConfig } from 'node:util';
import { stringify } from 'yaml';
import { z } from 'zod';
import type { HookContext } from '../agent/context.ts';
import type { Relation } from '../model/documents.ts';
import type { Model } from '../model/model.ts';
import { readStrings } from '../yaml.ts';
import { ToolError } from './error.ts';

/** What a tool works on. */
export interface ToolCall {
  readonly model: Model;
  readonly context: HookContext;
  readonly args: readonly string[];
  readonly stdin: string;
  /** Reads a file of the machine that the hook runs on. */
  readFile(path: string): Promise<string>;
  writeFile(path: string, text: string): Promise<void>;
  log(level: string, message: string): void;
  /** Milliseconds since 1970. */
  readonly time: number;
  /** Called when something was changed that does not wait for the end of the hook. */
  changed(): void;
}

/** A hook tool: what it prints. */
export type Tool = (call: ToolCall) => string | Promise<string>;

/**
 * Takes a tool's arguments apart as Go's gnuflag does, and refuses what it refuses.
 * @param most how many words there may be that are no option
 * @throws {ToolError} 2
 */
export function parse<const O extends ParseArgsOptionsConfig>(
  { args }: Pick<ToolCall, 'args'>,
  options: O,
  most: number,
) {
  const { given, words } = optionsAndWords(args, options);
  if (words.length > most) throw new ToolError(2, `unrecognized args: ${quoted(words.slice(most))}`);
  return parseArgs({ args: [...given, '--', ...words], options, allowPositionals: true, strict: true });
}

/** For a tool that takes any number of words. */
export const ANY = Number.POSITIVE_INFINITY;

/** The options in the one spelling that leaves nothing to guess, and the words between them. */
function optionsAndWords(args: readonly string[], options: ParseArgsOptionsConfig) {
  const given = new Map<string, string>();
  const words: string[] = [];
  const queue = [...args];
  const set = (spelled: string, value: string | undefined): void => {
    const minus = spelled.length > 1 ? `--${spelled}` : `-${spelled}`;
    const [name, option] = Object.entries(options).find(
      ([long, { short }]) => long === spelled || short === spelled,
    ) ?? [undefined, undefined];
    if (!option) throw new ToolError(2, `option provided but not defined: ${minus}`);
    if (option.type === 'boolean') {
      if (value !== undefined && !TRUTH.test(value))
        throw new ToolError(
          2,
          `invalid value "${value}" for option ${minus}: strconv.ParseBool: parsing "${value}": invalid syntax`,
        );
      if (value === undefined || /^(1|t)/i.test(value)) given.set(name, `--${name}`);
      else given.delete(name);
      return;
    }
    const text = value ?? queue.shift();
    if (text === undefined) throw new ToolError(2, `option needs an argument: ${minus}`);
    given.set(name, `--${name}=${text}`);
  };
  for (let arg = queue.shift(); arg !== undefined; arg = queue.shift()) {
    if (arg === '--') {
      words.push(...queue);
      break;
    }
    if (!/^-./.test(arg)) words.push(arg);
    else if (arg.startsWith('--')) {
      const at = arg.indexOf('=');
      set(arg.slice(2, at < 0 ? undefined : at), at < 0 ? undefined : arg.slice(at + 1));
    } else {
      // Letters may stand together, and a value behind its letter.
      for (let rest = arg.slice(1); rest !== '';) {
        const letter = rest.slice(0, 1);
        const isSwitch = Object.values(options).some(
          ({ short, type }) => short === letter && type === 'boolean',
        );
        rest = rest.slice(1);
        set(letter, isSwitch || rest === '' ? undefined : rest);
        if (!isSwitch) rest = '';
      }
    }
  }
  return { given: [...given.values()], words };
}

/** What Go's strconv.ParseBool takes. */
const TRUTH = /^(1|t|T|TRUE|true|True|0|f|F|FALSE|false|False)$/;

/** Words as Go's `%q` prints a list of them. */
function quoted(words: readonly string[]): string {
  return `[${words.map((word) => JSON.stringify(word)).join(' ')}]`;
}

export const FORMAT = {
  format: { type: 'string', default: 'smart' },
  output: { type: 'string', short: 'o' },
} as const;

/** Of the tools that do not print in Juju's smart format. */
export const YAML = { ...FORMAT, format: { type: 'string', default: 'yaml' } } as const;

/** Words that Juju takes for the sake of old charms, and warns of. */
export const OLD_FORMAT = { format: { type: 'string' } } as const;

/** How `--format` and `--output` ask for an answer. */
interface Wanted {
  readonly format?: string;
  readonly output?: string;
}

/** Prints an answer as Juju does (cmd/cmd/output.go), or into a file of the machine. */
export async function print(
  call: ToolCall,
  value: unknown,
  { format = 'smart', output = '' }: Wanted,
  formats: readonly string[] = ['json', 'smart', 'yaml'],
): Promise<string> {
  if (!formats.includes(format))
    throw new ToolError(2, `invalid value "${format}" for option --format: unknown format "${format}"`);
  const text = formatted(value, format);
  if (output === '') return text;
  await call.writeFile(output, text);
  return '';
}

function formatted(value: unknown, format: string): string {
  if (format === 'json') return `${JSON.stringify(value ?? null)}\n`;
  if (value === undefined || value === null) return '';
  if (format === 'yaml') return stringify(value);
  if (value === '') return '';
  if (typeof value === 'boolean') return value ? 'True\n' : 'False\n';
  if (Array.isArray(value)) return value.length === 0 ? '' : `${value.map(String).join('\n')}\n`;
  return typeof value === 'string' ? `${value}\n` : stringify(value);
}

/**
 * The relation that `-r` names, or that the hook is about. Juju looks at `-r` before anything else.
 * @throws {ToolError} 2
 */
export function relationOf(call: ToolCall, option: string | undefined): Relation {
  const id = relationId(call, option);
  if (id === undefined) throw new ToolError(2, 'no relation id specified');
  const relation = call.model.relations.get(id);
  if (!relation) throw new Error(`relation ${id} has gone`);
  return relation;
}

/** As `relationOf`, for tools that need none: undefined where there is none. @throws {ToolError} 2 */
export function relationId({ model, context }: ToolCall, option: string | undefined): number | undefined {
  if (option === undefined) return context.relation;
  const refuse = (why: string) => new ToolError(2, `invalid value "${option}" for option -r: ${why}`);
  const number = option.slice(option.lastIndexOf(':') + 1);
  if (!/^[+-]?\d+$/.test(number)) throw refuse('invalid relation id');
  const id = Number(number);
  if (!model.relations.get(id)?.endpoints.some(({ app }) => app === context.unit.app))
    throw refuse('relation not found');
  return id;
}

/** What `--file` names; `-` is stdin. */
export async function fileText(call: ToolCall, file: string | undefined): Promise<string> {
  if (file === undefined || file === '') return '';
  return file === '-' ? call.stdin : call.readFile(file);
}

/** A YAML map of strings, as `--file` takes it. @throws {ToolError} 1 */
export function stringMap(file: string | undefined, text: string): Record<string, string> {
  const map = z.record(z.string(), z.string()).safeParse(readStrings(text) ?? {});
  if (!map.success) throw new ToolError(1, `cannot unmarshal ${file ?? ''} into a map of strings`);
  return map.data;
}

/** `key=value` arguments, without the white space around key and value, each key once. @throws {ToolError} 2 */
export function keyValues(args: readonly string[]): Record<string, string> {
  const found = new Map<string, string>();
  for (const arg of args) {
    if (arg === '') continue;
    const at = arg.indexOf('=');
    if (at < 0) throw new ToolError(2, `expected "key=value", got ${JSON.stringify(arg)}`);
    const [key, value] = [arg.slice(0, at).trim(), arg.slice(at + 1).trim()];
    if (key === '') throw new ToolError(2, `expected "key=value", got "${key}=${value}"`);
    if (found.has(key)) throw new ToolError(2, `key "${key}" specified more than once`);
    found.set(key, value);
  }
  return Object.fromEntries(found);
}

const APPLICATION = '[a-z][a-z0-9]*(?:-[a-z0-9]*[a-z][a-z0-9]*)*';

export function isApplicationName(text: string): boolean {
  return new RegExp(`^${APPLICATION}$`).test(text);
}

export function isUnitName(text: string): boolean {
  return new RegExp(`^${APPLICATION}/(?:0|[1-9][0-9]*)$`).test(text);
}

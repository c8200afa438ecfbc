import { parseArgs, type ParseArgsOptionsConfig } from 'node:util';
import { parse as parseYaml, stringify } from 'yaml';
import { z } from 'zod';
import type { HookContext } from '../agent/context.ts';
import type { Model } from '../model/model.ts';

/** Wrong arguments (exit code 2) or a refusal at run time (1), as Juju's own tools tell them apart. */
export class ToolError extends Error {
  readonly exitCode: 1 | 2;

  constructor(exitCode: 1 | 2, message: string) {
    super(message);
    this.exitCode = exitCode;
  }
}

/** What a tool works on. */
export interface ToolCall {
  readonly model: Model;
  readonly context: HookContext;
  readonly args: readonly string[];
  readonly stdin: string;
  /** Reads a file of the machine that the hook runs on. */
  readFile(path: string): Promise<string>;
  log(level: string, message: string): void;
  /** Milliseconds since 1970. */
  readonly time: number;
  /** Called when something was changed that does not wait for the end of the hook. */
  changed(): void;
}

/** A hook tool: what it prints. */
export type Tool = (call: ToolCall) => string | Promise<string>;

/** @throws {ToolError} 2 */
export function parse<const O extends ParseArgsOptionsConfig>(call: ToolCall, options: O) {
  try {
    const args = withoutSwitches(call.args, options);
    return parseArgs({ args, options, allowPositionals: true, strict: true });
  } catch (error) {
    throw new ToolError(2, error instanceof Error ? error.message : String(error));
  }
}

/** Go's way to give a switch a value, `--application=false`, which Python's ops uses. */
function withoutSwitches(args: readonly string[], options: ParseArgsOptionsConfig): string[] {
  const end = args.includes('--') ? args.indexOf('--') : args.length;
  return args.flatMap((arg, index) => {
    const [, name = '', value = ''] = (index < end ? /^--([a-z-]+)=(.*)$/.exec(arg) : null) ?? [];
    if (options[name]?.type !== 'boolean') return [arg];
    return /^(1|t|true)$/i.test(value) ? [`--${name}`] : [];
  });
}

export const FORMAT = { format: { type: 'string', default: 'smart' } } as const;

/** Prints an answer as Juju does (cmd/cmd/output.go). */
export function format(value: unknown, how: string | undefined): string {
  switch (how) {
    case 'json':
      return `${JSON.stringify(value ?? null)}\n`;
    case 'yaml':
      return stringify(value ?? null);
    case 'smart':
    case undefined:
      return smart(value);
    default:
      throw new ToolError(2, `invalid value "${how}" for option --format: unknown format "${how}"`);
  }
}

function smart(value: unknown): string {
  if (value === undefined || value === null || value === '') return '';
  if (typeof value === 'boolean') return value ? 'True\n' : 'False\n';
  if (Array.isArray(value)) return value.length === 0 ? '' : `${value.map(String).join('\n')}\n`;
  if (typeof value === 'string' || typeof value === 'number') return `${value}\n`;
  return stringify(value);
}

/** The relation that `-r` names, or that the hook is about. @throws {ToolError} 2 */
export function relationOf({ model, context }: ToolCall, option: string | undefined) {
  if (option === undefined && context.relation === undefined)
    throw new ToolError(2, 'no relation id specified');
  const id = option === undefined ? context.relation : Number(option.slice(option.lastIndexOf(':') + 1));
  if (id === undefined || !Number.isInteger(id) || option?.endsWith(':') || option === '') {
    throw new ToolError(2, `invalid value "${option ?? ''}" for option -r: invalid relation id`);
  }
  const relation = model.relations.get(id);
  if (!relation?.endpoints.some(({ app }) => app === context.unit.app)) {
    throw new ToolError(2, `invalid value "${option ?? id}" for option -r: relation not found`);
  }
  return relation;
}

/** What `--file` names; `-` is stdin. */
export async function fileText(call: ToolCall, file: string | undefined): Promise<string> {
  if (file === undefined) return '';
  return file === '-' ? call.stdin : call.readFile(file);
}

/** A YAML map of strings, as `--file` takes it. @throws {ToolError} 1 */
export function stringMap(file: string | undefined, text: string): Record<string, string> {
  // Juju keeps a number or a truth value as it is spelled.
  const map = z
    .record(z.string(), z.string())
    .safeParse(text.trim() === '' ? {} : parseYaml(text, { schema: 'failsafe' }));
  if (!map.success) throw new ToolError(1, `cannot unmarshal ${file ?? ''} into a map of strings`);
  return map.data;
}

/** `key=value` arguments. @throws {ToolError} 2 */
export function keyValues(args: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    args.map((arg) => {
      const at = arg.indexOf('=');
      if (at < 1) throw new ToolError(2, `expected "key=value", got "${arg}"`);
      return [arg.slice(0, at), arg.slice(at + 1)];
    }),
  );
}

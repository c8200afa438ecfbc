import { parseArgs, type ParseArgsOptionsConfig } from 'node:util';
import { z } from 'zod';
import { ask } from '../daemon/protocol.ts';
import { CommandLineError } from '../errors.ts';
import { chooseModel, ensureDaemon, requireRoot } from './connect.ts';

/** A command: its grammar as juju has it, and what it does. */
export interface Command {
  readonly usage: string;
  readonly summary: string;
  /** Returns the exit code. */
  run(args: readonly string[]): Promise<number>;
}

const MODEL = { model: { type: 'string', short: 'm' } } as const;
/** Which Juju a new model is like. */
export const JUJU = { juju: { type: 'string' } } as const;

export function define<const O extends ParseArgsOptionsConfig>(
  usage: string,
  summary: string,
  options: O,
  positionals: { readonly least: number; readonly most?: number },
  run: (
    call: {
      /** The model of `--model`. */
      readonly named: string | undefined;
      readonly request: (verb: string, args: unknown) => Promise<unknown>;
    },
    values: ReturnType<
      typeof parseArgs<{ options: O & typeof MODEL; allowPositionals: true; strict: true }>
    >['values'],
    words: readonly string[],
  ) => Promise<number | void>,
  makesModel = false,
): Command {
  return {
    usage,
    summary,
    run: async (args) => {
      let parsed;
      try {
        parsed = parseArgs({
          args: [...args],
          options: { ...options, ...MODEL },
          allowPositionals: true,
          strict: true,
        });
      } catch (error) {
        throw new CommandLineError(
          `${error instanceof Error ? error.message : String(error)}\nusage: juju-local ${usage}`,
        );
      }
      const { values, positionals: words } = parsed;
      if (words.length < positionals.least || words.length > (positionals.most ?? Number.POSITIVE_INFINITY)) {
        throw new CommandLineError(`usage: juju-local ${usage}`);
      }
      const named = z.object({ model: z.string().optional() }).parse(values).model;
      const request = async (verb: string, body: unknown): Promise<unknown> => {
        requireRoot();
        const model = await chooseModel(named, makesModel);
        await ensureDaemon(model, jujuOf(values));
        return ask(model, verb, body, (message) => console.error(message));
      };
      return (await run({ named, request }, values, words)) ?? 0;
    },
  };
}

/** @throws {UsageError} */
export function jujuOf(values: unknown): 3 | 4 | undefined {
  const { juju } = z.object({ juju: z.string().optional() }).parse(values);
  if (juju === undefined) return undefined;
  if (/^3(\.6)?$/.test(juju)) return 3;
  if (/^4(\.[01])?$/.test(juju)) return 4;
  throw new CommandLineError(`--juju ${juju}: a model is like Juju 3.6 or like Juju 4`);
}

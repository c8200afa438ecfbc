import type { z } from 'zod';
import type { Charmcraft, OptionSchemas, Options } from './charmcraft.ts';

/** Options as Juju has them, by name. */
export type GivenOptions = Readonly<Record<string, string | number | boolean>>;

/** The options of a charm. */
export interface OptionValues<S> {
  readonly values: Options<S>;
  /** The same, as Juju has them. */
  readonly given: GivenOptions;
}

/** The options of a charm that continues if one of them is wrong. */
export interface CheckedOptions<S> extends OptionValues<S> {
  /** The earlier options, in the same form. */
  readonly before: OptionValues<S>;
  /** What is wrong with the options that the user gave, in words for a status. */
  readonly problems: readonly string[];
}

/** Checks options. One that is wrong keeps its value from `before`, or else has its default. */
export function checkOptions<C extends Charmcraft, S extends OptionSchemas<C>>(
  { charmcraft, options }: { readonly charmcraft: C; readonly options: S },
  config: GivenOptions,
  before: GivenOptions,
): CheckedOptions<S> {
  const defaults = Object.fromEntries(
    Object.entries(charmcraft.options).flatMap(([name, option]) =>
      option.default === undefined ? [] : [[name, option.default] as const],
    ),
  );
  const problems = Object.entries<z.ZodType>(options).flatMap(([name, schema]) =>
    (schema.safeParse(config[name]).error?.issues ?? []).map(
      (issue) => `${name}=${shown(config[name])}: ${issue.message}`,
    ),
  );
  return {
    ...firstGood(options, [config, before, defaults]),
    before: firstGood(options, [before, defaults]),
    problems,
  };
}

/** Of each option the first value that its schema takes. */
function firstGood<C extends Charmcraft, S extends OptionSchemas<C>>(
  schemas: S,
  sources: readonly GivenOptions[],
): OptionValues<S> {
  const values: Record<string, unknown> = {};
  const given: Record<string, GivenOptions[string]> = {};
  for (const [name, schema] of Object.entries<z.ZodType>(schemas)) {
    const value = sources.map((source) => source[name]).find((one) => schema.safeParse(one).success);
    values[name] = schema.safeParse(value).data;
    if (value !== undefined) given[name] = value;
  }
  // One key for each schema, each the output of that schema: exactly what Options<S> says.
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  return { values: values as Options<S>, given };
}

/** An option for a status: without the user and the password of a URL. */
function shown(value: string | number | boolean | undefined): string {
  return value === undefined ? '' : String(value).replaceAll(/(:\/\/)[^\s/@]+@/g, '$1');
}

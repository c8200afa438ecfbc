import { parse as parseYaml, stringify as stringifyYaml } from 'yaml';
import type { z } from 'zod';
import { Redacted } from './redacted.ts';
import { isSecretPlan, type SecretPlan } from './secret.ts';

/** A databag as Juju has it: strings only, and a key that is set to `""` does not exist. */
export type RawBag = Readonly<Record<string, string>>;

/** How one key of a databag is read and written. */
export interface Codec<T> {
  /** @throws when the text is not what the interface says. */
  decode(text: string): T;
  encode(value: T): string;
}

/** The keys of one databag of an interface. Keys that it does not name are left alone. */
export type BagSchema = Readonly<Record<string, Codec<unknown>>>;

/** A databag without keys. */
export type NoBag = Readonly<Record<string, never>>;

type CodecValue<C> = C extends Codec<infer T> ? T : never;

/** A decoded databag. Every key may be missing, because the other side may not have written it yet. */
export type Bag<S> = { readonly [K in keyof S]?: CodecValue<S[K]> };

/** What each role of a relation writes into its databags. Peers have one role, so both sides are the same. */
export interface Interface {
  readonly name: string;
  readonly provider: Side;
  readonly requirer: Side;
}

/** What one role writes: into the application's databag, and into each unit's. */
export interface Side {
  readonly app: BagSchema;
  readonly unit: BagSchema;
}

/** An interface whose name and keys the compiler knows. */
export interface InterfaceOf<
  N extends string,
  Provider extends Side,
  Requirer extends Side,
> extends Interface {
  readonly name: N;
  readonly provider: Provider;
  readonly requirer: Requirer;
}

/** Defines an interface, and keeps its name and its keys in the type. */
export function defineInterface<
  const N extends string,
  PA extends BagSchema,
  PU extends BagSchema,
  RA extends BagSchema,
  RU extends BagSchema,
>(definition: {
  readonly name: N;
  readonly provider: { readonly app: PA; readonly unit: PU };
  readonly requirer: { readonly app: RA; readonly unit: RU };
}): InterfaceOf<N, { readonly app: PA; readonly unit: PU }, { readonly app: RA; readonly unit: RU }> {
  return definition;
}

/** Defines the interface of a peer relation: all units are on the same side. */
export function definePeerInterface<
  const N extends string,
  A extends BagSchema,
  U extends BagSchema,
>(definition: {
  readonly name: N;
  readonly app: A;
  readonly unit: U;
}): InterfaceOf<N, { readonly app: A; readonly unit: U }, { readonly app: A; readonly unit: U }> {
  const side = { app: definition.app, unit: definition.unit };
  return { name: definition.name, provider: side, requirer: side };
}

/** The text as it is. */
export const raw: Codec<string> = { decode: (text) => text, encode: (value) => value };

function through<T>(
  schema: z.ZodType<T>,
  from: (text: string) => unknown,
  to: (value: T) => string,
): Codec<T> {
  return {
    decode: (text) => {
      const parsed = schema.safeParse(from(text));
      if (!parsed.success) throw new Error(firstIssue(parsed.error));
      return parsed.data;
    },
    encode: (value) => to(schema.parse(value)),
  };
}

/** Text that a schema checks, for example a URL. */
export function text<T extends string>(schema: z.ZodType<T>): Codec<T> {
  return through(schema, (value) => value, String);
}

/** A secret in clear text, as some charms write it: hidden as soon as it is read. */
export const hidden: Codec<Redacted> = {
  decode: (value) => new Redacted(value),
  encode: (value) => value.reveal(),
};

/** One JSON value. */
export function json<T>(schema: z.ZodType<T>): Codec<T> {
  return through(schema, (value) => parseWith(JSON.parse, value, 'not JSON'), JSON.stringify);
}

/** One YAML value, as in the old haproxy interface. */
export function yaml<T>(schema: z.ZodType<T>): Codec<T> {
  return through(
    schema,
    (value) => parseWith(parseYaml, value, 'not YAML'),
    (value) => stringifyYaml(value),
  );
}

/** The parsers quote what they cannot read, which may be secret: this says only that they could not. */
function parseWith(parse: (text: string) => unknown, value: string, problem: string): unknown {
  try {
    return parse(value);
  } catch {
    throw new Error(problem);
  }
}

/** A whole number in decimal digits. */
export const integer: Codec<number> = {
  decode: (value) => {
    const number = /^\s*[+-]?\d+\s*$/.test(value) ? Number(value) : NaN;
    if (!Number.isSafeInteger(number)) throw new Error('not a whole number');
    return number;
  },
  encode: String,
};

/** `true` or `false`. It also reads `yes`, `no`, `1`, `0` and Python's `True` and `False`, which other charms write. */
export const flag: Codec<boolean> = {
  decode: (value) => {
    if (/^(true|yes|1)$/i.test(value)) return true;
    if (/^(false|no|0)$/i.test(value)) return false;
    throw new Error('neither true nor false');
  },
  encode: String,
};

/** Items separated by commas. Blanks around items, and empty items, are dropped. */
export const commaList: Codec<readonly string[]> = {
  decode: (value) => splitList(value, /,/),
  encode: (value) => value.join(','),
};

/** Items separated by white space. */
export const spaceList: Codec<readonly string[]> = {
  decode: (value) => splitList(value, /\s+/),
  encode: (value) => value.join(' '),
};

function splitList(value: string, separator: RegExp): readonly string[] {
  return value
    .split(separator)
    .map((item) => item.trim())
    .filter((item) => item !== '');
}

/**
 * A libpq connection string of keywords and values, `host=10.0.0.1 password='it\'s'`.
 * https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING-KEYWORD-VALUE
 */
export const conninfo: Codec<Readonly<Record<string, string>>> = {
  decode: (value) => {
    const result: Record<string, string> = {};
    const pair = /\s*([A-Za-z_]+)\s*=\s*(?:'((?:[^'\\]|\\.)*)'|((?:[^\s'\\]|\\.)*))(?=\s|$)/y;
    let end = 0;
    while (value.slice(end).trim() !== '') {
      pair.lastIndex = end;
      const match = pair.exec(value);
      if (!match) throw new Error('not a connection string of keyword=value pairs');
      const [, keyword = '', quoted, bare = ''] = match;
      result[keyword] = (quoted ?? bare).replace(/\\(.)/g, '$1');
      end = pair.lastIndex;
    }
    return result;
  },
  encode: (value) =>
    Object.entries(value)
      .map(
        ([keyword, item]) =>
          `${keyword}=${/^[\w.:/-]+$/.test(item) ? item : `'${item.replace(/['\\]/g, '\\$&')}'`}`,
      )
      .join(' '),
};

/**
 * What one side writes into one databag. Keys of the schema that are missing or `undefined` are deleted; keys that
 * the schema does not name stay.
 */
export type BagValues<S, Owned extends SecretPlan = never> = {
  readonly [K in keyof S]?: CodecValue<S[K]> | (CodecValue<S[K]> extends string ? Owned : never) | undefined;
};

/**
 * The texts that `values` become, by key; `undefined` deletes. `secretUri` gives the URI of an own secret, `undefined`
 * where there is none.
 */
export function encodeBag<S extends BagSchema>(
  schema: S,
  values: BagValues<S, SecretPlan>,
  secretUri: (planned: SecretPlan) => string | undefined,
): ReadonlyMap<string, string | undefined> {
  const given = new Map<string, unknown>(Object.entries(values));
  return new Map(
    Object.entries(schema).map(([key, codec]) => {
      const value = given.get(key);
      if (value === undefined) return [key, undefined];
      return [key, isSecretPlan(value) ? secretUri(value) : codec.encode(value)];
    }),
  );
}

/** The own secrets that a databag names. */
export function secretsIn(values: Readonly<Record<string, unknown>> = {}): readonly SecretPlan[] {
  return Object.values(values).filter(isSecretPlan);
}

/** A decoded databag, with what could not be read. */
export interface Decoded<S> {
  readonly data: Bag<S>;
  /** The keys whose text is not what the interface says; they are missing from `data`. */
  readonly problems: readonly { readonly key: string; readonly message: string }[];
}

/** Reads each key for itself: one that is wrong does not take the others with it. */
export function decodeBag<S extends BagSchema>(schema: S, bag: RawBag): Decoded<S> {
  const data: Record<string, unknown> = {};
  const problems: { key: string; message: string }[] = [];
  for (const [key, codec] of Object.entries(schema)) {
    const value = bag[key];
    if (value === undefined || value === '') continue;
    try {
      data[key] = codec.decode(value);
    } catch (error) {
      problems.push({ key, message: error instanceof Error ? error.message : String(error) });
    }
  }
  // Each key has the value that its own codec made: exactly what Bag<S> says.
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  return { data: data as Bag<S>, problems };
}

function firstIssue(error: z.ZodError): string {
  const issue = error.issues[0];
  if (!issue) return error.message;
  return issue.path.length > 0 ? `${issue.path.join('.')}: ${issue.message}` : issue.message;
}

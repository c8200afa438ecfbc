import { z } from 'zod';
import type { Action } from './charmcraft.ts';
import { UserError } from './errors.ts';

const JSON_TYPES: Readonly<Record<string, z.ZodType>> = {
  string: z.string(),
  integer: z.int(),
  number: z.number(),
  boolean: z.boolean(),
  array: z.array(z.unknown()),
  object: z.record(z.string(), z.unknown()),
};

/** @throws {UserError} naming every parameter that is missing or of another type than charmcraft.yaml says. */
export function parseParams(
  { params, required }: Action,
  given: Readonly<Record<string, unknown>>,
): Readonly<Record<string, unknown>> {
  const problems = Object.entries(params).flatMap(([name, { type }]) => {
    const value = given[name];
    if (value === undefined) return required.includes(name) ? [`${name}= is missing`] : [];
    return JSON_TYPES[type]?.safeParse(value).success === false ? [`${name}= is no ${type}`] : [];
  });
  if (problems.length > 0) throw new UserError(problems);
  return given;
}

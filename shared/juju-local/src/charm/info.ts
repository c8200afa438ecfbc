import { z } from 'zod';

const Endpoint = z.union([
  z.string().transform((name) => ({ interface: name, scope: 'global' as const, limit: 0 })),
  z.object({
    interface: z.string(),
    scope: z.enum(['global', 'container']).default('global'),
    limit: z.int().default(0),
  }),
]);
const Endpoints = z
  .record(z.string().regex(/^[a-z][a-z0-9]*([_-][a-z0-9]+)*$/), Endpoint)
  .nullish()
  .transform((map) => map ?? {});
type Endpoints = z.infer<typeof Endpoints>;

/** metadata.yaml, as far as a model needs it, with the rules of juju's `Meta.Check`. */
export const Metadata = z
  .object({
    name: z.string().regex(/^[a-z][a-z0-9]*(-[a-z0-9]*[a-z][a-z0-9]*)*$/, 'invalid charm name'),
    summary: z.string(),
    description: z.string(),
    subordinate: z.boolean().default(false),
    provides: Endpoints,
    requires: Endpoints,
    peers: Endpoints,
    assumes: z.unknown().optional(),
    series: z.unknown().optional(),
    'min-juju-version': z.unknown().optional(),
  })
  .superRefine((charm, check) => {
    for (const problem of problemsOf(charm)) check.addIssue({ code: 'custom', message: problem });
  })
  .transform(({ name, summary, description, subordinate, provides, requires, peers }) => ({
    name,
    summary,
    description,
    subordinate,
    provides,
    requires,
    peers,
  }));

function* problemsOf(charm: {
  readonly name: string;
  readonly subordinate: boolean;
  readonly provides: Endpoints;
  readonly requires: Endpoints;
  readonly peers: Endpoints;
  readonly series?: unknown;
  readonly 'min-juju-version'?: unknown;
}): Generator<string> {
  const { name, subordinate, provides, requires, peers } = charm;
  const maps = [provides, requires, peers];
  const names = maps.flatMap((map) => Object.keys(map));
  for (const endpoint of new Set(names.filter((each, index) => names.indexOf(each) !== index)))
    yield `charm "${name}" using a duplicated relation name: "${endpoint}"`;
  const isReserved = (word: string) => word === 'juju' || word.startsWith('juju-');
  for (const map of name.startsWith('juju-') ? [] : maps) {
    for (const [endpoint, { interface: contract, scope }] of Object.entries(map)) {
      if (map === requires && subordinate && scope === 'container') continue;
      if (isReserved(endpoint)) yield `charm "${name}" using a reserved relation name: "${endpoint}"`;
      if (map !== requires && isReserved(contract))
        yield `charm "${name}" relation "${endpoint}" using a reserved interface: "${contract}"`;
    }
  }
  if (subordinate && !Object.values(requires).some(({ scope }) => scope === 'container'))
    yield `subordinate charm "${name}" lacks "requires" relation with container scope`;
  // Bases in manifest.yaml, which juju-local insists on, make these errors.
  for (const key of ['series', 'min-juju-version'] as const)
    if (charm[key] !== undefined) yield `"${key}" cannot be used with bases in manifest.yaml`;
}

export const OptionDefinition = z.object({
  type: z.enum(['string', 'int', 'float', 'boolean', 'secret']).default('string'),
  default: z.union([z.string(), z.number(), z.boolean()]).nullish(),
  description: z.string().default(''),
});
export type OptionDefinition = z.infer<typeof OptionDefinition>;

export const ActionDefinition = z.object({
  description: z.string().default(''),
  params: z
    .record(
      z.string(),
      z.looseObject({
        type: z.string().optional(),
        default: z.unknown().optional(),
        enum: z.array(z.unknown()).optional(),
      }),
    )
    .nullish()
    .transform((params) => params ?? {}),
  required: z.array(z.string()).default([]),
  additionalProperties: z.boolean().default(false),
});

/** A charm, without its files. */
export const CharmInfo = z.object({
  /** Digest of the archive. */
  digest: z.string(),
  /** Counts the archives of this name that the model was given. */
  revision: z.int(),
  version: z.string(),
  metadata: Metadata,
  options: z.record(z.string(), OptionDefinition),
  actions: z.record(z.string(), ActionDefinition),
  /** `22.04`, `24.04` */
  bases: z.array(z.object({ name: z.string(), channel: z.string() })),
});
export type CharmInfo = z.infer<typeof CharmInfo>;

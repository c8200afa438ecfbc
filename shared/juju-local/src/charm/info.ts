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
  .record(z.string(), Endpoint)
  .nullish()
  .transform((map) => map ?? {});

/** metadata.yaml, as far as a model needs it. */
export const Metadata = z.object({
  name: z.string().regex(/^[a-z][a-z0-9]*(-[a-z0-9]*[a-z][a-z0-9]*)*$/),
  summary: z.string(),
  description: z.string(),
  subordinate: z.boolean().default(false),
  provides: Endpoints,
  requires: Endpoints,
  peers: Endpoints,
});

export const OptionDefinition = z.object({
  type: z.enum(['string', 'int', 'float', 'boolean', 'secret']).default('string'),
  default: z.union([z.string(), z.number(), z.boolean()]).nullish(),
  description: z.string().default(''),
});
export type OptionDefinition = z.infer<typeof OptionDefinition>;

export const ActionDefinition = z.object({
  description: z.string().default(''),
  params: z
    .record(z.string(), z.looseObject({ type: z.string().optional(), default: z.unknown().optional() }))
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

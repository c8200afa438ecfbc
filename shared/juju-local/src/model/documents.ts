import { z } from 'zod';
import { CharmInfo } from '../charm/info.ts';

/** What is kept of a model, one JSON document for each thing. */

const Status = z.object({ current: z.string(), message: z.string(), since: z.string() });
export type Status = z.infer<typeof Status>;

export const Scalar = z.union([z.string(), z.number(), z.boolean()]);
export type Scalar = z.infer<typeof Scalar>;

const Life = z.enum(['alive', 'dying']);
const Bag = z.record(z.string(), z.string());

/** What a unit is to run. */
export const Operation = z.discriminatedUnion('kind', [
  z.object({
    kind: z.literal('hook'),
    /** `install`, `db-relation-changed` */
    name: z.string(),
    relation: z.int().optional(),
    remoteApp: z.string().optional(),
    remoteUnit: z.string().optional(),
    departingUnit: z.string().optional(),
    secret: z.string().optional(),
    /** Version of the databag, or revision of the secret, that the hook is run for. */
    version: z.int().optional(),
  }),
  z.object({ kind: z.literal('action'), name: z.string(), task: z.string() }),
  z.object({ kind: z.literal('exec'), task: z.string() }),
]);
export type Operation = z.infer<typeof Operation>;

/** What a unit has told its charm about one relation. */
const UnitRelation = z.object({
  created: z.boolean(),
  /** Remote units that have joined, with the version of their databag that the charm was last told of. */
  members: z.record(z.string(), z.int()),
  appVersion: z.int(),
  /** The unit that has joined and whose `-changed` comes next. */
  changedNext: z.string().optional(),
  /** Juju 4: peers that were removed, of which the agent is not told before it starts again. */
  untold: z.array(z.string()).optional(),
  broken: z.boolean(),
});
export type UnitRelation = z.infer<typeof UnitRelation>;

export const Application = z.object({
  name: z.string(),
  charm: CharmInfo,
  options: z.record(z.string(), Scalar),
  nextUnit: z.int(),
  life: Life,
  leader: z.string().optional(),
  workloadVersion: z.string().optional(),
  status: Status.optional(),
  /** What leader-set wrote, and how often. */
  leaderSettings: Bag,
  leaderSettingsVersion: z.int(),
});
export type Application = z.infer<typeof Application>;

export const Unit = z.object({
  name: z.string(),
  app: z.string(),
  machine: z.string(),
  principal: z.string().optional(),
  life: Life,
  /** Digest of the charm that is unpacked on the machine. */
  charm: z.string().optional(),
  workload: Status,
  agent: Status,
  ports: z.array(z.string()),
  state: Bag,
  installed: z.boolean(),
  started: z.boolean(),
  stopped: z.boolean(),
  /** Juju 4: when the unit is deleted, whatever runs; an ISO date. */
  deletedAt: z.string().optional(),
  elected: z.boolean(),
  /** The machine has booted again: `start` comes next. */
  rebooted: z.boolean(),
  /** Version of the leader's settings that the charm was last told of. */
  leaderSettingsSeen: z.int().optional(),
  /** Digest of what the last config-changed saw. */
  configSeen: z.string().optional(),
  relations: z.record(z.string(), UnitRelation),
  /** Revision of each secret that the charm was last told of. */
  secretsSeen: z.record(z.string(), z.int()),
  /** The operation that runs now; after a crash of the daemon it runs again. */
  current: Operation.optional(),
  failed: z.object({ operation: Operation, attempts: z.int(), since: z.string() }).optional(),
});
export type Unit = z.infer<typeof Unit>;

const RelationEndpoint = z.object({
  app: z.string(),
  name: z.string(),
  role: z.enum(['provider', 'requirer', 'peer']),
  interface: z.string(),
});
export type RelationEndpoint = z.infer<typeof RelationEndpoint>;

export const Relation = z.object({
  id: z.int(),
  endpoints: z.array(RelationEndpoint),
  scope: z.enum(['global', 'container']),
  life: Life,
  /** Juju 4: its application was removed by force, and the agents at this end have not noticed. */
  isLost: z.boolean().optional(),
  /** Units in its scope. */
  units: z.array(z.string()),
  /** Which unit each subordinate rides on that has been in its scope: kept when the unit is removed, as its databag is. */
  principals: z.record(z.string(), z.string()).default({}),
  /** By unit or application. */
  bags: z.record(z.string(), Bag),
  versions: z.record(z.string(), z.int()),
});
export type Relation = z.infer<typeof Relation>;

export const Secret = z.object({
  id: z.string(),
  /** A unit or an application. */
  owner: z.string(),
  label: z.string().optional(),
  description: z.string().optional(),
  rotate: z.string().optional(),
  /** When `secret-rotate` is due, as an ISO date. */
  nextRotate: z.string().optional(),
  /** When the latest revision expires, and when its owner was last told that it has; ISO dates. */
  expire: z.string().optional(),
  expiryTold: z.string().optional(),
  revisions: z.array(
    z.object({
      number: z.int(),
      content: Bag,
      /** The owner has been told that nobody reads this revision any more. */
      isRemovalTold: z.boolean().optional(),
    }),
  ),
  grants: z.array(z.object({ relation: z.int(), to: z.string() })),
  consumers: z.record(z.string(), z.object({ revision: z.int(), label: z.string().optional() })),
});
export type Secret = z.infer<typeof Secret>;

export const Machine = z.object({
  id: z.string(),
  state: z.enum(['pending', 'started', 'down']),
  message: z.string(),
  since: z.string(),
  address: z.string().optional(),
  hostname: z.string().optional(),
});
export type Machine = z.infer<typeof Machine>;

export const Settings = z.object({
  name: z.string(),
  uuid: z.string(),
  /** ISO date. */
  created: z.string(),
  nextRelation: z.int(),
  nextMachine: z.int(),
  nextRevision: z.record(z.string(), z.int()),
  nextTask: z.int(),
  config: z.record(z.string(), z.string()),
  /** Which Juju the model is like: 3.6 or 4. */
  juju: z.union([z.literal(3), z.literal(4)]).default(3),
});
export type Settings = z.infer<typeof Settings>;

import { join } from 'node:path';
import { z } from 'zod';
import { CharmBugError } from './errors.ts';

/** A relation as Juju numbers it: `db:7` is relation 7 on the endpoint `db`. */
export interface RelationRef {
  readonly endpoint: string;
  readonly id: number;
}

/** Why Juju ran the charm. */
export type Event =
  | { readonly kind: 'lifecycle'; readonly name: LifecycleHook }
  | {
      readonly kind: 'relation';
      readonly name: RelationHook;
      readonly relation: RelationRef;
      readonly remoteApp: string;
      /** Absent in `created`, in `broken`, and if the databag of the remote application changed. */
      readonly remoteUnit?: string;
      /** The unit that leaves, in `departed`: the remote unit, or this unit itself if it is being removed. */
      readonly departingUnit?: string;
    }
  | {
      readonly kind: 'secret';
      readonly name: SecretHook;
      readonly uri: string;
      readonly label?: string;
      readonly revision?: number;
    }
  | { readonly kind: 'storage'; readonly name: StorageHook; readonly storage: string }
  | { readonly kind: 'action'; readonly name: string; readonly id: string };

/** Of these Juju 4 has neither `leader-settings-changed` nor those of an upgrade of the series. */
export const LIFECYCLE_HOOKS = [
  'install',
  'start',
  'config-changed',
  'upgrade-charm',
  'update-status',
  'leader-elected',
  'leader-settings-changed',
  'pre-series-upgrade',
  'post-series-upgrade',
  'stop',
  'remove',
] as const;
export const RELATION_HOOKS = ['created', 'joined', 'changed', 'departed', 'broken'] as const;
export const SECRET_HOOKS = ['secret-changed', 'secret-rotate', 'secret-expired', 'secret-remove'] as const;
export const STORAGE_HOOKS = ['attached', 'detaching'] as const;

export type LifecycleHook = (typeof LIFECYCLE_HOOKS)[number];
export type RelationHook = (typeof RELATION_HOOKS)[number];
export type SecretHook = (typeof SECRET_HOOKS)[number];
export type StorageHook = (typeof STORAGE_HOOKS)[number];

/** What a unit knows about its own removal. */
export interface Removal {
  /**
   * For how many seconds, at least, the unit had known of its removal when this hook began. Changes of the clock do
   * not matter.
   */
  readonly forSeconds: number;
  /** Whether it learnt of its removal in this hook. */
  readonly isNew: boolean;
}

/** What Juju says in the environment of a hook, checked and frozen. */
export interface HookContext {
  /** Juju's name for this run. No other run has it. */
  readonly id: string;
  readonly event: Event;
  /** `web/0` */
  readonly unit: string;
  /** `web` */
  readonly app: string;
  readonly model: { readonly name: string; readonly uuid: string };
  /** The principal unit of this subordinate; absent for a principal. */
  readonly principalUnit?: string;
  readonly charmDirectory: string;
  /**
   * Where the charm keeps what it must remember on this machine from one hook to the next. The folder may be missing.
   */
  readonly stateDirectory: string;
  readonly jujuVersion: string;
  readonly machineId: string;
  /** Absent if the cloud has none. */
  readonly availabilityZone?: string;
  /** The proxies that charms should use: the options `juju-http-proxy` and so on of the model. */
  readonly proxy: Readonly<Partial<Record<'http' | 'https' | 'ftp' | 'no', string>>>;
  /** Present once this unit is being removed. */
  readonly removal?: Removal;
}

const filled = z
  .string()
  .optional()
  .transform((value) => (value === '' ? undefined : value));

const Environment = z.object({
  JUJU_CONTEXT_ID: z.string().min(1),
  JUJU_DISPATCH_PATH: z.string().regex(/^(hooks|actions)\/[^/]+$/),
  JUJU_UNIT_NAME: z.string().regex(/^[a-z0-9-]+\/\d+$/),
  JUJU_MODEL_NAME: z.string().default(''),
  JUJU_MODEL_UUID: z.string().default(''),
  JUJU_CHARM_DIR: filled,
  JUJU_PRINCIPAL_UNIT: filled,
  JUJU_VERSION: z.string().default(''),
  JUJU_MACHINE_ID: z.string().default(''),
  JUJU_AVAILABILITY_ZONE: filled,
  JUJU_CHARM_HTTP_PROXY: filled,
  JUJU_CHARM_HTTPS_PROXY: filled,
  JUJU_CHARM_FTP_PROXY: filled,
  JUJU_CHARM_NO_PROXY: filled,
  JUJU_RELATION: filled,
  JUJU_RELATION_ID: filled,
  JUJU_REMOTE_APP: filled,
  JUJU_REMOTE_UNIT: filled,
  JUJU_DEPARTING_UNIT: filled,
  JUJU_SECRET_ID: filled,
  JUJU_SECRET_LABEL: filled,
  JUJU_SECRET_REVISION: filled,
  JUJU_STORAGE_ID: filled,
  JUJU_ACTION_UUID: filled,
});
type Environment = z.infer<typeof Environment>;

/**
 * Reads the environment that Juju made for this run of `dispatch`.
 * @throws {CharmBugError} when it is not Juju's: the charm was started by hand, or Juju changed.
 */
export function hookContext(environment: Readonly<Record<string, string | undefined>>): HookContext {
  const parsed = Environment.safeParse(environment);
  if (!parsed.success) {
    throw new CharmBugError(
      `this program is run by Juju, as a charm's dispatch: ${z.prettifyError(parsed.error)}`,
    );
  }
  const env = parsed.data;
  const charmDirectory = env.JUJU_CHARM_DIR ?? process.cwd();
  return Object.freeze({
    id: env.JUJU_CONTEXT_ID,
    event: eventOf(env),
    unit: env.JUJU_UNIT_NAME,
    app: appOf(env.JUJU_UNIT_NAME),
    model: { name: env.JUJU_MODEL_NAME, uuid: env.JUJU_MODEL_UUID },
    ...(env.JUJU_PRINCIPAL_UNIT !== undefined && { principalUnit: env.JUJU_PRINCIPAL_UNIT }),
    charmDirectory,
    stateDirectory: join(charmDirectory, '.state'),
    jujuVersion: env.JUJU_VERSION,
    machineId: env.JUJU_MACHINE_ID,
    ...(env.JUJU_AVAILABILITY_ZONE !== undefined && { availabilityZone: env.JUJU_AVAILABILITY_ZONE }),
    proxy: Object.freeze({
      ...(env.JUJU_CHARM_HTTP_PROXY !== undefined && { http: env.JUJU_CHARM_HTTP_PROXY }),
      ...(env.JUJU_CHARM_HTTPS_PROXY !== undefined && { https: env.JUJU_CHARM_HTTPS_PROXY }),
      ...(env.JUJU_CHARM_FTP_PROXY !== undefined && { ftp: env.JUJU_CHARM_FTP_PROXY }),
      ...(env.JUJU_CHARM_NO_PROXY !== undefined && { no: env.JUJU_CHARM_NO_PROXY }),
    }),
  });
}

function eventOf(env: Environment): Event {
  const [folder = '', name = ''] = env.JUJU_DISPATCH_PATH.split('/');
  if (folder === 'actions') return { kind: 'action', name, id: env.JUJU_ACTION_UUID ?? '' };

  const lifecycle = LIFECYCLE_HOOKS.find((hook) => hook === name);
  if (lifecycle) return { kind: 'lifecycle', name: lifecycle };

  const secret = SECRET_HOOKS.find((hook) => hook === name);
  if (secret) {
    return {
      kind: 'secret',
      name: secret,
      uri: required(env, 'JUJU_SECRET_ID'),
      ...(env.JUJU_SECRET_LABEL !== undefined && { label: env.JUJU_SECRET_LABEL }),
      ...((secret === 'secret-expired' || secret === 'secret-remove') && {
        revision: Number(required(env, 'JUJU_SECRET_REVISION')),
      }),
    };
  }

  const relation = RELATION_HOOKS.find((hook) => name.endsWith(`-relation-${hook}`));
  if (relation) {
    const ref = {
      endpoint: required(env, 'JUJU_RELATION'),
      id: relationNumber(required(env, 'JUJU_RELATION_ID')),
    };
    const isOfUnit = relation === 'joined' || relation === 'departed';
    const remoteUnit = isOfUnit ? required(env, 'JUJU_REMOTE_UNIT') : env.JUJU_REMOTE_UNIT;
    const departingUnit = relation === 'departed' ? (env.JUJU_DEPARTING_UNIT ?? remoteUnit) : undefined;
    return {
      kind: 'relation',
      name: relation,
      relation: ref,
      remoteApp: env.JUJU_REMOTE_APP ?? '',
      ...(remoteUnit !== undefined && { remoteUnit }),
      ...(departingUnit !== undefined && { departingUnit }),
    };
  }

  const storage = STORAGE_HOOKS.find((hook) => name.endsWith(`-storage-${hook}`));
  if (storage) return { kind: 'storage', name: storage, storage: required(env, 'JUJU_STORAGE_ID') };

  throw new CharmBugError(`Juju ran an event this charm framework does not know: ${env.JUJU_DISPATCH_PATH}`);
}

function required(env: Environment, name: keyof Environment): string {
  const value = env[name];
  if (value === undefined) throw new CharmBugError(`Juju set no ${name} for ${env.JUJU_DISPATCH_PATH}`);
  return value;
}

/** `db:7` → 7. Juju itself looks at nothing but the number. */
export function relationNumber(id: string): number {
  const number = Number(id.slice(id.lastIndexOf(':') + 1));
  if (!Number.isInteger(number) || number < 0) throw new CharmBugError(`not a relation id: ${id}`);
  return number;
}

/** `my-web/12` → `my-web` */
export function appOf(unit: string): string {
  return unit.slice(0, unit.lastIndexOf('/'));
}

/** The name of a hook as Juju has it, `db-relation-changed`; or that of the action. */
export function nameOf(event: Event): string {
  switch (event.kind) {
    case 'relation':
      return `${event.relation.endpoint}-relation-${event.name}`;
    case 'storage':
      return `${event.storage.replace(/\/\d+$/, '')}-storage-${event.name}`;
    case 'secret':
    case 'lifecycle':
    case 'action':
      return event.name;
  }
}

/** The event in words, for logs and errors: `db-relation-changed (db:7, mysql/0)`. */
export function describeEvent(event: Event): string {
  switch (event.kind) {
    case 'relation': {
      const { endpoint, id } = event.relation;
      return `${nameOf(event)} (${endpoint}:${id}, ${event.remoteUnit ?? event.remoteApp})`;
    }
    case 'storage':
      return `${nameOf(event)} (${event.storage})`;
    case 'secret':
      return `${nameOf(event)} (${event.label ?? event.uri})`;
    case 'lifecycle':
      return event.name;
    case 'action':
      return `action ${event.name}`;
  }
}

/**
 * The command line with which a program on the machine makes Juju run `update-status` of a unit, which then
 * reconciles. The command waits for running hooks on the machine, and for this one to end.
 */
export function hookCommand(unit: string): readonly [string, string, string] {
  return ['/usr/bin/juju-exec', unit, 'JUJU_DISPATCH_PATH=hooks/update-status ./dispatch'];
}

import { z } from 'zod';
import { appOf } from '../context.ts';

const State = z.looseObject({
  current: z.string(),
  message: z.string().default(''),
  since: z.string().optional(),
});

const Unit = z.looseObject({
  'workload-status': State,
  'juju-status': State,
  leader: z.boolean().default(false),
  /** Of a subordinate it is that of its principal. */
  machine: z.string().optional(),
  'public-address': z.string().optional(),
  'open-ports': z.array(z.string()).default([]),
  get subordinates() {
    return z.record(z.string(), Unit).default({});
  },
});

const Application = z.looseObject({
  'charm-name': z.string(),
  'charm-rev': z.int(),
  'application-status': State,
  version: z.string().optional(),
  exposed: z.boolean(),
  relations: z
    .record(z.string(), z.array(z.looseObject({ 'related-application': z.string(), interface: z.string() })))
    .default({}),
  'subordinate-to': z.array(z.string()).default([]),
  units: z.record(z.string(), Unit).default({}),
});

const Machine = z.looseObject({
  'juju-status': State,
  'machine-status': State.optional(),
  'ip-addresses': z.array(z.string()).default([]),
  'instance-id': z.string().optional(),
});

/**
 * `juju status --format json`, of Juju 3.6 and 4. What is not named here is there as well, unchecked.
 * https://github.com/juju/juju/blob/3.6/cmd/juju/status/formatted.go
 */
export const ModelStatus = z.looseObject({
  model: z.looseObject({ name: z.string(), version: z.string() }),
  machines: z.record(z.string(), Machine).default({}),
  applications: z.record(z.string(), Application).default({}),
});
/** What `juju status` shows of a model, under its own keys. */
export type ModelStatus = z.output<typeof ModelStatus>;

/** One unit, in the form that tests need. */
export interface UnitStatus {
  /** `web/0` */
  readonly name: string;
  readonly app: string;
  /** For a subordinate: its principal unit. */
  readonly principal?: string;
  /** The number of its machine; absent until it has one. */
  readonly machine?: string;
  /** Where to reach it; absent until it has an address. */
  readonly address?: string;
  readonly isLeader: boolean;
  /** `active`, `waiting`, `blocked`, `maintenance`, `error`, … */
  readonly workload: string;
  readonly message: string;
  /** `idle`, `executing`, `allocating`, `lost`, … */
  readonly agent: string;
  /** `80/tcp` */
  readonly ports: readonly string[];
}

/** Every unit, subordinates included, in the order of name and number; or only those of some applications. */
export function unitsOf({ applications }: ModelStatus, ...apps: readonly string[]): readonly UnitStatus[] {
  const all = Object.values(applications).flatMap(({ units }) =>
    Object.entries(units).flatMap(([name, unit]) => [
      unitStatus(name, unit),
      ...Object.entries(unit.subordinates).map(([subordinate, status]) => ({
        ...unitStatus(subordinate, status),
        principal: name,
        ...(unit.machine !== undefined && { machine: unit.machine }),
      })),
    ]),
  );
  return all
    .filter(({ app }) => apps.length === 0 || apps.includes(app))
    .sort((a, b) => a.name.localeCompare(b.name, 'en', { numeric: true }));
}

function unitStatus(name: string, unit: z.output<typeof Unit>): UnitStatus {
  const { machine, leader, 'public-address': address, 'open-ports': ports } = unit;
  const { current: workload, message } = unit['workload-status'];
  return {
    name,
    app: appOf(name),
    ...(machine !== undefined && { machine }),
    ...(address !== undefined && { address }),
    isLeader: leader,
    workload,
    message,
    agent: unit['juju-status'].current,
    ports,
  };
}

/**
 * Whether every unit, or every unit of some applications, is active and idle. False if there is no unit, or if one of
 * these applications is missing.
 */
export function areActive(status: ModelStatus, ...apps: readonly string[]): boolean {
  const units = unitsOf(status, ...apps);
  return (
    units.length > 0 &&
    apps.every((app) => units.some((unit) => unit.app === app)) &&
    units.every(({ workload, agent }) => workload === 'active' && agent === 'idle')
  );
}

/** Whether a hook has failed, on any unit or on a unit of some applications. */
export function isAnyInError(status: ModelStatus, ...apps: readonly string[]): boolean {
  return unitsOf(status, ...apps).some(({ workload }) => workload === 'error');
}

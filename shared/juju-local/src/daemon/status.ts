import type { Application, Status, Unit } from '../model/documents.ts';
import { unitNumber, type Model } from '../model/model.ts';
import { JUJU_VERSION } from '../agent/environment.ts';

/** Worst first: what an application shows when its leader has set nothing. */
const ORDER = ['error', 'blocked', 'maintenance', 'waiting', 'active', 'terminated', 'unknown'];

/** The model in the form of `juju status --format json` (cmd/juju/status/formatted.go). */
export function fullStatus(model: Model, base: { readonly name: string; readonly channel: string }) {
  const machines = [...model.machines.values()].map(
    ({ id, state, address = '', hostname = '', since, message }) => [
      id,
      {
        'juju-status': { current: state, since, version: JUJU_VERSION },
        hostname,
        'dns-name': address,
        'ip-addresses': address === '' ? [] : [address],
        'instance-id': hostname === '' ? 'pending' : hostname,
        'machine-status': { current: state === 'started' ? 'running' : state, message, since },
        base,
        'network-interfaces':
          address === '' ? {} : { eth0: { 'ip-addresses': [address], 'is-up': state === 'started' } },
      },
    ],
  );
  const applications = [...model.applications.values()].map((app) => [
    app.name,
    applicationStatus(model, app, base),
  ]);
  return {
    model: {
      name: model.settings.name,
      type: 'iaas',
      controller: 'local',
      cloud: 'juju-local',
      version: JUJU_VERSION,
      'model-status': { current: 'available' },
    },
    machines: Object.fromEntries(machines),
    applications: Object.fromEntries(applications),
    storage: {},
    controller: { timestamp: new Date().toISOString().slice(11, 19) },
  };
}

function applicationStatus(
  model: Model,
  app: Application,
  base: { readonly name: string; readonly channel: string },
) {
  const { metadata, revision, version } = app.charm;
  const units = model.unitsOf(app.name);
  const relations: Record<string, unknown[]> = {};
  for (const relation of model.relationsOf(app.name)) {
    const { name, interface: contract } = model.ownEndpoint(relation, app.name);
    const entry = {
      'related-application': model.remoteApp(relation, app.name),
      interface: contract,
      scope: relation.scope,
    };
    relations[name] = [...(relations[name] ?? []), entry];
  }
  const principals = new Set(
    units.flatMap(({ principal }) => (principal === undefined ? [] : [principal.split('/')[0] ?? ''])),
  );
  return {
    charm: `local:${metadata.name}-${revision}`,
    base,
    'charm-origin': 'local',
    'charm-name': metadata.name,
    'charm-rev': revision,
    ...(version !== '' && { 'charm-version': version }),
    exposed: false,
    ...(app.life === 'dying' && { life: 'dying' }),
    'application-status': app.status ?? worstOf(units),
    relations,
    ...(metadata.subordinate && { 'subordinate-to': [...principals] }),
    ...(!metadata.subordinate && {
      units: Object.fromEntries(units.map((unit) => [unit.name, unitStatus(model, unit)])),
    }),
    ...(app.workloadVersion !== undefined && { version: app.workloadVersion }),
  };
}

function unitStatus(model: Model, unit: Unit): Record<string, unknown> {
  const subordinates = model.subordinatesOf(unit.name).map((other) => [other.name, unitStatus(model, other)]);
  return {
    'workload-status': shownWorkload(unit),
    'juju-status': { ...unit.agent, version: JUJU_VERSION },
    ...(unit.life === 'dying' && { life: 'dying' }),
    ...(model.isLeader(unit) && { leader: true }),
    ...(unit.principal === undefined && { machine: unit.machine }),
    ...(unit.ports.length > 0 && { 'open-ports': unit.ports }),
    'public-address': model.machineOf(unit).address ?? '',
    ...(subordinates.length > 0 && { subordinates: Object.fromEntries(subordinates) }),
  };
}

/** A failed hook hides what the charm last said. */
function shownWorkload({ failed, workload, agent }: Unit): Status {
  if (agent.current === 'lost') return { ...workload, current: 'unknown', message: 'the machine is down' };
  const operation = failed?.operation;
  if (operation?.kind !== 'hook') return workload;
  return { current: 'error', message: `hook failed: "${operation.name}"`, since: workload.since };
}

function worstOf(units: readonly Unit[]): Status {
  const shown = units.toSorted((a, b) => unitNumber(a.name) - unitNumber(b.name)).map(shownWorkload);
  for (const current of ORDER) {
    const found = shown.find((status) => status.current === current);
    if (found) return found;
  }
  return { current: 'unknown', message: '', since: '' };
}

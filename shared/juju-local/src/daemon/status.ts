import { UsageError } from '../errors.ts';
import type { Application, Relation, Status, Unit } from '../model/documents.ts';
import type { Model } from '../model/model.ts';
import { applicationStatusOf, failedStatus } from '../model/status.ts';
import { shownRanges } from '../model/ports.ts';
import { jujuVersion } from '../agent/environment.ts';

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

/** `24 Nov 2026 15:07:36Z`, as Juju writes dates. */
function date(iso: string): string {
  if (iso === '') return '';
  const [year = '', month = '', day = ''] = iso.slice(0, 10).split('-');
  return `${day} ${MONTHS[Number(month) - 1] ?? ''} ${year} ${iso.slice(11, 19)}Z`;
}

/** Without an empty message, and with Juju's date. */
function shown({ current, message, since }: Status) {
  return { current, ...(message !== '' && { message }), since: date(since) };
}

interface Base {
  readonly name: string;
  readonly channel: string;
}

/**
 * The model in the form of `juju status --format json` (cmd/juju/status/formatted.go), and each of its relations once.
 * @param selectors names of applications, units or machines; none means all
 * @throws {UsageError} for a name that is nothing of the model's
 */
export function fullStatus(model: Model, base: Base, selectors: readonly string[]) {
  const chosen = select(model, selectors);
  const machines = [...model.machines.values()]
    .filter(({ id }) => chosen.machines.has(id))
    .map(({ id, state, address = '', hostname = '', since, message }) => [
      id,
      {
        'juju-status': { current: state, since: date(since), version: jujuVersion(model) },
        hostname,
        'dns-name': address,
        'ip-addresses': address === '' ? [] : [address],
        'instance-id': hostname === '' ? 'pending' : hostname,
        'machine-status': shown({ current: state === 'started' ? 'running' : state, message, since }),
        'modification-status': shown({ current: 'idle', message: '', since }),
        base,
        'network-interfaces':
          address === '' ? {} : { eth0: { 'ip-addresses': [address], 'is-up': state === 'started' } },
      },
    ]);
  const applications = [...model.applications.values()]
    .filter(({ name }) => chosen.applications.has(name))
    .map((app) => [app.name, applicationStatus(model, app, base, chosen.units)]);
  return {
    model: {
      name: model.settings.name,
      type: 'iaas',
      controller: 'local',
      cloud: 'juju-local',
      version: jujuVersion(model),
      'model-status': { current: 'available', since: date(model.settings.created) },
    },
    machines: Object.fromEntries(machines),
    applications: Object.fromEntries(applications),
    relations: [...model.relations.values()]
      .filter(({ isLost }) => !isLost)
      .filter(({ endpoints }) => endpoints.some(({ app }) => chosen.applications.has(app)))
      .map(relationRow),
    storage: {},
    controller: { timestamp: `${new Date().toISOString().slice(11, 19)}Z` },
  };
}

/** What is named, and what belongs to it: a unit's application, machine and subordinates, an application's units. */
function select(model: Model, selectors: readonly string[]) {
  const all = [...model.units.values()];
  const isMeant = (unit: Unit): boolean =>
    selectors.length === 0 ||
    selectors.some((name) => [unit.name, unit.app, unit.machine, unit.principal].includes(name));
  for (const name of selectors) {
    if (model.applications.has(name) || model.units.has(name) || model.machines.has(name)) continue;
    throw new UsageError(`nothing in the model is named "${name}"`);
  }
  const units = new Set<string>();
  for (const unit of all.filter(isMeant)) {
    units.add(unit.name);
    if (unit.principal !== undefined) units.add(unit.principal);
  }
  const chosen = all.filter(({ name }) => units.has(name));
  const named = (known: Iterable<string>) =>
    [...known].filter((name) => selectors.length === 0 || selectors.includes(name));
  return {
    units,
    applications: new Set([...chosen.map(({ app }) => app), ...named(model.applications.keys())]),
    machines: new Set([...chosen.map(({ machine }) => machine), ...named(model.machines.keys())]),
  };
}

function relationRow({ endpoints, scope }: Relation) {
  const end = (role: string) => endpoints.find((endpoint) => endpoint.role === role) ?? endpoints[0];
  const [provider, requirer] = [end('provider'), end('requirer')].map((endpoint) =>
    endpoint ? `${endpoint.app}:${endpoint.name}` : '',
  );
  return { provider, requirer, interface: endpoints[0]?.interface ?? '', scope };
}

/** What `juju show-unit` says, the databags that the unit sees included. */
export function describeUnit(model: Model, unit: Unit, base: Base) {
  const relations = model
    .relationsOf(unit.app)
    .filter(({ isLost }) => !isLost)
    .map((relation) => {
      const own = model.ownEndpoint(relation, unit.app);
      const remoteApp = model.remoteApp(relation, unit.app);
      const remote = relation.endpoints.find(({ app }) => app !== unit.app) ?? own;
      const seen = model
        .remoteUnits(relation, unit)
        .map((name) => [name, { 'in-scope': true, data: relation.bags[name] ?? {} }]);
      return {
        'relation-id': relation.id,
        endpoint: own.name,
        'related-endpoint': remote.name,
        'application-data': relation.bags[remoteApp] ?? {},
        'local-unit': {
          'in-scope': relation.units.includes(unit.name),
          data: relation.bags[unit.name] ?? {},
        },
        'related-units': Object.fromEntries(seen),
      };
    });
  return {
    ...(unit.principal === undefined && { machine: unit.machine }),
    'opened-ports': shownRanges(unit.ports),
    'public-address': model.machineOf(unit).address ?? '',
    charm: charmUrl(model.application(unit.app)),
    base,
    leader: model.isLeader(unit),
    life: unit.life,
    'relation-info': relations,
  };
}

/** What `juju show-application` says. */
export function describeApplication(app: Application, base: Base) {
  const { provides, requires, peers, subordinate, name } = app.charm.metadata;
  const endpoints = Object.keys({ ...provides, ...requires, ...peers }).sort();
  return {
    charm: name,
    base: `${base.name}@${base.channel}`,
    'charm-origin': 'local',
    'charm-rev': app.charm.revision,
    principal: !subordinate,
    exposed: false,
    remote: false,
    life: app.life,
    'endpoint-bindings': Object.fromEntries(['', ...endpoints].map((endpoint) => [endpoint, 'alpha'])),
  };
}

function charmUrl({ charm }: Application): string {
  return `local:${charm.metadata.name}-${charm.revision}`;
}

function applicationStatus(model: Model, app: Application, base: Base, chosen: ReadonlySet<string>) {
  const { metadata, revision, version } = app.charm;
  const units = model.unitsOf(app.name).filter(({ name }) => chosen.has(name));
  const relations: Record<string, unknown[]> = {};
  for (const relation of model.relationsOf(app.name).filter(({ isLost }) => !isLost)) {
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
    charm: charmUrl(app),
    base,
    'charm-origin': 'local',
    'charm-name': metadata.name,
    'charm-rev': revision,
    ...(version !== '' && { 'charm-version': version }),
    exposed: false,
    ...(app.life === 'dying' && { life: 'dying' }),
    'application-status': shown(applicationStatusOf(model, app)),
    relations,
    'endpoint-bindings': Object.fromEntries(
      ['', ...Object.keys({ ...metadata.provides, ...metadata.requires, ...metadata.peers }).sort()].map(
        (name) => [name, 'alpha'],
      ),
    ),
    ...(metadata.subordinate && { 'subordinate-to': [...principals] }),
    ...(!metadata.subordinate && {
      units: Object.fromEntries(units.map((unit) => [unit.name, unitStatus(model, unit, chosen)])),
    }),
    ...(app.workloadVersion !== undefined && { version: app.workloadVersion }),
  };
}

function unitStatus(model: Model, unit: Unit, chosen: ReadonlySet<string>): Record<string, unknown> {
  const subordinates = model
    .subordinatesOf(unit.name)
    .filter(({ name }) => chosen.has(name))
    .map((other) => [other.name, unitStatus(model, other, chosen)]);
  return {
    'workload-status': shown(workloadOf(model, unit)),
    'juju-status': { ...shown(unit.agent), version: jujuVersion(model) },
    ...(unit.life === 'dying' && { life: 'dying' }),
    ...(model.isLeader(unit) && { leader: true }),
    ...(unit.principal === undefined && { machine: unit.machine }),
    ...(unit.ports.length > 0 && { 'open-ports': shownRanges(unit.ports) }),
    'public-address': model.machineOf(unit).address ?? '',
    ...(subordinates.length > 0 && { subordinates: Object.fromEntries(subordinates) }),
  };
}

/** A failed hook, or a machine that is gone, hides what the charm last said. */
export function workloadOf(model: Model, unit: Unit): Status {
  if (unit.agent.current === 'lost')
    return { ...unit.agent, current: 'unknown', message: `machine ${unit.machine} is down` };
  return unit.failed ? failedStatus(model, unit) : unit.workload;
}

import { createHash, randomBytes, randomUUID } from 'node:crypto';
import type { CharmInfo } from '../charm/info.ts';
import { effectiveOptions } from '../charm/options.ts';
import { UsageError } from '../errors.ts';
import {
  Application,
  Machine,
  Relation,
  Secret,
  Settings,
  Unit,
  type RelationEndpoint,
  type Scalar,
  type Status,
} from './documents.ts';
import type { Store } from './store.ts';

/** An application's endpoint that could be related. */
interface Candidate extends RelationEndpoint {
  readonly scope: 'global' | 'container';
  readonly limit: number;
  /** `juju-info`, which every application has without declaring it. */
  readonly implicit: boolean;
}

/** Applications, units, relations, secrets and machines, and the rules between them. */
export class Model {
  readonly settings: Settings;
  readonly applications: Map<string, Application>;
  readonly units: Map<string, Unit>;
  readonly relations: Map<number, Relation>;
  readonly secrets: Map<string, Secret>;
  readonly machines: Map<string, Machine>;
  readonly #store: Store;

  constructor(name: string, store: Store) {
    this.#store = store;
    this.settings = store.load('settings', Settings)[0] ?? {
      name,
      uuid: randomUUID(),
      nextRelation: 0,
      nextMachine: 0,
      nextRevision: {},
      nextTask: 1,
      config: {},
    };
    this.applications = new Map(store.load('application', Application).map((app) => [app.name, app]));
    this.units = new Map(store.load('unit', Unit).map((unit) => [unit.name, unit]));
    this.relations = new Map(store.load('relation', Relation).map((relation) => [relation.id, relation]));
    this.secrets = new Map(store.load('secret', Secret).map((secret) => [secret.id, secret]));
    this.machines = new Map(store.load('machine', Machine).map((machine) => [machine.id, machine]));
  }

  /** Writes down whatever has changed, all of it or nothing. */
  save(): void {
    const documents = new Map<string, unknown>([['settings 0', this.settings]]);
    for (const app of this.applications.values()) documents.set(`application ${app.name}`, app);
    for (const unit of this.units.values()) documents.set(`unit ${unit.name}`, unit);
    for (const relation of this.relations.values()) documents.set(`relation ${relation.id}`, relation);
    for (const secret of this.secrets.values()) documents.set(`secret ${secret.id}`, secret);
    for (const machine of this.machines.values()) documents.set(`machine ${machine.id}`, machine);
    this.#store.save(documents);
  }

  /** @throws {UsageError} */
  application(name: string): Application {
    const app = this.applications.get(name);
    if (!app) throw new UsageError(`application "${name}" not found`);
    return app;
  }

  /** @throws {UsageError} */
  unit(name: string): Unit {
    const unit = this.units.get(name);
    if (!unit) throw new UsageError(`unit "${name}" not found`);
    return unit;
  }

  unitsOf(app: string): Unit[] {
    return [...this.units.values()].filter((unit) => unit.app === app).sort(byNumber);
  }

  subordinatesOf(principal: string): Unit[] {
    return [...this.units.values()].filter((unit) => unit.principal === principal).sort(byNumber);
  }

  relationsOf(app: string): Relation[] {
    return [...this.relations.values()].filter(({ endpoints }) =>
      endpoints.some((endpoint) => endpoint.app === app),
    );
  }

  machineOf(unit: Unit): Machine {
    const machine = this.machines.get(unit.machine);
    if (!machine) throw new Error(`${unit.name} is on machine ${unit.machine}, which is gone`);
    return machine;
  }

  /** Numbers the archives of one charm name as a controller does. */
  revisionOf(charm: Omit<CharmInfo, 'revision'>): CharmInfo {
    for (const { charm: known } of this.applications.values())
      if (known.digest === charm.digest) return known;
    const revision = this.settings.nextRevision[charm.metadata.name] ?? 0;
    this.settings.nextRevision[charm.metadata.name] = revision + 1;
    return { ...charm, revision };
  }

  addApplication(name: string, charm: CharmInfo, options: Record<string, Scalar>): void {
    if (this.applications.has(name)) throw new UsageError(`application "${name}" already exists`);
    this.applications.set(name, { name, charm, options, nextUnit: 0, life: 'alive' });
    for (const [endpoint, { interface: contract }] of Object.entries(charm.metadata.peers)) {
      this.#addRelation([{ app: name, name: endpoint, role: 'peer', interface: contract }], 'global');
    }
  }

  addMachine(): string {
    const id = String(this.settings.nextMachine);
    this.settings.nextMachine += 1;
    this.machines.set(id, { id, state: 'pending', message: '', since: now() });
    return id;
  }

  addUnit(appName: string, machine: string, principal?: string): Unit {
    const app = this.application(appName);
    const unit: Unit = {
      name: `${appName}/${app.nextUnit}`,
      app: appName,
      machine,
      ...(principal !== undefined && { principal }),
      life: 'alive',
      workload: status('waiting', principal === undefined ? 'waiting for machine' : 'installing agent'),
      agent: status('allocating'),
      ports: [],
      state: {},
      installed: false,
      started: false,
      stopped: false,
      elected: false,
      upgraded: false,
      relations: {},
      secretsSeen: {},
    };
    app.nextUnit += 1;
    this.units.set(unit.name, unit);
    return unit;
  }

  /**
   * The relation that `a[:endpoint] b[:endpoint]` means.
   * @throws {UsageError} when there is none, or more than one.
   */
  inferRelation(
    first: string,
    second: string,
  ): { endpoints: RelationEndpoint[]; scope: 'global' | 'container' } {
    const [left, right] = [this.#candidates(first), this.#candidates(second)];
    const pairs = left.flatMap((a) =>
      right
        .filter(
          (b) => a.interface === b.interface && a.app !== b.app && isPair(a, b) && this.#mayRelate(a, b),
        )
        .map((b) => [a, b] as const),
    );
    const explicit = pairs.filter((pair) => pair.every(({ implicit }) => !implicit));
    const [pair, ...others] = pairs.length > 1 && explicit.length > 0 ? explicit : pairs;
    if (!pair) throw new UsageError('no relations found');
    if (others.length > 0) {
      const names = [pair, ...others].map(([a, b]) => `"${a.app}:${a.name} ${b.app}:${b.name}"`);
      throw new UsageError(`ambiguous relation: "${first} ${second}" could refer to ${names.join('; ')}`);
    }
    const scope = pair.some((endpoint) => endpoint.scope === 'container') ? 'container' : 'global';
    return {
      endpoints: pair.map(({ app, name, role, interface: contract }) => ({
        app,
        name,
        role,
        interface: contract,
      })),
      scope,
    };
  }

  /** @throws {UsageError} */
  relate(first: string, second: string): Relation {
    const { endpoints, scope } = this.inferRelation(first, second);
    if (this.findRelation(endpoints)) {
      throw new UsageError(`cannot add relation "${describeEndpoints(endpoints)}": relation already exists`);
    }
    for (const endpoint of endpoints) {
      const [candidate] = this.#candidates(`${endpoint.app}:${endpoint.name}`);
      const count = this.relationsOf(endpoint.app).filter((relation) =>
        relation.endpoints.some(({ app, name }) => app === endpoint.app && name === endpoint.name),
      ).length;
      if (candidate && candidate.limit > 0 && count >= candidate.limit) {
        throw new UsageError(
          `establishing a new relation for ${endpoint.app}:${endpoint.name} would exceed its maximum relation limit of ${candidate.limit}`,
        );
      }
    }
    const relation = this.#addRelation(endpoints, scope);
    for (const { app } of endpoints) {
      for (const unit of this.unitsOf(app))
        if (unit.installed && unit.life === 'alive') this.enterScope(unit, relation);
    }
    return relation;
  }

  findRelation(endpoints: readonly RelationEndpoint[]): Relation | undefined {
    const key = describeEndpoints(endpoints);
    return [...this.relations.values()].find((relation) => describeEndpoints(relation.endpoints) === key);
  }

  #addRelation(endpoints: RelationEndpoint[], scope: 'global' | 'container'): Relation {
    const id = this.settings.nextRelation;
    this.settings.nextRelation += 1;
    const relation: Relation = { id, endpoints, scope, life: 'alive', units: [], bags: {}, versions: {} };
    this.relations.set(id, relation);
    return relation;
  }

  #candidates(text: string): Candidate[] {
    const [appName = '', endpointName] = text.split(':');
    const { charm, name } = this.application(appName);
    const { provides, requires } = charm.metadata;
    const list = (map: typeof provides, role: 'provider' | 'requirer'): Candidate[] =>
      Object.entries(map).map(([endpoint, { interface: contract, scope, limit }]) => ({
        app: name,
        name: endpoint,
        role,
        interface: contract,
        scope,
        limit,
        implicit: false,
      }));
    const implicit: Candidate = {
      app: name,
      name: 'juju-info',
      role: 'provider',
      interface: 'juju-info',
      scope: 'global',
      limit: 0,
      implicit: true,
    };
    const all = [...list(provides, 'provider'), ...list(requires, 'requirer'), implicit];
    const found = all.filter((candidate) => endpointName === undefined || candidate.name === endpointName);
    // A subordinate's own `juju-info` requirement hides what it would offer under the same name.
    const named =
      found.length > 1 && endpointName !== undefined
        ? found.filter((candidate) => !candidate.implicit)
        : found;
    if (named.length === 0)
      throw new UsageError(`application "${appName}" has no "${endpointName ?? ''}" relation`);
    return named;
  }

  /** A container-scoped relation needs a subordinate at one end. */
  #mayRelate(a: Candidate, b: Candidate): boolean {
    if (a.scope === 'global' && b.scope === 'global') return true;
    return [a, b].some(({ app }) => this.application(app).charm.metadata.subordinate);
  }

  /** Puts a unit into a relation's scope, with what Juju itself writes into its databag; makes its subordinates. */
  enterScope(unit: Unit, relation: Relation): void {
    if (relation.units.includes(unit.name)) return;
    relation.units.push(unit.name);
    const { address = '' } = this.machineOf(unit);
    this.writeBag(relation, unit.name, {
      'ingress-address': address,
      'egress-subnets': `${address}/32`,
      'private-address': address,
    });
    if (relation.scope !== 'container' || unit.principal !== undefined) return;
    for (const { app } of relation.endpoints) {
      const { charm } = this.application(app);
      const exists = this.subordinatesOf(unit.name).some((subordinate) => subordinate.app === app);
      if (charm.metadata.subordinate && !exists) this.addUnit(app, unit.machine, unit.name);
    }
  }

  /** Sets keys of a databag (`""` deletes), and counts a version only when something differs. */
  writeBag(relation: Relation, owner: string, values: Readonly<Record<string, string>>): void {
    const bag = (relation.bags[owner] ??= {});
    let changed = false;
    for (const [key, value] of Object.entries(values)) {
      if ((bag[key] ?? '') === value) continue;
      changed = true;
      if (value === '') delete bag[key];
      else bag[key] = value;
    }
    if (changed) relation.versions[owner] = (relation.versions[owner] ?? 0) + 1;
  }

  ownEndpoint(relation: Relation, app: string): RelationEndpoint {
    const endpoint = relation.endpoints.find((candidate) => candidate.app === app);
    if (!endpoint) throw new Error(`relation ${relation.id} is not one of ${app}`);
    return endpoint;
  }

  /** The application at the other end; for a peer relation, the same. */
  remoteApp(relation: Relation, app: string): string {
    return relation.endpoints.find((candidate) => candidate.app !== app)?.app ?? app;
  }

  /** The units that a unit sees in a relation. */
  remoteUnits(relation: Relation, unit: Unit): string[] {
    const app = this.remoteApp(relation, unit.app);
    return relation.units
      .filter((name) => {
        const remote = this.units.get(name);
        if (!remote || name === unit.name || remote.app !== app) return false;
        return relation.scope === 'global' || remote.principal === unit.name || unit.principal === name;
      })
      .sort();
  }

  /** Whether a unit gets hooks for a relation: the implicit end of `juju-info` does not. */
  hasHooks(relation: Relation, unit: Unit): boolean {
    const { name, role } = this.ownEndpoint(relation, unit.app);
    const { provides } = this.application(unit.app).charm.metadata;
    return !(role === 'provider' && name === 'juju-info' && !(name in provides));
  }

  /** Digest of what config-changed is about: the options, and the address of the machine. */
  configDigest(unit: Unit): string {
    const app = this.application(unit.app);
    const options = effectiveOptions(app.charm, app.options);
    return createHash('sha256')
      .update(JSON.stringify([options, this.machineOf(unit).address]))
      .digest('hex');
  }

  /** Gives every application that has none a leader: its first unit on a machine that runs. */
  electLeaders(): void {
    for (const app of this.applications.values()) {
      const leader = app.leader === undefined ? undefined : this.units.get(app.leader);
      if (leader) continue;
      const next = this.unitsOf(app.name).find(
        (unit) => unit.life === 'alive' && this.machineOf(unit).state === 'started',
      );
      if (next) app.leader = next.name;
      else delete app.leader;
    }
  }

  isLeader(unit: Unit): boolean {
    return this.application(unit.app).leader === unit.name;
  }

  /** Starts the removal of a unit; what rides on it goes first. */
  destroyUnit(unit: Unit): void {
    unit.life = 'dying';
    for (const subordinate of this.subordinatesOf(unit.name)) subordinate.life = 'dying';
  }

  destroyRelation(relation: Relation): void {
    relation.life = 'dying';
    if (relation.scope === 'container') {
      for (const { app } of relation.endpoints) {
        for (const unit of this.unitsOf(app)) if (unit.principal !== undefined) this.destroyUnit(unit);
      }
    }
    this.removeIfDead(relation);
  }

  destroyApplication(app: Application): void {
    app.life = 'dying';
    for (const unit of this.unitsOf(app.name)) this.destroyUnit(unit);
    for (const relation of this.relationsOf(app.name))
      if (relation.endpoints.length > 1) this.destroyRelation(relation);
    this.removeDeadApplications();
  }

  leaveScope(unit: Unit, relation: Relation): void {
    relation.units = relation.units.filter((name) => name !== unit.name);
    this.removeIfDead(relation);
  }

  removeIfDead(relation: Relation): void {
    if (relation.life !== 'dying') return;
    const waits = [...this.units.values()].some((unit) => {
      const seen = unit.relations[relation.id];
      return seen?.created === true && !seen.broken;
    });
    if (waits) return;
    this.relations.delete(relation.id);
    for (const secret of this.secrets.values()) {
      secret.grants = secret.grants.filter((grant) => grant.relation !== relation.id);
    }
  }

  /** Forgets a unit that is dead, and its machine if nothing else is on it: the id of that machine. */
  removeUnit(unit: Unit): string | undefined {
    this.units.delete(unit.name);
    for (const relation of this.relationsOf(unit.app)) this.leaveScope(unit, relation);
    for (const secret of this.secrets.values())
      if (secret.owner === unit.name) this.secrets.delete(secret.id);
    this.electLeaders();
    this.removeDeadApplications();
    const isEmpty = [...this.units.values()].every(({ machine }) => machine !== unit.machine);
    if (!isEmpty) return undefined;
    this.machines.delete(unit.machine);
    return unit.machine;
  }

  removeDeadApplications(): void {
    for (const app of this.applications.values()) {
      if (app.life !== 'dying' || this.unitsOf(app.name).length > 0) continue;
      for (const relation of this.relationsOf(app.name)) {
        if (relation.endpoints.length === 1) this.relations.delete(relation.id);
      }
      if (this.relationsOf(app.name).length > 0) continue;
      this.applications.delete(app.name);
      for (const secret of this.secrets.values())
        if (secret.owner === app.name) this.secrets.delete(secret.id);
    }
  }

  newSecretId(): string {
    const alphabet = '0123456789abcdefghijklmnopqrstuv';
    return [...randomBytes(20)].map((byte) => alphabet[byte % 32]).join('');
  }
}

function isPair(a: RelationEndpoint, b: RelationEndpoint): boolean {
  return (a.role === 'provider' && b.role === 'requirer') || (a.role === 'requirer' && b.role === 'provider');
}

/** `db:server web:db`, the provider's end first, as Juju writes it. */
export function describeEndpoints(endpoints: readonly RelationEndpoint[]): string {
  return endpoints
    .toSorted((a, b) => a.role.localeCompare(b.role) || a.app.localeCompare(b.app))
    .map(({ app, name }) => `${app}:${name}`)
    .join(' ');
}

export function status(current: string, message = ''): Status {
  return { current, message, since: now() };
}

export function now(): string {
  return new Date().toISOString();
}

export function unitNumber(name: string): number {
  return Number(name.slice(name.lastIndexOf('/') + 1));
}

function byNumber(a: Unit, b: Unit): number {
  return unitNumber(a.name) - unitNumber(b.name);
}

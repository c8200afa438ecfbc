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
import { describeEndpoints, inferRelation, isImplicit, type Pair } from './endpoints.ts';
import type { Store } from './store.ts';

/** How long a leader may be silent before another unit leads, in milliseconds. */
const LEASE = 30_000;

/** Applications, units, relations, secrets and machines, and the rules between them. */
export class Model {
  readonly settings: Settings;
  readonly applications: Map<string, Application>;
  readonly units: Map<string, Unit>;
  readonly relations: Map<number, Relation>;
  readonly secrets: Map<string, Secret>;
  readonly machines: Map<string, Machine>;
  readonly #store: Store;

  /** @param juju which Juju a new model is like; one that exists stays as it is */
  constructor(name: string, store: Store, juju: 3 | 4 = 3) {
    this.#store = store;
    this.settings = store.load('settings', Settings)[0] ?? {
      name,
      uuid: randomUUID(),
      created: now(),
      nextRelation: 0,
      nextMachine: 0,
      nextRevision: {},
      nextTask: 1,
      config: {},
      juju,
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

  /** @throws {UsageError} */
  machine(id: string): Machine {
    const machine = this.machines.get(id);
    if (!machine) throw new UsageError(`machine ${id} not found`);
    return machine;
  }

  unitsOf(app: string): Unit[] {
    return [...this.units.values()].filter((unit) => unit.app === app).sort(byNumber);
  }

  unitsOn(machine: string): Unit[] {
    return [...this.units.values()].filter((unit) => unit.machine === machine);
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
    this.applications.set(name, {
      name,
      charm,
      options,
      nextUnit: 0,
      life: 'alive',
      leaderSettings: {},
      leaderSettingsVersion: 0,
    });
    this.#addPeers(name, charm);
  }

  /**
   * Gives an application another revision of its charm.
   * @throws {UsageError} when a relation would lose its endpoint.
   */
  upgrade(app: Application, charm: CharmInfo): void {
    const { provides, requires, peers } = charm.metadata;
    for (const relation of this.relationsOf(app.name)) {
      const { name, role, interface: contract } = this.ownEndpoint(relation, app.name);
      const there = { provider: provides, requirer: requires, peer: peers }[role][name];
      if (there?.interface === contract || isImplicit({ name, role })) continue;
      throw new UsageError(
        `cannot upgrade application "${app.name}" to charm "local:${charm.metadata.name}-${charm.revision}": would break relation "${describeEndpoints(relation.endpoints)}"`,
      );
    }
    app.charm = charm;
    for (const key of Object.keys(app.options)) if (!(key in charm.options)) delete app.options[key];
    this.#addPeers(app.name, charm);
  }

  #addPeers(app: string, charm: CharmInfo): void {
    for (const [name, { interface: contract }] of Object.entries(charm.metadata.peers)) {
      const endpoints: RelationEndpoint[] = [{ app, name, role: 'peer', interface: contract }];
      if (this.findRelation(endpoints)) continue;
      const relation = this.#addRelation(endpoints, 'global');
      this.#enterAll(app, relation);
    }
  }

  #enterAll(app: string, relation: Relation): void {
    for (const unit of this.unitsOf(app)) if (unit.installed) this.enterScope(unit, relation);
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
      rebooted: false,
      relations: {},
      secretsSeen: {},
    };
    app.nextUnit += 1;
    this.units.set(unit.name, unit);
    return unit;
  }

  /** @throws {UsageError} when there is none, or more than one. */
  inferRelation(first: string, second: string): Pair {
    return inferRelation((app) => this.application(app).charm, first, second);
  }

  /** @throws {UsageError} */
  relate(first: string, second: string): Relation {
    const { endpoints, scope } = this.inferRelation(first, second);
    const there = this.findRelation(endpoints);
    if (there) throw new UsageError(this.#whyRefused(there, first, second));
    for (const { app } of endpoints) {
      if (this.application(app).life === 'dying')
        throw new UsageError(
          `cannot add relation "${describeEndpoints(endpoints)}": application "${app}" is not alive`,
        );
    }
    for (const endpoint of endpoints) {
      const { provides, requires } = this.application(endpoint.app).charm.metadata;
      const limit = { ...provides, ...requires }[endpoint.name]?.limit ?? 0;
      const count = this.relationsOf(endpoint.app).filter((relation) =>
        relation.endpoints.some(({ app, name }) => app === endpoint.app && name === endpoint.name),
      ).length;
      if (limit > 0 && count >= limit) {
        throw new UsageError(
          `establishing a new relation for ${endpoint.app}:${endpoint.name} would exceed its maximum relation limit of ${limit}`,
        );
      }
    }
    const relation = this.#addRelation(endpoints, scope);
    for (const { app } of endpoints) this.#enterAll(app, relation);
    return relation;
  }

  /** How Juju words it that a relation is there. The old one of the same endpoints may not have ended. */
  #whyRefused({ endpoints, life }: Relation, first: string, second: string): string {
    const key = describeEndpoints(endpoints);
    const pair = endpoints.map(({ app, name }) => `${app}:${name}`).join(' ');
    if (this.isJuju4)
      return `adding relation between endpoints "${first}" and "${second}": relation ${pair}: already exists`;
    const dying = life === 'dying' ? ' is dying, but not yet removed' : '';
    return `cannot add relation "${key}"\nrelation ${key}${dying} (already exists): \n\nUse 'juju status --relations' to view the current relations.`;
  }

  findRelation(endpoints: readonly RelationEndpoint[]): Relation | undefined {
    const key = describeEndpoints(endpoints);
    return [...this.relations.values()].find(
      (relation) => !relation.isLost && describeEndpoints(relation.endpoints) === key,
    );
  }

  #addRelation(endpoints: RelationEndpoint[], scope: 'global' | 'container'): Relation {
    const id = this.settings.nextRelation;
    this.settings.nextRelation += 1;
    const none = { units: [], principals: {}, bags: {}, versions: {} };
    const relation: Relation = { id, endpoints, scope, life: 'alive', ...none };
    this.relations.set(id, relation);
    return relation;
  }

  /** Puts a unit into a relation's scope while both live, with what Juju itself writes into its databag; makes its subordinates. */
  enterScope(unit: Unit, relation: Relation): void {
    if (unit.life !== 'alive' || relation.life !== 'alive') return;
    if (relation.isLost || relation.units.includes(unit.name)) return;
    relation.units.push(unit.name);
    if (unit.principal !== undefined) relation.principals[unit.name] = unit.principal;
    const { address = '' } = this.machineOf(unit);
    this.writeBag(relation, unit.name, {
      'ingress-address': address,
      'egress-subnets': `${address}/32`,
      ...(!this.isJuju4 && { 'private-address': address }),
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

  /** Sets what leader-get shows (`""` deletes), of which all other units are told. */
  writeLeaderSettings(app: Application, values: Readonly<Record<string, string>>): void {
    const before = JSON.stringify(app.leaderSettings);
    const merged = Object.entries({ ...app.leaderSettings, ...values });
    app.leaderSettings = Object.fromEntries(merged.filter(([, value]) => value !== ''));
    if (JSON.stringify(app.leaderSettings) !== before) app.leaderSettingsVersion += 1;
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
        return remote && name !== unit.name && remote.app === app && inOneScope(relation, name, unit.name);
      })
      .sort();
  }

  /** Whether a unit gets hooks for a relation: the implicit end of `juju-info` does not. */
  hasHooks(relation: Relation, unit: Unit): boolean {
    return !isImplicit(this.ownEndpoint(relation, unit.app));
  }

  /** Digest of what config-changed is about: the options, and the address of the machine. */
  configDigest(unit: Unit): string {
    const app = this.application(unit.app);
    const options = effectiveOptions(app.charm, app.options);
    return createHash('sha256')
      .update(JSON.stringify([options, this.machineOf(unit).address]))
      .digest('hex');
  }

  /**
   * Gives every application a leader that has none, or whose leader has not renewed its lease: the first unit on a
   * machine that runs.
   * @param time milliseconds since 1970
   */
  electLeaders(time: number): void {
    for (const app of this.applications.values()) {
      const leader = app.leader === undefined ? undefined : this.units.get(app.leader);
      if (leader && !this.#hasLostLease(leader, time)) continue;
      const next = this.unitsOf(app.name).find(
        (unit) => unit.life === 'alive' && this.machineOf(unit).state === 'started',
      );
      if (next) {
        app.leader = next.name;
        if (leader) leader.elected = false;
      } else if (!leader) delete app.leader;
    }
  }

  #hasLostLease(unit: Unit, time: number): boolean {
    const { state, since } = this.machineOf(unit);
    return state === 'down' && time - Date.parse(since) > LEASE;
  }

  isLeader(unit: Unit): boolean {
    return this.application(unit.app).leader === unit.name;
  }

  /** Whether the model is one of Juju 4. */
  get isJuju4(): boolean {
    return this.settings.juju === 4;
  }

  /** How Juju names a secret: 4 says which model it is of. */
  secretUri(id: string): string {
    return this.isJuju4 ? `secret://${this.settings.uuid}/${id}` : `secret:${id}`;
  }

  newSecretId(): string {
    const alphabet = '0123456789abcdefghijklmnopqrstuv';
    return [...randomBytes(20)].map((byte) => alphabet[byte % 32]).join('');
  }
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

/** In container scope units see each other that ride on the same principal, which counts too: those also that were removed since. */
export function inOneScope({ scope, principals }: Relation, one: string, other: string): boolean {
  return scope === 'global' || (principals[one] ?? one) === (principals[other] ?? other);
}

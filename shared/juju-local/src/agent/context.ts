import { randomBytes } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { effectiveOptions } from '../charm/options.ts';
import type { Operation, Scalar, Secret, Unit } from '../model/documents.ts';
import type { Model } from '../model/model.ts';
import { describeRange, isSameRange, keptPort, overlap, readKept, type Port } from '../model/ports.ts';
import { ToolError } from '../hooktools/error.ts';
import type { Task } from './task.ts';

/** A secret that a hook makes or changes. */
export interface SecretChange {
  readonly id: string;
  readonly owner: string;
  readonly isNew: boolean;
  readonly content?: Readonly<Record<string, string>>;
  readonly label?: string;
  readonly description?: string;
  readonly rotate?: string;
  /** ISO date. */
  readonly nextRotate?: string;
  /** ISO date. */
  readonly expire?: string;
}

/** Who is given a secret, or has it taken away: the grants that `matches` picks. */
export interface GrantChange {
  readonly secret: string;
  readonly grant?: Secret['grants'][number];
  readonly revokes: (grant: Secret['grants'][number]) => boolean;
}

/**
 * What one run of a charm asks for that counts only if it succeeds (§3.5 of Juju's contract: relation data, ports,
 * state, secrets), and what it may read back of it. What it reads of others stays the same while it runs.
 */
export class HookContext {
  readonly id: string;
  readonly unit: Unit;
  readonly operation: Operation;
  readonly task: Task | undefined;
  readonly options: Readonly<Record<string, Scalar>>;
  /** Remote units that have joined, by relation. */
  readonly #members: ReadonlyMap<number, readonly string[]>;
  /** Databags as they were when the hook first read them. */
  readonly #read = new Map<string, Readonly<Record<string, string>>>();
  /** Relation id → owner → keys; `""` deletes. */
  readonly #bags = new Map<number, Map<string, Record<string, string>>>();
  readonly #opened: Port[] = [];
  readonly #closed: Port[] = [];
  /** Names of storage that storage-add was asked for. */
  readonly storage = new Set<string>();
  readonly state = new Map<string, string | undefined>();
  readonly secrets = new Map<string, SecretChange>();
  /** Secret → the revisions that go, or all of it. */
  readonly removedSecrets = new Map<string, Set<number> | 'all'>();
  readonly grants: GrantChange[] = [];

  constructor(model: Model, unit: Unit, operation: Operation, task?: Task) {
    this.id = `${unit.name}-${operation.kind === 'exec' ? 'commands' : operation.name}-${randomBytes(16).toString('hex')}`;
    this.unit = unit;
    this.operation = operation;
    this.task = task;
    const { charm, options } = model.application(unit.app);
    this.options = effectiveOptions(charm, options);
    this.#members = new Map(
      Object.entries(unit.relations).map(([id, { members }]) => [Number(id), Object.keys(members)]),
    );
  }

  /** The relation that the hook is about. */
  get relation(): number | undefined {
    return this.operation.kind === 'hook' ? this.operation.relation : undefined;
  }

  /**
   * The remote units that the charm has been told of, this hook's own included: another may long be in scope, but
   * is no member before its -joined.
   */
  members(relation: number): readonly string[] {
    const known = new Set(this.#members.get(relation));
    const { operation } = this;
    if (operation.kind === 'hook' && operation.relation === relation && operation.remoteUnit !== undefined) {
      if (operation.name.endsWith('-departed')) known.delete(operation.remoteUnit);
      else known.add(operation.remoteUnit);
    }
    return [...known].sort();
  }

  /** Who may read a secret once this hook has succeeded. */
  grantsOf(id: string, before: Secret['grants']): Secret['grants'] {
    return this.grants
      .filter(({ secret }) => secret === id)
      .reduce(
        (grants, { grant, revokes }) => [
          ...grants.filter((known) => !revokes(known)),
          ...(grant ? [grant] : []),
        ],
        before,
      );
  }

  /** Forgets what was asked for about a secret that goes. */
  dropGrants(id: string): void {
    for (let at = this.grants.length - 1; at >= 0; at -= 1)
      if (this.grants[at]?.secret === id) this.grants.splice(at, 1);
  }

  setBag(relation: number, owner: string, values: Readonly<Record<string, string>>): void {
    const owners = this.#bags.get(relation) ?? new Map<string, Record<string, string>>();
    owners.set(owner, { ...owners.get(owner), ...values });
    this.#bags.set(relation, owners);
  }

  /** A databag with what this hook has written into it. */
  bag(model: Model, relation: number, owner: string): Record<string, string> {
    const key = `${relation} ${owner}`;
    const read = this.#read.get(key) ?? { ...model.relations.get(relation)?.bags[owner] };
    this.#read.set(key, read);
    const merged = { ...read, ...this.#bags.get(relation)?.get(owner) };
    return Object.fromEntries(Object.entries(merged).filter(([, value]) => value !== ''));
  }

  /**
   * Asks for a port. The same one again is nothing new, another that overlaps is refused.
   * @throws {ToolError} 1
   */
  openPort(model: Model, wanted: Port): void {
    removePort(this.#closed, wanted);
    if (this.#isKnown('open', model, wanted, this.#opened)) return;
    this.#opened.push(wanted);
  }

  /** @throws {ToolError} 1 when it overlaps one that is open and is not the same. */
  closePort(model: Model, wanted: Port): void {
    removePort(this.#opened, wanted);
    if (this.#closed.some((port) => keptPort(port) === keptPort(wanted))) return;
    this.#isKnown('close', model, wanted, this.#closed);
    this.#closed.push(wanted);
  }

  /** What is open after this hook. */
  ports(model: Model): Port[] {
    const known = model.unit(this.unit.name).ports.map(readKept);
    const all = new Map([...known, ...this.#opened].map((port) => [keptPort(port), port]));
    return [...all.values()].filter(
      (port) =>
        !this.#closed.some(
          (closed) => isSameRange(port, closed) && ['', port.endpoint].includes(closed.endpoint),
        ),
    );
  }

  /** Whether the unit has asked for just this before, or has it. @throws {ToolError} 1 when something is in the way. */
  #isKnown(verb: string, model: Model, wanted: Port, earlier: readonly Port[]): boolean {
    const { unit } = this;
    const candidates = [
      ...earlier.map((port) => ({ port, owner: unit.name, when: ' requested earlier' })),
      ...[...model.units.values()]
        .filter(({ machine }) => machine === unit.machine)
        .flatMap(({ name, ports }) => ports.map((kept) => ({ port: readKept(kept), owner: name, when: '' }))),
    ];
    for (const { port, owner, when } of candidates) {
      if (!overlap(wanted, port)) continue;
      if (owner !== unit.name || !isSameRange(wanted, port))
        throw new ToolError(
          1,
          `cannot ${verb} ${describeRange(wanted)} (unit "${unit.name}"): port range conflicts with ${describeRange(port)} (unit "${owner}")${when}`,
        );
      if (port.endpoint === wanted.endpoint) return true;
    }
    return false;
  }

  /** Makes everything count, or nothing. @throws when the unit has lost the leadership that it used. */
  flush(model: Model): void {
    const { unit } = this;
    if (!model.isLeader(unit)) {
      const writesApp = [...this.#bags.values()].some((owners) => owners.has(unit.app));
      if (writesApp) throw new Error('cannot write relation settings: this unit is not the leader');
      if ([...this.secrets.values()].some(({ owner }) => owner === unit.app))
        throw new Error('cannot write secrets: this unit is not the leader');
    }
    for (const change of this.secrets.values()) checkSecret(model, unit, change);
    for (const id of this.removedSecrets.keys()) checkOwned(model, unit, id, this.secrets);
    for (const { secret: id } of this.grants) checkOwned(model, unit, id, this.secrets);
    const { provides, requires, peers } = model.application(unit.app).charm.metadata;
    for (const { endpoint } of [...this.#opened, ...this.#closed])
      if (endpoint !== '' && !(endpoint in { ...provides, ...requires, ...peers, 'juju-info': true }))
        throw new Error(`cannot open or close ports: endpoint "${endpoint}" not found`);
    for (const name of this.storage)
      throw new Error(`adding storage to unit ${unit.name}: charm storage "${name}" not found`);

    for (const change of this.secrets.values()) flushSecret(model, change);
    for (const id of new Set(this.grants.map(({ secret }) => secret))) {
      const secret = model.secrets.get(id);
      if (secret) secret.grants = this.grantsOf(id, secret.grants);
    }
    for (const [id, which] of this.removedSecrets) removeRevisions(model, id, which);
    for (const [id, owners] of this.#bags) {
      const relation = model.relations.get(id);
      if (!relation) continue;
      for (const [owner, values] of owners) model.writeBag(relation, owner, ownKeys(model, values));
    }
    unit.ports = this.ports(model).map(keptPort).sort();
    for (const [key, value] of this.state) {
      if (value === undefined) delete unit.state[key];
      else unit.state[key] = value;
    }
  }
}

/** What Juju 4 writes itself into the databag of a unit no charm can change. */
function ownKeys(model: Model, values: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(values).filter(
      ([key]) => !model.isJuju4 || !['ingress-address', 'egress-subnets'].includes(key),
    ),
  );
}

function removePort(ports: Port[], wanted: Port): void {
  const at = ports.findIndex((port) => keptPort(port) === keptPort(wanted));
  if (at >= 0) ports.splice(at, 1);
}

/** Whoever does not own a secret is only told at the end of its hook. @throws */
function checkOwned(
  model: Model,
  { name, app }: Unit,
  id: string,
  pending: ReadonlyMap<string, SecretChange>,
): void {
  const owner = model.secrets.get(id)?.owner ?? pending.get(id)?.owner;
  if (owner === undefined) throw new Error(`secret "${id}" not found`);
  if (owner !== name && owner !== app) throw new Error(`secret "${id}": permission denied`);
  if (owner === app && model.application(app).leader !== name)
    throw new Error(`secret "${id}": permission denied: this unit is not the leader`);
}

/** @throws */
function checkSecret(model: Model, unit: Unit, { id, isNew, label }: SecretChange): void {
  if (!isNew) checkOwned(model, unit, id, new Map());
  if (label === undefined) return;
  const others = [...model.secrets.values()].filter((secret) => secret.id !== id);
  const isTaken = others.some(
    ({ owner, label: own, consumers }) =>
      ([unit.name, unit.app].includes(owner) && own === label) || consumers[unit.name]?.label === label,
  );
  if (isTaken) throw new Error(`secret with label "${label}" already exists`);
}

function flushSecret(model: Model, change: SecretChange): void {
  const { id, owner, content, isNew: _isNew, expire, ...metadata } = change;
  const secret = model.secrets.get(id) ?? { id, owner, revisions: [], grants: [], consumers: {} };
  Object.assign(secret, metadata);
  if (change.rotate === 'never') delete secret.nextRotate;
  const latest = secret.revisions.at(-1);
  // Juju keeps the revision when the content is the same.
  if (content && !isDeepStrictEqual(latest?.content, content)) {
    secret.revisions.push({ number: (latest?.number ?? 0) + 1, content });
    // What expires is a revision.
    delete secret.expire;
    delete secret.expiryTold;
  }
  if (expire !== undefined) secret.expire = expire;
  model.secrets.set(id, secret);
}

function removeRevisions(model: Model, id: string, which: ReadonlySet<number> | 'all'): void {
  const secret = model.secrets.get(id);
  if (!secret) return;
  if (which !== 'all') secret.revisions = secret.revisions.filter(({ number }) => !which.has(number));
  if (which === 'all' || secret.revisions.length === 0) model.secrets.delete(id);
}

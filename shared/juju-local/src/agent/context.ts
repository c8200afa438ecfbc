import { randomBytes } from 'node:crypto';
import type { Operation, Unit } from '../model/documents.ts';
import type { Model } from '../model/model.ts';

/** Something that a user asked for: an action, commands to execute, or a hook to run once more. */
export interface Task {
  readonly id: string;
  readonly unit: string;
  readonly operation: Operation;
  /** Of an action. */
  readonly params: Readonly<Record<string, unknown>>;
  /** What to execute, where it is neither an action nor a hook. */
  readonly argv?: readonly [string, ...string[]];
  status: 'pending' | 'running' | 'completed' | 'failed';
  results: Record<string, unknown>;
  message?: string;
  log: string[];
  exitCode?: number;
  stdout: string;
  stderr: string;
  readonly enqueued: string;
  started?: string;
  completed?: string;
  readonly finished: Promise<void>;
  readonly finish: () => void;
}

/** A secret that a hook makes or changes. */
export interface SecretChange {
  readonly id: string;
  readonly owner: string;
  readonly label?: string;
  readonly description?: string;
  readonly content?: Readonly<Record<string, string>>;
  readonly isNew: boolean;
}

/**
 * What one run of a charm asks for that counts only if it succeeds (§3.5 of Juju's contract: relation data, ports,
 * state, secrets), and what it may read back of it.
 */
export class HookContext {
  readonly id: string;
  readonly unit: Unit;
  readonly operation: Operation;
  readonly task: Task | undefined;
  /** Relation id → owner → keys; `""` deletes. */
  readonly bags = new Map<number, Map<string, Record<string, string>>>();
  readonly openedPorts = new Set<string>();
  readonly closedPorts = new Set<string>();
  readonly state = new Map<string, string | undefined>();
  readonly secrets = new Map<string, SecretChange>();
  readonly removedSecrets = new Set<string>();
  readonly grants: {
    readonly secret: string;
    readonly relation: number;
    readonly to: string;
    readonly revoke: boolean;
  }[] = [];

  constructor(unit: Unit, operation: Operation, task?: Task) {
    this.id = `${unit.name}-${operation.kind === 'exec' ? 'commands' : operation.name}-${randomBytes(16).toString('hex')}`;
    this.unit = unit;
    this.operation = operation;
    this.task = task;
  }

  /** The relation that the hook is about. */
  get relation(): number | undefined {
    return this.operation.kind === 'hook' ? this.operation.relation : undefined;
  }

  setBag(relation: number, owner: string, values: Readonly<Record<string, string>>): void {
    const owners = this.bags.get(relation) ?? new Map<string, Record<string, string>>();
    owners.set(owner, { ...owners.get(owner), ...values });
    this.bags.set(relation, owners);
  }

  /** A databag with what this hook has written into it. */
  bag(model: Model, relation: number, owner: string): Record<string, string> {
    const merged = { ...model.relations.get(relation)?.bags[owner], ...this.bags.get(relation)?.get(owner) };
    return Object.fromEntries(Object.entries(merged).filter(([, value]) => value !== ''));
  }

  /** Makes everything count. @throws when the unit has lost the leadership that it used. */
  flush(model: Model): void {
    const { unit } = this;
    const writesApp = [...this.bags.values()].some((owners) => owners.has(unit.app));
    if (writesApp && !model.isLeader(unit))
      throw new Error('cannot write relation settings: this unit is not the leader');
    for (const [id, owners] of this.bags) {
      const relation = model.relations.get(id);
      if (!relation) continue;
      for (const [owner, values] of owners) model.writeBag(relation, owner, values);
    }
    unit.ports = [...new Set([...unit.ports, ...this.openedPorts])]
      .filter((port) => !this.closedPorts.has(port))
      .sort();
    for (const [key, value] of this.state) {
      if (value === undefined) delete unit.state[key];
      else unit.state[key] = value;
    }
    for (const change of this.secrets.values()) this.#flushSecret(model, change);
    for (const { secret: id, relation, to, revoke } of this.grants) {
      const secret = model.secrets.get(id);
      if (!secret) continue;
      secret.grants = secret.grants.filter((grant) => grant.relation !== relation || grant.to !== to);
      if (!revoke) secret.grants.push({ relation, to });
    }
    for (const id of this.removedSecrets) model.secrets.delete(id);
  }

  #flushSecret(model: Model, { id, owner, label, description, content, isNew }: SecretChange): void {
    const known = model.secrets.get(id);
    const secret = known ?? { id, owner, revisions: [], grants: [], consumers: {} };
    if (!known && !isNew) throw new Error(`secret "${id}" not found`);
    if (label !== undefined) secret.label = label;
    if (description !== undefined) secret.description = description;
    const latest = secret.revisions.at(-1);
    // Juju keeps the revision when the content is the same.
    if (content && JSON.stringify(latest?.content) !== JSON.stringify(content)) {
      secret.revisions.push({ number: (latest?.number ?? 0) + 1, content });
    }
    model.secrets.set(id, secret);
  }
}

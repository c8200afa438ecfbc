import type { Charmcraft } from '../charmcraft.ts';
import { appOf } from '../context.ts';
import { isAtLeast } from '../version.ts';
import type { RelationState, State, StatusState, TestEvent } from './state.ts';
import { Refusal } from './tools/command-line.ts';

/** One run of a tool. */
export interface Call {
  readonly tool: string;
  readonly args: readonly string[];
  readonly exitCode: number;
}

/** A line in the log of the unit. */
export interface LogLine {
  readonly level: 'DEBUG' | 'INFO' | 'WARNING' | 'ERROR';
  readonly message: string;
}

/** What an action returned. */
export interface ActionOutcome {
  readonly status: 'completed' | 'failed';
  readonly message?: string;
  readonly results: Readonly<Record<string, string>>;
  readonly log: readonly string[];
}

/** Hook tools by name: each gives what it prints. */
export type Tools = Readonly<Record<string, (args: readonly string[], stdin: string) => string>>;

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** One run of a hook: what Juju knew before it, what the hook is about, and what the charm has asked for so far. */
export class HookRun<C extends Charmcraft> {
  readonly logs: LogLine[] = [];
  readonly statuses: StatusState[] = [];
  readonly appStatuses: StatusState[] = [];
  readonly storageAdded: Record<string, number> = {};
  reboot: 'after-hook' | 'now' | undefined;
  readonly charmcraft: C;
  readonly before: State<C>;
  readonly event: TestEvent<C>;
  /** What counts at once. */
  readonly applied: Mutable<Pick<State<C>, 'status' | 'appStatus' | 'workloadVersion' | 'secrets'>>;
  /** What counts when the hook succeeds. */
  readonly pending: Mutable<Pick<State<C>, 'relations' | 'ports' | 'stored' | 'secrets'>>;
  action: Mutable<ActionOutcome> & { results: Record<string, string>; log: string[] };
  problem: string | undefined;

  constructor(charmcraft: C, state: State<C>, event: TestEvent<C>) {
    this.charmcraft = charmcraft;
    this.event = event;
    this.before = state;
    const { status, appStatus, workloadVersion, relations, ports, stored, secrets } = state;
    this.applied = { status, appStatus, workloadVersion, secrets };
    this.pending = { relations, ports, stored, secrets };
    this.action = { status: 'completed', results: {}, log: [] };
  }

  get isJuju4(): boolean {
    return isAtLeast(this.before.jujuVersion, '4.0');
  }

  get isAction(): boolean {
    return typeof this.event !== 'string' && 'action' in this.event;
  }

  get app(): string {
    return appOf(this.before.unit);
  }

  eventRelation(): RelationState<C> | undefined {
    const event = this.event;
    if (typeof event === 'string' || !('relation' in event)) return undefined;
    return this.pending.relations.find(({ id }) => id === event.id);
  }

  eventUnit(): string | undefined {
    return typeof this.event !== 'string' && 'relation' in this.event ? this.event.unit : undefined;
  }

  /** The unit that goes, as this hook tells; Juju has it in its records until its last hook is over. */
  departingUnit(): string | undefined {
    const event = this.event;
    if (typeof event === 'string' || !('relation' in event) || event.relation !== 'departed')
      return undefined;
    return event.departing ?? event.unit;
  }

  eventStorage(): string | undefined {
    return typeof this.event !== 'string' && 'storage' in this.event ? this.event.instance : undefined;
  }

  relation(given: string | undefined): RelationState<C> {
    if (given === undefined) {
      const relation = this.eventRelation();
      if (!relation) throw new Refusal(2, 'no relation id specified');
      return relation;
    }
    const digits = /(?:^|:)([+-]?\d+)$/.exec(given)?.[1];
    if (digits === undefined)
      throw new Refusal(2, `invalid value "${given}" for option -r: invalid relation id`);
    const id = Number(digits);
    const relation = this.pending.relations.find((candidate) => candidate.id === id);
    if (!relation) throw new Refusal(2, `invalid value "${given}" for option -r: relation not found`);
    return relation;
  }

  isPeer({ endpoint }: RelationState<C>): boolean {
    return endpoint in this.charmcraft.peers;
  }

  /** Whether the hook is the last one of this relation, in which relation-ids leaves it out. */
  isBroken(id: number): boolean {
    const event = this.event;
    return typeof event !== 'string' && 'relation' in event && event.relation === 'broken' && event.id === id;
  }

  /** The units that relation-list names: not the one whose departure the hook tells. */
  membersOf({ id, units = {} }: RelationState<C>): readonly string[] {
    const event = this.event;
    const gone =
      typeof event !== 'string' && 'relation' in event && event.relation === 'departed' && event.id === id
        ? event.unit
        : undefined;
    return Object.keys(units)
      .filter((name) => name !== gone)
      .sort();
  }

  isEndpoint(name: string): boolean {
    const { provides, requires, peers } = this.charmcraft;
    return [provides, requires, peers].some((endpoints) => name in endpoints) || name === 'juju-info';
  }

  refuseAtEnd(problem: string): void {
    this.problem ??= problem;
  }

  actionParams(): Readonly<Record<string, unknown>> {
    if (typeof this.event === 'string' || !('action' in this.event))
      throw new Refusal(1, 'not running an action');
    return this.event.params ?? {};
  }
}

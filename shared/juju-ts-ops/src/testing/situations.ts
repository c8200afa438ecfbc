import { BUILT_IN_ACTIONS, type ActionName, type Charmcraft } from '../charmcraft.ts';
import { LIFECYCLE_HOOKS } from '../context.ts';
import { checkConsistency, InconsistentStateError } from './consistency.ts';
import type { RelationState, SecretState, State, TestEvent } from './state.ts';

/** An event, and the state as it is when Juju runs it. */
export interface Situation<C extends Charmcraft> {
  /** In words, for the name of a test: `db-relation-departed of mysql/0`. */
  readonly name: string;
  readonly event: TestEvent<C>;
  readonly state: State<C>;
  /** Whether the unit goes: in `stop`, `remove`, and where its own departure is told. */
  readonly isLast: boolean;
}

/**
 * Every event that Juju may run in a state: those of the unit, of each relation and each of its units, of secrets and
 * storage, and the actions that the framework answers. A charm's own actions are left out, because they act on the
 * real machine. For tests that a charm must pass whatever happens to it.
 * @throws {InconsistentStateError} when Juju never comes to the state.
 */
export function situations<C extends Charmcraft>(
  charm: { readonly charmcraft: C },
  state: State<C>,
): readonly Situation<C>[] {
  const { charmcraft } = charm;
  checkConsistency(charmcraft, state, 'update-status');
  const actions = BUILT_IN_ACTIONS.filter(
    (name): name is ActionName<C> & typeof name => name in charmcraft.actions,
  );
  const all = [
    // Juju tells of relations, and with them of secrets, only when the unit is installed.
    {
      name: 'install',
      event: 'install',
      state: { ...state, relations: [], secrets: [] },
      isLast: false,
    } as const,
    // `install` comes before Juju knows any of the rest.
    ...LIFECYCLE_HOOKS.filter((hook) => hook !== 'install').map((event) => ({
      name: event,
      event,
      state,
      isLast: ['stop', 'remove'].includes(event),
    })),
    ...state.relations.flatMap((relation) => ofRelation(state, relation)),
    ...state.secrets.flatMap((secret) => ofSecret(state, secret)),
    ...state.storage.flatMap(({ instance }) =>
      (['attached', 'detaching'] as const).map((storage) => ({
        name: `storage-${storage} of ${instance}`,
        event: { storage, instance },
        state,
        isLast: false,
      })),
    ),
    ...actions.map((action) => ({ name: `the action ${action}`, event: { action }, state, isLast: false })),
  ];
  return all.filter(({ event, state: then }) => canHappen(charmcraft, then, event));
}

function ofRelation<C extends Charmcraft>(
  state: State<C>,
  relation: RelationState<C>,
): readonly Situation<C>[] {
  const { id, endpoint, units = {} } = relation;
  const name = (hook: string, unit?: string): string =>
    `${endpoint}-relation-${hook}${unit === undefined ? '' : ` of ${unit}`}`;
  const alone = {
    ...state,
    relations: state.relations.map((other) => (other.id === id ? { ...other, units: {} } : other)),
  };
  const about = { state, isLast: false };
  return [
    { ...about, name: name('created'), event: { relation: 'created', id } },
    { ...about, name: name('changed'), event: { relation: 'changed', id } },
    ...Object.keys(units).flatMap((unit): readonly Situation<C>[] => [
      { ...about, name: name('joined', unit), event: { relation: 'joined', id, unit } },
      { ...about, name: name('changed', unit), event: { relation: 'changed', id, unit } },
      { ...about, name: name('departed', unit), event: { relation: 'departed', id, unit } },
      {
        name: `${name('departed', unit)}, because this unit goes`,
        event: { relation: 'departed', id, unit, departing: state.unit },
        state,
        isLast: true,
      },
    ]),
    { name: name('broken'), event: { relation: 'broken', id }, state: alone, isLast: false },
  ];
}

function ofSecret<C extends Charmcraft>(
  state: State<C>,
  { id, revisions }: SecretState,
): readonly Situation<C>[] {
  const revision = revisions[0]?.number ?? 1;
  const events: readonly Extract<TestEvent<C>, { readonly secret: string }>[] = [
    { secret: 'changed', id },
    { secret: 'rotate', id },
    { secret: 'expired', id, revision },
    { secret: 'remove', id, revision },
  ];
  return events.map((event) => ({
    name: `secret-${event.secret} of ${id}`,
    event,
    state,
    isLast: false,
  }));
}

function canHappen<C extends Charmcraft>(charmcraft: C, state: State<C>, event: TestEvent<C>): boolean {
  try {
    checkConsistency(charmcraft, state, event);
    return true;
  } catch (error) {
    if (error instanceof InconsistentStateError) return false;
    throw error;
  }
}

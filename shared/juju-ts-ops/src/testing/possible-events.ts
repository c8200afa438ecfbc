import { BUILT_IN_ACTIONS, type ActionName, type Charmcraft } from '../charmcraft.ts';
import { LIFECYCLE_HOOKS } from '../context.ts';
import { isAtLeast } from '../version.ts';
import { checkConsistency, InconsistentStateError } from './consistency.ts';
import type { RelationState, SecretState, State, TestEvent } from './state.ts';

/** An event, and the state in which Juju runs it. */
export interface PossibleEvent<C extends Charmcraft> {
  /** In words, for the name of a test: `db-relation-departed of mysql/0`. */
  readonly name: string;
  readonly event: TestEvent<C>;
  readonly state: State<C>;
  /** Whether the unit goes: in `stop`, in `remove`, when Juju reports its own departure, and when it breaks a peer relation. */
  readonly isLast: boolean;
}

/**
 * Every event that Juju may run in a state: of the unit, of each relation and its units, of secrets and storage, and
 * the actions that the framework answers. It leaves out a charm's own actions, because they act on the real machine.
 * For tests of invariants.
 * @throws {InconsistentStateError} if Juju never reaches the state.
 */
export function possibleEvents<C extends Charmcraft>(
  charm: { readonly charmcraft: C },
  state: State<C>,
): readonly PossibleEvent<C>[] {
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
    ...state.relations.flatMap((relation) => ofRelation(charmcraft, state, relation)),
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
  const possible = all.filter(({ event, state: then }) => canHappen(charmcraft, then, event));
  return [...possible, ...afterPeers(charmcraft, possible)];
}

/** Juju 4 removes an application by breaking its peer relations first: the unit's last hooks, once they have gone. */
function afterPeers<C extends Charmcraft>(
  { peers }: C,
  all: readonly PossibleEvent<C>[],
): readonly PossibleEvent<C>[] {
  return all.flatMap(({ name, event, state, isLast }) => {
    const relations = state.relations.filter(({ endpoint }) => !(endpoint in peers));
    const isOfPeers =
      typeof event !== 'string' && 'relation' in event && !relations.some(({ id }) => id === event.id);
    const hasPeers = relations.length < state.relations.length;
    if (!isLast || isOfPeers || !hasPeers || !isAtLeast(state.jujuVersion, '4.0')) return [];
    return [{ name: `${name}, after its peers`, event, state: { ...state, relations }, isLast }];
  });
}

function ofRelation<C extends Charmcraft>(
  { peers }: C,
  state: State<C>,
  relation: RelationState<C>,
): readonly PossibleEvent<C>[] {
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
    ...Object.keys(units).flatMap((unit): readonly PossibleEvent<C>[] => [
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
    { name: name('broken'), event: { relation: 'broken', id }, state: alone, isLast: endpoint in peers },
  ];
}

function ofSecret<C extends Charmcraft>(
  state: State<C>,
  { uri, revisions }: SecretState,
): readonly PossibleEvent<C>[] {
  const revision = revisions[0]?.number ?? 1;
  const events: readonly Extract<TestEvent<C>, { readonly secret: string }>[] = [
    { secret: 'changed', uri },
    { secret: 'rotate', uri },
    { secret: 'expired', uri, revision },
    { secret: 'remove', uri, revision },
  ];
  return events.map((event) => ({
    name: `secret-${event.secret} of ${uri}`,
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

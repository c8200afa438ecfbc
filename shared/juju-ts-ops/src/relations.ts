import type { Charmcraft, EndpointName, Endpoints, RemoteSide } from './charmcraft.ts';
import { appOf, relationNumber, type HookContext } from './context.ts';
import { commaList, decodeBag, type Bag, type RawBag, type Side } from './databag.ts';
import { CharmBugError, HookToolError, RelationNotFoundError, undefinedOn } from './errors.ts';
import type { GoalState } from './answers.ts';
import type { Once } from './once.ts';
import type { HookTools } from './tools.ts';
import { isAtLeast } from './version.ts';

/** The key of a peer relation's databags in which a subordinate says which unit it rides on. */
export const PRINCIPAL_KEY = 'principal';
/** The key there in which a unit says that it has cleaned up and goes. */
export const DEPARTED_KEY = 'departed';

/** One relation as it stood when the hook began, with every databag that this unit may read. */
export interface Relation<Remote extends Side> {
  readonly id: number;
  readonly endpoint: string;
  /**
   * `leaving`: this unit leaves the relation, and the other side no longer hears it. `broken`: the relation is gone
   * after this hook; see {@link Juju.brokenRelation}.
   */
  readonly phase: 'active' | 'leaving' | 'broken';
  /** The application at the other end; for a peer relation, this application. */
  readonly app: string;
  readonly appData: Bag<Remote['app']>;
  /**
   * The units at the other end, by number. For a peer relation: the other units of this application, without those
   * that are {@link gone}.
   */
  readonly units: readonly RelationUnit<Bag<Remote['unit']>>[];
  /**
   * For a peer relation: units that Juju still names, although they have been removed, or have cleaned up and go.
   * Juju 4 does not tell the others until their agents restart (https://github.com/juju/juju/issues/23326). Absent if
   * there are none, before Juju 4, and if it is not certain.
   */
  readonly gone?: readonly string[];
  /** What a databag has that the interface does not allow, in words for the log. Those keys are missing above. */
  readonly problems: readonly string[];
}

/** A unit at the other end of a relation. */
export interface RelationUnit<Data> {
  readonly name: string;
  readonly data: Data;
  /** Where to reach the unit. Juju writes it into every unit's databag; absent until then. */
  readonly address?: string;
  /** The subnets that its connections come from, `10.0.0.4/32`. */
  readonly egressSubnets: readonly string[];
}

/** Reads relations and their databags as they stood when the hook began; {@link Juju} has the public methods. */
export class RelationReader<C extends Charmcraft, E extends Endpoints<C>> {
  readonly #context: HookContext;
  readonly #charm: CharmEndpoints<C, E>;
  readonly #tools: HookTools;
  readonly #once: Once;
  readonly #goalState: () => Promise<GoalState>;

  constructor(
    context: HookContext,
    charm: CharmEndpoints<C, E>,
    tools: HookTools,
    once: Once,
    goalState: () => Promise<GoalState>,
  ) {
    this.#context = context;
    this.#charm = charm;
    this.#tools = tools;
    this.#once = once;
    this.#goalState = goalState;
  }

  /** All relations on an endpoint, without those that Juju lists and cannot read. */
  on<N extends EndpointName<C>>(endpoint: N): Promise<readonly Relation<RemoteSide<C, E, N>>[]> {
    return this.#once.ask(`relations ${endpoint}`, async () => {
      const ids = await this.#tools.relationIds(endpoint);
      const relations = await Promise.all(
        ids.map((id) => unlessGone(this.#relation(endpoint, relationNumber(id)))),
      );
      return relations.filter((relation) => relation !== undefined).sort((a, b) => a.id - b.id);
    });
  }

  /** The relation that the hook breaks. */
  async broken<N extends EndpointName<C>>(endpoint: N): Promise<Relation<RemoteSide<C, E, N>> | undefined> {
    const { event } = this.#context;
    if (event.kind !== 'relation' || event.name !== 'broken' || event.relation.endpoint !== endpoint)
      return undefined;
    return unlessGone(this.#relation(endpoint, event.relation.id));
  }

  /** The unit that the hook sees depart. */
  async departing<N extends EndpointName<C>>(
    endpoint: N,
  ): Promise<RelationUnit<Bag<RemoteSide<C, E, N>['unit']>> | undefined> {
    const { event, unit } = this.#context;
    if (event.kind !== 'relation' || event.name !== 'departed' || event.relation.endpoint !== endpoint)
      return undefined;
    const { departingUnit } = event;
    if (departingUnit === undefined || departingUnit === unit) return undefined;
    const bag = (await unlessGone(this.databag(event.relation.id, departingUnit))) ?? {};
    return this.#relationUnit(endpoint, event.relation.id, departingUnit, bag).unit;
  }

  /** A databag of a unit, or of an application. */
  databag(relation: number, owner: string): Promise<RawBag> {
    return this.#once.ask(`databag ${relation} ${owner}`, () => this.#tools.relationGet(relation, owner));
  }

  async #relation<N extends EndpointName<C>>(
    endpoint: N,
    id: number,
  ): Promise<Relation<RemoteSide<C, E, N>>> {
    const side = remoteSide<C, E, N>(this.#charm, endpoint);
    const phase = this.#phaseOf(id);
    const names = phase === 'broken' ? [] : await this.#tools.relationUnits(id);
    const units = this.#isContainerScoped(endpoint) ? names.filter((name) => this.#isBeside(name)) : names;
    // Where nothing else would, this shows whether the relation can be read.
    if (units.length === 0 && phase !== 'broken') await this.databag(id, this.#context.unit);
    const [{ app, appBag }, unitBags] = await Promise.all([
      this.#remoteApp(endpoint, id, names, side),
      Promise.all(
        units.map(async (name) => this.#relationUnit(endpoint, id, name, await this.databag(id, name))),
      ),
    ]);
    const gone = endpoint in this.#charm.charmcraft.peers ? await this.#goneOf(unitBags) : [];
    const { data: appData, problems } = decodeBag<RemoteSide<C, E, N>['app']>(side.app, appBag);
    return {
      id,
      endpoint,
      phase,
      app,
      appData,
      units: unitBags
        .map(({ unit }) => unit)
        .filter(({ name }) => !gone.includes(name))
        .sort((a, b) => unitNumber(a.name) - unitNumber(b.name)),
      ...(gone.length > 0 && { gone }),
      problems: [
        ...problems.map(({ key, message }) => `${endpoint}:${id}, ${key} of ${app}: ${message}`),
        ...unitBags.flatMap((read) => read.problems),
      ],
    };
  }

  /** Asks for no more than it must: the name is in the units' names, and an interface may have no keys. */
  async #remoteApp(
    endpoint: string,
    id: number,
    [unit]: readonly string[],
    side: Side,
  ): Promise<{ app: string; appBag: RawBag }> {
    const { event } = this.#context;
    const isEvents = event.kind === 'relation' && event.relation.id === id && event.remoteApp !== '';
    const app =
      endpoint in this.#charm.charmcraft.peers
        ? this.#context.app
        : isEvents
          ? event.remoteApp
          : unit === undefined
            ? await this.#tools.relationApp(id)
            : appOf(unit);
    return { app, appBag: Object.keys(side.app).length === 0 ? {} : await this.databag(id, app) };
  }

  #relationUnit<N extends EndpointName<C>>(endpoint: N, id: number, name: string, bag: RawBag) {
    const side = remoteSide<C, E, N>(this.#charm, endpoint);
    const { data, problems } = decodeBag<RemoteSide<C, E, N>['unit']>(side.unit, bag);
    const address = bag['ingress-address'] ?? bag['private-address'];
    return {
      principal: bag[PRINCIPAL_KEY],
      hasDeparted: bag[DEPARTED_KEY] === 'true',
      unit: {
        name,
        data,
        ...(address !== undefined && { address }),
        egressSubnets: commaList.decode(bag['egress-subnets'] ?? ''),
      },
      problems: problems.map(({ key, message }) => `${endpoint}:${id}, ${key} of ${name}: ${message}`),
    };
  }

  /** Which of these peers are gone: those that have said so, and those that are in Juju's records no more. */
  async #goneOf(peers: readonly Peer[]): Promise<readonly string[]> {
    if (!isAtLeast(this.#context.jujuVersion, '4.0')) return [];
    const others = peers.filter(({ hasDeparted }) => !hasDeparted);
    const gone = [...peers.filter(({ hasDeparted }) => hasDeparted), ...(await this.#unrecorded(others))];
    return gone.map(({ unit: { name } }) => name).sort((a, b) => unitNumber(a) - unitNumber(b));
  }

  /**
   * Those of these peers that Juju has no record of. `goal-state` has the living and the dying units of a
   * principal's application; of a subordinate's it has only those that have lost their principal, and the units of the applications that it
   * rides on. So a subordinate is gone when it is not among them, and neither is the principal that it said it rides on.
   * https://github.com/juju/juju/blob/3.6/apiserver/facades/agent/uniter/uniter.go (goalStateUnits)
   */
  async #unrecorded(peers: readonly Peer[]): Promise<readonly Peer[]> {
    const { unit, principalUnit } = this.#context;
    if (peers.length === 0) return [];
    const goal = await undefinedOn(HookToolError, this.#goalState());
    if (!goal) return [];
    const { provides, requires } = this.#charm.charmcraft;
    const around = Object.keys({ ...provides, ...requires }).filter((name) => this.#isContainerScoped(name));
    const principals = new Set(around.flatMap((name) => Object.keys(goal.relations[name] ?? {})));
    // An answer without this very unit, or what it rides on, is about something else.
    if (principalUnit === undefined ? !(unit in goal.units) : !principals.has(principalUnit)) return [];
    return peers.filter(({ unit: { name }, principal }) => {
      if (name in goal.units) return false;
      return principalUnit === undefined || (principal !== undefined && !principals.has(principal));
    });
  }

  #phaseOf(id: number): Relation<Side>['phase'] {
    const { event, unit } = this.#context;
    if (event.kind !== 'relation' || event.relation.id !== id) return 'active';
    if (event.name === 'broken') return 'broken';
    return event.name === 'departed' && event.departingUnit === unit ? 'leaving' : 'active';
  }

  #isContainerScoped(endpoint: string): boolean {
    const { provides, requires } = this.#charm.charmcraft;
    return (provides[endpoint] ?? requires[endpoint])?.scope === 'container';
  }

  /** Where the units of another subordinate are, nobody says; those that Juju shows are taken for the ones here. */
  #isBeside(unit: string): boolean {
    const { principalUnit } = this.#context;
    return principalUnit === undefined || unit === principalUnit || appOf(unit) !== appOf(principalUnit);
  }
}

/** What is asked of a unit in a peer relation, to find out whether it is gone. */
interface Peer {
  readonly unit: { readonly name: string };
  readonly principal?: string | undefined;
  readonly hasDeparted: boolean;
}

/** Nothing where Juju does not know the relation any more. */
function unlessGone<T>(answer: Promise<T>): Promise<T | undefined> {
  return undefinedOn(RelationNotFoundError, answer);
}

/** What of a charm the reading of relations depends on. */
interface CharmEndpoints<C, E> {
  readonly charmcraft: C;
  readonly endpoints: E;
}

function remoteSide<C extends Charmcraft, E extends Endpoints<C>, N extends EndpointName<C>>(
  { charmcraft, endpoints }: CharmEndpoints<C, E>,
  endpoint: N,
): RemoteSide<C, E, N> {
  const contract = endpoints[endpoint];
  if (!contract) throw new CharmBugError(`no contract for the endpoint ${endpoint}`);
  const side = endpoint in charmcraft.provides ? contract.requirer : contract.provider;
  // The same choice, by role, that the type RemoteSide makes.
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  return side as RemoteSide<C, E, N>;
}

/** `web/12` → 12. */
export function unitNumber(unit: string): number {
  return Number(unit.slice(unit.lastIndexOf('/') + 1));
}

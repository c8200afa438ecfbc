import type { z } from 'zod';
import type {
  Charmcraft,
  EndpointName,
  Endpoints,
  OptionSchemas,
  Options,
  RemoteSide,
  ResourceName,
  SecretOptionName,
  StorageName,
} from './charmcraft.ts';
import { appOf, relationNumber, type HookContext } from './context.ts';
import {
  commaList,
  decodeBag,
  type Bag,
  type BagSchema,
  type NoBag,
  type RawBag,
  type Side,
} from './databag.ts';
import {
  CharmBugError,
  HookToolError,
  RelationNotFoundError,
  SecretNotFoundError,
  UserError,
} from './errors.ts';
import type { EventSchemas, EventQueue, NoEvents } from './events.ts';
import type { HookProcess } from './process.ts';
import type { Redacted } from './redacted.ts';
import type { SecretLabel } from './secret.ts';
import type { CloudSpec, GoalState, NetworkInfo, ShownStatus } from './answers.ts';
import type { HookTools } from './tools.ts';
import type { LogLevel } from './tools/agent.ts';
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

/** Options as Juju has them, by name. */
export type GivenOptions = Readonly<Record<string, string | number | boolean>>;

/** The options of a charm. */
export interface OptionValues<S> {
  readonly values: Options<S>;
  /** The same, as Juju has them. */
  readonly given: GivenOptions;
}

/** The options of a charm that continues if one of them is wrong. */
export interface CheckedOptions<S> extends OptionValues<S> {
  /** The earlier options, in the same form. */
  readonly before: OptionValues<S>;
  /** What is wrong with the options that the user gave, in words for a status. */
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

/** A storage instance of this unit. */
export interface StorageInstance {
  /** `data/0` */
  readonly id: string;
  readonly kind: string;
  /** Path of the file system, or of the block device. */
  readonly location: string;
}

/** What a charm can ask Juju. A hook asks each question once, and questions run at the same time. */
export class Juju<
  C extends Charmcraft,
  S extends OptionSchemas<C>,
  E extends Endpoints<C>,
  B extends BagSchema = NoBag,
  V extends EventSchemas = NoEvents,
> {
  readonly context: HookContext;
  /** Juju's own tools, for what has no method here. Their answers are not kept. */
  readonly tools: HookTools;
  readonly #charm: CharmParts<C, S, E, B, V>;
  readonly #print: (line: string) => void;
  readonly #queue: Pick<EventQueue, 'add'>;
  readonly #answers = new Map<string, Promise<unknown>>();

  constructor(
    context: HookContext,
    charm: CharmParts<C, S, E, B, V>,
    tools: HookTools,
    { print }: Pick<HookProcess, 'print'>,
    queue: Pick<EventQueue, 'add'>,
  ) {
    this.context = context;
    this.tools = tools;
    this.#charm = charm;
    this.#print = print;
    this.#queue = queue;
  }

  /**
   * Writes a line to `juju debug-log`. Debug lines of a hook cost nothing, because Juju logs as debug what a hook
   * prints. In an action they cost a tool, because Juju shows what an action prints to the user who ran it.
   */
  async log(level: LogLevel, message: string): Promise<void> {
    if (level === 'DEBUG' && this.context.event.kind !== 'action') this.#print(message);
    else await this.tools.jujuLog(level, message);
  }

  /** Reports progress to the user who waits for the running action. */
  progress(message: string): Promise<void> {
    return this.tools.actionLog(message);
  }

  /**
   * Emits an event that the charm defines. Its handler in `on` runs in this hook, as soon as the handler, the action
   * or the `read` that emitted it is done. An event that equals an earlier one of the same hook is dropped. Nothing
   * is kept for later hooks.
   */
  emit<N extends keyof V & string>(name: N, event: z.input<V[N]>): void {
    this.#queue.add(name, this.#charm.events?.[name]?.parse(event));
  }

  /**
   * All options, checked by their schemas.
   * @throws {UserError} naming every option that is wrong.
   */
  options(): Promise<Options<S>> {
    return this.#once('options', async () => {
      const { values, problems } = await this.optionsOr({});
      if (problems.length > 0) throw new UserError(problems);
      return values;
    });
  }

  /**
   * The same, for a charm that continues if an option is wrong. That option keeps its value from `before`, or else
   * has its default.
   * @param before options as Juju had them in an earlier hook
   */
  async optionsOr(before: GivenOptions): Promise<CheckedOptions<S>> {
    const config = await this.#config();
    const defaults = Object.fromEntries(
      Object.entries(this.#charm.charmcraft.options).flatMap(([name, option]) =>
        option.default === undefined ? [] : [[name, option.default] as const],
      ),
    );
    const problems = Object.entries<z.ZodType>(this.#charm.options).flatMap(([name, schema]) =>
      (schema.safeParse(config[name]).error?.issues ?? []).map(
        (issue) => `${name}=${shown(config[name])}: ${issue.message}`,
      ),
    );
    return {
      ...this.#firstGood([config, before, defaults]),
      before: this.#firstGood([before, defaults]),
      problems,
    };
  }

  /** Of each option the first value that its schema takes. */
  #firstGood(sources: readonly GivenOptions[]): OptionValues<S> {
    const values: Record<string, unknown> = {};
    const given: Record<string, GivenOptions[string]> = {};
    for (const [name, schema] of Object.entries<z.ZodType>(this.#charm.options)) {
      const value = sources.map((source) => source[name]).find((one) => schema.safeParse(one).success);
      values[name] = schema.safeParse(value).data;
      if (value !== undefined) given[name] = value;
    }
    // One key for each schema, each the output of that schema: exactly what Options<S> says.
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion
    return { values: values as Options<S>, given };
  }

  /**
   * The content of the secret that the user gave as an option; `undefined` if the option is not set.
   * @throws {UserError} if the secret is not granted to this application, or is gone.
   */
  async secretOption(name: SecretOptionName<C>): Promise<Readonly<Record<string, Redacted>> | undefined> {
    const uri = (await this.#config())[name];
    if (typeof uri !== 'string' || uri === '') return undefined;
    try {
      return await this.secret(uri);
    } catch (cause) {
      if (!(cause instanceof SecretNotFoundError)) throw cause;
      throw new UserError(`${name}= cannot be read: juju grant-secret ${uri} ${this.context.app}`, {
        cause,
      });
    }
  }

  /** Whether this unit leads its application. */
  isLeader(): Promise<boolean> {
    return this.#once('is-leader', () => this.tools.isLeader());
  }

  /**
   * The relations on an endpoint, oldest first. It leaves out a relation that is being broken, and one that Juju
   * lists but cannot read: `remove-application --force --no-wait` leaves such relations on the units at the other
   * end, until their agents restart.
   */
  relations<N extends EndpointName<C>>(endpoint: N): Promise<readonly Relation<RemoteSide<C, E, N>>[]> {
    return this.#once(`relations ${endpoint}`, async () => {
      const ids = await this.tools.relationIds(endpoint);
      const relations = await Promise.all(
        ids.map((id) => unlessGone(this.#relation(endpoint, relationNumber(id)))),
      );
      return relations.filter((relation) => relation !== undefined).sort((a, b) => a.id - b.id);
    });
  }

  /**
   * Every relation with another application, and the name of that application. It leaves out a relation that is being
   * broken.
   */
  relationApps(): Promise<readonly { readonly id: number; readonly app: string }[]> {
    return this.#once('relation apps', async () => {
      const { provides, requires } = this.#charm.charmcraft;
      const names = [...Object.keys(provides), ...Object.keys(requires)];
      const ids = await Promise.all(names.map((endpoint) => this.tools.relationIds(endpoint)));
      return Promise.all(
        ids.flat().map(async (name) => {
          const id = relationNumber(name);
          return { id, app: await this.tools.relationApp(id) };
        }),
      );
    });
  }

  /** In the hook `<endpoint>-relation-broken`: what is left of that relation. Its units are gone. */
  async brokenRelation<N extends EndpointName<C>>(
    endpoint: N,
  ): Promise<Relation<RemoteSide<C, E, N>> | undefined> {
    const { event } = this.context;
    if (event.kind !== 'relation' || event.name !== 'broken' || event.relation.endpoint !== endpoint)
      return undefined;
    return unlessGone(this.#relation(endpoint, event.relation.id));
  }

  /** In the hook `<endpoint>-relation-departed`: the departing unit at the other end, and what it last wrote. */
  async departingUnit<N extends EndpointName<C>>(
    endpoint: N,
  ): Promise<RelationUnit<Bag<RemoteSide<C, E, N>['unit']>> | undefined> {
    const { event, unit } = this.context;
    if (event.kind !== 'relation' || event.name !== 'departed' || event.relation.endpoint !== endpoint)
      return undefined;
    const { departingUnit } = event;
    if (departingUnit === undefined || departingUnit === unit) return undefined;
    const bag = (await unlessGone(this.databag(event.relation.id, departingUnit))) ?? {};
    return this.#relationUnit(endpoint, event.relation.id, departingUnit, bag).unit;
  }

  /** UUID of the model at the other end of a relation. */
  relationModel(id: number): Promise<string> {
    return this.#once(`relation-model ${id}`, () => this.tools.relationModel(id));
  }

  /** A databag as it was when the hook began: of a unit (`mysql/0`), or of an application (`mysql`). */
  databag(relation: number, owner: string): Promise<RawBag> {
    return this.#once(`databag ${relation} ${owner}`, () => this.tools.relationGet(relation, owner));
  }

  /** The addresses of this unit in the network of an endpoint, or of one of its relations. */
  network(binding: EndpointName<C>, relation?: number): Promise<NetworkInfo> {
    return this.#once(`network ${binding} ${relation ?? ''}`, () => this.tools.networkGet(binding, relation));
  }

  /**
   * The newest content of a secret that somebody granted to this application.
   * @throws {SecretNotFoundError} if it is not granted (yet, or any more); the unit then waits, unless the charm
   * catches the error.
   */
  secret(uri: string): Promise<Readonly<Record<string, Redacted>>> {
    const how = this.context.event.kind === 'action' ? 'peek' : 'refresh';
    return this.#once(`secret ${uri}`, async () => {
      try {
        return await this.tools.secretGet({ uri }, how);
      } catch (cause) {
        if (!(cause instanceof SecretNotFoundError)) throw cause;
        const message = `${uri} is not granted to ${this.context.app}, or not yet`;
        throw new SecretNotFoundError(cause, message, { cause, remedy: 'retry' });
      }
    });
  }

  /** The content of a secret that this unit or its application owns; `undefined` until it is created. */
  ownSecret({ label }: SecretLabel): Promise<Readonly<Record<string, Redacted>> | undefined> {
    return this.#once(`own secret ${label}`, async () => {
      try {
        return await this.tools.secretGet({ label }, 'peek');
      } catch (error) {
        if (error instanceof SecretNotFoundError) return undefined;
        throw error;
      }
    });
  }

  /** What this unit keeps in the controller, decoded. A key that cannot be decoded is missing. */
  async stored(): Promise<Bag<B>> {
    const schema = this.#charm.stored;
    if (!schema) throw new CharmBugError('the charm declares nothing to be stored');
    return decodeBag(schema, await this.storedTexts()).data;
  }

  /** The same, as Juju has it. */
  storedTexts(): Promise<RawBag> {
    return this.#once('state-get', () => this.tools.stateGet());
  }

  /** The instances of a storage that are attached to this unit. */
  storage(name: StorageName<C>): Promise<readonly StorageInstance[]> {
    return this.#once(`storage ${name}`, async () => {
      const ids = await this.tools.storageList(name);
      return Promise.all(ids.map(async (id) => ({ id, ...(await this.tools.storageGet(id)) })));
    });
  }

  /**
   * The path of the file that the user gave as a resource.
   * @throws {UserError} if the user gave none.
   * @throws {HookToolError} if Juju cannot fetch it.
   */
  resource(name: ResourceName<C>): Promise<string> {
    return this.#once(`resource ${name}`, async () => {
      try {
        return await this.tools.resourceGet(name);
      } catch (cause) {
        if (!(cause instanceof HookToolError && cause.message.includes('not found'))) throw cause;
        const { app } = this.context;
        throw new UserError(`the resource ${name} is needed: juju attach-resource ${app} ${name}=<file>`, {
          cause,
        });
      }
    });
  }

  /** The units and relations that the model is going to have. */
  goalState(): Promise<GoalState> {
    return this.#once('goal-state', () => this.tools.goalState());
  }

  /**
   * The cloud of the model, with its credential.
   * @throws {UserError} if the user has not run `juju trust` for the application.
   */
  cloud(): Promise<CloudSpec> {
    return this.#once('credential-get', async () => {
      try {
        return await this.tools.credentialGet();
      } catch (cause) {
        if (!(cause instanceof Error && cause.message.includes('permission denied'))) throw cause;
        throw new UserError(`the cloud's credential is needed: juju trust ${this.context.app}`, { cause });
      }
    });
  }

  /** The status of this unit that Juju shows. */
  shownStatus(): Promise<ShownStatus> {
    return this.#once('status-get', () => this.tools.statusGet());
  }

  #config() {
    return this.#once('config-get', () => this.tools.configGet());
  }

  async #relation<N extends EndpointName<C>>(
    endpoint: N,
    id: number,
  ): Promise<Relation<RemoteSide<C, E, N>>> {
    const side = remoteSide<C, E, N>(this.#charm, endpoint);
    const phase = this.#phaseOf(id);
    const names = phase === 'broken' ? [] : await this.tools.relationUnits(id);
    const units = this.#isContainerScoped(endpoint) ? names.filter((name) => this.#isBeside(name)) : names;
    // Where nothing else would, this shows whether the relation can be read.
    if (units.length === 0 && phase !== 'broken') await this.databag(id, this.context.unit);
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
    const { event } = this.context;
    const isEvents = event.kind === 'relation' && event.relation.id === id && event.remoteApp !== '';
    const app =
      endpoint in this.#charm.charmcraft.peers
        ? this.context.app
        : isEvents
          ? event.remoteApp
          : unit === undefined
            ? await this.tools.relationApp(id)
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
    if (!isAtLeast(this.context.jujuVersion, '4.0')) return [];
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
    const { unit, principalUnit } = this.context;
    if (peers.length === 0) return [];
    let goal: GoalState;
    try {
      goal = await this.goalState();
    } catch (error) {
      if (!(error instanceof HookToolError)) throw error;
      return [];
    }
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
    const { event, unit } = this.context;
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
    const { principalUnit } = this.context;
    return principalUnit === undefined || unit === principalUnit || appOf(unit) !== appOf(principalUnit);
  }

  #once<T>(key: string, asks: () => Promise<T>): Promise<T> {
    const known = this.#answers.get(key);
    // Every key is used with one type of answer only: the method that makes it.
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion
    if (known) return known as Promise<T>;
    const answer = asks();
    this.#answers.set(key, answer);
    return answer;
  }
}

/** What is asked of a unit in a peer relation, to find out whether it is gone. */
interface Peer {
  readonly unit: { readonly name: string };
  readonly principal?: string | undefined;
  readonly hasDeparted: boolean;
}

/** Nothing where Juju does not know the relation any more. */
async function unlessGone<T>(answer: Promise<T>): Promise<T | undefined> {
  try {
    return await answer;
  } catch (error) {
    if (error instanceof RelationNotFoundError) return undefined;
    throw error;
  }
}

/** What of a charm its questions to Juju depend on. */
interface CharmParts<C, S, E, B, V> {
  readonly charmcraft: C;
  readonly options: S;
  readonly endpoints: E;
  readonly stored?: B;
  readonly events?: V;
}

function remoteSide<C extends Charmcraft, E extends Endpoints<C>, N extends EndpointName<C>>(
  { charmcraft, endpoints }: { readonly charmcraft: C; readonly endpoints: E },
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

/** An option for a status: without the user and the password of a URL. */
function shown(value: string | number | boolean | undefined): string {
  return value === undefined ? '' : String(value).replaceAll(/(:\/\/)[^\s/@]+@/g, '$1');
}

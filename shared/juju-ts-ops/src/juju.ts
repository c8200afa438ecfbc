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
import { relationNumber, type HookContext } from './context.ts';
import { decodeBag, type Bag, type BagSchema, type NoBag, type RawBag } from './databag.ts';
import { CharmBugError, HookToolError, SecretNotFoundError, undefinedOn, UserError } from './errors.ts';
import type { EventSchemas, EventQueue, NoEvents } from './events.ts';
import { Once } from './once.ts';
import { checkOptions, type CheckedOptions, type GivenOptions } from './options.ts';
import type { HookProcess } from './process.ts';
import type { Redacted } from './redacted.ts';
import { RelationReader, type Relation, type RelationUnit } from './relations.ts';
import type { SecretLabel } from './secret.ts';
import type { CloudSpec, GoalState, NetworkInfo, ShownStatus } from './answers.ts';
import type { HookTools } from './tools.ts';
import type { LogLevel } from './tools/agent.ts';

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
  readonly #once = new Once();
  readonly #relations: RelationReader<C, E>;

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
    this.#relations = new RelationReader(context, charm, tools, this.#once, () => this.goalState());
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
    return this.#once.ask('options', async () => {
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
    return checkOptions(this.#charm, await this.#config(), before);
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
    return this.#once.ask('is-leader', () => this.tools.isLeader());
  }

  /**
   * The relations on an endpoint, oldest first. It leaves out a relation that is being broken, and one that Juju
   * lists but cannot read: `remove-application --force --no-wait` leaves such relations on the units at the other
   * end, until their agents restart.
   */
  relations<N extends EndpointName<C>>(endpoint: N): Promise<readonly Relation<RemoteSide<C, E, N>>[]> {
    return this.#relations.on(endpoint);
  }

  /**
   * Every relation with another application, and the name of that application. It leaves out a relation that is being
   * broken.
   */
  relationApps(): Promise<readonly { readonly id: number; readonly app: string }[]> {
    return this.#once.ask('relation apps', async () => {
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
  brokenRelation<N extends EndpointName<C>>(endpoint: N): Promise<Relation<RemoteSide<C, E, N>> | undefined> {
    return this.#relations.broken(endpoint);
  }

  /** In the hook `<endpoint>-relation-departed`: the departing unit at the other end, and what it last wrote. */
  departingUnit<N extends EndpointName<C>>(
    endpoint: N,
  ): Promise<RelationUnit<Bag<RemoteSide<C, E, N>['unit']>> | undefined> {
    return this.#relations.departing(endpoint);
  }

  /** UUID of the model at the other end of a relation. */
  relationModel(id: number): Promise<string> {
    return this.#once.ask(`relation-model ${id}`, () => this.tools.relationModel(id));
  }

  /** A databag as it was when the hook began: of a unit (`mysql/0`), or of an application (`mysql`). */
  databag(relation: number, owner: string): Promise<RawBag> {
    return this.#relations.databag(relation, owner);
  }

  /** The addresses of this unit in the network of an endpoint, or of one of its relations. */
  network(binding: EndpointName<C>, relation?: number): Promise<NetworkInfo> {
    return this.#once.ask(`network ${binding} ${relation ?? ''}`, () =>
      this.tools.networkGet(binding, relation),
    );
  }

  /**
   * The newest content of a secret that somebody granted to this application.
   * @throws {SecretNotFoundError} if it is not granted (yet, or any more); the unit then waits, unless the charm
   * catches the error.
   */
  secret(uri: string): Promise<Readonly<Record<string, Redacted>>> {
    const how = this.context.event.kind === 'action' ? 'peek' : 'refresh';
    return this.#once.ask(`secret ${uri}`, async () => {
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
    return this.#once.ask(`own secret ${label}`, () =>
      undefinedOn(SecretNotFoundError, this.tools.secretGet({ label }, 'peek')),
    );
  }

  /** What this unit keeps in the controller, decoded. A key that cannot be decoded is missing. */
  async stored(): Promise<Bag<B>> {
    const schema = this.#charm.stored;
    if (!schema) throw new CharmBugError('the charm declares nothing to be stored');
    return decodeBag(schema, await this.storedTexts()).data;
  }

  /** The same, as Juju has it. */
  storedTexts(): Promise<RawBag> {
    return this.#once.ask('state-get', () => this.tools.stateGet());
  }

  /** The instances of a storage that are attached to this unit. */
  storage(name: StorageName<C>): Promise<readonly StorageInstance[]> {
    return this.#once.ask(`storage ${name}`, async () => {
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
    return this.#once.ask(`resource ${name}`, async () => {
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
    return this.#once.ask('goal-state', () => this.tools.goalState());
  }

  /**
   * The cloud of the model, with its credential.
   * @throws {UserError} if the user has not run `juju trust` for the application.
   */
  cloud(): Promise<CloudSpec> {
    return this.#once.ask('credential-get', async () => {
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
    return this.#once.ask('status-get', () => this.tools.statusGet());
  }

  #config() {
    return this.#once.ask('config-get', () => this.tools.configGet());
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

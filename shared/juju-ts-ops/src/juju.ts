import type { z } from 'zod';
import type {
  Charmcraft,
  EndpointName,
  Endpoints,
  OptionSchemas,
  Options,
  RemoteSide,
} from './charmcraft.ts';
import { relationNumber, type HookContext } from './context.ts';
import { commaList, decodeBag, type Bag, type RawBag, type Side } from './databag.ts';
import { CharmBugError, SecretNotFoundError, UserError } from './errors.ts';
import type { Surroundings } from './process.ts';
import type { Redacted } from './redacted.ts';
import type { HookTools, LogLevel, NetworkInfo } from './tools.ts';

/** One relation as it stood when the hook began, with every databag that this unit may read. */
export interface Relation<Remote extends Side> {
  readonly id: number;
  readonly endpoint: string;
  /** The application at the other end; for a peer relation, this application. */
  readonly app: string;
  readonly appData: Bag<Remote['app']>;
  /** The units at the other end, by number; for a peer relation, the other units of this application. */
  readonly units: readonly RelationUnit<Bag<Remote['unit']>>[];
  /** What is in a databag and not as the interface says, in words for the log. Those keys are missing above. */
  readonly problems: readonly string[];
}

export interface RelationUnit<Data> {
  readonly name: string;
  readonly data: Data;
  /** Where the unit is reached, which Juju itself writes into every unit's databag; absent until it has. */
  readonly address?: string;
  /** The subnets that its connections come from, `10.0.0.4/32`. */
  readonly egressSubnets: readonly string[];
}

/** What a charm asks Juju for. Each answer is asked for once in a hook. */
export class Juju<C extends Charmcraft, S extends OptionSchemas<C>, E extends Endpoints<C>> {
  readonly context: HookContext;
  /** Juju's own tools, for what no method here does. Nothing that they answer is kept. */
  readonly tools: HookTools;
  readonly #charmcraft: C;
  readonly #schemas: S;
  readonly #endpoints: E;
  readonly #print: (line: string) => void;
  readonly #answers = new Map<string, Promise<unknown>>();

  constructor(
    context: HookContext,
    charmcraft: C,
    schemas: S,
    endpoints: E,
    tools: HookTools,
    { print }: Pick<Surroundings, 'print'>,
  ) {
    this.context = context;
    this.tools = tools;
    this.#charmcraft = charmcraft;
    this.#schemas = schemas;
    this.#endpoints = endpoints;
    this.#print = print;
  }

  /** Says something in `juju debug-log`. Debug lines cost nothing: Juju keeps what a hook prints as debug. */
  async log(level: LogLevel, message: string): Promise<void> {
    if (level === 'DEBUG') this.#print(message);
    else await this.tools.jujuLog(level, message);
  }

  /**
   * All options, checked by their schemas.
   * @throws {UserError} naming every option that is wrong.
   */
  options(): Promise<Options<S>> {
    return this.#once('config-get', async () => {
      const config = await this.tools.configGet();
      const values: Record<string, unknown> = {};
      const problems: string[] = [];
      for (const [name, schema] of Object.entries<z.ZodType>(this.#schemas)) {
        const parsed = schema.safeParse(config[name]);
        if (parsed.success) values[name] = parsed.data;
        else
          problems.push(
            ...parsed.error.issues.map((issue) => `${name}=${shown(config[name])}: ${issue.message}`),
          );
      }
      if (problems.length > 0) throw new UserError(problems.join('; '));
      // One key for each schema, each the output of that schema: exactly what Options<S> says.
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion
      return values as Options<S>;
    });
  }

  isLeader(): Promise<boolean> {
    return this.#once('is-leader', () => this.tools.isLeader());
  }

  /** The relations on an endpoint, oldest first. */
  relations<N extends EndpointName<C>>(endpoint: N): Promise<readonly Relation<RemoteSide<C, E, N>>[]> {
    return this.#once(`relations ${endpoint}`, async () => {
      const ids = await this.tools.relationIds(endpoint);
      const relations = await Promise.all(ids.map((id) => this.#relation(endpoint, relationNumber(id))));
      return relations.sort((a, b) => a.id - b.id);
    });
  }

  /** Addresses of this unit as the model's network says for an endpoint. */
  network(binding: EndpointName<C>): Promise<NetworkInfo> {
    return this.#once(`network ${binding}`, () => this.tools.networkGet(binding));
  }

  /**
   * The newest content of a secret that somebody granted to this application.
   * @throws {SecretNotFoundError} when it is not (yet, or any more) granted.
   */
  secret(uri: string): Promise<Readonly<Record<string, Redacted>>> {
    const how = this.context.event.kind === 'action' ? 'peek' : 'refresh';
    return this.#once(`secret ${uri}`, () => this.tools.secretGet({ uri }, how));
  }

  /** The content of a secret of this application's own, by its label; `undefined` until it was made. */
  ownSecret(label: string): Promise<Readonly<Record<string, Redacted>> | undefined> {
    return this.#once(`own secret ${label}`, async () => {
      try {
        return await this.tools.secretGet({ label }, 'peek');
      } catch (error) {
        if (error instanceof SecretNotFoundError) return undefined;
        throw error;
      }
    });
  }

  async #relation<N extends EndpointName<C>>(
    endpoint: N,
    id: number,
  ): Promise<Relation<RemoteSide<C, E, N>>> {
    const isPeer = endpoint in this.#charmcraft.peers;
    const [app, names] = await Promise.all([
      isPeer ? this.context.app : this.tools.relationApp(id),
      this.tools.relationUnits(id),
    ]);
    const units = this.#isContainerScoped(endpoint)
      ? names.filter(
          (name) => name === this.context.principalUnit || this.context.principalUnit === undefined,
        )
      : names;
    const [appBag, ...unitBags] = await Promise.all(
      [app, ...units].map((owner) => this.tools.relationGet(id, owner)),
    );
    const side = remoteSide<C, E, N>(this.#charmcraft, this.#endpoints, endpoint);
    const problems: string[] = [];
    const read = <B extends Side['app']>(schema: B, bag: RawBag | undefined, owner: string): Bag<B> => {
      const decoded = decodeBag(schema, bag ?? {});
      problems.push(
        ...decoded.problems.map(({ key, message }) => `${endpoint}:${id}, ${key} of ${owner}: ${message}`),
      );
      return decoded.data;
    };
    return {
      id,
      endpoint,
      app,
      appData: read<RemoteSide<C, E, N>['app']>(side.app, appBag, app),
      units: units
        .map((name, index) => {
          const bag = unitBags[index];
          const address = bag?.['ingress-address'] ?? bag?.['private-address'];
          return {
            name,
            data: read<RemoteSide<C, E, N>['unit']>(side.unit, bag, name),
            ...(address !== undefined && { address }),
            egressSubnets: commaList.decode(bag?.['egress-subnets'] ?? ''),
          };
        })
        .sort((a, b) => unitNumber(a.name) - unitNumber(b.name)),
      problems,
    };
  }

  #isContainerScoped(endpoint: string): boolean {
    const { provides, requires } = this.#charmcraft;
    return (provides[endpoint] ?? requires[endpoint])?.scope === 'container';
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

function remoteSide<C extends Charmcraft, E extends Endpoints<C>, N extends EndpointName<C>>(
  charmcraft: C,
  endpoints: E,
  endpoint: N,
): RemoteSide<C, E, N> {
  const contract = endpoints[endpoint];
  if (!contract) throw new CharmBugError(`no contract for the endpoint ${endpoint}`);
  const side = endpoint in charmcraft.provides ? contract.requirer : contract.provider;
  // The same choice, by role, that the type RemoteSide makes.
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  return side as RemoteSide<C, E, N>;
}

/** `maas-region/12` → 12. */
export function unitNumber(unit: string): number {
  return Number(unit.slice(unit.lastIndexOf('/') + 1));
}

function shown(value: string | number | boolean | undefined): string {
  return value === undefined ? '' : String(value);
}

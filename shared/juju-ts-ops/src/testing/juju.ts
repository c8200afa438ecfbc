import { readFileSync } from 'node:fs';
import { parseArgs, type ParseArgsOptionsConfig } from 'node:util';
import { parse as parseYaml, stringify as stringifyYaml } from 'yaml';
import { z } from 'zod';
import type { Charmcraft } from '../charmcraft.ts';
import { appOf } from '../context.ts';
import type { RawBag } from '../databag.ts';
import { isAtLeast } from '../version.ts';
import type { RelationState, SecretRevision, SecretState, State, StatusState, TestEvent } from './state.ts';

/** What one run of a tool gave back. */
export interface Answer {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** One run of a tool, as it was made. */
export interface Call {
  readonly tool: string;
  readonly args: readonly string[];
  readonly exitCode: number;
}

export interface LogLine {
  readonly level: 'DEBUG' | 'INFO' | 'WARNING' | 'ERROR';
  readonly message: string;
}

/** What an action gave. */
export interface ActionOutcome {
  readonly status: 'completed' | 'failed';
  readonly message?: string;
  readonly results: Readonly<Record<string, string>>;
  readonly log: readonly string[];
}

/** Why a tool refuses: exit code 2 for its arguments, 1 for what it is asked to do. */
class Refusal extends Error {
  readonly exitCode: 1 | 2;

  constructor(exitCode: 1 | 2, message: string) {
    super(message);
    this.exitCode = exitCode;
  }
}

const FORMAT = {
  format: { type: 'string', default: 'smart' },
  output: { type: 'string', short: 'o' },
} as const;
const RELATION = { relation: { type: 'string', short: 'r' } } as const;
const APP = { app: { type: 'boolean', default: false } } as const;
const FILE = { file: { type: 'string' } } as const;
const SECRET = {
  owner: { type: 'string', default: 'application' },
  label: { type: 'string' },
  description: { type: 'string' },
  rotate: { type: 'string' },
  expire: { type: 'string' },
  ...FILE,
} as const;

const Texts = z.record(z.string(), z.coerce.string()).nullable();
const SECRET_KEY = /^([a-z](?:-?[a-z0-9]){2,})$/;
const ACTION_KEY = /^[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?$/;
const PORT = /^(icmp|\d+(-\d+)?(\/(tcp|udp))?)$/;
const ROTATIONS = ['never', 'hourly', 'daily', 'weekly', 'monthly', 'quarterly', 'yearly'];
const LEVELS = ['maintenance', 'blocked', 'waiting', 'active'] as const;
const TOOLS = `
  action-fail action-get action-log action-set application-version-set close-port config-get
  credential-get goal-state is-leader juju-log juju-reboot network-get open-port opened-ports
  relation-get relation-ids relation-list relation-model-get relation-set resource-get
  secret-add secret-get secret-grant secret-ids secret-info-get secret-remove secret-revoke
  secret-set state-delete state-get state-set status-get status-set storage-add storage-get
  storage-list unit-get`
  .trim()
  .split(/\s+/);
const OLD_TOOLS = [
  'leader-get',
  'leader-set',
  'payload-register',
  'payload-status-set',
  'payload-unregister',
];

/** The hook tools of a version of Juju. Juju 4 has not got all that 3.6 has. */
export function toolNames(jujuVersion: string): readonly string[] {
  return isAtLeast(jujuVersion, '4.0') ? TOOLS : [...TOOLS, ...OLD_TOOLS];
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/**
 * Juju as the tools of one hook show it: it answers from a state, remembers what the charm asks for, and knows what
 * of it counts when the hook fails. The same for tests in this process and for tools on PATH.
 */
export class FakeJuju<C extends Charmcraft> {
  readonly calls: Call[] = [];
  readonly logs: LogLine[] = [];
  readonly statuses: StatusState[] = [];
  readonly appStatuses: StatusState[] = [];
  /** What `juju-reboot` was asked for; `now` kills the hook. */
  reboot: 'after-hook' | 'now' | undefined;
  readonly #charmcraft: C;
  readonly #event: TestEvent<C>;
  readonly #before: State<C>;
  /** What counts at once. */
  #applied: Mutable<Pick<State<C>, 'status' | 'appStatus' | 'workloadVersion' | 'secrets'>>;
  /** What counts when the hook succeeds. */
  #pending: Mutable<Pick<State<C>, 'relations' | 'ports' | 'stored' | 'secrets'>>;
  #action: Mutable<ActionOutcome> & { results: Record<string, string>; log: string[] };
  #nextSecret = 0;
  readonly #storageAdded: Record<string, number> = {};

  constructor(charmcraft: C, state: State<C>, event: TestEvent<C>) {
    this.#charmcraft = charmcraft;
    this.#event = event;
    this.#before = state;
    const { status, appStatus, workloadVersion, relations, ports, stored, secrets } = state;
    this.#applied = { status, appStatus, workloadVersion, secrets };
    this.#pending = { relations, ports, stored, secrets };
    this.#action = { status: 'completed', results: {}, log: [] };
  }

  /** Runs one tool. */
  answer(tool: string, args: readonly string[], stdin = ''): Answer {
    const answer = this.#answer(tool, args, stdin);
    this.calls.push({ tool, args, exitCode: answer.exitCode });
    return answer;
  }

  /** What the state is after the hook. */
  finish(exitCode: number): State<C> {
    const after = { ...this.#before, ...this.#applied };
    return exitCode === 0 ? { ...after, ...this.#pending } : after;
  }

  /** What whoever ran the action sees; absent in a hook. */
  action(exitCode: number): ActionOutcome | undefined {
    if (typeof this.#event === 'string' || !('action' in this.#event)) return undefined;
    if (exitCode === 0) return this.#action;
    return { ...this.#action, status: 'failed', message: `exit status ${exitCode}` };
  }

  /** How many storage instances of each name were asked for. */
  get storageAdded(): Readonly<Record<string, number>> {
    return this.#storageAdded;
  }

  #answer(tool: string, args: readonly string[], stdin: string): Answer {
    try {
      const run = this.#tools[tool];
      if (!run || !toolNames(this.#before.jujuVersion).includes(tool))
        return { exitCode: 127, stdout: '', stderr: `${tool}: command not found\n` };
      return { exitCode: 0, stdout: run(args, stdin), stderr: '' };
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      return { exitCode: error.exitCode, stdout: '', stderr: `ERROR ${error.message}\n` };
    }
  }

  readonly #tools: Readonly<Record<string, (args: readonly string[], stdin: string) => string>> = {
    'config-get': (args) => {
      const { values, positionals } = parse(args, {
        ...FORMAT,
        all: { type: 'boolean', short: 'a', default: false },
      });
      const [key] = positionals;
      if (values.all && key !== undefined)
        throw new Refusal(2, `cannot use argument --all together with key "${key}"`);
      const declared = Object.entries(this.#charmcraft.options).map(
        ([name, { default: value }]): [string, unknown] => [name, entry(this.#before.options, name) ?? value],
      );
      const options = Object.fromEntries(
        declared.flatMap(([name, value]) =>
          value === undefined ? (values.all ? [[name, null]] : []) : [[name, value]],
        ),
      );
      return format(key === undefined ? options : entry(options, key), values.format);
    },

    'is-leader': (args) => format(this.#before.isLeader, parse(args, FORMAT).values.format),

    'leader-get': (args) => {
      const { values, positionals } = parse(args, FORMAT);
      const [key = '-'] = positionals;
      return format(key === '-' ? {} : undefined, values.format);
    },

    'leader-set': (args) => {
      keyValues(parse(args, {}).positionals);
      if (!this.#before.isLeader)
        throw new Refusal(1, 'cannot write leadership settings: cannot write settings: not the leader');
      return '';
    },

    'relation-ids': (args) => {
      const { values, positionals } = parse(args, FORMAT);
      const endpoint = positionals[0] ?? this.#eventRelation()?.endpoint;
      if (endpoint === undefined) throw new Refusal(2, 'no endpoint name specified');
      const ids = this.#pending.relations
        .filter((relation) => relation.endpoint === endpoint && !this.#isBroken(relation.id))
        .map(({ id }) => `${endpoint}:${id}`)
        .sort();
      return format(ids, values.format);
    },

    'relation-list': (args) => {
      const { values } = parse(args, { ...FORMAT, ...RELATION, ...APP });
      const relation = this.#relation(values.relation);
      if (values.app) return format(relation.app, values.format);
      return format(this.#isBroken(relation.id) ? [] : this.#membersOf(relation), values.format);
    },

    'relation-get': (args) => {
      const { values, positionals } = parse(args, { ...FORMAT, ...RELATION, ...APP });
      const relation = this.#relation(values.relation);
      const [key = '-', named] = positionals;
      const owner = named ?? (values.app ? relation.app : this.#eventUnit());
      if (owner === undefined) throw new Refusal(2, 'no unit or application specified');
      if (!values.app && !owner.includes('/'))
        throw new Refusal(2, `expected unit name, got application name "${owner}"`);
      const bag = values.app
        ? this.#appBag(relation, owner.split('/')[0] ?? '')
        : this.#unitBag(relation, owner);
      return format(key === '-' ? bag : entry(bag, key), values.format);
    },

    'relation-set': (args, stdin) => {
      const { values, positionals } = parse(args, { ...RELATION, ...APP, ...FILE });
      const relation = this.#relation(values.relation);
      const changes = { ...mapIn(values.file, stdin), ...keyValues(positionals) };
      if (values.app && !this.#before.isLeader) throw new Refusal(1, 'cannot write relation settings');
      const bag = values.app ? (this.#isPeer(relation) ? 'appData' : 'ownAppData') : 'ownData';
      const changed = filled({ ...relation[bag], ...changes });
      this.#pending.relations = this.#pending.relations.map((other) =>
        other.id === relation.id ? { ...other, [bag]: changed } : other,
      );
      return '';
    },

    'relation-model-get': (args) => {
      const { values } = parse(args, { ...FORMAT, ...RELATION });
      return format(
        { uuid: this.#relation(values.relation).modelUuid ?? this.#before.model.uuid },
        values.format,
      );
    },

    'network-get': (args) => {
      const flags = ['bind-address', 'ingress-address', 'egress-subnets', 'primary-address'] as const;
      const { values, positionals } = parse(args, {
        ...FORMAT,
        ...RELATION,
        'bind-address': { type: 'boolean' },
        'ingress-address': { type: 'boolean' },
        'egress-subnets': { type: 'boolean' },
        'primary-address': { type: 'boolean' },
      });
      const [binding] = positionals;
      if (binding === undefined) throw new Refusal(2, 'no arguments specified');
      if (!this.#isEndpoint(binding))
        throw new Refusal(1, `no network config found for binding "${binding}"`);
      const network = this.#network(binding);
      const wanted = flags.filter((flag) => values[flag]);
      const single = {
        'bind-address': network['bind-addresses'][0]?.addresses[0]?.value,
        'primary-address': network['bind-addresses'][0]?.addresses[0]?.value,
        'ingress-address': network['ingress-addresses'][0],
        'egress-subnets': network['egress-subnets'],
      };
      const [first] = wanted;
      if (first === undefined) return format(network, values.format);
      if (wanted.length === 1) return format(single[first], values.format);
      return format(Object.fromEntries(wanted.map((flag) => [flag, single[flag]])), values.format);
    },

    'unit-get': (args) => {
      const { values, positionals } = parse(args, FORMAT);
      const [what = ''] = positionals;
      if (what === 'public-address') return format(this.#before.publicAddress, values.format);
      if (what === 'private-address') return format(this.#ownAddress(), values.format);
      throw new Refusal(2, `unknown setting "${what}"`);
    },

    'status-get': (args) => {
      const { values } = parse(args, {
        ...FORMAT,
        'include-data': { type: 'boolean', default: false },
        application: { type: 'boolean', default: false },
      });
      const full = ({ level, message }: StatusState) => ({ message, status: level, 'status-data': {} });
      if (values.application) {
        if (!this.#before.isLeader)
          throw new Refusal(1, 'finding application status: this unit is not the leader');
        const units = { [this.#before.unit]: full(this.#applied.status) };
        return format({ 'application-status': { ...full(this.#applied.appStatus), units } }, values.format);
      }
      const { status } = this.#applied;
      return format(values['include-data'] ? full(status) : { status: status.level }, values.format);
    },

    'status-set': (args) => {
      const { values, positionals } = parse(args, { application: { type: 'boolean', default: false } });
      const [name = '', message = ''] = positionals;
      const level = LEVELS.find((known) => known === name);
      if (!level) throw new Refusal(2, `invalid status "${name}", expected one of [${LEVELS.join(' ')}]`);
      if (values.application && !this.#before.isLeader) throw new Refusal(1, 'this unit is not the leader');
      this.#applied[values.application ? 'appStatus' : 'status'] = { level, message };
      this[values.application ? 'appStatuses' : 'statuses'].push({ level, message });
      return '';
    },

    'application-version-set': (args) => {
      const [version] = parse(args, {}).positionals;
      if (version === undefined) throw new Refusal(2, 'no version specified');
      this.#applied.workloadVersion = version;
      return '';
    },

    'open-port': (args) =>
      this.#changePorts(args, (ports, port) => {
        this.#refuseTaken(port);
        return [...ports.filter((o) => o !== port), port];
      }),
    'close-port': (args) => this.#changePorts(args, (ports, port) => ports.filter((open) => open !== port)),

    'opened-ports': (args) => {
      const { values } = parse(args, { ...FORMAT, endpoints: { type: 'boolean', default: false } });
      const { ports } = this.#before;
      return format(values.endpoints ? ports.map((port) => `${port} (*)`) : ports, values.format);
    },

    'state-get': (args) => {
      const { values, positionals } = parse(args, { ...FORMAT, strict: { type: 'boolean', default: false } });
      const { stored } = this.#pending;
      const [key = '-'] = positionals;
      if (key === '-') return format(Object.keys(stored).length > 0 ? stored : null, values.format);
      if (stored[key] === undefined && values.strict) throw new Refusal(1, `"${key}" not found`);
      return format(stored[key] ?? '', values.format);
    },

    'state-set': (args, stdin) => {
      const { values, positionals } = parse(args, FILE);
      this.#pending.stored = {
        ...this.#pending.stored,
        ...mapIn(values.file, stdin),
        ...keyValues(positionals),
      };
      return '';
    },

    'state-delete': (args) => {
      const [key] = parse(args, {}).positionals;
      this.#pending.stored = Object.fromEntries(
        Object.entries(this.#pending.stored).filter(([name]) => name !== key),
      );
      return '';
    },

    'secret-add': (args) => {
      const { values, positionals } = parse(args, SECRET);
      const content = secretContent(values.file, positionals);
      if (Object.keys(content).length === 0) throw new Refusal(2, 'missing secret value or filename');
      const owner = values.owner === 'unit' ? 'unit' : 'application';
      if (owner === 'application' && !this.#before.isLeader)
        throw new Refusal(1, 'this unit is not the leader');
      checkRotation(values.rotate);
      const { label } = values;
      if (label !== undefined && this.#ownSecrets().some((secret) => secret.label === label))
        throw new Refusal(1, `secret with label "${label}" already exists`);
      const id = this.#newSecretId();
      this.#pending.secrets = [
        ...this.#pending.secrets,
        { id, owner, ...settingsOf(values), revisions: [{ number: 1, content }], grants: [] },
      ];
      return `secret:${id}\n`;
    },

    'secret-set': (args) => {
      const { values, positionals } = parse(args, SECRET);
      const [uri = '', ...rest] = positionals;
      const content = secretContent(values.file, rest);
      checkRotation(values.rotate);
      this.#changeSecret(this.#ownSecret(uri), (secret) => ({
        ...secret,
        ...settingsOf(values),
        revisions:
          Object.keys(content).length > 0 ? withRevision(secret.revisions, content) : secret.revisions,
      }));
      return '';
    },

    'secret-get': (args) => {
      const { values, positionals } = parse(args, {
        ...FORMAT,
        label: { type: 'string' },
        peek: { type: 'boolean', default: false },
        refresh: { type: 'boolean', default: false },
      });
      const [uri, key] = positionals;
      const { label } = values;
      if (uri === undefined && label === undefined)
        throw new Refusal(2, 'require either a secret URI or label');
      const secret = this.#pending.secrets.find((known) =>
        uri === undefined ? known.label === label : known.id === bareId(uri),
      );
      if (!secret)
        throw new Refusal(
          1,
          uri === undefined ? `consumer label "${label}" not found` : `secret "${bareId(uri)}" not found`,
        );
      const latest = secret.revisions.at(-1);
      if (!latest) throw new Refusal(1, `secret "${secret.id}" not found`);
      const tracked = values.refresh ? latest.number : (secret.tracked ?? latest.number);
      if (!values.peek || label !== undefined)
        this.#track(secret, {
          ...(!values.peek && { tracked }),
          ...(label !== undefined && secret.owner === 'other' && { label }),
        });
      const shown = values.peek
        ? latest
        : (secret.revisions.find(({ number }) => number === tracked) ?? latest);
      if (key === undefined) return format(shown.content, yamlOr(values.format));
      const [name = '', as] = key.split('#');
      const value = shown.content[name];
      if (value === undefined) throw new Refusal(1, `key "${name}" not found`);
      return format(as === 'base64' ? Buffer.from(value).toString('base64') : value, values.format);
    },

    'secret-info-get': (args) => {
      const { values, positionals } = parse(args, { ...FORMAT, label: { type: 'string' } });
      const [uri] = positionals;
      if ((uri === undefined) === (values.label === undefined))
        throw new Refusal(2, 'require either a secret URI or label');
      const secret = this.#ownSecrets().find((own) =>
        uri === undefined ? own.label === values.label : own.id === bareId(uri),
      );
      if (!secret)
        throw new Refusal(1, `secret "${uri === undefined ? values.label : bareId(uri)}" not found`);
      return format({ [secret.id]: this.#secretInfo(secret) }, yamlOr(values.format));
    },

    'secret-ids': (args) => {
      const ids = this.#ownSecrets().map(({ id }) => id);
      return format(ids.length > 0 ? ids : null, parse(args, FORMAT).values.format);
    },

    'secret-grant': (args) => {
      const { values, positionals } = parse(args, { ...RELATION, unit: { type: 'string' } });
      const secret = this.#ownSecret(positionals[0] ?? '');
      const grant = {
        relation: this.#relation(values.relation).id,
        ...(values.unit !== undefined && { unit: values.unit }),
      };
      this.#changeSecret(secret, ({ grants = [], ...own }) => ({
        ...own,
        grants: [
          ...grants.filter(({ relation, unit }) => relation !== grant.relation || unit !== grant.unit),
          grant,
        ],
      }));
      return '';
    },

    'secret-revoke': (args) => {
      const { values, positionals } = parse(args, {
        ...RELATION,
        app: { type: 'string' },
        unit: { type: 'string' },
      });
      const secret = this.#ownSecret(positionals[0] ?? '');
      const relations =
        values.relation !== undefined
          ? [this.#relation(values.relation).id]
          : this.#pending.relations.filter(({ app }) => app === values.app).map(({ id }) => id);
      if (values.relation === undefined && values.app === undefined && values.unit === undefined)
        throw new Refusal(2, 'missing relation or application or unit');
      this.#changeSecret(secret, ({ grants = [], ...own }) => ({
        ...own,
        grants: grants.filter(({ relation, unit }) =>
          values.unit === undefined ? !relations.includes(relation) : unit !== values.unit,
        ),
      }));
      return '';
    },

    'secret-remove': (args) => {
      const { values, positionals } = parse(args, { revision: { type: 'string' } });
      const secret = this.#ownSecret(positionals[0] ?? '');
      if (values.revision === undefined) {
        this.#pending.secrets = this.#pending.secrets.filter(({ id }) => id !== secret.id);
        return '';
      }
      const removed = Number(values.revision);
      this.#changeSecret(secret, (own) => ({
        ...own,
        revisions: own.revisions.filter(({ number }) => number !== removed),
      }));
      return '';
    },

    'storage-list': (args) => {
      const { values, positionals } = parse(args, FORMAT);
      const [name] = positionals;
      const instances = this.#before.storage.map(({ instance }) => instance);
      return format(
        instances.filter((instance) => name === undefined || instance.startsWith(`${name}/`)),
        values.format,
      );
    },

    'storage-get': (args) => {
      const { values, positionals } = parse(args, { ...FORMAT, storage: { type: 'string', short: 's' } });
      const wanted = values.storage ?? this.#eventStorage();
      if (wanted === undefined) throw new Refusal(2, 'no storage instance specified');
      const storage = this.#before.storage.find(({ instance }) => instance === wanted);
      if (!storage) throw new Refusal(2, `invalid value "${wanted}" for option -s: storage not found`);
      const attributes = { kind: storage.kind ?? 'filesystem', location: storage.location };
      const [name] = positionals;
      if (name === undefined) return format(attributes, values.format);
      if (!(name in attributes)) throw new Refusal(1, `invalid storage attribute "${name}"`);
      return format(entry(attributes, name), values.format);
    },

    'storage-add': (args) => {
      for (const [name = '', count = '1'] of parse(args, {}).positionals.map((arg) => arg.split('='))) {
        if (!/^\d+$/.test(count)) throw new Refusal(2, 'only count can be specified for storage');
        if (!(name in (this.#charmcraft.storage ?? {}))) throw new Refusal(1, `storage "${name}" not found`);
        this.#storageAdded[name] = (this.#storageAdded[name] ?? 0) + Number(count);
      }
      return '';
    },

    'resource-get': (args) => {
      const [name = ''] = parse(args, {}).positionals;
      const path = this.#before.resources[name];
      if (path === undefined)
        throw new Refusal(1, `could not download resource: resource#${this.#app}/${name} not found`);
      return path;
    },

    'goal-state': (args) => {
      const { values } = parse(args, { format: { type: 'string', default: 'yaml' } });
      const since = '2026-01-01 00:00:00Z';
      const units = this.#goalUnits().map((name) => [name, { status: 'active', since }] as const);
      const relations: Record<string, Record<string, unknown>> = {};
      for (const relation of this.#pending.relations.filter((other) => !this.#isPeer(other))) {
        relations[relation.endpoint] = {
          ...relations[relation.endpoint],
          [relation.app]: { status: 'joined', since },
          ...Object.fromEntries(
            [...Object.keys(relation.units ?? {}), ...this.#goalPrincipals(relation.app)].map((name) => [
              name,
              { status: 'active', since },
            ]),
          ),
        };
      }
      return format({ units: Object.fromEntries(units), relations }, values.format);
    },

    'credential-get': (args) => {
      const { values } = parse(args, FORMAT);
      const { cloud } = this.#before;
      if (!cloud) throw new Refusal(1, 'cannot access cloud credentials: permission denied');
      const { type, name, region = '', endpoint = '', authType = '', attributes = {} } = cloud;
      const credential = { 'auth-type': authType, attrs: attributes };
      return format({ type, name, region, endpoint, credential }, values.format);
    },

    'juju-reboot': (args) => {
      const { values } = parse(args, { now: { type: 'boolean', default: false } });
      if (this.action(0)) throw new Refusal(1, 'juju-reboot is not supported when running an action.');
      this.reboot = values.now ? 'now' : 'after-hook';
      return '';
    },

    'juju-log': (args) => {
      const { values, positionals } = parse(args, {
        'log-level': { type: 'string', short: 'l', default: 'INFO' },
        debug: { type: 'boolean', default: false },
      });
      if (positionals.length === 0) throw new Refusal(2, 'no message specified');
      const wanted = values.debug ? 'DEBUG' : values['log-level'].toUpperCase();
      const level = (['DEBUG', 'INFO', 'WARNING', 'ERROR'] as const).find((known) => known === wanted);
      this.logs.push({ level: level ?? 'INFO', message: positionals.join(' ') });
      return '';
    },

    'action-get': (args) => {
      const { values, positionals } = parse(args, FORMAT);
      let value: unknown = this.#actionParams();
      for (const key of positionals[0]?.split('.') ?? []) value = entry(value, key);
      return format(value, values.format);
    },

    'action-set': (args) => {
      this.#actionParams();
      for (const [key, value] of Object.entries(keyValues(parse(args, {}).positionals))) {
        if (!ACTION_KEY.test(key))
          throw new Refusal(
            2,
            `key "${key}" must start and end with lowercase alphanumeric, and contain only lowercase alphanumeric and hyphens`,
          );
        if (/^(stdout|stderr)(-encoding)?$/.test(key))
          throw new Refusal(2, `cannot set reserved action key "${key}"`);
        this.#action.results[key] = value;
      }
      return '';
    },

    'action-fail': (args) => {
      this.#actionParams();
      const [message = 'action failed without reason given, check action for errors'] = parse(
        args,
        {},
      ).positionals;
      this.#action = { ...this.#action, status: 'failed', message };
      return '';
    },

    'action-log': (args) => {
      this.#actionParams();
      this.#action.log.push(parse(args, {}).positionals.join(' '));
      return '';
    },

    'payload-register': () => '',
    'payload-unregister': () => '',
    'payload-status-set': () => '',
  };

  get #app(): string {
    return appOf(this.#before.unit);
  }

  #eventRelation(): RelationState<C> | undefined {
    const event = this.#event;
    if (typeof event === 'string' || !('relation' in event)) return undefined;
    return this.#pending.relations.find(({ id }) => id === event.id);
  }

  #eventUnit(): string | undefined {
    return typeof this.#event !== 'string' && 'relation' in this.#event ? this.#event.unit : undefined;
  }

  #eventStorage(): string | undefined {
    return typeof this.#event !== 'string' && 'storage' in this.#event ? this.#event.instance : undefined;
  }

  #relation(given: string | undefined): RelationState<C> {
    if (given === undefined) {
      const relation = this.#eventRelation();
      if (!relation) throw new Refusal(2, 'no relation id specified');
      return relation;
    }
    const id = Number(given.slice(given.lastIndexOf(':') + 1));
    if (!Number.isInteger(id))
      throw new Refusal(2, `invalid value "${given}" for option -r: invalid relation id`);
    const relation = this.#pending.relations.find((candidate) => candidate.id === id);
    if (!relation) throw new Refusal(2, `invalid value "${given}" for option -r: relation not found`);
    return relation;
  }

  /** The peers that are in Juju's records, with their databags. */
  #livingPeers(): readonly (readonly [string, RawBag])[] {
    return this.#before.relations
      .filter((relation) => this.#isPeer(relation))
      .flatMap(({ units = {}, gone = [] }) => Object.entries(units).filter(([name]) => !gone.includes(name)));
  }

  /** The units of this application that `goal-state` tells of. A subordinate hears of none, not even of itself. */
  #goalUnits(): readonly string[] {
    const { unit, principalUnit, plannedUnits } = this.#before;
    if (principalUnit !== undefined) return [];
    const gone = this.#before.relations.flatMap((relation) => relation.gone ?? []);
    const living = new Set([unit, ...this.#livingPeers().map(([name]) => name)]);
    for (let number = 0; living.size < plannedUnits; number += 1)
      if (!gone.includes(`${this.#app}/${number}`)) living.add(`${this.#app}/${number}`);
    return [...living].sort();
  }

  /** The units of an application that the peers say they ride on. */
  #goalPrincipals(app: string): readonly string[] {
    return this.#livingPeers().flatMap(([, { principal = '' }]) =>
      principal.startsWith(`${app}/`) ? [principal] : [],
    );
  }

  #isPeer({ endpoint }: RelationState<C>): boolean {
    return endpoint in this.#charmcraft.peers;
  }

  /** Whether the hook is the last one of this relation, in which relation-ids leaves it out. */
  #isBroken(id: number): boolean {
    const event = this.#event;
    return typeof event !== 'string' && 'relation' in event && event.relation === 'broken' && event.id === id;
  }

  /** The units that relation-list names: not the one whose departure the hook tells. */
  #membersOf({ id, units = {} }: RelationState<C>): readonly string[] {
    const event = this.#event;
    const gone =
      typeof event !== 'string' && 'relation' in event && event.relation === 'departed' && event.id === id
        ? event.unit
        : undefined;
    return Object.keys(units)
      .filter((name) => name !== gone)
      .sort();
  }

  #appBag(relation: RelationState<C>, app: string): RawBag {
    if (app === relation.app) return relation.appData ?? {};
    if (app !== this.#app) throw new Refusal(1, 'permission denied');
    // Juju 4 does not look who asks.
    if (!this.#before.isLeader && !isAtLeast(this.#before.jujuVersion, '4.0'))
      throw new Refusal(1, 'permission denied');
    return relation.ownAppData ?? {};
  }

  #unitBag({ id, units = {}, ownData }: RelationState<C>, unit: string): RawBag {
    const isOwn = unit === this.#before.unit;
    const bag = isOwn ? (ownData ?? {}) : units[unit];
    if (!bag)
      throw new Refusal(
        1,
        `cannot read settings for unit "${unit}" in relation "${id}": unit "${unit}": settings not found`,
      );
    const names = Object.keys(units);
    const address = isOwn ? this.#ownAddress() : `192.0.2.${100 + (id % 10) * 10 + names.indexOf(unit)}`;
    return {
      'ingress-address': address,
      'egress-subnets': `${address}/${address.includes(':') ? 128 : 32}`,
      ...(!isAtLeast(this.#before.jujuVersion, '4.0') && { 'private-address': address }),
      ...bag,
    };
  }

  #ownAddress(): string {
    return '192.0.2.1';
  }

  #isEndpoint(name: string): boolean {
    const { provides, requires, peers } = this.#charmcraft;
    return [provides, requires, peers].some((endpoints) => name in endpoints) || name === 'juju-info';
  }

  #network(binding: string) {
    const known = Object.entries<State<C>['networks'][keyof State<C>['networks']]>(
      this.#before.networks,
    ).find(([name]) => name === binding)?.[1];
    const addresses = known?.addresses ?? [
      { interface: 'eth0', address: this.#ownAddress(), cidr: '192.0.2.0/24' },
    ];
    const values = addresses.map(({ address }) => address);
    return {
      'bind-addresses': [...new Set(addresses.map((item) => item.interface))].map((name) => ({
        'mac-address': '',
        'interface-name': name,
        addresses: addresses
          .filter((item) => item.interface === name)
          .map(({ address, cidr }) => ({ hostname: '', value: address, cidr })),
      })),
      'egress-subnets':
        known?.egressSubnets ?? values.map((address) => `${address}/${address.includes(':') ? 128 : 32}`),
      'ingress-addresses': known?.ingressAddresses ?? values,
    };
  }

  #changePorts(
    args: readonly string[],
    change: (ports: readonly string[], port: string) => readonly string[],
  ): string {
    const { positionals } = parse(args, { endpoints: { type: 'string' } });
    for (const text of positionals) {
      if (!PORT.test(text)) throw new Refusal(2, `invalid port or port range: "${text}"`);
      const port = text === 'icmp' || text.includes('/') ? text : `${text}/tcp`;
      this.#pending.ports = change(this.#pending.ports, port);
    }
    return '';
  }

  #refuseTaken(port: string): void {
    const { unit, otherPorts } = this.#before;
    for (const [other, ports] of Object.entries(otherPorts)) {
      const taken = ports.find((known) => overlap(port, known));
      if (taken !== undefined)
        throw new Refusal(
          1,
          `cannot open ${port} (unit "${unit}"): port range conflicts with ${taken} (unit "${other}")`,
        );
    }
  }

  #ownSecrets(): readonly SecretState[] {
    return this.#pending.secrets.filter(
      ({ owner }) => owner === 'unit' || (owner === 'application' && this.#before.isLeader),
    );
  }

  #ownSecret(uri: string): SecretState {
    const secret = this.#ownSecrets().find(({ id }) => id === bareId(uri));
    if (!secret) throw new Refusal(1, `secret "${bareId(uri)}" not found`);
    return secret;
  }

  #changeSecret({ id }: SecretState, change: (secret: SecretState) => SecretState): void {
    this.#pending.secrets = this.#pending.secrets.map((secret) =>
      secret.id === id ? change(secret) : secret,
    );
  }

  /** What a unit follows counts at once, also when the hook fails. */
  #track({ id }: SecretState, followed: { readonly tracked?: number; readonly label?: string }): void {
    const follow = (secrets: readonly SecretState[]) =>
      secrets.map((secret) => (secret.id === id ? { ...secret, ...followed } : secret));
    this.#pending.secrets = follow(this.#pending.secrets);
    this.#applied.secrets = follow(this.#applied.secrets);
  }

  #secretInfo({
    revisions,
    label = '',
    owner,
    description,
    rotate = 'never',
    expire,
    grants = [],
  }: SecretState) {
    return {
      revision: revisions.at(-1)?.number ?? 0,
      label,
      owner,
      ...(description !== undefined && { description }),
      rotation: rotate,
      ...(expire !== undefined && { expiry: expire }),
      ...(grants.length > 0 && {
        access: grants.map(({ relation, unit }) => ({
          target:
            unit === undefined
              ? `application-${this.#pending.relations.find(({ id }) => id === relation)?.app ?? ''}`
              : `unit-${unit.replace('/', '-')}`,
          scope: `relation-${relation}`,
          role: 'view',
        })),
      }),
    };
  }

  #newSecretId(): string {
    for (;;) {
      const id = `new${String((this.#nextSecret += 1)).padStart(17, '0')}`;
      if (!this.#pending.secrets.some((secret) => secret.id === id)) return id;
    }
  }

  #actionParams(): Readonly<Record<string, unknown>> {
    if (typeof this.#event === 'string' || !('action' in this.#event))
      throw new Refusal(1, 'not running an action');
    return this.#event.params ?? {};
  }
}

function parse<O extends ParseArgsOptionsConfig>(args: readonly string[], options: O) {
  try {
    return parseArgs({ args: withoutSwitches(args, options), options, allowPositionals: true, strict: true });
  } catch (error) {
    throw new Refusal(2, error instanceof Error ? error.message : String(error));
  }
}

/** Go's way to give a switch a value, `--application=false`, which ops uses. */
function withoutSwitches(args: readonly string[], options: ParseArgsOptionsConfig): string[] {
  const end = args.includes('--') ? args.indexOf('--') : args.length;
  return args.flatMap((arg, index) => {
    const [, name = '', value = ''] = (index < end ? /^--([a-z-]+)=(.*)$/.exec(arg) : null) ?? [];
    if (options[name]?.type !== 'boolean') return [arg];
    return /^(1|t|true)$/i.test(value) ? [`--${name}`] : [];
  });
}

function keyValues(args: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    args.map((arg) => {
      const at = arg.indexOf('=');
      if (at < 1) throw new Refusal(2, `expected "key=value", got "${arg}"`);
      return [arg.slice(0, at), arg.slice(at + 1)];
    }),
  );
}

/** The map of texts that `--file` names. */
function mapIn(file: string | undefined, stdin: string): RawBag {
  if (file === undefined) return {};
  const parsed = Texts.safeParse(parseYaml(file === '-' ? stdin : readFileSync(file, 'utf8')));
  if (!parsed.success) throw new Refusal(1, `cannot unmarshal ${file} into a map of texts`);
  return parsed.data ?? {};
}

/** Without the keys that are set to nothing: they do not exist. */
function filled(bag: RawBag): RawBag {
  return Object.fromEntries(Object.entries(bag).filter(([, value]) => value !== ''));
}

function secretContent(file: string | undefined, args: readonly string[]): Record<string, string> {
  const content: Record<string, string> = { ...mapIn(file, '') };
  for (const [name, value] of Object.entries(keyValues(args))) {
    const [key = '', as] = name.split('#');
    if (!SECRET_KEY.test(key)) throw new Refusal(2, `key "${key}" not valid`);
    if (as === 'file') content[key] = readFileSync(value, 'utf8');
    else content[key] = as === 'base64' ? Buffer.from(value, 'base64').toString('utf8') : value;
  }
  return content;
}

function settingsOf({ label, description, rotate, expire }: Partial<Record<string, string | boolean>>) {
  return Object.fromEntries(
    Object.entries({ label, description, rotate, expire }).filter(([, value]) => value !== undefined),
  );
}

function checkRotation(rotate: string | undefined): void {
  if (rotate !== undefined && !ROTATIONS.includes(rotate))
    throw new Refusal(2, `rotate policy "${rotate}" not valid`);
}

/** Juju makes no new revision of what is the same. */
function withRevision(
  revisions: readonly SecretRevision[],
  content: Readonly<Record<string, string>>,
): readonly SecretRevision[] {
  const latest = revisions.at(-1);
  const same =
    latest &&
    Object.keys(latest.content).length === Object.keys(content).length &&
    Object.entries(content).every(([key, value]) => latest.content[key] === value);
  return same ? revisions : [...revisions, { number: (latest?.number ?? 0) + 1, content }];
}

function bareId(uri: string): string {
  return uri.slice(uri.lastIndexOf('/') + 1).replace(/^secret:/, '');
}

function entry(map: unknown, key: string): unknown {
  if (typeof map !== 'object' || map === null) return undefined;
  return Object.entries(map).find(([name]) => name === key)?.[1];
}

function yamlOr(format: string | undefined): string {
  return format === undefined || format === 'smart' ? 'yaml' : format;
}

/** Juju's three formats. */
function format(value: unknown, how = 'smart'): string {
  if (how === 'json') return `${JSON.stringify(value ?? null)}\n`;
  if (how === 'yaml') return stringifyYaml(value ?? null);
  if (how !== 'smart')
    throw new Refusal(2, `invalid value "${how}" for option --format: unknown format "${how}"`);
  if (value === undefined || value === null || value === '') return '';
  if (typeof value === 'boolean') return value ? 'True\n' : 'False\n';
  if (typeof value === 'string' || typeof value === 'number') return `${value}\n`;
  if (Array.isArray(value) && value.every((item) => typeof item === 'string'))
    return value.length > 0 ? `${value.join('\n')}\n` : '';
  return stringifyYaml(value);
}

/** Whether two ranges such as `8000-8010/udp` have a port in common. */
function overlap(one: string, other: string): boolean {
  const parts = (range: string): readonly [number, number, string] => {
    const [, from = '0', to = from, protocol = range] = /^(\d+)(?:-(\d+))?\/(.*)$/.exec(range) ?? [];
    return [Number(from), Number(to), protocol];
  };
  const [from, to, protocol] = parts(one);
  const [otherFrom, otherTo, otherProtocol] = parts(other);
  return protocol === otherProtocol && from <= otherTo && otherFrom <= to;
}

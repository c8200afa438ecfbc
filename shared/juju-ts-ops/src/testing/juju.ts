import type { Charmcraft } from '../charmcraft.ts';
import { appOf } from '../context.ts';
import type { RawBag } from '../databag.ts';
import { isAtLeast } from '../version.ts';
import { filled, keyValues, mapIn, parse, Refusal } from './command-line.ts';
import { format, PLAIN_FORMATS } from './format.ts';
import { byProtocolAndNumber, checkedRange, overlap } from './ports.ts';
import { bareId, idOf, secretContent, settingsOf, withRevision } from './secrets.ts';
import type { RelationState, SecretState, State, StatusState, TestEvent } from './state.ts';

/** What one run of a tool gave back. */
export interface Answer {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

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

const FORMAT = {
  format: { type: 'string', default: 'smart' },
  output: { type: 'string', short: 'o' },
} as const;
const YAML = { ...FORMAT, format: { type: 'string', default: 'yaml' } } as const;
/** Taken for the sake of old charms. */
const OLD_FORMAT = { format: { type: 'string' } } as const;
/** As many words as the caller likes. */
const ANY = Number.POSITIVE_INFINITY;
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

const ACTION_KEY = /^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?$/;
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
  /** Secrets of this hook's own making. */
  readonly #added: SecretState[] = [];
  #problem: string | undefined;
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

  /** Why Juju does not let count what a hook has asked for, though it has succeeded: what makes it fail. */
  get problem(): string | undefined {
    return this.#problem;
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
      const { values, positionals } = parse(
        args,
        { ...FORMAT, all: { type: 'boolean', short: 'a', default: false } },
        1,
      );
      const [key = ''] = positionals;
      if (values.all && key !== '')
        throw new Refusal(2, `cannot use argument --all together with key "${key}"`);
      const declared = Object.entries(this.#charmcraft.options).map(
        ([name, { default: value }]): [string, unknown] => [name, entry(this.#before.options, name) ?? value],
      );
      const options = Object.fromEntries(
        declared.flatMap(([name, value]) =>
          value === undefined ? (values.all ? [[name, null]] : []) : [[name, value]],
        ),
      );
      return format(key === '' ? options : entry(options, key), values);
    },

    'is-leader': (args) => format(this.#before.isLeader, parse(args, FORMAT, 0).values),

    'leader-get': (args) => {
      const { values, positionals } = parse(args, FORMAT, 1);
      const [key = ''] = positionals;
      if (key.includes('=')) throw new Refusal(2, `invalid key "${key}"`);
      return format(['', '-'].includes(key) ? {} : undefined, values);
    },

    'leader-set': (args) => {
      keyValues(parse(args, {}, ANY).positionals);
      if (!this.#before.isLeader)
        throw new Refusal(1, 'cannot write leadership settings: cannot write settings: not the leader');
      return '';
    },

    'relation-ids': (args) => {
      const { values, positionals } = parse(args, FORMAT, 1);
      const endpoint = positionals[0] ?? this.#eventRelation()?.endpoint;
      if (endpoint === undefined) throw new Refusal(2, 'no endpoint name specified');
      const ids = this.#pending.relations
        .filter((relation) => relation.endpoint === endpoint && !this.#isBroken(relation.id))
        .map(({ id }) => `${endpoint}:${id}`)
        .sort();
      return format(ids, values);
    },

    'relation-list': (args) => {
      const { values } = parse(args, { ...FORMAT, ...RELATION, ...APP }, 0);
      const relation = this.#relation(values.relation);
      if (values.app) return format(relation.app, values);
      return format(this.#isBroken(relation.id) ? [] : this.#membersOf(relation), values);
    },

    'relation-get': (args) => {
      const { values, positionals } = parse(args, { ...FORMAT, ...RELATION, ...APP }, 2);
      const relation = this.#relation(values.relation);
      const [key = '', named] = positionals;
      if (named !== undefined && !values.app && !isUnitName(named))
        throw new Refusal(
          2,
          isAppName(named)
            ? `expected unit name, got application name "${named}"`
            : `invalid unit name "${named}"`,
        );
      // Without a name it is whoever the hook is about, also where `-r` names another relation.
      const unit = values.app ? undefined : (named ?? this.#eventUnit());
      const app = unit === undefined ? (named?.split('/')[0] ?? this.#eventRelation()?.app) : undefined;
      const owner = unit ?? app;
      if (owner === undefined) throw new Refusal(2, 'no unit or application specified');
      if (relation.isLost) throw new Refusal(1, this.#whyLost(owner === this.#app));
      const bag = unit === undefined ? this.#appBag(relation, owner) : this.#unitBag(relation, unit);
      return format(['', '-'].includes(key) ? bag : entry(bag, key), values);
    },

    'relation-set': (args, stdin) => {
      const { values, positionals } = parse(args, { ...OLD_FORMAT, ...RELATION, ...APP, ...FILE }, ANY);
      const relation = this.#relation(values.relation);
      const over = keyValues(positionals);
      const changes = { ...mapIn(values.file, stdin), ...over };
      if (values.app && !this.#before.isLeader) throw new Refusal(1, 'cannot write relation settings');
      if (relation.isLost)
        throw new Refusal(1, `cannot read relation settings: ${this.#whyLost(values.app)}`);
      const bag = values.app ? (this.#isPeer(relation) ? 'appData' : 'ownAppData') : 'localUnitData';
      const changed = filled({ ...relation[bag], ...changes });
      this.#pending.relations = this.#pending.relations.map((other) =>
        other.id === relation.id ? { ...other, [bag]: changed } : other,
      );
      return '';
    },

    'relation-model-get': (args) => {
      const { values } = parse(args, { ...FORMAT, ...RELATION }, 0);
      return format({ uuid: this.#relation(values.relation).modelUuid ?? this.#before.model.uuid }, values);
    },

    'network-get': (args) => {
      const flags = ['bind-address', 'ingress-address', 'egress-subnets'] as const;
      const { values, positionals } = parse(
        args,
        {
          ...FORMAT,
          ...RELATION,
          'bind-address': { type: 'boolean' },
          'ingress-address': { type: 'boolean' },
          'egress-subnets': { type: 'boolean' },
          'primary-address': { type: 'boolean' },
        },
        1,
      );
      if (values.relation !== undefined) this.#relation(values.relation);
      const [binding] = positionals;
      if (binding === undefined) throw new Refusal(2, 'no arguments specified');
      if (binding === '') throw new Refusal(2, 'no binding name specified');
      if (!this.#isEndpoint(binding))
        throw new Refusal(1, `no network config found for binding "${binding}"`);
      const network = this.#network(binding);
      const wanted = flags.filter((flag) => values[flag]);
      const address = network['bind-addresses'][0]?.addresses[0]?.value;
      const single = {
        'bind-address': address,
        'ingress-address': network['ingress-addresses'][0],
        'egress-subnets': network['egress-subnets'],
      };
      if (values['primary-address']) {
        if (wanted.length > 0) throw new Refusal(1, '--primary-address must be the only flag specified');
        return format(address, values);
      }
      const [first] = wanted;
      if (first === undefined) return format(values.format === 'json' ? network : asOfOld(network), values);
      if (wanted.length === 1) return format(single[first], values);
      return format(Object.fromEntries(wanted.map((flag) => [flag, single[flag]])), values);
    },

    'unit-get': (args) => {
      const { values, positionals } = parse(args, FORMAT, 1);
      const [what] = positionals;
      if (what === undefined) throw new Refusal(2, 'no setting specified');
      if (what === 'public-address') return format(this.#before.publicAddress, values);
      if (what === 'private-address') return format(this.#ownAddress(), values);
      throw new Refusal(2, `unknown setting "${what}"`);
    },

    'status-get': (args) => {
      const { values } = parse(
        args,
        {
          ...FORMAT,
          'include-data': { type: 'boolean', default: false },
          application: { type: 'boolean', default: false },
        },
        0,
      );
      const shown = ({ level, message }: StatusState) =>
        values['include-data'] ? { message, status: level, 'status-data': {} } : { status: level };
      const isWord = values.format === 'smart' && !values['include-data'];
      const { status, appStatus } = this.#applied;
      if (!values.application) return format(isWord ? status.level : shown(status), values);
      if (!this.#before.isLeader)
        throw new Refusal(1, 'finding application status: this unit is not the leader');
      const units = { [this.#before.unit]: shown(status) };
      return format(
        isWord ? appStatus.level : { 'application-status': { ...shown(appStatus), units } },
        values,
      );
    },

    'status-set': (args) => {
      const { values, positionals } = parse(args, { application: { type: 'boolean', default: false } }, 2);
      const [name, message = ''] = positionals;
      if (name === undefined) throw new Refusal(2, 'invalid args, require <status> [message]');
      const level = LEVELS.find((known) => known === name);
      if (!level) throw new Refusal(2, `invalid status "${name}", expected one of [${LEVELS.join(' ')}]`);
      if (values.application && !this.#before.isLeader) throw new Refusal(1, 'this unit is not the leader');
      this.#applied[values.application ? 'appStatus' : 'status'] = { level, message };
      this[values.application ? 'appStatuses' : 'statuses'].push({ level, message });
      return '';
    },

    'application-version-set': (args) => {
      const [version] = parse(args, {}, 1).positionals;
      if (version === undefined) throw new Refusal(2, 'no version specified');
      this.#applied.workloadVersion = version;
      return '';
    },

    'open-port': (args) => {
      for (const port of this.#wantedPorts(args)) this.#openPort(port);
      return '';
    },

    'close-port': (args) => {
      for (const port of this.#wantedPorts(args)) this.#closePort(port);
      return '';
    },

    'opened-ports': (args) => {
      const { values } = parse(args, { ...FORMAT, endpoints: { type: 'boolean', default: false } }, 0);
      const ranges = [...this.#pending.ports].sort(byProtocolAndNumber);
      return format(values.endpoints ? ranges.map((range) => `${range} (*)`) : ranges, values);
    },

    'state-get': (args) => {
      const { values, positionals } = parse(
        args,
        { ...FORMAT, strict: { type: 'boolean', default: false } },
        1,
      );
      const { stored } = this.#pending;
      const [key = ''] = positionals;
      if (['', '-'].includes(key)) {
        const isNothing = Object.keys(stored).length === 0 && values.format === 'json';
        return format(isNothing ? null : stored, values);
      }
      if (stored[key] === undefined && values.strict) throw new Refusal(1, `"${key}" not found`);
      return format(stored[key] ?? '', values);
    },

    'state-set': (args, stdin) => {
      const { values, positionals } = parse(args, FILE, ANY);
      const over = keyValues(positionals);
      const given = { ...mapIn(values.file, stdin), ...over };
      for (const [key, value] of Object.entries(given)) {
        if (Buffer.byteLength(key) > 256)
          throw new Refusal(
            1,
            'max allowed key size (256) exceeded: max allowed charm state key length exceeded',
          );
        if (Buffer.byteLength(value) > 65_536)
          throw new Refusal(
            1,
            'max allowed value size (65536) exceeded: max allowed charm state value length exceeded',
          );
      }
      this.#pending.stored = { ...this.#pending.stored, ...given };
      return '';
    },

    'state-delete': (args) => {
      const [key] = parse(args, {}, 1).positionals;
      this.#pending.stored = Object.fromEntries(
        Object.entries(this.#pending.stored).filter(([name]) => name !== key),
      );
      return '';
    },

    'secret-add': (args) => {
      const { values, positionals } = parse(args, SECRET, ANY);
      if (positionals.length === 0 && !values.file) throw new Refusal(2, 'missing secret value or filename');
      const settings = settingsOf(values);
      const content = secretContent(values.file, positionals);
      if (Object.keys(content).length === 0) throw new Refusal(1, 'empty secret value not valid');
      const owner = values.owner === 'unit' ? 'unit' : 'application';
      if (owner === 'application' && !this.#before.isLeader)
        throw new Refusal(1, 'this unit is not the leader');
      const { label } = values;
      const isTaken = this.#pending.secrets.some((secret) => label && secret.label === label);
      if (isTaken && this.#added.some(({ label: other }) => other === label))
        throw new Refusal(1, `secret with label "${label}" already exists`);
      if (isTaken) this.#refuseAtEnd(`secret with label "${label}" already exists`);
      const id = this.#newSecretId();
      const secret = {
        uri: `secret:${id}`,
        owner,
        ...settings,
        revisions: [{ number: 1, content }],
        grants: [],
      } as const;
      this.#added.push(secret);
      this.#pending.secrets = [...this.#pending.secrets, secret];
      return isAtLeast(this.#before.jujuVersion, '4.0')
        ? `secret://${this.#before.model.uuid}/${id}\n`
        : `secret:${id}\n`;
    },

    'secret-set': (args) => {
      const { values, positionals } = parse(args, SECRET, ANY);
      const [uri, ...rest] = positionals;
      if (uri === undefined) throw new Refusal(2, 'missing secret URI');
      const id = bareId(uri);
      const settings = settingsOf(values);
      const content = secretContent(values.file, rest);
      const isNothing = Object.keys({ ...settings, ...content }).length === 0;
      if (isNothing) return '';
      const secret = this.#ownSecretAtEnd(id);
      if (!secret) return '';
      const { label } = values;
      if (label && this.#pending.secrets.some((other) => idOf(other) !== id && other.label === label))
        this.#refuseAtEnd(`secret with label "${label}" already exists`);
      this.#changeSecret(secret, (own) => ({
        ...own,
        ...settings,
        revisions: this.#added.some((added) => idOf(added) === id)
          ? own.revisions.map(({ number, content: known }) => ({
              number,
              content: Object.keys(content).length > 0 ? content : known,
            }))
          : Object.keys(content).length > 0
            ? withRevision(
                own.revisions,
                content,
                this.#before.secrets.find((old) => idOf(old) === id),
              )
            : own.revisions,
      }));
      return '';
    },

    'secret-get': (args) => {
      const { values, positionals } = parse(
        args,
        {
          ...YAML,
          label: { type: 'string' },
          peek: { type: 'boolean', default: false },
          refresh: { type: 'boolean', default: false },
        },
        2,
      );
      const [uri, key = ''] = positionals;
      const id = uri === undefined ? undefined : bareId(uri);
      const label = values.label === '' ? undefined : values.label;
      if (id === undefined && label === undefined)
        throw new Refusal(2, 'require either a secret URI or label');
      if (values.peek && values.refresh)
        throw new Refusal(2, 'specify one of --peek or --refresh but not both');
      const secret = this.#pending.secrets.find((known) =>
        id === undefined ? known.label === label : idOf(known) === id,
      );
      if (!secret)
        throw new Refusal(
          1,
          id === undefined ? `consumer label "${label}" not found` : `secret "${id}" not found`,
        );
      const latest = secret.revisions.at(-1);
      if (!latest) throw new Refusal(1, `secret "${idOf(secret)}" not found`);
      const tracked = values.refresh ? latest.number : (secret.tracked ?? latest.number);
      if (!values.peek || label !== undefined)
        this.#track(secret, {
          ...(!values.peek && { tracked }),
          ...(label !== undefined && secret.owner === 'other' && { label }),
        });
      const shown = values.peek
        ? latest
        : (secret.revisions.find(({ number }) => number === tracked) ?? latest);
      if (key === '') return format(shown.content, values, PLAIN_FORMATS);
      const name = key.replace(/#base64$/, '');
      const value = shown.content[name];
      if (value === undefined) throw new Refusal(1, `secret key value "${name}" not found`);
      return format(name === key ? value : Buffer.from(value).toString('base64'), values, PLAIN_FORMATS);
    },

    'secret-info-get': (args) => {
      const { values, positionals } = parse(args, { ...YAML, label: { type: 'string' } }, 1);
      const [uri] = positionals;
      const id = uri === undefined ? undefined : bareId(uri);
      const label = values.label === '' ? undefined : values.label;
      if (id === undefined && label === undefined)
        throw new Refusal(2, 'require either a secret URI or label');
      if (id !== undefined && label !== undefined)
        throw new Refusal(2, 'specify either a secret URI or label but not both');
      const secret = this.#ownSecrets().find((own) =>
        id === undefined ? own.label === label : idOf(own) === id,
      );
      if (!secret) throw new Refusal(1, `secret "${id ?? label}" not found`);
      return format({ [idOf(secret)]: this.#secretInfo(secret) }, values, PLAIN_FORMATS);
    },

    'secret-ids': (args) => {
      const { values } = parse(args, FORMAT, 0);
      const ids = this.#ownSecrets().map(idOf);
      return format(ids.length === 0 && values.format === 'json' ? null : ids, values);
    },

    'secret-grant': (args) => {
      const { values, positionals } = parse(args, { ...RELATION, unit: { type: 'string', default: '' } }, 1);
      const { id, relation, unit } = this.#secretAndUnit(positionals[0], values.unit, values.relation);
      if (!relation) throw new Refusal(2, 'no relation id specified');
      if (unit !== undefined && appOf(unit) !== relation.app)
        throw new Refusal(2, `cannot specify unit "${unit}" in relation to application "${relation.app}"`);
      const secret = this.#ownSecrets().find((own) => idOf(own) === id);
      if (!secret) throw new Refusal(1, `secret "${id}" not found`);
      const there = (secret.grants ?? []).filter((grant) => grant.relation === relation.id);
      if (there.some((grant) => grant.unit === undefined || grant.unit === unit)) return '';
      if (there.length > 0 && unit === undefined)
        throw new Refusal(
          1,
          'any unit level grants need to be revoked before granting access to the corresponding application',
        );
      const grant = { relation: relation.id, ...(unit !== undefined && { unit }) };
      this.#changeSecret(secret, ({ grants = [], ...own }) => ({ ...own, grants: [...grants, grant] }));
      return '';
    },

    'secret-revoke': (args) => {
      const { values, positionals } = parse(
        args,
        {
          ...RELATION,
          app: { type: 'string', default: '' },
          application: { type: 'string', default: '' },
          unit: { type: 'string', default: '' },
        },
        1,
      );
      const app = values.app || values.application;
      if (app !== '' && !isAppName(app)) throw new Refusal(2, `application "${app}" not valid`);
      const { id, relation, unit } = this.#secretAndUnit(positionals[0], values.unit, values.relation);
      if (app !== '' && unit !== undefined) throw new Refusal(2, 'specify only one of application or unit');
      // The relation of the hook counts as if it had been named.
      if (app !== '' && relation) throw new Refusal(2, 'do not specify both relation and app');
      const from = app || relation?.app;
      if (from === undefined && unit === undefined)
        throw new Refusal(2, 'missing relation or application or unit');
      const secret = this.#ownSecretAtEnd(id);
      if (!secret) return '';
      const related = this.#pending.relations.filter((other) => other.app === from).map((other) => other.id);
      this.#changeSecret(secret, ({ grants = [], ...own }) => ({
        ...own,
        grants: grants.filter((grant) =>
          unit === undefined
            ? grant.unit !== undefined || !related.includes(grant.relation)
            : grant.unit !== unit,
        ),
      }));
      return '';
    },

    'secret-remove': (args) => {
      const { values, positionals } = parse(args, { revision: { type: 'string', default: '0' } }, 1);
      const { revision } = values;
      if (!/^[+-]?\d+$/.test(revision))
        throw new Refusal(
          2,
          `invalid value "${revision}" for option --revision: strconv.ParseInt: parsing "${revision}": invalid syntax`,
        );
      const [uri] = positionals;
      if (uri === undefined) throw new Refusal(2, 'missing secret URI');
      const secret = this.#ownSecretAtEnd(bareId(uri));
      if (!secret) return '';
      const removed = Number(revision);
      const isAdded = this.#added.some(({ uri: added }) => added === secret.uri);
      if (removed <= 0 || isAdded) {
        this.#pending.secrets = this.#pending.secrets.filter((known) => known.uri !== secret.uri);
        return '';
      }
      this.#changeSecret(secret, (own) => ({
        ...own,
        revisions: own.revisions.filter(({ number }) => number !== removed),
      }));
      return '';
    },

    'storage-list': (args) => {
      const { values, positionals } = parse(args, FORMAT, 1);
      const [name = ''] = positionals;
      const instances = this.#before.storage.map(({ instance }) => instance);
      return format(
        instances.filter((instance) => name === '' || instance.startsWith(`${name}/`)),
        values,
      );
    },

    'storage-get': (args) => {
      const { values, positionals } = parse(args, { ...FORMAT, storage: { type: 'string', short: 's' } }, 1);
      const wanted = values.storage ?? this.#eventStorage();
      if (wanted === undefined) throw new Refusal(2, 'no storage instance specified');
      const storage = this.#before.storage.find(({ instance }) => instance === wanted);
      if (!storage) throw new Refusal(2, `invalid value "${wanted}" for option -s: storage not found`);
      const attributes = { kind: storage.kind ?? 'filesystem', location: storage.location };
      const [name = ''] = positionals;
      if (name === '') return format(attributes, values);
      if (!(name in attributes)) throw new Refusal(1, `invalid storage attribute "${name}"`);
      return format(entry(attributes, name), values);
    },

    'storage-add': (args) => {
      const { positionals } = parse(args, {}, ANY);
      if (positionals.length === 0) throw new Refusal(2, 'storage add requires a storage directive');
      for (const [name = '', count = '1'] of positionals.map((arg) => arg.split('='))) {
        if (!/^[1-9]\d*$/.test(count)) throw new Refusal(2, `only count can be specified for "${name}"`);
        if (!(name in (this.#charmcraft.storage ?? {})))
          this.#refuseAtEnd(`adding storage to unit ${this.#before.unit}: charm storage "${name}" not found`);
        this.#storageAdded[name] = (this.#storageAdded[name] ?? 0) + Number(count);
      }
      return '';
    },

    'resource-get': (args) => {
      const [name] = parse(args, {}, 1).positionals;
      if (name === undefined) throw new Refusal(2, 'missing required resource name');
      const path = this.#before.resources[name];
      if (path === undefined)
        throw new Refusal(1, `could not download resource: resource#${this.#app}/${name} not found`);
      return path;
    },

    'goal-state': (args) => {
      const { values } = parse(args, YAML, 0);
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
      return format({ units: Object.fromEntries(units), relations }, values, PLAIN_FORMATS);
    },

    'credential-get': (args) => {
      const { values } = parse(args, FORMAT, 0);
      const { cloud } = this.#before;
      if (!cloud) throw new Refusal(1, 'cannot access cloud credentials: permission denied');
      const { type, name, region = '', endpoint = '', authType = '', attributes = {} } = cloud;
      const credential = { 'auth-type': authType, attrs: attributes };
      return format({ type, name, region, endpoint, credential }, values);
    },

    'juju-reboot': (args) => {
      const { values } = parse(args, { now: { type: 'boolean', default: false } }, 0);
      if (this.action(0)) throw new Refusal(1, 'juju-reboot is not supported when running an action.');
      this.reboot = values.now ? 'now' : 'after-hook';
      return '';
    },

    'juju-log': (args) => {
      const { values, positionals } = parse(
        args,
        {
          ...OLD_FORMAT,
          'log-level': { type: 'string', short: 'l', default: 'INFO' },
          debug: { type: 'boolean', default: false },
        },
        ANY,
      );
      if (positionals.length === 0) throw new Refusal(2, 'no message specified');
      const wanted = values.debug ? 'DEBUG' : values['log-level'].toUpperCase();
      const level = (['DEBUG', 'INFO', 'WARNING', 'ERROR'] as const).find((known) => known === wanted);
      this.logs.push({ level: level ?? 'INFO', message: positionals.join(' ') });
      return '';
    },

    'action-get': (args) => {
      const { values, positionals } = parse(args, FORMAT, 1);
      let value: unknown = this.#actionParams();
      for (const key of positionals[0]?.split('.') ?? []) value = entry(value, key);
      return format(value, values);
    },

    'action-set': (args) => {
      const pairs = parse(args, {}, ANY).positionals.map((arg) => {
        const at = arg.indexOf('=');
        if (at < 0) throw new Refusal(2, `argument ${JSON.stringify(arg)} must be of the form key...=value`);
        return [arg.slice(0, at), arg.slice(at + 1)] as const;
      });
      for (const part of pairs.flatMap(([key]) => key.split('.'))) {
        if (!ACTION_KEY.test(part))
          throw new Refusal(
            2,
            `key "${part}" must start and end with lowercase alphanumeric, and contain only lowercase alphanumeric and hyphens`,
          );
        if (/^(stdout|stderr)(-encoding)?$/.test(part))
          throw new Refusal(2, `cannot set reserved action key "${part}"`);
      }
      for (const [key, value] of pairs) {
        this.#actionParams();
        this.#action.results[key] = value;
      }
      return '';
    },

    'action-fail': (args) => {
      const [message = 'action failed without reason given, check action for errors'] = parse(
        args,
        {},
        1,
      ).positionals;
      this.#actionParams();
      this.#action = { ...this.#action, status: 'failed', message };
      return '';
    },

    'action-log': (args) => {
      const { positionals } = parse(args, {}, ANY);
      if (positionals.length === 0) throw new Refusal(2, 'no message specified');
      this.#actionParams();
      this.#action.log.push(positionals.join(' '));
      return '';
    },

    'payload-register': (args) => refusePayload(parse(args, {}, ANY).positionals, 1, 3),
    'payload-unregister': (args) => refusePayload(parse(args, {}, 2).positionals, 0, 2),
    'payload-status-set': (args) => refusePayload(parse(args, {}, 3).positionals, 0, 3),
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
    const digits = /(?:^|:)([+-]?\d+)$/.exec(given)?.[1];
    if (digits === undefined)
      throw new Refusal(2, `invalid value "${given}" for option -r: invalid relation id`);
    const id = Number(digits);
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
    const isJuju4 = isAtLeast(this.#before.jujuVersion, '4.0');
    // Juju 4 does not look who asks.
    if (app === this.#app && (this.#before.isLeader || isJuju4)) return relation.ownAppData ?? {};
    throw new Refusal(1, this.#denied());
  }

  #denied(): string {
    return isAtLeast(this.#before.jujuVersion, '4.0')
      ? 'permission denied (unauthorized access)'
      : 'permission denied';
  }

  /** What Juju 4 says of a relation that was removed by force and is still listed. */
  #whyLost(isOwnApp: boolean): string {
    return isOwnApp ? this.#denied() : 'getting regular relation by key: relation not found';
  }

  #unitBag({ id, units = {}, localUnitData }: RelationState<C>, unit: string): RawBag {
    const isOwn = unit === this.#before.unit;
    const bag = isOwn ? (localUnitData ?? {}) : units[unit];
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

  #network(binding: string): Network {
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

  /** The range that a port tool is given, once for each endpoint that it is for. */
  #wantedPorts(args: readonly string[]): readonly string[] {
    const { values, positionals } = parse(
      args,
      { ...OLD_FORMAT, endpoints: { type: 'string', default: '' } },
      1,
    );
    const [text] = positionals;
    if (text === undefined) throw new Refusal(2, 'no port or range specified');
    const range = checkedRange(text.toLowerCase());
    for (const endpoint of values.endpoints.split(',').map((name) => name.trim()))
      if (endpoint !== '' && !this.#isEndpoint(endpoint))
        this.#refuseAtEnd(`cannot open or close ports: endpoint "${endpoint}" not found`);
    return [range];
  }

  #openPort(port: string): void {
    if (this.#pending.ports.includes(port)) return;
    this.#refuseTaken('open', port);
    this.#pending.ports = [...this.#pending.ports, port];
  }

  #closePort(port: string): void {
    if (!this.#pending.ports.includes(port)) this.#refuseTaken('close', port);
    this.#pending.ports = this.#pending.ports.filter((open) => open !== port);
  }

  #refuseTaken(verb: 'open' | 'close', port: string): void {
    const { unit, otherPorts, ports } = this.#before;
    const own = this.#pending.ports.filter((known) => overlap(port, known));
    for (const known of own)
      throw new Refusal(
        1,
        `cannot ${verb} ${port} (unit "${unit}"): port range conflicts with ${known} (unit "${unit}")${verb === 'open' && !ports.includes(known) ? ' requested earlier' : ''}`,
      );
    for (const [other, theirs] of Object.entries(otherPorts)) {
      const taken = theirs.find((known) => overlap(port, known));
      if (taken !== undefined)
        throw new Refusal(
          1,
          `cannot ${verb} ${port} (unit "${unit}"): port range conflicts with ${taken} (unit "${other}")`,
        );
    }
  }

  #ownSecrets(): readonly SecretState[] {
    return this.#pending.secrets.filter(
      ({ owner }) => owner === 'unit' || (owner === 'application' && this.#before.isLeader),
    );
  }

  /** What secret-grant and secret-revoke are told, in the order in which Juju looks at it. */
  #secretAndUnit(uri: string | undefined, unit: string, relation: string | undefined) {
    if (uri === undefined) throw new Refusal(2, 'missing secret URI');
    const id = bareId(uri);
    if (unit !== '' && !isUnitName(unit)) throw new Refusal(2, `unit "${unit}" not valid`);
    return {
      id,
      unit: unit === '' ? undefined : unit,
      relation: relation === undefined ? this.#eventRelation() : this.#relation(relation),
    };
  }

  /** A secret that is to be changed. Juju looks only at the end of the hook whether it is there, and whose it is. */
  #ownSecretAtEnd(id: string): SecretState | undefined {
    const secret = this.#ownSecrets().find((own) => idOf(own) === id);
    if (secret) return secret;
    const isThere = this.#pending.secrets.some((known) => idOf(known) === id);
    this.#refuseAtEnd(`secret "${id}"${isThere ? ': permission denied' : ' not found'}`);
    return undefined;
  }

  #refuseAtEnd(problem: string): void {
    this.#problem ??= problem;
  }

  #changeSecret({ uri }: SecretState, change: (secret: SecretState) => SecretState): void {
    this.#pending.secrets = this.#pending.secrets.map((secret) =>
      secret.uri === uri ? change(secret) : secret,
    );
  }

  /** What a unit follows counts at once, also when the hook fails. */
  #track({ uri }: SecretState, followed: { readonly tracked?: number; readonly label?: string }): void {
    const follow = (secrets: readonly SecretState[]) =>
      secrets.map((secret) => (secret.uri === uri ? { ...secret, ...followed } : secret));
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
      const id = `made${String((this.#nextSecret += 1)).padStart(16, '0')}`;
      if (!this.#pending.secrets.some((secret) => idOf(secret) === id)) return id;
    }
  }

  #actionParams(): Readonly<Record<string, unknown>> {
    if (typeof this.#event === 'string' || !('action' in this.#event))
      throw new Refusal(1, 'not running an action');
    return this.#event.params ?? {};
  }
}

const APP_NAME = /^[a-z][a-z0-9]*(-[a-z0-9]*[a-z][a-z0-9]*)*$/;

function isAppName(name: string): boolean {
  return APP_NAME.test(name);
}

function isUnitName(name: string): boolean {
  const [app = '', number = '', ...more] = name.split('/');
  return more.length === 0 && isAppName(app) && /^(0|[1-9]\d*)$/.test(number);
}

/** No charm of this framework declares a payload. */
function refusePayload(words: readonly string[], at: number, least: number): never {
  if (words.length < least) throw new Refusal(2, 'missing required arguments');
  throw new Refusal(1, `payload "${words[at] ?? ''}" not found in metadata.yaml`);
}

function entry(map: unknown, key: string): unknown {
  if (typeof map !== 'object' || map === null) return undefined;
  return Object.entries(map).find(([name]) => name === key)?.[1];
}

/** What network-get prints. */
interface Network {
  readonly 'bind-addresses': readonly {
    readonly 'mac-address': string;
    readonly 'interface-name': string;
    readonly addresses: readonly {
      readonly hostname: string;
      readonly value: string;
      readonly cidr: string;
    }[];
  }[];
  readonly 'egress-subnets': readonly string[];
  readonly 'ingress-addresses': readonly string[];
}

/** With the keys that agents had long ago, which Juju still gives in YAML. */
function asOfOld(network: Network) {
  return {
    ...network,
    'bind-addresses': network['bind-addresses'].map((item) => ({
      ...item,
      addresses: item.addresses.map((address) => ({ ...address, address: address.value })),
      macaddress: item['mac-address'],
      interfacename: item['interface-name'],
    })),
  };
}

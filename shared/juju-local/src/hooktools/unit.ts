import { LEVELS } from '../agent/log.ts';
import type { Status } from '../model/documents.ts';
import { status } from '../model/model.ts';
import { applicationStatusOf } from '../model/status.ts';
import { describeRange, inOrder, readRange, type Port } from '../model/ports.ts';
import {
  ANY,
  fileText,
  FORMAT,
  keyValues,
  OLD_FORMAT,
  parse,
  print,
  relationId,
  stringMap,
  YAML,
  type Tool,
  type ToolCall,
} from './tool.ts';
import { ToolError } from './error.ts';

const SETTABLE = ['maintenance', 'blocked', 'waiting', 'active'];
/** Bytes of the charm's own state (core/quota). */
const MOST = { key: 256, value: 65_536 };

export const unitTools: Readonly<Record<string, Tool>> = {
  'config-get': (call) => {
    const { model, context } = call;
    const { values, positionals } = parse(
      call,
      { ...FORMAT, all: { type: 'boolean', short: 'a', default: false } },
      1,
    );
    const { charm } = model.application(context.unit.app);
    const [key = ''] = positionals;
    if (key !== '' && values.all)
      throw new ToolError(2, `cannot use argument --all together with key "${key}"`);
    const effective: Readonly<Record<string, unknown>> = context.options;
    if (key !== '') return print(call, effective[key], values);
    const unset = Object.fromEntries(Object.keys(charm.options).map((name) => [name, null]));
    return print(call, values.all ? { ...unset, ...effective } : effective, values);
  },

  'is-leader': (call) => print(call, call.model.isLeader(call.context.unit), parse(call, FORMAT, 0).values),

  'unit-get': (call) => {
    const { values, positionals } = parse(call, FORMAT, 1);
    const [key] = positionals;
    if (key === undefined) throw new ToolError(2, 'no setting specified');
    if (!['private-address', 'public-address'].includes(key))
      throw new ToolError(2, `unknown setting "${key}"`);
    return print(call, call.model.machineOf(call.context.unit).address, values);
  },

  'network-get': (call) => {
    const { model, context } = call;
    const { values, positionals } = parse(
      call,
      {
        ...FORMAT,
        relation: { type: 'string', short: 'r' },
        'bind-address': { type: 'boolean', default: false },
        'ingress-address': { type: 'boolean', default: false },
        'egress-subnets': { type: 'boolean', default: false },
        'primary-address': { type: 'boolean', default: false },
      },
      1,
    );
    relationId(call, values.relation);
    const [binding] = positionals;
    if (binding === undefined) throw new ToolError(2, 'no arguments specified');
    if (binding === '') throw new ToolError(2, 'no binding name specified');
    const { provides, requires, peers } = model.application(context.unit.app).charm.metadata;
    if (!(binding in { ...provides, ...requires, ...peers, 'juju-info': true })) {
      throw new ToolError(1, `no network config found for binding "${binding}"`);
    }
    const { address = '' } = model.machineOf(context.unit);
    const subnet = `${address.split('.').slice(0, 3).join('.')}.0/24`;
    const given = new Map<string, unknown>(Object.entries(values));
    const answers: Record<string, unknown> = {
      'bind-address': address,
      'ingress-address': address,
      'egress-subnets': [`${address}/32`],
    };
    const asked = Object.keys(answers).filter((name) => given.get(name) === true);
    if (values['primary-address']) {
      if (asked.length > 0) throw new ToolError(1, '--primary-address must be the only flag specified');
      return print(call, address, values);
    }
    const [only] = asked;
    if (asked.length === 1 && only !== undefined) return print(call, answers[only], values);
    if (asked.length > 1)
      return print(call, Object.fromEntries(asked.map((name) => [name, answers[name]])), values);
    // In YAML Juju gives some of it once more, under the names that agents had long ago.
    const isJson = values.format === 'json';
    const addresses = [{ hostname: '', value: address, cidr: subnet, ...(!isJson && { address }) }];
    const bind = { 'mac-address': '', 'interface-name': 'eth0', addresses };
    return print(
      call,
      {
        'bind-addresses': [isJson ? bind : { ...bind, macaddress: '', interfacename: 'eth0' }],
        'egress-subnets': [`${address}/32`],
        'ingress-addresses': [address],
      },
      values,
    );
  },

  'status-get': (call) => {
    const { model, context } = call;
    const { values } = parse(
      call,
      {
        ...FORMAT,
        'include-data': { type: 'boolean', default: false },
        application: { type: 'boolean', default: false },
      },
      0,
    );
    if (values.application && !model.isLeader(context.unit)) {
      throw new ToolError(1, 'finding application status: this unit is not the leader');
    }
    const isWord = values.format === 'smart' && !values['include-data'];
    const shown = ({ current, message }: Status) =>
      values['include-data'] ? { message, status: current, 'status-data': {} } : { status: current };
    if (values.application) {
      const units = model.unitsOf(context.unit.app).map(({ name, workload }) => [name, shown(workload)]);
      const own = applicationStatusOf(model, model.application(context.unit.app));
      if (isWord) return print(call, own.current, values);
      return print(
        call,
        { 'application-status': { ...shown(own), units: Object.fromEntries(units) } },
        values,
      );
    }
    const { workload } = context.unit;
    return print(call, isWord ? workload.current : shown(workload), values);
  },

  'status-set': (call) => {
    const { model, context } = call;
    const { values, positionals } = parse(call, { application: { type: 'boolean', default: false } }, 2);
    const [level, message = ''] = positionals;
    if (level === undefined) throw new ToolError(2, 'invalid args, require <status> [message]');
    if (!SETTABLE.includes(level)) {
      throw new ToolError(2, `invalid status "${level}", expected one of [${SETTABLE.join(' ')}]`);
    }
    const value = status(level, message);
    if (values.application) {
      if (!model.isLeader(context.unit)) throw new ToolError(1, 'this unit is not the leader');
      model.application(context.unit.app).status = value;
    } else context.unit.workload = value;
    call.changed();
    return '';
  },

  'application-version-set': (call) => {
    const { positionals } = parse(call, {}, 1);
    const [version] = positionals;
    if (version === undefined) throw new ToolError(2, 'no version specified');
    call.model.application(call.context.unit.app).workloadVersion = version;
    call.changed();
    return '';
  },

  'open-port': (call) => {
    for (const wanted of portsOf(call)) call.context.openPort(call.model, wanted);
    return '';
  },

  'close-port': (call) => {
    for (const wanted of portsOf(call)) call.context.closePort(call.model, wanted);
    return '';
  },

  'opened-ports': (call) => {
    const { values } = parse(call, { ...FORMAT, endpoints: { type: 'boolean', default: false } }, 0);
    const open = call.context.ports(call.model).sort(inOrder);
    const named = [...new Set(open.map(describeRange))];
    if (!values.endpoints) return print(call, named, values);
    const endpointsOf = (range: string) => {
      const endpoints = open.filter((port) => describeRange(port) === range).map(({ endpoint }) => endpoint);
      return endpoints.includes('') ? '*' : endpoints.sort().join(', ');
    };
    return print(
      call,
      named.map((range) => `${range} (${endpointsOf(range)})`),
      values,
    );
  },

  'state-get': (call) => {
    const { context } = call;
    const { values, positionals } = parse(
      call,
      { ...FORMAT, strict: { type: 'boolean', default: false } },
      1,
    );
    const merged = new Map<string, string | undefined>([
      ...Object.entries(context.unit.state),
      ...context.state,
    ]);
    const known = Object.fromEntries([...merged].filter(([, value]) => value !== undefined));
    const [key = ''] = positionals;
    if (['', '-'].includes(key)) {
      const isNothing = Object.keys(known).length === 0 && values.format === 'json';
      return print(call, isNothing ? null : known, values);
    }
    if (known[key] === undefined && values.strict) throw new ToolError(1, `"${key}" not found`);
    return print(call, known[key] ?? '', values);
  },

  'state-set': async (call) => {
    const { values, positionals } = parse(call, { file: { type: 'string' } }, ANY);
    const over = keyValues(positionals);
    const fromFile = stringMap(values.file, await fileText(call, values.file));
    const { state } = call.context;
    for (const [key, value] of Object.entries({ ...fromFile, ...over })) {
      if (Buffer.byteLength(key) > MOST.key)
        throw new ToolError(
          1,
          `max allowed key size (${MOST.key}) exceeded: max allowed charm state key length exceeded`,
        );
      if (Buffer.byteLength(value) > MOST.value)
        throw new ToolError(
          1,
          `max allowed value size (${MOST.value}) exceeded: max allowed charm state value length exceeded`,
        );
      state.set(key, value);
    }
    return '';
  },

  'state-delete': (call) => {
    const [key = ''] = parse(call, {}, 1).positionals;
    if (key !== '') call.context.state.set(key, undefined);
    return '';
  },

  'juju-log': (call) => {
    const { values, positionals } = parse(
      call,
      {
        ...OLD_FORMAT,
        'log-level': { type: 'string', short: 'l', default: 'INFO' },
        debug: { type: 'boolean', default: false },
      },
      ANY,
    );
    if (positionals.length === 0) throw new ToolError(2, 'no message specified');
    const { context, model } = call;
    const relation = context.relation === undefined ? undefined : model.relations.get(context.relation);
    const prefix = relation ? `${model.ownEndpoint(relation, context.unit.app).name}:${relation.id}: ` : '';
    const level = values.debug ? 'DEBUG' : values['log-level'].toUpperCase();
    call.log(LEVELS.includes(level) ? level : 'INFO', prefix + positionals.join(' '));
    return '';
  },

  'goal-state': (call) => {
    const { values } = parse(call, YAML, 0);
    const { model, context } = call;
    // Of subordinates Juju tells only those that ride on the unit that asks, or that have lost what they rode on.
    const unitsOf = (app: string) =>
      Object.fromEntries(
        model
          .unitsOf(app)
          .filter(
            ({ principal }) =>
              principal === undefined || principal === context.unit.name || !model.units.has(principal),
          )
          .map(({ name, life, workload: { current, since } }) => [
            name,
            { status: life === 'dying' ? 'dying' : current, since },
          ]),
      );
    const units = unitsOf(context.unit.app);
    const relations: Record<string, Record<string, unknown>> = {};
    for (const relation of model
      .relationsOf(context.unit.app)
      .filter(({ endpoints, isLost }) => endpoints.length > 1 && !isLost)) {
      const remote = model.remoteApp(relation, context.unit.app);
      const { name } = model.ownEndpoint(relation, context.unit.app);
      relations[name] = { ...relations[name], [remote]: { status: 'joined', since: '' }, ...unitsOf(remote) };
    }
    return print(call, { units, relations }, values, ['json', 'yaml']);
  },

  'leader-get': (call) => {
    const { values, positionals } = parse(call, FORMAT, 1);
    const [key = ''] = positionals;
    if (key.includes('=')) throw new ToolError(2, `invalid key "${key}"`);
    const settings = call.model.application(call.context.unit.app).leaderSettings;
    return print(call, ['', '-'].includes(key) ? settings : settings[key], values);
  },

  'leader-set': (call) => {
    const { model, context } = call;
    const settings = keyValues(parse(call, {}, ANY).positionals);
    if (!model.isLeader(context.unit)) {
      throw new ToolError(1, 'cannot write leadership settings: cannot write settings: not the leader');
    }
    model.writeLeaderSettings(model.application(context.unit.app), settings);
    call.changed();
    return '';
  },

  'storage-list': (call) => print(call, [], parse(call, FORMAT, 1).values),

  'storage-get': (call) => {
    const { values } = parse(call, { ...FORMAT, storage: { type: 'string', short: 's' } }, 1);
    if (values.storage === undefined) throw new ToolError(2, 'no storage instance specified');
    throw new ToolError(2, `invalid value "${values.storage}" for option -s: storage not found`);
  },

  'storage-add': (call) => {
    const { positionals } = parse(call, {}, ANY);
    if (positionals.length === 0) throw new ToolError(2, 'storage add requires a storage directive');
    for (const directive of positionals) {
      const [name = '', count = '1'] = directive.split('=');
      if (!/^[1-9]\d*$/.test(count)) throw new ToolError(2, `only count can be specified for "${name}"`);
      call.context.storage.add(name);
    }
    return '';
  },

  'credential-get': (call) => {
    parse(call, FORMAT, 0);
    throw new ToolError(1, 'cannot access cloud credentials: permission denied');
  },

  'resource-get': (call) => {
    const [name] = parse(call, {}, 1).positionals;
    if (name === undefined) throw new ToolError(2, 'missing required resource name');
    throw new ToolError(
      1,
      `could not download resource: resource#${call.context.unit.app}/${name} not found`,
    );
  },

  'action-get': (call) => {
    const { values, positionals } = parse(call, FORMAT, 1);
    let value: unknown = taskOf(call).params;
    for (const key of positionals[0]?.split('.') ?? []) {
      value =
        typeof value === 'object' && value !== null
          ? Object.entries(value).find(([name]) => name === key)?.[1]
          : undefined;
    }
    return print(call, value, values);
  },

  'action-set': (call) => {
    const pairs = parse(call, {}, ANY).positionals.map((arg) => {
      const at = arg.indexOf('=');
      if (at < 0) throw new ToolError(2, `argument ${JSON.stringify(arg)} must be of the form key...=value`);
      const [key, value] = [arg.slice(0, at), arg.slice(at + 1)];
      for (const part of key.split('.')) checkActionKey(part);
      return [key, value] as const;
    });
    if (pairs.length === 0) return '';
    const task = taskOf(call);
    for (const [key, value] of pairs) task.results[key] = value;
    return '';
  },

  'action-fail': (call) => {
    const [message = 'action failed without reason given, check action for errors'] = parse(
      call,
      {},
      1,
    ).positionals;
    const task = taskOf(call);
    task.status = 'failed';
    task.message = message;
    return '';
  },

  'action-log': (call) => {
    const { positionals } = parse(call, {}, ANY);
    if (positionals.length === 0) throw new ToolError(2, 'no message specified');
    taskOf(call).log.push(
      `${new Date(call.time).toISOString().slice(0, 19).replace('T', ' ')} +0000 UTC ${positionals.join(' ')}`,
    );
    return '';
  },
};

/** One part of a key of an action's results. @throws {ToolError} 2 */
function checkActionKey(key: string): void {
  if (!/^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?$/.test(key))
    throw new ToolError(
      2,
      `key "${key}" must start and end with lowercase alphanumeric, and contain only lowercase alphanumeric and hyphens`,
    );
  if (/^(stdout|stderr)(-encoding)?$/.test(key))
    throw new ToolError(2, `cannot set reserved action key "${key}"`);
}

/** What a user asked for, `juju exec` included. @throws {ToolError} 1 */
function taskOf({ context: { task, operation } }: ToolCall) {
  if (!task || operation.kind === 'hook') throw new ToolError(1, 'not running an action');
  return task;
}

/** What open-port and close-port are given. @throws {ToolError} 2 */
function portsOf(call: ToolCall): Port[] {
  const { values, positionals } = parse(
    call,
    { ...OLD_FORMAT, endpoints: { type: 'string', default: '' } },
    1,
  );
  const [text] = positionals;
  if (text === undefined) throw new ToolError(2, 'no port or range specified');
  const range = readRange(text.toLowerCase());
  if (typeof range === 'string') throw new ToolError(2, range);
  return values.endpoints.split(',').map((endpoint) => ({ ...range, endpoint: endpoint.trim() }));
}

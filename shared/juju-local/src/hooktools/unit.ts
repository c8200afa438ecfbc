import { LEVELS } from '../agent/log.ts';
import type { Status } from '../model/documents.ts';
import { applicationStatusOf, status } from '../model/model.ts';
import {
  fileText,
  format,
  FORMAT,
  keyValues,
  parse,
  stringMap,
  ToolError,
  type Tool,
  type ToolCall,
} from './tool.ts';

const SETTABLE = ['maintenance', 'blocked', 'waiting', 'active'];
/** Bytes of the charm's own state (core/quota). */
const MOST = { key: 256, value: 65_536 };
const PORT = /^(\d+)(?:-(\d+))?\/(tcp|udp)$/;

export const unitTools: Readonly<Record<string, Tool>> = {
  'config-get': (call) => {
    const { model, context } = call;
    const { values, positionals } = parse(call, {
      ...FORMAT,
      all: { type: 'boolean', short: 'a', default: false },
    });
    const { charm } = model.application(context.unit.app);
    const [key] = positionals;
    if (key !== undefined && values.all)
      throw new ToolError(2, `cannot use argument --all together with key "${key}"`);
    const effective: Readonly<Record<string, unknown>> = context.options;
    if (key !== undefined) return format(effective[key], values.format);
    const unset = Object.fromEntries(Object.keys(charm.options).map((name) => [name, null]));
    return format(values.all ? { ...unset, ...effective } : effective, values.format);
  },

  'is-leader': (call) => format(call.model.isLeader(call.context.unit), parse(call, FORMAT).values.format),

  'unit-get': (call) => {
    const { values, positionals } = parse(call, FORMAT);
    const [key = ''] = positionals;
    if (!['private-address', 'public-address'].includes(key))
      throw new ToolError(2, `unknown setting "${key}"`);
    return format(call.model.machineOf(call.context.unit).address, values.format);
  },

  'network-get': (call) => {
    const { model, context } = call;
    const { values, positionals } = parse(call, {
      ...FORMAT,
      relation: { type: 'string', short: 'r' },
      'bind-address': { type: 'boolean', default: false },
      'ingress-address': { type: 'boolean', default: false },
      'egress-subnets': { type: 'boolean', default: false },
      'primary-address': { type: 'boolean', default: false },
    });
    const [binding] = positionals;
    if (binding === undefined) throw new ToolError(2, 'no arguments specified');
    const { provides, requires, peers } = model.application(context.unit.app).charm.metadata;
    if (!(binding in { ...provides, ...requires, ...peers, 'juju-info': true })) {
      throw new ToolError(1, `no network config found for binding "${binding}"`);
    }
    const { address = '' } = model.machineOf(context.unit);
    const subnet = `${address.split('.').slice(0, 3).join('.')}.0/24`;
    const given = new Map<string, unknown>(Object.entries(values));
    const answers: Record<string, unknown> = {
      'bind-address': address,
      'primary-address': address,
      'ingress-address': address,
      'egress-subnets': [`${address}/32`],
    };
    const asked = Object.keys(answers).filter((name) => given.get(name) === true);
    const [only] = asked;
    if (asked.length === 1 && only !== undefined) return format(answers[only], values.format);
    if (asked.length > 1)
      return format(Object.fromEntries(asked.map((name) => [name, answers[name]])), values.format);
    const addresses = [{ hostname: '', value: address, cidr: subnet }];
    return format(
      {
        'bind-addresses': [{ 'mac-address': '', 'interface-name': 'eth0', addresses }],
        'egress-subnets': [`${address}/32`],
        'ingress-addresses': [address],
      },
      values.format === 'smart' ? 'yaml' : values.format,
    );
  },

  'status-get': (call) => {
    const { model, context } = call;
    const { values } = parse(call, {
      ...FORMAT,
      'include-data': { type: 'boolean', default: false },
      application: { type: 'boolean', default: false },
    });
    if (values.application && !model.isLeader(context.unit)) {
      throw new ToolError(1, 'finding application status: this unit is not the leader');
    }
    const shown = ({ current, message }: Status) =>
      values['include-data'] ? { message, status: current, 'status-data': {} } : { status: current };
    if (values.application) {
      const units = model.unitsOf(context.unit.app).map(({ name, workload }) => [name, shown(workload)]);
      const own = applicationStatusOf(model, model.application(context.unit.app));
      return format(
        { 'application-status': { ...shown(own), units: Object.fromEntries(units) } },
        values.format === 'smart' ? 'yaml' : values.format,
      );
    }
    const { workload } = context.unit;
    if (values.format === 'smart' && !values['include-data']) return format(workload.current, 'smart');
    return format(shown(workload), values.format);
  },

  'status-set': (call) => {
    const { model, context } = call;
    const { values, positionals } = parse(call, { application: { type: 'boolean', default: false } });
    const [level = '', ...message] = positionals;
    if (!SETTABLE.includes(level)) {
      throw new ToolError(2, `invalid status "${level}", expected one of [${SETTABLE.join(' ')}]`);
    }
    const value = status(level, message.join(' '));
    if (values.application) {
      if (!model.isLeader(context.unit)) throw new ToolError(1, 'this unit is not the leader');
      model.application(context.unit.app).status = value;
    } else context.unit.workload = value;
    call.changed();
    return '';
  },

  'application-version-set': (call) => {
    const { positionals } = parse(call, {});
    const [version] = positionals;
    if (version === undefined) throw new ToolError(2, 'no version specified');
    call.model.application(call.context.unit.app).workloadVersion = version;
    call.changed();
    return '';
  },

  'open-port': (call) => changePort(call, call.context.openedPorts, call.context.closedPorts),
  'close-port': (call) => changePort(call, call.context.closedPorts, call.context.openedPorts),

  'opened-ports': (call) => {
    const { values } = parse(call, { ...FORMAT, endpoints: { type: 'boolean', default: false } });
    const { ports } = call.context.unit;
    return format(values.endpoints ? ports.map((port) => `${port} (*)`) : ports, values.format);
  },

  'state-get': (call) => {
    const { context } = call;
    const { values, positionals } = parse(call, { ...FORMAT, strict: { type: 'boolean', default: false } });
    const merged = new Map<string, string | undefined>([
      ...Object.entries(context.unit.state),
      ...context.state,
    ]);
    const known = Object.fromEntries([...merged].filter(([, value]) => value !== undefined));
    const [key = '-'] = positionals;
    if (key === '-') return format(Object.keys(known).length > 0 ? known : null, values.format);
    if (known[key] === undefined && values.strict) throw new ToolError(1, `"${key}" not found`);
    return format(known[key] ?? '', values.format);
  },

  'state-set': async (call) => {
    const { values, positionals } = parse(call, { file: { type: 'string' } });
    const fromFile = stringMap(values.file, await fileText(call, values.file));
    const { state } = call.context;
    for (const [key, value] of Object.entries({ ...fromFile, ...keyValues(positionals) })) {
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
    const [key] = parse(call, {}).positionals;
    if (key === undefined) throw new ToolError(2, 'no key specified');
    call.context.state.set(key, undefined);
    return '';
  },

  'juju-log': (call) => {
    const { values, positionals } = parse(call, {
      'log-level': { type: 'string', short: 'l', default: 'INFO' },
      debug: { type: 'boolean', default: false },
    });
    if (positionals.length === 0) throw new ToolError(2, 'no message specified');
    const { context, model } = call;
    const relation = context.relation === undefined ? undefined : model.relations.get(context.relation);
    const prefix = relation ? `${model.ownEndpoint(relation, context.unit.app).name}:${relation.id}: ` : '';
    const level = values.debug ? 'DEBUG' : values['log-level'].toUpperCase();
    call.log(LEVELS.includes(level) ? level : 'INFO', prefix + positionals.join(' '));
    return '';
  },

  'goal-state': (call) => {
    const { values } = parse(call, { format: { type: 'string', default: 'yaml' } });
    const { model, context } = call;
    const entry = (name: string) => {
      const unit = model.units.get(name);
      return { status: unit?.workload.current ?? 'joined', since: unit?.workload.since ?? '' };
    };
    const units = Object.fromEntries(model.unitsOf(context.unit.app).map(({ name }) => [name, entry(name)]));
    const relations: Record<string, Record<string, unknown>> = {};
    for (const relation of model
      .relationsOf(context.unit.app)
      .filter(({ endpoints }) => endpoints.length > 1)) {
      const remote = model.remoteApp(relation, context.unit.app);
      const members = model.unitsOf(remote).map(({ name }) => [name, entry(name)]);
      relations[model.ownEndpoint(relation, context.unit.app).name] = {
        [remote]: { status: 'joined', since: '' },
        ...Object.fromEntries(members),
      };
    }
    return format({ units, relations }, values.format);
  },

  'leader-get': (call) => {
    const { values, positionals } = parse(call, FORMAT);
    const [key = '-'] = positionals;
    const settings = call.model.application(call.context.unit.app).leaderSettings;
    return format(key === '-' ? settings : settings[key], values.format);
  },

  'leader-set': (call) => {
    const { model, context } = call;
    const settings = keyValues(parse(call, {}).positionals);
    if (!model.isLeader(context.unit)) {
      throw new ToolError(1, 'cannot write leadership settings: cannot write settings: not the leader');
    }
    model.writeLeaderSettings(model.application(context.unit.app), settings);
    call.changed();
    return '';
  },

  'storage-list': (call) => format([], parse(call, FORMAT).values.format),

  'storage-get': (call) => {
    const { values } = parse(call, { ...FORMAT, storage: { type: 'string', short: 's' } });
    if (values.storage === undefined) throw new ToolError(2, 'no storage instance specified');
    throw new ToolError(2, `invalid value "${values.storage}" for option -s: storage not found`);
  },

  'credential-get': () => {
    throw new ToolError(1, 'cannot access cloud credentials: permission denied');
  },

  'resource-get': (call) => {
    throw new ToolError(
      1,
      `could not download resource: resource#${call.context.unit.app}/${call.args[0] ?? ''} not found`,
    );
  },

  'action-get': (call) => {
    const { values, positionals } = parse(call, FORMAT);
    let value: unknown = taskOf(call).params;
    for (const key of positionals[0]?.split('.') ?? []) {
      value =
        typeof value === 'object' && value !== null
          ? Object.entries(value).find(([name]) => name === key)?.[1]
          : undefined;
    }
    return format(value, values.format);
  },

  'action-set': (call) => {
    const task = taskOf(call);
    const { positionals } = parse(call, {});
    for (const [key, value] of Object.entries(keyValues(positionals))) {
      if (!/^[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?$/.test(key))
        throw new ToolError(
          2,
          `key "${key}" must start and end with lowercase alphanumeric, and contain only lowercase alphanumeric and hyphens`,
        );
      if (/^(stdout|stderr)(-encoding)?$/.test(key))
        throw new ToolError(2, `cannot set reserved action key "${key}"`);
      task.results[key] = value;
    }
    return '';
  },

  'action-fail': (call) => {
    const task = taskOf(call);
    task.status = 'failed';
    task.message =
      parse(call, {}).positionals[0] ?? 'action failed without reason given, check action for errors';
    return '';
  },

  'action-log': (call) => {
    const { positionals } = parse(call, {});
    if (positionals.length === 0) throw new ToolError(2, 'no message specified');
    taskOf(call).log.push(
      `${new Date(call.time).toISOString().slice(0, 19).replace('T', ' ')} +0000 UTC ${positionals.join(' ')}`,
    );
    return '';
  },
};

function taskOf({ context: { task, operation } }: ToolCall) {
  if (!task || operation.kind !== 'action') throw new ToolError(1, 'not running an action');
  return task;
}

function changePort(call: ToolCall, into: Set<string>, from: Set<string>): string {
  const { model, context } = call;
  const { positionals } = parse(call, { endpoints: { type: 'string' } });
  if (positionals.length === 0) throw new ToolError(2, 'no port or range specified');
  for (const text of positionals) {
    const port = text === 'icmp' || text.includes('/') ? text : `${text}/tcp`;
    const range = portRange(port);
    if (!range) throw new ToolError(2, `invalid port or port range: "${text}"`);
    if (into === context.openedPorts) {
      for (const other of model.units.values()) {
        if (other.machine !== context.unit.machine || other.name === context.unit.name) continue;
        const taken = other.ports.find((known) => overlap(range, portRange(known)));
        if (taken === undefined) continue;
        throw new ToolError(
          1,
          `cannot open ${port} (unit "${context.unit.name}"): port range conflicts with ${taken} (unit "${other.name}")`,
        );
      }
    }
    into.add(port);
    from.delete(port);
  }
  return '';
}

interface PortRange {
  readonly from: number;
  readonly to: number;
  readonly protocol: string;
}

/** `80/tcp`, `8080-8088/udp`, `icmp` */
function portRange(text: string): PortRange | undefined {
  if (text === 'icmp') return { from: 0, to: 0, protocol: 'icmp' };
  const [, first = '', last = first, protocol = ''] = PORT.exec(text) ?? [];
  const [from, to] = [Number(first), Number(last)];
  return from >= 1 && to <= 65_535 && from <= to ? { from, to, protocol } : undefined;
}

function overlap(a: PortRange, b: PortRange | undefined): boolean {
  return b !== undefined && a.protocol === b.protocol && a.from <= b.to && b.from <= a.to;
}

import type { Charmcraft } from '../../charmcraft.ts';
import type { HookRun, Tools } from '../hook-run.ts';
import { parse, Refusal } from './command-line.ts';
import { format, FORMAT, OLD_FORMAT } from './format.ts';

/** The ports that the unit has open. */
export function portTools<C extends Charmcraft>(hook: HookRun<C>): Tools {
  const { before } = hook;

  /** The range that a port tool is given, once for each endpoint that it is for. */
  function wantedPorts(args: readonly string[]): readonly string[] {
    const { values, positionals } = parse(
      args,
      { ...OLD_FORMAT, endpoints: { type: 'string', default: '' } },
      1,
    );
    const [text] = positionals;
    if (text === undefined) throw new Refusal(2, 'no port or range specified');
    const range = checkedRange(text.toLowerCase());
    for (const endpoint of values.endpoints.split(',').map((name) => name.trim()))
      if (endpoint !== '' && !hook.isEndpoint(endpoint))
        hook.refuseAtEnd(`cannot open or close ports: endpoint "${endpoint}" not found`);
    return [range];
  }

  function openPort(port: string): void {
    if (hook.pending.ports.includes(port)) return;
    refuseTaken('open', port);
    hook.pending.ports = [...hook.pending.ports, port];
  }

  function closePort(port: string): void {
    if (!hook.pending.ports.includes(port)) refuseTaken('close', port);
    hook.pending.ports = hook.pending.ports.filter((open) => open !== port);
  }

  function refuseTaken(verb: 'open' | 'close', port: string): void {
    const { unit, otherPorts, ports } = before;
    const own = hook.pending.ports.filter((known) => overlap(port, known));
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

  return {
    'open-port': (args) => {
      for (const port of wantedPorts(args)) openPort(port);
      return '';
    },

    'close-port': (args) => {
      for (const port of wantedPorts(args)) closePort(port);
      return '';
    },

    'opened-ports': (args) => {
      const { values } = parse(args, { ...FORMAT, endpoints: { type: 'boolean', default: false } }, 0);
      const ranges = [...hook.pending.ports].sort(byProtocolAndNumber);
      return format(values.endpoints ? ranges.map((range) => `${range} (*)`) : ranges, values);
    },
  };
}

/** A range as Juju writes it, or why it is none. */
function checkedRange(text: string): string {
  const slash = text.indexOf('/');
  const [numbers, protocol] = slash < 0 ? [text, 'tcp'] : [text.slice(0, slash), text.slice(slash + 1)];
  if (numbers === 'icmp') return 'icmp';
  const ends = numbers.split('-');
  if (ends.length > 2) throw new Refusal(2, `invalid port range "${numbers}"`);
  for (const end of ends)
    if (!/^\+?\d+$/.test(end))
      throw new Refusal(2, `invalid port "${end}": strconv.Atoi: parsing "${end}": invalid syntax`);
  const first = Number(ends[0]);
  const last = Number(ends.at(-1));
  if (protocol === 'icmp') throw new Refusal(2, `protocol "icmp" doesn't support any ports; got "${first}"`);
  if (protocol !== 'tcp' && protocol !== 'udp')
    throw new Refusal(2, `invalid protocol "${protocol}", expected "tcp", "udp", or "icmp"`);
  if (first > last) throw new Refusal(2, `invalid port range ${first}-${last}/${protocol}`);
  if (last > 65_535)
    throw new Refusal(2, `port range bounds must be between 0 and 65535, got ${first}-${last}`);
  return first === last ? `${first}/${protocol}` : `${first}-${last}/${protocol}`;
}

/** In the order of opened-ports. */
function byProtocolAndNumber(one: string, other: string): number {
  const key = (range: string): readonly [string, number, number] => {
    const [, from = '-1', to = from, protocol = range] = /^(\d+)(?:-(\d+))?\/(.*)$/.exec(range) ?? [];
    return [protocol, Number(from), Number(to)];
  };
  const [a, b] = [key(one), key(other)];
  return a[0].localeCompare(b[0]) || a[1] - b[1] || a[2] - b[2];
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

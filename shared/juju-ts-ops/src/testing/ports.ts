import { Refusal } from './command-line.ts';

/** A range as Juju writes it, or why it is none. */
export function checkedRange(text: string): string {
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
export function byProtocolAndNumber(one: string, other: string): number {
  const key = (range: string): readonly [string, number, number] => {
    const [, from = '-1', to = from, protocol = range] = /^(\d+)(?:-(\d+))?\/(.*)$/.exec(range) ?? [];
    return [protocol, Number(from), Number(to)];
  };
  const [a, b] = [key(one), key(other)];
  return a[0].localeCompare(b[0]) || a[1] - b[1] || a[2] - b[2];
}

/** Whether two ranges such as `8000-8010/udp` have a port in common. */
export function overlap(one: string, other: string): boolean {
  const parts = (range: string): readonly [number, number, string] => {
    const [, from = '0', to = from, protocol = range] = /^(\d+)(?:-(\d+))?\/(.*)$/.exec(range) ?? [];
    return [Number(from), Number(to), protocol];
  };
  const [from, to, protocol] = parts(one);
  const [otherFrom, otherTo, otherProtocol] = parts(other);
  return protocol === otherProtocol && from <= otherTo && otherFrom <= to;
}

/** Ports that a unit opens, as open-port reads them (core/network/portrange.go). */
export interface Range {
  readonly protocol: string;
  /** Of icmp, -1. */
  readonly from: number;
  readonly to: number;
}

export interface Port extends Range {
  /** The endpoint that it is opened for; `""` is all. */
  readonly endpoint: string;
}

/** `80`, `80/tcp`, `8080-8088/udp`, `icmp`; a text says what is wrong. */
export function readRange(text: string): Range | string {
  const [words = '', ...rest] = text.split('/');
  const protocol = rest.length > 0 ? rest.join('/') : 'tcp';
  if (words === 'icmp') return { protocol: 'icmp', from: -1, to: -1 };
  const parts = words.split('-');
  if (parts.length > 2) return `invalid port range "${words}"`;
  const wrong = parts.find((part) => !/^[+]?\d+$/.test(part));
  if (wrong !== undefined) return `invalid port "${wrong}": strconv.Atoi: parsing "${wrong}": invalid syntax`;
  const [from = 0, to = from] = parts.map(Number);
  if (!['tcp', 'udp', 'icmp'].includes(protocol))
    return `invalid protocol "${protocol}", expected "tcp", "udp", or "icmp"`;
  if (protocol === 'icmp') return `protocol "icmp" doesn't support any ports; got "${from}"`;
  if (from > to) return `invalid port range ${from}-${to}/${protocol}`;
  if (to > 65_535) return `port range bounds must be between 0 and 65535, got ${from}-${to}`;
  return { protocol, from, to };
}

/** `80/tcp`, `8080-8088/udp`, `icmp` */
export function describeRange({ protocol, from, to }: Range): string {
  if (protocol === 'icmp') return protocol;
  return from === to ? `${from}/${protocol}` : `${from}-${to}/${protocol}`;
}

/** As it is kept in the model: `80/tcp`, or `80/tcp db` for one endpoint. */
export function keptPort(port: Port): string {
  return `${describeRange(port)} ${port.endpoint}`.trim();
}

export function readKept(text: string): Port {
  const [words = '', endpoint = ''] = text.split(' ');
  const range = readRange(words);
  if (typeof range === 'string') throw new Error(range);
  return { ...range, endpoint };
}

/** What a user is shown of a unit's ports: each once, by protocol and number. */
export function shownRanges(kept: readonly string[]): string[] {
  return [...new Set(kept.map(readKept).sort(inOrder).map(describeRange))];
}

/** By protocol, then by number. */
export function inOrder(a: Range, b: Range): number {
  return a.protocol.localeCompare(b.protocol) || a.from - b.from || a.to - b.to;
}

export function overlap(a: Range, b: Range): boolean {
  return a.protocol === b.protocol && a.from <= b.to && b.from <= a.to;
}

export function isSameRange(a: Range, b: Range): boolean {
  return describeRange(a) === describeRange(b);
}

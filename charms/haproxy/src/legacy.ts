// What the YAML of `services` asks for, in the words of haproxy.cfg: what of it is read here, and what is not.
import type { HttpService } from 'juju-ts-interfaces/http';

/** A health check as HAProxy means it: 2xx and 3xx are good unless `expect` says otherwise. */
export interface HttpCheck {
  readonly method: string;
  readonly uri: string;
  readonly version: string;
  readonly headers: readonly (readonly [name: string, value: string])[];
  /** `status 200`; absent: HAProxy's own. */
  readonly expect?: string;
}

const HTTPCHK = /^option httpchk(?:\s+(.+))?$/;
const EXPECT = /^http-check expect (status \d{3}(?:[,-]\d{3})*|rstatus [\d.^|$]+)$/;
const URI = /^\/[^\s"'\\#]*$/;

/** The check that service options ask for; `undefined` where they ask for none, or in words that are not read here. */
export function checkOf(options: readonly string[]): HttpCheck | undefined {
  const found = options.map((option) => HTTPCHK.exec(option)).find((match) => match !== null);
  if (!found) return undefined;
  const words = found[1]?.match(/(?:\\.|[^\s\\])+/g) ?? [];
  // One word is the URI, two are the method and the URI. https://docs.haproxy.org/2.4/configuration.html#option%20httpchk
  const [method = '', uri = '', end = 'HTTP/1.0'] = words.length < 2 ? ['OPTIONS', words[0] ?? '/'] : words;
  const [version = '', ...lines] = end
    .replaceAll('\\r', '\r')
    .replaceAll('\\n', '\n')
    .replaceAll('\\ ', ' ')
    .split('\r\n');
  const headers = lines
    .filter((line) => line !== '')
    .map((line) => /^([A-Za-z0-9-]+): *([\w.:/@ -]*)$/.exec(line));
  if (!/^[A-Z]{3,10}$/.test(method) || !URI.test(uri) || !/^HTTP\/1\.[01]$/.test(version)) return undefined;
  if (headers.includes(null) || words.length > 3) return undefined;
  const expect = options.map((option) => EXPECT.exec(option)?.[1]).find((one) => one !== undefined);
  return {
    method,
    uri,
    version,
    headers: headers.flatMap((match) => (match ? [[match[1] ?? '', match[2] ?? ''] as const] : [])),
    ...(expect !== undefined && { expect }),
  };
}

/** What is so for every service here, or is read. */
const READ_OPTION =
  /^(mode (http|tcp)|balance (source|roundrobin|leastconn)|option (httplog|tcplog|dontlognull|forwardfor|redispatch|tcp-check)|log global|retries \d+)$/;
/** Of a server, with the number that follows: its checks are made as often as those of all others. */
const TIMES = ['inter', 'fastinter', 'downinter', 'rise', 'fall'];
/** What a server speaks: without it, it would not understand a word. */
const TONGUES = ['ssl', 'proto', 'send-proxy', 'send-proxy-v2', 'send-proxy-v2-ssl', 'send-proxy-v2-ssl-cn'];

/** The options of a server. */
export interface ServerOptions {
  readonly backup: boolean;
  readonly weight?: number;
  readonly checkPort?: number;
  /** Whether it can be spoken with. */
  readonly isReadable: boolean;
}

export function readServer(options: readonly string[]): ServerOptions {
  const { words, unread } = wordsOf(options);
  const number = (name: string, most: number): number | undefined => {
    const value = Number(words.get(name));
    return Number.isInteger(value) && value >= 1 && value <= most ? value : undefined;
  };
  const [weight, checkPort] = [number('weight', 256), number('port', 65_535)];
  return {
    backup: words.has('backup'),
    ...(weight !== undefined && { weight }),
    ...(checkPort !== undefined && { checkPort }),
    isReadable: !unread.some((word) => TONGUES.includes(word)),
  };
}

/** Words with the value that follows them, of those that are read, and the others. */
function wordsOf(options: readonly string[]): {
  readonly words: ReadonlyMap<string, string>;
  readonly unread: readonly string[];
} {
  const words = new Map<string, string>();
  const unread: string[] = [];
  const list = options.flatMap((option) => option.split(/\s+/)).filter((word) => word !== '');
  for (let index = 0; index < list.length; index += 1) {
    const word = list[index] ?? '';
    if (word === 'check' || word === 'backup') words.set(word, '');
    else if (['weight', 'port', ...TIMES].includes(word)) {
      words.set(word, list[index + 1] ?? '');
      index += 1;
    } else unread.push(word);
  }
  return { words, unread };
}

/** Whose second word says what it is about. */
const LONG = /^(option|http-request|http-response|http-check|tcp-request|tcp-response|timeout|mode|balance)$/;

/**
 * What a service asks for and does not get, in words; empty where it gets all. Of each option only its name, because
 * what comes after it can be a password.
 */
export function unreadOf({ name, options, servers, others }: HttpService): string {
  const isCheckRead = checkOf(options) !== undefined;
  const unread = options.filter(
    (option) =>
      option !== '' &&
      !READ_OPTION.test(option) &&
      !(isCheckRead && (HTTPCHK.test(option) || EXPECT.test(option))),
  );
  const names = [
    ...others,
    ...unread.map((option) => {
      const [first = '', second = ''] = option.split(/\s+/);
      return LONG.test(first) ? `${first} ${second}` : first;
    }),
    // The others may be the values of the first.
    ...(servers ?? []).flatMap((server) =>
      wordsOf(server.options).unread.filter((word, index) => index === 0 || TONGUES.includes(word)),
    ),
  ].map((text) => text.replaceAll(/[^\w -]/g, '').slice(0, 40));
  if (names.length === 0) return '';
  const isLeftOut =
    others.includes('crts') || (servers ?? []).some((server) => !readServer(server.options).isReadable);
  return `${[...new Set(names)].join(', ')} of ${name.replaceAll(/[^\w.-]/g, '-').slice(0, 60)}${isLeftOut ? ', which needs it and is left out' : ''}`;
}

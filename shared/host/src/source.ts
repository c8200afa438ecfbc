import { HostError } from './errors.ts';

/** A package source, as a user names it. */
export type Source =
  | { readonly kind: 'none' }
  | { readonly kind: 'ppa'; readonly owner: string; readonly name: string }
  | {
      readonly kind: 'deb';
      readonly options: Readonly<Record<string, string>>;
      readonly uri: string;
      readonly suite: string;
      readonly components: readonly string[];
      /** ASCII-armoured public key that the archive is signed with. */
      readonly key?: string;
    }
  /** A channel of the snap store: `3.7/stable`. */
  | { readonly kind: 'snap'; readonly channel: string };

const KEY = /-----BEGIN PGP PUBLIC KEY BLOCK-----[\s\S]+-----END PGP PUBLIC KEY BLOCK-----/;
const HOW =
  'give ppa:owner/name, or snap:track/risk, or a deb line and on the lines after it the key of the archive';

/**
 * Parses the text of an option `source`: empty; `ppa:owner/name`; `snap:track/risk`; or a line in the form of
 * sources.list(5), and after it the archive's ASCII-armoured key.
 * @throws {HostError} `source`
 */
export function parseSource(text: string): Source {
  const [first = '', ...rest] = text.trim().split(/\r?\n/);
  if (first === '') return { kind: 'none' };
  const ppa = /^ppa:([a-z0-9][a-z0-9.+-]*)\/([a-z0-9][a-z0-9.+-]*)$/.exec(first);
  if (ppa?.[1] && ppa[2]) return { kind: 'ppa', owner: ppa[1], name: ppa[2] };
  if (first.startsWith('snap:')) {
    const channel = /^snap:([a-z0-9][a-z0-9.-]*\/(?:stable|candidate|beta|edge))$/.exec(first)?.[1];
    if (channel !== undefined) return { kind: 'snap', channel };
    throw new HostError(
      'source',
      'user',
      `source=${first} is no channel: give snap:track/risk, for example snap:3.7/stable`,
    );
  }
  const deb = /^deb\s+(?:\[([^\]]*)\]\s+)?(\S+:\S+)\s+(\S+)((?:\s+\S+)*)$/.exec(first.trim());
  if (!deb)
    throw new HostError('source', 'user', `source=${hideCredentials(first)} is no package source: ${HOW}`);
  const [, options = '', uri = '', suite = '', components = ''] = deb;
  const key = KEY.exec(rest.join('\n'))?.[0];
  if (rest.join('').trim() !== '' && key === undefined) {
    throw new HostError(
      'source',
      'user',
      'source: what follows the deb line is no ASCII-armoured PGP public key',
    );
  }
  if (key !== undefined && /(^|\s)signed-by=/.test(options)) {
    throw new HostError('source', 'user', 'source: give signed-by= or a key on the lines after it, not both');
  }
  return {
    kind: 'deb',
    uri,
    suite,
    options: Object.fromEntries(
      words(options).map((option) => [option.split('=')[0] ?? '', option.split('=')[1] ?? '']),
    ),
    components: words(components),
    ...(key !== undefined && { key }),
  };
}

/** The names of sources.list(5)'s options in the form of deb822. */
const FIELDS: Readonly<Record<string, string>> = {
  arch: 'Architectures',
  'signed-by': 'Signed-By',
  trusted: 'Trusted',
};

/** A `.sources` file. https://manpages.debian.org/bookworm/apt/sources.list.5.en.html */
export function renderSource(source: Extract<Source, { kind: 'deb' }>): string {
  const { uri, suite, components, options, key } = source;
  const fields = Object.entries(options).map(([name, value]) => {
    const field = FIELDS[name];
    if (field === undefined)
      throw new HostError('source', 'user', `source: the option [${name}] of a deb line is not known here`);
    return `${field}: ${value.replaceAll(',', ' ')}`;
  });
  return [
    'Types: deb',
    `URIs: ${uri}`,
    `Suites: ${suite}`,
    ...(components.length > 0 ? [`Components: ${components.join(' ')}`] : []),
    ...fields,
    ...(key === undefined
      ? []
      : ['Signed-By:', ...key.split('\n').map((line) => ` ${line.trim() === '' ? '.' : line.trim()}`)]),
    '',
  ].join('\n');
}

/** A text without the user names and passwords in its URIs: those of private archives. */
export function hideCredentials(text: string): string {
  return text.replaceAll(/(:\/\/)[^\s/@]+@/g, '$1');
}

function words(text: string): readonly string[] {
  return text.split(/\s+/).filter((word) => word !== '');
}

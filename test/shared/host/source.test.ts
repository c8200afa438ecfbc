import { describe, expect, test } from '@jest/globals';
import { hideCredentials, parseSource, renderSource } from '../../../shared/host/src/source.ts';

const KEY = `-----BEGIN PGP PUBLIC KEY BLOCK-----

mDMEZ3SFgBYJKwYBBAHaRw8BAQdA
=oFuy
-----END PGP PUBLIC KEY BLOCK-----`;

describe('the option source', () => {
  test('is empty, a PPA, a channel of the snap store, or a deb line', () => {
    expect(parseSource(' \n')).toEqual({ kind: 'none' });
    expect(parseSource('ppa:maas/3.7-next')).toEqual({ kind: 'ppa', owner: 'maas', name: '3.7-next' });
    expect(parseSource('snap:3.7/stable')).toEqual({ kind: 'snap', channel: '3.7/stable' });
    expect(parseSource('deb http://archive.example/ubuntu noble main universe\r\n')).toEqual({
      kind: 'deb',
      options: {},
      uri: 'http://archive.example/ubuntu',
      suite: 'noble',
      components: ['main', 'universe'],
    });
  });

  test('a deb line becomes a deb822 file with its options and its key', () => {
    const source = parseSource(`deb [arch=amd64,arm64 trusted=no] file:/srv/archive ./\n${KEY}\n`);
    if (source.kind !== 'deb') throw new Error('not a deb line');
    expect(renderSource(source)).toBe(`Types: deb
URIs: file:/srv/archive
Suites: ./
Architectures: amd64 arm64
Trusted: no
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 mDMEZ3SFgBYJKwYBBAHaRw8BAQdA
 =oFuy
 -----END PGP PUBLIC KEY BLOCK-----
`);
  });

  test.each([
    [
      'nonsense',
      'source=nonsense is no package source: give ppa:owner/name, or snap:track/risk, or a deb line',
    ],
    ['ppa:maas', 'source=ppa:maas is no package source'],
    ['deb-src http://archive.example noble main', 'is no package source'],
    ['deb http://archive.example', 'is no package source'],
    ['snap:3.7', 'source=snap:3.7 is no channel: give snap:track/risk, for example snap:3.7/stable'],
    ['snap:3.7/stable/fix', 'source=snap:3.7/stable/fix is no channel'],
    ['snap:3.7/solid', 'source=snap:3.7/solid is no channel'],
    ['deb http://archive.example noble main\nnot a key', 'is no ASCII-armoured PGP public key'],
    [`deb [signed-by=/etc/k.gpg] http://archive.example noble main\n${KEY}`, 'not both'],
    ['http://user:pa55@archive.example noble', 'source=http://archive.example noble'],
  ])('%j is the user’s mistake, and the message says what to give', (text, message) => {
    expect(() => parseSource(text)).toThrow(
      expect.objectContaining({ code: 'source', remedy: 'user', message: expect.stringContaining(message) }),
    );
  });

  test('the password of a private archive is not shown', () => {
    expect(hideCredentials('deb https://me:pa55@private.example/maas noble main')).toBe(
      'deb https://private.example/maas noble main',
    );
  });
});

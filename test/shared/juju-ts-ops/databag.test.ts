import { describe, expect, test } from '@jest/globals';
import {
  commaList,
  conninfo,
  flag,
  integer,
  json,
  SecretLabel,
  raw,
  Redacted,
  spaceList,
  text,
  yaml,
  type Codec,
  type SecretPlan,
} from 'juju-ts-ops';
import { z } from 'zod';
import { decodeBag, encodeBag } from '../../../shared/juju-ts-ops/src/databag.ts';

const noSecret = ({ secret: { label } }: SecretPlan): string => `secret:of-${label}`;

/** What a text is read as, and what that is written as again. */
function bothWays<T>(codec: Codec<T>, written: string): { read: T; again: string } {
  const read = codec.decode(written);
  return { read, again: codec.encode(read) };
}

describe('codecs', () => {
  test.each([
    ['raw', bothWays(raw, 'a = b'), 'a = b', 'a = b'],
    ['integer', bothWays(integer, '5432'), '5432', 5432],
    ['flag', bothWays(flag, 'true'), 'true', true],
    ['comma list', bothWays(commaList, 'a,b'), 'a,b', ['a', 'b']],
    ['space list', bothWays(spaceList, 'a b'), 'a b', ['a', 'b']],
    ['JSON', bothWays(json(z.object({ a: z.number() })), '{"a":1}'), '{"a":1}', { a: 1 }],
    ['YAML', bothWays(yaml(z.array(z.string())), '- a\n- b\n'), '- a\n- b\n', ['a', 'b']],
    ['a checked text', bothWays(text(z.enum(['up', 'down'])), 'up'), 'up', 'up'],
    [
      'a connection string',
      bothWays(conninfo, "host=db password='it\\'s \\\\ here'"),
      "host=db password='it\\'s \\\\ here'",
      { host: 'db', password: "it's \\ here" },
    ],
  ])('%s reads what it writes', (_name, { read, again }, written, value) => {
    expect([read, again]).toEqual([value, written]);
  });

  test.each([
    ['Python’s True', flag, 'True', true],
    ['a list with blanks and holes', commaList, ' a, ,b,', ['a', 'b']],
    [
      'a connection string with blanks around =',
      conninfo,
      " host = db  user='me' ",
      { host: 'db', user: 'me' },
    ],
    ['an empty value', conninfo, "password='' host=db", { password: '', host: 'db' }],
  ])('%s can be read', (_name, codec, written, value) => {
    expect(codec.decode(written)).toEqual(value);
  });

  test.each([
    ['half a number', integer, '12a'],
    ['a fraction', integer, '1.5'],
    ['a blank', integer, ' '],
    ['a number of another base', integer, '0x1f'],
    ['neither yes nor no', flag, 'perhaps'],
    ['another shape', json(z.object({ a: z.number() })), '{"a":"x"}'],
    ['no JSON', json(z.string()), 'hunter2'],
    ['a connection string that breaks off', conninfo, "host=db password='hunter2"],
    ['words', conninfo, 'hunter2 hunter2'],
  ])('%s is refused without quoting it', (_name, codec, written) => {
    expect(() => codec.decode(written)).toThrow(Error);
    try {
      codec.decode(written);
    } catch (error) {
      expect(String(error)).not.toMatch(/hunter2|perhaps/);
    }
  });
});

describe('a databag', () => {
  const schema = { host: raw, port: integer, key: raw };

  test('one key that is wrong does not take the others with it', () => {
    expect(decodeBag(schema, { host: 'db', port: 'x', other: '1' })).toEqual({
      data: { host: 'db' },
      problems: [{ key: 'port', message: expect.any(String) }],
    });
  });

  test('empty is missing, as in Juju', () => {
    expect(decodeBag(schema, { host: '', port: '' })).toEqual({ data: {}, problems: [] });
  });

  test('keys that the plan leaves out are deleted, and others are not touched', () => {
    const key = { secret: new SecretLabel('password'), content: 'kept', grants: [] } as const;
    expect([...encodeBag(schema, { host: 'db', key }, noSecret)]).toEqual([
      ['host', 'db'],
      ['port', undefined],
      ['key', 'secret:of-password'],
    ]);
  });

  test('what a redacted value prints is never what is written', () => {
    const hidden = {
      decode: (value: string) => new Redacted(value),
      encode: (value: Redacted) => value.reveal(),
    };
    expect([...encodeBag({ password: hidden }, { password: new Redacted('s3cret') }, noSecret)]).toEqual([
      ['password', 's3cret'],
    ]);
  });
});

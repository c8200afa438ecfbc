// What the charm that holds virtual addresses tells those who are reached through them.
import { expect, test } from '@jest/globals';
import { keepalivedVip } from 'juju-ts-interfaces/keepalived-vip';
import { decodeBag, encodeBag } from '../../../shared/juju-ts-ops/src/databag.ts';

const { app, unit } = keepalivedVip.provider;
const noSecret = (): undefined => undefined;

test('the addresses, and whether each is held by some unit', () => {
  const vips = [
    { address: '10.0.0.100', prefix: 24, family: 'ipv4', hostname: 'web.example' },
    { address: 'fd00::100', prefix: 64, family: 'ipv6' },
  ] as const;
  const written = encodeBag(app, { vips, ready: true }, noSecret);
  expect(Object.fromEntries(written)).toEqual({
    vips: '[{"address":"10.0.0.100","prefix":24,"family":"ipv4","hostname":"web.example"},{"address":"fd00::100","prefix":64,"family":"ipv6"}]',
    ready: 'true',
  });
  expect(decodeBag(app, { vips: written.get('vips') ?? '', ready: 'true' })).toEqual({
    data: { vips, ready: true },
    problems: [],
  });
});

test('a unit says which of them it holds now', () => {
  expect(encodeBag(unit, { owner: ['10.0.0.100'] }, noSecret).get('owner')).toBe('["10.0.0.100"]');
  expect(decodeBag(unit, { owner: '[]' }).data).toEqual({ owner: [] });
});

test.each([
  '[{"address":"10.0.0.100","prefix":200,"family":"ipv4"}]',
  '[{"address":"10.0.0.100","prefix":24,"family":"ipx"}]',
  '10.0.0.100',
])('%s is no list of addresses', (text) => {
  expect(decodeBag(app, { vips: text, ready: 'true' })).toMatchObject({
    data: { ready: true },
    problems: [{ key: 'vips' }],
  });
});

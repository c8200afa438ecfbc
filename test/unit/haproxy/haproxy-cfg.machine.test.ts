// HAProxy itself reads what the plan writes, in the lab, where the folders that the file names are.
import { generateKeyPairSync } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { Redacted } from 'juju-ts-ops';
import { certificatePath } from '../../../charms/haproxy/src/render/haproxy-cfg.ts';
import { parseCertificate } from '../../../charms/haproxy/src/certificate.ts';
import { refusalOf } from '../../../charms/haproxy/src/haproxy.ts';
import type { State } from '../../../charms/haproxy/src/state.ts';
import { Machine } from '../../lab/lab.ts';
import { randomState } from './random.ts';
import { cfgOf, regions, relationOf, stateOf } from './states.ts';

let machine: Machine;
beforeAll(async () => {
  machine = await Machine.start('checker');
  // HAProxy looks whether its name servers can be reached.
  for (const family of ['-4', '-6'])
    await machine.run(['ip', family, 'route', 'add', 'default', 'dev', 'lo']);
});
afterAll(() => machine.kill());

/** What HAProxy says to the files of these states, where a warning counts too: nothing. */
async function complaints(states: readonly State[]): Promise<string> {
  let said = '';
  for (const state of states) {
    const cfg = cfgOf(state);
    await machine.run(['tee', '/run/cfg'], cfg);
    const { exitCode, output } = await machine.try(['haproxy', '-c', '-dW', '-f', '/run/cfg']);
    if (exitCode !== 0 || output !== 'Configuration file is valid') said += `${exitCode} ${output}\n${cfg}`;
  }
  return said;
}

test('every combination of options that changes the form of the file', async () => {
  const web = relationOf(5, 'web', {
    'web/0': { hostname: 'fd09::20', port: '80', sitenames: 'www.example' },
    'web/1': { services: '[{"service_name":"named","service_port":81,"servers":[["a","a.example",80,[]]]}]' },
  });
  const states = ['source', 'roundrobin', 'leastconn'].flatMap((balance) =>
    ['', '/MAAS/rpc/'].flatMap((check) =>
      [0, 8404].flatMap((stats) =>
        [[], [regions(0, 1, 2)], [regions(7), web]].map((relations) =>
          stateOf(relations, {
            hasIpv6: stats === 0,
            options: {
              balance,
              'health-check': check,
              'stats-port': stats,
              'server-timeout': stats === 0 ? '15m' : '30s',
              'extra-config': stats === 0 ? '' : 'listen more\n    bind :9999\n    server a 10.0.0.1:1',
            },
          }),
        ),
      ),
    ),
  );
  expect(await complaints(states)).toBe('');
}, 60_000);

test('a certificate', async () => {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const key = privateKey.export({ type: 'pkcs8', format: 'pem' });
  await machine.run(['tee', '/run/key'], key);
  const subject = ['-subj', '/CN=maas.example', '-days', '30'];
  const pem = await machine.run(['openssl', 'req', '-x509', '-key', '/run/key', ...subject]);
  const certificate = parseCertificate(new Redacted(pem), new Redacted(key));
  await machine.write(certificatePath(certificate.pem.digest()), certificate.pem.reveal(), 0o600);
  expect(await complaints([stateOf([regions(0, 1)], { tls: { certificate, isForgotten: false } })])).toBe('');
});

test('what HAProxy would refuse is known before it stands where it reads', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'haproxy-trial-'));
  const made = async (...key: readonly string[]): Promise<Redacted> => {
    const argv = ['req', '-x509', '-nodes', '-subj', '/CN=maas.example', '-days', '30', '-newkey', ...key];
    const [certificate, file] = [join(folder, 'certificate'), join(folder, 'key')];
    await machine.run(['openssl', ...argv, '-keyout', file, '-out', certificate]);
    return new Redacted((await readFile(certificate, 'utf8')) + (await readFile(file, 'utf8')));
  };
  const refusal = (pem: Redacted, extra = ''): Promise<string | undefined> => {
    const state = stateOf([regions(0, 1)], {
      tls: { certificate: { pem }, isForgotten: false },
      options: { 'extra-config': extra },
    });
    const own = certificatePath(pem.digest());
    return refusalOf((path) => cfgOf(state).replaceAll(own, path), pem, folder);
  };
  const good = await made('rsa:2048');
  expect(await refusal(good)).toBeUndefined();
  expect(await refusal(await made('rsa:1024'))).toMatch(/unable to load SSL certificate.*'the certificate'/);
  expect(await refusal(good, 'listen x\n    bnid :9')).toMatch(/haproxy\.cfg:\d+\].*bnid/);
  // Nothing of it stays, the key least of all.
  expect((await readdir(folder)).toSorted()).toEqual(['certificate', 'key']);
  await rm(folder, { recursive: true });
});

test('random options and relation data: a file that is accepted, or a reason why not', async () => {
  const states: State[] = [];
  fc.assert(
    fc.property(randomState, (make) => {
      const state = make();
      if (typeof state === 'string') expect(state).not.toBe('');
      else if (cfgOf(state) !== '') states.push(state);
    }),
    { numRuns: 120 },
  );
  expect(states.length).toBeGreaterThan(40);
  expect(await complaints(states)).toBe('');
}, 120_000);

// keepalived itself reads what the plan writes, on a machine of the lab that has the interfaces and the scripts.
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { Redacted } from 'juju-ts-ops';
import { endpoints } from '../../../charms/keepalived-vip/src/endpoints.ts';
import { CHECK_ADDRESS_SCRIPT } from '../../../charms/keepalived-vip/src/render/check-address.ts';
import { CHECK_SCRIPT } from '../../../charms/keepalived-vip/src/render/check-service.ts';
import { CONFIG } from '../../../charms/keepalived-vip/src/render/keepalived-conf.ts';
import { NOTIFY_SCRIPT } from '../../../charms/keepalived-vip/src/render/notify.ts';
import { PEERS_NFT } from '../../../charms/keepalived-vip/src/render/peers-nft.ts';
import type { State } from '../../../charms/keepalived-vip/src/state.ts';
import { decodeBag } from '../../../shared/juju-ts-ops/src/databag.ts';
import { Lab, type Machine } from '../../lab/lab.ts';
import { planOf, stateOf } from './states.ts';
import { decodePeer, randomPlanInput } from './random.ts';

let lab: Lab;
let machine: Machine;
beforeAll(async () => {
  lab = await Lab.start();
  machine = await lab.machine('one', ['10.9.0.11/24', 'fd09::11/64']);
  const { files } = planOf(stateOf(1));
  for (const path of [CHECK_ADDRESS_SCRIPT, CHECK_SCRIPT, NOTIFY_SCRIPT]) {
    await machine.write(path, files.get(path)?.text ?? '', 0o755);
  }
});
afterAll(() => lab.stop());

/** What keepalived and nft say to the files of these states: nothing. */
async function complaints(states: readonly State[]): Promise<string> {
  const files = states.flatMap((state) => {
    const { files: planned } = planOf(state);
    const [conf, nft] = [planned.get(CONFIG), planned.get(PEERS_NFT)];
    return conf && nft ? [{ conf: conf.text, nft: nft.text }] : [];
  });
  await machine.write('/run/nft', files.map(({ nft }) => nft).join('\n'));
  let said = files.length > 0 ? (await machine.try(['nft', '--check', '--file', '/run/nft'])).output : '';
  for (const { conf } of files) {
    await machine.write('/run/conf', conf, 0o600);
    const { exitCode, output } = await machine.try(['keepalived', '--config-test', '--use-file=/run/conf']);
    if (exitCode !== 0 || output !== '') said += `${exitCode} ${output}\n${conf}`;
  }
  return said;
}

test('every combination of options that changes the form of the file', async () => {
  const peer = decodePeer(2, { addresses: '10.9.0.12,fd09::12' });
  const states = ['10.9.0.100', 'fd09::100/64', '10.9.0.100 10.9.0.101/32 fd09::100'].flatMap((vip) =>
    [2, 3].flatMap((version) =>
      [true, false].flatMap((unicast) =>
        [true, false].flatMap((preempt) =>
          [[], [peer]].map((peers) =>
            stateOf(1, {
              options: {
                vip,
                unicast,
                preempt,
                'vrrp-version': version,
                'advert-interval': version === 2 ? 1 : 0.1,
                track: preempt ? '' : 'haproxy named ssh@1.service',
              },
              peers,
              ...(version === 2 && { authPass: new Redacted('a1b2c3d4') }),
            }),
          ),
        ),
      ),
    ),
  );
  expect(await complaints(states)).toBe('');
}, 60_000);

test('random options and relation data: a file that is accepted, or a status that says why not', async () => {
  const states: State[] = [];
  fc.assert(
    fc.property(randomPlanInput, (input) => {
      const state = input.state();
      if (typeof state === 'string') {
        expect(state).not.toBe('');
        return;
      }
      const { files, status } = planOf(state);
      if (files.has(CONFIG)) states.push(state);
      else expect(status[0]?.level).not.toBe('active');
    }),
    { numRuns: 400 },
  );
  expect(states.length).toBeGreaterThan(50);
  expect(await complaints(states)).toBe('');
}, 120_000);

test('what a peer writes that is no address does not reach the file', () => {
  const bag = {
    addresses: '10.9.0.12,} include /etc/shadow',
    'sends-to': 'x',
    instances: '[{"source":"{"}]',
  };
  const { data, problems } = decodeBag(endpoints['vrrp-cluster'].requirer.unit, bag);
  expect(data).toEqual({});
  expect(problems).toHaveLength(3);
});

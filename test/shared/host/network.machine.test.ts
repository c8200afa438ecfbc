// The addresses of a machine of the lab, as the library reads them there.
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { Machine } from '../../lab/lab.ts';

const NETWORK = join(import.meta.dirname, '../../../shared/host/src/network.ts');
let machine: Machine;
beforeAll(async () => {
  machine = await Machine.start('labelled');
});
afterAll(() => machine.kill());

test('an address with a label is on the device, not on the label', async () => {
  await machine.run(['ip', 'address', 'add', '10.9.0.11/24', 'dev', 'lo', 'label', 'lo:maas']);
  const script = `import { addresses } from ${JSON.stringify(NETWORK)}; console.log(JSON.stringify(addresses()))`;
  const printed = await machine.run([process.execPath, '--input-type=module', '--eval', script]);
  expect(JSON.parse(printed)).toContainEqual({
    interface: 'lo',
    address: '10.9.0.11',
    prefix: 24,
    family: 'ipv4',
  });
});

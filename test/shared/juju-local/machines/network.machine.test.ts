import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { ModelNetwork } from '../../../../shared/juju-local/src/machines/network.ts';
import { describeOnMachines } from '../../../machines.ts';

describeOnMachines('the network of a model', () => {
  test('this host keeps its hardware address there while machines come and go', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'network-'));
    const network = new ModelNetwork('jltest', folder);
    const own = (): Promise<string> => readFile('/sys/class/net/jltest/address', 'utf8');
    try {
      await network.prepare();
      const before = await own();
      // The lowest of eight random ones is nearly always another.
      const machines = ['0', '1', '2', '3', '4', '5', '6', '7'];
      for (const id of machines) {
        await network.connect(id);
        expect(await own()).toBe(before);
      }
      for (const id of machines) await network.disconnect(id);
      expect(await own()).toBe(before);
    } finally {
      await network.destroy();
      await rm(folder, { recursive: true });
    }
  });

  test('models that are made at the same time have different ones, also before their bridges are there', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'networks-'));
    try {
      const models = ['a', 'b', 'c', 'd'].map((name) => new ModelNetwork(`jl${name}`, join(folder, name)));
      const subnets = await Promise.all(models.map((network) => network.subnet()));
      expect(new Set(subnets).size).toBe(models.length);
      // Each keeps its own.
      expect(await new ModelNetwork('jla', join(folder, 'a')).subnet()).toBe(subnets[0]);
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});

#!/usr/bin/env node
// Runs juju-local on the Node that the project brings, whatever Node the machine has.
import { spawnSync } from 'node:child_process';
import module from 'node:module';
import { join } from 'node:path';

if (Number(process.versions.node.split('.')[0]) >= 26) {
  // What is compiled is kept: a command that only asks takes half the time. Where nothing can be kept, it just takes longer.
  module.enableCompileCache(join(import.meta.dirname, '../node_modules/.cache'));
  await import('../src/cli/main.ts');
} else {
  const node = module.createRequire(import.meta.url).resolve(`node-linux-${process.arch}/bin/node`);
  const { status } = spawnSync(node, process.argv.slice(1), { stdio: 'inherit' });
  process.exitCode = status ?? 1;
}

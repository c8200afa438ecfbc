#!/usr/bin/env node
// Runs juju-local on the Node that the project brings, whatever Node the machine has.
import { spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';

if (Number(process.versions.node.split('.')[0]) >= 26) {
  await import('../src/cli/main.ts');
} else {
  const node = createRequire(import.meta.url).resolve(`node-linux-${process.arch}/bin/node`);
  const { status } = spawnSync(node, process.argv.slice(1), { stdio: 'inherit' });
  process.exitCode = status ?? 1;
}

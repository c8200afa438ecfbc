#!/usr/bin/env node
// Runs the builder on the Node that comes with this package, whatever Node the machine has.
import { spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';

if (Number(process.versions.node.split('.')[0]) >= 26) {
  const { builder } = await import('juju-ts-ops/builder');
  process.exitCode = await builder(process.argv.slice(2), process.cwd());
} else {
  const node = createRequire(import.meta.url).resolve(`node-linux-${process.arch}/bin/node`);
  const { status } = spawnSync(node, process.argv.slice(1), { stdio: 'inherit' });
  process.exitCode = status ?? 1;
}

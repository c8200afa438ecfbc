#!/usr/bin/env node
// Runs the builder on the Node that comes with this package, whatever Node the machine has.
import { spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';

/** The program; `undefined` on a machine that npm has none for. */
function bundledNode() {
  try {
    return createRequire(import.meta.url).resolve(`node-linux-${process.arch}/bin/node`);
  } catch {
    return undefined;
  }
}

if (Number(process.versions.node.split('.')[0]) >= 26) {
  const { builder } = await import('juju-ts-ops/builder');
  process.exitCode = await builder(process.argv.slice(2), process.cwd());
} else {
  const node = bundledNode();
  if (node === undefined)
    console.error(
      `juju-ts-ops: this needs Node 26 or later, and here is ${process.versions.node}; on Linux (x64, arm64) npm installs one with the package`,
    );
  const { status } = node === undefined ? {} : spawnSync(node, process.argv.slice(1), { stdio: 'inherit' });
  process.exitCode = status ?? 1;
}

// Installs what a clean clone lacks, on whatever Node the machine has: npm packages always, and the Debian
// packages that building charms needs (`build`), or making machines as well (`machines`), or all tests (`tests`).
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';

const QUIET = ['--no-audit', '--no-fund', '--loglevel=error'];
const POLICY = '/usr/sbin/policy-rc.d';

/** The one library that the project's own Node needs and small images lack. */
const LIBATOMIC = {
  x64: '/usr/lib/x86_64-linux-gnu/libatomic.so.1',
  arm64: '/usr/lib/aarch64-linux-gnu/libatomic.so.1',
}[process.arch];

/** Debian packages by a program of theirs, or by the path of a file. */
const NODE = { [LIBATOMIC]: 'libatomic1' };
const BUILD = { ...NODE, patchelf: 'patchelf', strip: 'binutils' };
const MACHINES = {
  ...BUILD,
  debootstrap: 'debootstrap',
  'systemd-nspawn': 'systemd-container',
  nft: 'nftables',
  ip: 'iproute2',
  'apt-ftparchive': 'apt-utils',
  gpg: 'gnupg',
};
const TESTS = {
  ...MACHINES,
  haproxy: 'haproxy',
  keepalived: 'keepalived',
  'named-checkconf': 'bind9utils',
  '/usr/lib/postgresql': 'postgresql',
  pgbouncer: 'pgbouncer',
  '/usr/lib/python3/dist-packages/psycopg2': 'python3-psycopg2',
  '/usr/lib/python3/dist-packages/yaml': 'python3-yaml',
};

function run(command, args, env = {}) {
  const { status, error } = spawnSync(command, args, { stdio: 'inherit', env: { ...process.env, ...env } });
  if (error) fail(`${command} cannot be run: ${error.message}`);
  if (status !== 0) fail(`${command} ${args.join(' ')} failed`);
}

function fail(message) {
  console.error(`setup: ${message}`);
  process.exit(1);
}

function npmIsCurrent() {
  const installed = 'node_modules/.package-lock.json';
  return existsSync(installed) && statSync(installed).mtimeMs >= statSync('package-lock.json').mtimeMs;
}

/**
 * The npm to install with. npm leaves out optional packages, the linter's among them, that are not made for the Node
 * that it runs on: where that is old, a current npm is brought, on the Node that the project runs on itself.
 */
function npm() {
  const [major] = process.versions.node.split('.');
  if (Number(major) >= 22) return ['npm'];
  const { optionalDependencies } = JSON.parse(readFileSync('shared/juju-ts-ops/package.json', 'utf8'));
  const node = `node-linux-${process.arch}`;
  run('npm', [
    'install',
    '--prefix',
    'dist/setup',
    `${node}@${optionalDependencies[node]}`,
    'npm@11',
    ...QUIET,
  ]);
  return [`dist/setup/node_modules/${node}/bin/node`, 'dist/setup/node_modules/npm/bin/npm-cli.js'];
}

function isHere(program) {
  if (program.startsWith('/')) return existsSync(program);
  return [...(process.env.PATH ?? '').split(':'), '/usr/sbin', '/sbin'].some((folder) =>
    existsSync(`${folder}/${program}`),
  );
}

function installDebianPackages(programs) {
  const missing = Object.keys(programs).filter((program) => !isHere(program));
  if (missing.length === 0) return;
  const packages = [...new Set(missing.map((program) => programs[program]))];
  if (process.getuid() !== 0)
    fail(`run it as root, or install these first: apt-get install ${packages.join(' ')}`);
  if (!/^ID(_LIKE)?=.*(debian|ubuntu)/m.test(readFileSync('/etc/os-release', 'utf8')))
    fail('a Debian or Ubuntu machine is needed');
  console.log(`setup: installing ${packages.join(', ')}`);
  const quiet = { DEBIAN_FRONTEND: 'noninteractive' };
  run('apt-get', ['update', '-qq'], quiet);
  // A daemon that a package brings must not start on this machine: only the tests' own machines run them.
  const isOurs = !existsSync(POLICY);
  if (isOurs) {
    process.once('exit', () => rmSync(POLICY, { force: true }));
    writeFileSync(POLICY, '#!/bin/sh\nexit 101\n', { mode: 0o755 });
  }
  run('apt-get', ['install', '-y', '-qq', '--no-install-recommends', ...packages], quiet);
}

const [what] = process.argv.slice(2);
if (process.platform !== 'linux') fail('Debian or Ubuntu is needed, on x64 or arm64');
const packages = { build: BUILD, machines: MACHINES, tests: TESTS }[what] ?? NODE;
installDebianPackages(packages);
if (!npmIsCurrent()) {
  console.log('setup: installing the npm packages');
  const [program, ...args] = npm();
  run(program, [...args, 'ci', ...QUIET]);
}

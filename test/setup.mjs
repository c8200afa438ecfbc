// Installs what a clean clone lacks, on whatever Node the machine has: npm packages always, and Debian
// packages unless it is called with `npm`.
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, statSync } from 'node:fs';

const DEBIAN_PACKAGES = {
  debootstrap: 'debootstrap',
  'systemd-nspawn': 'systemd-container',
  nft: 'nftables',
  ip: 'iproute2',
  haproxy: 'haproxy',
  keepalived: 'keepalived',
  'named-checkconf': 'bind9utils',
  'apt-ftparchive': 'apt-utils',
  gpg: 'gnupg',
  patchelf: 'patchelf',
  strip: 'binutils',
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

function onPath(program) {
  return [...(process.env.PATH ?? '').split(':'), '/usr/sbin', '/sbin'].some((folder) =>
    existsSync(`${folder}/${program}`),
  );
}

if (!npmIsCurrent()) {
  console.log('setup: installing the npm packages');
  run('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error']);
}

if (process.argv[2] !== 'npm') {
  if (process.platform !== 'linux')
    fail('a Debian or Ubuntu machine is needed; `npm run build` and `npm run check` work anywhere');
  const missing = Object.keys(DEBIAN_PACKAGES).filter((program) => !onPath(program));
  if (missing.length > 0) {
    const packages = [...new Set(missing.map((program) => DEBIAN_PACKAGES[program]))];
    if (process.getuid() !== 0)
      fail(`run it as root, or install these first: apt-get install ${packages.join(' ')}`);
    if (!/^ID(_LIKE)?=.*(debian|ubuntu)/m.test(readFileSync('/etc/os-release', 'utf8'))) {
      fail('a Debian or Ubuntu machine is needed');
    }
    console.log(`setup: installing ${packages.join(', ')}`);
    const quiet = { DEBIAN_FRONTEND: 'noninteractive' };
    run('apt-get', ['update', '-qq'], quiet);
    // A daemon that a package brings must not start on this machine: only the tests' own machines run them.
    run('apt-get', ['install', '-y', '-qq', '--no-install-recommends', ...packages], {
      ...quiet,
      RUNLEVEL: '1',
    });
  }
}

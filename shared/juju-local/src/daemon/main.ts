import { mkdir, readFile, rm } from 'node:fs/promises';
import { createServer, type Socket } from 'node:net';
import { keepPrivate } from './private.ts';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { parseEnv } from 'node:util';
import { ModelLog } from '../agent/log.ts';
import { Scheduler } from '../agent/scheduler.ts';
import { UsageError } from '../errors.ts';
import { CharmStore } from '../charm/archive.ts';
import { lock } from '../machines/lock.ts';
import { CACHE, nspawnMachines, type Mount } from '../machines/nspawn.ts';
import { Model } from '../model/model.ts';
import { Store, STORE, usedCharms } from '../model/store.ts';
import { modelDirectory, Request, socketPath, STATE, type Reply } from './protocol.ts';
import type { Daemon } from './verb.ts';
import { verbs } from './verbs.ts';

const [model, juju] = process.argv.slice(2);
if (model === undefined) throw new Error('which model?');
await serve(model, juju === '4' ? 4 : 3);

/** Runs a model until it is destroyed. @param juju which Juju it is like, if it is new */
async function serve(name: string, juju: 3 | 4): Promise<void> {
  const directory = modelDirectory(name);
  const path = socketPath(name);
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  // Two commands at the same time may both have started a daemon.
  if (!(await lock(`${path}.lock`, false))) process.exit(0);
  await keepPrivate(directory);
  const store = new Store(join(directory, STORE));
  const state = new Model(name, store, juju);
  const log = new ModelLog(join(directory, 'debug-log.ndjson'));
  const charms = new CharmStore(join(CACHE, 'charms'));
  const machines = nspawnMachines({
    model: name,
    directory,
    // Read when a machine boots, because the user may set them after the daemon has started.
    mounts: () => mountsOf(state.settings.config['machine-mounts'] ?? ''),
    packages: () => listOf(state.settings.config['machine-packages'] ?? ''),
  });
  const random = randomBy(process.env['JUJU_LOCAL_SEED']);
  const scheduler = new Scheduler({ model: state, machines, charms, log, random, clock: Date.now });
  await scheduler.start();
  const release = parseEnv(await readFile('/etc/os-release', 'utf8'));
  const base = { name: release['ID'] ?? 'linux', channel: release['VERSION_ID'] ?? '' };
  const daemon: Daemon = { model: state, scheduler, machines, charms, log, base };

  await rm(path, { force: true });
  const server = createServer((socket) => {
    void converse(socket, daemon, async () => {
      server.close();
      store.close();
      await rm(directory, { recursive: true, force: true });
      await rm(path, { force: true });
      await rm(`${path}.lock`, { force: true });
    });
  });
  server.listen(path);
}

/** The verbs after which a charm may be of no use any more. */
const CHANGES_CHARMS = new Set(['deploy', 'deploy-bundle', 'refresh', 'destroy']);

async function pruneCharms({ charms }: Daemon): Promise<void> {
  await charms.prune(await usedCharms(STATE));
}

/** Answers the requests of one command; after the model's last, the daemon ends. */
async function converse(socket: Socket, daemon: Daemon, leave: () => Promise<void>): Promise<void> {
  const say = (reply: Reply): void => {
    if (socket.writable) socket.write(`${JSON.stringify(reply)}\n`);
  };
  socket.on('error', () => socket.destroy());
  for await (const line of createInterface({ input: socket })) {
    const { verb, args } = Request.parse(JSON.parse(line));
    const run = Object.entries(verbs).find(([name]) => name === verb)?.[1];
    try {
      if (!run) throw new UsageError(`"${verb}" is not a command`);
      const answer = await run(daemon, args, (progress) => say({ progress }));
      if (verb === 'destroy') await leave();
      else daemon.model.save();
      if (CHANGES_CHARMS.has(verb)) await pruneCharms(daemon).catch(console.error);
      say({ answer: answer ?? null });
    } catch (error) {
      const problem = error instanceof Error ? error.message : String(error);
      say({ problem, isUsage: error instanceof UsageError });
      if (!(error instanceof UsageError)) console.error(error);
    }
    // Also when it failed half way: what is left needs no daemon to be destroyed.
    if (verb === 'destroy') {
      if (socket.destroyed) process.exit();
      socket.end(() => process.exit());
    }
  }
}

/** `/host:/machine,/other:/there` */
function mountsOf(text: string): readonly Mount[] {
  return listOf(text).map((item) => {
    const [host = '', machine = host] = item.split(':');
    return { host, machine };
  });
}

/** The items of an option that is a list. */
function listOf(text: string): readonly string[] {
  return text.split(',').filter((item) => item !== '');
}

/** Chance; or with a seed, the same numbers in every run (mulberry32). */
function randomBy(seed: string | undefined): () => number {
  if (seed === undefined) return Math.random;
  let state = Number(seed) >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

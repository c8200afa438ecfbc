import { existsSync } from 'node:fs';
import { mkdir, readFile, rm } from 'node:fs/promises';
import { createServer, type Socket } from 'node:net';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { parseEnv } from 'node:util';
import { ModelLog } from '../agent/log.ts';
import { Scheduler } from '../agent/scheduler.ts';
import { UsageError } from '../errors.ts';
import { nspawnMachines, type Mount } from '../machines/nspawn.ts';
import { Model } from '../model/model.ts';
import { Store } from '../model/store.ts';
import { modelDirectory, Request, socketPath, type Reply } from './protocol.ts';
import { verbs, type Daemon } from './verbs.ts';

const [model] = process.argv.slice(2);
if (model === undefined) throw new Error('which model?');
await serve(model);

/** Runs a model until it is destroyed. */
async function serve(name: string): Promise<void> {
  const directory = modelDirectory(name);
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const store = new Store(join(directory, 'model.sqlite'));
  const state = new Model(name, store);
  const log = new ModelLog(join(directory, 'debug-log.ndjson'));
  const machines = nspawnMachines({
    model: name,
    directory,
    // Read when a machine boots, because the user may set them after the daemon has started.
    mounts: () => mountsOf(state.settings.config['machine-mounts'] ?? ''),
  });
  const scheduler = new Scheduler(state, machines, log, randomBy(process.env['JUJU_LOCAL_SEED']));
  await scheduler.start();
  const release = parseEnv(await readFile('/etc/os-release', 'utf8'));
  const base = { name: release['ID'] ?? 'linux', channel: release['VERSION_ID'] ?? '' };
  const daemon: Daemon = { model: state, scheduler, machines, log, base };

  const path = socketPath(name);
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  if (existsSync(path)) await rm(path);
  const server = createServer((socket) => {
    void converse(socket, daemon).then(async (isOver) => {
      if (!isOver) return;
      server.close();
      store.close();
      await rm(path, { force: true });
      await rm(directory, { recursive: true, force: true });
      process.exit(0);
    });
  });
  server.listen(path);
}

/** Answers one request; true when it was the model's last. */
async function converse(socket: Socket, daemon: Daemon): Promise<boolean> {
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
      daemon.model.save();
      say({ answer: answer ?? null });
      if (verb === 'destroy') {
        await new Promise<void>((resolve) => {
          socket.end(resolve);
        });
        return true;
      }
    } catch (error) {
      const problem = error instanceof Error ? error.message : String(error);
      say({ problem, isUsage: error instanceof UsageError });
    }
  }
  return false;
}

/** `/host:/machine,/other:/there` */
function mountsOf(text: string): readonly Mount[] {
  return text
    .split(',')
    .filter((item) => item !== '')
    .map((item) => {
      const [host = '', machine = host] = item.split(':');
      return { host, machine };
    });
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

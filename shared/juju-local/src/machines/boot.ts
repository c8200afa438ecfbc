import { readdir, readFile, readlink, writeFile } from 'node:fs/promises';

/** How many inotify instances one user may have; a machine's systemd takes four or five of root's. */
const MAX_INSTANCES = '/proc/sys/fs/inotify/max_user_instances';
const ENOUGH = 8192;

/** The instances that root has, and may have. */
export interface Inotify {
  readonly used: number;
  readonly most: number;
}

/** Raises the limit that stops machines from booting beyond some two dozen; a host may not allow it. */
export async function raiseInotify(path = MAX_INSTANCES): Promise<void> {
  if (Number(await readFile(path, 'utf8').catch(() => ENOUGH)) >= ENOUGH) return;
  await writeFile(path, String(ENOUGH)).catch(() => undefined);
}

export async function inotify(): Promise<Inotify> {
  const most = Number(await readFile(MAX_INSTANCES, 'utf8').catch(() => '0'));
  const processes = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const counts = await Promise.all(
    processes.map(async (pid) => {
      const files = await readdir(`/proc/${pid}/fd`).catch(() => []);
      const targets = await Promise.all(files.map((fd) => readlink(`/proc/${pid}/fd/${fd}`).catch(() => '')));
      return targets.filter((target) => target === 'anon_inode:inotify').length;
    }),
  );
  return { used: counts.reduce((sum, count) => sum + count, 0), most };
}

/** What is known of a machine that has not booted. */
export interface Evidence {
  /** How its systemd-nspawn ended; absent: it still runs. */
  readonly ended?: string;
  /** What `systemctl is-system-running`, `list-jobs` and `--failed` said; absent: no systemd came up. */
  readonly state?: string;
  readonly jobs?: string;
  readonly failed?: string;
  readonly console: string;
  readonly inotify: Inotify;
  /** How long it was given, in seconds. */
  readonly seconds: number;
}

/** Why a machine has not booted, as far as can be seen, and what to do. */
export function bootProblem(id: string, evidence: Evidence): string {
  const { ended, state, jobs = '', failed = '', console, seconds } = evidence;
  const { used, most } = evidence.inotify;
  const last = console.trim().split('\n').slice(-5).join(' | ');
  const waits = firstWords(jobs);
  const broken = firstWords(failed);
  const reasons = [
    // Each machine takes a few.
    most > 0 &&
      most - used < 8 &&
      `${used} of the ${most} inotify instances of root are taken: sysctl fs.inotify.max_user_instances=${ENOUGH}`,
    ended !== undefined && `systemd-nspawn ended with ${ended}`,
    ended === undefined && state === undefined && `after ${seconds} s it has no systemd`,
    state !== undefined && `after ${seconds} s its systemd is "${state}"`,
    waits !== '' && `which waits for ${waits}`,
    broken !== '' && `failed: ${broken}`,
    last !== '' && `its console ends with: ${last}`,
  ].filter((reason) => reason !== false);
  return `machine ${id} did not boot: ${reasons.join('; ')}. "juju-local start-machine ${id}" tries again`;
}

/** The units in a table of systemctl, a few of them. */
function firstWords(table: string): string {
  const units = [...table.matchAll(/\S+\.(service|socket|target|mount|device|timer|path|slice|swap)\b/g)];
  return units
    .slice(0, 5)
    .map(([unit]) => unit)
    .join(', ');
}

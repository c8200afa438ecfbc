import { HostError } from './errors.ts';
import { lastLines, run, tryRun, type Argv } from './run.ts';

/** A service as systemd sees it. */
export interface ServiceState {
  readonly name: string;
  readonly isInstalled: boolean;
  readonly isRunning: boolean;
  readonly hasFailed: boolean;
  readonly isEnabled: boolean;
  readonly isMasked: boolean;
}

const PROPERTIES = ['LoadState', 'ActiveState', 'SubState', 'UnitFileState'] as const;

/** The state of each service, in the order of the names. */
export async function serviceStates(names: readonly string[]): Promise<readonly ServiceState[]> {
  if (names.length === 0) return [];
  const units = names.map((name) => `${name}.service`);
  const text = await run(['systemctl', 'show', `--property=${PROPERTIES.join(',')}`, ...units]);
  const blocks = text.split('\n\n');
  return names.map((name, index) => {
    const [load, active, sub, file] = PROPERTIES.map(
      (property) => new RegExp(`^${property}=(.*)$`, 'm').exec(blocks[index] ?? '')?.[1] ?? '',
    );
    return {
      name,
      isInstalled: load !== 'not-found',
      // One that dies again and again is `activating` while systemd waits to start it anew.
      isRunning:
        ['active', 'reloading', 'activating'].includes(active ?? '') && !sub?.startsWith('auto-restart'),
      hasFailed: active === 'failed',
      isEnabled: file?.startsWith('enabled') ?? false,
      isMasked: load === 'masked',
    };
  });
}

/** @throws {HostError} `service`, with what the service said last, when it does not run afterwards. */
export async function controlService(verb: 'start' | 'restart' | 'reload', name: string): Promise<void> {
  // So that what failed earlier, or restarted often, does not count against it.
  if (verb !== 'reload') await tryRun(['systemctl', 'reset-failed', `${name}.service`]);
  const { exitCode, stderr } = await tryRun(['systemctl', verb, `${name}.service`]);
  const [state] = await serviceStates([name]);
  if (exitCode === 0 && state?.isRunning) return;
  const { stdout } = await tryRun([
    'journalctl',
    '--unit',
    `${name}.service`,
    '--lines=5',
    '--output=cat',
    '--no-pager',
  ]);
  throw new HostError(
    'service',
    'retry',
    `${name} did not ${verb}: ${lastLines(stdout, 5) || lastLines(stderr)}`,
  );
}

/**
 * Has systemd run a command once, in a unit of its own. The timer replaces a waiting one of the same name.
 * @param delay seconds; if absent, a waiting timer of this name is removed, and that is all
 */
export async function schedule(name: string, delay: number | undefined, command: Argv): Promise<void> {
  await tryRun(['systemctl', 'stop', '--quiet', `${name}.timer`]);
  if (delay === undefined) return;
  // By itself systemd takes up to a minute longer.
  const when = [`--on-active=${delay}`, '--timer-property=AccuracySec=1s'];
  await run(['systemd-run', '--quiet', '--collect', `--unit=${name}`, ...when, ...detached(command)]);
}

/** The command in its own systemd unit, where it outlives the process that starts it. */
export function detached(command: Argv): Argv {
  return ['systemd-run', '--quiet', '--collect', '--no-block', ...command];
}

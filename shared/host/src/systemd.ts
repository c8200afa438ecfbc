import { HostError } from './errors.ts';
import { lastLines, run, tryRun } from './run.ts';

/** A service as systemd sees it. */
export interface ServiceState {
  readonly name: string;
  readonly isInstalled: boolean;
  readonly isRunning: boolean;
  readonly hasFailed: boolean;
  readonly isEnabled: boolean;
  readonly isMasked: boolean;
}

/** The state of each service, in the order of the names. */
export async function serviceStates(names: readonly string[]): Promise<readonly ServiceState[]> {
  return Promise.all(
    names.map(async (name) => {
      const text = await run([
        'systemctl',
        'show',
        '--property=LoadState,ActiveState,UnitFileState',
        `${name}.service`,
      ]);
      const values = new Map(
        text.split('\n').map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]),
      );
      const [load, active, file] = [
        values.get('LoadState'),
        values.get('ActiveState') ?? '',
        values.get('UnitFileState') ?? '',
      ];
      return {
        name,
        isInstalled: load !== 'not-found',
        isRunning: ['active', 'reloading', 'activating'].includes(active),
        hasFailed: active === 'failed',
        isEnabled: file.startsWith('enabled'),
        isMasked: file.startsWith('masked'),
      };
    }),
  );
}

/** @throws {HostError} `service`, with what the service said last, when it does not run afterwards. */
export async function controlService(verb: 'start' | 'restart' | 'reload', name: string): Promise<void> {
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

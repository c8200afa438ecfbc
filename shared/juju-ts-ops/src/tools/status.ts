import type { z } from 'zod';
import { AppStatusAnswer, StatusAnswer, type ShownStatus } from '../answers.ts';
import type { Status, StatusLevel } from '../status.ts';
import type { Caller } from './caller.ts';
import { word } from './command-line.ts';

/** What `juju status` shows of the unit and its application. */
export function statusTools({ ask, run }: Caller) {
  return {
    async statusGet(): Promise<ShownStatus> {
      return shownStatus(await ask(StatusAnswer, 'status-get', ['--include-data']));
    },

    /** The status of the application, and what its units say. @throws {NotLeaderError} */
    async appStatusGet(): Promise<ShownStatus & { readonly units: Readonly<Record<string, ShownStatus>> }> {
      const answer = await ask(AppStatusAnswer, 'status-get', ['--include-data', '--application']);
      const { units, ...own } = answer['application-status'];
      const shown = Object.entries(units ?? {}).map(([name, status]) => [name, shownStatus(status)] as const);
      return { ...shownStatus(own), units: Object.fromEntries(shown) };
    },

    /** Juju shows it at once, even if the hook fails. @throws {NotLeaderError} for the application's status */
    async statusSet(status: Status, of: 'unit' | 'application' = 'unit'): Promise<void> {
      const level: StatusLevel = status.level;
      const application = of === 'application' ? ['--application'] : [];
      await run('status-set', [...application, '--', level, word(status.message)]);
    },

    async applicationVersionSet(version: string): Promise<void> {
      await run('application-version-set', ['--', version]);
    },
  };
}

function shownStatus({ status, message }: z.infer<typeof StatusAnswer>): ShownStatus {
  return { level: status, message };
}

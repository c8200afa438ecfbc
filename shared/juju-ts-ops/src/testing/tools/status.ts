import type { Charmcraft } from '../../charmcraft.ts';
import type { HookRun, Tools } from '../hook-run.ts';
import type { StatusState } from '../state.ts';
import { parse, Refusal } from './command-line.ts';
import { format, FORMAT } from './format.ts';

const LEVELS = ['maintenance', 'blocked', 'waiting', 'active'] as const;

/** What `juju status` shows of the unit and its application. */
export function statusTools<C extends Charmcraft>(hook: HookRun<C>): Tools {
  const { before } = hook;
  return {
    'status-get': (args) => {
      const { values } = parse(
        args,
        {
          ...FORMAT,
          'include-data': { type: 'boolean', default: false },
          application: { type: 'boolean', default: false },
        },
        0,
      );
      const shown = ({ level, message }: StatusState) =>
        values['include-data'] ? { message, status: level, 'status-data': {} } : { status: level };
      const isWord = values.format === 'smart' && !values['include-data'];
      const { status, appStatus } = hook.applied;
      if (!values.application) return format(isWord ? status.level : shown(status), values);
      if (!before.isLeader) throw new Refusal(1, 'finding application status: this unit is not the leader');
      const units = { [before.unit]: shown(status) };
      return format(
        isWord ? appStatus.level : { 'application-status': { ...shown(appStatus), units } },
        values,
      );
    },

    'status-set': (args) => {
      const { values, positionals } = parse(args, { application: { type: 'boolean', default: false } }, 2);
      const [name, message = ''] = positionals;
      if (name === undefined) throw new Refusal(2, 'invalid args, require <status> [message]');
      const level = LEVELS.find((known) => known === name);
      if (!level) throw new Refusal(2, `invalid status "${name}", expected one of [${LEVELS.join(' ')}]`);
      if (values.application && !before.isLeader) throw new Refusal(1, 'this unit is not the leader');
      hook.applied[values.application ? 'appStatus' : 'status'] = { level, message };
      hook[values.application ? 'appStatuses' : 'statuses'].push({ level, message });
      return '';
    },

    'application-version-set': (args) => {
      const [version] = parse(args, {}, 1).positionals;
      if (version === undefined) throw new Refusal(2, 'no version specified');
      hook.applied.workloadVersion = version;
      return '';
    },
  };
}

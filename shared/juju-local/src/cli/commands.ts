import type { Command } from './command.ts';
import { applicationCommands } from './commands/applications.ts';
import { logCommands } from './commands/debug-log.ts';
import { machineCommands } from './commands/machines.ts';
import { modelCommands } from './commands/models.ts';
import { relationCommands } from './commands/relations.ts';
import { removalCommands } from './commands/removal.ts';
import { showCommands } from './commands/show.ts';
import { taskCommands } from './commands/tasks.ts';
import { waitCommands } from './commands/wait.ts';

const all = {
  ...applicationCommands,
  ...logCommands,
  ...machineCommands,
  ...modelCommands,
  ...relationCommands,
  ...removalCommands,
  ...showCommands,
  ...taskCommands,
  ...waitCommands,
};

/** The commands, in the order in which the help lists them. */
export const commands: Readonly<Record<keyof typeof all, Command>> = {
  deploy: all.deploy,
  'add-model': all['add-model'],
  status: all.status,
  'show-unit': all['show-unit'],
  'show-application': all['show-application'],
  'add-unit': all['add-unit'],
  'remove-unit': all['remove-unit'],
  'remove-machine': all['remove-machine'],
  'remove-application': all['remove-application'],
  config: all.config,
  integrate: all.integrate,
  relate: all.relate,
  'add-relation': all['add-relation'],
  'remove-relation': all['remove-relation'],
  run: all.run,
  exec: all.exec,
  'run-hook': all['run-hook'],
  resolved: all.resolved,
  refresh: all.refresh,
  'debug-log': all['debug-log'],
  'model-config': all['model-config'],
  ssh: all.ssh,
  'stop-machine': all['stop-machine'],
  'start-machine': all['start-machine'],
  watch: all.watch,
  wait: all.wait,
  models: all.models,
  'destroy-model': all['destroy-model'],
};

import type { Verb } from './verb.ts';
import { applicationVerbs } from './verbs/applications.ts';
import { machineVerbs } from './verbs/machines.ts';
import { modelVerbs } from './verbs/models.ts';
import { relationVerbs } from './verbs/relations.ts';
import { removalVerbs } from './verbs/removal.ts';
import { showVerbs } from './verbs/show.ts';
import { taskVerbs } from './verbs/tasks.ts';

export const verbs: Readonly<Record<string, Verb>> = {
  ...applicationVerbs,
  ...machineVerbs,
  ...modelVerbs,
  ...relationVerbs,
  ...removalVerbs,
  ...showVerbs,
  ...taskVerbs,
};

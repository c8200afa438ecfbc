import { defineAction, UserError } from 'juju-ts-ops';
import { z } from 'zod';
import { isInRecovery, promote } from './server.ts';
import type { PostgresqlJuju } from './state.ts';

export const actions = {
  'promote-to-primary': defineAction<PostgresqlJuju, { scope: 'unit' }, { scope: string }>(
    z.object({ scope: z.literal('unit', 'this charm knows scope=unit only') }),
    async (_params, juju) => {
      if (!(await isInRecovery())) throw new UserError(`${juju.context.unit} is no standby`);
      await promote();
      return { primary: juju.context.unit };
    },
  ),
};

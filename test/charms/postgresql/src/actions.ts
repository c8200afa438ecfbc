import { replaceFile } from 'juju-ts-host';
import { defineAction, UserError } from 'juju-ts-ops';
import { z } from 'zod';
import { switchHere } from './patroni.ts';
import { read, type PostgresqlJuju } from './read.ts';
import { ROTATION_MARK } from './server.ts';

export const actions = {
  'promote-to-primary': defineAction<PostgresqlJuju, { scope: 'unit' }, { scope: string }>(
    z.object({ scope: z.literal('unit', 'this charm knows scope=unit only') }),
    async (_params, juju) => {
      const { unit, place } = await read(juju);
      if (place !== 'clustered') throw new UserError(`${unit} is no standby`);
      await switchHere(unit);
      return { primary: unit };
    },
  ),

  'rotate-passwords': defineAction<PostgresqlJuju, object>(z.object({}), async (_params, juju) => {
    if (!(await juju.isLeader()))
      throw new UserError(`the leader sees to it: juju run ${juju.context.app}/leader rotate-passwords`);
    await replaceFile({ path: ROTATION_MARK, content: '', mode: 0o600 });
    return {};
  }),
};

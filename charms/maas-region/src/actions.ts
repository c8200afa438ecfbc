import { randomBytes } from 'node:crypto';
import { run } from '@maas-ha/host';
import { defineAction } from 'juju-ts-ops';
import { z } from 'zod';
import type { RegionJuju } from './state.ts';

/** How long a `maas-region` command may take, in milliseconds. */
const timeout = 60_000;

const username = z
  .string()
  .regex(/^[\w.@+-]{1,150}$/, 'the name of a MAAS user: letters, digits and @ . + - _');

export const actions = {
  'create-admin': defineAction<RegionJuju, { username: string; email: string }>(
    z.object({ username, email: z.email('an e-mail address') }),
    async (params) => {
      const password = randomBytes(18).toString('base64url');
      // Without a terminal the prompts read stdin: the password twice, and no SSH keys to import.
      await run(['maas-region', 'createadmin', '--username', params.username, '--email', params.email], {
        stdin: `${password}\n${password}\n\n`,
        timeout,
      });
      return { username: params.username, password };
    },
  ),
  'get-api-key': defineAction<RegionJuju, { username: string }>(z.object({ username }), async (params) => {
    const keys = await run(['maas-region', 'apikey', '--username', params.username], { timeout });
    return { 'api-key': keys.trim().split('\n')[0] ?? '' };
  }),
};

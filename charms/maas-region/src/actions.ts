import { randomBytes } from 'node:crypto';
import { defineAction, Redacted, UserError } from 'juju-ts-ops';
import { z } from 'zod';
import { apiKey, createAdmin } from './controllers.ts';
import type { RegionJuju } from './state.ts';

const username = z
  .string()
  .regex(/^[\w.@+-]{1,150}$/, 'the name of a MAAS user: letters, digits and @ . + - _');

export const actions = {
  'create-admin': defineAction<RegionJuju, { username: string; email: string }>(
    z.object({ username, email: z.email('an e-mail address') }),
    async (params) => {
      const password = new Redacted(randomBytes(18).toString('base64url'));
      await createAdmin(params.username, params.email, password);
      return { username: params.username, password: password.reveal() };
    },
  ),
  'get-api-key': defineAction<RegionJuju, { username: string }>(z.object({ username }), async (params) => {
    const key = await apiKey(params.username);
    if (!key) throw new UserError(`MAAS has no user ${params.username}`);
    return { 'api-key': key.reveal() };
  }),
};

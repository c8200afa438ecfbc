import type { Resource } from 'juju-ts-host';
import { active, maintenance, Redacted, type Plan } from 'juju-ts-ops';
import type { charmcraft } from './charmcraft.ts';
import { databag, type endpoints } from './endpoints.ts';
import { AUTHORITY_KEYS, AUTHORITY_SECRET, type State } from './state.ts';

export function plan({ authority, clients }: State): Plan<typeof charmcraft, typeof endpoints, Resource> {
  return {
    machine: [{ kind: 'packages', names: ['openssl'] }],
    secrets: authority
      ? [
          {
            secret: AUTHORITY_SECRET,
            content: {
              [AUTHORITY_KEYS.certificate]: new Redacted(authority.certificate),
              [AUTHORITY_KEYS.key]: authority.key,
            },
            grants: [],
          },
        ]
      : [],
    databags: clients.map(({ relation, certificates, refused }) =>
      databag('certificates', relation, {
        app: {
          certificates,
          request_errors: refused.map((request) => ({
            certificate_signing_request: request,
            error: { code: 101, name: 'ip_not_allowed', message: 'IP addresses are not allowed' },
          })),
          // The real charm writes none.
          capabilities: undefined,
        },
      }),
    ),
    status: [authority ? active() : maintenance('making the CA')],
  };
}

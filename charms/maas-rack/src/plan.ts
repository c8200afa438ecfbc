import type { Resource } from '@maas-ha/host';
import { forgetIdentity, renderMaasConfig, SECRET_FILE } from '@maas-ha/maas';
import { active, blocked, waiting, type Plan, type Redacted } from 'juju-ts-ops';
import type { charmcraft } from './charmcraft.ts';
import type { endpoints } from './endpoints.ts';
import { awaitRegistration } from './rackd.ts';
import { RACK_PACKAGE, RACKD_CONF, type State } from './state.ts';

export function plan(state: State): Plan<typeof charmcraft, typeof endpoints, Resource> {
  const { region, version } = state;
  const { url, secret } = region ?? {};
  const known = url !== undefined && secret && version !== undefined ? { url, secret } : undefined;
  return {
    machine: [...installation(state), ...(known ? connection(state, known.url, known.secret) : [])],
    ...(version !== undefined && { version }),
    status: [
      region
        ? known
          ? state.isRegistered
            ? active(`follows ${known.url}`)
            : waiting('a region to take this rack in')
          : waiting(`${region.app} to give its URL and secret`)
        : blocked('no region: juju integrate maas-rack:rpc maas-region:rpc'),
    ],
  };
}

/** What is left when the unit goes: nothing that runs. */
export function leave(): readonly Resource[] {
  return [
    { kind: 'service', name: 'maas-rackd', state: 'stopped', enabled: false },
    { kind: 'absent-packages', names: [RACK_PACKAGE] },
  ];
}

function installation({ source }: State): readonly Resource[] {
  return [
    { kind: 'source', name: 'maas', source },
    { kind: 'packages', names: [RACK_PACKAGE] },
    { kind: 'step', id: 'forget-identity', inputs: {}, run: () => forgetIdentity('maas-rackd') },
  ];
}

function connection(
  { options, currentConf, isRegistered }: State,
  url: string,
  secret: Redacted,
): readonly Resource[] {
  const file = { kind: 'file', mode: 0o640, owner: 'root', group: 'maas' } as const;
  return [
    {
      ...file,
      path: RACKD_CONF,
      content: renderMaasConfig(currentConf, { maas_url: [url], debug: options.debug }),
    },
    { ...file, path: SECRET_FILE, content: secret },
    {
      kind: 'service',
      name: 'maas-rackd',
      state: 'running',
      enabled: true,
      onChange: 'restart',
      // rackd reads a changed URL by itself within half a minute; a restart would stop DHCP. A secret it reads only once.
      after: [SECRET_FILE],
    },
    ...(isRegistered
      ? []
      : [{ kind: 'step', id: 'await-registration', run: awaitRegistration } satisfies Resource]),
  ];
}

import { DEB } from '@maas-ha/maas';
import { Redacted } from 'juju-ts-ops';
import type { State } from '../../../charms/maas-rack/src/state.ts';

export const RACKD_CONF = DEB.conf.rack;
export const SECRET = '0123456789abcdef0123456789abcdef';
export const MAAS_34 = '1:3.4.10-14366-g.518bf2c-0ubuntu1';
export const MAAS_37 = '1:3.7.3-17487-g.362c9ab-0ubuntu1';

/** A unit that has looked at its source, and found this version. */
export function prepared(version: string): State['preparation'] {
  return { source: 'ppa:maas/3.7', asked: '', isKnownSource: true, file: '/state/prepared', version };
}

/** A rack that is connected to its three regions. */
export function connected(known: Partial<State> = {}): State {
  return {
    options: { source: '', debug: false },
    source: 'ppa:maas/3.7',
    maas: DEB,
    isAdopted: false,
    isInitialised: true,
    packages: ['maas-rack-controller'],
    version: '3.7',
    packageVersion: MAAS_37,
    preparation: prepared(MAAS_37),
    hasRegion: false,
    region: { app: 'maas-region', url: 'http://10.0.0.200/MAAS', secret: new Redacted(SECRET) },
    currentConf: { cluster_uuid: 'f00' },
    hostname: 'rack-0',
    relations: [7],
    observers: [],
    app: 'maas-rack',
    model: { name: 'maas', uuid: '12345678-aaaa-bbbb-cccc-0123456789ab' },
    isBeingRemoved: false,
    unit: 'maas-rack/0',
    isPaused: false,
    isRegistered: true,
    connected: 3,
    regions: 3,
    soleDhcp: [],
    isSecretNewer: false,
    sharesSecret: false,
    ...known,
  };
}

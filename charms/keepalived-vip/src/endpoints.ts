import { keepalivedVip } from '@maas-ha/interfaces/keepalived-vip';
import { commaList, defineInterface, definePeerInterface, raw } from 'juju-ts-ops';

/** The interface that every principal has; nothing passes over it. */
const jujuInfo = defineInterface({
  name: 'juju-info',
  provider: { app: {}, unit: {} },
  requirer: { app: {}, unit: {} },
});

/** What the units of this application tell each other. */
const vrrpCluster = definePeerInterface({
  name: 'vrrp-cluster',
  app: {
    /** URI of the Juju secret whose key `auth-pass` VRRP version 2 authenticates with. */
    'auth-secret-id': raw,
  },
  unit: {
    /** Where this unit sends VRRP from. */
    address: raw,
    /** The units that this one sends VRRP to. A unit starts only when the others send to it: see plan.ts. */
    peers: commaList,
  },
});

export const endpoints = { 'juju-info': jujuInfo, vip: keepalivedVip, 'vrrp-cluster': vrrpCluster };

import { cosAgent } from '@maas-ha/interfaces/cos_agent';
import { http } from '@maas-ha/interfaces/http';
import { keepalivedVip } from '@maas-ha/interfaces/keepalived-vip';
import { tlsCertificates } from '@maas-ha/interfaces/tls-certificates';
import { defineInterface, definePeerInterface } from 'juju-ts-ops';

/** The interface that every principal has; nothing passes over it. */
const jujuInfo = defineInterface({
  name: 'juju-info',
  provider: { app: {}, unit: {} },
  requirer: { app: {}, unit: {} },
});

/** Units say nothing of their own to each other: Juju 4 deletes a unit that has no peers before it has cleaned up. */
const proxyCluster = definePeerInterface({ name: 'haproxy-cluster', app: {}, unit: {} });

export const endpoints = {
  'juju-info': jujuInfo,
  reverseproxy: http,
  website: http,
  certificates: tlsCertificates,
  vip: keepalivedVip,
  'cos-agent': cosAgent,
  'proxy-cluster': proxyCluster,
};

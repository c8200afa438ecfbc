import { cosAgent } from 'juju-ts-interfaces/cos_agent';
import { http } from 'juju-ts-interfaces/http';
import { keepalivedVip } from 'juju-ts-interfaces/keepalived-vip';
import { tlsCertificates } from 'juju-ts-interfaces/tls-certificates';
import { defineDatabags, defineEndpoints, defineInterface, definePeerInterface } from 'juju-ts-ops';
import { charmcraft } from './charmcraft.ts';

/** The interface that every principal has; nothing passes over it. */
const jujuInfo = defineInterface({
  name: 'juju-info',
  provider: { app: {}, unit: {} },
  requirer: { app: {}, unit: {} },
});

/** Units say nothing of their own to each other: Juju 4 deletes a unit that has no peers before it has cleaned up. */
const proxyCluster = definePeerInterface({ name: 'haproxy-cluster', app: {}, unit: {} });

export const endpoints = defineEndpoints(charmcraft, {
  'juju-info': jujuInfo,
  reverseproxy: http,
  website: http,
  certificates: tlsCertificates,
  vip: keepalivedVip,
  'cos-agent': cosAgent,
  'proxy-cluster': proxyCluster,
});

/** An entry of a plan's databags. */
export const databag = defineDatabags(charmcraft, endpoints);

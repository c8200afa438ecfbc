import { maasRpc } from '@maas-ha/maas';
import { cosAgent } from 'juju-ts-interfaces/cos_agent';
import { defineDatabags, defineEndpoints, definePeerInterface } from 'juju-ts-ops';
import { charmcraft } from './charmcraft.ts';

/** Over it racks agree whose turn it is to be upgraded; they say nothing else to each other. */
const rackCluster = definePeerInterface({ name: 'maas-rack-cluster', app: {}, unit: {} });

export const endpoints = defineEndpoints(charmcraft, {
  rpc: maasRpc,
  'cos-agent': cosAgent,
  'rack-cluster': rackCluster,
});

/** An entry of a plan's databags. */
export const databag = defineDatabags(charmcraft, endpoints);

import { cosAgent } from '@maas-ha/interfaces/cos_agent';
import { maasRpc } from '@maas-ha/interfaces/maas-rpc';
import { definePeerInterface } from 'juju-ts-ops';

/** Over it racks agree whose turn it is to be upgraded; they say nothing else to each other. */
const rackCluster = definePeerInterface({ name: 'maas-rack-cluster', app: {}, unit: {} });

export const endpoints = { rpc: maasRpc, 'cos-agent': cosAgent, 'rack-cluster': rackCluster };

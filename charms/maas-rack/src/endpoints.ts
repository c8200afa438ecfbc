import { cosAgent } from '@maas-ha/interfaces/cos_agent';
import { maasRpc } from '@maas-ha/interfaces/maas-rpc';

export const endpoints = { rpc: maasRpc, 'cos-agent': cosAgent };

import { maasRpc } from '@maas-ha/interfaces/maas-rpc';

export const endpoints = { rpc: maasRpc };

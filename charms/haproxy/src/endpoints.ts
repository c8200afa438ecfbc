import { cosAgent } from '@maas-ha/interfaces/cos_agent';
import { http } from '@maas-ha/interfaces/http';
import { keepalivedVip } from '@maas-ha/interfaces/keepalived-vip';
import { tlsCertificates } from '@maas-ha/interfaces/tls-certificates';
import { defineInterface } from 'juju-ts-ops';

/** The interface that every principal has; nothing passes over it. */
const jujuInfo = defineInterface({
  name: 'juju-info',
  provider: { app: {}, unit: {} },
  requirer: { app: {}, unit: {} },
});

export const endpoints = {
  'juju-info': jujuInfo,
  reverseproxy: http,
  website: http,
  certificates: tlsCertificates,
  vip: keepalivedVip,
  'cos-agent': cosAgent,
};

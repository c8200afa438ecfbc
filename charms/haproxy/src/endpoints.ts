import { http } from '@maas-ha/interfaces/http';
import { defineInterface } from 'juju-ts-ops';

/** The interface that every principal has; nothing passes over it. */
const jujuInfo = defineInterface({
  name: 'juju-info',
  provider: { app: {}, unit: {} },
  requirer: { app: {}, unit: {} },
});

export const endpoints = { 'juju-info': jujuInfo, reverseproxy: http, website: http };

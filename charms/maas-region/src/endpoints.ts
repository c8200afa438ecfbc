import { http } from '@maas-ha/interfaces/http';
import { keepalivedVip } from '@maas-ha/interfaces/keepalived-vip';
import { maasRpc } from '@maas-ha/interfaces/maas-rpc';
import { pgsql } from '@maas-ha/interfaces/pgsql';
import { postgresqlClient } from '@maas-ha/interfaces/postgresql_client';
import { definePeerInterface, raw } from 'juju-ts-ops';

/** What the regions of this application tell each other. */
const regionCluster = definePeerInterface({
  name: 'maas-region-cluster',
  app: {
    /** The MAAS version (`3.7`) whose schema the database has; absent until it was migrated for the first time. */
    schema: raw,
  },
  unit: { hostname: raw, address: raw },
});

export const endpoints = {
  db: pgsql,
  database: postgresqlClient,
  vip: keepalivedVip,
  rpc: maasRpc,
  api: http,
  'region-cluster': regionCluster,
};

import { pgsql } from '@maas-ha/interfaces/pgsql';
import { postgresqlClient } from '@maas-ha/interfaces/postgresql_client';
import { definePeerInterface, json, raw } from 'juju-ts-ops';
import { z } from 'zod';

const cluster = definePeerInterface({
  name: 'postgresql-peers',
  app: {
    /** URI of the Juju secret that standbys replicate with. */
    'replication-secret-id': raw,
  },
  unit: {
    address: raw,
    /** PostgreSQL's own count of promotions, from a unit that is the primary, or was. */
    timeline: json(z.int().positive()),
  },
});

export const endpoints = { db: pgsql, database: postgresqlClient, cluster };

import { pgsql } from 'juju-ts-interfaces/pgsql';
import { postgresqlClient } from 'juju-ts-interfaces/postgresql_client';
import { defineEndpoints, definePeerInterface, json, raw } from 'juju-ts-ops';
import { z } from 'zod';
import { charmcraft } from './charmcraft.ts';

const cluster = definePeerInterface({
  name: 'postgresql-peers',
  app: {
    /** URI of the Juju secret that all units share. */
    'secret-id': raw,
    /** Addresses of the units that may join the cluster. The first is the unit that began with the data. */
    members: json(z.array(z.string()).readonly()),
  },
  unit: {
    address: raw,
    /** `primary` or `standby`, from a unit that has joined the cluster. */
    role: raw,
  },
});

export const endpoints = defineEndpoints(charmcraft, { db: pgsql, database: postgresqlClient, cluster });

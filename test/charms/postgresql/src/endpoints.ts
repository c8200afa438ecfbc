import { pgsql } from '@maas-ha/interfaces/pgsql';
import { postgresqlClient } from '@maas-ha/interfaces/postgresql_client';

export const endpoints = { db: pgsql, database: postgresqlClient };

import { cosAgent } from '@maas-ha/interfaces/cos_agent';
import { http } from '@maas-ha/interfaces/http';
import { keepalivedVip } from '@maas-ha/interfaces/keepalived-vip';
import { maasRpc } from '@maas-ha/interfaces/maas-rpc';
import { pgsql } from '@maas-ha/interfaces/pgsql';
import { postgresqlClient } from '@maas-ha/interfaces/postgresql_client';
import { tlsCertificates } from '@maas-ha/interfaces/tls-certificates';
import { definePeerInterface, json, raw } from 'juju-ts-ops';
import { z } from 'zod';

const Hostnames = z.record(z.string(), z.string());
/** Host names by unit. */
export type Hostnames = Readonly<z.infer<typeof Hostnames>>;

/**
 * The version of MAAS' packages that a database was migrated to, from which one where it had another before, the
 * relation over which that database was got, and its name.
 */
const Schema = z.object({
  version: z.string(),
  from: z.string().optional(),
  relation: z.int(),
  database: z.string().optional(),
});
export type Schema = Readonly<z.infer<typeof Schema>>;

/** What MAAS has been told to set, because options say so, and over which relation its database was got. */
const SettingsSet = z.object({ relation: z.int(), values: z.record(z.string(), z.string()) });
export type SettingsSet = Readonly<z.infer<typeof SettingsSet>>;

/** The certificate that MAAS was told to serve HTTPS with, and over which relation its database was got. */
const TlsServed = z.object({ relation: z.int(), fingerprint: z.string() });
export type TlsServed = Readonly<z.infer<typeof TlsServed>>;

const SoleDhcp = z.record(z.string(), z.array(z.string()).readonly());
/** By the short host names of racks: the VLANs that would have no DHCP without it. */
export type SoleDhcp = Readonly<z.infer<typeof SoleDhcp>>;

/** What the regions of this application tell each other. */
const regionCluster = definePeerInterface({
  name: 'maas-region-cluster',
  app: {
    /** Absent until the database was migrated for the first time. */
    schema: json(Schema),
    /** The URL that all regions have in common, because the last one to start writes its own into the database. */
    url: raw,
    /** The version that every region is to be upgraded to; absent while there is none. */
    target: raw,
    /** Changes when the regions are to look for newer packages in the same source. */
    look: raw,
    /** How often MAAS has had a new secret. Every region restarts to use the newest. */
    rotation: json(z.int()),
    /** The controllers of MAAS, to be forgotten by it once their units are gone. */
    regions: json(Hostnames),
    racks: json(Hostnames),
    /** As MAAS had it when it was last asked. */
    soleDhcp: json(SoleDhcp),
    /** So that what an option does not say any more can be taken back, and nothing else. */
    settings: json(SettingsSet),
    /** Absent where the charm has not had MAAS serve HTTPS. */
    tls: json(TlsServed),
  },
  unit: {
    hostname: raw,
    address: raw,
    /** The version that is installed: an older one does not run any more. */
    version: raw,
    /** The version that could be installed at once. */
    ready: raw,
    /** The relation whose database it may be serving; absent while it serves none. */
    database: json(z.int()),
  },
});

export const endpoints = {
  db: pgsql,
  database: postgresqlClient,
  vip: keepalivedVip,
  rpc: maasRpc,
  api: http,
  'cos-agent': cosAgent,
  certificates: tlsCertificates,
  'region-cluster': regionCluster,
};

import { maasRpc } from '@maas-ha/maas';
import { cosAgent } from 'juju-ts-interfaces/cos_agent';
import { http } from 'juju-ts-interfaces/http';
import { keepalivedVip } from 'juju-ts-interfaces/keepalived-vip';
import { pgsql } from 'juju-ts-interfaces/pgsql';
import { postgresqlClient } from 'juju-ts-interfaces/postgresql_client';
import { tlsCertificates } from 'juju-ts-interfaces/tls-certificates';
import {
  defineDatabags,
  defineEndpoints,
  definePeerInterface,
  json,
  raw,
  type DatabagPlan,
} from 'juju-ts-ops';
import { z } from 'zod';
import { charmcraft } from './charmcraft.ts';

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

const Left = z.object({ regions: Hostnames, racks: Hostnames });
/** Controllers whose units left before the leader had named them. */
export type Left = Readonly<z.infer<typeof Left>>;
/** How {@link Left} stands in a databag. */
export const left = json(Left);

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
    /** The target for which it stands still, with its old packages: the database may be migrated to that. */
    stopped: raw,
    /** The relation whose database it may be serving; absent while it serves none. */
    database: json(z.int()),
    /** Who left before the leader had named them, to be forgotten by MAAS: nobody else remembers them. */
    left,
  },
});

export const endpoints = defineEndpoints(charmcraft, {
  db: pgsql,
  database: postgresqlClient,
  vip: keepalivedVip,
  rpc: maasRpc,
  api: http,
  'cos-agent': cosAgent,
  certificates: tlsCertificates,
  'region-cluster': regionCluster,
});

/** An entry of a plan's databags. */
export type RegionDatabag = DatabagPlan<typeof charmcraft, typeof endpoints>;
export const databag = defineDatabags(charmcraft, endpoints);

import { heldAddresses, ownAddress } from 'juju-ts-host';
import { postgresqlConnection } from 'juju-ts-interfaces/postgresql_client';
import { requestCertificate, TLS_SECRET } from 'juju-ts-interfaces/tls-certificates';
import { UserError } from 'juju-ts-ops';
import type { GuestbookJuju } from './endpoints.ts';

/** What Juju and the machine say. */
export async function read(juju: GuestbookJuju) {
  const [options, isLeader, network, held, websites, agents] = await Promise.all([
    juju.options(),
    juju.isLeader(),
    juju.network('website'),
    heldAddresses(),
    juju.relations('website'),
    juju.relations('cos-agent'),
  ]);
  if (options.port === options['tls-port'])
    throw new UserError(`port and tls-port are both ${options.port}: juju config tls-port=8443`);
  const address = ownAddress(network, { known: [], held }) ?? '';
  const names = [...(options.hostname === '' ? [] : [options.hostname]), address];
  const { app, model } = juju.context;
  return {
    app,
    model,
    options,
    isLeader,
    address,
    websites: websites.map(({ id }) => id),
    agents: agents.map(({ id }) => id),
    database: await readDatabase(juju),
    tls: await readTls(juju, names),
  };
}

/** What the charm decides by. */
export type State = Awaited<ReturnType<typeof read>>;

async function readDatabase(juju: GuestbookJuju) {
  const [relation] = await juju.relations('database');
  if (!relation) return undefined;
  const state = await postgresqlConnection(relation, (uri) => juju.secret(uri));
  return { relation: relation.id, state };
}

async function readTls(juju: GuestbookJuju, names: readonly string[]) {
  const [[relation], broken] = await Promise.all([
    juju.relations('certificates'),
    juju.brokenRelation('certificates'),
  ]);
  if (!relation) return { isForgotten: broken !== undefined };
  const secret = await juju.ownSecret(TLS_SECRET);
  return {
    isForgotten: false,
    request: requestCertificate(relation, { owner: 'unit', names, secret, now: Date.now() }),
  };
}

import { inWords, shortName, tooOld } from '@maas-ha/maas';
import { active, blocked, maintenance, waiting, type Status } from 'juju-ts-ops';
import { connectionsNeeded } from './database.ts';
import { databaseProxyNotes, databaseProxyStatus } from './database-proxy/plan.ts';
import { isTakenBack, notStopped, twinOf, type Known } from './known.ts';
import { passwordProblem } from './password.ts';
import type { State } from './state.ts';
import { tlsStatus } from './tls.ts';
import { notReady, obstacleOf, upgradeInWords, type Upgrade } from './upgrade.ts';

export function statusesOf(
  state: State,
  url: string | undefined,
  known: Known | undefined,
  { mayServe, upgrade }: { readonly mayServe: boolean; readonly upgrade: Upgrade | undefined },
): readonly Status[] {
  const missing = missingForConfig(state, url);
  if (missing) return [missing];
  if (!known) return [waiting(state.maas.name)];
  const obstacle = state.isLeader ? obstacleOf(state) : undefined;
  if (obstacle !== undefined) return [blocked(obstacle)];
  if (!mayServe) return [notServing(state, known, upgrade)];
  const { portConflict } = state;
  if (portConflict) {
    const { holder, port, part } = portConflict;
    return [blocked(`${holder} listens on port ${port}, where ${part} would: stop and remove it`)];
  }
  const databaseProblem = state.databaseProxy && databaseProxyStatus(state.databaseProxy);
  if (databaseProblem) return [databaseProblem];
  if (!state.isServing) return [waiting('regiond to serve')];
  const sharing = sharingAddress(state);
  if (sharing !== undefined) return [blocked(sharing)];
  const renamed = renamedDatabase(state, known);
  if (renamed !== undefined) return [blocked(renamed)];
  if (state.dnsProblem !== undefined)
    return [blocked(`named does not take its configuration, mend /etc/bind: ${state.dnsProblem}`)];
  if (state.isNamedDown)
    return [blocked('named does not run, journalctl -u named says why: DNS is down here')];
  const tlsProblem = tlsStatus(state);
  if (tlsProblem) return [tlsProblem];
  return [active([`serves ${known.url}`, ...notesOf(state)].join('; '))];
}

/** Why regiond cannot be configured yet; nothing if it can. */
function missingForConfig(state: State, url: string | undefined): Status | undefined {
  const { database, vip, balancer, app, isLeader, options, version } = state;
  const age = version === undefined ? undefined : tooOld(version);
  if (age !== undefined) return blocked(age);
  if (database.kind === 'none') {
    return blocked(`no database: juju integrate ${app}:database postgresql:database`);
  }
  if (database.kind === 'waiting') return waiting(database.reason);
  const broken = version === undefined ? undefined : passwordProblem(database.connection.password, version);
  if (broken !== undefined) return blocked(broken);
  const twin = twinOf(state);
  if (twin !== undefined) {
    return blocked(
      `${twin} is called ${shortName(state.hostname)} too, and MAAS would take the two for one: hostnamectl set-hostname <another>`,
    );
  }
  if (url !== undefined) return undefined;
  if (options['tls-mode'] === 'termination') return tlsStatus(state);
  if (vip && vip.address === undefined) return waiting(`${vip.app} to have a virtual address`);
  if (balancer && !balancer.frontend) return waiting(`${balancer.app} to say where it listens`);
  return waiting(isLeader ? 'this unit to have an address' : 'the leader to say where MAAS is reached');
}

/** Two units at one address are one to balancers and to other regions. */
function sharingAddress({ address, peers, app }: State): string | undefined {
  const same = address === '' ? undefined : peers.find((peer) => peer.address === address);
  return (
    same &&
    `${same.unit} has the address ${address} too: juju bind ${app} <the space of the machines' network>`
  );
}

/** The name of a database cannot be changed under a MAAS that is in it. */
function renamedDatabase({ options, app }: State, { database: { database } }: Known): string | undefined {
  return options['database-name'] === database
    ? undefined
    : `database-name cannot change, MAAS is in ${database}: juju config ${app} database-name=${database}`;
}

/** What a region waits for that could run and does not, because the database is not that of its MAAS. */
function notServing(state: State, known: Known, upgrade: Upgrade | undefined): Status {
  const { isLeader, cluster, app } = state;
  const { packageVersion, relation } = known;
  if (upgrade) {
    const what = isLeader && upgrade.lagging.length > 0 ? `${upgrade.lagging.join(', ')} to stop` : undefined;
    return maintenance(
      `${upgradeInWords(upgrade)}: waiting for ${what ?? 'the leader to migrate the database'}`,
    );
  }
  const schema = cluster?.schema;
  if (schema === undefined || schema.relation !== relation || isTakenBack(state, known)) {
    const others = notStopped(state);
    return waiting(
      isLeader && others.length > 0
        ? `${others.join(', ')} to stop, before the database is migrated`
        : 'the leader to migrate the database',
    );
  }
  const [here, there] = inWords(packageVersion, schema.version);
  return blocked(
    `MAAS ${here} is installed here, and the database is that of ${there}: juju run ${app}/leader upgrade`,
  );
}

/** What the user should know, though MAAS serves. */
function notesOf(state: State): readonly string[] {
  const { options, vip, isLeader, departed, connectionLimit, peers, database, sourceNote } = state;
  const own = [
    ...(sourceNote === undefined ? [] : [sourceNote]),
    ...(state.databaseProxy ? databaseProxyNotes(state.databaseProxy) : []),
  ];
  if (!isLeader) return own;
  const regions = peers.length + 1;
  const needed = connectionsNeeded(regions, options['num-workers']);
  return [
    ...own,
    ...[notReady(state)].filter((note) => note !== undefined),
    ...(options['maas-url'] === '' && !vip && regions > 1
      ? ['this is the address of one region: relate keepalived-vip for one that outlives it']
      : []),
    ...(connectionLimit !== undefined && connectionLimit < needed && database.kind === 'ready'
      ? [
          `PostgreSQL allows ${connectionLimit} connections, ${regions} regions need max_connections=${needed}`,
        ]
      : []),
    ...(departed?.regions ?? []).flatMap(({ hostname, systemId, isRunning }) =>
      systemId === undefined ? [] : [`MAAS still lists ${hostname}${isRunning ? ' as running' : ''}`],
    ),
    ...(departed?.racks ?? []).flatMap(({ hostname, systemId, soleDhcpOf }) => {
      if (systemId === undefined) return [];
      if (soleDhcpOf.length === 0) return [`MAAS still lists ${hostname}`];
      return [
        `${hostname} is gone and was the only rack with DHCP on ${soleDhcpOf.join(' and ')}: add a rack there`,
      ];
    }),
  ];
}

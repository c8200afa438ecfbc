import type { Resource } from 'juju-ts-host';
import { renderMaasConfig } from '@maas-ha/maas';
import { blocked, type Redacted, type Status } from 'juju-ts-ops';
import { localApi } from '../cluster/controllers.ts';
import type { Known } from '../cluster/known.ts';
import { hasTemporal } from '../network/plan.ts';
import type { State } from '../state.ts';
import { migrateDnsOptions, startNamed } from './dns.ts';
import { changeSettings, settingChanges, wantedSettings } from './settings.ts';
import type { Config } from './state.ts';

/** How long regiond keeps a session with the database, in seconds: a day, where the user has not set it. */
const SESSION_AGE = 86_400;

export function configuration(state: State, known: Known): Resource {
  const { maas } = state.region;
  return {
    kind: 'file',
    path: maas.conf.region,
    content: regiondConf(state, known),
    mode: 0o640,
    owner: 'root',
    group: maas.group,
    // MAAS checks every value whenever it reads the file; this makes it do so before the file counts. Its own
    // `local_config_set` would take the password in its arguments, where every user of the machine could read it.
    ...(maas.validateRegion && { validate: maas.validateRegion() }),
  };
}

export function regiondConf(
  { options, region, network }: State,
  { url, database, version }: Known,
): Redacted {
  return renderMaasConfig(region.currentConf, {
    maas_url: url,
    database_host: database.host,
    database_port: database.port,
    database_name: database.database,
    database_user: database.user,
    database_pass: database.password.reveal(),
    // Else regiond logs in anew every five minutes, which fails from when PostgreSQL has a new password until it is told here.
    database_conn_max_age: region.currentConf['database_conn_max_age'] ?? SESSION_AGE,
    num_workers: options['num-workers'],
    debug: options.debug,
    // Else MAAS takes the address that it reaches the URL from, which is the virtual one on the machine that holds it.
    ...(hasTemporal(version) && { broadcast_address: network.address }),
  });
}

/** That named can answer. */
export function namedResources({ region, hook, config }: State): readonly Resource[] {
  const { dnsProblem: problem, isNamedDown } = config;
  if (problem !== undefined)
    return [
      {
        kind: 'step',
        id: 'migrate-dns-options',
        inputs: { problem },
        run: () => migrateDnsOptions(region.maas),
      },
    ];
  return isNamedDown ? [{ kind: 'step', id: 'start-named', inputs: { hook }, run: startNamed }] : [];
}

/** The leader has MAAS set what options say, and what is changed in MAAS itself stays until the option changes. */
export function settingSteps(
  { region: { maas }, hook, options, cluster: { settings } }: State,
  { relation }: Known,
): readonly Resource[] {
  // Nothing of it is in another database.
  const before = settings?.relation === relation ? settings.values : {};
  const changes = settingChanges(wantedSettings(options), before);
  if (changes.length === 0) return [];
  return [
    {
      kind: 'step',
      id: 'change-settings',
      inputs: { hook },
      run: async () => changeSettings(changes, await localApi(maas)),
    },
  ];
}

/** Who listens where MAAS would; nothing if nobody does. */
export function portStatus({ portConflict }: Config): Status | undefined {
  if (!portConflict) return undefined;
  const { holder, port, part } = portConflict;
  return blocked(`${holder} listens on port ${port}, where ${part} would: stop and remove it`);
}

/** Why named does not answer; nothing if it does. */
export function namedStatus({ dnsProblem, isNamedDown }: Config): Status | undefined {
  if (dnsProblem !== undefined)
    return blocked(`named does not take its configuration, mend /etc/bind: ${dnsProblem}`);
  return isNamedDown
    ? blocked('named does not run, journalctl -u named says why: DNS is down here')
    : undefined;
}

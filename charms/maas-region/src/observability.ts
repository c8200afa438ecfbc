import {
  cosAgentConfig,
  type AlertRule,
  type Dashboard,
  type Observability,
  type ScrapeJob,
} from 'juju-ts-interfaces/cos_agent';
import { REGION_HTTP_PORT, type Installation } from '@maas-ha/maas';
import { isAtLeast } from 'juju-ts-ops';
import { charmcraft } from './charmcraft.ts';
import { METRICS_PORT as DATABASE_METRICS_PORT } from './database/proxy/plan.ts';
import { databag, type RegionDatabag, type TlsServed } from './endpoints.ts';
import type { State } from './state.ts';
import { MAAS_TLS_PORT } from './tls/plan.ts';

/** Where regiond itself tells how it does, from MAAS 2.6 on; not through the web server before it. */
const REGIOND_METRICS_PORT = 5239;

/** @param log how regiond's words are read */
const metricRules = ({ overview }: Installation, log: string): readonly AlertRule[] => [
  {
    alert: 'MaasAllRegionsDown',
    expr: 'max by (juju_model, juju_application) (up{%%juju_topology%%}) == 0',
    for: '1m',
    severity: 'critical',
    summary: 'No MAAS region controller of {{ $labels.juju_application }} runs.',
    description:
      'Nothing can be deployed and MAAS cannot be reached. Look at the database first: without it no region serves.',
  },
  {
    alert: 'MaasRegionDown',
    expr: 'max by (juju_model, juju_application, juju_unit) (up{%%juju_topology%%}) == 0',
    for: '3m',
    severity: 'warning',
    summary: 'The MAAS region controller {{ $labels.juju_unit }} does not run.',
    description: `The others go on. \`juju ssh {{ $labels.juju_unit }} ${log}\` says why.`,
  },
  {
    alert: 'MaasServiceDown',
    expr: 'up{%%juju_topology%%} == 0 and on (juju_model, juju_application, juju_unit) max by (juju_model, juju_application, juju_unit) (up{%%juju_topology%%}) == 1',
    for: '5m',
    severity: 'warning',
    summary:
      'A part of the MAAS region controller {{ $labels.juju_unit }} does not answer ({{ $labels.instance }}).',
    description: `\`juju ssh {{ $labels.juju_unit }} ${overview}\` shows which.`,
  },
  {
    alert: 'MaasRequestsFail',
    expr: [
      'sum by (juju_model, juju_application, juju_unit) (rate(maas_http_request_latency_count{%%juju_topology%%,status=~"5.."}[5m]))',
      '/ sum by (juju_model, juju_application, juju_unit) (rate(maas_http_request_latency_count{%%juju_topology%%}[5m])) > 0.05',
    ].join(' '),
    for: '5m',
    severity: 'critical',
    summary:
      '{{ $labels.juju_unit }} fails {{ $value | humanizePercentage }} of the requests that it answers.',
    description:
      'A region that has lost its database answers so. The status of the unit says which database it uses.',
  },
  {
    alert: 'MaasRequestsSlow',
    expr: 'histogram_quantile(0.9, sum by (juju_model, juju_application, juju_unit, le) (rate(maas_http_request_latency_bucket{%%juju_topology%%}[10m]))) > 5',
    for: '15m',
    severity: 'warning',
    summary: 'One in ten requests takes {{ $labels.juju_unit }} longer than five seconds.',
    description: 'More regions or workers may help (`num-workers`), unless the database is what is slow.',
  },
  {
    alert: 'MaasCallsToRacksSlow',
    expr: 'histogram_quantile(0.9, sum by (juju_model, juju_application, juju_unit, le) (rate(maas_region_rack_rpc_call_latency_bucket{%%juju_topology%%}[10m]))) > 5',
    for: '15m',
    severity: 'warning',
    summary: 'One in ten calls from {{ $labels.juju_unit }} to a rack takes longer than five seconds.',
    description: 'A rack is overloaded, or the network between them is.',
  },
];

/** What the service says by which regions reach their database. */
const databaseRules: readonly AlertRule[] = [
  {
    alert: 'MaasDatabaseNotWritable',
    expr: 'max by (juju_model, juju_application, juju_unit) (maas_database_writable{%%juju_topology%%}) == 0',
    for: '1m',
    severity: 'critical',
    summary: '{{ $labels.juju_unit }} has no PostgreSQL to write to.',
    description: 'None of the servers is the primary, or two are: the status of the unit says which.',
  },
  {
    alert: 'MaasDatabaseProblem',
    expr: 'max by (juju_model, juju_application, juju_unit) (maas_database_problem{%%juju_topology%%}) == 1',
    for: '5m',
    severity: 'warning',
    summary: 'A PostgreSQL of {{ $labels.juju_unit }} is not as it should be.',
    description: 'The status of the unit says what is wrong.',
  },
  {
    alert: 'MaasDatabaseProxyDown',
    expr: 'up{%%juju_topology%%,job=~".*database.*"} == 0',
    for: '5m',
    severity: 'warning',
    summary: '{{ $labels.juju_unit }} would not follow PostgreSQL to another primary.',
    description:
      'MAAS goes on writing to the primary of before. `journalctl -u maas-database-proxy` says why the service does not run.',
  },
];

/** What regiond says, and nothing measures. */
const logRules = ({ idFile }: Installation): readonly AlertRule[] => [
  {
    alert: 'MaasRackRefused',
    expr: 'sum by (juju_model, juju_application, juju_unit) (count_over_time({%%juju_topology%%} |= "Rack controller FAILED authentication" [5m])) > 0',
    severity: 'critical',
    summary: '{{ $labels.juju_unit }} refuses a rack that has another secret.',
    description:
      'Without connection the rack serves neither DHCP nor machines. A rack of these charms follows the secret by itself; look for one that was installed by hand.',
  },
  {
    alert: 'MaasRegionNotListed',
    expr: `sum by (juju_model, juju_application, juju_unit) (count_over_time({%%juju_topology%%} |= "record's may be out of date" [5m])) > 0`,
    severity: 'critical',
    summary: '{{ $labels.juju_unit }} answers, and no rack ever hears of it.',
    description: `Two machines have one ${idFile}: the one that was copied has to lose it.`,
  },
  {
    alert: 'MaasTooManyConnections',
    expr: 'sum by (juju_model, juju_application) (count_over_time({%%juju_topology%%} |= "too many clients already" [5m])) > 0',
    severity: 'critical',
    summary: 'PostgreSQL refuses MAAS connections.',
    description: 'The status of the leader says to what max_connections has to be set.',
  },
  {
    alert: 'MaasDatabaseReadOnly',
    expr: 'sum by (juju_model, juju_application, juju_unit) (count_over_time({%%juju_topology%%} |= "in a read-only transaction" [5m])) > 0',
    for: '2m',
    severity: 'critical',
    summary: '{{ $labels.juju_unit }} uses a PostgreSQL that only reads.',
    description:
      'It is a standby, or was the primary before: the relation names the new one once PostgreSQL has elected it.',
  },
];

const DASHBOARD: Dashboard = {
  uid: 'maas-region',
  title: 'MAAS region controllers',
  panels: [
    { title: 'Regions that run', lines: { '{{juju_unit}}': 'max by (juju_unit) (up{%%juju_topology%%})' } },
    {
      title: 'Requests',
      unit: 'reqps',
      lines: {
        '{{juju_unit}} {{status}}':
          'sum by (juju_unit, status) (rate(maas_http_request_latency_count{%%juju_topology%%}[5m]))',
      },
    },
    {
      title: 'Nine in ten requests are answered within',
      unit: 's',
      lines: {
        '{{juju_unit}}':
          'histogram_quantile(0.9, sum by (juju_unit, le) (rate(maas_http_request_latency_bucket{%%juju_topology%%}[5m])))',
      },
    },
    {
      title: 'Nine in ten calls to racks are answered within',
      unit: 's',
      lines: {
        '{{juju_unit}}':
          'histogram_quantile(0.9, sum by (juju_unit, le) (rate(maas_region_rack_rpc_call_latency_bucket{%%juju_topology%%}[5m])))',
      },
    },
    {
      title: 'Machines by status (prometheus-metrics=true)',
      lines: { '{{status}}': 'max by (status) (maas_machines{%%juju_topology%%})' },
    },
    {
      title: 'Controllers and machines (prometheus-metrics=true)',
      lines: { '{{type}}': 'max by (type) (maas_nodes{%%juju_topology%%})' },
    },
  ],
};

/** What collectors of metrics and logs are told. */
export function observerBags(state: State, tls: TlsServed | undefined): readonly RegionDatabag[] {
  const { observers, app, model } = state;
  const config = cosAgentConfig({ charm: charmcraft.name, app, model }, observability(state, tls));
  return observers.map((relation) => databag('cos-agent', relation, { unit: { config } }));
}

function observability(
  { region: { maas, version }, options, database }: State,
  tls: TlsServed | undefined,
): Observability {
  const web: Pick<ScrapeJob, 'scheme' | 'port'> = tls
    ? { scheme: 'https', port: MAAS_TLS_PORT }
    : { scheme: 'http', port: REGION_HTTP_PORT };
  const hasClusterMetrics = options['prometheus-metrics'];
  const hasDatabaseProxy = database.proxy !== undefined;
  const hasTemporal = version !== undefined && isAtLeast(version, '3.5');
  return {
    jobs: [
      { name: 'regiond', port: REGIOND_METRICS_PORT, path: '/metrics' },
      ...(hasClusterMetrics ? [{ name: 'cluster', path: '/MAAS/metrics', ...web }] : []),
      ...(hasTemporal ? [{ name: 'temporal', path: '/metrics/temporal', ...web }] : []),
      ...(hasDatabaseProxy ? [{ name: 'database', port: DATABASE_METRICS_PORT, path: '/metrics' }] : []),
    ],
    metricRules: [
      ...metricRules(maas, maas.log('region', version)),
      ...(hasDatabaseProxy ? databaseRules : []),
    ],
    logRules: logRules(maas),
    dashboards: [DASHBOARD],
    logSlots: maas.logSlots(version),
  };
}

import type { Installation } from '@maas-ha/maas';
import type { AlertRule, Dashboard, Observability } from 'juju-ts-interfaces/cos_agent';
import { isAtLeast } from 'juju-ts-ops';

/** Where rackd itself tells how it does, from MAAS 2.6 on, and the web server that passes on what maas-agent tells. */
const PORTS = { rackd: 5249, http: 5248 } as const;

/** @param log how rackd's words are read */
const metricRules = ({ conf }: Installation, log: string): readonly AlertRule[] => [
  {
    alert: 'MaasAllRacksDown',
    expr: 'max by (juju_model, juju_application) (up{%%juju_topology%%}) == 0',
    for: '1m',
    severity: 'critical',
    summary: 'No MAAS rack controller of {{ $labels.juju_application }} runs.',
    description: 'Machines of its networks get neither an address nor an image.',
  },
  {
    alert: 'MaasRackDown',
    expr: 'max by (juju_model, juju_application, juju_unit) (up{%%juju_topology%%}) == 0',
    for: '3m',
    severity: 'warning',
    summary: 'The MAAS rack controller {{ $labels.juju_unit }} does not run.',
    description: `Another rack serves the VLANs that have two (\`juju run maas-region/leader configure-dhcp-ha\`). \`juju ssh {{ $labels.juju_unit }} ${log}\` says why.`,
  },
  {
    alert: 'MaasRackConnectedToNobody',
    // A rack that is connected calls its regions all the time.
    expr: 'sum by (juju_model, juju_application, juju_unit) (rate(maas_rack_region_rpc_call_latency_count{%%juju_topology%%}[10m])) == 0',
    for: '5m',
    severity: 'critical',
    summary: 'The MAAS rack controller {{ $labels.juju_unit }} runs and speaks to no region.',
    description: `Its status says whether MAAS answers, and \`juju ssh {{ $labels.juju_unit }} ${log}\` why it is not taken in.`,
  },
  {
    alert: 'MaasRackCallsExhausted',
    expr: 'increase(maas_rpc_pool_exhaustion_count_total{%%juju_topology%%}[10m]) > 0',
    for: '15m',
    severity: 'warning',
    summary: 'Calls of {{ $labels.juju_unit }} to its regions wait for a free connection.',
    description: `The rack has more to do than its connections carry: max_rpc_connections in ${conf.rack}.`,
  },
];

/** What rackd says, and nothing measures. */
const LOG_RULES: readonly AlertRule[] = [
  {
    alert: 'MaasRackMissesRegion',
    expr: 'sum by (juju_model, juju_application, juju_unit) (count_over_time({%%juju_topology%%} |~ "Event-loop .*An error occurred while connecting" [10m])) > 20',
    severity: 'warning',
    summary: '{{ $labels.juju_unit }} cannot reach every region that MAAS lists.',
    description:
      'A region that has died is listed for two and a half minutes more. After that: are the ports 5250 to 5259 of every region open to racks?',
  },
  {
    alert: 'MaasRackHasWrongSecret',
    expr: 'sum by (juju_model, juju_application, juju_unit) (count_over_time({%%juju_topology%%} |= "FAILED authentication" [5m])) > 0',
    severity: 'critical',
    summary: 'The regions refuse {{ $labels.juju_unit }}, which has another secret.',
    description: 'The charm follows the secret and restarts rackd: is the unit related to these regions?',
  },
];

const DASHBOARD: Dashboard = {
  uid: 'maas-rack',
  title: 'MAAS rack controllers',
  panels: [
    { title: 'Racks that run', lines: { '{{juju_unit}}': 'max by (juju_unit) (up{%%juju_topology%%})' } },
    {
      title: 'Calls to regions',
      unit: 'reqps',
      lines: {
        '{{juju_unit}}':
          'sum by (juju_unit) (rate(maas_rack_region_rpc_call_latency_count{%%juju_topology%%}[5m]))',
      },
    },
    {
      title: 'Nine in ten calls to regions are answered within',
      unit: 's',
      lines: {
        '{{juju_unit}}':
          'histogram_quantile(0.9, sum by (juju_unit, le) (rate(maas_rack_region_rpc_call_latency_bucket{%%juju_topology%%}[5m])))',
      },
    },
    {
      title: 'Files sent by TFTP',
      unit: 'reqps',
      lines: {
        '{{juju_unit}}':
          'sum by (juju_unit) (rate(maas_tftp_file_transfer_latency_count{%%juju_topology%%}[5m]))',
      },
    },
  ],
};

/** What a collector can see of a rack. */
export function observability(maas: Installation, version: string | undefined): Observability {
  const hasAgent = version !== undefined && isAtLeast(version, '3.6');
  return {
    jobs: [
      { name: 'rackd', port: PORTS.rackd, path: '/metrics' },
      ...(hasAgent ? [{ name: 'agent', port: PORTS.http, path: '/metrics/agent' }] : []),
    ],
    metricRules: metricRules(maas, maas.log('rack', version)),
    logRules: LOG_RULES,
    dashboards: [DASHBOARD],
    logSlots: maas.logSlots(version),
  };
}

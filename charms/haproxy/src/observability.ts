import type { AlertRule, Dashboard, Observability } from 'juju-ts-interfaces/cos_agent';

// Every unit tells of the same servers: what one of them still reaches is there.
const METRIC_RULES: readonly AlertRule[] = [
  {
    alert: 'HaproxyDown',
    expr: 'max by (juju_model, juju_application, juju_unit) (up{%%juju_topology%%}) == 0',
    for: '2m',
    severity: 'warning',
    summary: 'HAProxy does not answer on {{ $labels.juju_unit }}.',
    description:
      'A virtual address has gone to another machine. `juju ssh {{ $labels.juju_unit }} journalctl -u haproxy` says why.',
  },
  {
    alert: 'HaproxyNoServers',
    expr: 'max by (juju_model, juju_application, proxy) (haproxy_backend_active_servers{%%juju_topology%%} + haproxy_backend_backup_servers{%%juju_topology%%}) == 0',
    for: '30s',
    severity: 'critical',
    summary: 'No server is left behind {{ $labels.proxy }} of {{ $labels.juju_application }}.',
    description:
      'Clients get 503, unless one serves after all. `juju run {{ $labels.juju_application }}/leader show-backends` says since when.',
  },
  {
    alert: 'HaproxyServerDown',
    expr: 'max by (juju_model, juju_application, proxy, server) (haproxy_server_status{state="UP",%%juju_topology%%}) == 0',
    for: '3m',
    severity: 'warning',
    summary: '{{ $labels.server }} is down behind {{ $labels.proxy }} of {{ $labels.juju_application }}.',
    description: 'The others serve its clients. The status of its unit may say what is wrong there.',
  },
  {
    alert: 'HaproxyServerErrors',
    expr: 'sum by (juju_model, juju_application, proxy) (rate(haproxy_backend_http_responses_total{code="5xx",%%juju_topology%%}[5m])) / sum by (juju_model, juju_application, proxy) (rate(haproxy_backend_http_responses_total{%%juju_topology%%}[5m])) > 0.05',
    for: '5m',
    severity: 'warning',
    summary: 'More than one answer in twenty of {{ $labels.proxy }} is an error of the server.',
    description: 'Of {{ $labels.juju_application }}; the logs of the servers say which.',
  },
  {
    alert: 'HaproxyNearlyFull',
    expr: 'haproxy_process_current_connections{%%juju_topology%%} / haproxy_process_max_connections{%%juju_topology%%} > 0.8',
    for: '5m',
    severity: 'warning',
    summary: '{{ $labels.juju_unit }} has four fifths of the connections that it takes.',
    description: 'Further ones will wait. The limit follows from the memory of the machine.',
  },
];

const DASHBOARD: Dashboard = {
  uid: 'maas-ha-haproxy',
  title: 'HAProxy',
  panels: [
    {
      title: 'Servers that are up',
      lines: {
        '{{proxy}} on {{juju_unit}}':
          'max by (proxy, juju_unit) (haproxy_backend_active_servers{proxy!~".*:unchecked",%%juju_topology%%})',
      },
    },
    {
      title: 'Requests',
      unit: 'reqps',
      lines: {
        '{{proxy}} {{code}}':
          'sum by (proxy, code) (rate(haproxy_backend_http_responses_total{%%juju_topology%%}[5m]))',
      },
    },
    {
      title: 'Time to the answer, average',
      unit: 's',
      lines: {
        '{{proxy}}': 'avg by (proxy) (haproxy_backend_response_time_average_seconds{%%juju_topology%%})',
      },
    },
    {
      title: 'Connections',
      lines: {
        '{{juju_unit}}': 'max by (juju_unit) (haproxy_process_current_connections{%%juju_topology%%})',
      },
    },
  ],
};

/** What a collector can see of HAProxy. */
export function observability(port: number): Observability {
  return {
    jobs: [{ name: 'haproxy', port, path: '/metrics' }],
    metricRules: METRIC_RULES,
    logRules: [],
    dashboards: [DASHBOARD],
  };
}

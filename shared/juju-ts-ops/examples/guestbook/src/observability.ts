import type { Observability } from 'juju-ts-interfaces/cos_agent';
import { METRICS_PORT } from './server.ts';

/** What there is to see of a unit, and what somebody should be told. */
export const observability: Observability = {
  jobs: [{ name: 'guestbook', port: METRICS_PORT, path: '/metrics' }],
  metricRules: [
    {
      alert: 'GuestbookDown',
      expr: 'up{%%juju_topology%%} == 0',
      for: '2m',
      severity: 'warning',
      summary: 'The guestbook does not run on {{ $labels.juju_unit }}.',
      description: '`juju ssh {{ $labels.juju_unit }} journalctl -u guestbook` says why.',
    },
    {
      alert: 'GuestbookWithoutDatabase',
      expr: 'sum by (juju_model, juju_application) (rate(guestbook_answers_total{status="503",%%juju_topology%%}[5m])) > 0',
      for: '1m',
      severity: 'critical',
      summary: 'Visitors of {{ $labels.juju_application }} get 503.',
      description: 'Its database does not answer. `juju status --relations` names it.',
    },
  ],
  logRules: [],
  dashboards: [
    {
      uid: 'guestbook',
      title: 'Guestbook',
      panels: [
        {
          title: 'Answers',
          lines: {
            '{{status}} of {{juju_unit}}':
              'sum by (status, juju_unit) (rate(guestbook_answers_total{%%juju_topology%%}[5m]))',
          },
          unit: 'reqps',
        },
      ],
    },
  ],
};

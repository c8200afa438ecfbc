import { describe, expect, test } from '@jest/globals';
import { cosAgent, cosAgentConfig, type Observability } from 'juju-ts-interfaces/cos_agent';
import { execa } from 'execa';
import { xz } from '../../../shared/interfaces/src/cos_agent/xz.ts';

const topology = {
  charm: 'web',
  app: 'shop',
  model: { name: 'live', uuid: '12345678-aaaa-bbbb-cccc-0123456789ab' },
};
const MATCHERS =
  'juju_model="live",juju_model_uuid="12345678-aaaa-bbbb-cccc-0123456789ab",juju_application="shop"';

const seen: Observability = {
  jobs: [
    { name: 'web', port: 8080, path: '/metrics' },
    { name: 'tls', port: 8443, path: '/metrics', scheme: 'https' },
  ],
  metricRules: [
    {
      alert: 'WebDown',
      expr: 'up{%%juju_topology%%} == 0',
      for: '2m',
      severity: 'critical',
      summary: 'down',
      description: 'start it',
    },
  ],
  logRules: [],
  dashboards: [
    {
      uid: 'web',
      title: 'Web',
      panels: [{ title: 'Requests', lines: { all: 'rate(r{%%juju_topology%%}[5m])' } }],
    },
  ],
};

describe('a dashboard is an .xz file that every reader reads', () => {
  test.each([0, 1, 3, 4, 65_535, 65_536, 65_537, 300_001])('of %s bytes', async (length) => {
    const text = 'Grafana '.repeat(length / 8 + 1).slice(0, length);
    const { stdout } = await execa('xz', ['--decompress', '--stdout'], {
      input: xz(text),
      stripFinalNewline: false,
    });
    expect(stdout).toBe(text);
    await execa('xz', ['--test', '-'], { input: xz(text) });
  });

  test('in base64, with what the viewer chose in its questions', async () => {
    const [dashboard = ''] = cosAgentConfig(topology, seen).dashboards;
    const { stdout } = await execa('xz', ['--decompress', '--stdout'], {
      input: Buffer.from(dashboard, 'base64'),
    });
    expect(JSON.parse(stdout)).toMatchObject({
      uid: 'web',
      tags: ['charm: web'],
      panels: [{ targets: [{ expr: expect.stringContaining('juju_unit=~"$juju_unit"') }] }],
    });
  });
});

test('a rule sees its own application only, and says whose it is', () => {
  const { groups } = cosAgentConfig(topology, seen).metrics_alert_rules;
  expect(groups).toEqual([
    {
      name: 'live_12345678_shop_metrics_alerts',
      rules: [
        {
          alert: 'WebDown',
          expr: `up{${MATCHERS}} == 0`,
          for: '2m',
          labels: {
            severity: 'critical',
            juju_model: 'live',
            juju_model_uuid: topology.model.uuid,
            juju_application: 'shop',
            juju_charm: 'web',
          },
          annotations: { summary: 'down', description: 'start it' },
        },
      ],
    },
  ]);
  expect(cosAgentConfig(topology, seen).log_alert_rules).toEqual({ groups: [] });
});

test('metrics are read on the machine itself, whatever its certificate is for', () => {
  expect(cosAgentConfig(topology, seen).metrics_scrape_jobs).toEqual([
    { job_name: 'shop_web', metrics_path: '/metrics', static_configs: [{ targets: ['localhost:8080'] }] },
    {
      job_name: 'shop_tls',
      metrics_path: '/metrics',
      static_configs: [{ targets: ['localhost:8443'] }],
      scheme: 'https',
      tls_config: { insecure_skip_verify: true },
    },
  ]);
});

test('all of it is one key of the databag', () => {
  const config = cosAgentConfig(topology, seen);
  const text = cosAgent.provider.unit.config.encode(config);
  expect(cosAgent.provider.unit.config.decode(text)).toEqual(config);
});

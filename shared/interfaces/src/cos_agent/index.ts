import { defineInterface, json } from 'juju-ts-ops';
import { z } from 'zod';
import { grafanaDashboard, type Dashboard } from './dashboard.ts';
import { xz } from './xz.ts';

export type { Dashboard, Panel } from './dashboard.ts';

const Labels = z.record(z.string(), z.string());
const Groups = z.object({
  groups: z.array(
    z.looseObject({
      name: z.string(),
      rules: z.array(
        z.looseObject({
          alert: z.string(),
          expr: z.string(),
          for: z.string().optional(),
          labels: Labels,
          annotations: Labels,
        }),
      ),
    }),
  ),
});
const Config = z.looseObject({
  metrics_alert_rules: Groups,
  log_alert_rules: Groups,
  dashboards: z.array(z.string()),
  metrics_scrape_jobs: z.array(z.looseObject({ job_name: z.string() })),
  log_slots: z.array(z.string()),
});
/** What a unit sends to the collector, all under one key. */
export type CosAgentConfig = z.infer<typeof Config>;

/** The contract between a monitored charm and the collector on its machine. See README.md. */
export const cosAgent = defineInterface({
  name: 'cos_agent',
  provider: { app: {}, unit: { config: json(Config) } },
  requirer: { app: {}, unit: {} },
});

/** Where the collector reads metrics on this machine. */
export interface ScrapeJob {
  /** Unique among the charm's jobs. */
  readonly name: string;
  readonly port: number;
  readonly path: string;
  readonly scheme?: 'http' | 'https';
}

/** A condition to alert on. */
export interface AlertRule {
  readonly alert: string;
  /** PromQL, or LogQL, where `%%juju_topology%%` stands for the labels of this application. */
  readonly expr: string;
  /** How long the condition must hold: `2m`. If absent, the alert fires at once. */
  readonly for?: string;
  readonly severity: 'critical' | 'warning';
  readonly summary: string;
  /** What to do. */
  readonly description: string;
}

/** The metrics, logs, alerts and dashboards of a charm's workload. */
export interface Observability {
  readonly jobs: readonly ScrapeJob[];
  readonly metricRules: readonly AlertRule[];
  readonly logRules: readonly AlertRule[];
  readonly dashboards: readonly Dashboard[];
  /** Slots of snaps whose logs are not in the journal or `/var/log`: `grafana:logs`. */
  readonly logSlots?: readonly string[];
}

/** The application that the workload belongs to. */
export interface Topology {
  readonly charm: string;
  readonly app: string;
  readonly model: { readonly name: string; readonly uuid: string };
}

/** The databag content that a unit sends to the collector. */
export function cosAgentConfig(
  topology: Topology,
  { jobs, metricRules, logRules, dashboards, logSlots = [] }: Observability,
): CosAgentConfig {
  return {
    metrics_alert_rules: groupsOf(topology, 'metrics', metricRules),
    log_alert_rules: groupsOf(topology, 'logs', logRules),
    dashboards: dashboards.map((dashboard) =>
      xz(JSON.stringify(grafanaDashboard(dashboard, topology.charm))).toString('base64'),
    ),
    metrics_scrape_jobs: jobs.map(({ name, port, path, scheme = 'http' }) => ({
      job_name: `${topology.app}_${name}`,
      metrics_path: path,
      static_configs: [{ targets: [`localhost:${port}`] }],
      // The certificate is not for localhost.
      ...(scheme === 'https' && { scheme, tls_config: { insecure_skip_verify: true } }),
    })),
    log_slots: [...logSlots],
  };
}

function groupsOf(
  topology: Topology,
  kind: string,
  rules: readonly AlertRule[],
): CosAgentConfig['metrics_alert_rules'] {
  if (rules.length === 0) return { groups: [] };
  const { charm, app, model } = topology;
  const labels = { juju_model: model.name, juju_model_uuid: model.uuid, juju_application: app };
  const matchers = Object.entries(labels).map(([label, value]) => `${label}=${JSON.stringify(value)}`);
  return {
    groups: [
      {
        name: `${model.name}_${model.uuid.slice(0, 8)}_${app}_${kind}_alerts`,
        rules: rules.map(({ alert, expr, for: duration, severity, summary, description }) => ({
          alert,
          expr: expr.replaceAll('%%juju_topology%%', matchers.join(',')),
          ...(duration !== undefined && { for: duration }),
          labels: { severity, ...labels, juju_charm: charm },
          annotations: { summary, description },
        })),
      },
    ],
  };
}

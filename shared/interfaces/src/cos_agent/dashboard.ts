/** One graph of a dashboard. */
export interface Panel {
  readonly title: string;
  /** PromQL by the legend of its lines, where `%%juju_topology%%` stands for the labels that the viewer chose. */
  readonly lines: Readonly<Record<string, string>>;
  /** `s`, `reqps`, `percentunit`, … as Grafana calls them. */
  readonly unit?: string;
}

/** A Grafana dashboard, as far as these charms need one. */
export interface Dashboard {
  /** Must never change: Grafana identifies a dashboard by it. */
  readonly uid: string;
  readonly title: string;
  readonly panels: readonly Panel[];
}

/** The labels by which the Grafana charm lets the viewer choose. */
const CHOSEN =
  'juju_model=~"$juju_model",juju_model_uuid=~"$juju_model_uuid",juju_application=~"$juju_application",juju_unit=~"$juju_unit"';

/** The dashboard in Grafana's own form, two graphs in a row. The Grafana charm adds data sources and the labels to choose from. */
export function grafanaDashboard({ uid, title, panels }: Dashboard, charm: string): unknown {
  return {
    uid,
    title,
    tags: [`charm: ${charm}`],
    schemaVersion: 39,
    refresh: '1m',
    time: { from: 'now-6h', to: 'now' },
    panels: panels.map((panel, index) => ({
      id: index + 1,
      type: 'timeseries',
      title: panel.title,
      datasource: { type: 'prometheus', uid: '${prometheusds}' },
      gridPos: { h: 8, w: 12, x: (index % 2) * 12, y: Math.floor(index / 2) * 8 },
      fieldConfig: {
        defaults: { min: 0, ...(panel.unit !== undefined && { unit: panel.unit }) },
        overrides: [],
      },
      targets: Object.entries(panel.lines).map(([legendFormat, expr], line) => ({
        refId: String.fromCodePoint(65 + line),
        legendFormat,
        expr: expr.replaceAll('%%juju_topology%%', CHOSEN),
      })),
    })),
  };
}

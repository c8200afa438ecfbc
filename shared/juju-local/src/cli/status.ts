import { stringify } from 'yaml';
import { z } from 'zod';

const Status = z.looseObject({ current: z.string(), message: z.string().optional() });
const Unit = z.looseObject({
  'workload-status': Status,
  'juju-status': Status,
  leader: z.boolean().optional(),
  machine: z.string().optional(),
  'open-ports': z.array(z.string()).optional(),
  'public-address': z.string(),
  get subordinates() {
    return z.record(z.string(), Unit).optional();
  },
});
type Unit = z.infer<typeof Unit>;

/** What `juju status --format json` says, as far as the table shows it; and each relation once. */
export const FullStatus = z.looseObject({
  relations: z.array(
    z.object({
      provider: z.string(),
      requirer: z.string(),
      interface: z.string(),
      scope: z.enum(['global', 'container']),
    }),
  ),
  model: z.looseObject({ name: z.string(), controller: z.string(), cloud: z.string(), version: z.string() }),
  machines: z.record(
    z.string(),
    z.looseObject({
      'juju-status': Status,
      'machine-status': Status,
      'dns-name': z.string(),
      'instance-id': z.string(),
      base: z.object({ name: z.string(), channel: z.string() }),
    }),
  ),
  applications: z.record(
    z.string(),
    z.looseObject({
      'charm-name': z.string(),
      'charm-rev': z.int(),
      'application-status': Status,
      'subordinate-to': z.array(z.string()).optional(),
      units: z.record(z.string(), Unit).optional(),
      version: z.string().optional(),
      relations: z.record(
        z.string(),
        z.array(z.object({ 'related-application': z.string(), interface: z.string(), scope: z.string() })),
      ),
    }),
  ),
});
export type FullStatus = z.infer<typeof FullStatus>;

/** All units, each subordinate after its principal. */
export function unitsOf(status: FullStatus): readonly { name: string; unit: Unit; isSubordinate: boolean }[] {
  return sorted(status.applications).flatMap(([, app]) =>
    sorted(app.units ?? {}).flatMap(([name, unit]) => [
      { name, unit, isSubordinate: false },
      ...sorted(unit.subordinates ?? {}).map(([other, subordinate]) => ({
        name: other,
        unit: subordinate,
        isSubordinate: true,
      })),
    ]),
  );
}

/** The status as `juju status` prints it (cmd/juju/status/output_tabular.go). */
export function tabularStatus(status: FullStatus, withRelations: boolean): string {
  const { model } = status;
  const units = unitsOf(status);
  const sections = [
    table(
      ['Model', 'Controller', 'Cloud/Region', 'Version', 'Timestamp'],
      [[model.name, model.controller, model.cloud, model.version, new Date().toTimeString().slice(0, 8)]],
    ),
    table(
      ['App', 'Version', 'Status', 'Scale', 'Charm', 'Channel', 'Rev', 'Exposed', 'Message'],
      sorted(status.applications).map(([name, app]) => {
        const own = units.filter((entry) => entry.name.startsWith(`${name}/`)).map(({ unit }) => unit);
        const up = own.filter((unit) => ['idle', 'executing'].includes(unit['juju-status'].current)).length;
        const { current, message = '' } = app['application-status'];
        const scale = up === own.length ? String(up) : `${up}/${own.length}`;
        return [
          name,
          app.version ?? '',
          current,
          scale,
          app['charm-name'],
          '',
          String(app['charm-rev']),
          'no',
          cut(message),
        ];
      }),
      [3, 6],
    ),
    table(
      ['Unit', 'Workload', 'Agent', 'Machine', 'Public address', 'Ports', 'Message'],
      units.map(({ name, unit, isSubordinate }) => [
        `${isSubordinate ? '  ' : ''}${name}${unit.leader === true ? '*' : ''}`,
        unit['workload-status'].current,
        unit['juju-status'].current,
        unit.machine ?? '',
        unit['public-address'],
        (unit['open-ports'] ?? []).join(','),
        cut(messageOf(unit)),
      ]),
    ),
    table(
      ['Machine', 'State', 'Address', 'Inst id', 'Base', 'AZ', 'Message'],
      sorted(status.machines).map(([id, machine]) => [
        id,
        machine['juju-status'].current,
        machine['dns-name'],
        machine['instance-id'],
        `${machine.base.name}@${machine.base.channel}`,
        '',
        cut(machine['machine-status'].message ?? ''),
      ]),
    ),
    ...(withRelations ? [relations(status)] : []),
  ];
  return `${sections.filter((section) => section !== '').join('\n\n')}\n`;
}

/** What a unit says, after the hook that it runs. */
export function messageOf(unit: Unit): string {
  const { current, message = '' } = unit['juju-status'];
  const doing = /^running (?:action )?(\S+)(?: hook)?/.exec(message)?.[1];
  const prefix = current === 'executing' && doing !== undefined ? `(${doing}) ` : '';
  return prefix + (unit['workload-status'].message ?? '');
}

/** Each relation once, the provider's end first. */
function relations(status: FullStatus): string {
  const rows = status.relations.map(({ provider, requirer, interface: contract, scope }) => {
    const type = provider === requirer ? 'peer' : scope === 'container' ? 'subordinate' : 'regular';
    return [provider, requirer, contract, type, ''];
  });
  return table(['Integration provider', 'Requirer', 'Interface', 'Type', 'Message'], rows);
}

/** One line for each unit: `- web/0: 10.0.0.4 (agent:idle, workload:active) 80/tcp` */
function lineStatus(status: FullStatus): string {
  const lines = unitsOf(status).map(({ name, unit, isSubordinate }) => {
    const ports = (unit['open-ports'] ?? []).join(', ');
    const states = `agent:${unit['juju-status'].current}, workload:${unit['workload-status'].current}`;
    return `${isSubordinate ? '  ' : ''}- ${name}: ${unit['public-address']} (${states}) ${ports}`.trimEnd();
  });
  return `\n${lines.join('\n')}\n`;
}

/** How many there are of what. */
function summaryStatus(status: FullStatus): string {
  const count = (values: readonly string[]): string => {
    const counts = new Map<string, number>();
    for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
    return [...counts].map(([value, number]) => `    ${value}: ${number}`).join('\n');
  };
  const units = unitsOf(status);
  const machines = Object.values(status.machines);
  const ports = new Set(units.flatMap(({ unit }) => unit['open-ports'] ?? []));
  const sections = [
    `Running on addresses: ${machines.map((machine) => machine['dns-name']).join(', ')}`,
    `Open ports: ${[...ports].sort().join(', ')}`,
    `# Machines: (${machines.length})\n${count(machines.map((machine) => machine['juju-status'].current))}`,
    `# Units: (${units.length})\n${count(units.map(({ unit }) => unit['workload-status'].current))}`,
    `# Applications: (${Object.keys(status.applications).length})`,
    ...sorted(status.applications).map(([name, app]) => {
      const own = units.filter((entry) => entry.name.startsWith(`${name}/`));
      const { length: active } = own.filter(({ unit }) => unit['workload-status'].current === 'active');
      return `    ${name}  ${active}/${own.length}  ${app['application-status'].current}`;
    }),
  ];
  return `${sections.join('\n')}\n`;
}

/** What `--format` may be. */
export const statusFormats: Readonly<Record<string, (status: FullStatus, withRelations: boolean) => string>> =
  {
    tabular: tabularStatus,
    json: (status) => `${JSON.stringify(withoutRelations(status))}\n`,
    yaml: (status) => stringify(withoutRelations(status)),
    line: lineStatus,
    short: lineStatus,
    oneline: lineStatus,
    summary: summaryStatus,
  };

/** Juju's own status lists relations within applications alone. */
function withoutRelations({ relations: _relations, ...status }: FullStatus): unknown {
  return status;
}

/** Columns as wide as what is in them. */
export function table(
  header: readonly string[],
  rows: readonly (readonly string[])[],
  right: readonly number[] = [],
): string {
  if (rows.length === 0) return '';
  const widths = header.map((title, column) =>
    Math.max(title.length, ...rows.map((row) => (row[column] ?? '').length)),
  );
  return [header, ...rows]
    .map((row) =>
      row
        .map((cell, column) =>
          right.includes(column) ? cell.padStart(widths[column] ?? 0) : cell.padEnd(widths[column] ?? 0),
        )
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

function cut(message: string): string {
  return message.length > 120 ? `${message.slice(0, 117)}...` : message;
}

/** By name, `web/2` before `web/10`. */
export function sorted<T>(map: Readonly<Record<string, T>>): [string, T][] {
  return Object.entries(map).sort(([a], [b]) => a.localeCompare(b, 'en', { numeric: true }));
}

import { z } from 'zod';

const Status = z.object({
  current: z.string(),
  message: z.string().default(''),
  since: z.string().default(''),
});
const Unit = z.object({
  'workload-status': Status,
  'juju-status': Status,
  leader: z.boolean().default(false),
  machine: z.string().optional(),
  'open-ports': z.array(z.string()).default([]),
  'public-address': z.string().default(''),
  get subordinates() {
    return z.record(z.string(), Unit).default({});
  },
});
type Unit = z.infer<typeof Unit>;

/** What `juju status --format json` says, as far as the table shows it. */
export const FullStatus = z.looseObject({
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
      units: z.record(z.string(), Unit).default({}),
      version: z.string().default(''),
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
    sorted(app.units).flatMap(([name, unit]) => [
      { name, unit, isSubordinate: false },
      ...sorted(unit.subordinates).map(([other, subordinate]) => ({
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
        const { current, message } = app['application-status'];
        const scale = up === own.length ? String(up) : `${up}/${own.length}`;
        return [
          name,
          app.version,
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
        `${isSubordinate ? '  ' : ''}${name}${unit.leader ? '*' : ''}`,
        unit['workload-status'].current,
        unit['juju-status'].current,
        unit.machine ?? '',
        unit['public-address'],
        unit['open-ports'].join(','),
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
        cut(machine['machine-status'].message),
      ]),
    ),
    ...(withRelations ? [relations(status)] : []),
  ];
  return `${sections.filter((section) => section !== '').join('\n\n')}\n`;
}

function messageOf(unit: Unit): string {
  const { current, message } = unit['juju-status'];
  const doing = /^running (\S+)(?: hook)?/.exec(message)?.[1];
  const prefix = current === 'executing' && doing !== undefined ? `(${doing}) ` : '';
  return prefix + unit['workload-status'].message;
}

function relations(status: FullStatus): string {
  const rows = sorted(status.applications).flatMap(([app, { relations: endpoints }]) =>
    sorted(endpoints).flatMap(([name, list]) =>
      list.map((entry) => {
        const type =
          entry['related-application'] === app
            ? 'peer'
            : entry.scope === 'container'
              ? 'subordinate'
              : 'regular';
        return [`${app}:${name}`, entry['related-application'], entry.interface, type, ''];
      }),
    ),
  );
  return table(['Integration provider', 'Requirer', 'Interface', 'Type', 'Message'], rows);
}

function table(
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

function sorted<T>(map: Readonly<Record<string, T>>): [string, T][] {
  return Object.entries(map).sort(([a], [b]) => a.localeCompare(b, 'en', { numeric: true }));
}

import { readFileIfExists } from 'juju-ts-host';
import { z } from 'zod';
import { nameOf, type Asked } from './choose.ts';

const Followed = z.object({
  host: z.string(),
  port: z.int(),
  timeline: z.int(),
  system: z.string(),
  started: z.string(),
});

/** What the service writes down whenever it changes: hooks read it, and so does the service when it starts again. */
const Report = z.object({
  /** Over which relation the database was got. */
  relation: z.int(),
  /** Where connections go; absent: nowhere. */
  current: Followed.optional(),
  /** What was followed last. */
  last: Followed.optional(),
  /** Since when connections go there, or nowhere. */
  since: z.iso.datetime(),
  /** What is not as it should be. */
  problem: z.string().optional(),
  /** Whether only a person can mend that. */
  isUndecided: z.boolean().optional(),
  /** How often connections were sent to another server, since the service was started. */
  switches: z.int(),
});
export type Report = Readonly<z.infer<typeof Report>>;

/** What the service has written; `undefined` before it has, and of another version of the charm. */
export async function readReport(path: string): Promise<Report | undefined> {
  const text = await readFileIfExists(path);
  if (text === undefined) return undefined;
  try {
    return Report.parse(JSON.parse(text));
  } catch {
    return undefined;
  }
}

/** The same for a collector of metrics, in Prometheus' text format. */
export function renderMetrics({ current, problem, switches }: Report, asked: readonly Asked[]): string {
  const lines = (name: string, type: string, help: string, values: readonly string[]): readonly string[] => [
    `# HELP maas_database_${name} ${help}`,
    `# TYPE maas_database_${name} ${type}`,
    ...values.map((value) => `maas_database_${name}${value}`),
  ];
  const up = asked.map((one) => `{server="${nameOf(one)}"} ${one.answer.kind === 'silent' ? 0 : 1}`);
  return [
    ...lines('writable', 'gauge', 'Whether MAAS has a primary to write to.', [` ${current ? 1 : 0}`]),
    ...lines('problem', 'gauge', 'Whether something is wrong that the status of the unit says.', [
      ` ${problem === undefined ? 0 : 1}`,
    ]),
    ...lines(
      'primary',
      'gauge',
      'The server that MAAS writes to, and the timeline that it is on.',
      current ? [`{server="${nameOf(current)}"} ${current.timeline}`] : [],
    ),
    ...lines('server_up', 'gauge', 'Whether a server answers.', up),
    ...lines('switches_total', 'counter', 'How often MAAS was sent to another server.', [` ${switches}`]),
    '',
  ].join('\n');
}

import { styleText } from 'node:util';
import { z } from 'zod';
import { FullStatus, messageOf, sorted, table, unitsOf } from './status.ts';

/** What one frame shows. */
export interface View {
  readonly status: FullStatus;
  /** The addresses that each machine has beside its own. */
  readonly held: Readonly<Record<string, readonly string[]>>;
  /** What units did, the newest last: `12:03:11 web/0 ran "start" hook`. */
  readonly hooks: readonly string[];
}

/** How large a terminal is, and whether it has colours. */
export interface Screen {
  readonly columns: number;
  readonly rows: number;
  readonly isColoured: boolean;
}

/** How many lines of hooks are kept, and shown where nothing limits them. */
const MOST_HOOKS = 20;
const FEW_HOOKS = 5;

/** How often the screen is drawn anew, in milliseconds. */
const PERIOD = 1000;

const Held = z.record(z.string(), z.array(z.string()));
const Log = z.object({
  lines: z.array(z.object({ time: z.string(), entity: z.string(), module: z.string(), message: z.string() })),
  offset: z.int(),
});

/** The model as lines that fit the screen: its machines, its units, and the last hooks in the room that is left. */
export function frame(
  { status, held, hooks }: View,
  { columns, rows, isColoured }: Screen,
): readonly string[] {
  const machines = sorted(status.machines);
  const up = machines.filter(([, machine]) => machine['juju-status'].current === 'started').length;
  const sections = [
    `${status.model.name}: ${up} of ${machines.length} machines up`,
    table(
      ['Machine', 'State', 'Address', 'Holds'],
      machines.map(([id, machine]) => [
        id,
        machine['juju-status'].current,
        machine['dns-name'],
        (held[id] ?? []).join(' '),
      ]),
    ),
    table(
      ['Unit', 'Workload', 'Agent', 'Message'],
      unitsOf(status).map(({ name, unit, isSubordinate }) => [
        `${isSubordinate ? '  ' : ''}${name}${unit.leader === true ? '*' : ''}`,
        unit['workload-status'].current,
        unit['juju-status'].current,
        messageOf(unit),
      ]),
    ),
  ];
  const above = sections
    .filter((section) => section !== '')
    .join('\n\n')
    .split('\n');
  const room = Math.max(0, Math.min(MOST_HOOKS, rows - above.length - 2));
  const below = room === 0 || hooks.length === 0 ? [] : ['', 'Hooks', ...hooks.slice(-room)];
  const lines = [...above, ...below];
  const shown =
    lines.length > rows
      ? [...lines.slice(0, rows - 1), `${lines.length - rows + 1} more lines: make the terminal higher`]
      : lines;
  return shown.map((line) => {
    const fitting = line.length > columns ? `${line.slice(0, columns - 1)}…` : line;
    return isColoured ? coloured(fitting) : fitting;
  });
}

/** The words of Juju that tell how things are, in the colours that `juju status` gives them. */
function coloured(line: string): string {
  if (/^(Machine|Unit|Hooks)\b/.test(line)) return styleText('bold', line, { validateStream: false });
  return line.replace(
    / (active|started|blocked|error|down|lost|failed|waiting|maintenance|executing)\b/,
    (word) => {
      const colour = /active|started/.test(word)
        ? 'green'
        : /waiting|maintenance|executing/.test(word)
          ? 'yellow'
          : 'red';
      return styleText(colour, word, { validateStream: false });
    },
  );
}

/** Asks the daemon for what a frame shows; of the log each line once. */
export function viewer(request: (verb: string, args: unknown) => Promise<unknown>): () => Promise<View> {
  let offset = 0;
  const hooks: string[] = [];
  return async () => {
    const [status, held, log] = await Promise.all([
      request('status', { selectors: [] }),
      request('addresses', null),
      request('debug-log', { offset, level: 'INFO' }),
    ]);
    const read = Log.parse(log);
    offset = read.offset;
    const ran = read.lines.filter(({ module }) => module === 'juju.worker.uniter.operation');
    for (const { time, entity, message } of ran)
      hooks.push(`${time.slice(11, 19)}  ${unitOf(entity)}  ${message.replace(/ \(via .*?\)/, '')}`);
    hooks.splice(0, hooks.length - MOST_HOOKS);
    return { status: FullStatus.parse(status), held: Held.parse(held), hooks: [...hooks] };
  };
}

/** `unit-maas-region-0` → `maas-region/0` */
function unitOf(entity: string): string {
  return entity.replace(/^unit-(.*)-(\d+)$/, '$1/$2');
}

/** Prints one frame, as wide and as high as it wants to be. */
export async function printOnce(view: () => Promise<View>): Promise<void> {
  const { hooks, ...rest } = await view();
  const screen = { columns: Number.POSITIVE_INFINITY, rows: Number.POSITIVE_INFINITY, isColoured: false };
  console.log(frame({ ...rest, hooks: hooks.slice(-FEW_HOOKS) }, screen).join('\n'));
}

/** Control sequences of terminals. https://invisible-island.net/xterm/ctlseqs/ctlseqs.html */
const ENTER = '\x1b[?1049h\x1b[?25l';
const LEAVE = '\x1b[?25h\x1b[?1049l';
const HOME = '\x1b[H';
const END_OF_LINE = '\x1b[K';
const END_OF_SCREEN = '\x1b[J';
const CTRL_C = '\x03';

/**
 * Shows the model on a screen of its own, anew every second, until q or Ctrl-C. Lines are written over those of before, so
 * that nothing flickers.
 */
export async function watch(view: () => Promise<View>): Promise<void> {
  const { stdin, stdout } = process;
  let isOver = false;
  let wake = (): void => undefined;
  const stop = (): void => {
    isOver = true;
    wake();
  };
  process.once('SIGINT', stop).once('SIGTERM', stop).once('SIGHUP', stop);
  stdout.on('resize', () => wake());
  // A terminal in raw mode sends Ctrl-C as a key.
  if (stdin.isTTY) stdin.setRawMode(true);
  stdin.on('data', (keys: Buffer) => {
    if (keys.includes('q') || keys.includes(CTRL_C)) stop();
  });
  stdout.write(ENTER);
  try {
    for (;;) {
      const seen = await view();
      if (isOver) return;
      const { columns, rows } = stdout;
      const lines = frame(seen, { columns, rows, isColoured: stdout.hasColors() });
      stdout.write(`${HOME}${lines.map((line) => line + END_OF_LINE).join('\n')}${END_OF_SCREEN}`);
      const { promise, resolve } = Promise.withResolvers<void>();
      wake = resolve;
      const timer = setTimeout(resolve, PERIOD);
      await promise;
      clearTimeout(timer);
    }
  } finally {
    if (stdin.isTTY) stdin.setRawMode(false);
    stdin.pause();
    stdout.write(LEAVE);
  }
}

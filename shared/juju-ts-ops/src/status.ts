/** The four statuses that a charm may set, worst first. */
export const STATUS_LEVELS = ['blocked', 'maintenance', 'waiting', 'active'] as const;
/** How good or bad a status is. */
export type StatusLevel = (typeof STATUS_LEVELS)[number];

/** A status that a charm sets. */
export interface Status {
  readonly level: StatusLevel;
  /** For `blocked`: what is wrong. For `waiting`: what the unit waits for. */
  readonly message: string;
  /** What `juju status` shows of a message that it has no room for. */
  readonly brief?: string;
  /** What the user types next, if the message does not say it. */
  readonly next?: string;
}

/**
 * What a status says. Where it names units, addresses or the like, it is a function, and `juju status` shows as many of
 * them as fit: `waiting((list) => `${list(units)} to stop`)` → `web/0, web/1 and 18 more to stop`.
 */
export type Message = string | ((list: (names: readonly string[]) => string) => string);

/** How many characters of a status Juju shows in its table. `show-status` has room for the rest. */
export const SHOWN_CHARACTERS = 100;
/** What ends a text of which `juju status` shows only the beginning. */
const CUT = '… (show-status)';

/**
 * The user has to act; the message, or `next`, says how.
 * @param notes further facts: `juju status` shows those that fit, and the number of the others
 */
export function blocked(message: Message, next?: string, notes: readonly string[] = []): Status {
  return { ...statusOf('blocked', message, notes, next), ...(next !== undefined && { next }) };
}

/** The unit waits for something that will happen without the user. */
export function waiting(message: Message, notes: readonly string[] = []): Status {
  return statusOf('waiting', message, notes);
}

/** The charm is busy. */
export function maintenance(message: Message, notes: readonly string[] = []): Status {
  return statusOf('maintenance', message, notes);
}

/** The unit does its work. */
export function active(message: Message = '', notes: readonly string[] = []): Status {
  return statusOf('active', message, notes);
}

function statusOf(level: StatusLevel, message: Message, notes: readonly string[], next?: string): Status {
  const text = typeof message === 'string' ? () => message : message;
  const whole = [text((names) => listed(names)), ...notes].join('; ');
  const room = SHOWN_CHARACTERS - (next === undefined ? 0 : `: ${next}`.length);
  if (whole.length <= room) return { level, message: whole };
  return { level, message: whole, brief: fitting(text, notes, room) };
}

/** As many names as fit, then as many notes. */
function fitting(text: Exclude<Message, string>, notes: readonly string[], room: number): string {
  const most = notes.length > 0 ? room - moreNotes(notes.length).length : room;
  let names = 0;
  text((all) => {
    names = Math.max(names, all.length);
    return '';
  });
  const at = (count: number): string => text((all) => listed(all, count));
  while (names > 1 && at(names).length > most) names -= 1;
  const head = at(names);
  for (let shown = notes.length; shown >= 0; shown -= 1) {
    const rest = notes.length - shown;
    const brief = [head, ...notes.slice(0, shown)].join('; ') + (rest > 0 ? moreNotes(rest) : '');
    if (brief.length <= room) return brief;
  }
  return head;
}

/** `a, b and c`, or `a and 2 more` */
function listed(names: readonly string[], most = names.length): string {
  const [shown, last] =
    names.length > most
      ? [names.slice(0, most), `${names.length - most} more`]
      : [names.slice(0, -1), names.at(-1) ?? ''];
  return shown.length === 0 ? last : `${shown.join(', ')} and ${last}`;
}

function moreNotes(count: number): string {
  return `; ${count} more: show-status`;
}

/** Sorts statuses, the worst first. Equal ones keep their order. */
export function worstFirst(statuses: readonly Status[]): readonly Status[] {
  const rank = ({ level }: Status): number => STATUS_LEVELS.indexOf(level);
  return statuses.toSorted((a, b) => rank(a) - rank(b));
}

/** The status to show: the worst of them, the first of equals; `active` if there are none. */
export function worst(statuses: readonly Status[]): Status {
  return worstFirst(statuses)[0] ?? active();
}

/** All that a status says beside its level: the message and the next step. */
export function statusText({ message, next }: Status): string {
  return next === undefined ? message : `${message}: ${next}`;
}

/** What `juju status` shows of it: what its table has room for. */
export function shownText({ message, brief = message, next }: Status): string {
  const step = next === undefined ? '' : `: ${next}`;
  const room = SHOWN_CHARACTERS - CUT.length;
  if (brief.length + step.length <= SHOWN_CHARACTERS) return brief + step;
  // What the user types is worth more than why.
  return room - step.length > 20 ? cut(brief, room - step.length) + step : cut(brief + step, room);
}

function cut(text: string, characters: number): string {
  return text.slice(0, characters).replace(/\s+\S*$/, '') + CUT;
}

/** The level and all that is said beside it. */
export function statusLine(status: Status): string {
  return `${status.level} ${statusText(status)}`.trimEnd();
}

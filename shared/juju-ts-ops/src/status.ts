/** The four statuses that a charm may set, worst first. */
export const STATUS_LEVELS = ['blocked', 'maintenance', 'waiting', 'active'] as const;
export type StatusLevel = (typeof STATUS_LEVELS)[number];

export interface Status {
  readonly level: StatusLevel;
  /** For `blocked`: what is wrong. For `waiting`: what for. */
  readonly message: string;
  /** What the user types next, where the message does not say it. */
  readonly next?: string;
}

/** The user has to act: the message, or `next`, says how. */
export function blocked(message: string, next?: string): Status {
  return { level: 'blocked', message, ...(next !== undefined && { next }) };
}

/** Something else has to happen first, and will, without the user. */
export function waiting(message: string): Status {
  return { level: 'waiting', message };
}

/** The charm is busy. */
export function maintenance(message: string): Status {
  return { level: 'maintenance', message };
}

export function active(message = ''): Status {
  return { level: 'active', message };
}

/** Worst first; equals in the order in which they were given. */
export function worstFirst(statuses: readonly Status[]): readonly Status[] {
  const rank = ({ level }: Status): number => STATUS_LEVELS.indexOf(level);
  return statuses.toSorted((a, b) => rank(a) - rank(b));
}

/** The status to show: the worst of them, the first one of equals. None at all is `active`. */
export function worst(statuses: readonly Status[]): Status {
  return worstFirst(statuses)[0] ?? active();
}

/** What is shown of a status beside its level: the message and the next step. */
export function statusText({ message, next }: Status): string {
  return next === undefined ? message : `${message}: ${next}`;
}

/** The four statuses that a charm may set, worst first. */
export const STATUS_LEVELS = ['blocked', 'maintenance', 'waiting', 'active'] as const;
export type StatusLevel = (typeof STATUS_LEVELS)[number];

export interface Status {
  readonly level: StatusLevel;
  /** For `blocked`: what is wrong and what to type. For `waiting`: what for. */
  readonly message: string;
}

/** The user has to act: the message says how. */
export function blocked(message: string): Status {
  return { level: 'blocked', message };
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

/** The status to show: the worst of them, the first one of equals. None at all is `active`. */
export function worst(statuses: readonly Status[]): Status {
  for (const level of STATUS_LEVELS) {
    const found = statuses.find((status) => status.level === level);
    if (found) return found;
  }
  return active();
}

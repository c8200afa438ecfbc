const UNITS: Readonly<Record<string, number>> = { us: 0.001, ms: 1, s: 1e3, m: 6e4, h: 36e5, d: 864e5 };

/** A time as HAProxy has it, `90s`, → milliseconds. It takes a number alone as that. */
export function milliseconds(text: string): number {
  const [, number = '', unit = 'ms'] = /^(\d+)(\D*)$/.exec(text) ?? [];
  return Number(number) * (UNITS[unit || 'ms'] ?? 1);
}

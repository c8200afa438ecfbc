import type { RawBag } from '../databag.ts';
import { LONGEST_WORD } from '../process.ts';
import type { More } from './caller.ts';

/** A call about a relation. */
export function about(relation: number, ...args: readonly string[]): [readonly string[], More] {
  return [['-r', String(relation), ...args], { relation }];
}

/** A map of texts in YAML. JSON is YAML, but for control characters that JSON may leave as they are. */
export function yamlMap(values: RawBag): string {
  return JSON.stringify(values).replaceAll(
    /[\u007f-\u009f\u2028\u2029\ufeff]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

/** A text for people as one word of a command line, which has no room for all of a long one, nor for a zero byte. */
export function word(message: string): string {
  const bytes = Buffer.from(message.replaceAll('\0', '\ufffd'));
  if (bytes.length <= LONGEST_WORD) return bytes.toString();
  const room = LONGEST_WORD - 40;
  const shown = bytes
    .subarray(0, room)
    .toString()
    .replace(/\ufffd+$/, '');
  return `${shown}… (${bytes.length - Buffer.byteLength(shown)} bytes more)`;
}

export function pairs(values: Readonly<Record<string, string>>): readonly string[] {
  return Object.entries(values).map(([key, value]) => `${key}=${value}`);
}

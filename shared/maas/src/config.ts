import { Redacted, UserError } from 'juju-ts-ops';
import { LineCounter, parseDocument, stringify } from 'yaml';
import { z } from 'zod';

const Config = z.record(z.string(), z.unknown());
export type MaasConfig = z.infer<typeof Config>;

/**
 * The keys of a regiond.conf or rackd.conf as it stands, as MAAS reads it: YAML 1.1, and of a key that is there twice the
 * last one counts. What is wrong is said by its line alone: the file has passwords.
 * @param path for the message
 * @throws {UserError} where MAAS could not read it either; what others have written there is kept
 */
export function parseMaasConfig(text: string, path: string): MaasConfig {
  const lineCounter = new LineCounter();
  const quiet = { logLevel: 'silent', prettyErrors: false } as const;
  const document = parseDocument(text, { version: '1.1', uniqueKeys: false, lineCounter, ...quiet });
  const [problem] = [...document.errors, ...document.warnings];
  const where = problem ? ` (line ${lineCounter.linePos(problem.pos[0]).line})` : '';
  const parsed = problem ? undefined : Config.nullable().safeParse(document.toJS());
  if (!parsed?.success) throw new UserError(`MAAS cannot read ${path}${where}: mend it, or move it away`);
  return parsed.data ?? {};
}

/**
 * regiond.conf or rackd.conf: the keys that are there already, and ours over them. Every text is quoted, because
 * MAAS reads YAML 1.1, where a password of digits would be a number and `yes` would be true; and MAAS refuses a
 * whole file for one value of the wrong type.
 */
export function renderMaasConfig(current: MaasConfig, wanted: MaasConfig): Redacted {
  const merged = Object.entries({ ...current, ...wanted }).filter(([, value]) => value !== undefined);
  return new Redacted(
    stringify(Object.fromEntries(merged), {
      version: '1.1',
      defaultStringType: 'QUOTE_DOUBLE',
      defaultKeyType: 'PLAIN',
      sortMapEntries: true,
      lineWidth: 0,
    }),
  );
}

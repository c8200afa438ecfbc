import { Redacted } from 'juju-ts-ops';
import { parse, stringify } from 'yaml';
import { z } from 'zod';

const Config = z.record(z.string(), z.unknown()).catch({});
export type MaasConfig = z.infer<typeof Config>;

/** The keys of a regiond.conf or rackd.conf as it stands; none where the file is missing or no mapping. */
export function parseMaasConfig(text: string): MaasConfig {
  try {
    return Config.parse(parse(text));
  } catch {
    return {};
  }
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

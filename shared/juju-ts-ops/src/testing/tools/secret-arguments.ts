import { contentOf, FILE, mapIn, Refusal } from './command-line.ts';

export const SECRET = {
  owner: { type: 'string', default: 'application' },
  label: { type: 'string' },
  description: { type: 'string' },
  rotate: { type: 'string' },
  expire: { type: 'string' },
  ...FILE,
} as const;
const SECRET_KEY = /^([a-z](?:-?[a-z0-9]){2,})$/;
const ROTATIONS = ['never', 'hourly', 'daily', 'weekly', 'monthly', 'quarterly', 'yearly'];

/** What secret-add and secret-set are given to keep. What `--file` says wins over the words. */
export function secretContent(file: string | undefined, args: readonly string[]): Record<string, string> {
  const named = args.map((arg): readonly [string, string] => {
    // `=` at the end is padding for Juju, so that `key=` is no value.
    const at = arg.replace(/=*$/, '').indexOf('=');
    if (at < 1) throw new Refusal(2, `key value ${JSON.stringify(arg)} not valid`);
    const [name, value] = [arg.slice(0, at), arg.slice(at + 1)];
    return name.endsWith('#file') ? [name.slice(0, -5), contentOf(value, 2)] : [name, value];
  });
  if (file === '-') contentOf(file, 2);
  const kept = [...named, ...Object.entries(mapIn(file, ''))].map(([name, value]) => {
    const key = name.replace(/#base64$/, '');
    if (!SECRET_KEY.test(key)) throw new Refusal(2, `key "${key}" not valid`);
    return [key, key === name ? value : Buffer.from(value, 'base64').toString('utf8')] as const;
  });
  const size = kept.reduce((sum, [, value]) => sum + Buffer.from(value).toString('base64').length, 0);
  if (size > 1_000_000) throw new Refusal(2, `base64 encoded secret content too large: ${size} bytes`);
  return Object.fromEntries(kept);
}

/** What is said of a secret beside its content; "" says nothing. */
export function settingsOf({ label, description, owner, rotate, expire }: Partial<Record<string, string>>) {
  if (expire) checkExpiry(expire);
  if (rotate && !ROTATIONS.includes(rotate)) throw new Refusal(2, `rotate policy "${rotate}" not valid`);
  if (owner !== 'application' && owner !== 'unit')
    throw new Refusal(2, `secret owner "${owner ?? ''}" not valid`);
  return Object.fromEntries(
    Object.entries({ label, description, rotate, expire }).filter(
      ([, value]) => value !== undefined && value !== '',
    ),
  );
}

/** A date, or a duration as Go writes it. */
function checkExpiry(text: string): void {
  const isDate =
    /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)?$/.test(text) &&
    !Number.isNaN(Date.parse(text));
  if (isDate) return;
  if (!/^[+-]?((\d+\.?\d*|\.\d+)(ns|us|µs|ms|s|m|h))+$/.test(text))
    throw new Refusal(2, `expire time or duration "${text}" not valid`);
  if (text.startsWith('-') || !/[1-9]/.test(text))
    throw new Refusal(2, `negative expire duration "${text}" not valid`);
}

/** The id in `secret:9m4e…`, `secret://<model>/9m4e…` or alone. */
export function bareId(uri: string): string {
  const [, id] =
    /^(?:secret:)?(?:\/\/[a-f0-9]{8}-[a-f0-9]{4}-[a-f0-9]{4}-[a-f0-9]{4}-[a-f0-9]{12}\/)?\/*([0-9a-v]{20})$/.exec(
      uri,
    ) ?? [];
  if (id === undefined) throw new Refusal(2, `secret URI "${uri}" not valid`);
  return id;
}

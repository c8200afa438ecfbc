import { parse, type Tags } from 'yaml';

/**
 * YAML as Juju reads it (gopkg.in/yaml.v2): 1.1, with merge keys and with yes, no, on and off for truth; dates and times
 * of day are texts. Of a key that stands twice the last value counts.
 */
export function readYaml(text: string): unknown {
  return parse(text, LIKE_JUJU);
}

/** How the `yaml` package reads what Juju reads. */
export const LIKE_JUJU = {
  version: '1.1',
  merge: true,
  uniqueKeys: false,
  customTags: (tags: Tags) =>
    tags.filter(
      (tag) =>
        typeof tag === 'string' ||
        !(/:(timestamp|binary|omap|pairs|set)$/.test(tag.tag) || ('format' in tag && tag.format === 'TIME')),
    ),
} as const;

/** The same where texts are wanted: each is as it is spelled, and null is "". */
export function readStrings(text: string): unknown {
  const spelled: unknown = parse(text, { schema: 'failsafe', merge: true, uniqueKeys: false });
  if (typeof spelled !== 'object' || spelled === null || Array.isArray(spelled))
    return spelled === '' ? null : spelled;
  const nulls = new Map(Object.entries(readYaml(text) ?? {}).filter(([, value]) => value === null));
  return Object.fromEntries(
    Object.entries(spelled).map(([key, value]) => [key, nulls.has(key) ? '' : value]),
  );
}

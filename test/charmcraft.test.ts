// What `charmcraft pack` and Charmhub need of the folder of a charm. charmcraft itself is a snap, and not run here.
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { parse } from 'yaml';
import { z } from 'zod';

const CHARMS = join(import.meta.dirname, '../charms');

const Charmcraft = z.object({
  name: z.string(),
  title: z.string(),
  summary: z.string(),
  description: z.string(),
  links: z.record(z.string(), z.httpUrl()),
  platforms: z.record(z.string().regex(/^ubuntu@\d\d\.\d\d:(amd64|arm64)$/), z.null()),
  parts: z.object({
    charm: z.strictObject({
      plugin: z.literal('dump'),
      source: z.array(z.record(z.string().regex(/^to /), z.string())),
    }),
  }),
});

const read = async (charm: string) =>
  Charmcraft.parse(parse(await readFile(join(CHARMS, charm, 'charmcraft.yaml'), 'utf8')));

describe.each(['haproxy', 'keepalived-vip', 'maas-rack', 'maas-region'])('%s', (charm) => {
  test('has what Charmhub shows', async () => {
    const { name, title, summary, description } = await read(charm);
    expect(name).toBe(charm);
    expect(title.length).toBeLessThanOrEqual(40);
    // Charmhub cuts longer ones in lists.
    expect(summary.length).toBeLessThanOrEqual(78);
    expect(description).toMatch(/\w{3}/);
    expect(existsSync(join(CHARMS, charm, 'README.md'))).toBe(true);
    expect(await readFile(join(CHARMS, charm, 'icon.svg'), 'utf8')).toMatch(
      /^<svg [^>]*viewBox="0 0 100 100"/,
    );
  });

  test('is packed for every release and architecture that the build makes it for, from where the build puts it', async () => {
    const { platforms, parts } = await read(charm);
    const releases = ['22.04', '24.04', '26.04'];
    expect(Object.keys(platforms)).toEqual(
      releases.flatMap((release) => ['amd64', 'arm64'].map((arch) => `ubuntu@${release}:${arch}`)),
    );
    expect(parts.charm.source).toEqual([{ 'to amd64': 'built/amd64' }, { 'to arm64': 'built/arm64' }]);
  });
});

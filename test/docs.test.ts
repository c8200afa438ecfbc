// Every command and link in the documents, and in the READMEs of the charms, names what is there.
import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { z } from 'zod';
import { charmcraft as haproxy } from '../charms/haproxy/src/charmcraft.ts';
import { charmcraft as keepalivedVip } from '../charms/keepalived-vip/src/charmcraft.ts';
import { charmcraft as maasRack } from '../charms/maas-rack/src/charmcraft.ts';
import { charmcraft as maasRegion } from '../charms/maas-region/src/charmcraft.ts';

interface Declared {
  readonly name: string;
  readonly options: object;
  readonly actions: object;
  readonly provides: object;
  readonly requires: object;
}

const ROOT = join(import.meta.dirname, '..');
const charms = new Map<string, Declared>(
  [haproxy, keepalivedVip, maasRack, maasRegion].map((charm) => [charm.name, charm]),
);

const pages = [
  'README.md',
  ...[...charms.keys()].map((name) => `charms/${name}/README.md`),
  ...(await readdir(join(ROOT, 'docs'), { recursive: true }))
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`),
];

/** What npm packs: from there no link leads out of the package. */
const packages = ['juju-ts-ops', 'host', 'interfaces', 'juju-local'].map((name) =>
  join(ROOT, 'shared', name),
);

describe.each(packages)('the package %s', (folder) => {
  test('has links to what is packed with it', async () => {
    const { files = ['.'] } = Manifest.parse(
      JSON.parse(await readFile(join(folder, 'package.json'), 'utf8')),
    );
    const packed = [join(folder, 'README.md'), ...files.map((name) => join(folder, name))];
    const names = (await readdir(folder, { recursive: true })).filter(
      (name) => name.endsWith('.md') && !name.includes('node_modules'),
    );
    const links = await Promise.all(
      names.map(async (name) =>
        linksIn(await readFile(join(folder, name), 'utf8'), join(folder, dirname(name))),
      ),
    );
    const isPacked = (path: string): boolean =>
      packed.some((root) => path === root || path.startsWith(`${root}/`)) && existsSync(path);
    expect(links.flat().filter((path) => !isPacked(path))).toEqual([]);
  });
});
const Manifest = z.object({ files: z.array(z.string()).optional() });

/** The files that a page links to. */
function linksIn(text: string, folder: string): readonly string[] {
  return [...text.matchAll(/\]\((?!https?:)([^)#]+)[^)]*\)/g)].map(([, link = '']) => join(folder, link));
}

/** The lines of a page that a user types. */
function commands(text: string): readonly string[] {
  return [...text.matchAll(/^ *(?:npx juju-local|juju) (.*)$/gm)].map(([, line = '']) => line);
}

/** Whether a charm of this repository does not declare a name; those of others may have any. */
function isMissing(declared: object | undefined, name: string): boolean {
  return declared !== undefined && !(name in declared);
}

describe.each(pages)('%s', (page) => {
  const read = () => readFile(join(ROOT, page), 'utf8');

  test('has links to files that are there', async () => {
    const links = linksIn(await read(), join(ROOT, dirname(page)));
    expect(links.filter((path) => !existsSync(path))).toEqual([]);
  });

  test('sets options that charms have', async () => {
    const set = commands(await read()).flatMap((line) => {
      const [, app = '', rest = ''] = /^config (\S+)(.*)$/.exec(line) ?? [];
      return [...rest.matchAll(/ ([a-z0-9-]+)=/g)].map(([, option = '']) => ({ app, option }));
    });
    expect(set.filter(({ app, option }) => isMissing(charms.get(app)?.options, option))).toEqual([]);
  });

  test('runs actions that charms have', async () => {
    const run = commands(await read()).flatMap((line) => {
      const [, app = '', action = ''] = /^run (\S+?)\/\S+ (\S+)/.exec(line) ?? [];
      return app === '' ? [] : [{ app, action }];
    });
    expect(run.filter(({ app, action }) => isMissing(charms.get(app)?.actions, action))).toEqual([]);
  });

  test('relates endpoints that charms have', async () => {
    const related = commands(await read()).flatMap((line) =>
      line.startsWith('integrate ') ? [...line.matchAll(/ ([a-z-]+):([a-z-]+)/g)] : [],
    );
    const missing = related.filter(([, app = '', endpoint = '']) => {
      const charm = charms.get(app);
      return (
        charm && endpoint !== 'juju-info' && !(endpoint in charm.provides) && !(endpoint in charm.requires)
      );
    });
    expect(missing.map(([text]) => text)).toEqual([]);
  });
});

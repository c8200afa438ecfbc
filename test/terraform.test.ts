// The Terraform modules have the endpoints of charmcraft.yaml, the conventions of charm modules, and the applications
// and relations of the bundle.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { parse } from 'yaml';
import { z } from 'zod';
import { charmcraft as haproxy } from '../charms/haproxy/src/charmcraft.ts';
import { charmcraft as keepalivedVip } from '../charms/keepalived-vip/src/charmcraft.ts';
import { charmcraft as maasRack } from '../charms/maas-rack/src/charmcraft.ts';
import { charmcraft as maasRegion } from '../charms/maas-region/src/charmcraft.ts';

const ROOT = join(import.meta.dirname, '..');
const CHARMS = [haproxy, keepalivedVip, maasRack, maasRegion];

/** A block of a module at the left margin, as `terraform fmt` leaves it. */
interface Block {
  readonly kind: string;
  readonly name: string;
  readonly body: string;
}

function blocksOf(module: string): readonly Block[] {
  const folder = join(ROOT, 'terraform', module);
  const files = readdirSync(folder).filter((name) => name.endsWith('.tf'));
  const text = files.map((name) => readFileSync(join(folder, name), 'utf8')).join('\n');
  return [...text.matchAll(/^(\w+)(?: "\w+")??(?: "(\w+)")? \{\n(.*?)^\}$/gms)].map(
    ([, kind = '', name = '', body = '']) => ({ kind, name, body }),
  );
}

const namesOf = (module: string, kind: string): readonly string[] =>
  blocksOf(module)
    .filter((block) => block.kind === kind)
    .map(({ name }) => name)
    .toSorted();

function bodyOf(module: string, kind: string, name: string): string {
  const found = blocksOf(module).find((block) => block.kind === kind && block.name === name);
  if (!found) throw new Error(`${module} has no ${kind} "${name}"`);
  return found.body;
}

/** The assignments of a block with their indentation: 2 for its own, 4 for those of a map in it. */
function assignments(body: string, indentation: number): Readonly<Record<string, string>> {
  const lines = body.matchAll(new RegExp(`^ {${indentation}}(\\w+) += (.*)$`, 'gm'));
  return Object.fromEntries([...lines].map(([, name = '', value = '']) => [name, value]));
}

const underscored = (name: string): string => name.replaceAll('-', '_');

describe.each(CHARMS)('the module of $name', (charm) => {
  const { name, subordinate } = charm;

  test('has the variables of a charm module; a subordinate has neither units nor constraints', () => {
    const ofAll = ['app_name', 'base', 'channel', 'charm_name', 'config', 'model_uuid', 'revision'];
    const ofPrincipals = subordinate ? [] : ['constraints', 'machines', 'units'];
    expect(namesOf(name, 'variable')).toEqual([...ofAll, ...ofPrincipals].toSorted());
    expect(assignments(bodyOf(name, 'variable', 'app_name'), 2)['default']).toBe(`"${name}"`);
    // Each is used.
    const resource = bodyOf(name, 'resource', underscored(name));
    for (const variable of namesOf(name, 'variable')) expect(resource).toMatch(`var.${variable}`);
  });

  test('names the endpoints of charmcraft.yaml', () => {
    expect(namesOf(name, 'output')).toEqual(['app_name', 'provides', 'requires']);
    // Juju itself gives it to every principal.
    const provided = [...Object.keys(charm.provides), ...(subordinate ? [] : ['juju-info'])];
    const endpoints = { provides: provided, requires: Object.keys(charm.requires) };
    for (const [output, wanted] of Object.entries(endpoints))
      expect(assignments(bodyOf(name, 'output', output), 4)).toEqual(
        Object.fromEntries(wanted.map((endpoint) => [underscored(endpoint), `"${endpoint}"`])),
      );
  });
});

describe('the module maas-ha', () => {
  const bundle = z
    .object({
      applications: z.record(
        z.string(),
        z.object({
          channel: z.string().optional(),
          num_units: z.number().optional(),
          options: z.record(z.string(), z.union([z.number(), z.boolean()])).default({}),
        }),
      ),
      relations: z.array(z.tuple([z.string(), z.string()])),
    })
    .parse(parse(readFileSync(join(ROOT, 'bundle.yaml'), 'utf8')));

  test.each(CHARMS.map(({ name }) => name))('hands everything to the module of %s', (name) => {
    const module = underscored(name);
    const variables = namesOf(name, 'variable').filter((variable) => variable !== 'model_uuid');
    const attributes = assignments(bodyOf('maas-ha', 'variable', module), 4);
    expect(Object.keys(attributes).toSorted()).toEqual(variables);
    const { model_uuid: model, source, ...handed } = assignments(bodyOf('maas-ha', 'module', module), 2);
    expect([model, source]).toEqual(['var.model_uuid', `"../${name}"`]);
    expect(Object.keys(handed).toSorted()).toEqual(variables);
    for (const [variable, value] of Object.entries(handed))
      expect(value).toContain(`var.${module}.${variable}`);
    const units = bundle.applications[name]?.num_units;
    expect(attributes['units']).toBe(units === undefined ? undefined : `optional(number, ${units})`);
  });

  test('has the PostgreSQL of the bundle, with its options', () => {
    const { channel, num_units: units, options } = bundle.applications['postgresql'] ?? {};
    expect(assignments(bodyOf('maas-ha', 'variable', 'postgresql'), 4)).toMatchObject({
      channel: `optional(string, "${channel}")`,
      units: `optional(number, ${units})`,
    });
    const body = bodyOf('maas-ha', 'resource', 'postgresql');
    const set = [...body.matchAll(/^ {4}([\w-]+-[\w-]+) += "(.*)"$/gm)].map(([, key, value]) => [key, value]);
    expect(Object.fromEntries(set)).toEqual(
      Object.fromEntries(Object.entries(options ?? {}).map(([key, value]) => [key, String(value)])),
    );
  });

  test('integrates what the bundle does', () => {
    const ends = (body: string) =>
      [...body.matchAll(/name += (\S+)\n +endpoint = (\S+)/g)].map(([, app = '', endpoint = '']) => {
        const name = (/^(?:module|juju_application)\.(\w+)\./.exec(app)?.[1] ?? '').replaceAll('_', '-');
        const charm = CHARMS.find((one) => one.name === name);
        const [, side = '', key = ''] = /^module\.\w+\.(\w+)\.(\w+)$/.exec(endpoint) ?? [];
        if (charm === undefined) return `${name}:${endpoint.replaceAll('"', '')}`;
        return `${name}:${assignments(bodyOf(name, 'output', side), 4)[key]?.replaceAll('"', '')}`;
      });
    const integrations = blocksOf('maas-ha')
      .filter(({ kind, body }) => kind === 'resource' && body.includes('endpoint'))
      .map(({ body }) => ends(body).toSorted().join(' '));
    expect(integrations.toSorted()).toEqual(
      bundle.relations.map((relation) => relation.toSorted().join(' ')).toSorted(),
    );
  });
});

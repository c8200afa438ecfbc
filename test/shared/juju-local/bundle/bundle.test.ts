import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { readBundle } from '../../../../shared/juju-local/src/bundle/bundle.ts';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'bundle-'));
  writeFileSync(join(folder, 'a.charm'), '');
});
afterEach(() => rmSync(folder, { recursive: true }));

function write(name: string, text: string): string {
  writeFileSync(join(folder, name), text);
  return join(folder, name);
}

async function read(text: string, ...overlays: readonly string[]) {
  const files = overlays.map((overlay, index) => write(`overlay-${index}.yaml`, overlay));
  return readBundle(write('bundle.yaml', text), files);
}

const GOOD = `
applications:
  web: {charm: ./a.charm, num_units: 2, options: {port: 80, name: x}}
  db: {charm: ./a.charm, num_units: 1}
relations: [[web:db, db:server], [web, db:admin]]
`;

test('reads applications with absolute charms, units, options and relations', async () => {
  const { applications, relations } = await read(GOOD);
  expect(applications.get('web')).toEqual({
    charm: join(folder, 'a.charm'),
    numUnits: 2,
    to: [],
    options: { port: 80, name: 'x' },
    trust: false,
  });
  expect(relations).toEqual([
    ['web:db', 'db:server'],
    ['web', 'db:admin'],
  ]);
});

test('without num_units an application has no units; scale means the same', async () => {
  const { applications } = await read(
    'applications: {none: {charm: ./a.charm}, three: {charm: ./a.charm, scale: 3}}',
  );
  expect([...applications.values()].map(({ numUnits }) => numUnits)).toEqual([0, 3]);
});

test('overlays merge options key by key, add relations, and delete what is null', async () => {
  const { applications, relations } = await read(
    `${GOOD}---\napplications: {web: {options: {port: 81}}}\n`,
    'applications: {web: {num_units: 5, options: {name: null}}, extra: {charm: ./a.charm}}\nrelations: [[web, extra]]',
  );
  expect(applications.get('web')).toMatchObject({ numUnits: 5, options: { port: 81 } });
  expect(relations).toHaveLength(3);

  const without = await read(GOOD, 'applications: {db: null}');
  expect([...without.applications.keys()]).toEqual(['web']);
  expect(without.relations).toEqual([]);

  const cleared = await read(GOOD, 'applications: {web: {options: {}}}');
  expect(cleared.applications.get('web')?.options).toEqual({});
});

test("an overlay's paths are relative to the overlay; includes to the file that has them", async () => {
  write('motd', 'hello\n');
  const { applications } = await read(
    'applications: {web: {charm: ./a.charm, options: {text: "include-file://motd", raw: "include-base64://motd"}}}',
  );
  expect(applications.get('web')?.options).toEqual({ text: 'hello\n', raw: 'aGVsbG8K' });
  await expect(
    read('applications: {web: {charm: ./a.charm, options: {text: "include-file://nothing"}}}'),
  ).rejects.toThrow('unable to process include for option "text"');
});

const APP = 'charm: ./a.charm, num_units: 1';

test.each([
  ['applications: {}', 'at least one application must be specified'],
  ['applications: {web: null}', 'bundle application for key "web" is undefined'],
  ['applications: {web: {num_units: 1}}', 'empty charm path'],
  [
    'applications: {web: {charm: ./no.charm}}',
    /^charm path in application "web" does not exist: \/.*no\.charm$/,
  ],
  ['applications: {web: {charm: "a b"}}', 'invalid charm URL in application "web": "a b"'],
  ['applications: {web: {charm: web-3}}', 'cannot specify revision in "web-3", please use revision'],
  [
    'applications: {web: {charm: web, revision: 3}}',
    'application "web" with a revision requires a channel for future upgrades, please use channel',
  ],
  [`bundle: openstack\napplications: {web: {${APP}}}`, 'bundle has an invalid type "openstack"'],
  [`default-base: noble\napplications: {web: {${APP}}}`, 'bundle declares an invalid base "noble"'],
  [
    'applications: {web: {charm: ./a.charm, num_units: -1}}',
    'negative number of units specified on application "web"',
  ],
  [
    `applications: {web: {${APP}, scale: 1}}`,
    'cannot specify both scale and num_units for application "web"',
  ],
  [
    `applications: {web: {${APP}, to: [new, new]}}`,
    'too many units specified in unit placement for application "web"',
  ],
  [
    `applications: {web: {${APP}, to: ["3"]}}`,
    'placement "3" refers to a machine not defined in this bundle',
  ],
  [
    `applications: {web: {${APP}, to: [db/0]}}`,
    'placement "db/0" refers to an application not defined in this bundle',
  ],
  [
    `applications: {web: {${APP}, to: [db/4]}, db: {${APP}}}`,
    'placement "db/4" specifies a unit greater than the 1 unit(s) started by the target application',
  ],
  [`applications: {web: {${APP}, to: ["!"]}}`, 'invalid placement syntax "!"'],
  [
    `applications: {web: {${APP}}}\nmachines: {"0": {}}`,
    'machine "0" is not referred to by a placement directive',
  ],
  [
    `applications: {web: {${APP}, to: ["0"]}}\nmachines: {"0": {}, x: {}}`,
    'invalid machine id "x" found in machines',
  ],
  [`applications: {web: {${APP}}}\nrelations: [[web]]`, 'relation ["web"] has 1 endpoint(s), not 2'],
  [
    `applications: {web: {${APP}}}\nrelations: [["web:a", "db:b"]]`,
    'relation ["web:a" "db:b"] refers to application "db" not defined in this bundle',
  ],
  [
    `applications: {web: {${APP}}}\nrelations: [["web:a", "web:b"]]`,
    'relation ["web:a" "web:b"] relates an application to itself',
  ],
  [
    `applications: {web: {${APP}}, db: {${APP}}}\nrelations: [["web:a", "db:b"], ["db:b", "web:a"]]`,
    'relation ["db:b" "web:a"] is defined more than once',
  ],
  [`applications: {web: {${APP}, resources: {img: 1.5}}}`, 'resource revision "img" is not int or string'],
  [`applications: {web: {${APP}, offers: {}}}`, 'web.offers can only appear in an overlay section'],
])('%j is refused', async (text, problem) => {
  const error = await read(text).then(
    () => undefined,
    (thrown: unknown) => (thrown instanceof Error ? thrown.message : ''),
  );
  const [header, ...lines] = error?.split('\n') ?? [];
  expect(header).toBe('the provided bundle has the following errors:');
  expect(lines).toEqual([typeof problem === 'string' ? problem : expect.stringMatching(problem)]);
});

test('all that is wrong is said at once', async () => {
  const text = `applications: {web: {${APP}, to: ["3"]}}\nrelations: [[web]]`;
  await expect(read(text)).rejects.toThrow(
    'the provided bundle has the following errors:\nplacement "3" refers to a machine not defined in this bundle\nrelation ["web"] has 1 endpoint(s), not 2',
  );
});

test('the first document must be right by itself', async () => {
  await expect(
    read('applications: {web: {charm: ./no.charm}}', 'applications: {web: {charm: ./a.charm}}'),
  ).rejects.toThrow('charm path in application "web" does not exist');
});

test('a charm of Charmhub is right, but needs an overlay here', async () => {
  const text = 'applications: {db: {charm: postgresql, channel: 16/stable, num_units: 1}}';
  await expect(read(text)).rejects.toThrow('juju-local deploys .charm files only; name one in an overlay');
  const overlay = 'applications: {db: {charm: ./a.charm, channel: ""}}';
  expect((await read(text, overlay)).applications.get('db')?.charm).toBe(join(folder, 'a.charm'));
});

test('a container is refused with what it is', async () => {
  await expect(read(`applications: {web: {${APP}, to: ["lxd:0"]}}\nmachines: {"0": {}}`)).rejects.toThrow(
    'placement "lxd:0" needs a container on a machine, which juju-local does not make',
  );
});

test('YAML of a bundle is read as Juju reads it: merge keys, and yes for true', async () => {
  const { applications } = await read(
    'applications:\n  web: &web {charm: ./a.charm, num_units: 1, options: {debug: yes, at: 22:04}}\n  db: {<<: *web, num_units: 2}\n',
  );
  expect(applications.get('db')).toMatchObject({ numUnits: 2, options: { debug: true, at: '22:04' } });
});

test('what is not known, and what stands twice, is said and ignored', async () => {
  const said: string[] = [];
  const path = write(
    'bundle.yaml',
    'name: x\napplications: {web: {charm: ./a.charm, unit: 1, num_units: 1, num_units: 2}}\n',
  );
  const { applications } = await readBundle(path, [], (message) => said.push(message));
  expect(applications.get('web')?.numUnits).toBe(2);
  expect(said).toEqual([
    `WARNING ${path}: key "num_units" stands twice, the last counts`,
    `WARNING ${path}: field "name" is not known, and ignored`,
    `WARNING ${path}: field "applications.web.unit" is not known, and ignored`,
  ]);
});

test.each([
  ['cores=many', 'bad "cores" constraint: must be a non-negative integer'],
  ['memory=4G', 'unknown constraint "memory"'],
  ['mem', 'malformed constraint "mem"'],
  ['mem=4X', 'bad "mem" constraint: must be a non-negative float with optional M/G/T/P suffix'],
])('constraints %s are refused', async (constraints, why) => {
  await expect(read(`applications: {web: {charm: ./a.charm, constraints: ${constraints}}}`)).rejects.toThrow(
    `invalid constraints "${constraints}" in application "web": ${why}`,
  );
});

test.each([
  ['applications: [web]', 'at least one application must be specified'],
  ['just a text', 'at least one application must be specified'],
  ['applications: {web: {charm: ./a.charm, num_units: two}}', 'applications.web.num_units: expected'],
])('%s is answered in words', async (text, words) => {
  await expect(read(text)).rejects.toThrow(words);
  await expect(read(text)).rejects.not.toThrow('✖');
});

// What the compiler says to whoever writes a charm: short, with the wrong word in it and the right ones.
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { execa } from 'execa';

const ROOT = join(import.meta.dirname, '../../..');
const HELLO = join(ROOT, 'shared/juju-ts-ops/examples/hello');

/** A mistake in the charm of the tutorial, and what the compiler's words must have in them. */
interface Mistake {
  readonly of: string;
  readonly from: string;
  readonly to: string;
  readonly says: readonly string[];
}

const MISTAKES: readonly Mistake[] = [
  {
    of: 'an endpoint that is asked for',
    from: "juju.relations('others')",
    to: "juju.relations('other')",
    says: ['"other"', '"others"'],
  },
  {
    of: 'an endpoint that is defined',
    from: '  others: define',
    to: '  other: define',
    says: ['no endpoint', 'other', 'others'],
  },
  {
    of: 'the name of an interface',
    from: "name: 'hello', app",
    to: "name: 'helo', app",
    says: ['others', 'has the interface', 'hello', 'helo'],
  },
  {
    of: 'an endpoint in a plan',
    from: "databag('others'",
    to: "databag('other'",
    says: ['"other"', '"others"'],
  },
  {
    of: 'a key of a databag',
    from: 'unit: { name: unit }',
    to: 'unit: { nam: unit }',
    says: ["'nam'", "'name'"],
  },
  {
    of: 'a secret in a databag',
    from: 'unit: { name: unit }',
    to: "unit: { name: {} as import('juju-ts-ops').Redacted }",
    says: ['Redacted', 'string'],
  },
  {
    of: 'an option',
    from: '{ greeting: z.string() }',
    to: '{ greting: z.string() }',
    says: ['greting', 'greeting'],
  },
  {
    of: 'the type of an option',
    from: '{ greeting: z.string() }',
    to: '{ greeting: z.int() }',
    says: ['greeting', 'type string'],
  },
  { of: 'an action', from: '    greet: define', to: '    great: define', says: ["'great'", 'greet'] },
  {
    of: 'a hook',
    from: "'others-relation-departed'",
    to: "'others-relation-departd'",
    says: ['others-relation-departd'],
  },
];

let said: ReadonlyMap<string, readonly string[]>;
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'compiler-'));
  const charm = await readFile(join(HELLO, 'src/charm.ts'), 'utf8');
  await symlink(join(ROOT, 'node_modules'), join(folder, 'node_modules'));
  await writeFile(join(folder, 'package.json'), '{ "type": "module" }');
  await writeFile(join(folder, 'tsconfig.json'), await readFile(join(HELLO, 'tsconfig.json')));
  await mkdir(join(folder, 'src'));
  await writeFile(join(folder, 'src/charmcraft.ts'), await readFile(join(HELLO, 'src/charmcraft.ts')));
  for (const [index, { from, to }] of MISTAKES.entries()) {
    expect(charm).toContain(from);
    await writeFile(join(folder, `src/charm-${index}.ts`), charm.replace(from, to));
  }
  await writeFile(join(folder, 'src/charm.ts'), charm);
  const { stdout } = await execa(join(ROOT, 'node_modules/.bin/tsc'), ['--project', folder], {
    cwd: folder,
    reject: false,
  });
  const found = new Map<string, string[]>();
  let last: string[] = [];
  for (const line of stdout.split('\n')) {
    const [, file] = /^src\/([\w-]+)\.ts\(/.exec(line) ?? [];
    if (file !== undefined) {
      last = found.get(file) ?? [];
      found.set(file, last);
    }
    last.push(line);
  }
  said = found;
});
afterAll(() => rm(folder, { recursive: true }));

test('the charm of the tutorial compiles', () => {
  expect(said.get('charm')).toBeUndefined();
});

test.each(MISTAKES.map((mistake, index) => [mistake.of, index, mistake] as const))(
  '%s that is wrong takes three lines at most, with the wrong word and the right ones',
  (_of, index, { says }) => {
    const lines = said.get(`charm-${index}`) ?? [];
    expect(lines).not.toEqual([]);
    for (const word of says) expect(lines.join('\n')).toContain(word);
    expect(lines.length).toBeLessThanOrEqual(3);
    expect(lines.join('\n').length).toBeLessThanOrEqual(1200);
  },
);

import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { pathToFileURL } from 'node:url';
import { isDeepStrictEqual } from 'node:util';
import { parseDocument } from 'yaml';
import { z } from 'zod';
import { BUILT_IN_ACTIONS, type Charmcraft } from '../charmcraft.ts';
import {
  LIFECYCLE_HOOKS,
  RELATION_HOOKS,
  SECRET_HOOKS,
  STORAGE_HOOKS,
  type RelationHook,
} from '../context.ts';

const DeclaredEndpoint = z.preprocess(
  (declared) => (typeof declared === 'string' ? { interface: declared } : declared),
  z.strictObject({
    interface: z.string(),
    scope: z.enum(['global', 'container']).default('global'),
    limit: z.int().optional(),
    optional: z.boolean().optional(),
  }),
);
const DeclaredEndpoints = z.record(z.string(), DeclaredEndpoint).default({});
const option = <T extends string, V extends z.ZodType>(type: T, value: V) =>
  z.strictObject({ type: z.literal(type), default: value.optional(), description: z.string() });
const DeclaredOption = z.discriminatedUnion('type', [
  option('string', z.string()),
  option('int', z.int()),
  option('float', z.number()),
  option('boolean', z.boolean()),
  option('secret', z.string().regex(/^secret:[a-z0-9]{20}$/)),
]);
const DeclaredAction = z.strictObject({
  description: z.string(),
  params: z.record(z.string(), z.looseObject({ type: z.string(), description: z.string() })).default({}),
  required: z.array(z.string()).default([]),
  additionalProperties: z.boolean().optional(),
});
const DeclaredActions = z
  .record(z.string(), DeclaredAction)
  .default({})
  .superRefine((actions, context) => {
    for (const name of Object.keys(actions))
      if (!/^[a-z_][a-z0-9_-]*$/i.test(name) || PYTHON_KEYWORDS.has(name))
        context.addIssue({
          code: 'custom',
          path: [name],
          message: 'charmcraft takes letters, digits, - and _, and no keyword of Python',
        });
  });
const PYTHON_KEYWORDS = new Set(
  'and as assert async await break class continue def del elif else except finally for from global if import in is lambda nonlocal not or pass raise return try while with yield False None True'.split(
    ' ',
  ),
);
const DeclaredStorage = z.looseObject({ type: z.enum(['filesystem', 'block']) });
const DeclaredResource = z.looseObject({ type: z.literal('file'), filename: z.string() });

const Web = z.httpUrl();
const OneOrMore = <T extends z.ZodType>(each: T) => z.union([each, z.array(each)]).optional();
/** What Charmhub shows beside the charm. */
const Links = z.strictObject({
  contact: OneOrMore(z.string()),
  documentation: Web.optional(),
  issues: OneOrMore(Web),
  source: OneOrMore(Web),
  website: OneOrMore(Web),
});

/**
 * What may stand in charmcraft.yaml: what Juju knows of a machine charm, in the names of charmcraft; and what only
 * `charmcraft pack` reads. The limits are those of charmcraft.
 * https://github.com/canonical/charmcraft/tree/main/schema
 */
const Declaration = z.strictObject({
  name: z.string().min(1).max(40),
  type: z.literal('charm'),
  title: z.string().min(2).max(40),
  summary: z.string().max(200),
  description: z.string(),
  subordinate: z.boolean().default(false),
  links: Links.default({}),
  assumes: z.array(z.unknown()).default([]),
  provides: DeclaredEndpoints,
  requires: DeclaredEndpoints,
  peers: DeclaredEndpoints,
  storage: z.record(z.string(), DeclaredStorage).default({}),
  resources: z.record(z.string(), DeclaredResource).default({}),
  config: z.strictObject({ options: z.record(z.string(), DeclaredOption) }).default({ options: {} }),
  actions: DeclaredActions,
  base: z.string().optional(),
  'build-base': z.string().optional(),
  platforms: z.record(z.string(), z.unknown()).optional(),
  parts: z.record(z.string(), z.unknown()).optional(),
});
export type Declaration = z.infer<typeof Declaration>;

/** What is wrong with a charm, in words for whoever writes it. */
export class BuildError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'BuildError';
  }
}

/** @throws {BuildError} naming everything in the charm's charmcraft.yaml that means nothing. */
export async function readDeclaration(folder: string): Promise<Declaration> {
  const file = join(folder, 'charmcraft.yaml');
  if (!existsSync(file)) throw new BuildError(`there is no ${file}`);
  const document = parseDocument(await readFile(file, 'utf8'));
  const [problem] = document.errors;
  if (problem) throw new BuildError(`${file}: ${problem.message.trimEnd()}`);
  const parsed = Declaration.safeParse(document.toJS());
  if (!parsed.success) throw new BuildError(`${file}:\n${z.prettifyError(parsed.error)}`);
  const { actions, parts } = parsed.data;
  const open = Object.keys(actions).filter((name) => actions[name]?.additionalProperties === undefined);
  if (parts && open.length > 0)
    throw new BuildError(
      `${file}: charmcraft copies actions as they are, and Juju 3.6 lets users misspell parameters: give ${open.join(', ')} additionalProperties: false`,
    );
  return parsed.data;
}

/** A charm's name as part of the name of a type: `my-charm` → `MyCharm`. */
export function typeName(charm: string): string {
  return charm
    .split('-')
    .map((word) => word.slice(0, 1).toUpperCase() + word.slice(1))
    .join('');
}

/** The source of `src/charmcraft.ts`. */
export function typesSource(declaration: Declaration): string {
  const json = JSON.stringify(typedPart(declaration), null, 2);
  const name = `${typeName(declaration.name)}Charmcraft`;
  // The compiler prints the name of an interface, and all of what any other type consists of.
  return `// Written from charmcraft.yaml, by \`juju-ts-ops types\`.
const declared = ${json} as const;

type Declared = typeof declared;
/** What charmcraft.yaml declares. */
export interface ${name} extends Declared {}
export const charmcraft: ${name} = declared;
`;
}

/** What the code is checked against. */
function typedPart(declaration: Declaration): Charmcraft {
  const { name, subordinate, provides, requires, peers, storage, resources, config, actions } = declaration;
  const endpoints = (map: typeof provides) =>
    mapValues(map, (endpoint) => ({ interface: endpoint.interface, scope: endpoint.scope }));
  return {
    name,
    subordinate,
    provides: endpoints(provides),
    requires: endpoints(requires),
    peers: endpoints(peers),
    options: mapValues(config.options, ({ type, default: value }) =>
      value === undefined ? { type } : { type, default: value },
    ),
    actions: mapValues(actions, ({ params, required }) => ({
      params: mapValues(params, ({ type, default: value }) =>
        value === undefined ? { type } : { type, default: value },
      ),
      required,
    })),
    // Few charms have these.
    ...(Object.keys(storage).length > 0 && { storage: mapValues(storage, ({ type }) => ({ type })) }),
    ...(Object.keys(resources).length > 0 && { resources: mapValues(resources, ({ type }) => ({ type })) }),
  };
}

function mapValues<T, U>(
  map: Readonly<Record<string, T>>,
  change: (value: T) => U,
): Readonly<Record<string, U>> {
  return Object.fromEntries(Object.entries(map).map(([key, value]) => [key, change(value)]));
}

/** As much of a charm's module as is compared with its declaration. */
const CharmModule = z.object({
  charm: z.object({
    charmcraft: z.unknown(),
    options: z.record(z.string(), z.unknown()),
    endpoints: z.record(z.string(), z.unknown()),
    actions: z.record(z.string(), z.unknown()),
    events: z.record(z.string(), z.unknown()).default({}),
    on: z.record(z.string(), z.unknown()).default({}),
    teardown: z.unknown().optional(),
  }),
});

/**
 * Checks a charm, and returns what whoever writes it should think about, in words.
 * @throws {BuildError} when the charm's YAML, types and code disagree.
 */
export async function verify(folder: string, declaration: Declaration): Promise<readonly string[]> {
  const file = join(folder, 'src/charmcraft.ts');
  if (!existsSync(file) || (await readFile(file, 'utf8')) !== typesSource(declaration))
    throw new BuildError(
      `${file} is not what charmcraft.yaml says; run: npx juju-ts-ops types ${relative(process.cwd(), folder)}`.trimEnd(),
    );
  const module: unknown = await import(pathToFileURL(join(folder, 'src/charm.ts')).href);
  const parsed = CharmModule.safeParse(module);
  if (!parsed.success) throw new BuildError(`${folder}/src/charm.ts exports no charm made by defineCharm`);
  const { charm } = parsed.data;
  if (!isDeepStrictEqual(charm.charmcraft, typedPart(declaration)))
    throw new BuildError(`${folder}/src/charm.ts does not use the charmcraft.ts beside it`);
  const { provides, requires, peers, config, actions } = declaration;
  const builtIn: readonly string[] = BUILT_IN_ACTIONS;
  const declared = {
    options: Object.keys(config.options),
    endpoints: Object.keys({ ...provides, ...requires, ...peers }),
    actions: Object.keys(actions).filter((name) => !builtIn.includes(name)),
  };
  for (const kind of ['options', 'endpoints', 'actions'] as const) {
    const names = declared[kind].toSorted();
    const coded = Object.keys(charm[kind]).sort();
    if (!isDeepStrictEqual(coded, names))
      throw new BuildError(
        `${folder}: charmcraft.yaml declares the ${kind} [${names.join(', ')}], the code has [${coded.join(', ')}]`,
      );
  }
  const events = [...hooksOf(declaration), ...Object.keys(charm.events)];
  const unheard = Object.keys(charm.on).filter((name) => !events.includes(name));
  if (unheard.length > 0)
    throw new BuildError(`${folder}: the code has handlers for [${unheard.join(', ')}], which never happen`);
  const isKept = Object.keys({ ...peers, ...declaration.storage }).length > 0;
  if (charm.teardown === undefined || isKept) return [];
  return [
    `${folder}: the charm cleans up (teardown), and has no peer relation: Juju 4 may delete its units before that is done. Declare one under peers:, though nothing passes over it`,
  ];
}

/** Every hook that Juju may run for a charm. */
function hooksOf({ provides, requires, peers, storage }: Declaration): readonly string[] {
  const relations = (map: typeof provides, hooks: readonly RelationHook[]) =>
    Object.keys(map).flatMap((name) => hooks.map((hook) => `${name}-relation-${hook}`));
  return [
    ...LIFECYCLE_HOOKS,
    ...SECRET_HOOKS,
    ...relations({ ...provides, ...requires }, RELATION_HOOKS),
    ...relations(
      peers,
      RELATION_HOOKS.filter((hook) => hook !== 'broken'),
    ),
    ...Object.keys(storage).flatMap((name) => STORAGE_HOOKS.map((hook) => `${name}-storage-${hook}`)),
  ];
}

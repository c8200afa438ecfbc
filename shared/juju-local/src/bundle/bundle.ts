import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { isMap, isSeq, parseAllDocuments } from 'yaml';
import { z } from 'zod';
import { UsageError } from '../errors.ts';
import { LIKE_JUJU } from '../yaml.ts';

const Scalar = z.union([z.string(), z.number(), z.boolean()]);
const Application = z.looseObject({
  charm: z.string().optional(),
  channel: z.string().nullish(),
  revision: z.int().nullish(),
  base: z.string().nullish(),
  num_units: z.int().nullish(),
  scale: z.int().nullish(),
  to: z.array(z.union([z.string(), z.number().transform(String)])).nullish(),
  options: z.record(z.string(), Scalar.nullable()).nullish(),
  resources: z.record(z.string(), z.unknown()).nullish(),
  trust: z.boolean().nullish(),
  constraints: z.string().nullish(),
  offers: z.unknown().optional(),
  'exposed-endpoints': z.unknown().optional(),
});
const Document = z.looseObject({
  bundle: z.string().optional(),
  'default-base': z.string().optional(),
  machines: z.record(z.string(), z.unknown()).nullish(),
  applications: z.record(z.string(), Application.nullable()).nullish(),
  relations: z.array(z.array(z.string())).nullish(),
  saas: z.unknown().optional(),
});
type Document = z.infer<typeof Document>;
type Application = z.infer<typeof Application>;

/** A bundle after its overlays, checked for itself. */
export interface Bundle {
  readonly applications: ReadonlyMap<string, BundleApplication>;
  readonly machines: readonly string[];
  readonly relations: readonly (readonly [string, string])[];
}

export interface BundleApplication {
  /** Absolute path of a `.charm` file. */
  readonly charm: string;
  readonly numUnits: number;
  /** Where the units go: `new`, a machine of the bundle, an application or one of its units. */
  readonly to: readonly string[];
  readonly options: Readonly<Record<string, string | number | boolean>>;
  /** Wants the cloud's credentials. */
  readonly trust: boolean;
}

const BASE = /^[a-z]+@\d+(\.\d+)*(\/[a-z]+)?$/;
const PLACEMENT =
  /^(?:(?<container>[a-z]+):)?(?:(?<machine>\d+)|(?<app>[a-z][a-z0-9-]*)(?:\/(?<unit>\d+))?)$/;
const ENDPOINT = /^[a-z][a-z0-9]*(-[a-z0-9]*[a-z][a-z0-9]*)*(:[a-z][a-z0-9]*([_-][a-z0-9]+)*)?$/;

/**
 * Reads a bundle and lays overlays over it, as `juju deploy` does: those behind `---` in the same file first.
 * @throws {UsageError} with all that is wrong, in Juju's words.
 */
export async function readBundle(
  path: string,
  overlays: readonly string[],
  warn: (message: string) => void = () => undefined,
): Promise<Bundle> {
  const [base, ...inline] = await readDocuments(path, warn);
  if (!base) throw new UsageError(`${path} has no bundle in it`);
  const others = (await Promise.all(overlays.map((file) => readDocuments(file, warn)))).flat();
  // Juju wants the first document to be right by itself, too.
  refuse([...onlyInOverlays(base), ...problemsOf(base)]);
  const merged = [...inline, ...others].reduce(overlay, base);
  refuse([...problemsOf(merged), ...unsupported(merged)]);
  return finished(merged);
}

function refuse(problems: readonly string[]): void {
  if (problems.length === 0) return;
  throw new UsageError(`the provided bundle has the following errors:\n${problems.join('\n')}`);
}

async function readDocuments(path: string, warn: (message: string) => void): Promise<Document[]> {
  const text = await readFile(path, 'utf8').catch(() => {
    throw new UsageError(`no bundle was found at "${path}"`);
  });
  const folder = dirname(resolve(path));
  const documents = parseAllDocuments(text, LIKE_JUJU).map((document) => {
    const [problem] = document.errors;
    if (problem) throw new UsageError(`${path}: ${problem.message}`);
    for (const key of twice(document.contents))
      warn(`WARNING ${path}: key "${key}" stands twice, the last counts`);
    const content: unknown = document.toJS();
    const parsed = Document.safeParse(content);
    if (!parsed.success) throw new UsageError(inWords(path, parsed.error));
    for (const field of unknownFields(parsed.data))
      warn(`WARNING ${path}: field "${field}" is not known, and ignored`);
    return parsed.data;
  });
  return Promise.all(documents.map((document) => resolvePaths(document, folder)));
}

/** What is of the wrong type, each with where it is. */
function inWords(path: string, { issues }: z.ZodError): string {
  const hasApplications = !issues.some(
    ({ path: at }) => at.length === 0 || (at.length === 1 && at[0] === 'applications'),
  );
  if (!hasApplications)
    return 'the provided bundle has the following errors:\nat least one application must be specified';
  const problems = issues.map(
    ({ path: at, message }) => `  ${at.join('.')}: ${message.replace(/^Invalid input: /, '')}`,
  );
  return `cannot unmarshal bundle contents of ${path}:\n${problems.join('\n')}`;
}

/** The keys of a document that stand twice in their map. */
function twice(node: unknown): string[] {
  if (isSeq(node)) return node.items.flatMap(twice);
  if (!isMap(node)) return [];
  const keys = node.items.map(({ key }) => String(key));
  const own = keys.filter((key, at) => keys.indexOf(key) < at);
  return [...own, ...node.items.flatMap(({ value }) => twice(value))];
}

const FIELDS = new Set(
  'bundle applications machines saas series default-base relations tags description type'.split(' '),
);
const APPLICATION_FIELDS = new Set(
  'charm channel revision series base resources num_units scale to placement expose exposed-endpoints options annotations constraints storage devices bindings plan trust offers'.split(
    ' ',
  ),
);

function unknownFields({ applications, ...document }: Document): string[] {
  const own = Object.keys(document).filter((field) => !FIELDS.has(field));
  const theirs = Object.entries(applications ?? {}).flatMap(([name, app]) =>
    Object.keys(app ?? {})
      .filter((field) => !APPLICATION_FIELDS.has(field))
      .map((field) => `applications.${name}.${field}`),
  );
  return [...own, ...theirs];
}

/** What Juju knows to constrain (core/constraints). */
const CONSTRAINTS = new Set(
  'arch allocate-public-ip container cores cpu-cores cpu-power image-id instance-role instance-type mem root-disk root-disk-source spaces tags virt-type zones'.split(
    ' ',
  ),
);

/** Why constraints are none, in Juju's words. */
function constraintProblem(text: string): string | undefined {
  for (const word of text.split(/\s+/).filter((part) => part !== '')) {
    const at = word.indexOf('=');
    if (at < 1) return `malformed constraint "${word}"`;
    const [name, value] = [word.slice(0, at), word.slice(at + 1)];
    if (!CONSTRAINTS.has(name)) return `unknown constraint "${name}"`;
    if (/^(cores|cpu-cores|cpu-power)$/.test(name) && !/^\d*$/.test(value))
      return `bad "${name}" constraint: must be a non-negative integer`;
    if (/^(mem|root-disk)$/.test(name) && !/^(\d+(\.\d+)?[MGTP]?)?$/.test(value))
      return `bad "${name}" constraint: must be a non-negative float with optional M/G/T/P suffix`;
    if (name === 'arch' && !/^(|amd64|arm64|ppc64el|s390x|riscv64)$/.test(value))
      return `bad "arch" constraint: "${value}" not recognized`;
  }
  return undefined;
}

/** Paths are relative to the file that names them. */
async function resolvePaths(document: Document, folder: string): Promise<Document> {
  const entries = Object.entries(document.applications ?? {}).map(async ([name, app]) => {
    if (!app) return [name, app] as const;
    const charm = app.charm?.replace(/^local:/, './');
    const isPath = charm !== undefined && /^(\.|\/)/.test(charm);
    const options = await included(app.options, folder);
    return [
      name,
      { ...app, ...(isPath && { charm: resolve(folder, charm) }), ...(options && { options }) },
    ] as const;
  });
  return { ...document, applications: Object.fromEntries(await Promise.all(entries)) };
}

/** `include-file://path` is a file's text, `include-base64://path` its bytes. */
async function included(options: Application['options'], folder: string): Promise<Application['options']> {
  if (!options) return options;
  const entries = Object.entries(options).map(async ([key, value]) => {
    const [, kind, path] = /^include-(file|base64):\/\/(.+)$/.exec(String(value)) ?? [];
    if (path === undefined) return [key, value] as const;
    const bytes = await readFile(resolve(folder, path)).catch((cause: unknown) => {
      throw new UsageError(`unable to process include for option "${key}": ${String(cause)}`, { cause });
    });
    return [key, bytes.toString(kind === 'file' ? 'utf8' : 'base64')] as const;
  });
  return Object.fromEntries(await Promise.all(entries));
}

/** Fields one by one, maps key by key; a missing value deletes; relations are added; machines are replaced. */
function overlay(below: Document, above: Document): Document {
  const applications = { ...below.applications };
  for (const [name, app] of Object.entries(above.applications ?? {})) {
    const before = applications[name];
    if (app === null) delete applications[name];
    else {
      const options =
        app.options && Object.keys(app.options).length === 0 ? {} : { ...before?.options, ...app.options };
      applications[name] = { ...before, ...app, options };
    }
  }
  const deleted = Object.keys(below.applications ?? {}).filter((name) => !(name in applications));
  const remains = (endpoint: string): boolean => !deleted.includes(endpoint.split(':')[0] ?? '');
  const relations = [...(below.relations ?? []), ...(above.relations ?? [])];
  return {
    ...below,
    applications,
    machines: above.machines ?? below.machines,
    relations: relations.filter((pair) => pair.every(remains)),
  };
}

function* onlyInOverlays({ applications }: Document): Generator<string> {
  for (const [name, app] of Object.entries(applications ?? {})) {
    if (app?.offers !== undefined) yield `${name}.offers can only appear in an overlay section`;
    if (app?.['exposed-endpoints'] !== undefined)
      yield `${name}.exposed-endpoints can only appear in an overlay section`;
  }
}

/** What Juju finds wrong (bundledata.go). */
function* problemsOf(document: Document): Generator<string> {
  const { bundle, applications, machines } = document;
  if (bundle !== undefined && bundle !== 'kubernetes') yield `bundle has an invalid type "${bundle}"`;
  const base = document['default-base'];
  if (base !== undefined && !BASE.test(base)) yield `bundle declares an invalid base "${base}"`;
  const names = Object.keys(applications ?? {});
  if (names.length === 0) yield 'at least one application must be specified';
  const used = new Set<string>();
  for (const [name, app] of Object.entries(applications ?? {})) {
    if (!app) {
      yield `bundle application for key "${name}" is undefined`;
      continue;
    }
    yield* charmProblems(name, app);
    const constraint = constraintProblem(app.constraints ?? '');
    if (constraint !== undefined)
      yield `invalid constraints "${app.constraints ?? ''}" in application "${name}": ${constraint}`;
    const { num_units: units, scale, to } = app;
    if (typeof units === 'number' && typeof scale === 'number')
      yield `cannot specify both scale and num_units for application "${name}"`;
    const count = unitsOf(app);
    if (count < 0) yield `negative number of units specified on application "${name}"`;
    else if ((to ?? []).length > count)
      yield `too many units specified in unit placement for application "${name}"`;
    for (const [resource, value] of Object.entries(app.resources ?? {}))
      if (typeof value !== 'string' && !Number.isInteger(value))
        yield `resource revision "${resource}" is not int or string`;
    for (const place of to ?? []) {
      const { machine, app: target, unit } = PLACEMENT.exec(place)?.groups ?? {};
      if (machine === undefined && target === undefined) yield `invalid placement syntax "${place}"`;
      if (machine !== undefined) used.add(machine);
      if (machine !== undefined && !(machine in (machines ?? {})))
        yield `placement "${place}" refers to a machine not defined in this bundle`;
      if (target === undefined || target === 'new') continue;
      const other = applications?.[target];
      if (!other) yield `placement "${place}" refers to an application not defined in this bundle`;
      else if (unit !== undefined && Number(unit) >= unitsOf(other))
        yield `placement "${place}" specifies a unit greater than the ${unitsOf(other)} unit(s) started by the target application`;
    }
  }
  for (const machine of Object.keys(machines ?? {})) {
    if (!/^\d+$/.test(machine)) yield `invalid machine id "${machine}" found in machines`;
    else if (!used.has(machine)) yield `machine "${machine}" is not referred to by a placement directive`;
  }
  yield* relationProblems(document, names);
}

function* charmProblems(name: string, { charm, base, revision, channel }: Application): Generator<string> {
  if (charm === undefined || charm === '') yield 'empty charm path';
  else if (charm.startsWith('/')) {
    if (!existsSync(charm)) yield `charm path in application "${name}" does not exist: ${charm}`;
  } else if (!/^(ch:)?([a-z0-9-]+\/)*[a-z][a-z0-9-]*$/.test(charm))
    yield `invalid charm URL in application "${name}": "${charm}"`;
  else if (/-\d+$/.test(charm)) yield `cannot specify revision in "${charm}", please use revision`;
  else if (typeof revision === 'number' && !channel)
    yield `application "${name}" with a revision requires a channel for future upgrades, please use channel`;
  if (base && !BASE.test(base)) yield `application "${name}" declares an invalid base "${base}"`;
}

function* relationProblems({ relations }: Document, applications: readonly string[]): Generator<string> {
  const seen = new Set<string>();
  for (const pair of relations ?? []) {
    const shown = `relation ["${pair.join('" "')}"]`;
    if (pair.length !== 2) {
      yield `${shown} has ${pair.length} endpoint(s), not 2`;
      continue;
    }
    const apps = pair.map((endpoint) => endpoint.split(':')[0] ?? '');
    for (const endpoint of pair) if (!ENDPOINT.test(endpoint)) yield `invalid relation syntax "${endpoint}"`;
    for (const app of apps)
      if (!applications.includes(app))
        yield `${shown} refers to application "${app}" not defined in this bundle`;
    if (apps[0] === apps[1]) yield `${shown} relates an application to itself`;
    const key = pair.toSorted().join(' ');
    if (seen.has(key)) yield `${shown} is defined more than once`;
    seen.add(key);
  }
}

/** What is right, but not for juju-local. */
function* unsupported({ bundle, applications, saas }: Document): Generator<string> {
  if (bundle === 'kubernetes') yield 'juju-local has machines, and a kubernetes bundle wants none';
  if (saas !== undefined) yield 'saas: juju-local has no other models to consume from';
  for (const [name, app] of Object.entries(applications ?? {})) {
    if (app?.charm !== undefined && !app.charm.startsWith('/'))
      yield `application "${name}" is the charm "${app.charm}" of Charmhub: juju-local deploys .charm files only; name one in an overlay`;
    for (const place of app?.to ?? [])
      if (place.includes(':') || /^(lxd|kvm)$/.test(place))
        yield `placement "${place}" needs a container on a machine, which juju-local does not make`;
  }
}

function unitsOf({ num_units: units, scale }: Application): number {
  return units ?? scale ?? 0;
}

function finished({ applications, machines, relations }: Document): Bundle {
  const entries = Object.entries(applications ?? {}).flatMap(([name, app]) => {
    if (!app) return [];
    const options = Object.entries(app.options ?? {}).flatMap(([key, value]) =>
      value === null ? [] : [[key, value] as const],
    );
    const application: BundleApplication = {
      charm: app.charm ?? '',
      numUnits: unitsOf(app),
      to: app.to ?? [],
      options: Object.fromEntries(options),
      trust: app.trust === true,
    };
    return [[name, application] as const];
  });
  const pairs = (relations ?? []).map(([first = '', second = '']) => [first, second] as const);
  return { applications: new Map(entries), machines: Object.keys(machines ?? {}), relations: pairs };
}

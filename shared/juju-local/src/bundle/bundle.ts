import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { parseAllDocuments } from 'yaml';
import { z } from 'zod';
import { UsageError } from '../errors.ts';

const Scalar = z.union([z.string(), z.number(), z.boolean()]);
const Application = z.looseObject({
  charm: z.string().optional(),
  channel: z.string().nullish(),
  revision: z.int().nullish(),
  base: z.string().nullish(),
  num_units: z.int().nonnegative().nullish(),
  scale: z.int().nullish(),
  to: z.array(z.coerce.string()).nullish(),
  options: z.record(z.string(), Scalar.nullable()).nullish(),
  trust: z.boolean().nullish(),
});
const Document = z.looseObject({
  bundle: z.string().optional(),
  'default-base': z.string().optional(),
  machines: z.record(z.string(), z.unknown()).nullish(),
  applications: z.record(z.string(), Application.nullable()).nullish(),
  relations: z.array(z.array(z.string())).nullish(),
});
type Document = z.infer<typeof Document>;

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
  /** Where each unit goes; `new` for a machine of its own. */
  readonly to: readonly string[];
  readonly options: Readonly<Record<string, string | number | boolean>>;
}

/**
 * Reads a bundle and lays overlays over it, as `juju deploy` does.
 * @throws {UsageError} with all that is wrong.
 */
export async function readBundle(path: string, overlays: readonly string[]): Promise<Bundle> {
  const [base, ...inline] = await readDocuments(path);
  if (!base) throw new UsageError(`${path} has no bundle in it`);
  const others = (await Promise.all(overlays.map(readDocuments))).flat();
  const merged = [...inline, ...others].reduce(overlay, base);
  return verify(merged);
}

async function readDocuments(path: string): Promise<Document[]> {
  const text = await readFile(path, 'utf8').catch(() => {
    throw new UsageError(`no bundle was found at "${path}"`);
  });
  return parseAllDocuments(text).map((document) => {
    const [problem] = document.errors;
    if (problem) throw new UsageError(`${path}: ${problem.message}`);
    const parsed = Document.safeParse(document.toJS());
    if (!parsed.success) throw new UsageError(`${path}: ${z.prettifyError(parsed.error)}`);
    return absoluteCharms(parsed.data, dirname(resolve(path)));
  });
}

/** A charm's path is relative to the file that names it. */
function absoluteCharms(document: Document, folder: string): Document {
  const applications = Object.entries(document.applications ?? {}).map(([name, app]) => {
    const charm = app?.charm?.replace(/^local:/, './');
    const isPath = charm !== undefined && /^(\.|\/)/.test(charm);
    return [name, app && isPath ? { ...app, charm: resolve(folder, charm) } : app];
  });
  return { ...document, applications: Object.fromEntries(applications) };
}

/** Fields one by one; a missing value deletes; relations are added; machines are replaced. */
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
  const remains = (endpoint: string): boolean => (endpoint.split(':')[0] ?? '') in applications;
  const relations = [...(below.relations ?? []), ...(above.relations ?? [])];
  return {
    ...below,
    applications,
    machines: above.machines ?? below.machines,
    relations: relations.filter((pair) => pair.every(remains)),
  };
}

function verify({ bundle, applications = {}, machines, relations }: Document): Bundle {
  const problems: string[] = [];
  if (bundle !== undefined) problems.push(`bundle has an invalid type "${bundle}"`);
  if (Object.keys(applications ?? {}).length === 0)
    problems.push('at least one application must be specified');
  const machineNames = Object.keys(machines ?? {});
  const used = new Set<string>();
  const result = new Map<string, BundleApplication>();
  for (const [name, app] of Object.entries(applications ?? {})) {
    if (!app) continue;
    const { charm, num_units: units, scale, to } = app;
    if (charm === undefined || charm === '') problems.push(`empty charm path in application "${name}"`);
    else if (!charm.startsWith('/')) {
      problems.push(
        `application "${name}" is the charm "${charm}" of Charmhub: juju-local deploys .charm files only; name one in an overlay`,
      );
    } else if (!existsSync(charm))
      problems.push(`charm path in application "${name}" does not exist: ${charm}`);
    if (typeof units === 'number' && typeof scale === 'number')
      problems.push(`cannot specify both scale and num_units for application "${name}"`);
    const numUnits = units ?? scale ?? 0;
    if ((to ?? []).length > numUnits)
      problems.push(`too many units specified in unit placement for application "${name}"`);
    for (const placement of to ?? []) {
      if (placement !== 'new' && !machineNames.includes(placement)) {
        problems.push(`placement "${placement}" refers to a machine not defined in this bundle`);
      }
      used.add(placement);
    }
    const options = Object.entries(app.options ?? {}).flatMap(([key, value]) =>
      value === null ? [] : [[key, value] as const],
    );
    result.set(name, { charm: charm ?? '', numUnits, to: to ?? [], options: Object.fromEntries(options) });
  }
  for (const machine of machineNames) {
    if (!used.has(machine)) problems.push(`machine "${machine}" is not referred to by a placement directive`);
  }
  const pairs = (relations ?? []).flatMap((pair) => {
    const [first, second] = pair;
    if (pair.length !== 2 || first === undefined || second === undefined) {
      problems.push(`relation ["${pair.join('" "')}"] has ${pair.length} endpoint(s), not 2`);
      return [];
    }
    for (const endpoint of pair) {
      const app = endpoint.split(':')[0] ?? '';
      if (!result.has(app))
        problems.push(
          `relation ["${pair.join('" "')}"] refers to application "${app}" not defined in this bundle`,
        );
    }
    return [[first, second] as const];
  });
  if (problems.length > 0)
    throw new UsageError(`the provided bundle has the following errors:\n${problems.join('\n')}`);
  return { applications: result, machines: machineNames, relations: pairs };
}

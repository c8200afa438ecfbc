// Writes docs/reference/<charm>.md from what each charm declares in its charmcraft.yaml, and says by its statuses.yaml.
//
//   node docs/reference.ts           writes the pages
//   node docs/reference.ts --check   fails if they do not say what these say
import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { format, resolveConfig } from 'prettier';
import { isMap, isScalar, parseDocument } from 'yaml';
import { readDeclaration, type Declaration } from '../shared/juju-ts-ops/src/builder/declaration.ts';
import { knownStatuses } from './statuses.ts';

const ROOT = join(import.meta.dirname, '..');
const CHARMS = ['haproxy', 'keepalived-vip', 'maas-rack', 'maas-region'];

const ROLES = ['requires', 'provides', 'peers'] as const;

/** The page of a charm, formatted. */
async function pageOf(charm: string): Promise<string> {
  const folder = join(ROOT, 'charms', charm);
  const declaration = await readDeclaration(folder);
  const document = parseDocument(await readFile(join(folder, 'charmcraft.yaml'), 'utf8'));
  const purposes = new Map(ROLES.map((role) => [role, commentsOf(document.get(role))] as const));
  const { name, summary, description, config, actions } = declaration;
  const text = [
    `# ${name}`,
    `${summary}.`,
    description,
    `Generated from [charmcraft.yaml](../../charms/${charm}/charmcraft.yaml) and [statuses.yaml](../../charms/${charm}/statuses.yaml) by \`node docs/reference.ts\`. How the charm behaves is in its [README](../../charms/${charm}/README.md).`,
    '## Options',
    `Set one with \`juju config ${name} <option>=<value>\`.`,
    ...Object.entries(config.options).flatMap(([option, { type, default: value, description: meaning }]) => [
      `### \`${option}\``,
      `${type}, ${value === undefined || value === '' ? 'empty by default' : `default \`${value}\``}`,
      meaning,
    ]),
    '## Actions',
    `Run one with \`juju run ${name}/<number> <action> <parameter>=<value>\`.`,
    ...Object.entries(actions).flatMap(([action, { description: meaning, params, required }]) => [
      `### \`${action}\``,
      meaning,
      ...(Object.keys(params).length === 0
        ? []
        : [
            table(
              ['parameter', 'type', 'required', 'meaning'],
              Object.entries(params).map(([param, { type, description: what }]) => [
                `\`${param}\``,
                type,
                required.includes(param) ? 'yes' : 'no',
                what,
              ]),
            ),
          ]),
    ]),
    '## Endpoints',
    table(
      ['endpoint', 'role', 'interface', 'for'],
      ROLES.flatMap((role) =>
        Object.entries(declaration[role]).map(([endpoint, declared]) => [
          `\`${endpoint}\``,
          roleOf(role, declared),
          interfaceOf(declared.interface),
          purposes.get(role)?.get(endpoint) ?? '',
        ]),
      ),
    ),
    '## Statuses',
    'What `juju status` shows, and what to do. Several follow one another, with `;` between them, and `show-status` prints all.',
    table(
      ['status', 'message', 'meaning'],
      (await knownStatuses(charm)).map(({ level, says, means }) => [level, `\`${says}\``, means]),
    ),
  ].join('\n\n');
  const file = pathOf(charm);
  return await format(text, { ...(await resolveConfig(file)), filepath: file });
}

/** The comment before each key of a map. */
function commentsOf(map: unknown): ReadonlyMap<string, string> {
  if (!isMap(map)) return new Map();
  return new Map(
    map.items.flatMap(({ key }, index) => {
      if (!isScalar(key)) return [];
      // What stands before the first key belongs to the map.
      const comment = key.commentBefore ?? (index === 0 ? map.commentBefore : undefined);
      return typeof comment === 'string' ? [[String(key.value), comment.trim()] as const] : [];
    }),
  );
}

function roleOf(
  role: (typeof ROLES)[number],
  { scope, limit, optional }: Declaration['requires'][string],
): string {
  return [
    role === 'peers' ? 'peer' : role,
    ...(optional ? ['optional'] : []),
    ...(limit === undefined ? [] : [`at most ${limit}`]),
    ...(scope === 'container' ? ['same machine'] : []),
  ].join(', ');
}

/** With a link to its contract, if this repository has it. */
function interfaceOf(name: string): string {
  const [link] = [
    ...(existsSync(join(ROOT, 'shared/interfaces/src', name)) ? [`shared/interfaces/README.md#${name}`] : []),
    ...(existsSync(join(ROOT, 'shared/maas/src', name)) ? [`shared/maas/src/${name}/README.md`] : []),
  ];
  return link === undefined
    ? `\`${name}\``
    : `[\`${name}\`](${relative(join(ROOT, 'docs/reference'), join(ROOT, link))})`;
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell) => cell.replaceAll(/\s+/g, ' ').replaceAll('|', '\\|')).join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}

function pathOf(charm: string): string {
  return join(ROOT, 'docs/reference', `${charm}.md`);
}

for (const charm of CHARMS) {
  const [path, page] = [pathOf(charm), await pageOf(charm)];
  if (!process.argv.includes('--check')) await writeFile(path, page);
  else if (!existsSync(path) || (await readFile(path, 'utf8')) !== page) {
    console.error(
      `docs/reference/${charm}.md does not say what charmcraft.yaml and statuses.yaml say; run: node docs/reference.ts`,
    );
    process.exitCode = 1;
  }
}

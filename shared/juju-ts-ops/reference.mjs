// Writes docs/reference.md of each published package, from the doc comments of everything that it exports.
//
//   node reference.mjs           writes them
//   node reference.mjs --check   fails when one is not what the code says
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

const shared = join(import.meta.dirname, '..');
const [ops, host, interfaces] = ['juju-ts-ops', 'host', 'interfaces'].map((name) => join(shared, name));

/** The names that a module exports from others, by file, in the order of the file. */
function exportsOf(path) {
  const source = readFileSync(path, 'utf8');
  return [...source.matchAll(/export (?:type )?\{([^}]*)\} from '\.\/([^']+)'/g)].flatMap(([, names, file]) =>
    names
      .split(',')
      .map((name) => name.trim().replace(/^type /, ''))
      .filter((name) => name !== '')
      .map((name) => ({ name, path: join(dirname(path), file) })),
  );
}

/** The names that a module declares itself, and then exports. A type that a schema of its name has made is that schema. */
function declaredIn(path) {
  const names = [
    ...readFileSync(path, 'utf8').matchAll(
      /^export (?:async )?(?:class|function|const|interface|type) (\w+)/gm,
    ),
  ].map(([, name]) => name);
  return [...new Set(names)].map((name) => ({ name, path }));
}

/** A declaration with the comment before it: what is said of it, and its text down to the body. */
function describe({ name, path }) {
  const source = readFileSync(path, 'utf8');
  const found = new RegExp(
    `(?:(/\\*\\*(?:(?!\\*/).)*\\*/)\\n)?export (?:abstract )?(?:async )?(?:class|function|const|interface|type) ${name}\\b`,
    's',
  ).exec(source);
  if (!found) throw new Error(`reference: ${path} does not declare ${name}`);
  const start = found.index + (found[1]?.length ?? -1) + 1;
  const text = declaration(source.slice(start), source);
  if (text.startsWith('export') && /\nexport /.test(text))
    throw new Error(`reference: ${path}: where does ${name} end?`);
  // Of a schema and its type, either may have the comment.
  const ofType = new RegExp(`(/\\*\\*(?:(?!\\*/).)*\\*/)\\nexport type ${name}\\b`, 's').exec(source)?.[1];
  return [
    `### ${name}`,
    '',
    ...prose(found[1] ?? ofType),
    '```ts',
    text,
    '```',
    '',
    ...members(source.slice(start), text),
  ];
}

/** The whole of an interface, type, schema or short constant; of a function or class what stands before the body. */
function declaration(text, source) {
  const schema = /^export type \w+ = z\.infer<typeof (\w+)>;/.exec(text)?.[1];
  const own = schema && new RegExp(`^const ${schema} = `, 'm').exec(source);
  if (own) return `${wholeOf(source.slice(own.index))}\n${wholeOf(text)}`;
  if (/^export (interface|type)/.test(text)) return wholeOf(text).replace(/\{@link (\w+)\}/g, '`$1`');
  // An interface is its schema.
  if (/^export const \w+ = (?:define|z\b|\[|new )/.test(text)) return wholeOf(text);
  if (text.startsWith('export const')) return /^(.*?)(?: = \{| =)?$/m.exec(text)[1];
  return headOf(text);
}

/** Up to where every bracket is closed again and the statement ends. */
function wholeOf(text) {
  const lines = [];
  let depth = 0;
  for (const line of text.split('\n')) {
    lines.push(line);
    // A bracket in a comment opens nothing: a URL there would hide the one that closes it.
    for (const character of line.replace(/^\s*\*.*|\/\*\*.*|\/\/.*|`[^`]*`|'[^']*'/g, '')) {
      if ('({['.includes(character)) depth += 1;
      if (')}]'.includes(character)) depth -= 1;
    }
    if (depth === 0 && (line.endsWith(';') || line === '}')) break;
  }
  return lines.join('\n');
}

/** Up to the bracket that begins the body: not one inside parentheses, nor one of the type of what is returned. */
function headOf(text) {
  let depth = 0;
  let inType = 0;
  for (const [index, character] of [...text].entries()) {
    if (character === '(') depth += 1;
    if (character === ')') depth -= 1;
    if (depth > 0) continue;
    // An overload: what implements it is not for the reader.
    if (character === ';' && inType === 0) return text.slice(0, index + 1);
    if (character === '{') {
      if (inType === 0 && !/(?:[:&|,<]|=>)\s*$/.test(text.slice(0, index)))
        return text.slice(0, index).trim();
      inType += 1;
    }
    if (character === '}') inType -= 1;
  }
  return text;
}

/** The public methods of a class or an object, each with its comment. */
function members(text, head) {
  if (!head.startsWith('export class') && !/^export const \w+ = \{/.test(text)) return [];
  const body = text.slice(0, /^\}/m.exec(text)?.index);
  const pattern =
    /(?:^ {2}(\/\*\*(?:(?!\*\/).)*\*\/)\n)?^ {2}((?:readonly |async )?(?!#|constructor|private)[a-zA-Z]\w*(?:<[^\n]*>)?(?:\(.*?\)): [^\n]*?) \{\n/gms;
  return [...body.matchAll(pattern)].flatMap(([, comment, signature]) =>
    method(/\w+/.exec(signature.replace(/^async /, ''))[0], comment, signature),
  );
}

/** A method: its name, its doc comment and how it is called. */
function method(name, comment, signature) {
  return [`#### ${name}`, '', ...prose(comment), '```ts', signature.replace(/\s+/g, ' '), '```', ''];
}

/** A doc comment without its stars. */
function prose(comment) {
  if (!comment) return [];
  const text = comment
    .replace(/^\s*\/\*\*/, '')
    .replace(/\*\/$/, '')
    .split('\n')
    .map((line) => line.replace(/^\s*\* ?/, '').trimEnd())
    .join('\n')
    .replace(/\{@link ([\w.]+)\}/g, '`$1`')
    .replace(/\s*@throws \{(\w+)\}\s*/g, '\n\nThrows `$1` ')
    .replace(/\s*@param (\w+)\s+/g, '\n\n`$1`: ')
    .replace(/\s*@returns\s+/g, '\n\nReturns ')
    .trim();
  return [text, ''];
}

/** Juju's hook tools: the members of what hookTools puts together, group by group. */
function tools() {
  const source = readFileSync(join(ops, 'src/tools.ts'), 'utf8');
  return [...source.matchAll(/^ {4}\.\.\.(\w+)\(/gm)].flatMap(([, group]) =>
    toolsIn(join(ops, 'src', new RegExp(`import \\{ ${group} \\} from '(.*)'`).exec(source)[1])),
  );
}

function toolsIn(path) {
  const source = readFileSync(path, 'utf8');
  const body = source.slice(source.indexOf('  return {\n'));
  const pattern = /(?: {4}(\/\*\*(?:(?!\*\/).)*\*\/)\n)? {4}async (\w+\(.*?\): [^\n]*?) \{\n/gms;
  return [...body.matchAll(pattern)].flatMap(([, comment, signature]) =>
    method(`tools.${/\w+/.exec(signature)[0]}`, comment, signature),
  );
}

/** The whole of a package's reference. */
function page(...sections) {
  const head = [
    '# Reference',
    '',
    'Written from the doc comments by `node shared/juju-ts-ops/reference.mjs`.',
    '',
  ];
  return `${[...head, ...sections.flat()].join('\n').trimEnd()}\n`;
}

/** What one entry point of a package exports. */
function section(title, names) {
  return [`## ${title}`, '', ...names.flatMap(describe)];
}

const pages = [
  {
    folder: ops,
    text: page(
      section(
        'juju-ts-ops',
        exportsOf(join(ops, 'src/index.ts')).filter(({ name }) => name !== 'HookTools'),
      ),
      [
        '### HookTools',
        '',
        'Juju’s hook tools, one function each, with their answers parsed: `juju.tools`. Nothing is cached here. Every function throws `HookToolError` when Juju refuses, or the subclass that it names.',
        '',
        ...tools(),
      ],
      section('juju-ts-ops/testing', exportsOf(join(ops, 'src/testing/index.ts'))),
      section('juju-ts-ops/driver', exportsOf(join(ops, 'src/driver/index.ts'))),
    ),
  },
  { folder: host, text: page(section('juju-ts-host', exportsOf(join(host, 'src/index.ts')))) },
  {
    folder: interfaces,
    text: page(
      section('juju-ts-interfaces/database', declaredIn(join(interfaces, 'src/database.ts'))),
      ...readdirSync(join(interfaces, 'src'), { withFileTypes: true })
        .filter((entry) => entry.isDirectory())
        .map(({ name }) => name)
        .sort()
        .map((name) => {
          const path = join(interfaces, 'src', name, 'index.ts');
          return section(`juju-ts-interfaces/${name}`, [...declaredIn(path), ...exportsOf(path)]);
        }),
    ),
  },
];

for (const { folder, text } of pages) {
  const target = join(folder, 'docs/reference.md');
  if (!process.argv.includes('--check')) {
    mkdirSync(dirname(target), { recursive: true });
    writeFileSync(target, text);
  } else if (readFileSync(target, 'utf8') !== text) {
    console.error(`${target} is not what the code says; run: node shared/juju-ts-ops/reference.mjs`);
    process.exit(1);
  }
}

// Writes docs/reference.md from the doc comments of everything that the package exports.
//
//   node reference.mjs           writes it
//   node reference.mjs --check   fails when it is not what the code says
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const folder = import.meta.dirname;
const target = join(folder, 'docs/reference.md');

/** The names that a module exports from others, by file, in the order of the file. */
function exportsOf(entry) {
  const source = readFileSync(join(folder, 'src', entry), 'utf8');
  return [...source.matchAll(/export (?:type )?\{([^}]*)\} from '\.\/([^']+)'/g)].flatMap(([, names, file]) =>
    names
      .split(',')
      .map((name) => name.trim().replace(/^type /, ''))
      .filter((name) => name !== '')
      .map((name) => ({ name, file })),
  );
}

/** A declaration with the comment before it: what is said of it, and its text down to the body. */
function describe({ name, file }, base) {
  const source = readFileSync(join(folder, 'src', base, file), 'utf8');
  const found = new RegExp(
    `(?:(/\\*\\*(?:(?!\\*/).)*\\*/)\\n)?export (?:abstract )?(?:async )?(?:class|function|const|interface|type) ${name}\\b`,
    's',
  ).exec(source);
  if (!found) throw new Error(`reference: ${file} does not declare ${name}`);
  const start = found.index + (found[1]?.length ?? -1) + 1;
  const text = declaration(source.slice(start));
  return [
    `### ${name}`,
    '',
    ...prose(found[1]),
    '```ts',
    text,
    '```',
    '',
    ...members(source.slice(start), text),
  ];
}

/** The whole of an interface, type or short constant; of a function or class what stands before the body. */
function declaration(text) {
  if (/^export (interface|type)/.test(text)) return wholeOf(text);
  if (text.startsWith('export const')) return /^(.*?)(?: = \{| =)?$/m.exec(text)[1];
  return headOf(text);
}

/** Up to where every bracket is closed again and the statement ends. */
function wholeOf(text) {
  const lines = [];
  let depth = 0;
  for (const line of text.split('\n')) {
    lines.push(line);
    for (const character of line.replace(/\/\*\*.*|\/\/.*|`[^`]*`|'[^']*'/g, '')) {
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
    if (character === '{') {
      if (inType === 0 && !/[:&|]\s*$/.test(text.slice(0, index))) return text.slice(0, index).trim();
      inType += 1;
    }
    if (character === '}') inType -= 1;
  }
  return text;
}

/** The public methods of a class, each with its comment. */
function members(text, head) {
  if (!head.startsWith('export class')) return [];
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
    .trim();
  return [text, ''];
}

/** Juju's hook tools: the members of what hookTools returns. */
function tools() {
  const source = readFileSync(join(folder, 'src/tools.ts'), 'utf8');
  const body = source.slice(source.indexOf('  return {\n'), source.indexOf('export type HookTools'));
  const pattern = /(?: {4}(\/\*\*(?:(?!\*\/).)*\*\/)\n)? {4}async (\w+\(.*?\): [^\n]*?) \{\n/gms;
  return [...body.matchAll(pattern)].flatMap(([, comment, signature]) =>
    method(`tools.${/\w+/.exec(signature)[0]}`, comment, signature),
  );
}

const core = exportsOf('index.ts').filter(({ name }) => name !== 'HookTools');
const page = [
  '# Reference',
  '',
  'Written from the doc comments by `node shared/juju-ts-ops/reference.mjs`.',
  '',
  '## juju-ts-ops',
  '',
  ...core.flatMap((item) => describe(item, '')),
  '### HookTools',
  '',
  'Juju’s hook tools, one function each, with their answers parsed: `juju.tools`. Nothing is cached here. Every function throws `HookToolError` when Juju refuses, or the subclass that it names.',
  '',
  ...tools(),
  '## juju-ts-ops/testing',
  '',
  ...exportsOf('testing/index.ts').flatMap((item) => describe(item, 'testing')),
  '## juju-ts-ops/driver',
  '',
  ...exportsOf('driver/index.ts').flatMap((item) => describe(item, 'driver')),
]
  .join('\n')
  .trimEnd();

if (process.argv.includes('--check')) {
  if (readFileSync(target, 'utf8') !== `${page}\n`) {
    console.error('docs/reference.md is not what the code says; run: node shared/juju-ts-ops/reference.mjs');
    process.exit(1);
  }
} else writeFileSync(target, `${page}\n`);

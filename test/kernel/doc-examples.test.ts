// Every `@example` of the doc comments in src: it compiles as a module in a strict project, and runs to its end in a
// network namespace of its own.
// Limit: 600 s
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { transformSync } from 'esbuild';
import { compiledPackage } from '../support/compiled.js';
import { assert, suite } from '../support/harness.js';
import { Netns } from '../support/netns.js';
import { run } from '../support/process.js';

const test = suite('examples of doc comments');
const root = fileURLToPath(new URL('../..', import.meta.url));
const project = mkdtempSync(join(tmpdir(), 'doc-examples-'));
test.after(() => rmSync(project, { recursive: true, force: true }));

interface Example {
  /** The declaration whose comment has the example. */
  name: string;
  place: string;
  code: string;
}

/** The code of each `@example`: the lines after the tag, up to the next tag. */
function examplesOf(file: string): Example[] {
  const text = readFileSync(file, 'utf8');
  const found: Example[] = [];
  for (const comment of text.matchAll(/^[ ]*\/\*\*\n((?:[ ]*\*.*\n)*?)[ ]*\*\/\n(.*)/gm)) {
    const [, body, declaration] = comment;
    const lines = body!.split('\n').map((line) => line.replace(/^\s*\* ?/, ''));
    const begin = lines.indexOf('@example');
    if (begin < 0) continue;
    const after = lines.slice(begin + 1);
    const end = after.findIndex((line) => /^@\w/.test(line));
    const name = /(\w+)[<(]/.exec(declaration!)?.[1] ?? declaration!.trim();
    const line = text.slice(0, comment.index).split('\n').length;
    const code = after.slice(0, end < 0 ? undefined : end).join('\n');
    found.push({ name, place: `${relative(root, file)}:${line}`, code });
  }
  return found;
}

const sources = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' })
  .filter((path) => path.endsWith('.ts'))
  .sort();
const examples = sources.flatMap((path) => examplesOf(join(root, 'src', path)));

/** The names that users meet first. */
const entryPoints = [
  ...['open', 'dump', 'dumpBatches', 'get', 'count', 'stats', 'create', 'createMany', 'update'],
  ...['updateWhere', 'delete', 'deleteWhere', 'flush', 'events', 'settings', 'configure', 'list'],
  ...['groupBy', 'support', 'namespaces', 'read', 'edit', 'save', 'restore', 'watch'],
  ...['parseRule', 'parseRules', 'formatRule', 'parseSave', 'formatSave'],
];

test('every entry point has an example', () => {
  const have = new Set(examples.map(({ name }) => name));
  assert.equal(
    entryPoints.filter((name) => !have.has(name)),
    [],
  );
});

test('all examples compile as modules in a strict project', () => {
  for (const [index, { code }] of examples.entries()) {
    writeFileSync(join(project, `example${index}.mts`), `${code}\n`);
  }
  const config = {
    extends: join(root, 'tsconfig.json'),
    compilerOptions: {
      paths: { conntrack: [join(root, 'src/index.ts')] },
      typeRoots: [join(root, 'node_modules/@types')],
    },
    include: ['*.mts'],
    exclude: [],
  };
  writeFileSync(join(project, 'tsconfig.json'), JSON.stringify(config));
  const tsc = join(root, 'node_modules/typescript/bin/tsc');
  let said = '';
  try {
    run(['sh', '-c', 'exec "$@" 2>&1', 'sh', process.execPath, tsc, '-p', project]);
  } catch {
    said = run(['sh', '-c', '"$@" 2>&1 || :', 'sh', process.execPath, tsc, '-p', project]);
  }
  const placed = said.replace(/\S*example(\d+)\.mts/g, (_, index) => examples[index]!.place);
  assert.is(placed, '');
});

for (const [index, { name, place, code }] of examples.entries()) {
  test(`${name} (${place})`, () => {
    const modules = join(compiledPackage(), 'examples');
    mkdirSync(modules, { recursive: true });
    // Inside the package, because the modules import it by name: a package may import itself.
    const file = join(modules, `example${process.pid}-${index}.mjs`);
    writeFileSync(file, transformSync(code, { loader: 'ts', target: 'node20' }).code);
    try {
      using netns = Netns.create();
      netns.exec(process.execPath, file);
    } finally {
      rmSync(file);
    }
  });
}

test.run();

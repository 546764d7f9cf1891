// Every `@example` of the doc comments in src: it compiles as a module in a strict project, and runs to its end in a
// network namespace of its own.
// Limit: 600 s
import { readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { compiling, RunningProgram } from '../support/doc-programs.js';
import { assert, suite } from '../support/harness.js';
import { Netns } from '../support/netns.js';

const test = suite('examples of doc comments');
const root = fileURLToPath(new URL('../..', import.meta.url));

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

/** The public methods of a class that does work. Those that end a handle need no example. */
function methodsOf(path: string): string[] {
  const text = readFileSync(join(root, 'src', path), 'utf8');
  const declared =
    /^[ ]{2}\/\*\*((?:(?!\*\/)[\s\S])*)\*\/\n[ ]{2}(?:static |async )*([a-z]\w*)(?:<.*>)?\(/gm;
  return [...text.matchAll(declared)]
    .filter(([, comment]) => !comment!.includes('@internal'))
    .map(([, , name]) => name!)
    .filter((name) => name !== 'close');
}

const functions = [
  ...['support', 'namespaces', 'parseRule', 'parseRules', 'formatRule', 'parseSave', 'formatSave'],
];
const classes = [
  'conntrack/conntrack.ts',
  'conntrack/expectations/expectations.ts',
  'iptables/iptables.ts',
];

test('every public method of a handle has an example, and every function', () => {
  for (const path of classes) {
    const methods = methodsOf(path);
    assert.ok(methods.length > 5, `${path}: ${methods.join(' ')}`);
    const have = new Set(examplesOf(join(root, 'src', path)).map(({ name }) => name));
    assert.equal(
      methods.filter((name) => !have.has(name)),
      [],
      path,
    );
  }
  const have = new Set(examples.map(({ name }) => name));
  assert.equal(
    functions.filter((name) => !have.has(name)),
    [],
  );
});

test('all examples compile as modules in a strict project', () => {
  assert.is(compiling(examples), '');
});

for (const program of examples) {
  test(`${program.name} (${program.place})`, async () => {
    using netns = Netns.create();
    await using running = RunningProgram.start(program, netns);
    await running.child.finish();
  });
}

test.run();

// The pages of the documentation: their programs compile, their links lead to files and headings, their JSON is JSON, and
// docs/README.md names every page. Also the reader of the pages itself.
import { existsSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as api from '../../src/index.js';
import { hasPrinted, programsOf } from '../support/doc-blocks.js';
import { pages, programsIn, readPage } from '../support/doc-pages.js';
import { compiling } from '../support/doc-programs.js';
import { assert, suite, throws } from '../support/harness.js';

const test = suite('documentation');
const root = fileURLToPath(new URL('../..', import.meta.url));

/** A page without its blocks of code. */
const prose = (file: string) => readPage(file).replace(/^```[\s\S]*?^```$/gm, '');

/** The anchors of the headings, as GitHub makes them. */
const anchorsOf = (file: string) =>
  [...prose(file).matchAll(/^#+ (.*)$/gm)].map(([, heading]) =>
    heading!
      .toLowerCase()
      .replace(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  );

const linksOf = (file: string) =>
  [...prose(file).matchAll(/\]\(([^)\s]+)\)/g)]
    .map(([, target]) => target!)
    .filter((target) => !/^[a-z]+:/.test(target));

/** The file of a link, from the root of the project, and the heading. */
function placeOf(link: string, page: string): [path: string, anchor: string | undefined] {
  const [path = '', anchor] = link.split('#');
  return [path === '' ? page : normalize(join(dirname(page), path)), anchor];
}

test('all programs compile as modules in a strict project', () => {
  const programs = pages.flatMap(programsIn);
  assert.ok(programs.length > 10);
  assert.is(compiling(programs), '');
});

test('every link leads to a file and a heading that exist', () => {
  let links = 0;
  const dead: string[] = [];
  for (const page of pages) {
    for (const link of linksOf(page)) {
      links++;
      const [path, anchor] = placeOf(link, page);
      const there =
        existsSync(join(root, path)) && (anchor === undefined || anchorsOf(path).includes(anchor));
      if (!there) dead.push(`${page}: ${link}`);
    }
  }
  assert.ok(links > 10);
  assert.equal(dead, []);
});

test('docs/README.md names every page', () => {
  const index = 'docs/README.md';
  const named = new Set(linksOf(index).map((link) => placeOf(link, index)[0]));
  const missing = pages.filter(
    (page) => page !== index && page !== 'README.md' && !named.has(page),
  );
  assert.equal(missing, []);
});

test('the README has a line for every call', () => {
  const { Conntrack, Iptables, FlowBatch } = api;
  const methods = [Conntrack, Iptables, FlowBatch].flatMap((kind) =>
    Object.getOwnPropertyNames(kind.prototype).filter((name) => name !== 'constructor'),
  );
  const functions = Object.entries(api)
    .filter(([name, value]) => typeof value === 'function' && /^[a-z]/.test(name))
    .map(([name]) => name);
  const expectations = Object.getOwnPropertyNames(
    Object.getPrototypeOf(api.conntrack.expectations),
  );
  // The accessors of a batch are in its guide.
  const inGuide = ['source', 'length', 'toString', 'batchStats', 'constructor'];
  const calls = [...methods, ...functions, ...expectations].filter(
    (name) => !inGuide.includes(name),
  );
  assert.ok(calls.length > 40, `${calls.length}`);
  const said = new Set(
    [...readPage('README.md').matchAll(/`([^`]*)`/g)].flatMap(
      ([, code]) => code!.match(/\w+/g) ?? [],
    ),
  );
  assert.equal(
    calls.filter((name) => !said.has(name)),
    [],
  );
});

test('every block of JSON is JSON', () => {
  for (const page of pages) {
    for (const [, text] of readPage(page).matchAll(/^```json\n([\s\S]*?)^```$/gm)) {
      assert.not.throws(() => JSON.parse(text!), page);
    }
  }
});

test('the reader of a page finds programs and what belongs to them', () => {
  const page = [
    '<!-- world: flows LIMIT=1 SIGTERM -->',
    '<!-- with: const a = 1; -->',
    '',
    '```ts',
    'print(a);',
    '```',
    '',
    '<!-- check:',
    'check();',
    '-->',
    '<!-- prints -->',
    '',
    '```text',
    '1',
    '```',
    '',
    '<!-- calls -->',
    '',
    '| theirs | ours |',
    '| ------ | ---- |',
    '| `x | y` | `f(a \\| b)` and `g()` |',
  ].join('\n');
  assert.equal(programsOf(page, 'a.md'), [
    {
      place: 'a.md:4',
      world: 'flows',
      variables: { LIMIT: '1' },
      ended: 'printed',
      code: 'const a = 1;\nprint(a);\ncheck();',
      prints: '1',
    },
    {
      place: 'a.md:19',
      world: 'empty',
      variables: {},
      code: '{\nf(a | b);\n}\n{\ng();\n}',
    },
  ]);
});

test('a hidden comment that belongs to nothing is an error, and so is a block that would not run', async () => {
  for (const [page, message] of [
    ['<!-- world: flows -->\n\nText.\n', /^a\.md:3: a hidden comment before this/],
    ['<!-- world: flows -->\n\n```sh\nls\n```\n', /^a\.md:3: /],
    ['<!-- check: x -->\n', /^a\.md:1: "check" follows no program/],
    ['```ts\n1\n```\n<!-- prints -->\nText.\n', /^a\.md:4: a block of text must follow/],
    ['- a\n\n  ```ts\n  1\n  ```\n', /^a\.md:3: a block that is indented/],
    ['```ts\n1\n', /no end/],
  ] as const) {
    await throws(Error, message, () => programsOf(page, 'a.md'));
  }
});

test('what a program prints is compared line by line', () => {
  assert.ok(hasPrinted('a 12 b\nc', 'a … b\nc'));
  assert.ok(hasPrinted('a\nb\nc', '…\nc'));
  assert.ok(hasPrinted('c', '…\nc'));
  assert.not.ok(hasPrinted('a 12 b\nc', 'a … b'));
  assert.not.ok(hasPrinted('a\nb', 'a…b'));
  assert.not.ok(hasPrinted('axb', 'a.b'));
});

test.run();

// The test runner itself: which files and tests it chooses, how many files run at a time, and that a slow reader gets
// all its output.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { assert, suite } from '../support/harness.js';

const test = suite('test runner');
const runner = fileURLToPath(new URL('../run.ts', import.meta.url));
const command = [process.execPath, '--import', 'tsx', runner];

/** Runs the files of a folder, and reads their output only after the runner had time to end. */
async function runs(
  files: Record<string, string>,
  args: readonly string[] = [],
  env: NodeJS.ProcessEnv = {},
): Promise<{ code: number | null; text: string }> {
  const folder = mkdtempSync(join(tmpdir(), 'conntrack-run-'));
  try {
    for (const [name, body] of Object.entries(files)) {
      mkdirSync(dirname(join(folder, name)), { recursive: true });
      writeFileSync(join(folder, name), body);
    }
    const child = spawn('sh', ['-c', 'exec "$@" 2>&1', 'sh', ...command, ...args], {
      env: { ...process.env, TEST_ROOT: folder, ...env },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const exited = once(child, 'exit');
    let text = '';
    child.stdout.setEncoding('utf8');
    // The pipe is full with the first 64 KiB.
    for await (const chunk of child.stdout) {
      text += chunk;
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    const [code] = (await exited) as [number | null];
    return { code, text };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const passing = "console.log('  Total:     1\\n  Passed:    1\\n  Skipped:   0');";

test('long output is not cut at the end', async () => {
  const long = 2_000_000;
  const { code, text } = await runs({
    'a.test.ts': passing,
    'long.test.ts': `process.stdout.write('x'.repeat(${long}), () => (process.exitCode = 3));`,
  });
  assert.is(text.match(/x{100,}/)?.[0].length, long);
  assert.match(text, /\n1 passed, 1 failed, 0 skipped\n$/);
  assert.is(code, 1);
});

test('the exit code: 0 when all passed, 1 when there was nothing', async () => {
  const good = await runs({ 'a.test.ts': passing });
  assert.equal([good.code, /1 passed, 0 failed/.test(good.text)], [0, true]);
  assert.is((await runs({})).code, 1);
});

const harness = fileURLToPath(new URL('../support/harness.ts', import.meta.url));
/** A file with a suite that prints the names of its tests when they run. */
const suiteOf = (name: string, ...titles: string[]) => `
  import { suite } from '${harness}';
  const test = suite('${name}');
  test.before(() => console.log('before ${name}'));
  for (const title of ${JSON.stringify(titles)}) test(title, () => console.log('ran: ' + title));
  test.skip('not here', 'no reason');
  test.run();
`;
/** The runner shows the output of a file only if it fails. So these files fail. */
const failing = (body: string) => `${body}\nprocess.on('exit', () => { process.exitCode = 1; });`;
const ran = (text: string) => [...text.matchAll(/ran: (.*)/g)].map(([, title]) => title);

test('a word chooses files, a name chooses tests', async () => {
  const files = {
    'one.test.ts': failing(suiteOf('one', 'twice, at once', 'once')),
    'two.test.ts': failing(suiteOf('two', 'at once')),
  };
  const word = await runs(files, ['one']);
  assert.equal(ran(word.text), ['twice, at once', 'once']);
  const name = await runs(files, ['one', '--name', 'at once']);
  assert.equal(ran(name.text), ['twice, at once']);
  assert.match(name.text, /\n1 passed, 1 failed, 0 skipped\n$/);
  const both = await runs(files, ['one', 'two', '--name', 'at once']);
  assert.equal(ran(both.text).sort(), ['at once', 'twice, at once']);
  // The name as a failure prints it, with the suite.
  const full = await runs(files, ['--name', '[two] at once']);
  assert.equal(ran(full.text), ['at once']);
});

test('a file without a test of that name runs no hook, and is not reported', async () => {
  const files = { 'one.test.ts': suiteOf('one', 'here'), 'two.test.ts': suiteOf('two', 'there') };
  const { code, text } = await runs(files, ['--name', 'there']);
  assert.is(code, 0);
  assert.match(text, /^ok {2}two\.test\.ts {2}1 passed, \S+ s\n\n1 passed, 0 failed, 0 skipped\n$/);
  const broken = await runs({ ...files, 'one.test.ts': 'process.exit(3);' }, ['--name', 'there']);
  assert.equal([broken.code, /1 passed, 1 failed/.test(broken.text)], [1, true]);
});

test('a test that is skipped is found by its name', async () => {
  const { code, text } = await runs({ 'a.test.ts': suiteOf('a', 'b') }, ['--name', 'not here']);
  assert.equal([code, /0 passed, 0 failed, 1 skipped/.test(text)], [0, true]);
});

test('a word or a name without a match fails', async () => {
  const files = { 'a.test.ts': suiteOf('a', 'b') };
  const word = await runs(files, ['a.test', 'nowhere']);
  assert.equal([word.code, word.text], [1, 'no test file matches nowhere\n']);
  const name = await runs(files, ['a.test', '--name', 'no such test']);
  assert.is(name.code, 1);
  assert.match(name.text, /no test of these files has "no such test" in its name/);
  // A word is compared with the path in the project, not with the path of the project.
  assert.is((await runs(files, [tmpdir().slice(1)])).code, 1);
});

test('a file that names backends runs once for each, and the line of each run says which', async () => {
  const body = (head: string, backends: string) => `${head}
    const { TEST_BACKEND: backend = 'none' } = process.env;
    if (!${backends}.includes(backend)) process.exit(1);
    ${passing}`;
  const files = {
    'both.test.ts': body('// What it is.\n// Backends: legacy, nft', "['legacy', 'nft']"),
    'plain.test.ts': body('// It speaks of Backends: legacy, nft.', "['none']"),
    'red.test.ts': body('// Backends: legacy, nft', "['legacy']"),
  };
  const lines = (text: string) =>
    text.split('\n').flatMap((line) => line.match(/^\w+.*ts\S* ?\S*/) ?? []);
  const env = { TEST_BACKEND: undefined };
  const { code, text } = await runs(files, [], env);
  assert.is(code, 1);
  assert.equal(lines(text).sort(), [
    'FAILED (exit 1)  red.test.ts [nft]',
    'ok  both.test.ts [legacy]',
    'ok  both.test.ts [nft]',
    'ok  plain.test.ts ',
    'ok  red.test.ts [legacy]',
  ]);
  assert.match(text, /\n4 passed, 1 failed, 0 skipped\n$/);
  // The variable chooses one of those that a file names.
  const one = await runs(files, ['red', 'both'], { TEST_BACKEND: 'legacy' });
  assert.equal(
    [one.code, lines(one.text).sort()],
    [0, ['ok  both.test.ts [legacy]', 'ok  red.test.ts [legacy]']],
  );
});

test('as many files at a time as there are lanes', async () => {
  // Each file waits until the others have begun.
  const body = `
    import { readdirSync, writeFileSync } from 'node:fs';
    writeFileSync(process.env.TEST_ROOT + '/' + process.pid + '.began', '');
    const begun = () =>
      readdirSync(process.env.TEST_ROOT).filter((name) => name.endsWith('.began')).length;
    const waiting = setInterval(() => {
      if (begun() < 3) return;
      clearInterval(waiting);
      ${passing}
    }, 20);`;
  const files = { 'a.test.ts': body, 'b.test.ts': body, 'c.test.ts': body };
  const { code, text } = await runs(files, [], { TEST_LANES: '3' });
  assert.equal([code, /3 passed, 0 failed/.test(text)], [0, true]);
});

test('tests of a release run only if a word names their folder', async () => {
  const files = { 'a.test.ts': passing, 'release/a.test.ts': passing, 'released.test.ts': passing };
  for (const [words, ran] of [
    [[], 2],
    [['a.test'], 1],
    [['test/release/'], 1],
    [['release'], 2],
  ] as const) {
    const { text } = await runs(files, words);
    assert.match(text, new RegExp(`\\n${ran} passed, 0 failed`), words.join());
  }
});

test.run();

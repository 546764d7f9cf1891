// Runs every test file in its own process, with a time limit, and prints a summary line. Files under test/kernel and
// test/lifetime get their own network and mount namespace, so they can freely change tables and /run. A file that says
// `Backends: legacy, nft` in its first lines runs once for each backend of iptables, with its name in TEST_BACKEND; one
// that says `Kernels: linux, memory` runs once for each of these, with its name in TEST_KERNEL.
// `node --import tsx test/run.ts [part of a path …] [--name "part of a test's name"]`
import { spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { bundled, bundledNode } from './support/bundled.js';
import { sandbox } from './support/sandbox.js';

const here = dirname(fileURLToPath(import.meta.url));
// The test of this file sets a different folder.
const root = process.env.TEST_ROOT ?? here;
const { values, positionals: wanted } = parseArgs({
  allowPositionals: true,
  options: { name: { type: 'string', default: '' } },
});
/** Runs only tests with this text in their name. Empty: all. */
const testName = values.name;
const defaultLimit = process.env.TEST_LIMIT_MS ?? '600000';
/** Files at a time. Tests that change settings of the whole machine wait for a lock: global-lock.ts. */
const lanes = Number(process.env.TEST_LANES) || availableParallelism();

interface Outcome {
  passed: number;
  failed: number;
  skipped: number;
}

function testFiles(folder: string): string[] {
  const found: string[] = [];
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) found.push(...testFiles(path));
    else if (entry.name.endsWith('.test.ts')) found.push(path);
  }
  return found.sort();
}

const namespaces = sandbox();

/** What runs in place of each file. With coverage the files run themselves: the report is about them. */
let made = new Map<string, string>();

function command(file: string): string[] | { missing: string } {
  const program = made.get(file);
  const node =
    program === undefined
      ? [process.execPath, '--expose-gc', '--import', 'tsx', file]
      : [...bundledNode, '--expose-gc', program];
  if (!/[/\\](kernel|lifetime)[/\\]/.test(file)) return node;
  if ('missing' in namespaces) return namespaces;
  return [...namespaces.prefix, ...node];
}

const headOf = (file: string) => readFileSync(file, 'utf8').slice(0, 1000);

/** The milliseconds that a file asks for in its first lines (`Limit: 600 s`), or 0. */
function ownLimitOf(file: string): number {
  return Number(/^\/\/ Limit: (\d+) s\b/m.exec(headOf(file))?.[1] ?? 0) * 1000;
}
/** What a file can ask to run once for each of, and the variable that has the name of the one. */
const columns = { Backends: 'TEST_BACKEND', Kernels: 'TEST_KERNEL' };
interface Column {
  variable: string;
  name: string;
}

/** The columns that a file asks for. A file that names none runs once, with the variables as they are. */
function columnsOf(file: string): (Column | undefined)[] {
  const head = headOf(file);
  for (const [word, variable] of Object.entries(columns)) {
    const [, list] = new RegExp(`^// ${word}: (\\w+(?:, \\w+)*)$`, 'm').exec(head) ?? [];
    if (list === undefined) continue;
    const wanted = process.env[variable];
    const names = list.split(', ').filter((name) => wanted === undefined || name === wanted);
    return names.map((name) => ({ variable, name }));
  }
  return [undefined];
}
/** Milliseconds that a file may take. */
function limitOf(file: string): number {
  return Math.max(Number(defaultLimit), ownLimitOf(file));
}

function count(output: string, word: string): number {
  let sum = 0;
  for (const match of output.matchAll(new RegExp(`^\\s+${word}:\\s+(\\d+)`, 'gm'))) {
    sum += Number(match[1]);
  }
  return sum;
}

function runFile(file: string, column: Column | undefined): Promise<Outcome> {
  const name = relative(root, file) + (column === undefined ? '' : ` [${column.name}]`);
  const limitMs = limitOf(file);
  const argv = command(file);
  if ('missing' in argv) {
    process.stdout.write(`skipped: ${name}: ${argv.missing}\n`);
    return Promise.resolve({ passed: 0, failed: 0, skipped: 1 });
  }
  return new Promise((resolve) => {
    const started = Date.now();
    const child = spawn(argv[0]!, argv.slice(1), {
      cwd: dirname(here),
      env: {
        ...process.env,
        FORCE_COLOR: '0',
        NO_COLOR: '1',
        TEST_NAME: testName,
        ...(column === undefined ? {} : { [column.variable]: column.name }),
      },
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    });
    let output = '';
    let timedOut = false;
    child.stdout.on('data', (chunk) => (output += chunk));
    child.stderr.on('data', (chunk) => (output += chunk));
    const timer = setTimeout(() => {
      timedOut = true;
      // The whole group: processes that a test started must not outlive it.
      if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
    }, limitMs);
    child.on('close', (code, signal) => {
      clearTimeout(timer);
      const total = count(output, 'Total');
      const passed = count(output, 'Passed');
      const skipped = count(output, 'Skipped');
      let failed = total - passed;
      const seconds = ((Date.now() - started) / 1000).toFixed(1);
      // With a test name, a file may have no test to run.
      const nothing = total + skipped === 0;
      if (nothing && code === 0 && testName !== '') {
        resolve({ passed, failed, skipped });
        return;
      }
      if ((code !== 0 || nothing) && failed === 0) failed = 1;
      const ending = timedOut ? `no end after ${limitMs} ms` : (signal ?? `exit ${code}`);
      const verdict = failed === 0 ? 'ok' : `FAILED (${ending})`;
      process.stdout.write(`${verdict}  ${name}  ${passed} passed, ${seconds} s\n`);
      if (failed > 0) process.stdout.write(`${output.trimEnd()}\n`);
      else
        for (const line of output.split('\n'))
          if (line.startsWith('skipped:')) process.stdout.write(`  ${line}\n`);
      resolve({ passed, failed, skipped });
    });
  });
}

/** Whether a word of the command line is a part of the file's path in the project. */
const isPartOf = (file: string) => (part: string) =>
  join('test', relative(root, file)).includes(part);

/** Tests of a release need binaries that take long to build: they run only if a word names their folder. */
const isOfRelease = (file: string) => relative(root, file).startsWith(join('release', '/'));
const all = testFiles(root);
const files = all.filter((file) =>
  wanted.length === 0
    ? !isOfRelease(file)
    : wanted.some(
        (part) => isPartOf(file)(part) && (!isOfRelease(file) || part.includes('release')),
      ),
);
const misfits = wanted.filter((part) => !files.some((file) => isPartOf(file)(part)));

async function runFiles(): Promise<Outcome> {
  const sum: Outcome = { passed: 0, failed: 0, skipped: 0 };
  if (process.env.NODE_V8_COVERAGE === undefined) made = await bundled(files);
  // Long files begin first, so that the lanes end at about the same time.
  const queue = [...files]
    .sort((a, b) => ownLimitOf(b) - ownLimitOf(a))
    .flatMap((file) => columnsOf(file).map((column) => ({ file, column })));
  const lane = async () => {
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
      const outcome = await runFile(next.file, next.column);
      sum.passed += outcome.passed;
      sum.failed += outcome.failed;
      sum.skipped += outcome.skipped;
    }
  };
  await Promise.all(Array.from({ length: lanes }, lane));
  return sum;
}

// Not process.exit(): it would cut output that a pipe has not taken yet.
process.exitCode = 1;
if (files.length === 0 || misfits.length > 0) {
  process.stderr.write(`no test file matches ${misfits.join(', ')}\n`);
} else {
  const { passed, failed, skipped } = await runFiles();
  const any = passed + failed + skipped > 0;
  if (!any) process.stderr.write(`no test of these files has "${testName}" in its name\n`);
  process.stdout.write(`\n${passed} passed, ${failed} failed, ${skipped} skipped\n`);
  if (any && failed === 0) process.exitCode = 0;
}

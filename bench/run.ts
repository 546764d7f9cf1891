// npm run bench [name…] [--flows N,N] [--pairs N] [--json] [--strict] [--write-docs] [--rewrite-docs] [--list]
// Runs every bench (or those named), each in its own process and namespaces. Prints what was measured, and
// whether it meets its bar. --json: prints everything for a program to read. --strict: exit code 1 if a bar is
// not met. --write-docs: writes the results into the pages docs/performance*, their plot, and the README.
// --rewrite-docs: writes the stored results again and measures nothing, for a change of the layout.
// It starts itself with `--inside NAME` for each bench.
import { spawn } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import {
  globalSysctlsMissing,
  withGlobalLock,
  withGlobalSysctls,
} from '../test/support/global-lock.js';
import { sandbox } from '../test/support/sandbox.js';
import type { Bench } from './lib/bench.js';
import { buildPackage, builtEnvironment, nodeArguments } from './lib/built.js';
import { type Report, rewriteDocs, writeDocs } from './lib/docs.js';
import { describeMachine, machine } from './lib/machine.js';
import { printResult } from './lib/print.js';
import { judge, type Result } from './lib/result.js';

const names = [
  'dump',
  'dump-parallel',
  'dump-batches',
  'dump-filter',
  'columns',
  'lookup',
  'change',
  'events',
  'iptables',
  'iptables-nft',
  'import',
  'memory',
] as const;

const self = fileURLToPath(import.meta.url);
const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    flows: { type: 'string', default: '10000,100000,1000000' },
    pairs: { type: 'string', default: '5' },
    json: { type: 'boolean', default: false },
    strict: { type: 'boolean', default: false },
    'write-docs': { type: 'boolean', default: false },
    'rewrite-docs': { type: 'boolean', default: false },
    list: { type: 'boolean', default: false },
    inside: { type: 'string' },
  },
});

function stop(message: string): never {
  process.stderr.write(`bench: ${message}\n`);
  process.exit(2);
}

function whole(text: string, option: string, from: number, to: number): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < from || value > to) {
    stop(`--${option}: expected a whole number from ${from} to ${to}, got ${text}`);
  }
  return value;
}

// The generator of flows has room for 2^22 of them.
const sizes = options.flows
  .split(',')
  .map((text) => whole(text, 'flows', 1000, 4_000_000))
  .sort((a, b) => a - b);
const pairs = whole(options.pairs, 'pairs', 1, 1000);

const load = async (name: string) => ((await import(`./${name}.js`)) as { bench: Bench }).bench;

/** Runs one bench in this process. Each result is a line of JSON on standard output. */
async function inside(name: string): Promise<void> {
  // The process that started this one has ended. Nobody reads the results, and the sysctls of the machine have
  // their old values again.
  process.stdin.on('end', () => process.exit(1)).resume();
  process.stdin.unref();
  const bench = await load(name);
  await bench.run({
    sizes,
    rounds: pairs,
    report: (result) => {
      process.stdout.write(`${JSON.stringify({ bench: name, ...result })}\n`);
    },
    say: (text) => {
      process.stderr.write(`${name}: ${text}\n`);
    },
  });
  process.exit(0);
}

/** Starts one bench in its own namespaces; resolves with the end of its error output if it failed. */
async function start(
  name: string,
  onResult: (result: Result) => void,
): Promise<string | undefined> {
  const entry = sandbox();
  if ('missing' in entry) stop(entry.missing);
  const node = [
    ...nodeArguments('--max-old-space-size=8192'),
    ...[self, '--inside', name, '--flows', options.flows, '--pairs', options.pairs],
  ];
  const [command, ...args] = [...entry.prefix, ...node];
  const child = spawn(command!, args, {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: { ...process.env, ...builtEnvironment },
  });
  let said = '';
  child.stderr.on('data', (chunk: Buffer) => {
    said += chunk.toString();
    if (!options.json) process.stderr.write(chunk);
  });
  child.stdin.on('error', () => {});
  for await (const line of createInterface({ input: child.stdout })) {
    onResult(JSON.parse(line) as Result);
  }
  const code = child.exitCode ?? (await new Promise((resolve) => child.once('close', resolve)));
  return code === 0
    ? undefined
    : `exit code ${code}: ${said.trim().split('\n').slice(-12).join('\n')}`;
}

async function measure(wanted: readonly string[]): Promise<Report> {
  const report: Report = {
    machine: machine(),
    command: ['npm run bench', '--', ...process.argv.slice(2)].join(' '),
    results: [],
    failed: [],
  };
  if (!options.json)
    process.stdout.write(`${describeMachine(report.machine)}\n${report.command}\n`);
  for (const name of wanted) {
    const error = await start(name, (result) => {
      const judged = judge(result, sizes.at(-1));
      report.results.push(judged);
      if (!options.json) process.stdout.write(printResult(judged));
    });
    if (error !== undefined) {
      report.failed.push({ bench: name, error });
      process.stderr.write(`${name} FAILED: ${error}\n`);
    }
  }
  return report;
}

// A dump walks over all buckets of the machine, and the limit of a table must allow the largest size here.
// Both sysctls have these values during the run. They get their old values back in every case.
const pinnedBuckets = 1_048_576;
const largeTable = 200_000;

async function everything(wanted: readonly string[]): Promise<Report> {
  const largest = sizes.at(-1)!;
  if (largest < largeTable) return withGlobalLock(() => measure(wanted));
  const missing = globalSysctlsMissing();
  if (missing !== undefined) stop(`${missing}; try --flows 10000,100000`);
  const pinned = {
    'net.netfilter.nf_conntrack_buckets': pinnedBuckets,
    'net.netfilter.nf_conntrack_max': Math.max(2 * largest, 2 * pinnedBuckets),
  };
  return withGlobalSysctls(pinned, () => measure(wanted));
}

if (options.inside !== undefined) {
  await inside(options.inside);
} else if (options['rewrite-docs']) {
  await rewriteDocs();
} else if (options.list) {
  for (const name of names) process.stdout.write(`${name.padEnd(16)}${(await load(name)).about}\n`);
} else {
  const unknown = positionals.filter((name) => !(names as readonly string[]).includes(name));
  if (unknown.length > 0) stop(`no bench ${unknown.join(', ')}; there are: ${names.join(', ')}`);
  const wanted = positionals.length > 0 ? positionals : names;
  buildPackage();
  const report = await everything(wanted);
  const short = report.results.filter((result) => result.verdict === 'SHORT');
  const passed = report.results.filter((result) => result.verdict === 'pass');
  if (options.json) process.stdout.write(`${JSON.stringify(report, undefined, 2)}\n`);
  else {
    process.stdout.write(
      `\n${passed.length} pass, ${short.length} SHORT, ${report.failed.length} failed\n`,
    );
    for (const { bench, what } of short) process.stdout.write(`SHORT: ${bench}: ${what}\n`);
  }
  const folder = fileURLToPath(new URL('../build-bench', import.meta.url));
  mkdirSync(folder, { recursive: true });
  writeFileSync(`${folder}/last.json`, JSON.stringify(report, undefined, 2));
  if (options['write-docs']) await writeDocs(report);
  process.exit(report.failed.length > 0 || (options.strict && short.length > 0) ? 1 : 0);
}

// Writes the results of a run into the documentation: a table between the markers of docs/performance.md, another
// one between those of the README, all results in docs/performance-tables.md, the JSON, and the plot. Knows nothing
// of how they were measured.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { run } from '../../test/support/process.js';
import { describeMachine, type Machine } from './machine.js';
import { plot } from './plot.js';
import { cpuText, quantity, ratioText } from './print.js';
import type { Judged } from './result.js';

/** Everything that a run has measured. */
export interface Report {
  machine: Machine;
  command: string;
  /** Some results are of earlier runs on the same machine. */
  inParts?: boolean;
  results: Judged[];
  /** Benches that ended with an error, and that error. */
  failed: { bench: string; error: string }[];
}

const begin = '<!-- bench:begin -->';
const end = '<!-- bench:end -->';
const path = (name: string) => fileURLToPath(new URL(`../../${name}`, import.meta.url));
const tablesPage = 'docs/performance-tables.md';
const dataFile = 'docs/performance.json';
const readData = () => JSON.parse(readFileSync(path(dataFile), 'utf8')) as Report;

/** Replaces what is between the markers. */
function replace(name: string, lines: readonly string[]): void {
  const page = readFileSync(path(name), 'utf8');
  const from = page.indexOf(begin);
  const to = page.indexOf(end);
  if (from < 0 || to < from) throw new Error(`${name} has no ${begin} … ${end}`);
  writeFileSync(
    path(name),
    `${page.slice(0, from + begin.length)}\n${lines.join('\n')}\n${page.slice(to)}`,
  );
}

const cell = (text: string) => text.replaceAll('|', '\\|');

function reached(result: Judged): string {
  if (result.measure) return quantity(result.measure.value, result.measure.unit);
  return result.ratio ? ratioText(result.ratio.value) : '';
}

/** One line per result: the work, what was reached, the bar, and whether it is met. */
function summary(results: readonly Judged[]): string[] {
  const judged = results.filter(({ bar, verdict }) => bar !== undefined && verdict !== '-');
  return [
    '| bench | work | size | reached | bar | |',
    '|---|---|---:|---:|---|---|',
    ...judged.map((result) => {
      const size = result.size === undefined ? '' : result.size.toLocaleString('en-US');
      const { bench, what, bar, verdict } = result;
      return `| ${bench} | ${cell(what)} | ${size} | ${reached(result)} | ${bar!.text} | ${verdict} |`;
    }),
  ];
}

/** For each work the result with the largest size, and every result that does not meet its bar. */
function essential(results: readonly Judged[]): Judged[] {
  return results.filter(
    ({ bench, what, size, verdict }) =>
      verdict === 'SHORT' ||
      !results.some((other) => other.bench === bench && other.what === what && other.size! > size!),
  );
}

/** Everything that was measured, by bench. */
function details(results: readonly Judged[]): string[] {
  const lines: string[] = [];
  for (const bench of new Set(results.map((result) => result.bench))) {
    lines.push('', `## ${bench}`, '');
    lines.push('| work | size | contestant | median | each | CPU | command |');
    lines.push('|---|---:|---|---:|---:|---:|---|');
    for (const result of results.filter((one) => one.bench === bench)) {
      const size = result.size?.toLocaleString('en-US') ?? '';
      result.contestants.forEach((contestant, i) => {
        const { name, unit, command } = contestant;
        const value = result.medians[name]!;
        const each =
          unit === 'ns' && result.size !== undefined ? quantity(value / result.size, 'ns') : '';
        const first = i === 0 ? `${cell(result.what)} | ${size}` : ' | ';
        const cpu = cpuText(contestant).replace(' CPU', '');
        lines.push(
          `| ${first} | ${cell(name)} | ${quantity(value, unit)} | ${each} | ${cpu} | \`${cell(command)}\` |`,
        );
      });
      for (const note of result.notes ?? []) lines.push(`| | | | | | | ${cell(note)} |`);
    }
  }
  return lines;
}

/** One dump of the largest table, by contestant. */
function dumps(results: readonly Judged[]): string[] {
  const found = results.filter(({ bench, what }) => bench === 'dump' && what === 'the whole table');
  const largest = found.sort((a, b) => a.size! - b.size!).at(-1);
  if (largest === undefined) return [];
  const { medians, compare, size, bar, verdict } = largest;
  const base = medians[compare!.b]!;
  return [
    `One dump of ${size!.toLocaleString('en-US')} flows, everything delivered to the caller (bar: ${bar!.text}, ${verdict}):`,
    '',
    '| | median | against the C floor |',
    '|---|---:|---:|',
    ...Object.entries(medians).map(
      ([name, value]) => `| ${name} | ${quantity(value, 'ns')} | ${(value / base).toFixed(2)} |`,
    ),
  ];
}

/** The results of this run, and earlier results of the benches that it did not run. */
function withEarlier(report: Report): Report {
  if (!existsSync(path(dataFile))) return report;
  const earlier = readData();
  const now = new Set([...report.results, ...report.failed].map(({ bench }) => bench));
  const kept = earlier.results.filter(({ bench }) => !now.has(bench));
  if (kept.length === 0) return report;
  if (
    describeMachine({ ...earlier.machine, loadBefore: 0 }) !==
    describeMachine({ ...report.machine, loadBefore: 0 })
  ) {
    throw new Error(`${dataFile} comes from another machine: run every bench`);
  }
  const order = [...new Set([...earlier.results, ...report.results].map(({ bench }) => bench))];
  const results = [...kept, ...report.results].sort(
    (a, b) => order.indexOf(a.bench) - order.indexOf(b.bench),
  );
  return { ...report, results, inParts: true };
}

/** Writes the pages with the results of this run, and with earlier results of what it did not measure. */
export async function writeDocs(latest: Report): Promise<void> {
  const report = withEarlier(latest);
  writeFileSync(path(dataFile), `${JSON.stringify(report, undefined, 1)}\n`);
  await rewriteDocs();
}

/** Writes the pages again, from the stored results. */
export async function rewriteDocs(): Promise<void> {
  const { machine, results, inParts, failed } = readData();
  const how = `\`npm run bench\`${inParts ? ', in parts' : ''}`;
  const on = `Measured on ${machine.date.slice(0, 10)} by ${how}: ${describeMachine(machine)}.`;
  const failures = failed.map(({ bench }) => `\n**${bench} failed.**`);
  replace('docs/performance.md', [on, '', ...summary(essential(results)), ...failures]);
  const page = [
    '# All measurements',
    '',
    `\`npm run bench -- --write-docs\` writes this page. [Performance](performance.md) explains it.`,
    '',
    on,
    '',
    ...summary(results),
    ...failures,
    ...details(results),
  ];
  writeFileSync(path(tablesPage), `${page.join('\n')}\n`);
  const dump = dumps(results);
  if (dump.length > 0) replace('README.md', [on, '', ...dump]);
  // The lint wants the columns of tables aligned.
  const biome = path('node_modules/@biomejs/biome/bin/biome');
  const pages = ['README.md', 'docs/performance.md', tablesPage].map(path);
  run([process.execPath, biome, 'format', '--write', ...pages]);
  writeFileSync(path('docs/performance.svg'), await plot(machine, results));
}

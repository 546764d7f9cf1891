// Puts the results of a run into the documentation: tables between the markers of docs/performance.md and of
// the README, the JSON beside it, the plot. Knows results and text, not how anything was measured.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { run } from '../../test/support/process.js';
import { describeMachine, type Machine } from './machine.js';
import { cpuText, quantity, ratioText } from './print.js';
import type { Judged } from './result.js';

/** Everything that a run has measured. */
export interface Report {
  machine: Machine;
  command: string;
  results: Judged[];
  /** Benches that ended with an error, and what they said. */
  failed: { bench: string; error: string }[];
}

const begin = '<!-- bench:begin -->';
const end = '<!-- bench:end -->';
const path = (name: string) => fileURLToPath(new URL(`../../${name}`, import.meta.url));

/** Replaces what stands between the markers. */
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

/** One line per result: what was done, what was reached, the bar, whether it is met. */
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

/** Everything that was measured, by bench. */
function details(results: readonly Judged[]): string[] {
  const lines: string[] = [];
  for (const bench of new Set(results.map((result) => result.bench))) {
    lines.push('', `### ${bench}`, '');
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

/** This run and, of benches that it did not run, what the last one wrote. */
function withEarlier(report: Report): Report {
  const file = path('docs/performance.json');
  if (!existsSync(file)) return report;
  const earlier = JSON.parse(readFileSync(file, 'utf8')) as Report;
  const now = new Set([...report.results, ...report.failed].map(({ bench }) => bench));
  const kept = earlier.results.filter(({ bench }) => !now.has(bench));
  if (kept.length === 0) return report;
  if (
    describeMachine({ ...earlier.machine, loadBefore: 0 }) !==
    describeMachine({ ...report.machine, loadBefore: 0 })
  ) {
    throw new Error('docs/performance.json is of another machine: run every bench');
  }
  const order = [...new Set([...earlier.results, ...report.results].map(({ bench }) => bench))];
  const results = [...kept, ...report.results].sort(
    (a, b) => order.indexOf(a.bench) - order.indexOf(b.bench),
  );
  return {
    ...report,
    results,
    failed: report.failed,
    command: `${report.command}; the rest: ${earlier.command}`,
  };
}

export function writeDocs(latest: Report): void {
  const report = withEarlier(latest);
  writeFileSync(path('docs/performance.json'), `${JSON.stringify(report, undefined, 1)}\n`);
  const { machine, results, command, failed } = report;
  const on = `Measured on ${machine.date.slice(0, 10)} by \`${command}\`: ${describeMachine(machine)}.`;
  replace('docs/performance.md', [
    on,
    '',
    ...summary(results),
    ...failed.map(({ bench }) => `\n**${bench} failed.**`),
    ...details(results),
  ]);
  const dump = dumps(results);
  if (dump.length > 0) replace('README.md', [on, '', ...dump]);
  // Tables as the lint wants them.
  const biome = path('node_modules/@biomejs/biome/bin/biome');
  run([
    process.execPath,
    biome,
    'format',
    '--write',
    path('README.md'),
    path('docs/performance.md'),
  ]);
  run([process.execPath, path('scripts/plot-bench.mjs')]);
}

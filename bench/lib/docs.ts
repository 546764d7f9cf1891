// Puts the results of a run into the documentation: the JSON beside it, the table between the markers of
// docs/performance.md, the plot.
import { readFileSync, writeFileSync } from 'node:fs';
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

const begin = '<!-- results: begin (npm run bench -- --write-docs) -->';
const end = '<!-- results: end -->';
const path = (name: string) => fileURLToPath(new URL(`../../docs/${name}`, import.meta.url));

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

export function writeDocs(report: Report): void {
  writeFileSync(path('performance.json'), `${JSON.stringify(report, undefined, 1)}\n`);
  const file = path('performance.md');
  const page = readFileSync(file, 'utf8');
  const from = page.indexOf(begin);
  const to = page.indexOf(end);
  if (from < 0 || to < from) throw new Error('docs/performance.md: the markers are gone');
  const { machine, results, command, failed } = report;
  const generated = [
    begin,
    '',
    `Measured on ${machine.date.slice(0, 10)} by \`${command}\`: ${describeMachine(machine)}.`,
    '',
    ...summary(results),
    ...failed.map(({ bench }) => `\n**${bench} failed.**`),
    ...details(results),
    '',
  ];
  writeFileSync(file, page.slice(0, from) + generated.join('\n') + page.slice(to));
  run([process.execPath, fileURLToPath(new URL('../../scripts/plot-bench.mjs', import.meta.url))]);
}

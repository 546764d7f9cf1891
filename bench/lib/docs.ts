// Writes the results of a run into docs/performance.md and the README, between their markers. Knows
// results and text, not how anything was measured.
import { readFileSync, writeFileSync } from 'node:fs';
import type { Report } from '../run.js';
import { describeMachine } from './machine.js';
import type { Judged } from './result.js';

const begin = '<!-- bench:begin -->';
const end = '<!-- bench:end -->';

const file = (path: string) => new URL(`../../${path}`, import.meta.url);

function amount(result: Judged, name: string): string {
  const value = result.medians[name]!;
  const unit = result.contestants.find((one) => one.name === name)?.unit;
  if (unit === 'ns')
    return value >= 1e9 ? `${(value / 1e9).toFixed(2)} s` : `${(value / 1e6).toFixed(2)} ms`;
  if (unit === 'bytes') return `${(value / 1e6).toFixed(1)} MB`;
  return value.toLocaleString('en');
}

function rows(result: Judged): string[] {
  const what =
    result.size === undefined ? result.what : `${result.what}, ${result.size.toLocaleString('en')}`;
  const base = result.compare?.b;
  return result.contestants.map((one, i) => {
    const against =
      base === undefined ? '' : (result.medians[one.name]! / result.medians[base]!).toFixed(2);
    const first = i === 0;
    const bar = first && result.bar !== undefined ? `${result.bar.text}: ${result.verdict}` : '';
    return `| ${first ? `${result.bench}: ${what}` : ''} | ${one.name} | ${amount(result, one.name)} | ${against} | ${bar} |`;
  });
}

/** Replaces what stands between the markers. */
function replace(path: string, lines: string[]): void {
  const text = readFileSync(file(path), 'utf8');
  const from = text.indexOf(begin);
  const to = text.indexOf(end);
  if (from < 0 || to < from) throw new Error(`${path} has no ${begin} … ${end}`);
  writeFileSync(
    file(path),
    `${text.slice(0, from + begin.length)}\n${lines.join('\n')}\n${text.slice(to)}`,
  );
}

export function writeDocs(report: Report): void {
  const head = ['| what | contestant | median | against the base | bar |', '|---|---|---|---|---|'];
  const machine = `${describeMachine(report.machine)}; \`${report.command}\`. Medians; less is better, but for rates.`;
  replace('docs/performance.md', [machine, '', ...head, ...report.results.flatMap(rows)]);
  const largest = Math.max(...report.results.map((result) => result.size ?? 0));
  const dumps = report.results.filter(
    (result) => result.bench === 'dump' && result.size === largest,
  );
  if (dumps.length > 0) replace('README.md', [machine, '', ...head, ...dumps.flatMap(rows)]);
}

// Results as text for a terminal. The documentation uses the same form of numbers.
import { type Contestant, type Judged, median, type Unit } from './result.js';

function significant(value: number): string {
  if (value === 0) return '0';
  const digits = Math.max(0, 2 - Math.floor(Math.log10(Math.abs(value))));
  return value.toLocaleString('en-US', {
    minimumFractionDigits: Math.min(digits, 3),
    maximumFractionDigits: Math.min(digits, 3),
  });
}

/** A value in the unit that fits its size. */
export function quantity(value: number, unit: Unit): string {
  switch (unit) {
    case 'ns': {
      if (value >= 1e9) return `${significant(value / 1e9)} s`;
      if (value >= 1e6) return `${significant(value / 1e6)} ms`;
      return value >= 1e3 ? `${significant(value / 1e3)} µs` : `${significant(value)} ns`;
    }
    case 'bytes':
      return `${significant(value / 2 ** 20)} MiB`;
    case 'per-second':
      return value >= 1e6 ? `${significant(value / 1e6)} M/s` : `${significant(value / 1e3)} k/s`;
    case 'count':
      return value.toLocaleString('en-US');
  }
}

export const ratioText = (value: number) => `${value.toFixed(value < 10 ? 2 : 1)} ×`;

/** The median time per flow, if the unit is time and the result has a size. */
export function each(result: Judged, contestant: Contestant): string {
  if (contestant.unit !== 'ns' || result.size === undefined) return '';
  return `${quantity(result.medians[contestant.name]! / result.size, 'ns')} each`;
}

export function cpuText(contestant: Contestant): string {
  const { cpu } = contestant;
  return cpu === undefined || cpu.length === 0 ? '' : `${quantity(median(cpu), 'ns')} CPU`;
}

export function title(result: Judged): string {
  const size = result.size === undefined ? '' : `, ${result.size.toLocaleString('en-US')}`;
  return `${result.bench}: ${result.what}${size}`;
}

/** The result in one line: ratio or value, spread, bar, verdict. */
function verdictLine(result: Judged): string {
  const parts: string[] = [];
  if (result.measure) {
    parts.push(`${result.measure.name} ${quantity(result.measure.value, result.measure.unit)}`);
  } else if (result.ratio && result.compare) {
    const { value, low, high } = result.ratio;
    const speed = result.compare.inverse ? 'speed of ' : '';
    parts.push(
      `${speed}${result.compare.a} / ${result.compare.b} = ${ratioText(value)} (pairs ${low.toFixed(2)}–${high.toFixed(2)})`,
    );
  }
  if (result.bar) parts.push(`bar ${result.bar.text}`);
  if (result.verdict !== '-') parts.push(result.verdict);
  return parts.join('  ');
}

export function printResult(result: Judged): string {
  const lines = [`\n${title(result)}`];
  const width = Math.max(...result.contestants.map((contestant) => contestant.name.length));
  for (const contestant of result.contestants) {
    const { name, unit, command } = contestant;
    const middle = quantity(result.medians[name]!, unit).padStart(10);
    lines.push(
      `  ${name.padEnd(width)} ${middle} ${each(result, contestant).padStart(13)} ${cpuText(contestant).padStart(11)}   ${command}`,
    );
  }
  const verdict = verdictLine(result);
  if (verdict !== '') lines.push(`  ${verdict}`);
  for (const note of result.notes ?? []) lines.push(`  note: ${note}`);
  return `${lines.join('\n')}\n`;
}

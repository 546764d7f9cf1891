// Draws the results of the benches with Vega-Lite. Three parts: one dump by contestant, the same per flow as the
// table grows, and how far every result is from its bar.
import { parse, View } from 'vega';
import { compile, type TopLevelSpec } from 'vega-lite';
import type { Machine } from './machine.js';
import { quantity } from './print.js';
import type { Judged } from './result.js';

const colors = { ours: '#1f6feb', other: '#8c959f', pass: '#1a7f37', short: '#cf222e' };
const width = 480;

/** Contestants of the largest table in the benches of dumps, each name once. */
function largestDump(results: readonly Judged[]) {
  const benches = ['dump', 'dump-batches', 'dump-parallel'];
  const dumps = results.filter(({ bench }) => benches.includes(bench));
  const size = Math.max(...dumps.map((result) => result.size ?? 0));
  const medians = new Map<string, number>();
  for (const result of dumps) {
    if (result.size !== size || !/whole table|splits evenly/.test(result.what)) continue;
    for (const [name, value] of Object.entries(result.medians)) {
      // Some contestants are in two benches. The first of these is their own.
      if (!medians.has(name) && name !== 'one socket') medians.set(name, value);
    }
  }
  const sorted = [...medians].sort((a, b) => a[1] - b[1]);
  return sorted.map(([name, ns]) => ({
    name,
    seconds: ns / 1e9,
    text: quantity(ns, 'ns'),
    ours: /dump\(|dumpBatches|parallel auto/.test(name),
    title: `One dump of ${size.toLocaleString('en-US')} flows`,
  }));
}

function bars(results: readonly Judged[]) {
  const values = largestDump(results);
  const y = { field: 'name', type: 'nominal', sort: null, title: null };
  const x = { field: 'seconds', type: 'quantitative', title: 'seconds' };
  const color = { condition: { test: 'datum.ours', value: colors.ours }, value: colors.other };
  return {
    title: values[0]?.title,
    width,
    data: { values },
    encoding: { y, x },
    layer: [
      { mark: 'bar', encoding: { color } },
      { mark: { type: 'text', align: 'left', dx: 4 }, encoding: { text: { field: 'text' } } },
    ],
  };
}

function growth(results: readonly Judged[]) {
  const dumps = results.filter(({ bench, what }) => bench === 'dump' && what === 'the whole table');
  const values = dumps.flatMap(({ size, medians }) =>
    Object.entries(medians).map(([name, ns]) => ({ name, size, each: ns / size! / 1000 })),
  );
  const y = { field: 'each', type: 'quantitative', scale: { type: 'log' }, title: 'µs per flow' };
  return {
    title: 'Time per flow as the table grows',
    width,
    height: 180,
    data: { values },
    mark: { type: 'line', point: true },
    encoding: {
      x: { field: 'size', type: 'ordinal', axis: { format: ',', labelAngle: 0 }, title: 'flows' },
      y,
      color: { field: 'name', type: 'nominal', sort: null, title: null },
    },
  };
}

/** The distance of a result from its bar: 1 is the bar itself, less is better. */
function distance({ bar, value }: Judged): number {
  const { kind, limit } = bar!;
  if (limit === 0) return value === 0 ? 0.1 : 10;
  const part = kind === 'at most' ? value! / limit : limit / value!;
  return Math.min(10, Math.max(0.1, part));
}

function verdicts(results: readonly Judged[]) {
  const values = results
    .filter(({ verdict }) => verdict !== '-')
    .map((result) => {
      const { bench, what, size, verdict } = result;
      const of = size === undefined ? '' : ` (${size.toLocaleString('en-US')})`;
      return { name: `${bench}: ${what}${of}`, distance: distance(result), verdict };
    });
  const scale = { type: 'log', domain: [0.1, 10] };
  const verdict = { domain: ['pass', 'SHORT'], range: [colors.pass, colors.short] };
  return {
    title: 'Every bar (the line): left of it is better, ten times at most',
    width,
    data: { values },
    encoding: { x: { field: 'distance', type: 'quantitative', scale, axis: null } },
    layer: [
      {
        mark: { type: 'point', filled: true, size: 60, opacity: 1 },
        encoding: {
          y: { field: 'name', type: 'nominal', sort: null, title: null, axis: { grid: true } },
          color: { field: 'verdict', type: 'nominal', scale: verdict, title: null },
        },
      },
      { mark: { type: 'rule', strokeDash: [3, 3] }, encoding: { x: { datum: 1 } } },
    ],
  };
}

/** The drawing as SVG. */
export function plot(machine: Machine, results: readonly Judged[]): Promise<string> {
  const { cpu, cores, kernel, node, date } = machine;
  const spec = {
    background: 'white',
    padding: 16,
    title: {
      text: 'Results of the benches',
      subtitle: `${cpu}, ${cores} cores, Linux ${kernel}, Node ${node}, ${date.slice(0, 10)}`,
    },
    vconcat: [bars(results), growth(results), verdicts(results)],
    resolve: { scale: { color: 'independent' } },
    config: {
      font: 'system-ui, sans-serif',
      axis: { labelLimit: 0 },
      legend: { labelLimit: 0 },
      title: { anchor: 'start', frame: 'group', offset: 12 },
    },
  } as TopLevelSpec;
  return new View(parse(compile(spec).spec), { renderer: 'none' }).toSVG();
}

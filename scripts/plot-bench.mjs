// Draws docs/performance.svg from the JSON of the benches: node scripts/plot-bench.mjs [JSON [SVG]]. Three
// parts: one dump by contestant, the same per flow as the table grows, and every bar with what was reached.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { tag, writeSvg } from './lib/svg.mjs';

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const [from = here('../docs/performance.json'), to = here('../docs/performance.svg')] =
  process.argv.slice(2);
const report = JSON.parse(readFileSync(from, 'utf8'));

const width = 940;
const colors = {
  ours: '#1f6feb',
  floor: '#57606a',
  other: '#afb8c1',
  text: '#1f2328',
  faint: '#d0d7de',
  pass: '#1a7f37',
  short: '#cf222e',
};
const parts = [];
let bottom = 0;

const text = (x, y, content, more = {}) =>
  parts.push(tag('text', { x, y, fill: colors.text, 'font-size': 12, ...more }, content));
const line = (x1, y1, x2, y2, stroke, more = {}) =>
  parts.push(tag('line', { x1, y1, x2, y2, stroke, ...more }));
const heading = (content) => {
  bottom += 34;
  text(16, bottom, content, { 'font-size': 15, 'font-weight': 600 });
  bottom += 10;
};

const seconds = (ns) => (ns >= 1e9 ? `${(ns / 1e9).toFixed(2)} s` : `${(ns / 1e6).toFixed(1)} ms`);
const count = (value) => value.toLocaleString('en-US');
const ours = (name) => /dump|parallel|one socket/.test(name);
const colorOf = (name) =>
  ours(name) ? colors.ours : name.startsWith('C recv only') ? colors.floor : colors.other;

/** Contestants of the largest table, those of several benches together, each name once. */
function largest(benches) {
  const results = report.results.filter(({ bench, size }) => benches.includes(bench) && size);
  const size = Math.max(...results.map((result) => result.size));
  const found = new Map();
  for (const result of results) {
    if (result.size !== size || !/whole table|splits evenly/.test(result.what)) continue;
    for (const [name, value] of Object.entries(result.medians)) {
      // Measured in two benches: that of the bench of its own stands.
      if (!found.has(name) && name !== 'one socket') found.set(name, value);
    }
  }
  return { size, entries: [...found].sort((a, b) => a[1] - b[1]) };
}

function bars() {
  const { size, entries } = largest(['dump', 'dump-batches', 'dump-parallel']);
  if (entries.length === 0) return;
  heading(`One dump of ${count(size)} flows, everything delivered to the caller`);
  const left = 200;
  const scale = (width - left - 100) / Math.max(...entries.map(([, value]) => value));
  for (const [name, value] of entries) {
    const y = bottom + 6;
    text(left - 8, y + 13, name, { 'text-anchor': 'end' });
    const bar = { x: left, y, width: Math.max(1, value * scale), height: 17, rx: 2 };
    parts.push(tag('rect', { ...bar, fill: colorOf(name) }));
    text(left + value * scale + 6, y + 13, seconds(value));
    bottom += 23;
  }
}

function growth() {
  const results = report.results
    .filter(({ bench, what }) => bench === 'dump' && what === 'the whole table')
    .sort((a, b) => a.size - b.size);
  if (results.length < 2) return;
  heading('Time per flow as the table grows (the walk over the buckets is the same for all)');
  const box = { left: 200, right: width - 220, top: bottom + 12, height: 190 };
  const names = Object.keys(results[0].medians);
  const values = names.flatMap((name) => results.map((r) => r.medians[name] / r.size));
  const low = Math.log10(Math.min(...values)) - 0.05;
  const high = Math.log10(Math.max(...values)) + 0.05;
  const x = (i) => box.left + ((box.right - box.left) * i) / (results.length - 1);
  const y = (ns) => box.top + (box.height * (high - Math.log10(ns))) / (high - low);
  results.forEach((result, i) => {
    line(x(i), box.top, x(i), box.top + box.height, colors.faint);
    text(x(i), box.top + box.height + 18, count(result.size), { 'text-anchor': 'middle' });
  });
  for (const ns of [1000, 2000, 5000, 10_000, 20_000, 50_000]) {
    if (Math.log10(ns) < low || Math.log10(ns) > high) continue;
    line(box.left, y(ns), box.right, y(ns), colors.faint);
    text(box.left - 8, y(ns) + 4, `${ns / 1000} µs`, { 'text-anchor': 'end' });
  }
  // Labels that would lie on each other move apart.
  const labels = names
    .map((name) => ({ name, at: y(results.at(-1).medians[name] / results.at(-1).size) }))
    .sort((a, b) => a.at - b.at);
  for (let i = 1; i < labels.length; i++) {
    labels[i].at = Math.max(labels[i].at, labels[i - 1].at + 14);
  }
  for (const name of names) {
    const points = results.map(
      (r, i) => `${x(i).toFixed(1)},${y(r.medians[name] / r.size).toFixed(1)}`,
    );
    const stroke = { stroke: colorOf(name), 'stroke-width': ours(name) ? 2.5 : 1.5, fill: 'none' };
    parts.push(tag('polyline', { points: points.join(' '), ...stroke }));
    text(box.right + 8, labels.find((label) => label.name === name).at + 4, name);
  }
  bottom = box.top + box.height + 26;
}

/** How far from its bar: 1 is the bar itself, less is better. */
function distance({ bar, value }) {
  if (bar.limit === 0) return value === 0 ? 0.1 : 10;
  const part = bar.kind === 'at most' ? value / bar.limit : bar.limit / value;
  return Math.min(10, Math.max(0.1, part));
}

function verdicts() {
  const judged = report.results.filter(({ verdict }) => verdict !== '-');
  if (judged.length === 0) return;
  heading(
    'Every bar: left of the line it is met, right of it not (tenfold either way at the ends)',
  );
  const left = 430;
  const right = width - 190;
  const x = (part) => left + ((right - left) * (Math.log10(part) + 1)) / 2;
  const top = bottom + 4;
  for (const result of judged) {
    const y = bottom + 18;
    const label = `${result.bench}: ${result.what}`;
    const short = label.length > 66 ? `${label.slice(0, 65)}…` : label;
    text(left - 12, y + 4, short, { 'text-anchor': 'end', 'font-size': 11 });
    line(left, y, right, y, colors.faint);
    const fill = result.verdict === 'pass' ? colors.pass : colors.short;
    parts.push(tag('circle', { cx: x(distance(result)).toFixed(1), cy: y, r: 5, fill }));
    text(right + 12, y + 4, `${result.verdict}  (${result.bar.text})`, { 'font-size': 11, fill });
    bottom += 20;
  }
  line(x(1), top, x(1), bottom + 10, colors.text, { 'stroke-dasharray': '3 3' });
  bottom += 14;
}

bars();
growth();
verdicts();
const { machine } = report;
bottom += 26;
text(
  16,
  bottom,
  `${machine.cpu}, ${machine.cores} cores, Linux ${machine.kernel}, Node ${machine.node}, ${machine.date.slice(0, 10)}`,
  { 'font-size': 11, fill: colors.floor },
);
const height = bottom + 16;
writeSvg(to, 'Results of the benches', width, height, parts);

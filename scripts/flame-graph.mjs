// Draws a flame graph from what `perf script` prints: node scripts/flame-graph.mjs TITLE SVG < TEXT.
// Of the kernel whole stacks are shown; of a user program, which keeps no frame pointers, its file and the
// function that ran. Threads stand side by side; width is the share of the samples.
import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { tag, tipped, writeSvg } from './lib/svg.mjs';

const [title, to] = process.argv.slice(2);
if (to === undefined) throw new Error('usage: flame-graph.mjs TITLE SVG < TEXT');

/** Stacks from the outermost frame in, with how often they were seen. */
function fold(text) {
  const root = { name: 'all', kind: 'all', samples: 0, children: new Map() };
  for (const block of text.split(/\n\s*\n/)) {
    const [head, ...lines] = block.split('\n').filter((line) => line.trim() !== '');
    if (head === undefined) continue;
    const comm = head.trim().replace(/\s+\d+\s*:?.*$/, '');
    const frames = lines.map((line) => {
      const [, symbol, file] = /^\s*[0-9a-f]+\s+(.*?)\s+\((.*)\)\s*$/.exec(line) ?? [];
      const kernel = file?.startsWith('[kernel') || file?.startsWith('[guest.kernel');
      return { symbol: (symbol ?? '?').replace(/\+0x[0-9a-f]+$/, ''), file: file ?? '?', kernel };
    });
    if (frames.length === 0) continue;
    const inKernel = frames.filter((frame) => frame.kernel).reverse();
    const stack = [{ name: comm, kind: 'thread' }];
    if (inKernel.length > 0) {
      stack.push(...inKernel.map(({ symbol }) => ({ name: symbol, kind: 'kernel' })));
    } else {
      const { file, symbol } = frames[0];
      const kind = file.endsWith('conntrack.node') ? 'addon' : 'process';
      stack.push({ name: basename(file), kind }, { name: symbol, kind });
    }
    let at = root;
    at.samples++;
    for (const { name, kind } of stack) {
      if (!at.children.has(name))
        at.children.set(name, { name, kind, samples: 0, children: new Map() });
      at = at.children.get(name);
      at.samples++;
    }
  }
  return root;
}

const root = fold(readFileSync(0, 'utf8'));
if (root.samples === 0) throw new Error('no samples in the text');

const width = 1100;
const rowHeight = 17;
const margin = 16;
const fills = {
  all: '#d0d7de',
  thread: '#afb8c1',
  kernel: '#f0883e',
  addon: '#3fb950',
  process: '#79c0ff',
};
const parts = [];
const depthOf = (node) => 1 + Math.max(0, ...[...node.children.values()].map(depthOf));
const depth = depthOf(root);
const top = 66;
const percent = (node) => `${((100 * node.samples) / root.samples).toFixed(1)} %`;

function draw(node, x, level) {
  const span = (node.samples / root.samples) * (width - 2 * margin);
  if (span < 0.5) return;
  const y = top + (depth - 1 - level) * rowHeight;
  const box = {
    x: x.toFixed(1),
    y,
    width: Math.max(0.5, span - 0.5).toFixed(1),
    height: rowHeight - 1,
  };
  parts.push(tipped('rect', { ...box, fill: fills[node.kind] }, `${node.name}: ${percent(node)}`));
  const room = Math.floor((span - 6) / 6);
  if (room >= 3) {
    const label = node.name.length > room ? `${node.name.slice(0, room - 1)}…` : node.name;
    parts.push(
      tag('text', { x: (x + 3).toFixed(1), y: y + 12, 'font-size': 11, fill: '#1f2328' }, label),
    );
  }
  let at = x;
  for (const child of [...node.children.values()].sort((a, b) => b.samples - a.samples)) {
    draw(child, at, level + 1);
    at += (child.samples / root.samples) * (width - 2 * margin);
  }
}

parts.push(
  tag('text', { x: margin, y: 26, 'font-size': 15, 'font-weight': 600, fill: '#1f2328' }, title),
);
const legend = [
  ['kernel', 'kernel'],
  ['addon', 'the addon'],
  ['process', 'Node and libraries'],
];
let at = margin;
for (const [kind, label] of legend) {
  parts.push(tag('rect', { x: at, y: 38, width: 12, height: 12, fill: fills[kind] }));
  parts.push(tag('text', { x: at + 17, y: 48, 'font-size': 12, fill: '#1f2328' }, label));
  at += 40 + label.length * 7;
}
draw(root, margin, 0);
writeSvg(to, title, width, top + depth * rowHeight + margin, parts);

/** Samples by what `of` says of the function in which they were taken. */
function own(node, of, into = new Map()) {
  let samples = node.samples;
  for (const child of node.children.values()) {
    samples -= child.samples;
    own(child, of, into);
  }
  if (samples > 0) into.set(of(node), (into.get(of(node)) ?? 0) + samples);
  return into;
}

/** Lines for the terminal: the shares, the largest first. */
function shares(of, most) {
  for (const [name, samples] of [...own(root, of)].sort((a, b) => b[1] - a[1]).slice(0, most)) {
    process.stdout.write(`${((100 * samples) / root.samples).toFixed(1).padStart(5)} %  ${name}\n`);
  }
}
shares(({ kind }) => `(${kind})`, 4);
shares(({ name }) => name, 25);

// Which code a report of ThreadSanitizer is about: recorded reports (test/fixtures/tsan), and a made-up report for
// each rule.
import { readdirSync, readFileSync } from 'node:fs';
import { isOurs } from '../../scripts/tsan-judge.mjs';
import { assert, suite } from '../support/harness.js';

const test = suite('judge of ThreadSanitizer reports');
const recorded = new URL('../fixtures/tsan/', import.meta.url);

for (const file of readdirSync(recorded)) {
  test(`recorded: ${file}`, () => {
    const report = readFileSync(new URL(file, recorded), 'utf8');
    assert.match(report, /WARNING: ThreadSanitizer: data race/);
    assert.is(isOurs(report), file.startsWith('canary-'));
  });
}

test('the recorded report that has frames of the addon under those of node', () => {
  const report = readFileSync(new URL('node-job-state.txt', recorded), 'utf8');
  assert.match(report, /DefaultJobState::Join\(\) .*\(node\+.*\n.*\(conntrack\.node\+/);
});

/** Frames, innermost first. `jit` has no module. */
const stack = (...modules: string[]) =>
  modules
    .map((module, i) =>
      module === 'jit'
        ? `    #${i} <null> <null>\n`
        : `    #${i} some(thing<(int)1>) file.cc:7 (${module}+0x12ab)\n`,
    )
    .join('');
const [tsan, node, addon] = ['libtsan.so.2', 'node', 'conntrack.node'];
const ours = stack(tsan, addon, node);
const nodes = stack(tsan, node, addon, addon, node);
const heap = (frames: string) =>
  `  Location is heap block of size 192 at 0x7b30 allocated by main thread:\n${frames}\n`;
const threads = (frames: string) =>
  `  Thread T2 'name' (tid=5, running) created by main thread at:\n${frames}\n`;

function race(first: string, second: string, rest = ''): string {
  return (
    'WARNING: ThreadSanitizer: data race (pid=1)\n' +
    `  Write of size 8 at 0x7b30 by main thread (mutexes: write M1):\n${first}\n` +
    `  Previous atomic read of size 8 at 0x7b30 by thread T2:\n${second}\n${rest}` +
    'SUMMARY: ThreadSanitizer: data race conntrack.cc in nf::something\n'
  );
}

const cases: [string, boolean, string][] = [
  ['both accesses are ours', true, race(ours, ours)],
  ['without a frame of the sanitizer', true, race(stack(addon), stack(addon, node))],
  ['with build ids', true, race(ours, ours).replaceAll('ab)', 'ab) (BuildId: 12ef)')],
  ['both are of node, called by us', false, race(nodes, nodes, heap(nodes))],
  ['both are of node, on memory of ours', false, race(nodes, nodes, heap(ours))],
  ['one is ours, on memory of node', false, race(ours, nodes, heap(nodes))],
  ['one is ours, on memory of ours', true, race(ours, nodes, heap(ours))],
  ['the other one is ours, on memory of ours', true, race(nodes, ours, heap(ours))],
  [
    'one is ours, on a variable of ours',
    true,
    race(ours, nodes, "  Location is global 'x' of size 4 at 0x55 (conntrack.node+0x17)\n\n"),
  ],
  [
    'one is ours, on a variable of node',
    false,
    race(ours, nodes, "  Location is global 'x' of size 4 at 0x55 (node+0x17)\n\n"),
  ],
  [
    'one is ours, on a descriptor of ours',
    true,
    race(ours, nodes, `  Location is file descriptor 17 created by thread T2 at:\n${ours}\n`),
  ],
  ['code of V8 that has no module', false, race(stack(tsan, 'jit', addon), ours, heap(nodes))],
  [
    'the C++ library, which node uses too',
    false,
    race(stack(tsan, 'libstdc++.so.6', addon), nodes),
  ],
  ['a library that only we load', true, race(stack(tsan, 'libip4tc.so.2', addon), ours)],
  ['a lost stack on a thread of ours', true, race(ours, '', threads(ours))],
  ['a lost stack on a thread of node', false, race(ours, '', threads(nodes))],
  ['no stack at all', false, race('', '')],
  [
    'a cycle of locks that needs one of ours',
    true,
    'WARNING: ThreadSanitizer: lock-order-inversion (potential deadlock) (pid=1)\n' +
      `  Cycle in lock order graph: M1 (0x1) => M2 (0x2) => M1\n\n` +
      `  Mutex M2 acquired here while holding mutex M1 in main thread:\n${nodes}\n` +
      `  Mutex M1 acquired here while holding mutex M2 in thread T2:\n${ours}\n`,
  ],
  [
    'a cycle of locks of node',
    false,
    'WARNING: ThreadSanitizer: lock-order-inversion (potential deadlock) (pid=1)\n' +
      `  Mutex M2 acquired here while holding mutex M1 in main thread:\n${nodes}\n` +
      `  Mutex M1 acquired here while holding mutex M2 in thread T2:\n${nodes}\n`,
  ],
  [
    'a thread of ours that is not joined',
    true,
    `WARNING: ThreadSanitizer: thread leak (pid=1)\n${threads(ours)}`,
  ],
  [
    'a thread of node that is not joined',
    false,
    `WARNING: ThreadSanitizer: thread leak (pid=1)\n${threads(nodes)}`,
  ],
  [
    'freed memory that we touch',
    true,
    race(ours, nodes, heap(nodes)).replace('data race', 'heap-use-after-free'),
  ],
  [
    'freed memory of node that node touches',
    false,
    race(nodes, ours, heap(nodes)).replace('data race', 'heap-use-after-free'),
  ],
  [
    'a lock that we misuse',
    true,
    `WARNING: ThreadSanitizer: unlock of an unlocked mutex (pid=1)\n${ours}\n  Mutex M1 (0x1) created at:\n${nodes}\n`,
  ],
  [
    'a lock that node misuses',
    false,
    `WARNING: ThreadSanitizer: destroy of a locked mutex (pid=1)\n${nodes}\n  Mutex M1 (0x1) created at:\n${ours}\n`,
  ],
];

for (const [name, expected, report] of cases) {
  test(name, () => {
    assert.is(isOurs(report), expected, report);
  });
}

test.run();

// Every operation while something fails below it: memory, threads, system calls, answers of the kernel, the clock.
// The n-th call of a kind fails, for every n until the operation makes fewer calls. The process must survive. The
// operation rejects with a typed error, or gives the same result as without the fault. The next operation works, and
// nothing is left behind. `npm run faults` tries all kinds, `npm test` some of them.
// Limit: 1800 s (of all kinds)
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { assert, suite } from '../support/harness.js';
import { Netns } from '../support/netns.js';
import { describe, type NodeEnding, runNode } from '../support/node-child.js';
import { shim } from '../support/preload.js';

const test = suite('lifetime: faults');

// Names of kinds in child/faults.mjs.
const always = ['allocation', 'thread', 'silence', 'clock ahead', 'garble 15'];
// Every missing answer costs a wait of ten seconds. Only a run of all kinds tries all operations.
const silent = ['dump', 'getSync', 'createMany', 'close'];
const more = [
  ...['every allocation', 'every thread', 'EINTR', 'EAGAIN', 'ENOMEM', 'EMFILE', 'ENOBUFS'],
  ...['short', 'clock back'],
  ...Array.from({ length: 17 }, (_, variant) => `garble ${variant}`),
];
const asked = process.env.FAULTS === 'all' ? [...new Set([...always, ...more])] : always;
const sanitizers = process.env.SANITIZER_RUNTIME !== undefined;
const isOfSanitizer = (kind: string) => sanitizers && kind.endsWith('allocation');
const kinds = asked.filter((kind) => !isOfSanitizer(kind));

interface Report {
  operation: string;
  /** How many calls of the kind the operation makes. */
  faults: number;
  /** For how many of these faults the operation rejected. */
  rejected: number;
  wrong: string[];
}

let folder: string;
let preload: string;
test.after(() => rmSync(folder, { recursive: true }));

/** One kind, in a child and a namespace of its own. */
async function faults(kind: string, operations: string[]): Promise<NodeEnding> {
  using elsewhere = Netns.create();
  const control = join(folder, kind);
  writeFileSync(control, Buffer.alloc(64));
  return await runNode('faults.mjs', [kind, ...operations], {
    flags: ['--expose-gc'],
    prefix: ['nsenter', `--net=${elsewhere.path}`],
    env: { LD_PRELOAD: preload, SHIM_FAULT: control },
    limitMs: 1_500_000, // for silence, which takes ten seconds for each operation
  });
}
const operationsOf = (kind: string) =>
  kind === 'silence' && process.env.FAULTS !== 'all' ? silent : [];

// A child mostly waits for idle threads to end. Five at a time take only as long as the slowest.
const abreast = 5;
const endings: Promise<NodeEnding>[] = [];
test.before(() => {
  folder = mkdtempSync(join(tmpdir(), 'conntrack-'));
  preload = shim();
  for (const [index, kind] of kinds.entries()) {
    const before = Promise.resolve(endings[index - abreast]).catch(() => {});
    endings.push(before.then(() => faults(kind, operationsOf(kind))));
    endings[index]!.catch(() => {}); // its own test reports it
  }
});

for (const kind of asked.filter(isOfSanitizer)) {
  test.skip(kind, 'the memory is that of the sanitizer');
}
for (const [index, kind] of kinds.entries()) {
  test(kind, async () => {
    const some = operationsOf(kind);
    const ended = await endings[index]!;
    assert.is(ended.signal, null, describe(ended));
    assert.is(ended.code, 0, describe(ended));
    assert.is(ended.stderr, '', describe(ended));
    const reports = ended.lines.map((line) => JSON.parse(line) as Report);
    const wrong = reports.flatMap((report) =>
      report.wrong.map((what) => `${report.operation}: ${what}`),
    );
    assert.is(wrong.join('\n'), '');
    // Faults did happen.
    const hit = reports.filter(({ faults }) => faults > 0).length;
    if (some.length > 0) {
      assert.equal([reports.length, hit], [some.length, some.length]);
      return;
    }
    assert.ok(reports.length >= 25, `${reports.length} operations`);
    if (!/^(short|clock)/.test(kind))
      assert.ok(hit >= 10, `${kind}: only ${hit} operations saw it`);
  });
}

test.run();

// Rare moments that the tests force: abort, close, or the end of a worker or of the process exactly in the middle of
// a dump. Also no more threads, and no more descriptors.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { assert, suite } from '../support/harness.js';
import { Netns } from '../support/netns.js';
import { describe, runNode } from '../support/node-child.js';
import { fill } from '../support/populate.js';
import { shim } from '../support/preload.js';

const test = suite('lifetime: rare moments');

let folder: string;
let preload: string;
test.before(() => {
  fill({ count: 20_000, profile: 'plain' });
  folder = mkdtempSync(join(tmpdir(), 'conntrack-'));
  preload = shim();
});
test.after(() => rmSync(folder, { recursive: true }));

let used = 0;
async function child(script: string, args: string[], variable?: string, prefix: string[] = []) {
  const file = join(folder, `file-${++used}`);
  const env = variable === undefined ? {} : { LD_PRELOAD: preload, [variable]: file };
  const ended = await runNode(script, args, { env, prefix });
  assert.is(ended.signal, null, describe(ended));
  assert.is(ended.stderr, '', describe(ended));
  return ended;
}

for (const what of ['dump', 'dumpBatches', 'deleteWhere']) {
  for (const [how, outcome] of [
    ['abort', 'rejected enough'],
    ['close', 'rejected ERR_NETFILTER_CLOSED'],
    ['dispose', 'rejected ERR_NETFILTER_CLOSED'],
    ['worker-terminate', undefined],
    ['worker-exit', undefined],
    ['exit', undefined],
  ] as const) {
    if (what === 'deleteWhere' && how === 'abort') continue; // takes no signal
    test(`${how} in the middle of ${what}`, async () => {
      const ended = await child('middle.mjs', [what, how], 'SHIM_GATE');
      assert.is(ended.code, how === 'exit' ? 7 : 0, describe(ended));
      if (how === 'exit') return;
      if (outcome !== undefined) assert.is(ended.lines[0], outcome);
      // It happened while the third datagram was being received. The whole table takes more than a hundred.
      const received = Number(/ended after (\d+) datagrams/.exec(ended.lines.at(-1) ?? '')?.[1]);
      // deleteWhere finishes the current window: sixteen flows, each with one answer when it is read and one when it
      // is deleted.
      const most = what === 'deleteWhere' ? 3 + 2 * 16 : 3;
      assert.ok(received >= 3 && received <= most, describe(ended));
    });
  }
}

test('the system has no more threads', async () => {
  using elsewhere = Netns.create();
  const ended = await child('scarce.mjs', ['threads', elsewhere.path], 'SHIM_THREADS');
  assert.is(ended.code, 0, describe(ended));
  const refused = 'NetlinkError EAGAIN thread start';
  assert.equal(ended.lines, [
    `dump: ${refused}`,
    `dumpBatches: ${refused}`,
    `get: ${refused}`,
    `open elsewhere: ${refused}`,
    `then: resolved ${Netns.current.flowCount()}`,
  ]);
});

test('the system has no more event descriptors: slower, with the same results', async () => {
  const ended = await child('scarce.mjs', ['eventfd'], 'SHIM_EVENTFD');
  assert.is(ended.code, 0, describe(ended));
  assert.equal(ended.lines, [
    `dumpBatches: resolved ${Netns.current.flowCount()}`,
    'abort: AbortError',
    'close: ERR_NETFILTER_CLOSED',
  ]);
});

// It finds races in node itself at any moment, and opens the file of its reports with the first one.
const noReport = process.env.SANITIZER_RUNTIME?.includes('libtsan')
  ? 'ThreadSanitizer needs a descriptor'
  : undefined;

test.when(noReport, 'the process has no more descriptors', async () => {
  const limit = ['prlimit', '--nofile=512:512'];
  const ended = await child('scarce.mjs', ['descriptors'], undefined, limit);
  assert.is(ended.code, 0, describe(ended));
  assert.equal(ended.lines, [
    'open: NetlinkError EMFILE network namespace open',
    'dump: NetlinkError EMFILE conntrack dump',
    'dumpBatches: NetlinkError EMFILE conntrack dump',
    'settings: NetlinkError EMFILE conntrack settings',
    `then: resolved ${Netns.current.flowCount()}`,
  ]);
});

test.run();

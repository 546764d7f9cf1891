// The addon without the checks of TypeScript: swapped handles and wrong values in every place. Also the state after
// an error: the next call must be in the right namespace.

import { Conntrack } from '../../src/index.js';
import { addon } from '../../src/native/load.js';
import { assert, suite, throws } from '../support/harness.js';
import { Netns } from '../support/netns.js';
import { describe, runNode } from '../support/node-child.js';

const test = suite('lifetime: misuse');

for (const seed of [1, 2]) {
  test(`wrong values in every place, seed ${seed}`, async () => {
    const ended = await runNode('misuse.mjs', [String(seed)]);
    assert.is(ended.signal, null, describe(ended));
    assert.is(ended.code, 0, describe(ended));
    assert.is(ended.stderr, '', describe(ended));
    assert.is(ended.lines.at(-1), 'works 1');
  });
}

test("getSync after an error looks in the handle's namespace, not in that of the process", async () => {
  using there = Netns.create();
  const orig = { src: '10.7.7.1', dst: '10.7.7.2', srcPort: 7, dstPort: 7 };
  await using ct = Conntrack.open({ netns: there.path });
  await ct.create({ protocol: 'udp', timeout: 60, orig });

  const binding = addon();
  const handle = binding.ctOpen(there.path, null);
  const arena = new Uint8Array(64 * 512);
  const extra = new Uint8Array(8192);
  const look = (tuple: Uint8Array) => binding.ctGetSync(handle, tuple, arena, 64, 0, extra);
  // The layout of struct PackedTuple (native/core/conntrack/schema/packed_tuple.h): AF_INET, UDP, with ports.
  const tuple = new Uint8Array(60);
  tuple.set([7, 0, 7, 0], 8);
  tuple.set([2, 17, 4], 16);
  tuple.set([10, 7, 7, 1], 20);
  tuple.set([10, 7, 7, 2], 36);
  assert.ok(look(tuple) >= 0, 'the flow is there');
  const failure = await throws(Error, /.*/, () => {
    try {
      look(new Uint8Array(60).fill(0xff));
    } catch (thrown) {
      throw new Error(JSON.stringify(thrown));
    }
  });
  assert.match(failure.message, /errno/);
  // The failed lookup closed its socket. The new one has to be opened in the other namespace.
  assert.ok(look(tuple) >= 0, 'the flow is still there');
  binding.ctClose(handle);
  // A closed handle opens no socket in any namespace.
  assert.throws(
    () => look(tuple),
    (thrown: { kind?: string }) => thrown.kind === 'cancelled',
  );
});

test.run();

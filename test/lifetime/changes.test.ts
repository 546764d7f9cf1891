// Streams of changes: how they end, and that nothing of them is left.
// Backends: legacy, nft
import { ClosedError } from '../../src/index.js';
import { awaited } from '../support/awaited.js';
import { assert, suite } from '../support/harness.js';
import { backend, iptables, openTables, reset } from '../support/iptables-tables.js';
import { Netns } from '../support/netns.js';
import { runNode } from '../support/node-child.js';
import { descriptors, eventually, threads } from '../support/resources.mjs';

const test = suite('lifetime: changes of tables');

/** Runs the work, and expects that no descriptor and no thread is left. */
async function leavesNothing(work: () => Promise<unknown>): Promise<void> {
  const before = descriptors();
  await work();
  assert.equal(descriptors(), before);
  await eventually('the threads have ended', () => !threads().includes('conntrack-alone'));
}

const end = { value: undefined, done: true };

test.before(() => {
  reset();
  iptables('ipv4', '-A', 'INPUT', '-p', '1');
});

test('the loop is left, close() and an abort while somebody waits, and before', () =>
  leavesNothing(async () => {
    await using ipt = openTables();
    await ipt.read();
    const open = descriptors();
    const left = ipt.changes({ interval: 10 });
    await left.ready;
    iptables('ipv4', '-A', 'INPUT', '-p', '2');
    for await (const change of left) {
      assert.is(change.table, 'filter');
      break;
    }
    assert.equal(descriptors(), open);
    const closed = ipt.changes({ interval: 10 });
    await closed.ready;
    const waiting = closed.next();
    await awaited('close() while somebody waits', closed.close());
    assert.equal(await waiting, end);
    assert.equal(await closed.next(), end);
    assert.equal(descriptors(), open);
    const [abort, reason] = [new AbortController(), new Error('enough')];
    const aborted = ipt.changes({ interval: 10, signal: abort.signal });
    await aborted.ready;
    const pending = aborted.next();
    abort.abort(reason);
    assert.equal(await awaited('the end by an abort', pending), end);
    assert.equal(descriptors(), open);
    const never = ipt.changes({ signal: abort.signal });
    assert.is(await never.ready.catch((error) => error), reason);
    assert.equal(await never.next(), end);
    for (let i = 0; i < 20; i++) {
      const soon = ipt.changes();
      if (i % 2 === 1) await new Promise(setImmediate);
      await awaited('close() while it begins', soon.close());
      assert.equal(descriptors(), open);
    }
  }));

test('close() of the instance ends all that it follows', () =>
  leavesNothing(async () => {
    const ipt = openTables();
    const streams = [ipt.changes({ interval: 10 }), ipt.changes({ interval: 10 })];
    await Promise.all(streams.map(({ ready }) => ready));
    const waiting = streams.map((stream) => stream.next());
    const beginning = ipt.changes();
    await awaited('close()', ipt.close());
    for (const each of waiting) assert.equal(await each, end);
    assert.equal(await beginning.next(), end);
    const late = ipt.changes();
    assert.instance(await late.ready.catch((error) => error), ClosedError);
    assert.equal(await late.next(), end);
  }));

test('a stream that is dropped is collected, and its thread ends', () =>
  leavesNothing(async () => {
    await using ipt = openTables();
    await (async () => {
      for (let i = 0; i < 5; i++) await ipt.changes({ tables: ['filter'] }).ready;
    })();
    await eventually('the threads have ended', () => {
      globalThis.gc!();
      return !threads().includes('conntrack-alone');
    });
  }));

test('another namespace than that of the process', () =>
  leavesNothing(async () => {
    using elsewhere = Netns.create();
    await using ipt = openTables({ netns: elsewhere.path });
    const changes = ipt.changes({ tables: ['filter'], interval: 10 });
    await changes.ready;
    iptables('ipv4', '-A', 'INPUT', '-p', '3');
    elsewhere.exec(`iptables-${backend}`, '-A', 'INPUT', '-p', '201');
    const { value } = await awaited('a change', changes.next());
    const rules = value!.differences.flatMap((each) => ('rule' in each ? [String(each.rule)] : []));
    assert.equal(rules, ['-p 201']);
    await changes.close();
  }));

test('it keeps the process alive only while somebody waits', async () => {
  const ended = await runNode('changes.mjs', [backend]);
  assert.is(ended.code, 0);
  assert.is(ended.stderr, '');
  assert.equal(ended.lines, ['ready', 'a change']);
});

test.run();

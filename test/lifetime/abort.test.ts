// AbortSignal: before, in the middle, after. The rejection is the signal's reason. It proves that the dump ended
// early, because a complete dump resolves. rare.test.ts has the abort between two datagrams of one dump.
import { getEventListeners } from 'node:events';
import { Conntrack, type FlowFilter } from '../../src/index.js';
import { abortsOnceHeard } from '../support/abort.mjs';
import { assert, suite } from '../support/harness.js';
import { fill } from '../support/populate.js';
import { descriptors, eventually, threads } from '../support/resources.mjs';

const test = suite('lifetime: abort');
const rows = 30_000;
// No flow matches. The kernel cannot test this condition, so it sends all flows.
const never: FlowFilter = { helper: 'nobody' };

let ct: Conntrack;
test.before(() => {
  fill({ count: rows, profile: 'plain' });
  ct = Conntrack.open();
});
test.after(() => ct.close());

async function rejection(promise: Promise<unknown>): Promise<unknown> {
  try {
    await promise;
  } catch (reason) {
    return reason;
  }
  throw new Error('resolved, although it was aborted');
}

test('before: nothing is started', async () => {
  const before = descriptors();
  const reason = { why: 'not an error at all' };
  const signal = AbortSignal.abort(reason);
  assert.is(await rejection(ct.dump({}, { signal })), reason);
  const batches = ct.dumpBatches({}, { signal });
  assert.is(await rejection(batches.next()), reason);
  assert.equal(await batches.next(), { value: undefined, done: true });
  assert.equal(descriptors(), before);
  assert.is(threads().length, 0);
  assert.is(getEventListeners(signal, 'abort').length, 0);
});

test('as soon as the dump listens: with a filter that matches, and with one that never matches', async () => {
  for (const filter of [{}, never]) {
    const signal = abortsOnceHeard();
    const other = ct.dump(never);
    const reason = (await rejection(ct.dump(filter, { signal }))) as Error;
    assert.is(reason, signal.reason);
    assert.is(reason.name, 'AbortError');
    assert.is(getEventListeners(signal, 'abort').length, 0);
    // Only the dump with this signal ends.
    assert.is((await other).stats.messages, rows);
  }
});

test('in the middle of a dump whose thread waits for its reader', async () => {
  const controller = new AbortController();
  const { signal } = controller;
  const before = descriptors();
  const batches = ct.dumpBatches({}, { signal, batchSize: 100 });
  assert.is((await batches.next()).value?.length, 100);
  // The thread is at most two batches ahead of the reader, who has one. So it cannot have reached the end.
  controller.abort(new Error('enough'));
  // Nobody reads: the thread ends by itself and closes its descriptors.
  await eventually('the thread has ended', () => !threads().includes('conntrack-alone'));
  assert.equal(descriptors(), before);
  assert.is(await rejection(batches.next()), signal.reason);
  assert.equal(await batches.next(), { value: undefined, done: true });
  assert.is(getEventListeners(signal, 'abort').length, 0);
});

test('while the reader waits for the first batch of a filter that never matches', async () => {
  const signal = abortsOnceHeard('enough');
  const before = descriptors();
  assert.is(await rejection(ct.dumpBatches(never, { signal }).next()), 'enough');
  assert.equal(descriptors(), before);
});

test('in a loop: the rows before the abort are real, and no more come', async () => {
  const controller = new AbortController();
  const { signal } = controller;
  let seen = 0;
  const reason = await rejection(
    (async () => {
      for await (const batch of ct.dumpBatches({}, { signal, batchSize: 500 })) {
        seen += batch.length;
        if (seen === 1500) controller.abort();
      }
    })(),
  );
  assert.is(reason, signal.reason);
  assert.is(seen, 1500);
});

test('after the end: no effect, and no listener is left', async () => {
  const controller = new AbortController();
  const { signal } = controller;
  for (let i = 0; i < 10; i++) await ct.dump(never, { signal });
  for await (const _ of ct.dumpBatches(never, { signal })) assert.unreachable('it never matches');
  const whole = await ct.dump({}, { signal });
  // Counted before the abort, because an abort removes its listeners.
  assert.is(getEventListeners(signal, 'abort').length, 0);
  controller.abort();
  assert.is(whole.length, rows);
  assert.is([...whole].length, rows);
});

test('a signal that is used longer: operations that ended without it leave no listener', async () => {
  const { signal } = new AbortController();
  const left = () => getEventListeners(signal, 'abort').length;
  const failing = () => {
    throw new Error('mine');
  };
  const ends: Record<string, () => Promise<unknown>> = {
    dump: () => ct.dump({}, { signal }),
    'dump in parts': () => ct.dump({}, { signal, parallel: 2 }),
    'a dump that fails': () => rejection(Conntrack.open().dump({ zone: 1e9 }, { signal })),
    'a dump of a handle that is closed': async () => {
      const other = Conntrack.open();
      const dump = other.dump(never, { signal }).catch(() => {});
      await other.close();
      await dump;
    },
    'dumpBatches to its end': async () => {
      for await (const _ of ct.dumpBatches({}, { signal }));
    },
    'dumpBatches, left': async () => {
      for await (const _ of ct.dumpBatches({}, { signal, batchSize: 100 })) break;
    },
    'dumpBatches, left by an error': () =>
      rejection(
        (async () => {
          for await (const _ of ct.dumpBatches({}, { signal, batchSize: 100 })) failing();
        })(),
      ),
    'dumpBatches, never begun': async () => {
      await ct.dumpBatches({}, { signal }).return();
    },
    'dumpBatches of a handle that is closed': async () => {
      const other = Conntrack.open();
      const batches = other.dumpBatches({}, { signal, batchSize: 100 });
      await batches.next();
      await other.close();
      await rejection(batches.next());
    },
    'events, closed': () => ct.events({ signal }).close(),
    'events, left': async () => {
      await ct.events({ signal })[Symbol.asyncIterator]().return!();
    },
    'events, drained and read': async () => {
      const stream = ct.events({ signal });
      await stream.close({ drain: true });
      for await (const _ of stream);
    },
    'events of a handle that is closed': async () => {
      const other = Conntrack.open();
      other.events({ signal });
      await other.close();
    },
    'events of expectations': () => ct.expectations.events({ signal }).close(),
    'events that are refused': () =>
      rejection((async () => ct.events({ signal, receiveBuffer: 1 }))()),
  };
  for (const [name, end] of Object.entries(ends)) {
    await end();
    assert.is(left(), 0, name);
  }
});

test.run();

// Abort signals of the operations that change many flows: where the operation stops, what it reports, and that no
// listener stays.
// Kernels: linux, memory
import { getEventListeners } from 'node:events';
import type { FlowInit, TupleInit } from '../../src/index.js';
import { assert, suite, throws } from '../support/harness.js';
import { conntrack, fill } from '../support/table.js';

const test = suite('signals');
const count = 30_000;
const flow = (n: number): FlowInit => ({
  ...{ protocol: 'udp', src: `10.3.${n >> 8}.${n & 255}`, dst: '192.0.2.1' },
  ...{ srcPort: 1, dstPort: 53, timeout: 3600 },
});

const tuple = (n: number): TupleInit => {
  const { timeout: _, ...names } = flow(n);
  return names;
};

/** Asserts that the work rejects with the reason and leaves no listener. */
async function aborted(work: (signal: AbortSignal) => Promise<unknown>): Promise<void> {
  const controller = new AbortController();
  const { signal } = controller;
  const pending = work(signal);
  // By now the operation listens to the signal, or it checks it between two chunks.
  controller.abort('enough');
  let reason: unknown = 'none';
  await pending.catch((thrown: unknown) => {
    reason = thrown;
    // Checked in the first turn after the end.
    assert.is(getEventListeners(signal, 'abort').length, 0);
  });
  assert.is(reason, 'enough');
}

test('before: nothing is sent', async () => {
  await conntrack.flush();
  await conntrack.create(flow(1));
  const signal = AbortSignal.abort('enough');
  const calls = [
    () => conntrack.createMany([flow(2)], { signal }),
    () => conntrack.upsertMany([flow(2)], { signal }),
    () => conntrack.updateMany([tuple(1)], { mark: 1 }, { signal }),
    () => conntrack.deleteMany([tuple(1)], { signal }),
    () => conntrack.getMany([{ protocol: 'esp', src: '10.0.0.1', dst: '10.0.0.2' }], { signal }),
    () => conntrack.updateWhere('all', { mark: 1 }, { signal }),
    () => conntrack.deleteWhere({ protocol: 'udp' }, { signal }),
    () => conntrack.flush({ protocol: 'udp' }, { signal }),
  ];
  for (const call of calls) {
    let reason: unknown;
    await call().catch((thrown: unknown) => (reason = thrown));
    assert.is(reason, 'enough');
  }
  const [only] = (await conntrack.dump()).toArray();
  assert.is(only?.mark, 0);
});

test('in the middle: finished changes stay, and are reported', async () => {
  await conntrack.flush();
  await fill({ count, profile: 'plain' });
  let changed = -1;
  await aborted((signal) =>
    conntrack.updateWhere(
      'all',
      { mark: 0xabcdef },
      { signal, progress: ({ done }) => (changed = done) },
    ),
  );
  assert.is((await conntrack.dump({ mark: 0xabcdef })).length, changed);
  assert.ok(changed < count);
  let deleted = -1;
  await aborted((signal) =>
    conntrack.deleteWhere({ family: 'ipv4' }, { signal, progress: ({ done }) => (deleted = done) }),
  );
  assert.is((await conntrack.dump()).length, count - deleted);
  let returned = -1;
  await aborted((signal) =>
    conntrack.deleteWhere(
      { family: 'ipv4' },
      { signal, returning: true, progress: ({ done, flows }) => (returned = done + flows!.length) },
    ),
  );
  assert.is((await conntrack.dump()).length, count - deleted - returned / 2);
  // A filter that the kernel's flush cannot take.
  let flushed = -1;
  const before = (await conntrack.dump()).length;
  await aborted((signal) =>
    conntrack.flush({ src: '0.0.0.0/0' }, { signal, progress: ({ done }) => (flushed = done) }),
  );
  assert.is((await conntrack.dump()).length, before - flushed);
});

test('the others end after a chunk as well: what was done stays, and is reported', async () => {
  await conntrack.flush();
  await conntrack.createMany(Array.from({ length: count }, (_, n) => flow(n)));
  /** The items, and an abort while the second chunk is packed. */
  function* aborting<T>(controller: AbortController, item: (n: number) => T) {
    for (let n = 0; n < count; n++) {
      if (n === 6000) controller.abort('enough');
      yield item(n);
    }
  }
  const ended = async (work: (controller: AbortController) => Promise<unknown>) => {
    const controller = new AbortController();
    let reason: unknown;
    await work(controller).catch((thrown: unknown) => (reason = thrown));
    assert.is(reason, 'enough');
    assert.is(getEventListeners(controller.signal, 'abort').length, 0);
  };
  const told: object[] = [];
  const progress = (done: object) => told.push(done);
  await ended((controller) =>
    conntrack.updateMany(
      aborting(controller, tuple),
      { mark: 5 },
      { signal: controller.signal, progress },
    ),
  );
  assert.is((await conntrack.dump({ mark: 5 })).length, 4096);
  await ended((controller) =>
    conntrack.upsertMany(
      aborting(controller, (n) => flow(n + 20_000)),
      { signal: controller.signal, progress },
    ),
  );
  await ended((controller) =>
    conntrack.deleteMany(aborting(controller, tuple), { signal: controller.signal, progress }),
  );
  assert.equal(told, [
    { updated: 4096, absent: 0, failed: 0 },
    { created: 0, updated: 4096, failed: 0 },
    { deleted: 4096, absent: 0, failed: 0 },
  ]);
  assert.is((await conntrack.dump()).length, count - 4096);
  // Of a batch: when the kernel has answered for the first chunk.
  const batch = await conntrack.dump();
  let deleted = 0;
  await ended((controller) => {
    const first = (done: { deleted: number }) => {
      deleted = done.deleted;
      controller.abort('enough');
    };
    return conntrack.deleteMany(batch, { signal: controller.signal, progress: first });
  });
  assert.is(deleted, 4096);
  assert.is((await conntrack.dump()).length, batch.length - deleted);
});

test('createMany ends after a chunk, and reports the whole chunk', async () => {
  await conntrack.flush();
  const controller = new AbortController();
  function* flows() {
    for (let n = 0; n < count; n++) {
      if (n === 6000) controller.abort(new Error('enough'));
      yield flow(n);
    }
  }
  const told: number[] = [];
  await throws(Error, /^enough$/, () =>
    conntrack.createMany(flows(), {
      signal: controller.signal,
      progress: ({ created }) => told.push(created),
    }),
  );
  assert.equal(told, [4096]);
  assert.is((await conntrack.dump()).length, 4096);
  assert.is(getEventListeners(controller.signal, 'abort').length, 0);
});

test('getMany ends after the current chunk', async () => {
  const tuples = Array.from({ length: 3 * 4096 }, (_item, n) => {
    const { timeout: _, ...tuple } = flow(n);
    return tuple;
  });
  await aborted((signal) => conntrack.getMany(tuples, { signal }));
  assert.is((await conntrack.getMany(tuples)).filter(Boolean).length, 4096);
});

test('wrong options', async () => {
  for (const options of [{ signal: 5 }, { progress: 5 }, { signals: 1 }, 5]) {
    const bad = options as never;
    await throws(TypeError, /^options/, () => conntrack.createMany([], bad));
    await throws(TypeError, /^options/, () => conntrack.upsertMany([], bad));
    await throws(TypeError, /^options/, () => conntrack.updateMany([], { mark: 1 }, bad));
    await throws(TypeError, /^options/, () => conntrack.deleteMany([], bad));
    await throws(TypeError, /^options/, () => conntrack.updateWhere('all', { mark: 1 }, bad));
    await throws(TypeError, /^options/, () => conntrack.deleteWhere({ mark: 1 }, bad));
    await throws(TypeError, /^options/, () => conntrack.flush({ mark: 1 }, bad));
  }
  await throws(TypeError, /^options/, () => conntrack.getMany([], { signal: 5 } as never));
});

test.run();

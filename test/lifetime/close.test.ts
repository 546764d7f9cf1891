// close(), dispose, and leaving a loop. Running operations end with a ClosedError. When the promise settles,
// everything is freed without the garbage collector. rare.test.ts has the close between two datagrams of a dump.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  ClosedError,
  Conntrack,
  conntrack,
  FlowBatch,
  type FlowInit,
  Iptables,
  iptables,
  NetlinkError,
} from '../../src/index.js';
import { assert, suite, throws } from '../support/harness.js';
import { fill } from '../support/populate.js';
import { descriptors, eventually, threads } from '../support/resources.mjs';

const test = suite('lifetime: close');
const rows = 30_000;
const closed = /^conntrack [a-z ]+: ERR_NETFILTER_CLOSED: the handle is closed$/;

const flow = (i: number): FlowInit => ({
  protocol: 'udp',
  timeout: 600,
  orig: { src: `11.0.${i >> 8}.${i & 255}`, dst: '192.0.2.1', srcPort: 1, dstPort: 2 },
});
const flows = (count: number) => Array.from({ length: count }, (_, i) => flow(i));
const tuple = { protocol: 'udp', orig: flow(0).orig! } as const;
const mark = { mark: 0xdeadbeef } as const;

test.before(() => {
  fill({ count: rows, profile: 'plain' });
});

/** Runs `work` and asserts that the process holds the same descriptors after it as before. */
async function givesBack(work: () => Promise<void>): Promise<void> {
  const before = descriptors();
  await work();
  assert.equal(descriptors(), before);
}

async function settles(promise: Promise<unknown>): Promise<void> {
  await throws(ClosedError, closed, () => promise);
}

/** The same for an operation that may already be complete, because threads run at any time. */
async function endsOrHasEnded(promise: Promise<unknown>): Promise<void> {
  let ended = false;
  const watched = promise.then(() => {
    ended = true;
  });
  await watched.catch((error) => assert.instance(error, ClosedError));
  if (!ended) await settles(promise);
}

test('running operations', () =>
  givesBack(async () => {
    const ct = Conntrack.open();
    const pending = [
      ct.dump(),
      ct.dump(mark),
      ct.deleteWhere(mark),
      ct.updateWhere(mark, { mark: 1 }),
      ct.flush(mark),
    ];
    const ends = pending.map(endsOrHasEnded);
    // close() waits for a lookup and does not cancel it: it is short, and half a result would be worse.
    const lookup = endsOrHasEnded(ct.getMany([tuple, tuple]));
    await ct.close();
    await Promise.all(ends);
    await lookup;
  }));

test('a dump in batches: while reading, between batches, before the first', () =>
  givesBack(async () => {
    const ct = Conntrack.open();
    const reading = ct.dumpBatches(mark);
    const between = ct.dumpBatches({}, { batchSize: 100 });
    const unread = ct.dumpBatches();
    const rejected = endsOrHasEnded(reading.next());
    assert.is((await between.next()).value?.length, 100);
    await ct.close();
    await rejected;
    await eventually('the threads have ended', () => !threads().includes('conntrack-alone'));
    await settles(between.next());
    await settles(unread.next());
    for (const ended of [reading, between, unread]) {
      assert.equal(await ended.next(), { value: undefined, done: true });
    }
  }));

test('leaving a loop over batches frees everything before the loop is over', () =>
  givesBack(async () => {
    await using ct = Conntrack.open();
    const before = descriptors();
    for await (const batch of ct.dumpBatches({}, { batchSize: 100 })) {
      assert.is(batch.length, 100);
      break;
    }
    assert.equal(descriptors(), before);
    const failure = await throws(Error, /^mine$/, async () => {
      for await (const _ of ct.dumpBatches({}, { batchSize: 100 })) throw new Error('mine');
    });
    assert.not.instance(failure, ClosedError);
    assert.equal(descriptors(), before);
    await ct.dumpBatches().return();
    assert.equal(descriptors(), before);
  }));

test('createMany: flows that were sent are created, the others are not, and the error says so', () =>
  givesBack(async () => {
    const ct = Conntrack.open();
    function* flowsUntilClosed() {
      yield* flows(30_000);
      void ct.close();
      yield* flows(30_000);
    }
    await settles(ct.createMany(flowsUntilClosed()));
    await ct.close();
    await using again = Conntrack.open();
    assert.is(await again.deleteWhere({ src: '11.0.0.0/8' }), 7 * 4096);
  }));

const tick = () => new Promise(setImmediate);
const manyFlows = flows(3 * 4096);
const manyInBatch = FlowBatch.of(manyFlows);
const manyTuples = [...manyInBatch];
const manyRules = Array.from(
  { length: 1000 },
  (_, i) => `-A INPUT -s 10.0.${i >> 8}.${i & 255} -j ACCEPT\n`,
);

/** Operations with several steps. */
const longWorks: Record<
  string,
  (ct: Conntrack, ipt: Iptables, signal: AbortSignal) => Promise<unknown>
> = {
  getMany: (ct, _, signal) => ct.getMany(manyFlows, { signal }),
  createMany: (ct, _, signal) => ct.createMany(manyFlows, { signal }),
  upsertMany: (ct, _, signal) => ct.upsertMany(manyFlows, { signal }),
  updateMany: (ct, _, signal) => ct.updateMany(manyTuples, { mark: 1 }, { signal }),
  deleteMany: (ct, _, signal) => ct.deleteMany(manyTuples, { signal }),
  'createMany of a batch': (ct, _, signal) => ct.createMany(manyInBatch, { signal }),
  'deleteMany of a batch': (ct, _, signal) => ct.deleteMany(manyInBatch, { signal }),
  updateWhere: (ct, _, signal) => ct.updateWhere(mark, { mark: 1 }, { signal }),
  deleteWhere: (ct, _, signal) => ct.deleteWhere(mark, { returning: true, signal }),
  flush: (ct, _, signal) => ct.flush(mark, { signal }),
  dump: (ct, _, signal) => ct.dump({}, { parallel: 2, signal }),
  dumpBatches: async (ct, _, signal) => {
    for await (const _ of ct.dumpBatches({}, { batchSize: 1000, signal })) await tick();
  },
  upsert: (ct) => ct.upsert(flow(1)),
  settings: (ct) => ct.settings(),
  stats: (ct) => ct.stats(),
  'iptables restore': (_, ipt, signal) =>
    ipt.restore(`*filter\n${manyRules.join('')}COMMIT\n`, { signal }),
  'iptables save': (_, ipt, signal) => ipt.save({ signal }),
  'iptables edit': (_, ipt, signal) =>
    ipt.edit('filter', (t) => t.chain('INPUT').append('-j DROP'), { signal, revertAfter: 3 }),
  'iptables watch': async (_, ipt, signal) => {
    const ending = AbortSignal.any([signal, AbortSignal.timeout(50)]);
    for await (const _ of ipt.watch({ interval: 10, signal: ending }));
  },
  'iptables changes': async (_, ipt, signal) => {
    const ending = AbortSignal.any([signal, AbortSignal.timeout(50)]);
    for await (const _ of ipt.changes({ interval: 10, signal: ending }));
  },
};

test('an end at any step of a long operation: only its caller gets the error', async () => {
  const unheard: unknown[] = [];
  const hear = (reason: unknown) => void unheard.push(reason);
  process.on('unhandledRejection', hear);
  try {
    for (const [name, work] of Object.entries(longWorks)) {
      for (const how of ['close', 'abort'] as const) {
        for (let steps = 0; steps < 6; steps++) {
          const [ct, ipt] = [Conntrack.open(), Iptables.open({ backend: 'legacy' })];
          const [abort, reason] = [new AbortController(), new Error('enough')];
          const where = `${name}, ${how} after ${steps} steps`;
          const ended = work(ct, ipt, abort.signal).then(
            () => {},
            (error) => {
              if (how === 'close') assert.instance(error, ClosedError, where);
              else assert.is(error, reason, where);
            },
          );
          for (let i = 0; i < steps; i++) await tick();
          if (how === 'abort') abort.abort(reason);
          else await Promise.all([ct.close(), ipt.close()]);
          await ended;
          await Promise.all([ct.close(), ipt.close()]);
          await tick();
          assert.equal(unheard, [], where);
        }
      }
    }
  } finally {
    process.off('unhandledRejection', hear);
    await using ct = Conntrack.open();
    await ct.deleteWhere({ src: '11.0.0.0/8' });
  }
});

test('twice, at the same time, and after that', () =>
  givesBack(async () => {
    const ct = Conntrack.open();
    const dump = endsOrHasEnded(ct.dump());
    let first = false;
    const ends = [ct.close().then(() => (first = true)), ct.close().then(() => first)];
    assert.equal(await Promise.all(ends), [true, true]);
    await dump;
    await ct.close();
    ct[Symbol.dispose]();
    await ct[Symbol.asyncDispose]();
  }));

test('every method of a closed handle', async () => {
  const ct = Conntrack.open();
  await ct.close();
  const first = async (batches: AsyncIterable<FlowBatch>) => {
    for await (const _ of batches) break;
  };
  const uses: Record<string, () => unknown> = {
    dump: () => ct.dump(),
    dumpBatches: () => first(ct.dumpBatches()),
    get: () => ct.get(tuple),
    getSync: () => ct.getSync(tuple),
    getMany: () => ct.getMany([tuple]),
    count: () => ct.count(),
    stats: () => ct.stats(),
    create: () => ct.create(flow(1)),
    upsert: () => ct.upsert(flow(1)),
    createMany: () => ct.createMany([flow(1)]),
    upsertMany: () => ct.upsertMany([flow(1)]),
    'createMany of a batch': () => ct.createMany(FlowBatch.of([flow(1)])),
    update: () => ct.update(tuple, { mark: 1 }),
    updateMany: () => ct.updateMany([tuple], { mark: 1 }),
    deleteMany: () => ct.deleteMany([tuple]),
    updateWhere: () => ct.updateWhere(mark, { mark: 1 }),
    delete: () => ct.delete(tuple),
    deleteWhere: () => ct.deleteWhere(mark),
    flush: () => ct.flush(),
    settings: () => ct.settings(),
    events: () => ct.events(),
    'expectations.list': () => ct.expectations.list(),
    'expectations.flush': () => ct.expectations.flush(),
    'expectations.events': () => ct.expectations.events(),
    configure: () => ct.configure({ acct: true }),
    hooks: () => ct.hooks(),
  };
  // A method that is missing in the list would not be tested.
  const methods = Object.getOwnPropertyNames(Conntrack.prototype).filter(
    (name) =>
      typeof Object.getOwnPropertyDescriptor(Conntrack.prototype, name)?.value === 'function',
  );
  for (const name of methods) {
    if (name !== 'constructor' && name !== 'close') assert.ok(name in uses, name);
  }
  for (const [name, use] of Object.entries(uses)) {
    const error = await throws(ClosedError, closed, use);
    assert.is(error.code, 'ERR_NETFILTER_CLOSED', name);
  }
  // A bad argument is still reported as one.
  await throws(TypeError, /^filter\.zone: /, () => ct.dump({ zone: 'x' as never }));
});

test('using and await using', () =>
  givesBack(async () => {
    let ended: Promise<void>;
    {
      using ct = Conntrack.open();
      ended = endsOrHasEnded(ct.dump());
    }
    await ended;
    {
      await using ct = Conntrack.open();
      ended = endsOrHasEnded(ct.dump());
      ct.getSync(tuple);
      assert.ok((await ct.count()) >= rows);
    }
    await ended;
    // dispose does not wait: the descriptors are closed a moment later.
    await eventually('the disposed handle is closed', () => threads().length === 0);
  }));

test('a closed default instance stays closed, like any other', () =>
  givesBack(async () => {
    assert.is((await conntrack.dump()).length, rows);
    await iptables.backend();
    const ends = [endsOrHasEnded(conntrack.dump()), settles(conntrack.createMany(flows(60_000)))];
    await Promise.all([conntrack.close(), iptables.close()]);
    await Promise.all(ends);
    await Promise.all([conntrack.close(), iptables.close()]);
    for (const use of [() => conntrack.count(), () => conntrack.dump()]) await settles(use());
    for (const use of [() => iptables.backend(), () => iptables.tables(), () => iptables.read()]) {
      await throws(ClosedError, /the handle is closed$/, use);
    }
    await using another = Conntrack.open();
    await another.deleteWhere({ src: '11.0.0.0/8' });
    assert.is((await another.dump()).length, rows);
  }));

test('a path that is not a namespace is refused at once, and nothing stays open', () =>
  givesBack(async () => {
    const folder = mkdtempSync(join(tmpdir(), 'conntrack-'));
    try {
      const fifo = join(folder, 'fifo');
      execFileSync('mkfifo', [fifo]);
      for (const netns of [fifo, folder, '/dev/null', join(folder, 'absent')]) {
        await throws(NetlinkError, /^network namespace open: E(INVAL|NOENT)/, () =>
          Conntrack.open({ netns }),
        );
      }
    } finally {
      rmSync(folder, { recursive: true });
    }
  }));

test.run();

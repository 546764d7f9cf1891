// deleteMany and getMany: exactly the flows that were given, by batch and by any other iterable. Results by index.
import {
  Conntrack,
  type ConntrackEvent,
  conntrack,
  EventBatch,
  FlowBatch,
  type FlowInit,
  type FlowObject,
  type TupleInit,
} from '../../src/index.js';
import { identity } from '../support/compare.js';
import { assert, suite } from '../support/harness.js';
import { Netns } from '../support/netns.js';
import { fill, useLabels } from '../support/populate.js';
import { Random } from '../support/random.js';

const test = suite('deleteMany');

const flow = (n: number, rest: Partial<FlowInit> = {}): FlowInit => ({
  ...{ protocol: 'udp', src: `10.3.${n >> 8}.${n & 255}`, dst: '192.0.2.1' },
  ...{ srcPort: 1, dstPort: 53, timeout: 3600 },
  ...rest,
});
const keys = (flows: Iterable<FlowObject>) => Array.from(flows, identity).sort();
const nothing = { absent: 0, absentIndexes: [], failed: [] };

test('random subsets: the table is the difference of two dumps', async () => {
  useLabels();
  const random = new Random(81);
  for (let round = 0; round < 12; round++) {
    await conntrack.flush();
    fill({ count: 800, seed: 81 + round, labels: true });
    fill({ count: 200, seed: 81 + round, zone: 9 });
    const batch = await conntrack.dump();
    const limit = random.below(101);
    const base = random.chance(50) ? batch : batch.slice(100, 900);
    const chosen = base.filter(() => random.chance(limit));
    const given = [chosen, [...chosen], chosen.toArray(), new Set(chosen)][round % 4]!;
    assert.equal(await conntrack.deleteMany(given), { deleted: chosen.length, ...nothing });
    const gone = new Set(keys(chosen));
    assert.equal(
      keys(await conntrack.dump()),
      keys(batch).filter((key) => !gone.has(key)),
    );
    // They are not there any more, and that is no error.
    const again = await conntrack.deleteMany(chosen);
    assert.equal([again.deleted, again.absent, again.failed], [0, chosen.length, []]);
    assert.equal(
      again.absentIndexes,
      Array.from(chosen, (_, index) => index),
    );
    assert.ok((await conntrack.getMany(chosen)).every((found) => found === undefined));
  }
});

test('neighbours stay: other ports, other zones, the zone of one direction', async () => {
  await conntrack.flush();
  const all: FlowInit[] = [
    flow(1),
    flow(1, { srcPort: 2 }),
    flow(1, { dstPort: 54 }),
    flow(1, { protocol: 'tcp', state: 'ESTABLISHED' }),
    flow(1, { zone: 3 }),
    { protocol: 'udp', orig: { ...of(6), zone: 4 }, timeout: 600 },
    { protocol: 'udp', orig: of(6), reply: { zone: 7 }, timeout: 600 },
    flow(6, { zone: 9 }),
    flow(2),
    { protocol: 'icmp', ...ends, icmpType: 8, icmpCode: 0, icmpId: 7, timeout: 600 },
    { protocol: 'icmp', ...ends, icmpType: 8, icmpCode: 0, icmpId: 8, timeout: 600 },
    { protocol: 'icmp', ...ends, icmpType: 8, icmpCode: 1, icmpId: 7, timeout: 600 },
    { protocol: 'esp', ...ends, timeout: 600 },
    { protocol: 'ah', ...ends, timeout: 600 },
    { protocol: 'udp', src: 'fd00::1', dst: 'fd00::2', srcPort: 1, dstPort: 53, timeout: 600 },
    { protocol: 'udp', src: 'fd00::1', dst: 'fd00::3', srcPort: 1, dstPort: 53, timeout: 600 },
  ];
  const { failed } = await conntrack.createMany(all);
  assert.equal(failed, []);
  const whole = await conntrack.dump();
  for (let left = whole; left.length > 0; left = await conntrack.dump()) {
    const [victim] = left;
    assert.is((await conntrack.getMany(left.slice(0, 1)))[0]?.id, victim!.id);
    assert.equal(await conntrack.deleteMany(left.slice(0, 1)), { deleted: 1, ...nothing });
    assert.equal(keys(await conntrack.dump()), keys(left.slice(1)));
  }
});

const ends = { src: '10.9.0.1', dst: '10.9.0.2' };
const of = (n: number) => {
  const { src, dst, srcPort, dstPort } = flow(n);
  return { src: src!, dst: dst!, srcPort: srcPort!, dstPort: dstPort! };
};

test('a newer flow of the same tuple stays: by its start, or by another id', async () => {
  await conntrack.configure({ timestamp: true });
  await conntrack.flush();
  const flows = Array.from({ length: 200 }, (_, n) => flow(n));
  await conntrack.createMany(flows);
  const old = await conntrack.dump();
  await conntrack.deleteMany(old.filter((_, row) => row % 2 === 0));
  await conntrack.upsertMany(flows);
  const now = await conntrack.dump();
  assert.is(now.length, 200);
  const found = await conntrack.getMany(old);
  const { deleted, absentIndexes, failed } = await conntrack.deleteMany(old);
  assert.equal([deleted, failed], [100, []]);
  assert.equal(
    absentIndexes,
    Array.from({ length: 100 }, (_, i) => i * 2),
  );
  assert.equal(
    found.map((one) => one !== undefined),
    Array.from(old, (_, row) => row % 2 === 1),
  );
  assert.equal(await conntrack.deleteMany(await conntrack.dump()), { deleted: 100, ...nothing });
  await conntrack.configure({ timestamp: false });
  // Another id, as plain data.
  await conntrack.create(flow(1));
  const [one] = (await conntrack.dump()).toArray();
  const other = { ...one!, id: (one!.id! ^ 1) >>> 0 };
  assert.is((await conntrack.deleteMany([other])).absent, 1);
  assert.is((await conntrack.deleteMany([one!])).deleted, 1);
});

test('results by index: deleted, absent and failed, across chunks', async () => {
  await conntrack.flush();
  const count = 3 * 4096;
  assert.is(
    (await conntrack.createMany(Array.from({ length: count }, (_, n) => flow(n)))).failed.length,
    0,
  );
  const tuples = Array.from({ length: count }, (_, n): TupleInit => {
    const { timeout: _t, ...tuple } = flow(n);
    if (n % 1000 === 7) return { ...tuple, srcPort: 70_000 };
    if (n % 1000 === 8) return null as never;
    return n % 100 === 9 ? { ...tuple, srcPort: 2 } : tuple;
  });
  // The same flow twice: it is deleted once.
  tuples.push(tuples[0]!, tuples[1]!);
  const told: object[] = [];
  const progress = (done: object) => told.push(done);
  const { deleted, absent, absentIndexes, failed } = await conntrack.deleteMany(tuples, {
    progress,
  });
  const at = (rest: number[], every: number) =>
    Array.from({ length: count }, (_, n) => n).filter((n) => rest.includes(n % every));
  assert.equal(
    failed.map(({ index }) => index),
    at([7, 8], 1000),
  );
  assert.match(failed[0]!.error.message, /^flows\[7\]\.srcPort: /);
  assert.match(failed[1]!.error.message, /^flows\[8\]: /);
  assert.equal(absentIndexes, [...at([9], 100), count, count + 1]);
  assert.is(absent, absentIndexes.length);
  assert.is(deleted, count - failed.length - absent + 2);
  assert.equal(told.at(-1), { deleted, absent, failed: failed.length });
  assert.is(told.length, 3);
  assert.is(await conntrack.count(), count - deleted);
});

test('an empty input, and every kind of iterable', async () => {
  await conntrack.flush();
  await conntrack.create(flow(1));
  const none = await conntrack.dump({ mark: 9 });
  for (const empty of [[], none, FlowBatch.of([]), new Set<TupleInit>()]) {
    assert.equal(await conntrack.deleteMany(empty), { deleted: 0, ...nothing });
    assert.equal(await conntrack.getMany(empty), []);
  }
  function* some() {
    yield* await1;
  }
  const await1 = [...(await conntrack.dump())];
  assert.is((await conntrack.deleteMany(some())).deleted, 1);
});

test('a batch of another table, of no table and of another namespace: tuple and zone', async () => {
  await conntrack.flush();
  using netns = Netns.create();
  await using there = Conntrack.open({ netns: netns.path });
  await using again = Conntrack.open();
  await there.configure({ timestamp: true });
  const flows = [flow(1), flow(2, { zone: 3 }), flow(3)];
  await there.createMany(flows);
  const other = await there.dump();
  const fresh = async () => {
    await conntrack.flush();
    // Other ids than there: the memory is not the same.
    await conntrack.createMany([...flows, flow(2), flow(3, { zone: 1 })]);
  };
  const made = FlowBatch.of(other.toArray().map((one) => ({ ...one, id: 1 })));
  for (const batch of [other, other.filter(() => true), FlowBatch.of(other), made]) {
    await fresh();
    assert.ok((await conntrack.getMany(batch)).every((one) => one !== undefined));
    assert.equal(await conntrack.deleteMany(batch), { deleted: 3, ...nothing });
    assert.is(await conntrack.count(), 2);
  }
  // On its own table the ids count, with every handle.
  await fresh();
  const own = await conntrack.dump();
  await conntrack.delete(own.at(0)!);
  assert.equal(await again.deleteMany(own), {
    ...{ deleted: 4, absent: 1, absentIndexes: [0], failed: [] },
  });
});

test('events: of this namespace with their ids, of another one without', async () => {
  await conntrack.flush();
  await conntrack.configure({ events: 1, timestamp: true });
  const stream = conntrack.events({ types: ['new'] });
  const flows = Array.from({ length: 50 }, (_, n) => flow(n));
  await conntrack.createMany(flows);
  const batches: EventBatch[] = [];
  for await (const batch of stream.batches()) {
    batches.push(batch);
    if (batches.reduce((sum, { length }) => sum + length, 0) === flows.length) break;
  }
  await conntrack.deleteMany((await conntrack.dump()).slice(0, 20));
  await conntrack.upsertMany(flows);
  // The new ones have the tuples of 20 events, and another start.
  let [deleted, absent] = [0, 0];
  for (const batch of batches) {
    const done = await conntrack.deleteMany(batch);
    deleted += done.deleted;
    absent += done.absent;
  }
  assert.equal([deleted, absent], [30, 20]);
  const nowhere: ConntrackEvent[] = batches.flatMap((batch) => [...batch.events()]);
  const foreign = EventBatch.of(nowhere as never[]);
  assert.equal((await conntrack.deleteMany(foreign)).deleted, 20);
  await conntrack.configure({ events: 2, timestamp: false });
});

test('a large batch, chosen by a function', async () => {
  await conntrack.flush();
  fill({ count: 60_000, profile: 'plain' });
  const batch = await conntrack.dump();
  const odd = batch.filter(({ orig }) => orig.srcPort! % 2 === 1);
  assert.ok(odd.length > 10_000);
  assert.equal(await conntrack.deleteMany(odd), { deleted: odd.length, ...nothing });
  const left = await conntrack.dump();
  assert.is(left.length, batch.length - odd.length);
  assert.ok(left.columns.origSrcPort.every((port) => port % 2 === 0));
  const found = await conntrack.getMany(batch);
  assert.equal(
    found.map((one) => one?.id),
    Array.from(batch, ({ id, orig }) => (orig.srcPort! % 2 === 1 ? undefined : id)),
  );
  await conntrack.flush();
});

test.run();

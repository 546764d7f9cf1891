// updateMany: exactly the flows that were given, and what of the change they take. upsertMany: flows that are there
// take what can be changed, all others are made.
import {
  Conntrack,
  conntrack,
  type FlowBatch,
  type FlowChange,
  type FlowInit,
  NetlinkError,
  type TupleInit,
} from '../../src/index.js';
import { assert, suite, throws } from '../support/harness.js';
import { Netns } from '../support/netns.js';
import { fill, useLabels } from '../support/populate.js';
import { Random } from '../support/random.js';

const test = suite('updateMany');

const flow = (n: number, rest: Partial<FlowInit> = {}): FlowInit => ({
  ...{ protocol: 'udp', src: `10.3.${n >> 8}.${n & 255}`, dst: '192.0.2.1' },
  ...{ srcPort: 1, dstPort: 53, timeout: 3600 },
  ...rest,
});
const nothing = { absent: 0, absentIndexes: [], failed: [] };
const refusals = (
  failed: readonly { index: number; error: { code?: unknown; message: string } }[],
) => failed.map(({ index, error }) => [index, error.code ?? error.message]);

test('random subsets: only they have the new mark', async () => {
  useLabels();
  const random = new Random(91);
  for (let round = 0; round < 8; round++) {
    await conntrack.flush();
    fill({ count: 900, seed: 91 + round, labels: true });
    const batch = await conntrack.dump();
    const chosen = batch.filter(() => random.chance(40));
    const given: Iterable<TupleInit> = round % 2 === 0 ? chosen : chosen.toArray();
    const change: FlowChange = { mark: { value: 0x5500, mask: 0xff00 }, labels: { set: [5] } };
    const result = await conntrack.updateMany(given, round % 3 === 0 ? { mark: 77 } : change);
    // The kernel refuses labels where a flow has no room for them: here every flow has.
    assert.equal(result, { updated: chosen.length, ...nothing });
    const ids = new Set(Array.from(chosen, ({ id }) => id));
    const before = new Map(Array.from(batch, ({ id, mark }) => [id, mark]));
    for (const { id, mark, labels } of await conntrack.dump()) {
      const old = before.get(id)!;
      const wanted = round % 3 === 0 ? 77 : ((old & ~0xff00) | 0x5500) >>> 0;
      assert.is(mark, ids.has(id) ? wanted : old);
      if (ids.has(id) && round % 3 !== 0) assert.ok(labels?.includes(5));
    }
  }
});

test('status: bits are added to what each flow has', async () => {
  await conntrack.flush();
  const inits = Array.from({ length: 600 }, (_, n) =>
    flow(
      n,
      n % 3 === 0
        ? { status: 'seen_reply' }
        : n % 3 === 1
          ? { status: ['seen_reply', 'assured'] }
          : {},
    ),
  );
  await conntrack.createMany(inits);
  const tuples = inits.map(({ timeout: _, status: __, ...tuple }): TupleInit => tuple as TupleInit);
  for (const given of [tuples, await conntrack.dump()]) {
    const { updated } = await conntrack.updateMany(given, { status: 'fixed_timeout', mark: 3 });
    assert.is(updated, 600);
  }
  for (const { status, orig, mark } of await conntrack.dump()) {
    const n = Number(orig.src.split('.')[2]) * 256 + Number(orig.src.split('.')[3]);
    assert.is(mark, 3);
    const expected = [['seen_reply'], ['seen_reply', 'assured'], []][n % 3]!;
    assert.equal(status, [...expected, 'confirmed', 'fixed_timeout']);
  }
});

test('a fixed timeout is a failure of its flow, and the missing capability of all', async () => {
  await conntrack.flush();
  const fixed = [1, 200, 4500];
  await conntrack.createMany(
    Array.from({ length: 5000 }, (_, n) =>
      flow(n, fixed.includes(n) ? { status: 'fixed_timeout' } : {}),
    ),
  );
  const tuples = Array.from({ length: 5000 }, (_, n): TupleInit => {
    const { timeout: _t, ...tuple } = flow(n);
    return tuple;
  });
  const { updated, failed } = await conntrack.updateMany(tuples, { timeout: 60 });
  assert.is(updated, 4997);
  assert.equal(
    refusals(failed),
    fixed.map((n) => [n, 'EPERM']),
  );
  // Alone in a request it is the same.
  const only = await conntrack.updateMany([tuples[1]!], { timeout: 60 });
  assert.equal(refusals(only.failed), [[0, 'EPERM']]);
  const upserted = await conntrack.upsertMany([flow(1), flow(2)]);
  assert.equal([upserted.updated, refusals(upserted.failed)], [1, [[0, 'EPERM']]]);
});

test('results by index: updated, absent and failed, across chunks', async () => {
  await conntrack.flush();
  const count = 2 * 4096 + 5;
  await conntrack.createMany(
    Array.from({ length: count }, (_, n) =>
      n % 10 === 4 ? flow(n, { protocol: 'tcp', state: 'SYN_SENT' }) : flow(n),
    ),
  );
  const tuples = Array.from({ length: count }, (_, n): TupleInit => {
    const { timeout: _t, ...tuple } = flow(n, n % 10 === 4 ? { protocol: 'tcp' } : {});
    if (n % 1000 === 7) return { ...tuple, id: 1 };
    return n % 1000 === 8 ? ({ protocol: 'tcp' } as never) : tuple;
  });
  const told: object[] = [];
  const progress = (done: object) => told.push(done);
  const result = await conntrack.updateMany(tuples, { mark: 9 }, { progress });
  const at = (rest: number) =>
    Array.from({ length: count }, (_, n) => n).filter((n) => n % 1000 === rest);
  assert.equal(result.absentIndexes, at(7));
  assert.equal(
    result.failed.map(({ index }) => index),
    at(8),
  );
  assert.is(result.updated, count - at(7).length - at(8).length);
  assert.equal(told.at(-1), {
    ...{ updated: result.updated, absent: result.absent, failed: result.failed.length },
  });
  // A state is of TCP: the others are refused, each by its index.
  const states = await conntrack.updateMany(tuples.slice(0, 30), { state: 'ESTABLISHED' });
  assert.is(states.updated, 3);
  assert.is(states.failed.length, 27);
  assert.match(states.failed[0]!.error.message, /^change\.state: this protocol has no states/);
  assert.is((await conntrack.dump({ protocol: 'tcp', state: 'ESTABLISHED' })).length, 3);
});

test('a change that is wrong for every protocol is refused before anything is sent', async () => {
  const batch = await conntrack.dump();
  const wrong: [FlowChange, RegExp][] = [
    [{} as FlowChange, /^change: changes nothing/],
    [{ timeout: -1 }, /^change\.timeout: /],
    [{ state: 'NOPE' as never }, /^change\.state: /],
    [{ tcp: { wscale: { orig: 1, reply: 15 } } }, /^change\.tcp\.wscale\.reply: /],
    [{ state: 'CLOSED', sctp: {} as never }, /^change\.sctp\.vtag: /],
    [{ state: 'ESTABLISHED', mark: -1 }, /^change\.mark: /],
    [{ timeout: 5, mark: undefined } as never, /^change\.mark: is undefined/],
  ];
  for (const [change, message] of wrong) {
    const error = await throws(Error, message, () => conntrack.updateMany(batch, change));
    assert.ok(error instanceof TypeError || error instanceof RangeError);
  }
  assert.is((await conntrack.dump({ mark: 9 })).length > 0, true);
});

test('the kernel’s refusals, and what it would drop in silence', async () => {
  await conntrack.flush();
  using netns = Netns.create();
  await using bare = Conntrack.open({ netns: netns.path });
  await bare.createMany([flow(1), flow(2)]);
  const batch = await bare.dump();
  const { updated, failed } = await bare.updateMany(batch, { labels: [1] });
  assert.equal(
    [updated, refusals(failed)],
    [
      0,
      [
        [0, 'ENOSPC'],
        [1, 'ENOSPC'],
      ],
    ],
  );
  assert.instance(failed[0]!.error, NetlinkError);
  // More seconds than any kernel can hold.
  const eternal = { timeout: 0xffff_ffff };
  assert.equal(refusals((await bare.updateMany(batch, eternal)).failed), [
    [0, 'EOPNOTSUPP'],
    [1, 'EOPNOTSUPP'],
  ]);
});

test('upsertMany: given twice, the last counts; a state that has moved on keeps its bits', async () => {
  await conntrack.flush();
  const twice = Array.from({ length: 9000 }, (_, n) => flow(n >> 1, { mark: n }));
  assert.equal(await conntrack.upsertMany(twice), { created: 4500, updated: 4500, failed: [] });
  assert.ok((await conntrack.dump()).columns.mark.every((mark) => mark % 2 === 1));
  await conntrack.updateWhere('all', { status: ['seen_reply', 'assured'] });
  // The flows have bits now that are not given: the kernel refuses a status without them.
  const again = twice.map((one) => ({
    ...one,
    mark: one.mark! + 10_000,
    status: one.mark! % 2 === 0 ? ('assured' as const) : ('seen_reply' as const),
  }));
  assert.equal(await conntrack.upsertMany(again), { created: 0, updated: 9000, failed: [] });
  for (const { mark, status } of await conntrack.dump()) {
    assert.ok(mark % 2 === 1 && mark > 10_000);
    assert.equal(status, ['seen_reply', 'assured', 'confirmed']);
  }
  // A timeout that is made fixed is not changed again, also where another flow has to be tried twice.
  const fixed = again.filter(({ mark }) => mark % 2 === 1);
  for (const one of fixed) one.status = 'fixed_timeout' as never;
  assert.equal(await conntrack.upsertMany(fixed), { created: 0, updated: 4500, failed: [] });
  const refused = await conntrack.upsertMany(fixed);
  assert.is(refused.failed.length, 4500);
  // Here the first flow is tried twice, and the second is sent again behind it. It was changed by then.
  await conntrack.flush();
  await conntrack.createMany([flow(1, { status: ['seen_reply', 'assured'] }), flow(2)]);
  const pair = [flow(1, { status: 'seen_reply', mark: 6 }), flow(2, { status: 'fixed_timeout' })];
  assert.equal(await conntrack.upsertMany(pair), { created: 0, updated: 2, failed: [] });
  assert.equal(
    Array.from(await conntrack.dump(), ({ mark, status }) => [mark, status.length]).sort(),
    [
      [0, 2],
      [6, 3],
    ],
  );
});

test('upsertMany: what is refused, by index; masters after the others; the reply tuple alone', async () => {
  await conntrack.flush();
  const tcp = { protocol: 'tcp', src: '10.0.0.1', dst: '10.0.0.2', dstPort: 21 } as const;
  const master = { ...tcp, srcPort: 1 };
  const flows: FlowInit[] = [
    { ...tcp, srcPort: 2, timeout: 600, master },
    { ...tcp, srcPort: 1, timeout: 600 },
    { ...tcp, srcPort: 3, timeout: 600, master: { ...tcp, srcPort: 9 } },
    { ...tcp, srcPort: 4, timeout: -1 },
    {
      protocol: 'udp',
      reply: { src: '10.0.0.2', dst: '10.0.0.1', srcPort: 53, dstPort: 7 },
      mark: 4,
    },
  ];
  const first = await conntrack.upsertMany(flows);
  assert.equal([first.created, first.updated], [3, 0]);
  assert.equal(
    refusals(first.failed).map(([index]) => index),
    [2, 3],
  );
  const second = await conntrack.upsertMany(flows.map((one) => ({ ...one, mark: 5 })));
  assert.equal([second.created, second.updated], [0, 3]);
  assert.equal(
    refusals(second.failed).map(([index]) => index),
    [2, 3],
  );
  assert.ok((await conntrack.dump()).columns.mark.every((mark) => mark === 5));
  // The original tuple is free, but the reply tuple is taken: neither made nor changed.
  const orig = { src: '10.7.0.1', dst: '10.0.0.2', srcPort: 77, dstPort: 21 };
  const reply = { src: '10.0.0.2', dst: '10.0.0.1', srcPort: 21, dstPort: 1 };
  const taken = await conntrack.upsertMany([{ protocol: 'tcp', orig, reply, timeout: 600 }]);
  assert.equal([taken.created, taken.updated, refusals(taken.failed)], [0, 0, [[0, 'EEXIST']]]);
});

test('upsertMany of a batch brings another table to the same state', async () => {
  useLabels();
  await conntrack.flush();
  fill({ count: 1200, seed: 95, labels: true });
  using netns = Netns.create();
  useLabels(netns);
  await using there = Conntrack.open({ netns: netns.path });
  const batch = await conntrack.dump();
  assert.is((await there.createMany(batch)).created, batch.length);
  const some = (await there.dump()).filter(
    ({ master }, row) => row % 4 === 0 && master === undefined,
  );
  const { deleted: gone } = await there.deleteMany(some);
  assert.is(gone, some.length);
  await there.updateWhere('all', { mark: 123 });
  const { created, updated, failed } = await there.upsertMany(batch);
  assert.equal([created, updated + failed.length], [gone, batch.length - gone]);
  // A fixed timeout cannot be changed.
  const codes = new Set(failed.map(({ error }) => error.code));
  assert.equal([...codes], ['EPERM']);
  const marks = (flows: FlowBatch) =>
    new Map(
      Array.from(flows, ({ orig, zone, protocolNumber, mark }) => [
        JSON.stringify([orig, zone, protocolNumber], (_, v) => (typeof v === 'bigint' ? '' : v)),
        mark,
      ]),
    );
  const wrong = [...marks(await there.dump())].filter(
    ([key, mark]) => marks(batch).get(key) !== mark,
  );
  assert.is(wrong.length, failed.length);
});

test.run();

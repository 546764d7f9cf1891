// The in-kernel filter of event streams is compared with the same filter over all events of an unfiltered stream.
// `stats.filtered` counts events that the kernel let through although they do not match. It is 0 if the kernel's
// filter is exact.
import {
  conntrack,
  type EventBatch,
  type EventStream,
  type FlowFilter,
  type FlowObject,
  type StatusName,
} from '../../src/index.js';
import { until } from '../support/awaited.js';
import { refusesRightly } from '../support/filter-oracle.js';
import { assert, suite } from '../support/harness.js';
import { Netns } from '../support/netlab.js';
import { type FilledFlow, fillAndList, useLabels } from '../support/populate.js';
import { Random } from '../support/random.js';

const test = suite('event filter');
const rounds = 8;
const perRound = 40;
const flowsPerRound = 192;
const seed = Number(process.env.EVENT_FILTER_SEED ?? Date.now() % 1_000_000);
const pick = new Random(seed);

test.before(() => {
  useLabels();
  Netns.current.conntrackSysctls({ events: 1 });
});

const prefix = (address: string) => {
  const bits = address.includes(':') ? 128 : 32;
  if (bits === 32 && pick.chance(20)) {
    const list = [
      address,
      `::ffff:${address}`,
      '10.1.2.3',
      '10.0.0.0/30',
      '172.16.0.0/255.240.0.0',
    ];
    return pick.chance(50) ? list : list[1]!;
  }
  return pick.chance(50)
    ? address
    : `${address}/${pick.integer(pick.chance(30) ? 0 : bits / 2, bits)}`;
};
const port = (value: number) => {
  if (pick.chance(50)) return value;
  const from = Math.max(0, value - pick.integer(0, 9000));
  const range = { from, to: Math.min(65535, value + pick.integer(0, 9000)) };
  if (pick.chance(50)) return range;
  // Two ports without the ports between them, and lists as long as the kernel's program can test exactly.
  if (pick.chance(50)) return [value, pick.integer(0, 65535)];
  return [range, ...Array.from({ length: pick.integer(1, 60) }, () => pick.integer(0, 65535))];
};
const statusNames: StatusName[] = [
  'seen_reply',
  'assured',
  'src_nat',
  'dst_nat',
  'fixed_timeout',
  'dying',
];

/** One condition that this flow meets, so that not every filter finds nothing. */
function condition(flow: FilledFlow): FlowFilter {
  const sides = ['orig', 'reply'] as const;
  const choices: (() => FlowFilter | undefined)[] = [
    () => ({ family: flow.family }),
    () => ({ protocol: flow.protocol }),
    () => ({ protocol: [flow.protocol, pick.integer(0, 255), pick.integer(0, 255), 6, 7, 8] }),
    ...sides.flatMap((side) => [
      () => ({ [side]: { src: prefix(flow[side].src) } }),
      () => ({ [side]: { dst: prefix(flow[side].dst) } }),
      () => ({ [side]: { src: prefix(flow[side].src), dst: prefix(flow[side].dst) } }),
      () => withPort(side, 'srcPort', flow[side].srcPort),
      () => withPort(side, 'dstPort', flow[side].dstPort),
      () => withIcmp(side, flow),
      () => (flow[side].zone === undefined ? undefined : { [side]: { zone: flow[side].zone } }),
    ]),
    () => ({ mark: pick.chance(50) ? flow.mark : masked(flow.mark) }),
    () => ({ status: pick.pick(statusNames) }),
    () => ({ status: { none: [pick.pick(statusNames)], any: ['seen_reply', 'dying'] } }),
    () =>
      flow.state === undefined
        ? undefined
        : { state: [flow.state, 'CLOSE' as const, 'CLOSED' as const] },
    () => ({ zone: flow.zone }),
    () => (flow.labels?.length ? { label: pick.pick(flow.labels) } : undefined),
    () => (flow.helper === undefined ? undefined : { helper: flow.helper }),
    () => ({ host: prefix(pick.pick([flow.orig.src, flow.reply.src])) }),
    () => (flow.reply.dstPort === undefined ? undefined : { port: port(flow.reply.dstPort) }),
    () => ({ label: { none: [pick.integer(0, 127), ...(flow.labels?.slice(1) ?? [])] } }),
    () => (flow.labels?.length ? { label: { any: [5, ...flow.labels] } } : undefined),
    () => ({ nat: pick.pick(['src', 'dst', 'any', 'none'] as const) }),
  ];
  for (;;) {
    const made = pick.pick(choices)();
    if (made !== undefined) return made;
  }
}
function withPort(side: 'orig' | 'reply', name: string, value: number | undefined) {
  return value === undefined ? undefined : { [side]: { [name]: port(value) } };
}
function withIcmp(side: 'orig' | 'reply', flow: FilledFlow) {
  const { icmpType, icmpCode, icmpId } = flow[side];
  if (icmpType === undefined) return undefined;
  return { [side]: pick.pick([{ icmpType }, { icmpCode }, { icmpId }, { icmpType, icmpId }]) };
}
function masked(mark: number) {
  const mask = pick.integer(1, 0xffff) * 65536 + pick.integer(0, 0xffff);
  return { value: (mark & mask) >>> 0, mask };
}

/** A filter with one to three conditions that a flow meets. */
function filterFrom(flows: readonly FilledFlow[]): FlowFilter {
  const flow = pick.pick(flows);
  const filter: FlowFilter = {};
  for (let i = pick.integer(1, 3); i > 0; i--) {
    const next = condition(flow);
    const merged = (side: 'orig' | 'reply') =>
      filter[side] || next[side] ? { [side]: { ...filter[side], ...next[side] } } : {};
    Object.assign(filter, next, merged('orig'), merged('reply'));
  }
  return filter;
}

/** Every third filter has filters in it, in up to two levels. */
function nested(flows: readonly FilledFlow[], depth = 2): FlowFilter {
  if (depth === 0 || pick.chance(65)) return filterFrom(flows);
  const filter = pick.chance(40) ? filterFrom(flows) : {};
  const inner = () => nested(flows, depth - 1);
  const any = pick.chance(60);
  if (any) filter.any = Array.from({ length: pick.integer(1, 4) }, inner);
  if (!any || pick.chance(40)) filter.not = inner();
  return filter;
}

/** What nothing can match is refused. */
function takenFrom(flows: readonly FilledFlow[], objects: readonly FlowObject[]): FlowFilter {
  for (;;) {
    const filter = nested(flows);
    if (!refusesRightly(filter, objects)) return filter;
  }
}

/** The identity of each event: its flow and its type, in order. */
const keys = (batch: EventBatch | undefined, filter?: FlowFilter) => {
  if (batch === undefined) return [];
  const kept = filter === undefined ? batch : batch.filter(filter);
  const types = kept.columns.type;
  return [...kept].map((flow, i) => `${types[i]} ${flow.id} ${flow.zone} ${flow.mark}`);
};

async function all(stream: EventStream, events: number): Promise<EventBatch | undefined> {
  // So few events fit in one segment: all of them are one batch.
  await until(`${events} events`, () => stream.stats.queued >= events);
  if (events === 0) return undefined;
  const { value } = await stream.batches().next();
  return value;
}

/** Creates, marks and deletes flows. Returns how many events that makes. */
async function makeChanges(from: number): Promise<number> {
  fillAndList({ count: flowsPerRound, from, profile: 'mixed', labels: true, seed });
  const marked = await conntrack.updateWhere(
    { mark: { value: 0, mask: 1 } },
    { mark: 0x00ff00f1 + from },
  );
  await conntrack.flush();
  // A master flow goes after the flow that it is master of. Then no more events come.
  await until('the table is empty', () => Netns.current.flowCount() === 0);
  return marked + 2 * flowsPerRound;
}

test(`${rounds * perRound} random filters: the kernel's program is exact (seed ${seed})`, async () => {
  // Filters are made of the values of these flows. The same seed makes the same flows again.
  const known = fillAndList({
    count: flowsPerRound * rounds,
    profile: 'mixed',
    labels: true,
    seed,
  });
  const objects = (await conntrack.dump()).toArray();
  await conntrack.flush();
  let matched = 0;
  for (let round = 0; round < rounds; round++) {
    const from = round * flowsPerRound;
    const flows = known.slice(from, from + flowsPerRound);
    const everything = conntrack.events();
    const filters = Array.from({ length: perRound }, () => takenFrom(flows, objects));
    const streams = filters.map((filter) => conntrack.events({ filter }));
    const total = await makeChanges(from);
    const batch = (await all(everything, total))!;
    assert.is(batch.types.filter((type) => type === 3).length, flowsPerRound);
    for (const [i, stream] of streams.entries()) {
      const filter = filters[i]!;
      const expected = keys(batch, filter);
      matched += expected.length;
      const text = JSON.stringify(filter);
      const got = keys(await all(stream, expected.length));
      await stream.close();
      const { stats } = stream;
      assert.equal(got, expected, text);
      // close() also counts events that were still on their way: the kernel has sent nothing else.
      assert.is(stats.received, expected.length, text);
      assert.is(stats.kernelFilter, 'exact', text);
      assert.is(stats.filtered, 0, text);
      assert.is(stats.lost, 0);
      assert.is(stats.undecodable, 0);
    }
    await everything.close();
    // The filter of one stream changes nothing for other streams.
    assert.is(everything.stats.received, total);
  }
  assert.ok(matched > rounds * perRound, `filters matched ${matched} events only`);
});

test('conditions that the kernel cannot test are tested here', async () => {
  const even = Array.from({ length: 128 }, (_, i) => i * 2);
  const everything = conntrack.events({ types: ['new'] });
  const partial = conntrack.events({ types: ['new'], filter: { protocol: even, family: 'ipv4' } });
  const unused = conntrack.events({ types: ['new'], filter: { protocol: even } });
  fillAndList({ count: 128, profile: 'mixed', seed });
  await until('all', () => everything.stats.queued === 128);
  const batch = (await all(everything, 128))!;
  for (const [stream, filter, kind] of [
    [partial, { protocol: even, family: 'ipv4' }, 'partial'],
    [unused, { protocol: even }, 'unused'],
  ] as const) {
    const expected = keys(batch, filter);
    assert.ok(expected.length > 0 && expected.length < 128);
    assert.equal(keys(await all(stream, expected.length)), expected);
    assert.is(stream.stats.kernelFilter, kind);
    await stream.close();
    assert.is(stream.stats.received - stream.stats.filtered, expected.length);
    assert.ok(stream.stats.filtered > 0);
  }
  assert.is(unused.stats.received, 128);
  assert.ok(partial.stats.received < 128);
  assert.match(unused.stats.hints.join(), /too large for a program in the kernel/);
  await everything.close();
  await conntrack.flush();
});

test('a condition on a field that the event does not carry does not match', async () => {
  const flow = (port: number) => ({
    protocol: 'tcp' as const,
    orig: { src: '10.9.9.9', dst: '10.9.9.8', srcPort: port, dstPort: 21 },
    timeout: 600,
    state: 'ESTABLISHED' as const,
    status: ['assured' as const],
    helper: 'ftp',
    labels: [3],
  });
  const streams = {
    all: conntrack.events({}),
    helper: conntrack.events({ filter: { helper: 'ftp' } }),
    label: conntrack.events({ filter: { label: 3 } }),
    state: conntrack.events({ filter: { state: 'ESTABLISHED' } }),
    unmarked: conntrack.events({ filter: { mark: 0 } }),
    zone: conntrack.events({ filter: { zone: 0 } }),
  };
  await conntrack.create(flow(1));
  await conntrack.update(flow(1), { mark: 5 });
  await conntrack.delete(flow(1));
  const seen: Record<string, string[]> = {};
  for (const [name, stream] of Object.entries(streams)) {
    // Each stream has its own reading thread: only after a drain has it received all its events.
    await stream.close({ drain: true });
    seen[name] = [];
    for await (const event of stream) seen[name].push(event.type);
  }
  assert.equal(seen, {
    all: ['new', 'update', 'destroy'],
    helper: ['new', 'update'],
    // An update over netlink carries all fields that could have changed. An update by a packet carries only changed
    // ones.
    label: ['new', 'update'],
    state: ['new', 'update', 'destroy'],
    unmarked: ['new'],
    zone: ['new', 'update', 'destroy'],
  });
});

test.run();

// Hundreds of random filters over a rich table. dump, dumpBatches and FlowBatch.filter must find the flows that a
// predicate over the whole table finds. Also the filters that kernels get wrong.
// Kernels: linux, memory
import type { FlowBatch, FlowFilter, FlowObject } from '../../src/index.js';
import { filterMatches, refusesRightly } from '../support/filter-oracle.js';
import {
  conditionsOf,
  inOrder,
  nestedFilter,
  randomFilter,
  splittingFilter,
} from '../support/flow-filters.js';
import { assert, suite } from '../support/harness.js';
import { Random } from '../support/random.js';
import { conntrack, fill, memory, needsLinux, useLabels } from '../support/table.js';

const test = suite('filter');
const filters = 600;
const nested = 300;

/** In memory no kernel filters first. */
const linux = memory === undefined;

let whole: FlowBatch;
let flows: FlowObject[];

test.before(async () => {
  useLabels();
  await fill({ count: 1920, seed: 21, labels: true });
  // The same tuples again in a different zone, and some with special marks and states.
  await fill({ count: 192, seed: 21, labels: true, zone: 9 });
  await fill({ count: 192, seed: 22, profile: 'plain', network: 12 });
  whole = await conntrack.dump();
  flows = inOrder(whole.toArray());
  assert.is(flows.length, 2304);
});

const idsOf = (batch: FlowBatch) => Array.from(batch.columns.id).sort((a, b) => a - b);

async function inBatches(filter: FlowFilter, batchSize: number): Promise<number[]> {
  const found: number[] = [];
  for await (const batch of conntrack.dumpBatches(filter, { batchSize })) {
    assert.ok(batch.length <= batchSize && batch.length > 0);
    found.push(...batch.columns.id);
  }
  return found.sort((a, b) => a - b);
}

async function check(filter: FlowFilter, batchSize: number | null = 1000): Promise<FlowBatch> {
  const said = JSON.stringify(filter);
  const expected = flows
    .filter((flow) => filterMatches(flow, filter))
    .map(({ id }) => id!)
    .sort((a, b) => a - b);
  const dumped = await conntrack.dump(filter);
  assert.equal(idsOf(dumped), expected, `dump ${said}`);
  const { messages, rejected, undecodable } = dumped.stats;
  assert.is(messages - rejected - undecodable, dumped.length);
  assert.equal(idsOf(whole.filter(filter)), expected, `batch.filter ${said}`);
  if (batchSize !== null) {
    assert.equal(await inBatches(filter, batchSize), expected, `dumpBatches ${said}`);
  }
  return dumped;
}

test(`${filters} random filters`, async () => {
  const random = new Random(20240611);
  const decisive = new Map<string, number>();
  let found = 0;
  for (let i = 0; i < filters; i++) {
    const filter = randomFilter(random, flows);
    if (refusesRightly(filter, flows)) continue;
    const dumped = await check(filter, 1 + random.below(2000));
    if (dumped.length === 0) continue;
    found++;
    if (dumped.length === flows.length) continue;
    for (const name of conditionsOf(filter)) decisive.set(name, (decisive.get(name) ?? 0) + 1);
  }
  assert.ok(found > filters / 2, `only ${found} filters found anything`);
  const sideFields = ['src', 'dst', 'srcPort', 'dstPort', 'icmpType', 'icmpCode', 'icmpId', 'zone'];
  for (const name of [
    ...['family', 'protocol', 'src', 'dst', 'srcPort', 'dstPort', 'mark', 'status', 'state'],
    ...['zone', 'label', 'helper', 'nat', 'host', 'port'],
    ...sideFields.flatMap((field) => [`orig.${field}`, `reply.${field}`]),
  ]) {
    assert.ok((decisive.get(name) ?? 0) > 2, `${name} decided ${decisive.get(name) ?? 0} times`);
  }
});

test(`${nested} random filters with filters in them`, async () => {
  const random = new Random(20261201);
  const decisive = new Map<string, number>();
  for (let i = 0; i < nested; i++) {
    const filter = splittingFilter(random, flows, nestedFilter);
    await check(filter, i % 8 === 0 ? 20 + random.below(2000) : null);
    for (const name of conditionsOf(filter)) decisive.set(name, (decisive.get(name) ?? 0) + 1);
  }
  for (const name of ['any', 'not']) assert.ok(decisive.get(name)! > nested / 4, name);
});

test.when(
  needsLinux('no kernel filters first'),
  'what the filters of any have in common is given to the kernel',
  async () => {
    const udp = { protocol: 'udp' } as const;
    const one = await check({
      any: [
        { ...udp, src: '10.0.0.0/9' },
        { ...udp, dst: '10.0.0.0/9' },
      ],
    });
    assert.ok(one.length > 0);
    assert.equal(one.stats.kernelFilter, ['family', 'orig']);
    const other = await check({ any: [{ ...udp, mark: 0 }, { family: 'ipv4' }] });
    assert.equal(other.stats.kernelFilter, []);
    const excluded = await check({ not: { family: 'ipv4', mark: 0 } });
    assert.equal(excluded.stats.kernelFilter, []);
  },
);

test('everything of an address or of a port, in both directions', async () => {
  const flow = flows.find(
    ({ family, nat, protocol }) => family === 'ipv4' && nat && protocol === 'udp',
  )!;
  for (const host of new Set([flow.orig.src, flow.orig.dst, flow.reply.src, flow.reply.dst])) {
    assert.ok((await check({ host })).length > 0);
  }
  for (const port of [flow.orig.srcPort!, flow.orig.dstPort!, flow.reply.dstPort!]) {
    assert.ok((await check({ port })).length > 0);
  }
  const list = flows.slice(0, 300).map(({ orig }) => orig.src);
  const many = await check({ host: list });
  assert.ok(many.length >= 300 && many.length < flows.length);
});

test.when(
  needsLinux('no kernel filters first'),
  'IPv6 addresses are never given to the kernel, whose comparison is inverted',
  async () => {
    const flow = flows.find(({ family, nat }) => family === 'ipv6' && nat?.src !== undefined)!;
    for (const filter of [
      { src: flow.orig.src },
      { dst: flow.orig.dst },
      { reply: { src: flow.reply.src } },
      { reply: { dst: flow.reply.dst } },
    ]) {
      const dumped = await check(filter);
      assert.ok(dumped.length > 0);
      assert.equal(dumped.stats.kernelFilter, ['family']);
    }
  },
);

test.when(
  needsLinux('no kernel filters first'),
  'IPv4 addresses and ports of TCP and UDP are given to the kernel, on both sides',
  async () => {
    const flow = flows.find(
      ({ family, protocol, nat, zone }) =>
        family === 'ipv4' && protocol === 'udp' && nat !== undefined && zone === 0,
    )!;
    const { orig, reply } = flow;
    const side = ({ src, dst, srcPort, dstPort }: typeof orig) => ({
      ...{ src, dst, srcPort: srcPort!, dstPort: dstPort! },
    });
    const byOrig = await check({ protocol: 'udp', orig: side(orig) });
    assert.equal(byOrig.stats.kernelFilter, ['family', 'orig']);
    // The kernel sends nothing else. (Some tuples are also in a second zone.)
    const alone = (dumped: typeof byOrig) => [dumped.stats.rejected, dumped.stats.messages];
    assert.ok(byOrig.length > 0 && byOrig.length <= 2);
    assert.equal(alone(byOrig), [0, byOrig.length]);
    const byReply = await check({ protocol: 'udp', reply: side(reply) });
    assert.ok(byReply.stats.kernelFilter.includes('reply'));
    assert.equal(alone(byReply), [0, byOrig.length]);
  },
);

test('ports of SCTP, UDPLITE and GRE, which the kernel does not compare', async () => {
  for (const protocol of ['sctp', 'udplite', 'gre'] as const) {
    const flow = flows.find((one) => one.protocol === protocol)!;
    const { srcPort, dstPort } = flow.orig;
    const one = await check({ protocol, srcPort: srcPort!, family: flow.family });
    assert.ok(one.length >= 1 && one.length < 5);
    const many = await check({ protocol, dstPort: dstPort! });
    assert.ok(many.length < flows.filter((other) => other.protocol === protocol).length);
  }
});

test.when(
  needsLinux('no kernel filters first'),
  'marks: bits outside the mask do not matter, and 0 is a mark',
  async () => {
    const low = await check({ mark: { value: 0x3, mask: 0x3 } });
    assert.equal(low.stats.kernelFilter, ['mark']);
    assert.is(low.stats.rejected, 0);
    const none = await check({ mark: 0 });
    assert.ok(none.length > 100 && none.length < flows.length);
    await check({ mark: { value: 0, mask: 0x80000000 } });
    await check({ mark: { value: 0x80000000, mask: 0x80000000 } });
  },
);

test('zone 0 matches every flow without a zone, also flows with a zone for one direction', async () => {
  const zero = await check({ zone: 0 });
  assert.ok([...zero].some((flow) => flow.orig.zone !== undefined));
  assert.ok(![...zero].some((flow) => flow.zone !== 0));
  const five = await check({ zone: 5 });
  if (linux) assert.equal(five.stats.kernelFilter, ['zone']);
  const directional = flows.find(({ orig }) => orig.zone !== undefined)!;
  const same = await check({ zone: directional.orig.zone! });
  assert.is(same.length, 0);
  await check({ orig: { zone: directional.orig.zone! } });
  assert.is((await check({ zone: 9 })).length, 192);
});

test('status: all, any and none', async () => {
  await check({ status: [] as never }).then(
    () => assert.unreachable('an empty list is no condition'),
    (error: Error) => assert.instance(error, RangeError),
  );
  const exact = await check({ status: { all: ['seen_reply'], none: ['assured'] } });
  if (linux) {
    assert.equal(exact.stats.kernelFilter, ['status']);
    assert.is(exact.stats.rejected, 0);
  }
  const any = await check({ status: { any: ['src_nat', 'dst_nat'] } });
  assert.ok(any.length > 0 && any.length < flows.length);
});

test('lists of ports and addresses of every length; an IPv4-mapped address is the IPv4 one', async () => {
  const tcp = flows.filter(({ protocol, family }) => protocol === 'tcp' && family === 'ipv4');
  const ports = [...new Set(tcp.map(({ orig }) => orig.srcPort!))].sort((a, b) => a - b);
  const [low, high] = [ports[0]!, ports.at(-1)!];
  assert.ok(ports.length > 10);
  const two = await check({ protocol: 'tcp', srcPort: [low, high] });
  const range = await check({ protocol: 'tcp', srcPort: { from: low, to: high } });
  assert.ok(two.length > 0 && two.length < range.length);
  assert.not(two.stats.kernelFilter.includes('orig'), 'the kernel gets no list of ports');
  // A list of every second port.
  await check({ srcPort: Array.from({ length: 32768 }, (_, i) => i * 2) });
  await check({
    reply: {
      dstPort: [
        { from: 0, to: low },
        { from: high, to: 65535 },
      ],
    },
  });
  const one = tcp.find(({ zone }) => zone === 0)!;
  for (const src of [`::ffff:${one.orig.src}`, [`::ffff:${one.orig.src}`, one.orig.src]]) {
    const found = await check({ src });
    assert.ok(found.length > 0);
    if (linux) assert.ok(found.stats.kernelFilter.includes('orig'));
  }
  assert.is(
    (await check({ src: '::ffff:0:0/96' })).length,
    (await check({ family: 'ipv4' })).length,
  );
  assert.is((await check({ src: '::/0' })).length, (await check({ family: 'ipv6' })).length);
  const both = await check({ dst: ['::/0', '0.0.0.0/1', '::ffff:128.0.0.0/97'] });
  assert.is(both.length, flows.length);
  assert.equal(both.stats.kernelFilter, []);
  const every = flows.map(({ orig }) => orig.src);
  assert.is((await check({ src: every })).length, flows.length);
  const some = every.filter((_, i) => i % 3 === 0);
  assert.ok((await check({ src: some })).length < flows.length);
  await check({ src: [...some, '10.0.0.1/255.0.0.3'] });
  await check({ src: `${one.orig.src}/255.255.255.0` });
  await check({ src: `${one.orig.src}/255.0.0.255` });
  await check({ dst: 'fd0a::1/ffff::ff' });
});

test('state LISTEN is what older kernels called SYN_SENT2', async () => {
  const found = await check({ state: 'SYN_SENT2' });
  assert.equal(idsOf(await conntrack.dump({ state: ['LISTEN'] })), idsOf(found));
});

test('several conditions at once; each alone matches more', async () => {
  const parts: FlowFilter[] = [
    { protocol: ['tcp', 'udp'] },
    { status: { any: ['assured', 'seen_reply'] } },
    { zone: 0 },
    { src: '10.0.0.0/8' },
    { dstPort: { from: 1, to: 1023 } },
    { mark: { value: 0, mask: 0xf0 } },
    { nat: 'none' },
  ];
  let last = flows.length;
  let sum: FlowFilter = {};
  for (const part of parts) {
    sum = { ...sum, ...part };
    const { length } = await check(sum);
    assert.ok(length < last, JSON.stringify(part));
    last = length;
  }
  assert.ok(last > 0);
});

test.run();

// Criteria that the kernel's flush or the kernel's dump filter does not know, or understands differently. In each
// case the table holds flows that only such a criterion excludes: they must stay.
import { conntrack, type FlowFilter, type FlowObject } from '../../src/index.js';
import { filterMatches } from '../support/filter-oracle.js';
import { assert, suite } from '../support/harness.js';
import { idsOf, refill } from '../support/mixed-flows.js';
import { Netns } from '../support/netns.js';
import { useLabels } from '../support/populate.js';

const test = suite('criteria that the kernel does not know');

/** Flows of every kind, all with one mark. Some are in zone 9, and one is in it for only one direction. */
async function refillWithOneMark(): Promise<FlowObject[]> {
  await refill(320);
  await conntrack.updateWhere({ status: 'confirmed' }, { mark: 5 });
  const flows = (await conntrack.dump()).toArray();
  assert.ok(flows.length > 380 && flows.every(({ mark }) => mark === 5));
  return flows;
}

/** Every criterion, each with a value that some flow has. */
function criteria(flows: readonly FlowObject[]): FlowFilter[] {
  const flow = (has: (flow: FlowObject) => boolean) => flows.find(has)!;
  const four = flow(({ family, protocol, nat }) => family === 'ipv4' && protocol === 'tcp' && !nat);
  const six = flow(({ family, protocol }) => family === 'ipv6' && protocol === 'udp');
  const ping = flow(({ protocol }) => protocol === 'icmp');
  const zoned = flow(({ reply }) => reply.zone !== undefined);
  return [
    { protocol: 'udp' },
    { protocol: ['tcp', 'sctp'] },
    { nat: 'src' },
    { nat: 'dst' },
    { nat: 'any' },
    { nat: 'none' },
    { state: 'ESTABLISHED' },
    { label: flow(({ labels }) => (labels?.length ?? 0) > 0).labels![0]! },
    { helper: flow(({ helper }) => helper !== undefined).helper! },
    { src: four.orig.src },
    { dst: four.orig.dst },
    { reply: { src: six.reply.src } },
    { reply: { dst: four.reply.dst } },
    { srcPort: four.orig.srcPort! },
    { dstPort: [four.orig.dstPort!, six.orig.dstPort!] },
    { reply: { srcPort: { from: 0, to: four.reply.srcPort! } } },
    { reply: { dstPort: six.reply.dstPort! } },
    { orig: { icmpType: ping.orig.icmpType! } },
    { orig: { icmpCode: ping.orig.icmpCode! } },
    { orig: { icmpId: ping.orig.icmpId! } },
    { reply: { icmpType: ping.reply.icmpType! } },
    { reply: { icmpCode: ping.reply.icmpCode! } },
    { reply: { icmpId: ping.reply.icmpId! } },
    { zone: 9 },
    { zone: 0 },
    { orig: { zone: 9 } },
    { reply: { zone: zoned.reply.zone! } },
    { orig: { zone: 0 } },
    { reply: { zone: 0 } },
    { status: { all: ['confirmed'], any: ['src_nat', 'dst_nat'] } },
    { status: { any: ['assured'], none: ['src_nat'] } },
  ];
}

for (const how of ['flush', 'deleteWhere'] as const) {
  test(`${how}: every criterion holds, combined with those that the kernel takes`, async () => {
    const problems: string[] = [];
    let flows = await refillWithOneMark();
    for (const known of [{ mark: 5 }, { mark: { value: 1, mask: 3 } }, {}] as FlowFilter[]) {
      for (const own of criteria(flows)) {
        const filter = { ...known, ...own };
        const others = flows.filter((flow) => !filterMatches(flow, filter));
        const never = own.orig?.zone === 0 || own.reply?.zone === 0;
        assert.is(others.length === flows.length, never, JSON.stringify(filter));
        assert.ok(others.length > 0, JSON.stringify(filter));
        await conntrack[how](filter);
        const left = idsOf(await conntrack.dump());
        if (left.join() !== idsOf(others).join()) {
          problems.push(`${JSON.stringify(filter)}: ${left.length} left, not ${others.length}`);
        }
        if (left.length < flows.length) flows = await refillWithOneMark();
      }
    }
    assert.equal(problems, []);
  });
}

test('no flow has a zone of 0 for one direction, in every call', async () => {
  const flows = await refillWithOneMark();
  for (const filter of [{ orig: { zone: 0 } }, { reply: { zone: 0 } }]) {
    assert.is((await conntrack.dump(filter)).length, 0);
    assert.is(await conntrack.updateWhere(filter, { mark: 6 }), 0);
    assert.is(await conntrack.deleteWhere(filter), 0);
    assert.is((await conntrack.deleteWhere(filter, { returning: true })).length, 0);
    assert.is((await conntrack.dump()).filter(filter).length, 0);
  }
  const left = await conntrack.dump();
  assert.equal(idsOf(left), idsOf(flows));
  assert.ok([...left].every(({ mark }) => mark === 5));
});

test('ICMP fields as the kernel compares them: both protocols, both directions', async () => {
  await refillWithOneMark();
  const all = (await conntrack.dump()).toArray();
  for (const [protocol, family] of [
    ['icmp', 'ipv4'],
    ['icmpv6', 'ipv6'],
  ] as const) {
    // An id whose two bytes differ, so that byte order matters.
    const flow = all.find(({ orig, protocol: is }) => {
      return is === protocol && orig.icmpId! >> 8 !== (orig.icmpId! & 0xff);
    })!;
    for (const direction of ['orig', 'reply'] as const) {
      for (const name of ['icmpType', 'icmpCode', 'icmpId'] as const) {
        const filter = { protocol, family, [direction]: { [name]: flow[direction][name]! } };
        const found = await conntrack.dump(filter);
        const expected = all.filter((one) => filterMatches(one, filter));
        assert.equal(idsOf(found), idsOf(expected), JSON.stringify(filter));
        assert.ok(found.stats.kernelFilter.includes(direction), JSON.stringify(filter));
        // The kernel applied the filter: it sent no other flows.
        assert.is(found.stats.rejected, 0, JSON.stringify(filter));
      }
    }
  }
});

test('a 32-bit IPv6 prefix is not an IPv4 address', async () => {
  await refillWithOneMark();
  const all = (await conntrack.dump()).toArray();
  const flow = all.find(({ family }) => family === 'ipv6')!;
  for (const filter of [
    { src: `${flow.orig.src}/32` },
    { dst: `${flow.orig.dst}/32` },
    { reply: { src: `${flow.reply.src}/32` } },
    { reply: { dst: `${flow.reply.dst}/32` } },
  ] as FlowFilter[]) {
    const found = await conntrack.dump(filter);
    assert.ok(found.length > 1);
    assert.equal(idsOf(found), idsOf(all.filter((one) => filterMatches(one, filter))));
    assert.equal(found.stats.kernelFilter, ['family']);
  }
});

test.before(() => {
  useLabels();
  Netns.current.conntrackSysctls({ acct: 1 });
});

test.run();

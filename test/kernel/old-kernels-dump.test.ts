// Dumps on kernels of other releases: exactly the flows of the filter, whatever the kernel ignores or compares wrongly
// (test/support/old-kernel). `stats.kernelFilter` names only what that kernel applied.
import type { FlowFilter, FlowObject } from '../../src/index.js';
import { filterMatches } from '../support/filter-oracle.js';
import { takenFilter } from '../support/flow-filters.js';
import { assert, suite } from '../support/harness.js';
import { idsOf, refill } from '../support/mixed-flows.js';
import { OldKernel } from '../support/old-kernel.js';
import { useLabels } from '../support/populate.js';
import { Random } from '../support/random.js';

const test = suite('dumps on kernels of other releases');
const seed = Number(process.env.FILTER_SEED ?? Date.now() % 1_000_000);
const random = new Random(seed);
const filters = 40;

const sorted = (ids: Iterable<number>) => [...ids].sort((a, b) => a - b);

/** The parts of a filter that each release applies to a dump. */
const applied: Record<string, readonly string[]> = {
  '5.4': ['family', 'mark'],
  '5.8': ['family', 'mark', 'orig'],
  '5.14': ['family', 'mark', 'orig'],
  '5.15': ['family', 'mark', 'orig', 'status'],
  '5.16': ['family', 'mark', 'orig', 'reply', 'status'],
  '5.19': ['family', 'mark', 'orig', 'reply', 'status'],
  '6.7': ['family', 'mark', 'orig', 'reply', 'status'],
  '6.8': ['family', 'mark', 'orig', 'reply', 'status', 'zone'],
  '6.12': ['family', 'mark', 'orig', 'reply', 'status', 'zone'],
  '6.14': ['family', 'mark', 'orig', 'reply', 'status', 'zone'],
};

for (const [release, parts] of Object.entries(applied)) {
  test(`Linux ${release}: ${filters} random filters (seed ${seed})`, async () => {
    const flows = await refill(320);
    await using kernel = new OldKernel(release);
    const seen = new Set<string>();
    for (let i = 0; i < filters; i++) {
      const filter = takenFilter(random, flows);
      const text = JSON.stringify(filter);
      const expected = idsOf(flows.filter((flow) => filterMatches(flow, filter)));
      const inBatches = i % 4 === 0;
      const { ids, stats } = inBatches
        ? await kernel.call('dumpBatches', filter, { batchSize: 16 })
        : await kernel.call('dump', filter);
      assert.equal(sorted(ids!), expected, text);
      const asked = kernel.asked().filter(({ request }) => request === 'dump');
      assert.is(asked.length, 1, text);
      assert.equal(asked[0]!.misread, [], text);
      assert.is(asked[0]!.refused, 0, text);
      for (const part of stats?.kernelFilter ?? []) {
        assert.ok(parts.includes(part), `${text}: ${part} is not applied`);
        seen.add(part);
      }
    }
    // Every part that the kernel applies was used by some filter: see `everyPart`.
    for (const filter of everyPart(flows)) {
      const { ids, stats } = await kernel.call('dump', filter);
      const expected = idsOf(flows.filter((flow) => filterMatches(flow, filter)));
      assert.equal(sorted(ids!), expected, JSON.stringify(filter));
      for (const part of stats!.kernelFilter) seen.add(part);
    }
    assert.equal([...seen].sort(), [...parts].sort());
    assert.ok(kernel.asked().every(({ misread }) => misread.length === 0));
  });
}

/** Filters that use every part that some kernel applies. */
function everyPart(flows: readonly FlowObject[]): FlowFilter[] {
  const { orig, reply, mark } = flows.find(
    ({ family, protocol, mark: has }) => family === 'ipv4' && protocol === 'tcp' && has !== 0,
  )!;
  const ping = flows.find(({ protocol }) => protocol === 'icmpv6')!;
  return [
    { family: 'ipv6' },
    { mark },
    { status: { none: ['assured'] } },
    { zone: 9 },
    { zone: 9, family: 'ipv4', protocol: 'udp' },
    { src: orig.src },
    { family: 'ipv4', protocol: 'tcp', dstPort: orig.dstPort! },
    { reply: { dst: reply.dst } },
    { family: 'ipv4', protocol: 'tcp', reply: { srcPort: reply.srcPort! } },
    { src: orig.src, reply: { dst: reply.dst } },
    { family: 'ipv6', protocol: 'icmpv6', reply: { icmpType: ping.reply.icmpType! } },
    { src: flows.find(({ family }) => family === 'ipv6')!.orig.src },
  ];
}

test.before(() => useLabels());

test.run();

// Deletions and flushes by filter on kernels of other releases: exactly the flows of the filter, and no flow outside
// it. No kernel gets a flush that it would understand in another way (test/support/old-kernel).
import { conntrack, type FlowFilter, type FlowObject } from '../../src/index.js';
import { filterMatches } from '../support/filter-oracle.js';
import { splittingFilter } from '../support/flow-filters.js';
import { assert, suite } from '../support/harness.js';
import { flowsNow, idsOf, refill } from '../support/mixed-flows.js';
import { type Differences, OldKernel } from '../support/old-kernel.js';
import { useLabels } from '../support/populate.js';
import { Random } from '../support/random.js';

const test = suite('deletions on kernels of other releases');
const seed = Number(process.env.FILTER_SEED ?? Date.now() % 1_000_000);
const random = new Random(seed);
const rounds = 6;

/** The flows as that kernel shows them: a kernel without marks sends none, and they read as 0. */
function shown(flows: readonly FlowObject[], { without = [] }: Differences): FlowObject[] {
  return without.includes('mark') ? flows.map((flow) => ({ ...flow, mark: 0 })) : [...flows];
}

/** Whether a filter matches some of the flows, and not all. */
function splits(filter: FlowFilter, flows: readonly FlowObject[]): boolean {
  const matching = flows.filter((flow) => filterMatches(flow, filter)).length;
  return matching > 0 && matching < flows.length;
}

/** Filters that a flush in the kernel could apply, and some that look alike. */
const plain: FlowFilter[] = [
  { family: 'ipv6' },
  { mark: { value: 0, mask: 1 } },
  { status: 'assured' },
  { status: { none: ['seen_reply'] } },
  { family: 'ipv4', mark: 0 },
  { family: 'ipv6', status: { all: ['confirmed'], none: ['assured'] } },
  { zone: 9 },
  { zone: 0 },
  { zone: 9, mark: { value: 0, mask: 3 } },
  { zone: 9, status: 'assured' },
  { status: { any: ['src_nat', 'dst_nat'] } },
  { orig: { zone: 9 } },
];

/** The criteria that a flush in the kernel applies on each release: none where it is never tried. */
const kernels: [release: string, inKernel: number, differences: Differences][] = [
  ...['5.4', '5.8', '5.15', '5.16', '5.19', '6.8'].map((release): [string, number, Differences] => [
    release,
    0,
    {},
  ]),
  // A distribution has brought the filtered flush to a kernel that ignores the status.
  ['5.14', 3, { with: ['flush'] }],
  ['6.12', 6, {}],
  ['6.14', 0, { without: ['mark'] }],
];

for (const [release, expectedInKernel, differences] of kernels) {
  const name = `Linux ${release} ${JSON.stringify(differences)}`;
  test(`${name}: deleteWhere and flush (seed ${seed})`, async () => {
    await using kernel = new OldKernel(release, differences);
    const check = async (how: 'deleteWhere' | 'flush', filter: FlowFilter, flows: FlowObject[]) => {
      const text = `${how} ${JSON.stringify(filter)}`;
      const others = flows.filter((flow) => !filterMatches(flow, filter));
      const returning = how === 'deleteWhere' && random.chance(50);
      const { value, ids } = await kernel.call(how, filter, ...(returning ? [{ returning }] : []));
      const left = await flowsNow();
      assert.equal(idsOf(left), idsOf(others), text);
      if (how === 'deleteWhere') {
        assert.is(returning ? ids!.length : value, flows.length - others.length, text);
      }
      const asked = kernel.asked();
      const wrong = asked.filter(
        ({ request, ignored, misread }) =>
          misread.length > 0 || (request !== 'dump' && ignored.length > 0),
      );
      assert.equal(wrong, [], text);
      // Only a kernel that knows it has flushed by filter; the test that comes before deletes nothing.
      const flushed = asked.filter(({ request, refused }) => request === 'flush' && refused === 0);
      assert.ok(flushed.length <= (how === 'flush' && expectedInKernel > 0 ? 1 : 0), text);
      return flushed.length;
    };
    let inKernel = 0;
    await conntrack.flush();
    for (const filter of plain) {
      let flows = shown(await flowsNow(), differences);
      if (!splits(filter, flows)) flows = shown(await refill(), differences);
      // Without marks every flow has the mark 0.
      if (!differences.without) assert.ok(splits(filter, flows), JSON.stringify(filter));
      inKernel += await check('flush', filter, flows);
    }
    assert.is(inKernel, expectedInKernel);
    // By the reply tuple, which kernels before 5.16 read wrongly.
    for (const how of ['deleteWhere', 'flush'] as const) {
      const flows = shown(await refill(), differences);
      const { reply } = flows.find(
        ({ protocol, family }) => family === 'ipv4' && protocol === 'tcp',
      )!;
      await check(how, { family: 'ipv4', reply: { dst: reply.dst } }, flows);
    }
    for (let i = 0; i < rounds; i++) {
      let flows = shown(await flowsNow(), differences);
      if (flows.length < 100) flows = shown(await refill(), differences);
      await check(i % 2 === 0 ? 'deleteWhere' : 'flush', splittingFilter(random, flows), flows);
    }
    // All of it.
    await refill();
    await kernel.call('flush');
    assert.is((await flowsNow()).length, 0);
    const [request, ...more] = kernel.asked();
    assert.equal(more, []);
    assert.equal([request!.request, request!.sent, request!.family], ['flush', [], 0]);
  });
}

test.before(() => useLabels());

test.run();

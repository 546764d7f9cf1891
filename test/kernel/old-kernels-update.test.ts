// Updates by filter on kernels of other releases: exactly the flows of the filter are changed, and no other flow
// (test/support/old-kernel).
import type { FlowFilter, FlowObject } from '../../src/index.js';
import { filterMatches } from '../support/filter-oracle.js';
import { splittingFilter } from '../support/flow-filters.js';
import { assert, suite } from '../support/harness.js';
import { flowsNow, idsOf, refill } from '../support/mixed-flows.js';
import { OldKernel } from '../support/old-kernel.js';
import { useLabels } from '../support/populate.js';
import { Random } from '../support/random.js';

const test = suite('updates on kernels of other releases');
const seed = Number(process.env.FILTER_SEED ?? Date.now() % 1_000_000);
const random = new Random(seed);
const rounds = 8;

/** A filter by the reply tuple, which kernels before 5.16 read wrongly. */
function byReply(flows: readonly FlowObject[]): FlowFilter {
  const { reply } = flows.find(({ protocol, family }) => family === 'ipv4' && protocol === 'tcp')!;
  return { family: 'ipv4', reply: { dst: reply.dst } };
}

for (const release of ['5.4', '5.8', '5.14', '5.15', '5.16', '5.19', '6.8', '6.12', '6.14']) {
  test(`Linux ${release}: updateWhere (seed ${seed})`, async () => {
    await using kernel = new OldKernel(release);
    let flows = await refill();
    for (let i = 0; i < rounds; i++) {
      const filter = i === 0 ? byReply(flows) : splittingFilter(random, flows);
      const mark = 0x70000000 + i;
      const matching = flows.filter((flow) => filterMatches(flow, filter));
      const { value } = await kernel.call('updateWhere', filter, { mark });
      assert.is(value, matching.length, JSON.stringify(filter));
      const before = new Map(flows.map((flow) => [flow.id, flow]));
      flows = await flowsNow();
      const chosen = new Set(idsOf(matching));
      for (const flow of flows) {
        const was = before.get(flow.id)!.mark;
        assert.is(flow.mark, chosen.has(flow.id!) ? mark : was, JSON.stringify(filter));
      }
      assert.is(flows.length, before.size);
      assert.ok(
        kernel.asked().every(({ request, misread }) => request === 'dump' && misread.length === 0),
      );
    }
  });
}

test.before(() => useLabels());

test.run();

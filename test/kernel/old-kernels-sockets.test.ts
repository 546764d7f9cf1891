// Dumps that several sockets share, on kernels of other releases and without marks or zones: every flow of the filter
// is there, and no socket asks for a part that the kernel does not know (test/support/old-kernel).
import { conntrack, type FlowFilter } from '../../src/index.js';
import { filterMatches } from '../support/filter-oracle.js';
import { assert, suite } from '../support/harness.js';
import { idsOf } from '../support/mixed-flows.js';
import { type Differences, OldKernel } from '../support/old-kernel.js';
import { fill } from '../support/populate.js';

const test = suite('dumps on several sockets on kernels of other releases');

const sorted = (ids: Iterable<number>) => [...ids].sort((a, b) => a - b);

test('every flow is there, also on kernels without marks or zones', async () => {
  await conntrack.flush();
  fill({ count: 4500, seed: 7 });
  const flows = (await conntrack.dump()).toArray();
  const kernels: [release: string, without: NonNullable<Differences['without']>][] = [
    ['5.4', []],
    ['5.4', ['mark', 'zones']],
    ['5.14', []],
    ['5.15', []],
    ['6.7', ['zones']],
    ['6.8', ['mark', 'zones']],
    ['6.14', ['mark']],
  ];
  const some: FlowFilter[] = [
    {},
    { mark: { value: 0, mask: 0xffff0000 } },
    { status: 'confirmed' },
    { zone: 0, mark: 0 },
    { zone: 1 },
    { family: 'ipv4', protocol: 'tcp', mark: { value: 0, mask: 1 }, status: 'confirmed' },
  ];
  for (const [release, without] of kernels) {
    await using kernel = new OldKernel(release, { without });
    for (const filter of some) {
      const text = `${release} without ${without}: ${JSON.stringify(filter)}`;
      // A kernel without marks sends none, and the mark of a flow is 0 then.
      const there = without.includes('mark') ? flows.map((flow) => ({ ...flow, mark: 0 })) : flows;
      const expected = idsOf(there.filter((flow) => filterMatches(flow, filter)));
      const { ids, stats } = await kernel.call('dump', filter, { parallel: 2 });
      assert.equal(sorted(ids!), expected, text);
      if (expected.length > 2500) assert.is(stats!.sockets, 2, text);
      // Each socket gets its part only: the kernel looks at the condition that splits the table.
      if (expected.length === flows.length && without.length === 0) {
        assert.is(stats!.messages, flows.length, text);
      }
      const asked = kernel.asked();
      assert.ok(
        asked.every(({ misread }) => misread.length === 0),
        text,
      );
      // What a kernel refuses is not said to be applied.
      const refused = asked.some((request) => request.refused !== 0);
      if (refused) assert.equal(stats!.kernelFilter, [], text);
    }
  }
});

test.run();

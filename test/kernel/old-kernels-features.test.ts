// What the package says of kernels of other releases, and the settings and events that they have
// (test/support/old-kernel).
import {
  conntrack,
  type FlowFilter,
  type KernelFeatures,
  type Support,
  support,
} from '../../src/index.js';
import { until } from '../support/awaited.js';
import { filterMatches } from '../support/filter-oracle.js';
import { conditionsOf, inOrder, splittingFilter } from '../support/flow-filters.js';
import { assert, suite } from '../support/harness.js';
import { Netns } from '../support/netns.js';
import { OldKernel } from '../support/old-kernel.js';
import { fill, useLabels } from '../support/populate.js';
import { Random } from '../support/random.js';

const test = suite('features of kernels of other releases');
const seed = Number(process.env.FILTER_SEED ?? Date.now() % 1_000_000);

/** Each release, and the features that it has first. */
const features: [release: string, first: readonly (keyof KernelFeatures)[]][] = [
  ['4.18', []],
  ['5.7', []],
  ['5.8', ['tupleFilter']],
  ['5.14', []],
  ['5.15', ['statusFilter']],
  ['5.19', []],
  ['6.7', []],
  ['6.8', ['zoneFilter']],
  ['6.11', []],
  ['6.12', ['filteredFlush']],
  ['6.13', []],
  ['6.14', ['eventTimestamp']],
  ['7.0', []],
];

test('support() names the features of the release', async () => {
  const there = new Set<string>();
  for (const [release, first] of features) {
    for (const feature of first) there.add(feature);
    await using kernel = new OldKernel(release);
    const { value } = await kernel.call('support');
    const { kernel: name, usable, conntrack: found } = value as Support;
    assert.is(name, `${release}.0-pretended`);
    assert.is(usable, true, release);
    const has = Object.entries(found.features).filter(([, yes]) => yes);
    assert.equal(has.map(([feature]) => feature).sort(), [...there].sort(), release);
  }
  assert.is(there.size, Object.keys(support().conntrack.features).length);
});

test('before 5.14 there is no list of hooks: the rules say whether packets are tracked', async () => {
  const { tracking } = support().conntrack;
  assert.is(tracking.ipv4, 'active');
  for (const release of ['5.13', '5.14']) {
    await using kernel = new OldKernel(release);
    const { value } = await kernel.call('support');
    const found = (value as Support).conntrack.tracking;
    assert.is(found.ipv4, 'active', release);
    assert.is(found.source, release === '5.13' ? 'rules' : tracking.source, release);
  }
});

type Settings = { events: number; tcp: { ignoreInvalidRst?: boolean }; timeouts: { icmp: number } };

test('settings that a release does not have are absent, and cannot be written', async () => {
  for (const release of ['5.4', '5.13', '5.14']) {
    const has = release === '5.14';
    await using kernel = new OldKernel(release);
    const { tcp } = (await kernel.call('settings')).value as Settings;
    assert.is(tcp.ignoreInvalidRst, has ? false : undefined, release);
    const change = { tcp: { ignoreInvalidRst: true } };
    const { value, error } = await kernel.try('configure', change);
    if (has) {
      assert.is((value as Settings).tcp.ignoreInvalidRst, true);
      await kernel.call('configure', { tcp: { ignoreInvalidRst: false } });
    } else {
      assert.equal([error?.name, error?.code], ['NetlinkError', 'ENOENT'], release);
      assert.match(error!.message, /ignore_invalid_rst/);
      assert.match(error!.hint!, /no such setting/);
    }
  }
});

test('before 5.19 `events` is 0 or 1: the change is refused as a whole', async () => {
  const before = await conntrack.settings();
  assert.is(before.events, 1);
  for (const release of ['5.4', '5.16', '5.18', '5.19']) {
    await using kernel = new OldKernel(release);
    const icmp = before.timeouts.icmp! + 1;
    const { value, error } = await kernel.try('configure', { timeouts: { icmp }, events: 2 });
    if (release === '5.19') {
      const { events, timeouts } = value as Settings;
      assert.equal([events, timeouts.icmp], [2, icmp]);
      await conntrack.configure({ timeouts: { icmp: before.timeouts.icmp! }, events: 1 });
    } else {
      assert.equal([error?.name, error?.code], ['NetlinkError', 'EINVAL'], release);
      assert.match(error!.hint!, /5\.19/);
    }
    assert.equal(await conntrack.settings(), before, release);
  }
});

/** What every event that ends a flow carries. */
const inEveryEnd = new Set(
  ['family', 'protocol', 'src', 'dst', 'srcPort', 'dstPort', 'zone', 'mark', 'nat'].flatMap(
    (name) => [name, `orig.${name}`, `reply.${name}`],
  ),
);

test(`events: exactly those of the filter, with times from 6.14 on (seed ${seed})`, async () => {
  const random = new Random(seed);
  for (const release of ['5.4', '5.8', '5.15', '5.16', '5.19', '6.8', '6.12', '6.14']) {
    fill({ count: 256, seed: 7 });
    fill({ count: 64, seed: 7, zone: 9 });
    const flows = inOrder((await conntrack.dump()).toArray());
    const filters: FlowFilter[] = [];
    while (filters.length < 8) {
      const filter = splittingFilter(random, flows);
      if (conditionsOf(filter).every((condition) => inEveryEnd.has(condition)))
        filters.push(filter);
    }
    await using kernel = new OldKernel(release);
    await kernel.listen(filters);
    await conntrack.flush();
    await until('the table is empty', () => Netns.current.flowCount() === 0);
    for (const [i, events] of (await kernel.heard()).entries()) {
      const text = `${release}: ${JSON.stringify(filters[i])}`;
      const expected = flows.filter((flow) => filterMatches(flow, filters[i]!));
      const ids = (of: Iterable<{ id?: number }>) => Array.from(of, ({ id }) => id!).sort();
      assert.equal(ids(events), ids(expected), text);
      assert.ok(
        events.every(({ type }) => type === 'destroy'),
        text,
      );
      assert.ok(
        events.every(({ timed }) => timed === (release === '6.14')),
        text,
      );
    }
  }
});

test.before(() => {
  useLabels();
  Netns.current.conntrackSysctls({ events: 1, timestamp: 1 });
});

test.run();

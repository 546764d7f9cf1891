// createMany and upsertMany of a FlowBatch: the same as of its plain objects, for flows of every kind, from every kind of
// batch.
import {
  Conntrack,
  type ConntrackEvent,
  conntrack,
  EventBatch,
  FlowBatch,
  type FlowInit,
  type FlowObject,
} from '../../src/index.js';
import { canonical } from '../support/compare.js';
import { ports, timeout, v4, v6 } from '../support/created-flow.js';
import { makeFlows } from '../support/flow-messages.js';
import { assert, suite } from '../support/harness.js';
import { Netns } from '../support/netns.js';
import { samePacked, sameTuples } from '../support/packed-flows.js';
import { fill, useLabels } from '../support/populate.js';

const test = suite('batches to create');

/** The fields of a flow that do not change with time, and no id. */
function written({ id, use, start, stop, timeout: _, secctx, ...flow }: FlowObject): string {
  const side = ({ packets, bytes, ...ends }: FlowObject['orig']) => ends;
  return canonical({ ...flow, orig: side(flow.orig), reply: side(flow.reply) });
}

interface Result {
  readonly told: unknown;
  readonly table: string[];
  readonly timeouts: number[];
}

type Work = (table: Conntrack, flows: Iterable<FlowInit>) => Promise<object>;

/** What a call makes of flows in a new namespace, where `before` are there. */
async function madeOf(
  work: Work,
  flows: Iterable<FlowInit>,
  { labels, before }: { labels: boolean; before?: FlowInit[] },
): Promise<Result> {
  using netns = Netns.create();
  if (labels) useLabels(netns);
  await using table = Conntrack.open({ netns: netns.path });
  if (before !== undefined) {
    const { failed } = await table.createMany(before);
    assert.equal(failed, []);
  }
  const result = (await work(table, flows)) as {
    failed: { index: number; error: Error & { code?: string } }[];
  };
  const failed = result.failed.map(({ index, error }) => [index, error.code, error.message]);
  const after = (await table.dump()).toArray();
  return {
    told: { ...result, failed },
    table: after.map(written).sort(),
    timeouts: after.map((flow) => flow.timeout!).sort((a, b) => a - b),
  };
}

/** Fails unless the batch gives the result of its objects, with room for labels and without. */
async function same(batch: FlowBatch, before?: FlowInit[]): Promise<Result> {
  const works: Work[] = [
    (table, flows) => table.createMany(flows),
    (table, flows) => table.upsertMany(flows),
  ];
  let last: Result | undefined;
  for (const work of works) {
    for (const labels of [false, true]) {
      const how = { labels, ...(before && { before }) };
      const [ours, theirs] = [
        await madeOf(work, batch, how),
        await madeOf(work, batch.toArray(), how),
      ];
      assert.equal(ours.told, theirs.told);
      assert.equal(ours.table, theirs.table);
      assert.is(ours.timeouts.length, theirs.timeouts.length);
      for (const [i, seconds] of theirs.timeouts.entries()) {
        assert.ok(Math.abs(ours.timeouts[i]! - seconds) < 60);
      }
      last = ours;
    }
  }
  return last!;
}

test.before(() => {
  useLabels();
  Netns.current.conntrackSysctls({ events: 1, acct: 1, timestamp: 1 });
});

test('a dump of flows of all kinds: native code packs every one of them', async () => {
  fill({ count: 1500, seed: 71, labels: true });
  fill({ count: 300, seed: 72, labels: true, zone: 4 });
  await conntrack.create({ protocol: 'tcp', ...v4, ...ports, timeout, helper: 'ftp' });
  const batch = await conntrack.dump();
  for (const name of ['seqAdj', 'synproxy', 'master', 'labels', 'sctp', 'helper', 'nat'] as const) {
    assert.ok(batch.filter((flow) => flow[name] !== undefined).length > 0, name);
  }
  assert.ok(batch.filter(({ orig, reply }) => (orig.zone ?? reply.zone) !== undefined).length > 0);
  assert.is(samePacked(batch), batch.length);
  sameTuples(batch);
  const { told, table } = await same(batch);
  assert.is((told as { created: number }).created, batch.length);
  assert.equal(table, batch.toArray().map(written).sort());
});

test('parts of it, also twice the same', async () => {
  const batch = await conntrack.dump();
  await same(batch.filter(({ protocolNumber }) => protocolNumber % 2 === 1));
  await same(batch.slice(100, 300));
  await same(batch.filter({ family: 'ipv6' }).slice(7));
  await same(batch.filter(() => false));
  // A master that is not there: the flows that it expects are refused.
  const orphans = batch.filter(({ master }) => master !== undefined);
  const { told } = await same(orphans);
  assert.ok((told as { failed: unknown[] }).failed.length > 0);
});

test('where some flows are there already', async () => {
  const batch = (await conntrack.dump()).slice(0, 600);
  const before = batch
    .filter(({ master }, row) => row % 3 === 0 && master === undefined)
    .toArray()
    .map(({ helper: _, labels: __, ...flow }) => ({ ...flow, mark: 12345, timeout: 77 }));
  const { told, table } = await same(batch, before);
  const { updated, failed } = told as { updated: number; failed: unknown[] };
  assert.ok(updated > 50);
  assert.ok(failed.length > 0 || table.every((flow) => !flow.includes('12345')));
});

const tcp = { protocol: 'tcp', ...v4, ...ports } as const;
const offload = { statusBits: 0x400e, status: ['assured', 'offload'] } as const;

test('made batches: random ones, and flows that are refused', async () => {
  await same(FlowBatch.of(makeFlows(73, 300)));
  const wrong = FlowBatch.of([
    tcp,
    {
      ...tcp,
      protocol: 'icmp',
      srcPort: undefined,
      dstPort: undefined,
      icmpType: 8,
      icmpCode: 0,
      icmpId: 9,
    },
    // A type that the kernel tracks no flow of, a GRE key that it does not translate, a state without a name.
    {
      ...{ protocol: 'icmp', orig: { ...v4, icmpType: 3, icmpCode: 0, icmpId: 9 } },
      reply: { src: v4.dst, dst: v4.src, icmpType: 3, icmpCode: 0, icmpId: 9 },
    },
    {
      ...{ protocol: 'gre', orig: { ...v4, srcPort: 1, dstPort: 2 }, statusBits: 0x10 },
      reply: { src: v4.dst, dst: v4.src, srcPort: 2, dstPort: 7 },
    },
    { ...tcp, srcPort: 9, statusBits: 8, state: 'STATE_12' },
    { ...tcp, srcPort: 10, ...offload },
    { ...tcp, srcPort: 11, ...offload, protocol: 'udp' },
    { protocol: 'udp', family: 'ipv6', src: '::ffff:1.2.3.4', dst: '::1', srcPort: 1, dstPort: 2 },
    { ...tcp, ...v6, labels: [0, 127] },
    { ...tcp, srcPort: 12, helper: 'nonesuch' },
    tcp,
  ] as never);
  const { told } = await same(wrong);
  assert.is((told as { failed: unknown[] }).failed.length, 5);
});

test('events: what each of them has', async () => {
  await conntrack.flush();
  const stream = conntrack.events();
  const events: ConntrackEvent[] = [];
  const read = (async () => {
    for await (const event of stream) events.push(event);
  })();
  fill({ count: 300, seed: 74, labels: true });
  await conntrack.updateWhere('all', { mark: 7 });
  await conntrack.flush();
  await stream.close({ drain: true });
  await read;
  assert.ok(events.length >= 900);
  const batch = EventBatch.of(events as never[]);
  assert.is(batch.columns.type[batch.length - 1], 3);
  await same(batch);
  for (const type of [1, 3]) await same(batch.filter((_, row) => batch.columns.type[row] === type));
});

test('hints: nothing translates the flows of a batch yet', async () => {
  const batch = FlowBatch.of([
    { ...tcp, nat: { src: '198.51.100.1' } },
    { ...tcp, ...v6, srcPort: 7, nat: { src: 'fd00::9' } },
  ]);
  const { told } = await same(batch);
  assert.match(String((told as { hints: string[] }).hints), /ipv4 and ipv6/);
});

test.run();

// Batches of plain objects are what the kernel gives: those of flows that it has sent, and those of flows that it is
// asked to make.
import {
  conntrack,
  EventBatch,
  FlowBatch,
  type FlowEvent,
  type FlowInit,
  type FlowSample,
} from '../../src/index.js';
import { canonical, identity } from '../support/compare.js';
import { ports, timeout, v4, v6 } from '../support/created-flow.js';
import { eventsDuring } from '../support/events.js';
import { assert, suite } from '../support/harness.js';
import { Netns } from '../support/netns.js';
import { fill, useLabels } from '../support/populate.js';
import { sameBatch } from '../support/same-batch.js';

const test = suite('made batches');

test.before(() => {
  useLabels();
  Netns.current.conntrackSysctls({ events: 1, acct: 1, timestamp: 1 });
});

const parsed = (value: unknown) => JSON.parse(JSON.stringify(value)) as never;

test('a dump, from its objects, from JSON and from its flows', async () => {
  fill({ count: 3000, labels: true });
  // One more of each kind that has what the others do not have.
  await conntrack.create({ protocol: 'tcp', ...v4, ...ports, timeout, helper: 'ftp' });
  const batch = await conntrack.dump();
  for (const name of ['seqAdj', 'synproxy', 'master', 'labels', 'sctp', 'helper', 'nat'] as const) {
    assert.ok(batch.filter((flow) => flow[name] !== undefined).length > 0, name);
  }
  assert.ok(batch.filter(({ orig, reply }) => (orig.zone ?? reply.zone) !== undefined).length > 0);
  sameBatch(FlowBatch.of(batch.toArray()), batch);
  sameBatch(FlowBatch.of(parsed(batch)), batch);
  assert.is(FlowBatch.of(batch.toArray()).stats.withoutCounters, batch.stats.withoutCounters);
  sameBatch(FlowBatch.of(batch), batch);
  sameBatch(FlowBatch.of([...batch].map((flow) => ({ ...flow }))), batch);
  await conntrack.flush();
});

const tcp = { protocol: 'tcp', ...v4, ...ports } as const;
const port = (srcPort: number) => ({ ...tcp, srcPort });
/** New flows, without what a caller may leave out. */
const inits: FlowInit[] = [
  port(1),
  { ...port(2), state: 'ESTABLISHED', status: ['seen_reply', 'assured'], mark: 7, timeout },
  { ...port(3), tcp: { wscale: { orig: 7, reply: 9 } }, state: 'SYN_SENT' },
  {
    ...port(4),
    state: 'SYN_RECV',
    tcp: {
      wscale: { orig: 7, reply: 9 },
      flags: { orig: ['window_scale', 'sack_perm'], reply: 'window_scale' },
    },
  },
  { ...port(5), tcp: { flagBits: { orig: 0x1b, reply: 0 } }, labels: [0, 64, 127] },
  { ...port(6), helper: 'ftp', labels: [] },
  { ...port(7), zone: 5, mark: 0xffff_ffff },
  { ...port(8), reply: { zone: 3 } },
  { ...port(9), nat: { src: '198.51.100.7' } },
  { ...port(10), nat: { src: { address: '198.51.100.7', port: 4000 }, dst: { port: 8443 } } },
  { ...port(11), nat: { dst: '10.9.9.9' }, zone: 8 },
  { ...port(12), nat: { src: v4.src } },
  {
    ...port(13),
    nat: { src: '198.51.100.8' },
    seqAdj: { orig: { correctionPos: 9, offsetBefore: -1, offsetAfter: 5 } },
  },
  { ...port(15), master: { protocol: 'tcp', ...v4, srcPort: 2, dstPort: 443 } },
  { protocol: 'tcp', orig: { ...v6, ...ports, srcPort: 16 }, state: 'TIME_WAIT' },
  { protocol: 'tcp', reply: { ...v6, ...ports, srcPort: 17 } },
  {
    protocol: 'tcp',
    orig: { ...v4, ...ports, srcPort: 18 },
    reply: { src: v4.dst, dst: '198.51.100.9', srcPort: 443, dstPort: 18 },
  },
  { protocol: 'udp', ...v6, ...ports, nat: { src: 'fd09::9' } },
  { protocol: 'udp', ...v4, ...ports, status: 'seen_reply' },
  { protocol: 'udp', src: '::ffff:10.1.0.2', dst: '192.0.2.1', srcPort: 1, dstPort: 2 },
  { protocol: 'udplite', ...v4, ...ports },
  { protocol: 'gre', ...v4, srcPort: 7, dstPort: 8 },
  { protocol: 'sctp', ...v4, ...ports },
  {
    protocol: 'sctp',
    ...v6,
    ...ports,
    state: 'ESTABLISHED',
    sctp: { vtag: { orig: 1, reply: 2 } },
  },
  { protocol: 'icmp', ...v4, icmpType: 8, icmpCode: 0, icmpId: 99 },
  { protocol: 'icmp', ...v4, icmpType: 13, icmpCode: 0, icmpId: 1, nat: { src: '198.51.100.7' } },
  { protocol: 'icmpv6', ...v6, icmpType: 128, icmpCode: 0, icmpId: 5 },
  ...(['esp', 'ah', 'igmp', 'dccp', 89] as const).map((protocol) => ({ protocol, ...v4 })),
];

test('new flows are what the kernel makes of them', async () => {
  Netns.current.conntrackSysctls({ acct: 0, timestamp: 0 });
  const { failed } = await conntrack.createMany(inits);
  assert.equal(failed, []);
  const batch = await conntrack.dump();
  const key = (flow: Parameters<typeof identity>[0]) => identity({ ...flow, id: 0 });
  const rows = new Map(Array.from(batch, (flow, at) => [key(flow), at]));
  const made = FlowBatch.of(inits);
  for (const [row, flow] of [...made].entries()) {
    const at = rows.get(key(flow))!;
    const theirs = batch.at(at)!;
    assert.is(flow.id, row + 1);
    assert.ok(theirs.timeout! <= flow.timeout! && theirs.timeout! > flow.timeout! - 30);
    // A flow that has a master in the table counts it, and the master's helper is looked at for the flow.
    const same = { id: 1, timeout: 1, use: 1 };
    const text = JSON.stringify(inits[row]);
    assert.is(
      canonical({ ...flow.toObject(), ...same }),
      canonical({ ...theirs.toObject(), ...same }),
      text,
    );
    const presence = ({ columns }: FlowBatch, at: number) => [
      columns.presence[at],
      columns.presenceMore[at],
    ];
    assert.equal(presence(made, row), presence(batch, at), text);
  }
  await conntrack.flush();
});

/** `zeroMark`: the texts have the same marks of 0. Events of changes over netlink have such, and those of packets do not. */
function sameEvents(made: EventBatch, expected: FlowEvent[], zeroMark = true): void {
  assert.is(made.length, expected.length);
  for (const [i, event] of expected.entries()) {
    const ours = made.event(i)!;
    const text = (line: unknown) =>
      String(line).replace(zeroMark ? /delta-time=\d+/ : /delta-time=\d+| mark=0\b/g, '');
    assert.is(text(ours), text(event));
    assert.is(canonical({ x: ours }), canonical({ x: event }));
    assert.equal(Object.keys(ours), Object.keys(event));
  }
}

test('events of all types, from the events, from copies and from JSON', async () => {
  Netns.current.conntrackSysctls({ acct: 1, timestamp: 1 });
  const events = await eventsDuring(async () => {
    await conntrack.createMany(inits);
    await conntrack.updateWhere('all', { mark: 9, status: 'assured' });
    await conntrack.flush();
  });
  for (const type of ['new', 'update', 'destroy'] as const) {
    assert.ok(events.filter((event) => event.type === type).length >= inits.length, type);
  }
  sameEvents(EventBatch.of(events), events);
  sameEvents(EventBatch.of(EventBatch.of(events).events()), events);
  sameEvents(EventBatch.of(structuredClone(events)), events, false);
  sameEvents(EventBatch.of(parsed(events)), events, false);
});

test('new events of new flows', async () => {
  Netns.current.conntrackSysctls({ acct: 0, timestamp: 0 });
  const events = await eventsDuring(() => conntrack.createMany(inits));
  const news = events.filter(({ type }) => type === 'new');
  // A flow with a master is made last.
  const order = [...inits].sort(
    (a, b) => Number(a.master !== undefined) - Number(b.master !== undefined),
  );
  assert.is(news.length, order.length);
  const made = EventBatch.of(
    order.map((flow, i) => ({
      type: 'new' as const,
      flow: { ...flow, id: news[i]!.flow.id } as FlowSample,
      // The sockets of this process have made them.
      ...{ portid: news[i]!.portid, own: true },
      ...(news[i]!.timestamp !== undefined && { timestamp: news[i]!.timestamp! }),
    })),
  );
  sameEvents(made, news, false);
  await conntrack.flush();
});

test('a flow of a made batch belongs to no table', async () => {
  await conntrack.create({ ...tcp, timeout });
  const real = (await conntrack.dump()).at(0)!;
  const [made] = FlowBatch.of([{ ...real, id: (real.id + 1) >>> 0 }]);
  // Its id is that of no flow here, and does not count.
  assert.ok(await conntrack.delete(made!));
  assert.is(await conntrack.count(), 0);
});

test.run();

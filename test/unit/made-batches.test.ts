import { conntrack, EventBatch, FlowBatch, type FlowSample } from '../../src/index.js';
import { decodeMessages } from '../support/decode-program.js';
import { encodeFlow, makeFlows } from '../support/flow-messages.js';
import { assert, suite } from '../support/harness.js';
import { batch as madeBatch } from '../support/made-batch.js';
import { Random } from '../support/random.js';
import { sameBatch } from '../support/same-batch.js';

process.env.CONNTRACK_ADDON = '/nonexistent/addon.node';
Object.defineProperty(process, 'platform', { value: 'darwin' });

const test = suite('made batches');

/** What a call throws. */
function refusal(run: () => unknown): Error {
  try {
    run();
  } catch (error) {
    return error as Error;
  }
  throw new Error('it was taken');
}

const parsed = (value: unknown) => JSON.parse(JSON.stringify(value)) as never;
const tcp = {
  protocol: 'tcp',
  src: '10.0.0.1',
  dst: '192.0.2.1',
  srcPort: 1,
  dstPort: 443,
} as const;

test('the addon is not there', async () => {
  assert.match(String(await conntrack.count().catch(String)), /addon|platform|Linux/);
});

test('a batch of its own objects, in the form of native code: every attribute', () => {
  const flows = makeFlows(31, 2000);
  const { batch } = decodeMessages(flows.map((flow) => encodeFlow(flow).toString('hex')));
  for (const name of ['dccp', 'secctx', 'stop', 'unknown', 'master', 'labels'] as const) {
    assert.ok(
      flows.some((flow) => flow[name] !== undefined),
      name,
    );
  }
  // The messages have data of helpers, which a flow does not show.
  const shown = batch.filter(({ helper }) => helper === undefined);
  sameBatch(FlowBatch.of(shown.toArray()), shown);
  sameBatch(FlowBatch.of(flows), batch, { columns: false });
  sameBatch(FlowBatch.of(parsed(flows.map((_, row) => batch.at(row)))), batch, { columns: false });
  sameBatch(FlowBatch.of(batch), batch);
  sameBatch(
    FlowBatch.of(batch.slice(100, 300).filter(({ mark }) => mark !== 0)),
    batch.slice(100, 300).filter(({ mark }) => mark !== 0),
  );
});

test('random batches, whole and in parts', () => {
  const random = new Random(32);
  for (let i = 0; i < 24; i++) {
    const batch = madeBatch(random, {
      rows: random.pick([0, 1, 63, 64, 65, 300]),
      ipv6: random.pick([0, 40, 100]),
      group: random.pick([0, 2, 4] as const),
      bits: random.pick([20, 40, 63] as const),
    });
    sameBatch(FlowBatch.of(batch.toArray()), batch);
    sameBatch(FlowBatch.of(parsed(batch)), batch);
    assert.is(FlowBatch.of(batch).stats.withoutCounters, batch.stats.withoutCounters);
    const some = batch.filter(({ protocol }) => protocol !== 'tcp');
    sameBatch(FlowBatch.of(some.toArray()), some);
    const more = madeBatch(random, { rows: 70, ipv6: 30, group: 6, bits: 40 });
    sameBatch(FlowBatch.of(more), more);
  }
});

test('a batch says that it was made', () => {
  const { stats } = FlowBatch.of([
    tcp,
    { ...tcp, orig: { packets: 1, bytes: 2 }, reply: { packets: 0, bytes: 0 } },
  ]);
  assert.equal(stats, {
    ...{ messages: 0, undecodable: 0, rejected: 0, duplicates: 0, kernelFilter: [], sockets: 0 },
    ...{ split: '', withoutCounters: 1 },
  });
  assert.is(EventBatch.of([{ type: 'new', flow: tcp }]).stats.sockets, 0);
  assert.is(FlowBatch.of([]).length, 0);
  assert.equal([...EventBatch.of(new Set([]) as never).events()], []);
});

test('counters beside a derived tuple, with a zone of its own', () => {
  const counted = { packets: '18446744073709551615', bytes: 9 };
  const [first, second, third] = FlowBatch.of([
    { ...tcp, orig: { packets: 3n, bytes: 4 }, reply: { ...counted, zone: 6 } },
    {
      protocol: 'udp',
      orig: { src: '::1', dst: '::2', srcPort: 1, dstPort: 2, zone: 4 },
      reply: counted,
    },
    { protocol: 'udp', reply: { src: '::1', dst: '::2', srcPort: 1, dstPort: 2, ...counted } },
  ]);
  const { src, dst, srcPort, dstPort } = tcp;
  const most = { packets: 2n ** 64n - 1n, bytes: 9n };
  assert.equal({ ...first!.orig }, { src, dst, srcPort, dstPort, packets: 3n, bytes: 4n });
  assert.equal(
    { ...first!.reply },
    { src: dst, dst: src, srcPort: dstPort, dstPort: srcPort, zone: 6, ...most },
  );
  assert.equal({ ...second!.orig }, { src: '::1', dst: '::2', srcPort: 1, dstPort: 2, zone: 4 });
  assert.equal({ ...second!.reply }, { src: '::2', dst: '::1', srcPort: 2, dstPort: 1, ...most });
  assert.equal({ ...third!.orig }, { src: '::2', dst: '::1', srcPort: 2, dstPort: 1 });
  assert.equal({ ...third!.reply }, { src: '::1', dst: '::2', srcPort: 1, dstPort: 2, ...most });
});

test('what a flow that was read lacks stays absent, and what the caller changes counts', () => {
  const [flow] = FlowBatch.of([{ ...tcp, state: 'ESTABLISHED', statusBits: 0x8000_000e }]);
  assert.is(flow!.statusBits, 0x8000_000e);
  for (const name of ['timeout', 'use', 'tcp'] as const) assert.is(flow![name], undefined, name);
  const [changed] = FlowBatch.of([
    { ...flow!.toObject(), status: ['assured'], mark: 5, state: 'STATE_12' },
  ]);
  // A bit without a name is in the number only.
  assert.equal([changed!.statusBits, changed!.mark, changed!.state], [0x8000_0004, 5, 'STATE_12']);
  // The kernel sends neither the timeout nor the state of an offloaded flow.
  const [offloaded] = FlowBatch.of([{ ...tcp, status: ['assured', 'offload'] }]);
  assert.equal(
    [offloaded!.timeout, offloaded!.state, offloaded!.tcp],
    [undefined, undefined, undefined],
  );
  const [mapped] = FlowBatch.of([
    { protocol: 89, src: '::ffff:10.0.0.1', dst: '::ffff:10.0.0.2', family: 'ipv6' },
  ]);
  assert.equal([mapped!.family, mapped!.orig.src], ['ipv6', '::ffff:10.0.0.1']);
  const [key] = FlowBatch.of([{ ...tcp, protocol: 'gre', nat: { src: { port: 77 } } }]);
  assert.equal(key!.nat, { src: { address: '10.0.0.1', port: 77 } });
});

test('what the caller gives is copied', () => {
  const labels = [1];
  const info = Uint8Array.of(1);
  const data = Uint8Array.of(1);
  const flow = { ...tcp, helper: 'ftp', helperInfo: info, labels, unknown: [{ type: 90, data }] };
  const batch = FlowBatch.of([flow]);
  labels.push(2);
  data[0] = 9;
  const [made] = batch;
  assert.equal(made!.labels, [1]);
  assert.equal(made!.unknown, [{ type: 90, data: Uint8Array.of(1) }]);
  assert.is(batch.columns.presenceMore[0], 1);
});

const wrong: [flow: unknown, path: string, kind: 'TypeError' | 'RangeError'][] = [
  [5, '', 'TypeError'],
  [new Date(), '', 'TypeError'],
  [{ ...tcp, colour: 1 }, '.colour', 'TypeError'],
  [{ ...tcp, mark: undefined }, '.mark', 'TypeError'],
  [{ ...tcp, protocol: 'tpc' }, '.protocol', 'RangeError'],
  [
    { protocol: 'tcp', orig: { ...tcp, src: 'x', protocol: undefined } },
    '.orig.protocol',
    'TypeError',
  ],
  [
    { protocol: 'udp', orig: { src: '10.0.0', dst: '::1', srcPort: 1, dstPort: 2 } },
    '.orig.src',
    'RangeError',
  ],
  [{ ...tcp, srcPort: 65536 }, '.srcPort', 'RangeError'],
  [
    { protocol: 'icmp', src: '10.0.0.1', dst: '10.0.0.2', icmpType: 3, icmpCode: 0, icmpId: 0 },
    '.icmpType',
    'RangeError',
  ],
  [{ ...tcp, family: 'ipv6' }, '.family', 'RangeError'],
  [{ ...tcp, orig: { bytes: 1 } }, '.orig.packets', 'TypeError'],
  [{ ...tcp, reply: { packets: 1, bytes: -1 } }, '.reply.bytes', 'RangeError'],
  [{ ...tcp, reply: { packets: 1.5, bytes: 1 } }, '.reply.packets', 'RangeError'],
  [{ ...tcp, reply: { packets: '1x', bytes: 1 } }, '.reply.packets', 'TypeError'],
  [{ ...tcp, reply: { packets: 1, bytes: 1, colour: 1 } }, '.reply.colour', 'TypeError'],
  [{ ...tcp, orig: { packets: 1, bytes: 1, src: '10.0.0.1' } }, '.src', 'TypeError'],
  [{ ...tcp, statusBits: 2 ** 32 }, '.statusBits', 'RangeError'],
  [{ ...tcp, status: ['assured', 'sure'] }, '.status[1]', 'RangeError'],
  [{ ...tcp, state: 'OPEN' }, '.state', 'RangeError'],
  [{ ...tcp, state: 'STATE_12' }, '.state', 'RangeError'],
  [{ ...tcp, state: 'STATE_3', statusBits: 8 }, '.state', 'RangeError'],
  [{ ...tcp, state: 'STATE_256', statusBits: 8 }, '.state', 'RangeError'],
  [{ ...tcp, protocol: 'sctp', state: 'ESTABLISHED' }, '.state', 'TypeError'],
  [{ ...tcp, timeout: -1 }, '.timeout', 'RangeError'],
  [{ ...tcp, mark: '1' }, '.mark', 'TypeError'],
  [{ ...tcp, zone: 65536 }, '.zone', 'RangeError'],
  [{ ...tcp, id: 1.5 }, '.id', 'RangeError'],
  [{ ...tcp, use: -1 }, '.use', 'RangeError'],
  [{ ...tcp, start: 'soon' }, '.start', 'TypeError'],
  [{ ...tcp, stop: 1n << 64n }, '.stop', 'RangeError'],
  [{ ...tcp, secctx: 5 }, '.secctx', 'TypeError'],
  [{ ...tcp, secctx: 'x'.repeat(4097) }, '.secctx', 'RangeError'],
  [{ ...tcp, labels: 5 }, '.labels', 'TypeError'],
  [{ ...tcp, labels: [1, 128] }, '.labels[1]', 'RangeError'],
  [{ ...tcp, helper: 'x'.repeat(16) }, '.helper', 'RangeError'],
  [{ ...tcp, nat: { src: 5 } }, '.nat.src', 'TypeError'],
  [{ ...tcp, master: { ...tcp, src: '::1', dst: '::2' } }, '.master.src', 'RangeError'],
  [
    { ...tcp, protocol: 'dccp', dccp: { role: 1, handshakeSeq: 0.5 } },
    '.dccp.handshakeSeq',
    'RangeError',
  ],
  [{ ...tcp, unknown: [{ type: 5, data: '' }] }, '.unknown[0].type', 'RangeError'],
  [{ ...tcp, unknown: [{ type: 90, data: 'abc' }] }, '.unknown[0].data', 'TypeError'],
  [{ ...tcp, unknown: [{ type: 90, data: '', more: 1 }] }, '.unknown[0].more', 'TypeError'],
  [
    { ...tcp, unknown: [{ type: 90, data: new Uint8Array(65521) }] },
    '.unknown[0].data.length',
    'RangeError',
  ],
];

test('a flow that is wrong is refused by the path of its field', () => {
  for (const [flow, path, kind] of wrong) {
    const error = refusal(() => FlowBatch.of([tcp, tcp, tcp, flow as FlowSample]));
    assert.is(error.name, kind, error.message);
    assert.ok(error.message.startsWith(`flows[3]${path}: `), `${path}: ${error.message}`);
    const event = refusal(() =>
      EventBatch.of([{ type: 'update', flow: flow as FlowSample }]),
    ) as Error;
    assert.ok(event.message.startsWith(`events[0].flow${path}: `), event.message);
  }
  for (const flows of [undefined, null, 5, {}]) {
    assert.match(String(refusal(() => FlowBatch.of(flows as never))), /^TypeError: flows: /);
    assert.match(String(refusal(() => EventBatch.of(flows as never))), /^TypeError: events: /);
  }
});

test('events: what they have, and what is refused', () => {
  const batch = EventBatch.of([
    { type: 'new', flow: tcp },
    { type: 'update', flow: { ...tcp, mark: 4 }, timestamp: 5n, nsid: 0, portid: 42, own: true },
    {
      type: 'destroy',
      flow: { ...tcp, start: 1, stop: '3' },
      timestamp: '18446744073709551615',
      nsid: 7,
      portid: 43,
    },
    { type: 'overrun', source: 'queue', lost: 3 },
  ]);
  assert.equal([...batch.types], [1, 2, 3]);
  assert.equal([...batch.columns.nsid], [-1, 0, 7]);
  assert.equal([...batch.columns.portid, ...batch.columns.own], [0, 42, 43, 0, 1, 2]);
  const [first, second, third, overrun] = [...batch.events()] as unknown as {
    [name: string]: unknown;
  }[];
  assert.equal(overrun, { type: 'overrun', source: 'queue', lost: 3 });
  assert.equal(Object.keys(first!), ['type', 'portid', 'own', 'flow']);
  assert.equal([first!.portid, first!.own], [0, false]);
  assert.equal([second!.portid, second!.own], [42, true]);
  assert.equal([third!.portid, 'own' in third!], [43, false]);
  assert.equal([second!.timestamp, second!.nsid], [5n, 0]);
  assert.equal([third!.timestamp, third!.duration], [2n ** 64n - 1n, 2n]);
  assert.is(batch.at(2)!.timeout, undefined);
  const text = JSON.stringify(batch);
  assert.is(JSON.stringify(EventBatch.of(batch.events())), text);
  assert.is(JSON.stringify(EventBatch.of(JSON.parse(text))), text);
  // The flows of events are no events any more.
  const flows = FlowBatch.of(batch);
  assert.equal([...flows.columns.type, ...flows.columns.nsid], [0, 0, 0, 0, 0, 0]);
  assert.equal(
    Array.from(
      EventBatch.of([...batch].map((flow) => ({ type: 'new', flow }))).events(),
      Object.keys,
    ),
    [
      ['type', 'portid', 'own', 'flow'],
      ['type', 'portid', 'own', 'flow'],
      ['type', 'duration', 'portid', 'own', 'flow'],
    ],
  );
  const refused: [event: unknown, path: string][] = [
    [{ type: 'gone', flow: tcp }, '.type'],
    [{ flow: tcp }, '.type'],
    [{ type: 'new' }, '.flow'],
    [{ type: 'new', flow: tcp, colour: 1 }, '.colour'],
    [{ type: 'new', flow: tcp, nsid: -2 }, '.nsid'],
    [{ type: 'new', flow: tcp, timestamp: 0.5 }, '.timestamp'],
    [{ type: 'new', flow: tcp, portid: -1 }, '.portid'],
    [{ type: 'new', flow: tcp, own: true }, '.portid'],
    [{ type: 'new', flow: tcp, own: 1 }, '.own'],
    [{ type: 'overrun', source: 'queue', lost: 0 }, '.lost'],
    [{ type: 'overrun', source: 'disk', lost: 1 }, '.source'],
    [null, ''],
  ];
  for (const [event, path] of refused) {
    const { message } = refusal(() => EventBatch.of([event as never]));
    assert.ok(message.startsWith(`events[0]${path}: `), message);
  }
  const early = refusal(() =>
    EventBatch.of([
      { type: 'overrun', source: 'queue', lost: 1 },
      { type: 'new', flow: tcp },
    ]),
  );
  assert.match(String(early), /^RangeError: events\[0\]\.type: only the last/);
});

test.run();

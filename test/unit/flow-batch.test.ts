// Flows and batches are compared with plain objects and arrays: decoding, rows, slices, filters, JSON, columns. The
// test makes the messages, so they also have parts that this machine's kernel never sends.
import { checkFilter } from '../../src/conntrack/filter/check.js';
import { packFilter } from '../../src/conntrack/filter/pack.js';
import { type Flow, type FlowBatch, type FlowObject, presenceBits } from '../../src/index.js';
import { canonical, nfctAttributes } from '../support/compare.js';
import { decodeMessages } from '../support/decode-program.js';
import { filterMatches, refusesRightly } from '../support/filter-oracle.js';
import { randomFilter, takenFilter } from '../support/flow-filters.js';
import { encodeFlow, makeFlows } from '../support/flow-messages.js';
import { assert, suite, throws } from '../support/harness.js';
import { nfctParse } from '../support/nfct-oracle.js';
import { Random } from '../support/random.js';

const test = suite('flow batch');

const flows = makeFlows(1, 2000);
const messages = flows.map((flow) => encodeFlow(flow).toString('hex'));
const { batch, verdicts } = decodeMessages(messages);

const same = (found: Iterable<Flow>, expected: FlowObject[]) =>
  assert.equal(
    Array.from(found, (flow) => canonical(flow.toObject())),
    expected.map(canonical),
  );

test('every attribute is read with the value that was written', () => {
  assert.ok(verdicts.every((verdict) => verdict === 'row'));
  same(batch, flows);
  for (const name of [
    'dccp',
    'secctx',
    'stop',
    'unknown',
    'master',
    'seqAdj',
    'synproxy',
  ] as const) {
    assert.ok(flows.filter((flow) => flow[name] !== undefined).length > 20, name);
  }
});

test('the library reads the same values from the same messages', () => {
  const { messages: parsed, survived } = nfctParse(messages);
  assert.ok(survived);
  for (const [i, { attributes }] of parsed.entries()) {
    const { tcp_mask_orig, tcp_mask_repl, helper_name, ...theirs } = attributes;
    // The library cuts a helper's name to 16 bytes, and leaves out attributes that it does not know.
    const { helper_name: name, ...ours } = nfctAttributes(flows[i]!);
    assert.is(canonical(theirs), canonical(ours));
    assert.is(helper_name === undefined, name === undefined);
  }
});

test('a row by its index, from both ends, and none beyond them', async () => {
  assert.is(batch.length, flows.length);
  for (const index of [0, 1, 999, -1, -2000]) {
    assert.is(canonical(batch.at(index)!.toObject()), canonical(flows.at(index)));
  }
  // An array gives the same. (An array would also take text.)
  for (const index of [2000, -2001, 1.5, -1.5, -0.5, Number.NaN, 1 / 0, -1 / 0]) {
    const [ours, theirs] = [batch.at(index)?.toObject(), flows.at(index)];
    assert.is(ours && canonical(ours), theirs && canonical(theirs), `${index}`);
  }
  await throws(TypeError, /^index: /, () => batch.at('0' as unknown as number));
});

test('every property of a view is that of the plain object', () => {
  for (const [i, view] of [...batch].entries()) {
    const flow = flows[i]!;
    // The sides are spread too, because JSON has numbers instead of bigints.
    const fields: FlowObject = { ...view, orig: { ...view.orig }, reply: { ...view.reply } };
    for (const key of Object.keys(flow) as (keyof FlowObject)[]) {
      assert.is(canonical({ x: fields[key] }), canonical({ x: flow[key] }), key);
    }
    for (const key of [
      'helper',
      'labels',
      'start',
      'stop',
      'timeout',
      'use',
      'secctx',
      'nat',
    ] as const) {
      if (!(key in flow)) assert.is(view[key], undefined, key);
    }
    for (const key of ['srcPort', 'icmpType', 'zone', 'packets', 'bytes'] as const) {
      assert.is(view.orig[key], flow.orig[key]);
      assert.is(view.reply[key], flow.reply[key]);
    }
  }
});

test('slices are like those of an array, also slices of slices', () => {
  const random = new Random(2);
  const bounds = () => random.pick([0, 1, -1, 64, -64, 2000, 5000, -5000, random.below(2000), 3.7]);
  for (let i = 0; i < 40; i++) {
    const [a, b, c, d] = [bounds(), bounds(), bounds(), bounds()];
    const once = batch.slice(a, b);
    const expected = flows.slice(a, b);
    assert.is(once.length, expected.length, `slice(${a}, ${b})`);
    const twice = once.slice(c, d);
    same(twice.slice(0, 20), expected.slice(c, d).slice(0, 20));
    assert.is(twice.length, expected.slice(c, d).length);
  }
  same(batch.slice(1990), flows.slice(1990));
  same(batch.slice(), flows);
  assert.is(batch.slice(5, 6).stats, batch.stats);
});

test('filters by function and by conditions, on slices and on filtered batches', () => {
  const odd = (flow: { mark: number }) => flow.mark % 2 === 1;
  same(batch.filter(odd), flows.filter(odd));
  const seen: number[] = [];
  batch.slice(10, 20).filter((_, index) => seen.push(index) > 0);
  assert.equal(seen, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  const random = new Random(3);
  let found = 0;
  for (let i = 0; i < 300; i++) {
    const filter = randomFilter(random, flows);
    const expected = flows.filter((flow) => filterMatches(flow, filter));
    if (refusesRightly(filter, flows)) continue;
    const direct = batch.filter(filter);
    assert.is(direct.length, expected.length, JSON.stringify(filter));
    same(direct, expected);
    if (expected.length > 0) found++;
    if (i % 10 > 0) continue;
    const some = batch.slice(100, 1500).filter(odd).filter(filter);
    same(
      some,
      flows
        .slice(100, 1500)
        .filter(odd)
        .filter((flow) => filterMatches(flow, filter)),
    );
    same(
      some.slice(1, 4),
      [...some].slice(1, 4).map((flow) => flow.toObject()),
    );
  }
  assert.ok(found > 150);
  assert.is(batch.filter({}).length, batch.length);
});

test('native code agrees on what a filter matches', () => {
  const random = new Random(4);
  for (let i = 0; i < 40; i++) {
    const filter = takenFilter(random, flows);
    const decoded = decodeMessages(messages, packFilter(checkFilter(filter)));
    const expected = flows.map((flow) => (filterMatches(flow, filter) ? 'row' : 'rejected'));
    assert.equal(decoded.verdicts, expected, JSON.stringify(filter));
  }
});

test('JSON has every value: as a number if that is exact, otherwise as text', () => {
  const plain = JSON.parse(
    JSON.stringify(flows, (_, value) => {
      if (typeof value === 'bigint') {
        return value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : value.toString();
      }
      return value instanceof Uint8Array ? Buffer.from(value).toString('hex') : value;
    }),
  ) as unknown[];
  const ours = JSON.parse(JSON.stringify(batch)) as unknown[];
  assert.equal(ours.map(canonical), plain.map(canonical));
  assert.is(canonical(JSON.parse(JSON.stringify(batch.at(3)))), canonical(plain[3]));
});

test('plain objects do not keep the batch', () => {
  const [flow] = batch.toArray();
  assert.equal(structuredClone(flow), flow);
  assert.is(canonical(structuredClone(batch.toArray())), canonical(flows));
});

test('columns have the values of the rows', () => {
  const { columns } = batch;
  const four = (address: string) =>
    address.split('.').reduce((sum, part) => (sum * 256 + Number(part)) >>> 0, 0);
  for (const [i, flow] of flows.entries()) {
    const presence = columns.presence[i]!;
    assert.is(columns.id[i], flow.id);
    assert.is(columns.family[i], flow.family === 'ipv4' ? 2 : 10);
    assert.is(columns.protocol[i], flow.protocolNumber);
    assert.is(columns.status[i], flow.statusBits);
    assert.is(columns.mark[i], flow.mark);
    assert.is(columns.zone[i], flow.zone);
    assert.is(columns.timeout[i], flow.timeout ?? 0);
    assert.is((presence & presenceBits.timeout) !== 0, flow.timeout !== undefined);
    assert.is(columns.origBytes[i], flow.orig.bytes ?? 0n);
    assert.is(columns.replyPackets[i], flow.reply.packets ?? 0n);
    assert.is((presence & presenceBits.replyCounters) !== 0, flow.reply.packets !== undefined);
    assert.is(columns.start[i], flow.start ?? 0n);
    assert.is(columns.stop[i], flow.stop ?? 0n);
    assert.is((presence & presenceBits.labels) !== 0, flow.labels !== undefined);
    assert.is(((presence >>> 0) & (presenceBits.unknown >>> 0)) !== 0, flow.unknown !== undefined);
    if (flow.family === 'ipv4') assert.is(columns.origSrc[i], four(flow.orig.src));
    if (flow.orig.srcPort !== undefined) assert.is(columns.origSrcPort[i], flow.orig.srcPort);
    if (flow.orig.icmpType !== undefined) {
      assert.is(columns.origSrcPort[i], flow.orig.icmpId);
      assert.is(columns.origDstPort[i], (flow.orig.icmpType << 8) | flow.orig.icmpCode!);
    }
  }
  assert.is(columns.mark, columns.mark);
});

test('a column without values is all zeros, with the right length', () => {
  const bare = flows.map((flow): FlowObject => {
    const { start, stop, tcp, ...rest } = flow;
    const { packets, bytes, ...orig } = flow.orig;
    const { packets: _p, bytes: _b, ...reply } = flow.reply;
    return { ...rest, orig, reply };
  });
  const { batch: plain } = decodeMessages(bare.map((flow) => encodeFlow(flow).toString('hex')));
  same(plain, bare);
  assert.is(plain.stats.withoutCounters, bare.length);
  for (const part of [plain, plain.slice(7, 77), plain.filter({ family: 'ipv6' })]) {
    assert.is(part.columns.origBytes.length, part.length);
    assert.ok(part.columns.origBytes.every((value) => value === 0n));
    assert.ok(part.columns.tcpFlagsOrig.every((value) => value === 0));
    assert.is(part.sum('bytes'), 0n);
  }
});

test('an empty batch works like any batch', async () => {
  const empties: FlowBatch[] = [
    decodeMessages([]).batch,
    batch.slice(3, 3),
    batch.filter(() => false),
  ];
  for (const empty of empties) {
    assert.is(empty.length, 0);
    assert.equal([...empty], []);
    assert.is(JSON.stringify(empty), '[]');
    assert.is(empty.columns.mark.length, 0);
    assert.is(empty.filter({ family: 'ipv4' }).length, 0);
    assert.equal(empty.groupBy('protocol'), []);
    assert.is(empty.top(5, 'bytes').length, 0);
    for (const index of [0, -1, 1.5, Number.NaN]) assert.is(empty.at(index), undefined);
  }
});

test.run();

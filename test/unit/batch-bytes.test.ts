// Batches as bytes and back, whole and in parts; and bytes that are no batch, damaged, or made to harm.
import { crc32 } from 'node:zlib';
import { columnLayout } from '../../src/conntrack/columns/schema.js';
import { EventBatch, FlowBatch } from '../../src/index.js';
import { decodeMessages } from '../support/decode-program.js';
import { encodeFlow, makeFlows } from '../support/flow-messages.js';
import { assert, suite } from '../support/harness.js';
import { batch as madeBatch } from '../support/made-batch.js';
import { Random } from '../support/random.js';
import { sameBatch } from '../support/same-batch.js';

const test = suite('bytes of batches');

const messages = (seed: number, count: number) =>
  decodeMessages(makeFlows(seed, count).map((flow) => encodeFlow(flow).toString('hex'))).batch;
const everything = messages(41, 2000);
const few = messages(42, 40);

const tcp = { protocol: 'tcp', src: '10.0.0.1', dst: '192.0.2.1', srcPort: 1 } as const;
const events = EventBatch.of([
  { type: 'new', flow: { ...tcp, dstPort: 1 }, portid: 9, own: true },
  { type: 'update', flow: { ...tcp, dstPort: 2, labels: [3] }, portid: 8, nsid: 4 },
  { type: 'destroy', flow: { ...tcp, dstPort: 3, start: 1n, stop: 4n }, timestamp: 5n },
  { type: 'overrun', source: 'kernel', lost: 12 },
]);

test('every attribute survives', () => {
  const read = FlowBatch.from(everything.toBytes());
  sameBatch(read, everything);
  assert.equal(read.columns.presenceMore, everything.columns.presenceMore);
  assert.ok(read.columns.presenceMore.some((bits) => bits !== 0)); // data of helpers
  // A batch that was read gives the same bytes.
  assert.equal(Buffer.from(read.toBytes()), Buffer.from(everything.toBytes()));
  const { messages: sent, sockets, withoutCounters } = read.stats;
  assert.equal([sent, sockets, withoutCounters], [0, 0, everything.stats.withoutCounters]);
});

test('random batches, whole and in parts: a part has only its own rows', () => {
  const random = new Random(43);
  for (let i = 0; i < 20; i++) {
    const batch = madeBatch(random, {
      rows: random.pick([0, 1, 63, 64, 65, 300]),
      ipv6: random.pick([0, 40, 100]),
      group: random.pick([0, 2, 4, 6] as const),
      bits: random.pick([20, 40, 63] as const),
    });
    sameBatch(FlowBatch.from(batch.toBytes()), batch);
  }
  const parts = [
    everything.slice(100, 300),
    everything.filter(({ protocol }) => protocol === 'tcp'),
    everything.filter(({ mark }) => mark % 17 === 0).slice(2),
    everything.top(30, 'bytes'),
    everything.slice(1990).filter(() => true),
    everything.slice(5, 5),
  ];
  for (const part of parts) {
    const bytes = part.toBytes();
    sameBatch(FlowBatch.from(bytes), part);
    // The same flows in a batch of their own take the same room.
    assert.is(FlowBatch.from(bytes).toBytes().length, bytes.length);
    assert.ok(bytes.length < everything.toBytes().length * (part.length / 2000) + 20_000);
  }
});

test('events keep what makes events of them', () => {
  const bytes = events.toBytes();
  const read = EventBatch.from(bytes);
  assert.is(JSON.stringify(read), JSON.stringify(events));
  assert.equal(read.overrun, { type: 'overrun', source: 'kernel', lost: 12 });
  assert.equal([...read.columns.own], [1, 2, 0]);
  // As flows they have the same columns, and no losses.
  const flows = FlowBatch.from(bytes);
  assert.not.instance(flows, EventBatch);
  assert.equal(flows.columns.type, events.types);
  assert.throws(() => EventBatch.from(few.toBytes()), /^bytes: these are flows/);
});

test('bytes at any place of a buffer', () => {
  const bytes = few.toBytes();
  for (const shift of [1, 3, 4]) {
    const buffer = new Uint8Array(bytes.length + 16);
    buffer.set(bytes, shift);
    const at = buffer.subarray(shift, shift + bytes.length);
    const read = FlowBatch.from(at);
    at.fill(0xff); // they were copied
    sameBatch(read, few);
  }
  const shared = new Uint8Array(new SharedArrayBuffer(bytes.length));
  shared.set(bytes);
  sameBatch(FlowBatch.from(shared), few);
  sameBatch(FlowBatch.from(Buffer.from(bytes)), few);
});

/** Sets the checksum that the bytes should have, as somebody would who wants to harm. */
function signed(bytes: Uint8Array): Uint8Array {
  new DataView(bytes.buffer, bytes.byteOffset).setUint32(8, crc32(bytes.subarray(12)), true);
  return bytes;
}

/** What was made of bytes: a refusal, or a batch of which everything can be read. */
function outcome(bytes: Uint8Array): 'refused' | 'read' {
  for (const read of [FlowBatch.from, EventBatch.from] as const) {
    let batch: FlowBatch;
    try {
      batch = read.call(read === EventBatch.from ? EventBatch : FlowBatch, bytes);
    } catch (error) {
      assert.ok(error instanceof RangeError || error instanceof TypeError, String(error));
      assert.match((error as Error).message, /^bytes: /);
      continue;
    }
    for (const flow of batch) {
      String(flow);
      JSON.stringify(flow);
    }
    batch.groupBy(['origSrc', 'helper', 'state']);
    batch.filter({ src: 'fd00::/8' });
    FlowBatch.concat(batch, batch);
    FlowBatch.diff(batch, batch);
    FlowBatch.from(batch.toBytes());
    return 'read';
  }
  return 'refused';
}

test('bytes that are cut off at any place, and bytes with something behind them', () => {
  for (const whole of [few.toBytes(), events.toBytes()]) {
    for (let size = 0; size < whole.length; size++) {
      assert.is(outcome(whole.slice(0, size)), 'refused', `${size}`);
      // Also with a length and a checksum that fit.
      if (size < 64) continue;
      const cut = whole.slice(0, size);
      new DataView(cut.buffer).setFloat64(16, size, true);
      assert.is(outcome(signed(cut)), 'refused', `${size}`);
    }
    assert.is(outcome(Uint8Array.of(...whole, 0)), 'refused');
  }
});

test('a flipped bit is noticed', () => {
  const whole = few.toBytes();
  for (let at = 0; at < whole.length; at++) {
    const damaged = whole.slice();
    damaged[at]! ^= 1 << (at % 8);
    assert.is(outcome(damaged), 'refused', `${at}`);
  }
});

test('what is wrong is said', () => {
  const changed = (change: (view: DataView, bytes: Uint8Array) => void) => {
    const bytes = few.toBytes();
    change(new DataView(bytes.buffer), bytes);
    return () => FlowBatch.from(signed(bytes));
  };
  for (const [change, words] of [
    [(_view, bytes) => bytes.fill(0, 0, 4), /do not begin/],
    [(view) => view.setUint16(4, 2, true), /version is 2, and this package reads 1/],
    [(view) => view.setUint16(6, 0xfffe, true), /other byte order/],
    [(view) => view.setFloat64(16, 7, true), /of 7 bytes/],
    [(view) => view.setUint32(12, 0xffff_ffff, true), /beyond their end/],
    [(view) => view.setUint32(32, 0xffff_ffff, true), /beyond their end/],
    [(view) => view.setUint32(36, 0xffff_ffff, true), /beyond their end/],
    [(view) => view.setFloat64(40, 1e300, true), /beyond their end/],
    [(view) => view.setFloat64(40, Number.NaN, true), /beyond their end/],
    [(view) => view.setFloat64(40, -8, true), /beyond their end/],
    [(view) => view.setUint32(24, 0xffff_ffff, true), /name of a column|does not know/],
    [(view) => view.setUint32(24, 5, true), /more than their head says/],
    [(view) => view.setUint32(48, 7, true), /kind is unknown/],
    [(view) => view.setUint32(52, 3, true), /source of a loss/],
    [(view) => view.setFloat64(56, 3, true), /count of a loss/],
    [
      (_view, bytes) => bytes.fill(0x41, 65, 66),
      /column that this package does not know: Aresence/,
    ],
  ] as [(view: DataView, bytes: Uint8Array) => void, RegExp][]) {
    assert.throws(
      changed(change),
      (error: Error) => {
        assert.instance(error, RangeError);
        return words.test(error.message);
      },
      String(words),
    );
  }
  for (const nothing of [undefined, null, 'CTFB', new ArrayBuffer(64), [1, 2], {}]) {
    assert.throws(
      () => FlowBatch.from(nothing as never),
      (error: Error) => error instanceof TypeError && /^bytes: /.test(error.message),
    );
  }
});

test('indexes that lead elsewhere are found in every row', () => {
  const whole = few.toBytes();
  const view = new DataView(whole.buffer);
  const names = view.getUint32(28, true);
  /** Where the value of a column begins. */
  const place = (wanted: string, row: number) => {
    let at = 64 + names;
    for (const [name, { size, group }] of Object.entries(columnLayout)) {
      if (name === wanted) return at + row * size;
      if (group <= 6) at = Math.ceil((at + few.length * size) / 8) * 8;
    }
    throw new Error(wanted);
  };
  let addresses = 0;
  for (let row = 0; row < few.length; row++) {
    const bytes = whole.slice();
    bytes[place('family', row)] = 7;
    assert.throws(() => FlowBatch.from(signed(bytes)), new RegExp(`row ${row} has the family 7`));
    if (few.at(row)!.family !== 'ipv6') continue;
    for (const name of ['origSrc', 'origDst', 'replySrc', 'replyDst']) {
      const wild = whole.slice();
      new DataView(wild.buffer).setUint32(place(name, row), view.getUint32(32, true), true);
      assert.throws(() => FlowBatch.from(signed(wild)), /an address that is not there/);
      addresses++;
    }
  }
  assert.ok(addresses > 20);
});

test('ten thousand mutations with a right checksum: refused, or a batch that can be read', () => {
  const random = new Random(44);
  const sources = [few.toBytes(), events.toBytes(), few.slice(3, 6).toBytes()];
  const counts = { refused: 0, read: 0 };
  const wild = [0, 1, 2, 3, 4, 7, 0x7f, 0x80, 0xfe, 0xff];
  for (let i = 0; i < 10_000; i++) {
    const bytes = random.pick(sources).slice();
    const view = new DataView(bytes.buffer);
    const times = random.integer(1, 4);
    for (let k = 0; k < times; k++) {
      // The head, the names and the attributes at the end are where a mutation can do most.
      const at = random.pick([
        () => random.integer(12, 63),
        () => random.integer(64, Math.min(600, bytes.length - 1)),
        () => random.below(bytes.length),
        () => bytes.length - 1 - random.below(Math.min(2000, bytes.length - 64)),
      ])();
      if (random.chance(20) && at + 4 <= bytes.length) view.setUint32(at, random.u32(), true);
      else if (random.chance(50)) bytes[at] = random.pick(wild);
      else bytes[at]! ^= 1 << random.below(8);
    }
    counts[outcome(signed(bytes))]++;
  }
  // Both happen: a value that changed is a value.
  assert.ok(counts.refused > 1000 && counts.read > 1000, JSON.stringify(counts));
});

test.run();

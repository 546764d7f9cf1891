// Rows of a batch that native code packs from the columns: the same bytes as of the flows as objects, and the same
// refusals.
import { EventBatch, FlowBatch } from '../../src/index.js';
import type { RawBatch } from '../../src/native/binding.js';
import { addon } from '../../src/native/load.js';
import { decodeMessages } from '../support/decode-program.js';
import { encodeFlow, makeFlows } from '../support/flow-messages.js';
import { assert, suite } from '../support/harness.js';
import { batch as madeBatch, noStats, rawBatch } from '../support/made-batch.js';
import { samePacked, sameTuples } from '../support/packed-flows.js';
import { Random } from '../support/random.js';

const test = suite('packed rows');

function same(batch: FlowBatch): number {
  sameTuples(batch);
  return samePacked(batch);
}

/** Views of a batch: parts, and rows that were chosen. */
function* viewsOf(batch: FlowBatch): Generator<FlowBatch> {
  yield batch;
  yield batch.slice(3, -5);
  yield batch.filter((_, row) => row % 3 !== 1);
  yield batch.filter((_, row) => row % 17 === 1); // few: a copy
  yield batch.slice(10).filter((_, row) => row % 2 === 0);
  yield batch.filter((_, row) => row % 2 === 0).slice(5, 50);
  yield batch.slice(4, 4);
}

test('flows with every attribute, as native code decodes them', () => {
  const flows = makeFlows(51, 500);
  const { batch } = decodeMessages(flows.map((flow) => encodeFlow(flow).toString('hex')));
  for (const view of viewsOf(batch)) same(view);
  assert.ok(same(batch) > 100);
});

test('the same flows in a made batch, and as events', () => {
  const flows = makeFlows(52, 400);
  for (const view of viewsOf(FlowBatch.of(flows))) same(view);
  const types = ['new', 'update', 'destroy'] as const;
  const events = flows.map((flow, i) => ({ type: types[i % 3]!, flow, nsid: (i % 5) - 1 }));
  const { timeout: _, ...ended } = flows[0]!;
  const batch = EventBatch.of([...events, { type: 'destroy', flow: ended }]);
  for (const view of viewsOf(batch)) same(view);
});

test('random columns', () => {
  const random = new Random(53);
  for (let i = 0; i < 6; i++) {
    const group = random.pick([0, 2, 4, 6] as const);
    const batch = madeBatch(random, { rows: 200, ipv6: random.below(101), group, bits: 20 });
    for (const view of viewsOf(batch)) same(view);
  }
});

/** Writes what makes no sense into the columns and beside them. */
function damage(random: Random, batch: FlowBatch): void {
  const { columns } = batch;
  const { extra } = FlowBatch.storeOf(batch)!.memory;
  for (let i = 0; i < 60; i++) {
    const row = random.below(batch.length);
    const bit = 2 ** random.below(32);
    switch (random.below(9)) {
      case 0:
        columns.presence[row] = (columns.presence[row]! ^ bit) >>> 0;
        break;
      case 1:
        columns.protocol[row] = random.pick([0, 1, 6, 17, 33, 47, 58, 132, 136, random.below(256)]);
        break;
      case 2:
        columns.state[row] = random.below(256);
        break;
      case 3:
        columns.status[row] = random.u32();
        break;
      case 4:
        columns.origDstPort[row] = random.below(65536);
        break;
      case 5:
        columns.tcpWscaleOrig[row] = random.below(256);
        break;
      case 6:
        extra[random.below(extra.length)]! ^= bit;
        break;
      case 7:
        columns.timeout[row] = random.pick([0, 1, 0xffff_ffff]);
        break;
      default:
        columns.replyDst[row] = columns.family[row] === 2 ? random.u32() : columns.origSrc[row]!;
    }
  }
}

test('columns that somebody has written to', () => {
  const random = new Random(54);
  for (let round = 0; round < 20; round++) {
    const flows = makeFlows(100 + round, 120);
    const { batch } = decodeMessages(flows.map((flow) => encodeFlow(flow).toString('hex')));
    damage(random, batch);
    samePacked(batch);
  }
});

test('memory that is cut off, or that points beyond its end', () => {
  const random = new Random(55);
  const raw = rawBatch(random, { rows: 100, ipv6: 50, group: 2, bits: 20 });
  const cut: RawBatch[] = [
    { ...raw, arena: raw.arena!.slice(0, 400) },
    { ...raw, addresses: raw.addresses!.slice(0, 40) },
    { ...raw, addresses: undefined },
    {
      ...raw,
      extraIndex: Uint32Array.of(0, 0xffff_fff0, 1, 4, 2).buffer,
      extra: new ArrayBuffer(6),
    },
    { ...raw, rows: 100, capacity: 0xffff_ffff },
  ];
  // Without their addresses, rows of IPv6 are none.
  const bare = FlowBatch.storeOf(FlowBatch.fromRaw({ ...raw, addresses: undefined }, noStats))!;
  const whole = FlowBatch.storeOf(FlowBatch.fromRaw(raw, noStats))!;
  let six = 0;
  for (let row = 0; row < 100; row++) {
    const [packed, packable] = [bare, whole].map(
      ({ memory }) => addon().ctPackRows(memory, Uint32Array.of(row), 0, false).next,
    );
    const v6 = whole.column('family')[row] === 10;
    assert.is(packed, v6 ? 0 : packable);
    if (v6) six += packable!;
  }
  assert.ok(six > 0);
  for (const one of cut) {
    const store = FlowBatch.storeOf(FlowBatch.fromRaw(one, noStats))!;
    const numbers = Uint32Array.of(0, 1, 99, 100, 0xffff_ffff);
    for (const number of numbers) {
      const { next, packed } = addon().ctPackRows(store.memory, Uint32Array.of(number), 0, false);
      assert.is(next === 0, packed.length === 0);
    }
    assert.is(addon().ctPackTuples(store.memory, numbers, true).length, 5 * 60);
    assert.is(addon().ctPackRows(store.memory, numbers, 77, false).next, 77);
  }
});

test.run();

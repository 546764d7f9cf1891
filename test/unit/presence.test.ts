// The second word of presence: attributes with a bit there are read, filtered, copied and exported like those of the
// first word. JavaScript takes the last bit of a word as a sign.

import { validity } from '../../src/conntrack/batch/arrow.js';
import { ColumnStore } from '../../src/conntrack/columns/column-store.js';
import { columnsOf } from '../../src/conntrack/columns/flow-columns.js';
import { LookupArena } from '../../src/conntrack/columns/lookup-arena.js';
import { type Presence, presenceFor } from '../../src/conntrack/columns/presence.js';
import { attributeOf, columnLayout, has, hasMore } from '../../src/conntrack/columns/schema.js';
import { AnyBitCondition } from '../../src/conntrack/filter/row-conditions.js';
import type { FlowObject } from '../../src/conntrack/flow/fields.js';
import { addRare, together } from '../../src/conntrack/flow/rare.js';
import { FlowBatch, presenceBits, presenceMoreBits } from '../../src/index.js';
import { decodeMessages } from '../support/decode-program.js';
import { encodeFlow, makeFlows } from '../support/flow-messages.js';
import { assert, suite } from '../support/harness.js';
import { noStats, rawBatch } from '../support/made-batch.js';
import { Random } from '../support/random.js';

const test = suite('presence');

const last = 0x8000_0000;
const raw = rawBatch(new Random(7), { rows: 300, ipv6: 30, group: 6, bits: 40 });
const store = ColumnStore.fromRaw(raw);
const batch = FlowBatch.fromRaw(raw, noStats);
const more = Uint32Array.from(store.column('presenceMore'));
const hasLast = (row: number) => more[row]! >= last;

test('every bit is a power of two, and no two attributes of a word share one', () => {
  for (const word of [has, hasMore]) {
    const bits = Object.values<number>(word);
    assert.is(new Set(bits).size, bits.length);
    for (const bit of bits) assert.ok(bit > 0 && bit <= last && Number.isInteger(Math.log2(bit)));
  }
  assert.is(presenceBits, has);
  assert.is(presenceMoreBits, hasMore);
  assert.is(Object.keys({ ...has, ...hasMore }).length, 32 + Object.keys(hasMore).length);
});

test('the attribute of a column is a bit of its word', () => {
  for (const { column, bit } of Object.values(attributeOf)) {
    const word: Record<string, number> = column === 'presence' ? has : hasMore;
    assert.ok(Object.values(word).includes(bit));
  }
  const { presence, bits } = presenceFor(store, 'origBytes', 'replyBytes');
  assert.is(presence, store.column('presence'));
  assert.is(bits, has.origCounters | has.replyCounters);
  assert.is(presenceFor(store, 'mark').bits, 0);
});

test('a batch without such attributes leaves the column out, and it reads as zeros', () => {
  const small = rawBatch(new Random(7), { rows: 300, ipv6: 30, group: 4, bits: 40 });
  const { presenceMore } = FlowBatch.fromRaw(small, noStats).columns;
  assert.is(presenceMore.length, 300);
  assert.ok(presenceMore.every((word) => word === 0));
  assert.not(ColumnStore.fromRaw(small).stores('presenceMore'));
});

test('slices, chosen rows and filters keep the bits of their rows', () => {
  const seen = [0, 1, last, 0xffff_ffff].map((word) => more.includes(word));
  assert.equal(seen, [true, true, true, true]);
  assert.equal([...batch.columns.presenceMore], [...more]);
  assert.equal([...batch.slice(100, 180).columns.presenceMore], [...more.slice(100, 180)]);
  for (const every of [2, 50]) {
    // A few rows are copied at once. Of many rows, each column is copied when it is read.
    const rows = Array.from(more.keys()).filter((row) => row % every === 0);
    const chosen = batch.filter((_, row) => row % every === 0);
    assert.equal(
      [...chosen.columns.presenceMore],
      rows.map((row) => more[row]!),
    );
  }
});

test('a condition on rows tests the given word', () => {
  const rows = new Uint32Array(more.length);
  const condition = new AnyBitCondition(store.column('presenceMore'), last | 0);
  const kept = condition.scan(0, rows.length, rows);
  assert.equal([...rows.subarray(0, kept)], Array.from(more.keys()).filter(hasLast));
});

test('a column of Arrow is null if the last bit is not set', () => {
  const sent: Presence = { presence: store.column('presenceMore'), bits: last | 0 };
  const { bitmap, nulls } = validity(sent);
  for (const row of more.keys()) {
    assert.is(((bitmap[row >> 3]! >> (row & 7)) & 1) === 1, hasLast(row));
  }
  assert.is(nulls, more.filter((_, row) => !hasLast(row)).length);
});

test('a flow gets a field of either word', () => {
  const from = columnsOf(store);
  const write = () => {};
  const fields = together(
    { name: 'secctx', more: last | 0, read: (_, columns, row) => `row ${columns.id[row]}`, write },
    { name: 'helper', bits: has.timeout, read: () => 'first word', write },
  );
  for (const row of more.keys()) {
    const flow = {} as FlowObject;
    addRare(flow, fields, from, row);
    const timeout = (from.presence[row]! & has.timeout) !== 0;
    assert.equal(flow, {
      ...(hasLast(row) && { secctx: `row ${from.id[row]}` }),
      ...(timeout && { helper: 'first word' }),
    } as FlowObject);
  }
});

test('a lookup has room for the second word', () => {
  const arena = new LookupArena();
  const at = LookupArena.capacity * columnLayout.presenceMore.prefix;
  new Uint32Array(arena.bytes.buffer, at, LookupArena.capacity)[63] = 0xffff_ffff;
  assert.is(arena.store.column('presenceMore')[63], 0xffff_ffff);
  assert.is(arena.store.addresses[0], 0);
});

test('native code reads the data of a helper from a message', () => {
  const bytes = encodeFlow(makeFlows(3, 50).find(({ helper }) => helper === undefined)!);
  // CTA_HELP with the name "a" and one byte of CTA_HELP_INFO.
  const help = [20, 0, 5, 0x80, 5, 0, 1, 0, 0x61, 0, 0, 0, 5, 0, 2, 0, 1, 0, 0, 0];
  const plain = bytes.toString('hex');
  const longer = Buffer.concat([bytes, Buffer.from(help)]);
  longer.writeUInt32LE(longer.length); // nlmsg_len
  const withData = longer.toString('hex');
  const { batch: read, verdicts } = decodeMessages([plain, withData, plain]);
  assert.equal(verdicts, ['row', 'row', 'row']);
  assert.equal([...read.columns.presenceMore], [0, hasMore.helperInfo, 0]);
  assert.equal(
    [...read].map((flow) => flow.helper),
    [undefined, 'a', undefined],
  );
});

test.run();

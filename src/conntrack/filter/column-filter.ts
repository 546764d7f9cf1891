// A FlowFilter over the columns of a batch. In each block of rows, a condition looks at the rows that the one before
// it left. The conditions that are cheap and leave few rows come first.
//
// native/core/conntrack/filter/filter.cc asks the same of one decoded message. Both stay, for two reasons. A batch is
// filtered where no addon is loaded. And columns are faster than rows: over 1,000,000 flows, a filter on a protocol
// and a port takes 2.5 ms here, and a loop over an array of objects 30 ms. Native code that reads each row back from the
// columns takes 64 ms. A filter means the same in both places: test/kernel/filter.test.ts compares them.
import {
  addressColumns,
  type ColumnStore,
  portColumns,
  type Side,
} from '../columns/column-store.js';
import { has } from '../columns/schema.js';
import * as rare from '../flow/rare.js';
import {
  type AddressSet,
  inMasks,
  inRanges,
  type MaskedAddress,
  singleMask,
} from './address-set.js';
import { NotCondition, OneOfCondition } from './combined-conditions.js';
import type { LabelBits, LabelSet } from './label-set.js';
import type { PortSet } from './port-set.js';
import {
  AnyBitCondition,
  MaskCondition,
  PortSetCondition,
  RangeCondition,
  type RowCondition,
  type RowTest,
  SetCondition,
  TestCondition,
} from './row-conditions.js';
import type { CheckedFilter } from './types.js';

/** Rows that a condition looks at before the next one does: what it selects stays in the cache. */
const block = 16384;
const sides = [0, 1, 2, 3] as const;

/** The rows that match, ascending. */
export function matchingRows(store: ColumnStore, filter: CheckedFilter): Uint32Array {
  const [first, ...others] = conditionsOf(store, filter);
  if (first === undefined) return Uint32Array.from({ length: store.rows }, (_, row) => row);
  const selection = new Uint32Array(Math.min(block, store.rows));
  const parts: Uint32Array[] = [];
  let total = 0;
  for (let from = 0; from < store.rows; from += block) {
    let count = first.scan(from, Math.min(from + block, store.rows), selection);
    for (const other of others) count = other.sift(selection, count);
    if (count === 0) continue;
    parts.push(selection.slice(0, count));
    total += count;
  }
  const rows = new Uint32Array(total);
  let at = 0;
  for (const part of parts) {
    rows.set(part, at);
    at += part.length;
  }
  return rows;
}

function conditionsOf(store: ColumnStore, filter: CheckedFilter): RowCondition[] {
  const conditions = [...columnConditions(store, filter)];
  for (const test of rowTests(store, filter)) conditions.push(new TestCondition(test));
  const { host, port, any, not } = filter;
  const size = Math.min(block, store.rows);
  const oneOf = (branches: RowCondition[][]) => conditions.push(new OneOfCondition(size, branches));
  if (port) oneOf(sides.map((side) => portConditions(store, side, port)));
  if (host) oneOf(sides.map((side) => hostConditions(store, side, host)));
  if (any) oneOf(any.map((inner) => conditionsOf(store, inner)));
  if (not) conditions.push(new NotCondition(size, conditionsOf(store, not)));
  return conditions;
}

/** The column holds ICMP values where a flow has no ports. */
function portConditions(store: ColumnStore, side: Side, ports: PortSet): RowCondition[] {
  const column = store.column(portColumns[side]);
  const bit = side < 2 ? has.origPorts : has.replyPorts;
  return [
    ports.length === 2
      ? new RangeCondition(column, ports[0]!, ports[1]!)
      : new PortSetCondition(column, ports),
    new AnyBitCondition(store.column('presence'), bit),
  ];
}

/** An address of one family decides the family of the filter. */
function hostConditions(store: ColumnStore, side: Side, set: AddressSet): RowCondition[] {
  const single = singleMask(set);
  if (single?.family !== 2) return [new TestCondition(addressTest(store, side, set))];
  const column = store.column(addressColumns[side]);
  return [new MaskCondition(column, single.mask[0]!, single.value[0]!)];
}

/** Conditions on one column each. Those that usually leave the fewest rows come first. */
function* columnConditions(store: ColumnStore, filter: CheckedFilter): Generator<RowCondition> {
  for (const side of sides) {
    const ports = filter.ports[side];
    if (ports) yield* portConditions(store, side, ports);
    const set = filter.addresses[side];
    const single = set && singleMask(set);
    if (single?.family === 2) {
      const column = store.column(addressColumns[side]);
      yield new MaskCondition(column, single.mask[0]!, single.value[0]!);
    }
  }
  if (filter.mark) {
    yield new MaskCondition(store.column('mark'), filter.mark.mask, filter.mark.value);
  }
  if (filter.status) {
    const { all, any, none } = filter.status;
    if (all !== 0) yield new MaskCondition(store.column('status'), all, all);
    if (none !== 0) yield new MaskCondition(store.column('status'), none, 0);
    if (any !== 0) yield new AnyBitCondition(store.column('status'), any);
  }
  if (filter.zone !== undefined) {
    yield new RangeCondition(store.column('zone'), filter.zone, filter.zone);
  }
  if (filter.protocols) yield new SetCondition(store.column('protocol'), filter.protocols);
  if (filter.family !== undefined) {
    yield new SetCondition(store.column('family'), [filter.family]);
  }
}

/** What is asked about each row that is left. */
function* rowTests(store: ColumnStore, filter: CheckedFilter): Generator<RowTest> {
  for (const side of sides) {
    const set = filter.addresses[side];
    const single = set && singleMask(set);
    if (single?.family === 10) yield maskTest(store, side, single);
    else if (set && single === undefined) yield addressTest(store, side, set);
  }
  for (const direction of [0, 1] as const) yield* icmpTests(store, filter, direction);
  if (filter.states) yield stateTest(store, filter.states);
  yield* rareTests(store, filter);
}

/** For IPv6: the address column of such a row holds an index. */
function maskTest(store: ColumnStore, side: Side, { value, mask }: MaskedAddress): RowTest {
  const column = store.column(addressColumns[side]);
  const compared = [0, 1, 2, 3].filter((i) => mask[i] !== 0);
  return (row) => {
    const at = column[row]! * 16;
    for (const i of compared) {
      if (((wordAt(store.addresses, at + i * 4) & mask[i]!) ^ value[i]!) !== 0) return false;
    }
    return true;
  };
}

function addressTest(store: ColumnStore, side: Side, { v4, v6, masked }: AddressSet): RowTest {
  const column = store.column(addressColumns[side]);
  const family = store.column('family');
  const words = new Uint32Array(4);
  return (row) => {
    const four = family[row] === 2;
    if (four) words[0] = column[row]!;
    else
      for (let i = 0; i < 4; i++) {
        words[i] = wordAt(store.addresses, column[row]! * 16 + i * 4);
      }
    if (four ? inRanges(v4, words, 1) : inRanges(v6, words, 4)) return true;
    return masked.length > 0 && inMasks(masked, words, four ? 2 : 10);
  };
}

function wordAt(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!;
}

function* icmpTests(
  store: ColumnStore,
  filter: CheckedFilter,
  direction: 0 | 1,
): Generator<RowTest> {
  const { type, code, id } = filter.icmp[direction]!;
  if (type === undefined && code === undefined && id === undefined) return;
  const presence = store.column('presence');
  const bit = direction === 0 ? has.origIcmp : has.replyIcmp;
  const ids = store.column(direction === 0 ? 'origSrcPort' : 'replySrcPort');
  const typeCodes = store.column(direction === 0 ? 'origDstPort' : 'replyDstPort');
  yield (row) =>
    (presence[row]! & bit) !== 0 &&
    (type === undefined || typeCodes[row]! >> 8 === type) &&
    (code === undefined || (typeCodes[row]! & 0xff) === code) &&
    (id === undefined || ids[row] === id);
}

function stateTest(
  store: ColumnStore,
  states: { tcp: number; sctp: number; dccp: number },
): RowTest {
  const presence = store.column('presence');
  const protocol = store.column('protocol');
  const state = store.column('state');
  const wanted = new Uint32Array(256);
  wanted[6] = states.tcp;
  wanted[132] = states.sctp;
  wanted[33] = states.dccp;
  return (row) =>
    (presence[row]! & has.state) !== 0 && ((wanted[protocol[row]!]! >> state[row]!) & 1) === 1;
}

function* rareTests(store: ColumnStore, filter: CheckedFilter): Generator<RowTest> {
  const presence = store.column('presence');
  const extra = <T>(row: number, bit: number, read: (bytes: Uint8Array) => T) => {
    const bytes = (presence[row]! & bit) !== 0 ? store.extraBytes(row) : undefined;
    return bytes && read(bytes);
  };
  for (const direction of [0, 1] as const) {
    const zone = filter.tupleZones[direction];
    if (zone === undefined) continue;
    const bit = direction === 0 ? has.origZone : has.replyZone;
    yield (row) => extra(row, bit, (bytes) => rare.tupleZone(bytes, direction === 1)) === zone;
  }
  const { label, helper, nat } = filter;
  if (label !== undefined) yield (row) => labelsMatch(label, extra(row, has.labels, rare.labels));
  if (helper !== undefined) yield (row) => extra(row, has.helper, rare.helperName) === helper;
  if (nat !== undefined) {
    const src = sourceTest(store);
    const dst = translationTest(store, 1, 2);
    if (nat === 'src') yield src;
    else if (nat === 'dst') yield dst;
    else if (nat === 'any') yield (row) => src(row) || dst(row);
    else yield (row) => !src(row) && !dst(row);
  }
}

/** A flow without labels has none of them. */
function labelsMatch({ all, any, none }: LabelSet, labels: readonly number[] = []): boolean {
  const bits = new Uint32Array(4);
  for (const label of labels) bits[label >> 5]! |= 1 << (label & 31);
  const some = (wanted: LabelBits) => bits.some((word, i) => (word & wanted[i]!) !== 0);
  return (
    bits.every((word, i) => (all[i]! & ~word) === 0) &&
    !some(none) &&
    (any.every((word) => word === 0) || some(any))
  );
}

/** A translation of the source changes the id of ICMP as it changes the source port of other protocols. */
function sourceTest(store: ColumnStore): RowTest {
  const translated = translationTest(store, 0, 3);
  const presence = store.column('presence');
  const orig = store.column(portColumns[0]);
  const reply = store.column(portColumns[2]);
  const icmp = has.origIcmp | has.replyIcmp;
  return (row) => translated(row) || ((presence[row]! & icmp) === icmp && orig[row] !== reply[row]);
}

function translationTest(store: ColumnStore, original: Side, mirrored: Side): RowTest {
  const presence = store.column('presence');
  const family = store.column('family');
  const a = store.column(addressColumns[original]);
  const b = store.column(addressColumns[mirrored]);
  const aPort = store.column(portColumns[original]);
  const bPort = store.column(portColumns[mirrored]);
  const ports = has.origPorts | has.replyPorts;
  return (row) => {
    if ((presence[row]! & ports) === ports && aPort[row] !== bPort[row]) return true;
    if (a[row] === b[row]) return false;
    if (family[row] === 2) return true;
    for (let i = 0; i < 16; i++) {
      if (store.addresses[a[row]! * 16 + i] !== store.addresses[b[row]! * 16 + i]) return true;
    }
    return false;
  };
}

// sum, groupBy, top, filter and slices of made-up batches, computed on columns, against the same computed on
// plain objects: values up to 64 bits, both families, batches without some groups of columns.

import type { GroupKey } from '../../src/conntrack/aggregate.js';
import { type ColumnName, roundRows } from '../../src/conntrack/column-store.js';
import { columnLayout, has } from '../../src/conntrack/columns.js';
import { FlowBatch, type FlowObject, type Measure } from '../../src/index.js';
import { assert, suite } from '../support/harness.js';
import { Random } from '../support/random.js';

const test = suite('aggregates');

const noStats = {
  ...{ messages: 0, undecodable: 0, rejected: 0, duplicates: 0, kernelFilter: 0, sockets: 1 },
};

interface Shape {
  rows: number;
  /** Percentage of IPv6 rows. */
  ipv6: number;
  /** The last group of columns that the arena has: 0 no counters, 2 counters, 4 times. */
  group: 0 | 2 | 4;
  /** Bits of a counter. */
  bits: 20 | 40 | 63;
}

/** A batch as native code makes one. */
function batch(random: Random, shape: Shape): FlowBatch {
  const { rows, group, bits } = shape;
  const capacity = roundRows(rows);
  const names = (Object.keys(columnLayout) as ColumnName[]).filter(
    (name) => columnLayout[name].group <= group,
  );
  const bytes = names.map((name) => columnLayout[name].prefix + columnLayout[name].size);
  const arena = new ArrayBuffer(capacity * Math.max(...bytes));
  const addresses: number[] = [];
  const columns = Object.fromEntries(
    names.map((name) => {
      const { array, prefix } = columnLayout[name];
      return [name, new array(arena, capacity * prefix, rows)];
    }),
  ) as Record<ColumnName, Uint32Array>;
  const wide = () => BigInt(random.u32()) | (BigInt(random.u32()) << 32n);
  for (let row = 0; row < rows; row++) {
    const v6 = random.chance(shape.ipv6);
    const protocol = random.pick(v6 ? [6, 17, 58, 132, 50] : [6, 17, 1, 132, 50]);
    let presence = has.id | has.orig | has.reply | has.status | has.mark;
    if (random.chance(90)) presence |= has.timeout;
    if ([6, 17, 132].includes(protocol)) presence |= has.origPorts | has.replyPorts;
    if ([1, 58].includes(protocol)) presence |= has.origIcmp | has.replyIcmp;
    if ([6, 132].includes(protocol)) presence |= has.state;
    columns.id[row] = random.u32();
    columns.family[row] = v6 ? 10 : 2;
    columns.protocol[row] = protocol;
    columns.status[row] = random.pick([8, 10, 14, 1038, 0x8000_000e]);
    columns.mark[row] = random.pick([0, 1, 7, 0xffff_ffff, random.u32()]);
    if ((presence & has.timeout) !== 0) columns.timeout[row] = random.u32();
    columns.zone[row] = random.pick([0, 0, 0, 1, 65535]);
    if ((presence & has.state) !== 0) columns.state[row] = random.below(9);
    for (const side of ['origSrc', 'origDst', 'replySrc', 'replyDst'] as const) {
      columns[side][row] = v6 ? addresses.length / 16 : 0x0a00_0000 + random.below(40);
      if (!v6) continue;
      const address = new Array<number>(16).fill(0);
      address[0] = 0xfd;
      address[15] = random.below(20);
      addresses.push(...address);
    }
    if ((presence & (has.origPorts | has.origIcmp)) !== 0) {
      for (const port of ['origSrcPort', 'origDstPort', 'replySrcPort', 'replyDstPort'] as const) {
        columns[port][row] = random.pick([0, 53, 443, random.below(65536)]);
      }
    }
    if (group >= 2 && random.chance(95)) {
      presence |= has.origCounters | has.replyCounters;
      for (const name of ['origPackets', 'origBytes', 'replyPackets', 'replyBytes'] as const) {
        const value = BigInt.asUintN(bits, wide());
        (columns[name] as unknown as BigUint64Array)[row] = random.chance(10) ? 5n : value;
      }
    }
    if (group >= 4) {
      presence |= has.start;
      (columns.start as unknown as BigUint64Array)[row] = wide();
    }
    columns.presence[row] = presence;
  }
  const raw = {
    ...{ rows, capacity, withoutCounters: 0, arena, extraIndex: undefined, extra: undefined },
    addresses: Uint8Array.from(addresses).buffer,
  };
  return FlowBatch.fromRaw(raw, noStats);
}

const measureOf: Record<string, (flow: FlowObject) => number | bigint> = {
  packets: (flow) => (flow.orig.packets ?? 0n) + (flow.reply.packets ?? 0n),
  bytes: (flow) => (flow.orig.bytes ?? 0n) + (flow.reply.bytes ?? 0n),
  replyBytes: (flow) => flow.reply.bytes ?? 0n,
  start: (flow) => flow.start ?? 0n,
  timeout: (flow) => flow.timeout ?? 0,
  mark: (flow) => flow.mark,
};

/** Whether the kernel sent a flow's value at all. */
const hasMeasure: Record<string, (flow: FlowObject) => boolean> = {
  packets: (flow) => flow.orig.packets !== undefined || flow.reply.packets !== undefined,
  bytes: (flow) => flow.orig.bytes !== undefined || flow.reply.bytes !== undefined,
  replyBytes: (flow) => flow.reply.bytes !== undefined,
  start: (flow) => flow.start !== undefined,
  timeout: (flow) => flow.timeout !== undefined,
  mark: () => true,
};

const keyOf: Partial<Record<GroupKey, (flow: FlowObject) => unknown>> = {
  family: (flow) => flow.family,
  protocol: (flow) => flow.protocol,
  state: (flow) => flow.state,
  status: (flow) => flow.statusBits,
  mark: (flow) => flow.mark,
  zone: (flow) => flow.zone,
  origSrc: (flow) => flow.orig.src,
  replyDst: (flow) => flow.reply.dst,
  origDstPort: (flow) => flow.orig.dstPort,
  replySrcPort: (flow) => flow.reply.srcPort,
};

const least = (a: number | bigint, b: number | bigint) => (b < a ? b : a);
const most = (a: number | bigint, b: number | bigint) => (b > a ? b : a);

/** Sums of 32-bit values are numbers: exact here, for there are few rows. */
const add = (a: number | bigint, b: number | bigint) =>
  typeof a === 'bigint' ? a + BigInt(b) : a + Number(b);

function plainGroups(flows: readonly FlowObject[], keys: readonly GroupKey[], measure: Measure) {
  const groups = new Map<string, Record<string, unknown>>();
  const value = measureOf[measure]!;
  for (const flow of flows) {
    const own = keys.map((key) => [key, keyOf[key]!(flow)] as const);
    const id = own.map(([, key]) => String(key)).join('|');
    const number = value(flow);
    let group = groups.get(id);
    if (group === undefined) {
      const zero = typeof number === 'bigint' ? 0n : 0;
      group = { ...Object.fromEntries(own), n: 0, sum: zero, min: undefined, max: undefined };
      groups.set(id, group);
    }
    group.n = (group.n as number) + 1;
    group.sum = add(group.sum as bigint, number);
    if (!hasMeasure[measure]!(flow)) continue;
    group.min = least((group.min as bigint | undefined) ?? number, number);
    group.max = most((group.max as bigint | undefined) ?? number, number);
  }
  return [...groups.values()];
}

const shapes: Shape[] = [
  { rows: 0, ipv6: 0, group: 0, bits: 20 },
  { rows: 1, ipv6: 100, group: 2, bits: 63 },
  { rows: 700, ipv6: 0, group: 0, bits: 20 },
  { rows: 1500, ipv6: 30, group: 2, bits: 20 },
  { rows: 1500, ipv6: 50, group: 4, bits: 63 },
  { rows: 40_000, ipv6: 3, group: 2, bits: 40 },
];

function compare(flows: FlowBatch, random: Random): void {
  const plain = flows.toArray();
  assert.is(plain.length, flows.length);
  for (const measure of Object.keys(measureOf) as Measure[]) {
    const value = measureOf[measure]!;
    const zero = ['timeout', 'mark'].includes(measure) ? 0 : 0n;
    const sum = plain.reduce<number | bigint>((all, flow) => add(all, value(flow)), zero);
    assert.is(flows.sum(measure), sum, `sum of ${measure}`);
    const count = random.pick([0, 1, 7, 50]);
    const ranked = plain
      .map((flow, index) => ({ index, number: value(flow) }))
      .sort((a, b) => (a.number < b.number ? 1 : a.number > b.number ? -1 : a.index - b.index));
    assert.equal(
      flows.top(count, measure).toArray(),
      ranked.slice(0, count).map(({ index }) => plain[index]),
      `top ${count} by ${measure}`,
    );
    for (let i = 0; i < 3; i++) {
      const keys = random.some(Object.keys(keyOf) as GroupKey[], 20);
      const aggregates = {
        n: 'count',
        sum: { sum: measure },
        min: { min: measure },
        max: { max: measure },
      } as const;
      assert.equal(
        flows.groupBy(keys, aggregates),
        plainGroups(plain, keys, measure),
        `${measure} by ${keys}`,
      );
    }
  }
}

for (const [i, shape] of shapes.entries()) {
  test(`${JSON.stringify(shape)}: sum, top and groupBy as on objects`, () => {
    const random = new Random(i + 1);
    compare(batch(random, shape), random);
  });
}

test('what a filter or a slice leaves is a batch like any other, few rows or most', () => {
  const random = new Random(99);
  for (const shape of shapes) {
    const all = batch(random, shape);
    const plain = all.toArray();
    for (const part of [2, 5, 9, 40]) {
      const chosen = all.filter((_, index) => index % part === 0);
      const expected = plain.filter((_, index) => index % part === 0);
      assert.equal(chosen.toArray(), expected);
      assert.equal(chosen.slice(3, 20).toArray(), expected.slice(3, 20));
      assert.equal(
        chosen.slice(1).filter({ protocol: 'tcp' }).toArray(),
        expected.slice(1).filter((flow) => flow.protocol === 'tcp'),
      );
      assert.equal(chosen.filter({ status: { all: ['assured'], none: ['assured'] } }).length, 0);
      compare(chosen.slice(0, 300), random);
    }
  }
});

test.run();

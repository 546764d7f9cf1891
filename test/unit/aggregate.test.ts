// sum, groupBy, top, filter and slices of made-up batches, computed on columns. The results are compared with those
// on plain objects: values up to 64 bits, both families, batches without some groups of columns.

import type { GroupKey } from '../../src/conntrack/aggregate/keys.js';
import { type FlowBatch, type FlowObject, type Measure, presenceBits } from '../../src/index.js';
import { assert, suite } from '../support/harness.js';
import { batch, type Shape } from '../support/made-batch.js';
import { Random } from '../support/random.js';

const test = suite('aggregates');

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

/** Sums of 32-bit values are numbers. They are exact here, because there are few rows. */
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
  test(`${JSON.stringify(shape)}: sum, top and groupBy give the same as on objects`, () => {
    const random = new Random(i + 1);
    compare(batch(random, shape), random);
  });
}

/** Groups of keys of at most 16 bits are summed while they are found. */
test('groups by one small key, with every set of aggregates in every order', () => {
  const random = new Random(7);
  for (const shape of shapes) {
    const flows = batch(random, shape);
    const plain = flows.toArray();
    for (const key of ['family', 'protocol', 'zone', 'origDstPort', 'replySrcPort'] as const) {
      for (const first of ['bytes', 'replyBytes', 'start', 'timeout'] as const) {
        const second = random.pick(['packets', 'mark', 'bytes'] as const);
        const [a, b] = [plainGroups(plain, [key], first), plainGroups(plain, [key], second)];
        assert.equal(
          flows.groupBy(key, {
            least: { min: second },
            first: { sum: first },
            second: { sum: second },
            flows: 'count',
          }),
          a.map((group, i) => ({
            ...{ [key]: group[key], least: b[i]!.min, first: group.sum },
            ...{ second: b[i]!.sum, flows: group.n },
          })),
          `${first} and ${second} by ${key}`,
        );
        assert.equal(
          flows.groupBy(key),
          a.map((group) => ({ [key]: group[key], count: group.n })),
        );
      }
    }
  }
});

test('sums below and above the exact range of a double are exact', () => {
  const limit = 2n ** 53n;
  const highest = 2n ** 64n - 1n;
  const values = [
    [limit - 1n],
    [limit],
    [limit + 1n],
    [limit - 2n, 1n],
    [limit - 1n, 1n],
    [limit - 1n, 1n, 1n],
    [1n, 1n, limit - 1n],
    [limit, 1n],
    [2n ** 32n, 2n ** 32n - 1n, limit],
    [highest],
    [highest, highest, 3n],
  ];
  for (const given of values) {
    const flows = batch(new Random(1), { rows: 6, ipv6: 0, group: 2, bits: 20 });
    const { origBytes, replyBytes, zone, mark } = flows.columns;
    for (let row = 0; row < 6; row++) {
      zone[row] = row % 2;
      mark[row] = row % 2;
      origBytes[row] = row % 2 === 0 ? (given[row / 2] ?? 0n) : 1n;
      replyBytes[row] = row === 0 ? 5n : 0n;
    }
    const sum = given.reduce((all, value) => all + value, 0n);
    assert.is(flows.sum('origBytes'), sum + 3n);
    assert.is(flows.sum('bytes'), sum + 8n);
    for (const key of ['zone', 'mark'] as const) {
      assert.equal(flows.groupBy(key, { all: { sum: 'bytes' }, orig: { sum: 'origBytes' } }), [
        { [key]: 0, all: sum + 5n, orig: sum },
        { [key]: 1, all: 3n, orig: 3n },
      ]);
      assert.equal(flows.groupBy(key, { orig: { sum: 'origBytes' } }), [
        { [key]: 0, orig: sum },
        { [key]: 1, orig: 3n },
      ]);
    }
  }
});

test('least and largest values that a double cannot tell apart', () => {
  const limit = 2n ** 53n;
  const highest = 2n ** 64n - 1n;
  for (const values of [
    [limit + 1n, limit, limit + 2n],
    [limit, limit + 1n, limit + 2n],
    [limit + 2n, limit + 1n, limit],
    [highest - 1n, highest, highest - 2n],
    [highest, highest - 1n, 5n],
  ]) {
    const flows = batch(new Random(1), { rows: 6, ipv6: 0, group: 2, bits: 20 });
    const { origBytes, zone, mark, presence } = flows.columns;
    for (let row = 0; row < 6; row++) {
      presence[row]! |= presenceBits.origCounters;
      zone[row] = row % 2;
      mark[row] = row % 2;
      origBytes[row] = values[row >> 1]!;
    }
    const sorted = [...values].sort((a, b) => (a < b ? -1 : 1));
    const [least, , most] = sorted;
    for (const key of ['zone', 'mark'] as const) {
      assert.equal(flows.groupBy(key, { min: { min: 'origBytes' }, max: { max: 'origBytes' } }), [
        { [key]: 0, min: least, max: most },
        { [key]: 1, min: least, max: most },
      ]);
    }
    assert.equal(
      flows
        .top(3, 'origBytes')
        .toArray()
        .map(({ orig }) => orig.bytes),
      [most, most, sorted[1]],
    );
  }
});

test('the rows of a filter or a slice are a normal batch, few rows or most of them', () => {
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
      assert.equal(chosen.filter({ status: { all: ['template'] } }).length, 0);
      compare(chosen.slice(0, 300), random);
    }
  }
});

test.run();

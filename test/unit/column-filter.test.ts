// A filter over the columns of a batch is compared with the same conditions on plain objects, one by one.
import type { FlowFilter, FlowObject, FlowState, StatusName } from '../../src/index.js';
import { filterMatches, refusesRightly } from '../support/filter-oracle.js';
import { nestedFilter, randomFilter } from '../support/flow-filters.js';
import { assert, suite } from '../support/harness.js';
import { batch, type Shape } from '../support/made-batch.js';
import { Random } from '../support/random.js';

const test = suite('filters on columns');

type Condition = [filter: FlowFilter, holds: (flow: FlowObject) => boolean];
const numberOf = (address: string) =>
  address.split('.').reduce((all, part) => all * 256 + Number(part), 0);

/** One condition of each kind, with its meaning. */
const kinds: ((random: Random) => Condition)[] = [
  (random) => {
    const protocol = random.some(['tcp', 'udp', 'icmp', 'icmpv6', 50] as const);
    const wanted: unknown[] = protocol;
    return [
      { protocol },
      (flow) => wanted.includes(flow.protocol) || wanted.includes(flow.protocolNumber),
    ];
  },
  (random) => {
    const family = random.pick(['ipv4', 'ipv6'] as const);
    return [{ family }, (flow) => flow.family === family];
  },
  (random) => {
    const from = random.pick([0, 53, 443, random.below(65536)]);
    const to = random.pick([from, 65535, random.integer(from, 65535)]);
    const end = random.pick(['srcPort', 'dstPort'] as const);
    const side = random.pick(['orig', 'reply'] as const);
    return [
      { [side]: { [end]: from === to ? from : { from, to } } },
      (flow) => {
        const port = flow[side][end];
        return port !== undefined && port >= from && port <= to;
      },
    ];
  },
  (random) => {
    const bits = random.pick([0, 1, 8, 24, 29, 31, 32]);
    const address = `10.0.0.${random.below(48)}`;
    const end = random.pick(['src', 'dst'] as const);
    const side = random.pick(['orig', 'reply'] as const);
    const whole = (text: string) => Math.floor(numberOf(text) / 2 ** (32 - bits));
    return [
      { [side]: { [end]: `${address}/${bits}` } },
      (flow) => flow.family === 'ipv4' && whole(flow[side][end]) === whole(address),
    ];
  },
  (random) => {
    const last = random.below(24);
    const bits = random.pick([8, 124, 127, 128]);
    const drop = 2 ** (128 - bits);
    return [
      { orig: { dst: `fd00::${last.toString(16)}/${bits}` } },
      (flow) => {
        if (flow.family !== 'ipv6') return false;
        const own = Number.parseInt(flow.orig.dst.slice('fd00::'.length) || '0', 16);
        return bits === 8 || Math.floor(own / drop) === Math.floor(last / drop);
      },
    ];
  },
  (random) => {
    const mask = random.pick([1, 0xffff_ffff, 0x8000_0000, random.u32() || 1]);
    const value = (random.pick([0, 1, 7, 0xffff_ffff, random.u32()]) & mask) >>> 0;
    return [{ mark: { value, mask } }, (flow) => ((flow.mark ^ value) & mask) === 0];
  },
  (random) => {
    const names = ['seen_reply', 'assured', 'confirmed', 'dst_nat', 'dying', 'expected'] as const;
    const [all, any] = [random.some(names, 20), random.some(names)];
    const left = names.filter((name) => !all.includes(name) && !any.includes(name));
    const none = random.some(left.length > 0 ? left : (['template'] as const), 10);
    const has = (flow: FlowObject) => (name: StatusName) => flow.status.includes(name);
    return random.pick<Condition>([
      [{ status: { all } }, (flow) => all.every(has(flow))],
      [{ status: { any } }, (flow) => any.some(has(flow))],
      [{ status: { none } }, (flow) => !none.some(has(flow))],
      [
        { status: { all, any, none } },
        (flow) => all.every(has(flow)) && any.some(has(flow)) && !none.some(has(flow)),
      ],
    ]);
  },
  (random) => {
    const state: FlowState[] = random.some(['ESTABLISHED', 'SYN_SENT', 'CLOSED', 'CLOSE'], 60);
    return [{ state }, (flow) => flow.state !== undefined && state.includes(flow.state)];
  },
  (random) => {
    const zone = random.pick([0, 1, 65535, 2]);
    return [{ zone }, (flow) => flow.zone === zone];
  },
  (random) => {
    const icmpType = random.pick([0, 1, random.below(256)]);
    return [{ orig: { icmpType } }, (flow) => flow.orig.icmpType === icmpType];
  },
];

const shapes: Shape[] = [
  { rows: 0, ipv6: 0, group: 0, bits: 20 },
  { rows: 1, ipv6: 0, group: 2, bits: 20 },
  { rows: 800, ipv6: 0, group: 0, bits: 20 },
  { rows: 800, ipv6: 100, group: 0, bits: 20 },
  { rows: 2000, ipv6: 40, group: 2, bits: 20 },
  { rows: 40_000, ipv6: 10, group: 0, bits: 20 },
];

function merged(filters: readonly FlowFilter[]): FlowFilter {
  const all: FlowFilter = Object.assign({}, ...filters);
  for (const side of ['orig', 'reply'] as const) {
    const parts = filters.map((filter) => filter[side]).filter((part) => part !== undefined);
    if (parts.length > 0) all[side] = Object.assign({}, ...parts);
  }
  return all;
}

for (const [i, shape] of shapes.entries()) {
  test(`${JSON.stringify(shape)}: the rows that match, in their order`, () => {
    const random = new Random(i + 1);
    const flows = batch(random, shape);
    const plain = flows.toArray();
    let found = 0;
    const check = (filter: FlowFilter, tests: readonly ((flow: FlowObject) => boolean)[]) => {
      const wanted = plain.filter((flow) => tests.every((holds) => holds(flow)));
      found += wanted.length;
      const got = Array.from(flows.filter(filter), (flow) => flow.id);
      assert.equal(
        got,
        wanted.map((flow) => flow.id),
        JSON.stringify(filter),
      );
    };
    for (const kind of kinds) {
      for (let times = 0; times < (shape.rows > 5000 ? 4 : 25); times++) {
        const [filter, holds] = kind(random);
        check(filter, [holds]);
      }
    }
    for (let times = 0; times < (shape.rows > 5000 ? 10 : 100); times++) {
      const chosen = random.some(kinds, 25).map((kind) => kind(random));
      // Two conditions on the same field, or addresses of two families, cannot be one filter.
      const names = chosen.flatMap(([{ orig, reply, ...rest }]) => [
        ...Object.keys(rest),
        ...Object.keys(orig ?? {}).map((name) => `orig.${name}`),
        ...Object.keys(reply ?? {}).map((name) => `reply.${name}`),
      ]);
      const families = new Set(
        chosen.flatMap(([{ family, orig, reply }]) => [
          ...(family ? [family] : []),
          ...[orig, reply]
            .flatMap((side) => [side?.src, side?.dst])
            .filter((text) => text !== undefined)
            .map((text) => (text.includes(':') ? 'ipv6' : 'ipv4')),
        ]),
      );
      if (new Set(names).size < names.length || families.size > 1) continue;
      const filter = merged(chosen.map(([filter]) => filter));
      const tests = chosen.map(([, holds]) => holds);
      if (refusesRightly(filter, plain)) continue;
      check(filter, tests);
    }
    assert.ok(shape.rows < 100 || found > 100, `${found} matches`);
  });
}

for (const rows of [0, 1, 300, 2000, 40_000]) {
  test(`filters with filters in them, ${rows} rows`, () => {
    const random = new Random(rows + 77);
    const flows = batch(random, { rows, ipv6: 20, group: 2, bits: 20 });
    const plain = flows.toArray();
    const models =
      rows === 0 ? batch(random, { rows: 50, ipv6: 20, group: 2, bits: 20 }).toArray() : plain;
    let refused = 0;
    let split = 0;
    const times = rows > 5000 ? 16 : 200;
    for (let i = 0; i < times; i++) {
      const filter = (i % 4 === 0 ? randomFilter : nestedFilter)(random, models);
      const wanted = plain.filter((flow) => filterMatches(flow, filter));
      if (refusesRightly(filter, plain)) {
        refused++;
        continue;
      }
      if (wanted.length > 0 && wanted.length < rows) split++;
      const got = Array.from(flows.filter(filter), ({ id }) => id);
      assert.equal(
        got,
        wanted.map(({ id }) => id),
        JSON.stringify(filter),
      );
    }
    assert.ok(refused < times / 2, `${refused} refused`);
    assert.ok(rows < 300 || split > times / 8, `${split} split`);
  });
}

test.run();

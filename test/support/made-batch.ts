// Batches of made-up flows in the form of native code: values up to 64 bits, both families, rows without some
// attributes, batches without some groups of columns.
import { type ColumnName, roundRows } from '../../src/conntrack/columns/column-store.js';
import { columnLayout, has } from '../../src/conntrack/columns/schema.js';
import { FlowBatch } from '../../src/index.js';
import type { RawBatch } from '../../src/native/binding.js';
import type { Random } from './random.js';

export const noStats = {
  ...{ messages: 0, undecodable: 0, rejected: 0, duplicates: 0, kernelFilter: 0, sockets: 1 },
};

export interface Shape {
  rows: number;
  /** Percentage of IPv6 rows. */
  ipv6: number;
  /** The last group of columns in the arena: 0 no counters, 2 counters, 4 times, 6 more presence. */
  group: 0 | 2 | 4 | 6;
  /** Bits of a counter. */
  bits: 20 | 40 | 63;
}

/** A batch in the form of native code. */
export function batch(random: Random, shape: Shape): FlowBatch {
  return FlowBatch.fromRaw(rawBatch(random, shape), noStats);
}

/** The raw batch that native code would return. */
export function rawBatch(random: Random, shape: Shape): RawBatch {
  const { rows, group, bits } = shape;
  const capacity = roundRows(rows);
  const names = (Object.keys(columnLayout) as ColumnName[]).filter(
    (name) => columnLayout[name].group <= group,
  );
  const bytes = names.map((name) => columnLayout[name].prefix + columnLayout[name].size);
  const arena = new ArrayBuffer(capacity * Math.max(...bytes));
  const addresses: number[] = [];
  let withoutCounters = rows;
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
    if (protocol === 132) presence |= has.sctp;
    columns.id[row] = random.u32();
    columns.family[row] = v6 ? 10 : 2;
    columns.protocol[row] = protocol;
    columns.status[row] = random.pick([8, 10, 14, 1038, 0x8000_000e]);
    columns.mark[row] = random.pick([0, 1, 7, 0xffff_ffff, random.u32()]);
    if ((presence & has.timeout) !== 0) columns.timeout[row] = random.u32();
    columns.zone[row] = random.pick([0, 0, 0, 1, 65535]);
    if (columns.zone[row] !== 0) presence |= has.zone;
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
      withoutCounters--;
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
    if (group >= 6) columns.presenceMore[row] = random.pick([0, 0, 1, 0x8000_0000, 0xffff_ffff]);
  }
  return {
    ...{ rows, capacity, withoutCounters, arena, extraIndex: undefined, extra: undefined },
    addresses: Uint8Array.from(addresses).buffer,
  };
}

// Which rows of two batches are the same flow: the same original tuple in the same zone, and the same `start` where both
// have one. A table of hashes over typed arrays, without an object for each row.
import { AF_INET6 } from '../../constants.js';
import type { ColumnStore } from '../columns/column-store.js';
import { has } from '../columns/schema.js';
import { tupleZone } from '../flow/rare.js';

const kinds = has.origPorts | has.origIcmp;
const none = 0xffff_ffff;

const mix = (hash: number, value: number) => {
  const mixed = Math.imul(hash ^ value, 0x85eb_ca6b);
  return (mixed ^ (mixed >>> 15)) | 0;
};

/** What names the flows of a store. */
class Keys {
  readonly presence;
  readonly family;
  readonly protocol;
  readonly src;
  readonly dst;
  readonly srcPort;
  readonly dstPort;
  readonly zone;
  readonly start;
  readonly words: Uint32Array;

  constructor(readonly store: ColumnStore) {
    this.presence = store.column('presence');
    this.family = store.column('family');
    this.protocol = store.column('protocol');
    this.src = store.column('origSrc');
    this.dst = store.column('origDst');
    this.srcPort = store.column('origSrcPort');
    this.dstPort = store.column('origDstPort');
    this.zone = store.column('zone');
    const start = store.column('start');
    this.start = new Uint32Array(start.buffer, start.byteOffset, start.length * 2);
    const { buffer, byteOffset, length } = store.addresses;
    this.words = new Uint32Array(buffer, byteOffset, length / 4);
  }

  hash(row: number): number {
    let hash = mix(this.protocol[row]!, (this.srcPort[row]! << 16) | this.dstPort[row]!);
    hash = mix(hash, this.zone[row]!);
    if (this.family[row] !== AF_INET6) return mix(mix(hash, this.src[row]!), this.dst[row]!);
    for (const index of [this.src[row]!, this.dst[row]!]) {
      for (let i = index * 4; i < index * 4 + 4; i++) hash = mix(hash, this.words[i]!);
    }
    return hash;
  }

  /** The zone of the original direction alone. */
  sideZone(row: number): number | undefined {
    if ((this.presence[row]! & has.origZone) === 0) return undefined;
    const extra = this.store.extraBytes(row);
    return extra && tupleZone(extra, false);
  }
}

function sameKey(a: Keys, row: number, b: Keys, other: number): boolean {
  if (
    a.srcPort[row] !== b.srcPort[other] ||
    a.dstPort[row] !== b.dstPort[other] ||
    a.protocol[row] !== b.protocol[other] ||
    a.family[row] !== b.family[other] ||
    a.zone[row] !== b.zone[other] ||
    ((a.presence[row]! ^ b.presence[other]!) & kinds) !== 0
  ) {
    return false;
  }
  if (a.family[row] !== AF_INET6) {
    if (a.src[row] !== b.src[other] || a.dst[row] !== b.dst[other]) return false;
  } else {
    for (let i = 0; i < 4; i++) {
      if (a.words[a.src[row]! * 4 + i] !== b.words[b.src[other]! * 4 + i]) return false;
      if (a.words[a.dst[row]! * 4 + i] !== b.words[b.dst[other]! * 4 + i]) return false;
    }
  }
  if ((a.presence[row]! & b.presence[other]! & has.start) !== 0) {
    const [x, y] = [row * 2, other * 2];
    if (a.start[x] !== b.start[y] || a.start[x + 1] !== b.start[y + 1]) return false;
  }
  const zoned = ((a.presence[row]! | b.presence[other]!) & has.origZone) !== 0;
  return !zoned || a.sideZone(row) === b.sideZone(other);
}

/** Rows of `before` and of `after`. */
export interface Matches {
  /** Pairs of the same flow, in the order of `after`. */
  readonly pairs: readonly [before: Uint32Array, after: Uint32Array];
  /** Rows of `after` without a pair. */
  readonly added: Uint32Array;
  /** Rows of `before` without a pair. */
  readonly removed: Uint32Array;
}

export function matchTuples(before: ColumnStore, after: ColumnStore): Matches {
  const [a, b] = [new Keys(before), new Keys(after)];
  const bits = Math.max(1, 32 - Math.clz32(before.rows));
  const heads = new Uint32Array(2 ** bits).fill(none);
  const next = new Uint32Array(before.rows);
  const slot = (hash: number) => Math.imul(hash, 0x9e37_79b1) >>> (32 - bits);
  // From the last to the first, so that a chain has its rows in their order.
  for (let row = before.rows - 1; row >= 0; row--) {
    const at = slot(a.hash(row));
    next[row] = heads[at]!;
    heads[at] = row;
  }
  const most = Math.min(before.rows, after.rows);
  const pairs = [new Uint32Array(most), new Uint32Array(most)] as const;
  const added = new Uint32Array(after.rows);
  let [matched, alone] = [0, 0];
  for (let row = 0; row < after.rows; row++) {
    const at = slot(b.hash(row));
    let last = none;
    let found = heads[at]!;
    while (found !== none && !sameKey(a, found, b, row)) {
      last = found;
      found = next[found]!;
    }
    if (found === none) {
      added[alone++] = row;
      continue;
    }
    // Each row has one pair, also where a flow is twice in a batch.
    if (last === none) heads[at] = next[found]!;
    else next[last] = next[found]!;
    pairs[0][matched] = found;
    pairs[1][matched++] = row;
  }
  // What is left in the chains.
  const removed = new Uint32Array(before.rows - matched);
  const taken = new Uint8Array(before.rows);
  for (let i = 0; i < matched; i++) taken[pairs[0][i]!] = 1;
  for (let row = 0, at = 0; row < before.rows; row++) if (taken[row] === 0) removed[at++] = row;
  return {
    pairs: [pairs[0].subarray(0, matched), pairs[1].subarray(0, matched)],
    added: added.slice(0, alone),
    removed,
  };
}

// A batch's memory: typed-array views over the arena that native code filled, IPv6 addresses and rare
// attributes in their side buffers. Knows layout, not meaning.
import { formatIpv4, formatIpv6 } from '../address.js';
import { AF_INET6 } from '../constants.js';
import type { RawBatch } from '../native/binding.js';
import { type ColumnArrays, columnLayout, rowBytes } from './columns.js';

export type ColumnName = keyof ColumnArrays;

/** The four addresses of a flow, in the order of their columns. */
export type Side = 0 | 1 | 2 | 3;
export const addressColumns = ['origSrc', 'origDst', 'replySrc', 'replyDst'] as const;
export const portColumns = ['origSrcPort', 'origDstPort', 'replySrcPort', 'replyDstPort'] as const;

export const roundRows = (rows: number) => Math.max(64, Math.ceil(rows / 64) * 64);

interface StoreParts {
  rows: number;
  capacity: number;
  offset: number;
  arena: ArrayBuffer | undefined;
  addresses: Uint8Array;
  /** Pairs: row (counted from the arena's begin), offset into `extra`. */
  extraIndex: Uint32Array;
  extra: Uint8Array;
}

const noBytes = new Uint8Array(0);
const noWords = new Uint32Array(0);

export class ColumnStore {
  readonly rows: number;
  readonly addresses: Uint8Array;
  readonly #parts: StoreParts;
  readonly #views: Partial<Record<ColumnName, ColumnArrays[ColumnName]>> = {};

  constructor(parts: StoreParts) {
    this.#parts = parts;
    this.rows = parts.rows;
    this.addresses = parts.addresses;
  }

  static fromRaw(raw: RawBatch): ColumnStore {
    return new ColumnStore({
      rows: raw.rows,
      capacity: raw.capacity,
      offset: 0,
      arena: raw.arena,
      addresses: raw.addresses ? new Uint8Array(raw.addresses) : noBytes,
      extraIndex: raw.extraIndex ? new Uint32Array(raw.extraIndex) : noWords,
      extra: raw.extra ? new Uint8Array(raw.extra) : noBytes,
    });
  }

  /** The view of a column, made at first use. Groups that no row has are left off the arena: zeros. */
  column<N extends ColumnName>(name: N): ColumnArrays[N] {
    const made = this.#views[name];
    if (made !== undefined) return made as ColumnArrays[N];
    const { arena, capacity, offset, rows } = this.#parts;
    const { array, size, prefix } = columnLayout[name];
    const begin = capacity * prefix + offset * size;
    const inside = arena !== undefined && begin + rows * size <= arena.byteLength;
    const view = inside ? new array(arena, begin, rows) : new array(rows);
    this.#views[name] = view;
    return view as ColumnArrays[N];
  }

  addressText(side: Side, row: number): string {
    const value = this.column(addressColumns[side])[row]!;
    return this.column('family')[row] === AF_INET6
      ? formatIpv6(this.addresses, value * 16)
      : formatIpv4(value);
  }

  /** Whether two addresses of a row are the same. */
  sameAddress(a: Side, b: Side, row: number): boolean {
    const left = this.column(addressColumns[a])[row]!;
    const right = this.column(addressColumns[b])[row]!;
    if (left === right) return true;
    if (this.column('family')[row] !== AF_INET6) return false;
    for (let i = 0; i < 16; i++) {
      if (this.addresses[left * 16 + i] !== this.addresses[right * 16 + i]) return false;
    }
    return true;
  }

  /** The 4 or 16 bytes of an address. */
  addressBytes(side: Side, row: number): Uint8Array {
    const value = this.column(addressColumns[side])[row]!;
    if (this.column('family')[row] === AF_INET6) {
      return this.addresses.subarray(value * 16, value * 16 + 16);
    }
    return Uint8Array.of(value >>> 24, value >>> 16, value >>> 8, value);
  }

  /** The rare attributes of a row as the kernel sent them (a run of netlink attributes), if any. */
  extraBytes(row: number): Uint8Array | undefined {
    const { extraIndex, extra, offset } = this.#parts;
    const wanted = row + offset;
    let low = 0;
    let high = extraIndex.length / 2;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (extraIndex[middle * 2]! < wanted) low = middle + 1;
      else high = middle;
    }
    if (low * 2 >= extraIndex.length || extraIndex[low * 2] !== wanted) return undefined;
    return extra.subarray(extraIndex[low * 2 + 1]!);
  }

  /** Rows [from, to) without a copy. */
  slice(from: number, to: number): ColumnStore {
    return new ColumnStore({ ...this.#parts, rows: to - from, offset: this.#parts.offset + from });
  }

  /** A copy of the chosen rows, in their order. */
  gather(selection: Uint32Array): ColumnStore {
    const rows = selection.length;
    const capacity = roundRows(rows);
    const arena = new ArrayBuffer(capacity * rowBytes);
    for (const name of Object.keys(columnLayout) as ColumnName[]) {
      const { array, prefix } = columnLayout[name];
      const from = this.column(name);
      if (from instanceof BigUint64Array) {
        // As pairs of words: no bigint is made.
        const to = new Uint32Array(arena, capacity * prefix, rows * 2);
        const words = new Uint32Array(from.buffer, from.byteOffset, from.length * 2);
        for (let i = 0; i < rows; i++) {
          const at = selection[i]! * 2;
          to[i * 2] = words[at]!;
          to[i * 2 + 1] = words[at + 1]!;
        }
      } else {
        const to = new array(arena, capacity * prefix, rows);
        for (let i = 0; i < rows; i++) to[i] = from[selection[i]!]!;
      }
    }
    const index: number[] = [];
    if (this.#parts.extraIndex.length > 0) {
      const base = this.#parts.extra.byteOffset;
      selection.forEach((row, i) => {
        const bytes = this.extraBytes(row);
        if (bytes !== undefined) index.push(i, bytes.byteOffset - base);
      });
    }
    return new ColumnStore({
      rows,
      capacity,
      offset: 0,
      arena,
      addresses: this.#parts.addresses,
      extraIndex: Uint32Array.from(index),
      extra: this.#parts.extra,
    });
  }
}

/**
 * Room for rows that single lookups fill one after the other: native code writes a row, JavaScript
 * makes a view of it. 64 rows share an arena so that a lookup does not pay for its views.
 */
export class LookupArena {
  static readonly capacity = 64;
  readonly bytes = new Uint8Array(LookupArena.capacity * (rowBytes + 64));
  readonly store: ColumnStore;
  readonly #extra: (Uint8Array | undefined)[] = [];
  next = 0;

  constructor() {
    const addresses = this.bytes.subarray(LookupArena.capacity * rowBytes);
    const extra = this.#extra;
    this.store = new (class extends ColumnStore {
      override extraBytes(row: number) {
        return extra[row];
      }
    })({
      rows: LookupArena.capacity,
      capacity: LookupArena.capacity,
      offset: 0,
      arena: this.bytes.buffer as ArrayBuffer,
      addresses,
      extraIndex: noWords,
      extra: noBytes,
    });
  }

  setExtra(row: number, bytes: Uint8Array): void {
    this.#extra[row] = bytes;
  }
}

// The memory of a batch: typed arrays over the arena that native code filled, and two buffers beside it, of IPv6
// addresses and of rare attributes. Knows layout, not meaning.
import { AF_INET6 } from '../../constants.js';
import type { RawBatch, RawRows } from '../../native/binding.js';
import { side, sideNames } from '../../native/numbers.js';
import { ipv4Text, ipv6Text } from './address-text.js';
import type { FlowColumns, FlowRows } from './flow-columns.js';
import { type ColumnArrays, columnLayout } from './schema.js';

export type ColumnName = keyof ColumnArrays;

/** The four addresses of a flow, in the order of their columns. */
export type Side = 0 | 1 | 2 | 3;
export const addressColumns = sideNames;
/** The side of an address column, by its name. */
export const sideOf: Readonly<Partial<Record<string, Side>>> = side;
export const portColumns = ['origSrcPort', 'origDstPort', 'replySrcPort', 'replyDstPort'] as const;

export const roundRows = (rows: number) => Math.max(64, Math.ceil(rows / 64) * 64);

export interface StoreParts {
  rows: number;
  capacity: number;
  offset: number;
  arena: ArrayBuffer | undefined;
  addresses: Uint8Array;
  /** Pairs of a row, counted from the begin of the arena, and an offset in `extra`. */
  extraIndex: Uint32Array;
  extra: Uint8Array;
  /** The table that the rows are of, where that is known. */
  table?: string | undefined;
  /** The rows are events. Some of them may be of other namespaces (column `nsid`). */
  events?: boolean | undefined;
}

const noBytes = new Uint8Array(0);
const noWords = new Uint32Array(0);

export class ColumnStore implements FlowRows {
  readonly rows: number;
  readonly addresses: Uint8Array;
  readonly #parts: StoreParts;
  #memory: RawRows | undefined;
  flowColumns: FlowColumns | undefined;
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
      table: raw.table,
      events: raw.events,
    });
  }

  /** The table that a row was read from. The id of the row means nothing in any other. */
  tableOf(row: number): string | undefined {
    const { table, events } = this.#parts;
    return events === true && this.column('nsid')[row]! >= 0 ? undefined : table;
  }

  /** The table that rows were read from; of events, those that are of no other namespace. */
  get table(): string | undefined {
    return this.#parts.table;
  }

  /** The memory of the rows, for native code. */
  get memory(): RawRows {
    const { arena, capacity, addresses, extraIndex, extra, events = false } = this.#parts;
    this.#memory ??= {
      arena: arena === undefined ? noBytes : new Uint8Array(arena),
      ...{ capacity, addresses, extraIndex, extra, events },
    };
    return this.#memory;
  }
  /** Where the rows [from, to) are in that memory. */
  rowNumbers(from: number, to: number): Uint32Array {
    const first = this.#parts.offset + from;
    const rows = new Uint32Array(to - from);
    for (let i = 0; i < rows.length; i++) rows[i] = first + i;
    return rows;
  }

  /** The view of a column, made at its first use. The arena leaves out groups that no row has: they are zeros. */
  column<N extends ColumnName>(name: N): ColumnArrays[N] {
    const made = this.#views[name];
    if (made !== undefined) return made as ColumnArrays[N];
    const view = this.make(name);
    this.#views[name] = view;
    return view;
  }
  protected make<N extends ColumnName>(name: N): ColumnArrays[N] {
    const { arena, capacity, offset, rows } = this.#parts;
    const { array, size, prefix } = columnLayout[name];
    const view = this.stores(name)
      ? new array(arena!, capacity * prefix + offset * size, rows)
      : new array(rows);
    return view as ColumnArrays[N];
  }
  /** Whether the arena has this column. One that it does not have is all zeros. */
  stores(name: ColumnName): boolean {
    const { arena, capacity, offset, rows } = this.#parts;
    const { size, prefix } = columnLayout[name];
    return arena !== undefined && capacity * prefix + (offset + rows) * size <= arena.byteLength;
  }

  addressText(side: Side, row: number): string {
    const value = this.column(addressColumns[side])[row]!;
    return this.column('family')[row] === AF_INET6
      ? ipv6Text(this.addresses, value * 16)
      : ipv4Text(value);
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

  /** Where a row is read: in this store, or in the one that this store chooses rows of. */
  place(row: number): { store: ColumnStore; row: number } {
    return { store: this, row };
  }

  /** The rare attributes of a row, if it has any: a run of netlink attributes as the kernel sent them. */
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

  /** Where the rare attributes of its rows are: pairs of a row and an offset in `bytes`. */
  extraRows(): { index: ArrayLike<number>; bytes: Uint8Array } {
    const { extraIndex, extra, offset } = this.#parts;
    const index = new Uint32Array(extraIndex.length);
    let used = 0;
    for (let i = 0; i < extraIndex.length; i += 2) {
      const row = extraIndex[i]! - offset;
      if (row < 0 || row >= this.rows) continue;
      index[used++] = row;
      index[used++] = extraIndex[i + 1]!;
    }
    return { index: index.subarray(0, used), bytes: extra };
  }
  /** The table of all rows, as far as one is known, and whether they are events. */
  get origin(): Pick<StoreParts, 'table' | 'events'> {
    return this.#parts;
  }

  /** Rows [from, to) without a copy. */
  slice(from: number, to: number): ColumnStore {
    return new ColumnStore({ ...this.#parts, rows: to - from, offset: this.#parts.offset + from });
  }

  /** The chosen rows, in their order. */
  select(selection: Uint32Array): ColumnStore {
    // For few rows a copy of all columns pays, and frees the memory of the whole batch. For many rows a column is
    // copied only when it is read.
    return selection.length * 8 < this.rows
      ? this.gather(selection)
      : new SelectedStore(this, selection);
  }

  /** A copy of the chosen rows, in their order. */
  gather(selection: Uint32Array): ColumnStore {
    const rows = selection.length;
    const capacity = roundRows(rows);
    const names = (Object.keys(columnLayout) as ColumnName[]).filter((name) => this.stores(name));
    const bytes = names.map((name) => columnLayout[name].prefix + columnLayout[name].size);
    const arena = new ArrayBuffer(capacity * Math.max(0, ...bytes));
    for (const name of names) {
      const { array, prefix } = columnLayout[name];
      gatherColumn(this.column(name), selection, new array(arena, capacity * prefix, rows));
    }
    const index: number[] = [];
    if (this.#parts.extraIndex.length > 0) {
      const base = this.#parts.extra.byteOffset;
      selection.forEach((row, i) => {
        const found = this.extraBytes(row);
        if (found !== undefined) index.push(i, found.byteOffset - base);
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
      table: this.#parts.table,
      events: this.#parts.events,
    });
  }
}

type Column = ColumnArrays[ColumnName];

function gatherColumn(from: Column, selection: Uint32Array, to: Column): void {
  if (from instanceof BigUint64Array) {
    // As pairs of words, so that no bigint is made.
    const source = new Uint32Array(from.buffer, from.byteOffset, from.length * 2);
    const target = new Uint32Array(to.buffer, to.byteOffset, to.length * 2);
    for (let i = 0; i < selection.length; i++) {
      const at = selection[i]! * 2;
      target[i * 2] = source[at]!;
      target[i * 2 + 1] = source[at + 1]!;
    }
    return;
  }
  const target = to as Exclude<Column, BigUint64Array>;
  for (let i = 0; i < selection.length; i++) target[i] = from[selection[i]!]!;
}

/** Chosen rows of another store. A column is copied when it is first read. */
class SelectedStore extends ColumnStore {
  readonly #base: ColumnStore;
  readonly #selection: Uint32Array;

  constructor(base: ColumnStore, selection: Uint32Array) {
    super({
      rows: selection.length,
      capacity: 0,
      offset: 0,
      arena: undefined,
      addresses: base.addresses,
      extraIndex: noWords,
      extra: noBytes,
    });
    this.#base = base;
    this.#selection = selection;
  }
  protected override make<N extends ColumnName>(name: N): ColumnArrays[N] {
    const column = new columnLayout[name].array(this.rows) as ColumnArrays[N];
    if (this.stores(name)) gatherColumn(this.#base.column(name), this.#selection, column);
    return column;
  }
  override tableOf(row: number): string | undefined {
    return this.#base.tableOf(this.#selection[row]!);
  }
  override get table(): string | undefined {
    return this.#base.table;
  }
  override get memory(): RawRows {
    return this.#base.memory;
  }
  override rowNumbers(from: number, to: number): Uint32Array {
    const first = this.#base.rowNumbers(0, 1)[0] ?? 0;
    return this.#selection.subarray(from, to).map((row) => first + row);
  }
  override stores(name: ColumnName): boolean {
    return this.#base.stores(name);
  }
  override extraBytes(row: number): Uint8Array | undefined {
    return this.#base.extraBytes(this.#selection[row]!);
  }
  override extraRows(): { index: ArrayLike<number>; bytes: Uint8Array } {
    const { index: all, bytes } = this.#base.extraRows();
    if (all.length === 0) return { index: all, bytes };
    const offsets = new Map<number, number>();
    for (let i = 0; i < all.length; i += 2) offsets.set(all[i]!, all[i + 1]!);
    const index: number[] = [];
    this.#selection.forEach((row, i) => {
      const offset = offsets.get(row);
      if (offset !== undefined) index.push(i, offset);
    });
    return { index, bytes };
  }
  override get origin(): Pick<StoreParts, 'table' | 'events'> {
    return this.#base.origin;
  }
  override place(row: number): { store: ColumnStore; row: number } {
    return this.#base.place(this.#selection[row]!);
  }
  override slice(from: number, to: number): ColumnStore {
    return new SelectedStore(this.#base, this.#selection.subarray(from, to));
  }
  override select(selection: Uint32Array): ColumnStore {
    return this.#base.select(selection.map((row) => this.#selection[row]!));
  }
  override gather(selection: Uint32Array): ColumnStore {
    return this.#base.gather(selection.map((row) => this.#selection[row]!));
  }
}

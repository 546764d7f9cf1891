// The rows of a store with nothing else: only their addresses, only their rare attributes. And several stores as one.
import { AF_INET6 } from '../../constants.js';
import {
  addressColumns,
  type ColumnName,
  ColumnStore,
  roundRows,
  type StoreParts,
} from './column-store.js';
import { littleEndian } from './netlink-attributes.js';
import { type ColumnArrays, columnLayout } from './schema.js';

export type Column = ColumnArrays[ColumnName];

/** Rows as columns. A column may be a view of a batch: it is only read. */
export interface Pieces {
  readonly rows: number;
  /** In the order of the layout. One that is absent is all zeros. */
  readonly columns: ReadonlyMap<ColumnName, Column>;
  /** 16 bytes for each IPv6 address. */
  readonly addresses: Uint8Array;
  /** Pairs of a row and an offset in `extra`, both ascending. */
  readonly extraIndex: Uint32Array;
  /** Runs of attributes, one after the other, each with a word of 0 at its end. */
  readonly extra: Uint8Array;
}

export const columnNames = Object.keys(columnLayout) as ColumnName[];
const none = 0xffff_ffff;

/** Where the run of attributes at an offset ends, with its word of 0; -1 where a length makes no sense. */
export function runEnd(view: DataView, offset: number): number {
  let at = offset;
  for (;;) {
    if (at + 4 > view.byteLength) return -1;
    const length = view.getUint16(at, littleEndian);
    if (length === 0) return view.getUint32(at, littleEndian) === 0 ? at + 4 : -1;
    if (length < 4) return -1;
    at += (length + 3) & ~3;
  }
}

const viewOf = (bytes: Uint8Array) =>
  new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

/** The addresses that the rows use, and the columns that point to them. */
function addressesOf(store: ColumnStore): { bytes: Uint8Array; columns: Column[] } | undefined {
  const family = store.column('family');
  if (!family.includes(AF_INET6)) return undefined;
  const { rows } = store;
  // Words are copied four times as fast as bytes are.
  const { buffer, byteOffset, length } = store.addresses;
  const from = new Uint32Array(buffer, byteOffset, length / 4);
  const moved = new Uint32Array(length / 16).fill(none);
  // A row has four addresses at most, and each address is written once.
  const to = new Uint32Array(Math.min(from.length, rows * 16));
  let used = 0;
  const sides = addressColumns.map((name) => store.column(name));
  const columns = sides.map((column) => column.slice());
  for (let row = 0; row < rows; row++) {
    if (family[row] !== AF_INET6) continue;
    for (let side = 0; side < 4; side++) {
      const index = sides[side]![row]!;
      if (moved[index] === none) {
        for (let i = 0; i < 4; i++) to[used * 4 + i] = from[index * 4 + i]!;
        moved[index] = used++;
      }
      columns[side]![row] = moved[index]!;
    }
  }
  return { bytes: new Uint8Array(to.buffer, 0, used * 16), columns };
}

function extrasOf(store: ColumnStore): Pick<Pieces, 'extraIndex' | 'extra'> {
  const { index, bytes } = store.extraRows();
  const extraIndex = new Uint32Array(index.length);
  const view = viewOf(bytes);
  const ends = new Uint32Array(index.length / 2);
  let size = 0;
  for (let i = 0; i < index.length; i += 2) {
    const from = index[i + 1]!;
    const end = runEnd(view, from);
    ends[i / 2] = end < 0 ? from : end;
    extraIndex[i] = index[i]!;
    extraIndex[i + 1] = size;
    size += ends[i / 2]! - from;
  }
  // Most batches have all of their runs in order.
  if (size === bytes.length && (index.length === 0 || index[1] === 0)) {
    let same = true;
    for (let i = 1; i < index.length && same; i += 2) same = index[i] === extraIndex[i];
    if (same) return { extraIndex, extra: bytes };
  }
  const extra = new Uint8Array(size);
  for (let i = 0; i < index.length; i += 2) {
    extra.set(bytes.subarray(index[i + 1], ends[i / 2]), extraIndex[i + 1]);
  }
  return { extraIndex, extra };
}

/** The rows of a store, with what they need. */
export function piecesOf(store: ColumnStore): Pieces {
  const columns = new Map<ColumnName, Column>();
  for (const name of columnNames) if (store.stores(name)) columns.set(name, store.column(name));
  const v6 = addressesOf(store);
  for (const [side, column] of v6?.columns.entries() ?? []) {
    columns.set(addressColumns[side]!, column);
  }
  return {
    rows: store.rows,
    columns,
    addresses: v6?.bytes ?? new Uint8Array(0),
    ...extrasOf(store),
  };
}

/** A store with an arena of its own, filled by `fill`. It has the columns of `names`, and those before them. */
export function storeOf(
  rows: number,
  names: ReadonlySet<ColumnName>,
  fill: (name: ColumnName, column: Column) => void,
  rest: Pick<StoreParts, 'addresses' | 'extraIndex' | 'extra' | 'table' | 'events'>,
): ColumnStore {
  const capacity = roundRows(rows);
  let bytes = 0;
  for (const name of names) {
    bytes = Math.max(bytes, columnLayout[name].prefix + columnLayout[name].size);
  }
  const arena = new ArrayBuffer(capacity * bytes);
  for (const name of names) {
    const { array, prefix } = columnLayout[name];
    fill(name, new array(arena, capacity * prefix, rows));
  }
  return new ColumnStore({ rows, capacity, offset: 0, arena, ...rest });
}

/** The rows of all stores in their order. They are of a table only if all are of the same. */
export function joined(stores: readonly ColumnStore[]): ColumnStore {
  const parts = stores.map(piecesOf);
  const rows = parts.reduce((sum, one) => sum + one.rows, 0);
  const names = new Set(parts.flatMap(({ columns }) => [...columns.keys()]));
  const addresses = joinedBytes(parts.map((one) => one.addresses));
  const extra = joinedBytes(parts.map((one) => one.extra));
  const extraIndex = new Uint32Array(parts.reduce((sum, one) => sum + one.extraIndex.length, 0));
  let [row, at, size] = [0, 0, 0];
  for (const one of parts) {
    for (let i = 0; i < one.extraIndex.length; i += 2) {
      extraIndex[at++] = one.extraIndex[i]! + row;
      extraIndex[at++] = one.extraIndex[i + 1]! + size;
    }
    row += one.rows;
    size += one.extra.length;
  }
  const events = stores.some((store) => store.origin.events === true);
  const tables = new Set(stores.filter((one) => one.rows > 0).map((one) => one.origin.table));
  if (events) names.add('nsid');
  const fill = (name: ColumnName, target: Column) => {
    let begin = 0;
    for (const [i, { rows: count, columns }] of parts.entries()) {
      const source = columns.get(name);
      const place = target.subarray(begin, begin + count);
      if (source !== undefined) (place as Uint32Array).set(source as Uint32Array);
      // A row that is no event is of no other namespace.
      if (events && name === 'nsid' && stores[i]!.origin.events !== true)
        (place as Int32Array).fill(-1);
      begin += count;
    }
    const side = addressColumns.indexOf(name as (typeof addressColumns)[number]);
    if (side >= 0) shiftAddresses(parts, target as Uint32Array);
  };
  const table = tables.size === 1 ? [...tables][0] : undefined;
  return storeOf(rows, names, fill, { addresses, extraIndex, extra, table, events });
}

/** Makes the addresses of later parts point behind those of the earlier ones. */
function shiftAddresses(parts: readonly Pieces[], target: Uint32Array): void {
  let [begin, shift] = [0, 0];
  for (const { rows, columns, addresses } of parts) {
    const family = columns.get('family');
    for (let row = 0; shift > 0 && addresses.length > 0 && row < rows; row++) {
      if (family?.[row] === AF_INET6) target[begin + row]! += shift;
    }
    begin += rows;
    shift += addresses.length / 16;
  }
}

function joinedBytes(all: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(all.reduce((sum, one) => sum + one.length, 0));
  let at = 0;
  for (const one of all) {
    bytes.set(one, at);
    at += one.length;
  }
  return bytes;
}

// A batch as an Apache Arrow table. `apache-arrow` is an optional peer, and is loaded when it is needed. Numeric
// columns share the memory of the batch. Text columns (addresses, names) are dictionaries that are made here.
import { createRequire } from 'node:module';
import { protocolName } from '../../constants.js';
import { unsupported } from '../../errors.js';
import { type ColumnName, type ColumnStore, sideOf } from '../columns/column-store.js';
import { type Presence, presenceFor } from '../columns/presence.js';
import { columnLayout } from '../columns/schema.js';

/** The part of apache-arrow's `Table` that needs no import of it. Cast to that type to use the rest. */
export interface ArrowTable {
  /** The number of flows. */
  readonly numRows: number;
  /** The number of columns. */
  readonly numCols: number;
  /** A column by its name, as in `batch.columns`; null where there is none of that name. */
  getChild(name: string): ArrowColumn | null;
}

/** The part of apache-arrow's `Vector` that needs no import of it. */
export interface ArrowColumn {
  /** The number of values, those that are null included. */
  readonly length: number;
  /** The value of a row; null where the kernel sent none. */
  get(index: number): unknown;
}

const notExported = new Set<ColumnName>([
  ...['presence', 'presenceMore', 'type', 'nsid', 'portid', 'own', 'timestampEvent'],
] as ColumnName[]);

/** Arrow's validity bitmap: bit i is set when row i has a value. */
export function validity({ presence, bits }: Presence): { bitmap: Uint8Array; nulls: number } {
  const bitmap = new Uint8Array(Math.ceil(presence.length / 64) * 8);
  let nulls = 0;
  for (let i = 0; i < presence.length; i++) {
    if ((presence[i]! & bits) !== 0) bitmap[i >> 3]! |= 1 << (i & 7);
    else nulls++;
  }
  return { bitmap, nulls };
}

export function arrowTable(store: ColumnStore): ArrowTable {
  let arrow: typeof import('apache-arrow');
  try {
    arrow = createRequire(import.meta.url)('apache-arrow');
  } catch (cause) {
    const error = unsupported(
      'toArrow',
      'the optional package apache-arrow is not installed',
      'npm install apache-arrow',
    );
    error.cause = cause;
    throw error;
  }
  const types = {
    Uint8Array: new arrow.Uint8(),
    Uint16Array: new arrow.Uint16(),
    Uint32Array: new arrow.Uint32(),
    Int32Array: new arrow.Int32(),
    BigUint64Array: new arrow.Uint64(),
  };
  const children: Record<string, import('apache-arrow').Vector> = {};
  const text = (read: (row: number) => string | null) =>
    arrow.vectorFromArray(
      Array.from({ length: store.rows }, (_, row) => read(row)),
      new arrow.Dictionary(new arrow.Utf8(), new arrow.Int32()),
    );
  for (const name of Object.keys(columnLayout) as ColumnName[]) {
    if (notExported.has(name)) continue;
    const side = sideOf[name];
    if (side !== undefined) {
      children[name] = text((row) => store.addressText(side, row));
    } else if (name === 'family') {
      const family = store.column('family');
      children[name] = text((row) => (family[row] === 2 ? 'ipv4' : 'ipv6'));
    } else if (name === 'protocol') {
      const protocol = store.column('protocol');
      children[name] = text((row) => String(protocolName(protocol[row]!)));
      children.protocolNumber = arrow.makeVector(protocol);
    } else {
      const data = store.column(name);
      const sent = presenceFor(store, name);
      const valid = sent.bits === 0 ? undefined : validity(sent);
      children[name] = arrow.makeVector(
        arrow.makeData({
          type: types[
            columnLayout[name].array.name as keyof typeof types
          ] as import('apache-arrow').Uint32,
          length: store.rows,
          data: data as Uint32Array,
          ...(valid && { nullBitmap: valid.bitmap, nullCount: valid.nulls }),
        }),
      );
    }
  }
  return new arrow.Table(children) as unknown as ArrowTable;
}

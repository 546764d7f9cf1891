// The memory of flows that are looked up one at a time. Knows layout, not meaning.
import { ColumnStore } from './column-store.js';
import { lookupRowBytes, rowBytes } from './schema.js';

/** Rows that come one after the other. Each has its rare attributes in an array of its own. */
class LookupStore extends ColumnStore {
  readonly extras: (Uint8Array | undefined)[] = [];

  override extraBytes(row: number): Uint8Array | undefined {
    return this.extras[row];
  }
}

/**
 * Room for rows that single lookups fill one after the other: native code writes a row, and a Flow reads it. 64
 * rows share an arena, so that not every lookup has to make views.
 */
export class LookupArena {
  static readonly capacity = 64;
  readonly bytes = new Uint8Array(LookupArena.capacity * lookupRowBytes);
  readonly store: LookupStore;
  next = 0;

  constructor(table?: string) {
    this.store = new LookupStore({
      rows: LookupArena.capacity,
      capacity: LookupArena.capacity,
      offset: 0,
      arena: this.bytes.buffer as ArrayBuffer,
      addresses: this.bytes.subarray(LookupArena.capacity * rowBytes),
      extraIndex: new Uint32Array(0),
      extra: new Uint8Array(0),
      table,
    });
  }

  setExtra(row: number, bytes: Uint8Array): void {
    this.store.extras[row] = bytes;
  }
}

// Batches as bytes, and back. Nothing that comes in is believed: lengths, indexes and runs of attributes are checked
// before a batch is made of them.
//
// Layout, all numbers in the byte order of the host, which the head names:
//   head (headBytes)         see `head` below; the checksum is of all that follows it
//   names of the columns     each a byte for its length, then ASCII; padding to 8
//   columns                  one after the other, `rows` values each, padding to 8
//   addresses                16 bytes each
//   index of attributes      pairs of a row and an offset, of 32 bits each
//   attributes               runs as the kernel sent them, each with a word of 0 at its end
import { createRequire } from 'node:module';
import { AF_INET, AF_INET6 } from '../../constants.js';
import { badType } from '../../errors.js';
import { eventTypeNames, own } from '../../native/numbers.js';
import { addressColumns, type ColumnName, type ColumnStore } from '../columns/column-store.js';
import { type Column, columnNames, piecesOf, runEnd, storeOf } from '../columns/pieces.js';
import { columnLayout } from '../columns/schema.js';

/** `CTFB` in a hex dump. */
const magic = [0x43, 0x54, 0x46, 0x42] as const;
const version = 1;
const orderMark = 0xfeff;

/** Offsets in the head. */
const head = {
  ...{ magic: 0, version: 4, order: 6, checksum: 8, rows: 12, length: 16 },
  ...{ columns: 24, names: 28, addresses: 32, extraRows: 36, extra: 40, events: 48 },
  ...{ lossSource: 52, lost: 56 },
} as const;
const headBytes = 64;
/** The checksum is of what comes after it. */
const checked = 12;

const lossSources = ['none', 'kernel', 'queue'] as const;

/** What a batch of events has beside its rows. */
export interface Loss {
  readonly source: 'kernel' | 'queue';
  readonly lost: number;
}

const little = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1;
const padded = (size: number) => (size + 7) & ~7;
const padded64 = (size: number) => Math.ceil(size / 8) * 8;

/** CRC-32 of zlib. It is loaded when it is needed: the import of the package shall not wait for it. */
function checksum(bytes: Uint8Array): number {
  const zlib = createRequire(import.meta.url)('node:zlib') as typeof import('node:zlib');
  return zlib.crc32(bytes);
}

export function toBytes(store: ColumnStore, loss?: Loss): Uint8Array {
  const { rows, columns, addresses, extraIndex, extra } = piecesOf(store);
  const names = [...columns.keys()];
  const namesSize = padded(names.reduce((sum, name) => sum + 1 + name.length, 0));
  let length = headBytes + namesSize + addresses.length + extraIndex.byteLength + extra.length;
  for (const name of names) length += padded64(rows * columnLayout[name].size);
  const bytes = new Uint8Array(length);
  const view = new DataView(bytes.buffer);
  bytes.set(magic);
  view.setUint16(head.version, version, little);
  view.setUint16(head.order, orderMark, little);
  view.setUint32(head.rows, rows, little);
  view.setFloat64(head.length, length, little);
  view.setUint32(head.columns, names.length, little);
  view.setUint32(head.names, namesSize, little);
  view.setUint32(head.addresses, addresses.length / 16, little);
  view.setUint32(head.extraRows, extraIndex.length / 2, little);
  view.setFloat64(head.extra, extra.length, little);
  view.setUint32(head.events, store.origin.events === true ? 1 : 0, little);
  view.setUint32(head.lossSource, loss ? lossSources.indexOf(loss.source) : 0, little);
  view.setFloat64(head.lost, loss?.lost ?? 0, little);
  let at = headBytes;
  for (const name of names) {
    bytes[at++] = name.length;
    for (let i = 0; i < name.length; i++) bytes[at++] = name.charCodeAt(i);
  }
  at = headBytes + namesSize;
  const put = (part: ArrayBufferView) => {
    bytes.set(new Uint8Array(part.buffer, part.byteOffset, part.byteLength), at);
    at += part.byteLength;
  };
  for (const column of columns.values()) {
    put(column);
    at = padded64(at);
  }
  for (const part of [addresses, extraIndex, extra]) put(part);
  view.setUint32(head.checksum, checksum(bytes.subarray(checked)), little);
  return bytes;
}

const refuse = (why: string) => new RangeError(`bytes: ${why}`);

/** A batch that was read from bytes. */
export interface FromBytes {
  readonly store: ColumnStore;
  readonly events: boolean;
  readonly loss: Loss | undefined;
}

/** @throws {TypeError} for what are no bytes, {RangeError} for bytes that are no batch, or a damaged one. */
export function fromBytes(given: unknown): FromBytes {
  if (!(given instanceof Uint8Array)) throw badType('bytes', 'a Uint8Array', given);
  // A plain view: `slice` of a Buffer does not copy. Memory that another thread may change is copied first, so that what
  // is checked is what is kept.
  const plain = new Uint8Array(given.buffer, given.byteOffset, given.byteLength);
  const bytes = shared(given) ? plain.slice() : plain;
  if (bytes.length < headBytes || magic.some((byte, i) => bytes[i] !== byte)) {
    throw refuse('they do not begin as a batch does');
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.getUint16(head.order, little) !== orderMark) {
    throw refuse('they are of a machine with the other byte order');
  }
  const found = view.getUint16(head.version, little);
  if (found !== version)
    throw refuse(`their version is ${found}, and this package reads ${version}`);
  const length = view.getFloat64(head.length, little);
  if (length !== bytes.length) throw refuse(`${bytes.length} of ${length} bytes`);
  if (checksum(bytes.subarray(checked)) !== view.getUint32(head.checksum, little)) {
    throw refuse('the checksum is wrong: they are damaged');
  }
  return new Reader(bytes, view).read();
}

const shared = (bytes: Uint8Array) =>
  typeof SharedArrayBuffer !== 'undefined' && bytes.buffer instanceof SharedArrayBuffer;

class Reader {
  readonly #rows: number;
  #at = headBytes;

  constructor(
    readonly bytes: Uint8Array,
    readonly view: DataView,
  ) {
    this.#rows = this.#u32(head.rows);
  }

  #u32(offset: number): number {
    return this.view.getUint32(offset, little);
  }

  /** Takes the next bytes. Their size is a number from the bytes themselves. */
  #take(size: number): Uint8Array {
    const end = this.#at + size;
    if (!Number.isSafeInteger(size) || size < 0 || end > this.bytes.length) {
      throw refuse('a length goes beyond their end');
    }
    const part = this.bytes.subarray(this.#at, end);
    this.#at = end;
    return part;
  }

  read(): FromBytes {
    const names = this.#names();
    const columns = new Map<ColumnName, Uint8Array>();
    for (const name of names) {
      const size = this.#rows * columnLayout[name].size;
      columns.set(name, this.#take(size));
      this.#take(padded64(this.#at) - this.#at);
    }
    const addresses = this.#take(this.#u32(head.addresses) * 16).slice();
    const index = this.#take(this.#u32(head.extraRows) * 8).slice();
    const extra = this.#take(this.view.getFloat64(head.extra, little)).slice();
    if (this.#at !== this.bytes.length) throw refuse('there are more than their head says');
    if (this.#rows > 0 && columnNames.some((name) => needed(name) && !columns.has(name))) {
      throw refuse('a column is missing');
    }
    const isEvents = this.#u32(head.events);
    if (isEvents > 1) throw refuse('their kind is unknown');
    const events = isEvents === 1;
    const extraIndex = new Uint32Array(index.buffer);
    checkExtra(extraIndex, extra, this.#rows);
    const fill = (name: ColumnName, column: Column) => {
      const source = columns.get(name);
      if (source === undefined) return;
      new Uint8Array(column.buffer, column.byteOffset, column.byteLength).set(source);
    };
    const rest = { addresses, extraIndex, extra, events };
    const store = storeOf(this.#rows, new Set(names), fill, rest);
    checkRows(store, addresses.length / 16, events);
    return { store, events, loss: this.#loss(events) };
  }

  #names(): ColumnName[] {
    const count = this.#u32(head.columns);
    const bytes = this.#take(this.#u32(head.names));
    const names: ColumnName[] = [];
    let [at, last] = [0, -1];
    for (let i = 0; i < count; i++) {
      const size = bytes[at];
      if (size === undefined || size === 0 || at + 1 + size > bytes.length) {
        throw refuse('the name of a column is cut off');
      }
      const name = String.fromCharCode(...bytes.subarray(at + 1, at + 1 + size));
      at += 1 + size;
      const place = columnNames.indexOf(name as ColumnName);
      if (place < 0) throw refuse(`they have a column that this package does not know: ${name}`);
      if (place <= last) throw refuse('their columns are out of order');
      last = place;
      names.push(name as ColumnName);
    }
    return names;
  }

  #loss(events: boolean): Loss | undefined {
    const source = lossSources[this.#u32(head.lossSource)];
    const lost = this.view.getFloat64(head.lost, little);
    if (source === undefined) throw refuse('the source of a loss is unknown');
    if (source === 'none' ? lost !== 0 : !events || !Number.isSafeInteger(lost) || lost < 1) {
      throw refuse('the count of a loss makes no sense');
    }
    return source === 'none' ? undefined : { source, lost };
  }
}

/** Every batch has these. */
const needed = (name: ColumnName) => columnLayout[name].group === 0;

/** The index is ascending, and each run begins where the one before it ends. */
function checkExtra(index: Uint32Array, extra: Uint8Array, rows: number): void {
  const view = new DataView(extra.buffer, extra.byteOffset, extra.byteLength);
  let [last, end] = [-1, 0];
  for (let i = 0; i < index.length; i += 2) {
    const row = index[i]!;
    if (row <= last || row >= rows) throw refuse('the attributes of a row are out of order');
    if (index[i + 1] !== end) throw refuse('the attributes of a row are not where they should be');
    last = row;
    end = runEnd(view, end);
    if (end < 0) throw refuse('an attribute is cut off');
  }
  if (end !== extra.length) throw refuse('there are attributes without a row');
}

function checkRows(store: ColumnStore, addresses: number, events: boolean): void {
  const family = store.column('family');
  const sides = addressColumns.map((name) => store.column(name));
  for (let row = 0; row < store.rows; row++) {
    if (family[row] === AF_INET) continue;
    if (family[row] !== AF_INET6) throw refuse(`row ${row} has the family ${family[row]}`);
    for (const side of sides) {
      if (side[row]! >= addresses) throw refuse(`row ${row} has an address that is not there`);
    }
  }
  if (!events) return;
  const [types, owns, ids] = [store.column('type'), store.column('own'), store.column('nsid')];
  for (let row = 0; row < store.rows; row++) {
    if (types[row]! >= eventTypeNames.length || owns[row]! > own.unknown || ids[row]! < -1) {
      throw refuse(`row ${row} is no event`);
    }
  }
}

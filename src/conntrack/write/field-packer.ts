// The byte form of fields to write: {u16 size, u16 field, payload, padding}, as schema.h says. Grows.
// Every field begins at a multiple of four, so what is small is written as words. Addresses are read from
// their text into slots first, from which they are packed as often as they are needed.
import { writeFlowAddress } from '../../address.js';
import { littleEndian } from '../columns/netlink-attributes.js';

/** A field's header as one word. */
const header = littleEndian
  ? (field: number, size: number) => size | (field << 16)
  : (field: number, size: number) => (size << 16) | field;
/** A small payload as one word, its bytes first. */
const word8 = littleEndian ? (value: number) => value : (value: number) => value << 24;
const word16 = littleEndian ? (value: number) => value : (value: number) => value << 16;

/** Where an address waits. A flow has six at most: of its two tuples and its translation. */
export type Slot = 0 | 1 | 2 | 3 | 4 | 5;

export class FieldPacker {
  /**
   * Packs nothing. Were no packer alive, a garbage collection would take V8's hidden class of packers and all
   * machine code that relies on it: the next createMany would begin in the interpreter.
   */
  static readonly kept = new FieldPacker();

  #bytes = new Uint8Array(1024);
  #words = new Uint32Array(this.#bytes.buffer);
  #size = 0;
  #begin = 0;
  readonly #slotBytes = new Uint8Array(6 * 16);
  readonly #slots = new Uint32Array(this.#slotBytes.buffer);
  /** Flows begun. */
  count = 0;

  get size(): number {
    return this.#size;
  }

  /** Starts a flow: a size, known at its end, then its fields. */
  begin(): void {
    this.#room(4);
    this.#begin = this.#size;
    this.#size += 4;
    this.count++;
  }
  end(): void {
    this.#words[this.#begin >> 2] = this.#size - this.#begin - 4;
  }
  /** A place to come back to with `rewind`. */
  mark(): { size: number; count: number } {
    return { size: this.#size, count: this.count };
  }
  /** Forgets what was packed since: it turned out that the flow cannot be written. */
  rewind(mark: { size: number; count: number }): void {
    this.#size = mark.size;
    this.count = mark.count;
  }

  // The header first, on a line of its own: it may move the bytes, and `this.#bytes.set(…, header())`
  // would have read the old place before.
  u8(field: number, value: number): void {
    const at = this.#header(field, 1);
    this.#words[at >> 2] = word8(value);
  }
  // The header comes first: it may move the bytes, and the view with them.
  u16(field: number, value: number): void {
    const at = this.#header(field, 2);
    this.#words[at >> 2] = word16(value);
  }
  u32(field: number, value: number): void {
    const at = this.#header(field, 4);
    this.#words[at >> 2] = value;
  }
  u32s(field: number, values: readonly number[]): void {
    const at = this.#header(field, values.length * 4);
    values.forEach((value, i) => {
      this.#words[(at >> 2) + i] = value;
    });
  }
  u64(field: number, value: bigint): void {
    const at = this.#header(field, 8);
    new DataView(this.#bytes.buffer).setBigUint64(at, value, littleEndian);
  }
  bytes(field: number, value: Uint8Array): void {
    const at = this.#header(field, value.length);
    if (value.length > 0) this.#words[(at + value.length - 1) >> 2] = 0; // the padding
    this.#bytes.set(value, at);
  }

  /** Reads an address into a slot; the number of its family, or 0 when the text is none. */
  read(slot: Slot, text: string): 0 | 2 | 10 {
    const word = slot * 4;
    const family = writeFlowAddress(text, this.#slotBytes, slot * 16);
    if (family === 2) {
      this.#slots[word + 1] = 0;
      this.#slots[word + 2] = 0;
      this.#slots[word + 3] = 0;
    }
    return family;
  }
  /** Whether two slots hold the same address. */
  same(a: Slot, b: Slot): boolean {
    for (let i = 0; i < 4; i++) {
      if (this.#slots[a * 4 + i] !== this.#slots[b * 4 + i]) return false;
    }
    return true;
  }
  /** The address of a slot. */
  address(field: number, slot: Slot, family: 2 | 10): void {
    const words = family === 2 ? 1 : 4;
    const at = this.#header(field, words * 4) >> 2;
    for (let i = 0; i < words; i++) this.#words[at + i] = this.#slots[slot * 4 + i]!;
  }

  /** A copy of what was packed; the packer starts anew. */
  take(): Uint8Array {
    const taken = this.#bytes.slice(0, this.#size);
    this.reset();
    return taken;
  }

  /** What was packed, as long as nothing more is: for a packer that is used again and again. */
  get packed(): Uint8Array {
    return this.#bytes.subarray(0, this.#size);
  }
  /** Starts anew in the same memory. */
  reset(): void {
    this.#size = 0;
    this.count = 0;
  }

  #header(field: number, size: number): number {
    const whole = 4 + ((size + 3) & ~3);
    this.#room(whole);
    const at = this.#size;
    this.#words[at >> 2] = header(field, size);
    this.#size = at + whole;
    return at + 4;
  }

  #room(size: number): void {
    if (this.#size + size > this.#bytes.length) this.#grow(this.#size + size);
  }
  #grow(size: number): void {
    const larger = new Uint8Array(Math.max(this.#bytes.length * 2, (size + 3) & ~3));
    larger.set(this.#bytes);
    this.#bytes = larger;
    this.#words = new Uint32Array(larger.buffer);
  }
}

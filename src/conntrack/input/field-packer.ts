// The byte form of fields to write: {u16 size, u16 field, payload, padding}, as schema/fields.h says. Every field begins at a
// multiple of four, so small payloads are written as words. The text of an address is first read into a slot. From
// there the address is packed as often as it is needed.
import { writeFlowAddress } from '../../address.js';
import { littleEndian } from '../columns/netlink-attributes.js';

/** The header of a field as one word. */
const header = littleEndian
  ? (field: number, size: number) => size | (field << 16)
  : (field: number, size: number) => (size << 16) | field;
/** A small payload as one word, its bytes first. */
const word8 = littleEndian ? (value: number) => value : (value: number) => value << 24;
const word16 = littleEndian ? (value: number) => value : (value: number) => value << 16;

/** Where an address waits. A flow has at most six: in its two tuples and its translation. */
export type Slot = 0 | 1 | 2 | 3 | 4 | 5;

export class FieldPacker {
  #bytes = new Uint8Array(1024);
  #words = new Uint32Array(this.#bytes.buffer);
  #size = 0;
  #begin = 0;
  protected readonly slotBytes = new Uint8Array(6 * 16);
  readonly #slots = new Uint32Array(this.slotBytes.buffer);
  /** Flows that were begun. */
  count = 0;

  get size(): number {
    return this.#size;
  }

  /** Begins a flow: its size, which `end` writes, then its fields. */
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
  /** Forgets what was packed since `mark`: the flow cannot be written. */
  rewind(mark: { size: number; count: number }): void {
    this.#size = mark.size;
    this.count = mark.count;
  }

  /** Appends flows that were packed elsewhere. */
  append(bytes: Uint8Array, count: number): void {
    this.#room(bytes.length);
    this.#bytes.set(bytes, this.#size);
    this.#size += bytes.length;
    this.count += count;
  }

  // In all of these the header comes first, on a line of its own. It may move the bytes, and an expression that also
  // has `this.#words` would read their old place.
  u8(field: number, value: number): void {
    const at = this.#header(field, 1);
    this.#words[at >> 2] = word8(value);
  }
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

  /** Reads an address into a slot. Gives the number of its family, or 0 when the text is no address. */
  read(slot: Slot, text: string): 0 | 2 | 10 {
    const word = slot * 4;
    const family = writeFlowAddress(text, this.slotBytes, slot * 16);
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
  /** Packs the address of a slot. */
  address(field: number, slot: Slot, family: 2 | 10): void {
    const words = family === 2 ? 1 : 4;
    const at = this.#header(field, words * 4) >> 2;
    for (let i = 0; i < words; i++) this.#words[at + i] = this.#slots[slot * 4 + i]!;
  }

  /** A copy of what was packed. The packer starts again. */
  take(): Uint8Array {
    const taken = this.#bytes.slice(0, this.#size);
    this.reset();
    return taken;
  }

  /** What was packed, without a copy: it is valid until the packer is used again. */
  get packed(): Uint8Array {
    return this.#bytes.subarray(0, this.#size);
  }
  /** Starts again in the same memory. */
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

// The byte form of fields to write: {u16 size, u16 field, payload, padding}, as schema.h says. Grows.
// Every field begins at a multiple of four, so what is small is written as words.
import { writeAddress } from '../address.js';

const littleEndian = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1;

/** A field's header as one word. */
const header = littleEndian
  ? (field: number, size: number) => size | (field << 16)
  : (field: number, size: number) => (size << 16) | field;
/** A small payload as one word, its bytes first. */
const word8 = littleEndian ? (value: number) => value : (value: number) => value << 24;
const word16 = littleEndian ? (value: number) => value : (value: number) => value << 16;

export class FieldPacker {
  #bytes = new Uint8Array(1024);
  #words = new Uint32Array(this.#bytes.buffer);
  #size = 0;
  #begin = 0;
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
  /** Forgets the flow begun last: it turned out not to be valid. */
  drop(): void {
    this.#size = this.#begin;
    this.count--;
  }
  /** Forgets the fields after `size`. */
  rewind(size: number): void {
    this.#size = size;
  }

  // The header first, on a line of its own: it may move the bytes, and `this.#bytes.set(…, header())`
  // would have read the old place before.
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

  /** An address from its text: where its bytes are, and of which family; 0 when the text is none. */
  address(field: number, text: string): { at: number; family: 0 | 2 | 10 } {
    this.#room(20);
    const at = this.#size + 4;
    const family = writeAddress(text, this.#bytes, at);
    const size = family === 2 ? 4 : 16;
    this.#words[this.#size >> 2] = header(field, size);
    this.#size = at + size;
    return { at, family };
  }
  /** The `size` bytes (a multiple of four) of an earlier field as the payload of another one. */
  copy(field: number, from: number, size: number): void {
    const at = this.#header(field, size);
    for (let i = 0; i < size; i += 4) this.#words[(at + i) >> 2] = this.#words[(from + i) >> 2]!;
  }

  /** A copy of what was packed; the packer starts anew. */
  take(): Uint8Array {
    const taken = this.#bytes.slice(0, this.#size);
    this.#size = 0;
    this.count = 0;
    return taken;
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

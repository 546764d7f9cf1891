// The byte form of fields to write: {u16 size, u16 field, payload, padding}, as schema.h says. Grows.
const littleEndian = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1;

export class FieldPacker {
  #bytes = new Uint8Array(1024);
  #view = new DataView(this.#bytes.buffer);
  #size = 0;
  #begin = 0;
  /** Flows begun. */
  count = 0;

  get size(): number {
    return this.#size;
  }

  /** Starts a flow: a size, known at its end, then its fields. */
  begin(): void {
    this.#begin = this.#size;
    this.#room(4);
    this.#size += 4;
    this.count++;
  }
  end(): void {
    this.#view.setUint32(this.#begin, this.#size - this.#begin - 4, littleEndian);
  }
  /** Forgets the flow begun last: it turned out that it cannot be written. */
  drop(): void {
    this.#size = this.#begin;
    this.count--;
  }

  // The header first, on a line of its own: it may move the bytes, and `this.#bytes.set(…, header())`
  // would have read the old place before.
  u8(field: number, value: number): void {
    const at = this.#header(field, 1);
    this.#bytes[at] = value;
  }
  // The header comes first: it may move the bytes, and the view with them.
  u16(field: number, value: number): void {
    const at = this.#header(field, 2);
    this.#view.setUint16(at, value, littleEndian);
  }
  u32(field: number, value: number): void {
    const at = this.#header(field, 4);
    this.#view.setUint32(at, value, littleEndian);
  }
  u32s(field: number, values: readonly number[]): void {
    const at = this.#header(field, values.length * 4);
    values.forEach((value, i) => {
      this.#view.setUint32(at + i * 4, value, littleEndian);
    });
  }
  u64(field: number, value: bigint): void {
    const at = this.#header(field, 8);
    this.#view.setBigUint64(at, value, littleEndian);
  }
  bytes(field: number, value: Uint8Array): void {
    const at = this.#header(field, value.length);
    this.#bytes.set(value, at);
  }

  /** A copy of what was packed; the packer starts anew. */
  take(): Uint8Array {
    const taken = this.#bytes.slice(0, this.#size);
    this.#size = 0;
    this.count = 0;
    return taken;
  }

  // Call it before touching #bytes or #view: it may replace both by larger ones.
  #header(field: number, size: number): number {
    const whole = 4 + ((size + 3) & ~3);
    this.#room(whole);
    const at = this.#size;
    this.#view.setUint16(at, size, littleEndian);
    this.#view.setUint16(at + 2, field, littleEndian);
    this.#bytes.fill(0, at + 4, at + whole);
    this.#size += whole;
    return at + 4;
  }

  #room(size: number): void {
    if (this.#size + size <= this.#bytes.length) return;
    const larger = new Uint8Array(Math.max(this.#bytes.length * 2, this.#size + size));
    larger.set(this.#bytes);
    this.#bytes = larger;
    this.#view = new DataView(larger.buffer);
  }
}

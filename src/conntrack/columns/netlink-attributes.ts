// Runs of netlink attributes: finding one in what the kernel sent, reading its bytes, and the same the other way round,
// for flows that no kernel sent. Every length is checked. Knows no attribute by name.

export const littleEndian = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1;

const viewOf = (bytes: Uint8Array) =>
  new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

/** The payload of the first attribute with that type. */
export function attribute(bytes: Uint8Array, type: number): Uint8Array | undefined {
  for (const [found, payload] of attributes(bytes)) if (found === type) return payload;
  return undefined;
}

/** Every attribute of a run, up to its end or up to the first length that makes no sense. */
export function* attributes(bytes: Uint8Array): Generator<[type: number, payload: Uint8Array]> {
  const view = viewOf(bytes);
  for (let at = 0; at + 4 <= bytes.length; ) {
    const length = view.getUint16(at, littleEndian);
    if (length < 4 || at + length > bytes.length) return;
    // Without NLA_F_NESTED and NLA_F_NET_BYTEORDER.
    yield [view.getUint16(at + 2, littleEndian) & 0x3fff, bytes.subarray(at + 4, at + length)];
    at += (length + 3) & ~3;
  }
}

/** The bytes of all attributes of a run. */
export function attributeRun(bytes: Uint8Array): Uint8Array {
  let end = 0;
  for (const [, payload] of attributes(bytes)) {
    end = (payload.byteOffset - bytes.byteOffset + payload.length + 3) & ~3;
  }
  return bytes.subarray(0, end);
}

/** A number in network byte order; undefined where the payload is absent or too short. */
export function be16(bytes: Uint8Array | undefined): number | undefined {
  return bytes !== undefined && bytes.length >= 2 ? viewOf(bytes).getUint16(0) : undefined;
}
export function be32(bytes: Uint8Array | undefined): number | undefined {
  return bytes !== undefined && bytes.length >= 4 ? viewOf(bytes).getUint32(0) : undefined;
}
export function be64(bytes: Uint8Array | undefined): bigint | undefined {
  return bytes !== undefined && bytes.length >= 8 ? viewOf(bytes).getBigUint64(0) : undefined;
}

const decoder = new TextDecoder();

/** A text that ends at its first NUL. */
export function cString(bytes: Uint8Array | undefined): string | undefined {
  if (bytes === undefined) return undefined;
  const end = bytes.indexOf(0);
  return decoder.decode(end < 0 ? bytes : bytes.subarray(0, end));
}

const encoder = new TextEncoder();

/** Makes runs of attributes, one after the other in one memory. */
export class AttributeWriter {
  size = 0;
  #bytes = new Uint8Array(256);
  #view = viewOf(this.#bytes);

  /** What was written, without a copy. */
  get written(): Uint8Array {
    return this.#bytes.subarray(0, this.size);
  }

  /** An attribute whose payload is what `write` adds. */
  nest(type: number, write: () => void): void {
    const at = this.#room(4);
    write();
    this.#view.setUint16(at, this.size - at, littleEndian);
    this.#view.setUint16(at + 2, type, littleEndian);
    this.#room(-this.size & 3);
  }
  bytes(type: number, payload: ArrayLike<number>): void {
    this.nest(type, () => this.raw(payload));
  }
  /** A number in network byte order. */
  be(type: number, size: 1 | 2 | 4 | 8, value: number | bigint): void {
    this.nest(type, () => {
      const at = this.#room(size);
      if (size === 1) this.#view.setUint8(at, Number(value));
      else if (size === 2) this.#view.setUint16(at, Number(value));
      else if (size === 4) this.#view.setUint32(at, Number(value));
      else this.#view.setBigUint64(at, BigInt(value));
    });
  }
  /** A text, with the NUL at its end. */
  text(type: number, text: string): void {
    this.bytes(type, encoder.encode(`${text}\0`));
  }
  /** Bytes as they are. */
  raw(bytes: ArrayLike<number>): void {
    const at = this.#room(bytes.length);
    this.#bytes.set(bytes, at);
  }
  /** A word of 0 ends a run. */
  end(): void {
    this.#room(4);
  }

  /** Where the next bytes go, which are 0. */
  #room(size: number): number {
    const at = this.size;
    this.size += size;
    if (this.size > this.#bytes.length) {
      const larger = new Uint8Array(this.size * 2);
      larger.set(this.#bytes);
      this.#bytes = larger;
      this.#view = viewOf(larger);
    }
    return at;
  }
}

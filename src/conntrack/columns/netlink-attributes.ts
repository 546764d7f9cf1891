// Runs of netlink attributes as the kernel sent them: finding one, and reading its bytes. Every length is
// checked. Knows no attribute by name.

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

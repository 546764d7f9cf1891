// The places of values in a payload: integers of both byte orders, bits, strings, addresses. A store reads and
// writes, and never checks a value: the files of values say what is allowed.
import { standIns, textAt, textToBytes } from '../text/encoding.js';
import type { Codec, Store } from './define.js';

/** The byte order of this host. The kernel uses it for everything but network fields. */
export const littleEndian = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;

type Width = 8 | 16 | 32;

function readUint(payload: DataView, at: number, width: Width): number {
  if (width === 8) return payload.getUint8(at);
  return width === 16 ? payload.getUint16(at, littleEndian) : payload.getUint32(at, littleEndian);
}

function writeUint(payload: DataView, at: number, width: Width, value: number): void {
  if (width === 8) payload.setUint8(at, value);
  else if (width === 16) payload.setUint16(at, value, littleEndian);
  else payload.setUint32(at, value, littleEndian);
}

function uint(width: Width) {
  return (at: number): Store<number> => ({
    read: (payload) => readUint(payload, at, width),
    write: (payload, value) => writeUint(payload, at, width, value),
  });
}

export const u8 = uint(8);
/** Host byte order. */
export const u16 = uint(16);
/** Host byte order. */
export const u32 = uint(32);

/** Host byte order. */
export const i32 = (at: number): Store<number> => ({
  read: (payload) => payload.getInt32(at, littleEndian),
  write: (payload, value) => payload.setInt32(at, value, littleEndian),
});

/** Host byte order. */
export const u64 = (at: number): Store<bigint> => ({
  read: (payload) => payload.getBigUint64(at, littleEndian),
  write: (payload, value) => payload.setBigUint64(at, value, littleEndian),
});

/** Network byte order. */
export const be16 = (at: number): Store<number> => ({
  read: (payload) => payload.getUint16(at, false),
  write: (payload, value) => payload.setUint16(at, value, false),
});

/** Network byte order. */
export const be32 = (at: number): Store<number> => ({
  read: (payload) => payload.getUint32(at, false),
  write: (payload, value) => payload.setUint32(at, value, false),
});

/** Two values, the ends of a range: `n` if they are equal, else `{ from, to }`. */
export function pair(low: Store<number>, high: Store<number>): Store<number | Range> {
  return {
    read(payload, cx) {
      const from = low.read(payload, cx)!;
      const to = high.read(payload, cx)!;
      return from === to ? from : { from, to };
    },
    write(payload, value, cx) {
      const { from, to } = typeof value === 'number' ? { from: value, to: value } : value;
      low.write(payload, from, cx);
      high.write(payload, to, cx);
    },
  };
}

/** From one value to another, both included. A list of two is never a range. */
export interface Range<T = number> {
  readonly from: T;
  readonly to: T;
}

/** A value with a mask: `n` if all bits count, else `{ value, mask }`. */
export function masked(value: Store<number>, mask: Store<number>, all = 0xffffffff): Store<Masked> {
  return {
    read(payload, cx) {
      const bits = value.read(payload, cx)!;
      const bitmask = mask.read(payload, cx)!;
      return bitmask === all ? bits : { value: bits, mask: bitmask };
    },
    write(payload, given, cx) {
      value.write(payload, typeof given === 'number' ? given : given.value, cx);
      mask.write(payload, typeof given === 'number' ? all : given.mask, cx);
    },
  };
}

export type Masked = number | { readonly value: number; readonly mask: number };

/** One bit of an integer, or several that belong together. */
export function bit(at: number, mask: number, width: Width = 8): Store<boolean> {
  return {
    read: (payload) => (readUint(payload, at, width) & mask) !== 0,
    write(payload, on) {
      const others = (readUint(payload, at, width) & ~mask) >>> 0;
      writeUint(payload, at, width, on ? (others | mask) >>> 0 : others);
    },
  };
}

/** A bit as an option without an argument: `true` if it is set, absent if it is not. */
export function flagBit(at: number, mask: number, width: Width = 8): Store<true> {
  const store = bit(at, mask, width);
  return {
    read: (payload, cx) => (store.read(payload, cx) ? true : undefined),
    write: (payload, value, cx) => store.write(payload, value, cx),
  };
}

/** Has no bytes: the bits of `present` and `invert` are enough. */
export const nothing: Store<true> = { read: () => true, write() {} };

/**
 * A bit mask as a list of names, in the given order. Bits without a name make the extension raw, because the bytes
 * that would be written differ from those that were read.
 */
export function bitNames<N extends string>(
  store: Store<number>,
  bits: Readonly<Record<N, number>>,
): Store<readonly N[]> {
  const entries = Object.entries(bits) as [N, number][];
  return {
    read(payload, cx) {
      const value = store.read(payload, cx)!;
      return entries.filter(([, mask]) => mask !== 0 && (value & mask) === mask).map(([n]) => n);
    },
    write(payload, names, cx) {
      let value = 0;
      for (const name of names) value |= bits[name];
      store.write(payload, value >>> 0, cx);
    },
  };
}

/** A number that means a name. A number without a name makes the extension raw. */
export function coded<N extends string>(
  store: Store<number>,
  codes: Readonly<Record<N, number>>,
): Store<N> {
  const names = new Map<number, N>();
  for (const [name, code] of Object.entries(codes) as [N, number][]) {
    if (!names.has(code)) names.set(code, name);
  }
  return {
    read: (payload, cx) => names.get(store.read(payload, cx)!),
    write: (payload, name, cx) => store.write(payload, codes[name], cx),
  };
}

/** `length` bytes as they are. */
export function rawBytes(at: number, length: number): Store<Uint8Array> {
  return {
    read: (payload) => bytesOf(payload, at, length).slice(),
    write: (payload, value) => bytesOf(payload, at, length).set(value),
  };
}

/** A view on payload bytes. */
export function bytesOf(payload: DataView, at: number, length: number): Uint8Array {
  return new Uint8Array(payload.buffer, payload.byteOffset + at, length);
}

/** A NUL-terminated string in a fixed field; absent if it is empty. The bytes become UTF-8 text. */
export function cstring(at: number, length: number): Store<string> {
  const store = fixedString(at, length);
  return {
    ...store,
    read: (payload, cx) => store.read(payload, cx) || undefined,
  };
}

/** The same, but the empty string is a value. */
export function fixedString(at: number, length: number): Store<string> {
  return {
    strings: [[at, length]],
    read(payload) {
      const bytes = bufferOf(payload);
      const from = payload.byteOffset + at;
      const nul = bytes.indexOf(0, from);
      return textAt(bytes, from, nul < 0 ? from + length : Math.min(nul, from + length));
    },
    write(payload, value) {
      if (3 * value.length <= length && !standIns.test(value)) {
        bufferOf(payload).write(value, payload.byteOffset + at, length, 'utf8');
      } else {
        bytesOf(payload, at, length).set(textToBytes(value).subarray(0, length));
      }
    },
  };
}

/**
 * @internal Memory for payloads that are read once. To read them in place would need views, which cost more than the
 *   reading.
 */
export const scratch = {
  size: 4112, // holds the largest: cgroup revision 1 with a path of PATH_MAX bytes
  input: Buffer.from(new ArrayBuffer(4112)),
  output: Buffer.from(new ArrayBuffer(4112)),
};

/** The whole memory of a payload. */
function bufferOf(payload: DataView): Buffer {
  const { buffer } = payload;
  if (buffer === scratch.input.buffer) return scratch.input;
  return buffer === scratch.output.buffer ? scratch.output : Buffer.from(buffer);
}

/** An address in a 4-byte field. */
export const address4 = (at: number): Store<Uint8Array> => rawBytes(at, 4);

/**
 * An address of the rule's family in the kernel's 16-byte union nf_inet_addr. For IPv4 the other
 * 12 bytes are zero.
 */
export function inetAddress(at: number): Store<Uint8Array> {
  const length = (cx: Codec) => (cx.family === 'ipv4' ? 4 : 16);
  return {
    read: (payload, cx) => bytesOf(payload, at, length(cx)).slice(),
    write: (payload, value) => bytesOf(payload, at, value.length).set(value),
  };
}

/** A store of one type as a store of another type. */
export function mapped<A, B>(
  store: Store<A>,
  to: (value: A, cx: Codec) => B | undefined,
  from: (value: B, cx: Codec) => A,
): Store<B> {
  return {
    ...(store.strings === undefined ? {} : { strings: store.strings }),
    read(payload, cx) {
      const value = store.read(payload, cx);
      return value === undefined ? undefined : to(value, cx);
    },
    write: (payload, value, cx) => store.write(payload, from(value, cx), cx),
  };
}

// IPv4 and IPv6 addresses and masks as iptables reads and prints them. Pure; resolves no names.
import { writeAddress } from '../../address.js';
import type { Family } from '../../constants.js';

export type { Family };

/** C's strtoul with base 0 over the start of a text: the value and the rest of the text, or nothing. */
export function leadingNumber(text: string): { value: bigint; rest: string } | undefined {
  const match = /^[ \t\n\v\f\r]*\+?(0[xX][0-9a-fA-F]+|0[0-7]*|[1-9][0-9]*)/.exec(text);
  if (match === null) return undefined;
  const digits = match[1]!;
  const value = /^0[0-7]+$/.test(digits) ? BigInt(`0o${digits.slice(1)}`) : BigInt(digits);
  return { value, rest: text.slice(match[0].length) };
}

/** The value of `0`, or of one to nine digits that do not begin with a zero; else -1. */
function plainNumber(text: string): number {
  const { length } = text;
  if (length === 0 || length > 9 || (length > 1 && text.charCodeAt(0) === 48)) return -1;
  let value = 0;
  for (let at = 0; at < length; at++) {
    const digit = text.charCodeAt(at) - 48;
    if (digit < 0 || digit > 9) return -1;
    value = value * 10 + digit;
  }
  return value;
}

/** A whole text that is one number of C (decimal, 0x…, 0…), in `0 … max`. */
export function wholeNumber(text: string, max: number): number | undefined {
  // Nearly all texts are plain, and the general way needs big integers.
  const plain = plainNumber(text);
  if (plain >= 0) return plain <= max ? plain : undefined;
  const number = leadingNumber(text);
  if (number === undefined || number.rest !== '' || number.value > BigInt(max)) return undefined;
  return Number(number.value);
}

/** `10.1.2.3`; with `shorthand` also `10.1` (10.1.0.0) and a number, as iptables' -s takes them. */
export function parseIpv4(text: string, shorthand = false): Uint8Array | undefined {
  const parts = text.split('.');
  if (parts.length > 4 || (!shorthand && parts.length !== 4)) return undefined;
  if (shorthand && parts.length === 1) {
    const whole = wholeNumber(text, 0xffffffff);
    if (whole === undefined) return undefined;
    // A single number is the first byte if it fits in a byte, else the whole address (measured).
    if (whole <= 255) return Uint8Array.of(whole, 0, 0, 0);
    return Uint8Array.of(whole >>> 24, (whole >>> 16) & 255, (whole >>> 8) & 255, whole & 255);
  }
  const bytes = new Uint8Array(4);
  for (let at = 0; at < parts.length; at++) {
    const part = parts[at]!;
    const plain = plainNumber(part);
    const byte =
      plain >= 0
        ? plain
        : shorthand
          ? wholeNumber(part, 255)
          : /^\d{1,3}$/.test(part)
            ? Number(part)
            : 256;
    if (byte === undefined || byte > 255) return undefined;
    bytes[at] = byte;
  }
  return bytes;
}

export function parseIpv6(text: string): Uint8Array | undefined {
  const bytes = new Uint8Array(16);
  return writeAddress(text, bytes, 0) === 10 ? bytes : undefined;
}

/**
 * The IPv4 address or network of an IPv4-mapped one: a server of both families reports 10.0.0.1 as `::ffff:10.0.0.1`.
 * Anything else stays as it is. Only for rules of IPv4: in a rule of IPv6 a mapped address matches packets that carry
 * it.
 */
export function unmapped(text: string): string {
  if (!text.includes(':')) return text;
  const cut = text.indexOf('/');
  const bytes = parseIpv6(cut < 0 ? text : text.slice(0, cut));
  const isMapped = bytes?.subarray(0, 12).every((byte, at) => byte === (at < 10 ? 0 : 0xff));
  if (bytes === undefined || !isMapped) return text;
  const address = formatAddress(bytes.subarray(12));
  if (cut < 0) return address;
  // A prefix of less than 96 bits covers more than IPv4. An IPv6 address cannot have a mask of IPv4.
  const length = wholeNumber(text.slice(cut + 1), 128);
  return length === undefined || length < 96 ? text : `${address}/${length - 96}`;
}

export function parseAddress(text: string, family: Family): Uint8Array | undefined {
  return family === 'ipv4' ? parseIpv4(text) : parseIpv6(text);
}

/** The text of an address, as glibc's inet_ntop writes it. */
export function formatAddress(bytes: Uint8Array): string {
  if (bytes.length === 4) return `${bytes[0]}.${bytes[1]}.${bytes[2]}.${bytes[3]}`;
  const words: number[] = [];
  for (let at = 0; at < 16; at += 2) words.push((bytes[at]! << 8) | bytes[at + 1]!);
  let start = -1;
  let length = 0;
  for (let at = 0; at < 8; at++) {
    let end = at;
    while (end < 8 && words[end] === 0) end++;
    if (end - at > length) {
      start = at;
      length = end - at;
    }
    if (end > at) at = end;
  }
  if (length < 2) return words.map((word) => word.toString(16)).join(':');
  if (start === 0 && (length === 6 || (length === 5 && words[5] === 0xffff))) {
    const v4 = `${bytes[12]}.${bytes[13]}.${bytes[14]}.${bytes[15]}`;
    return length === 6 ? `::${v4}` : `::ffff:${v4}`;
  }
  const hex = (list: number[]) => list.map((word) => word.toString(16)).join(':');
  return `${hex(words.slice(0, start))}::${hex(words.slice(start + length))}`;
}

/** The mask of a prefix length. */
export function prefixMask(length: number, family: Family): Uint8Array {
  const mask = new Uint8Array(family === 'ipv4' ? 4 : 16);
  for (let at = 0; at < mask.length; at++) {
    const bits = Math.max(0, Math.min(8, length - 8 * at));
    mask[at] = (0xff << (8 - bits)) & 0xff;
  }
  return mask;
}

/** The prefix length of a mask, `undefined` if it is not a prefix. */
export function maskPrefix(mask: Uint8Array): number | undefined {
  let length = 0;
  while (length < mask.length * 8 && mask[length >> 3]! & (0x80 >> (length & 7))) length++;
  for (let at = length; at < mask.length * 8; at++) {
    if (mask[at >> 3]! & (0x80 >> (at & 7))) return undefined;
  }
  return length;
}

/** `24`, `255.255.255.0`, `ffff::` → mask bytes. */
export function parseMask(text: string, family: Family): Uint8Array | undefined {
  const length = wholeNumber(text, family === 'ipv4' ? 32 : 128);
  if (length !== undefined) return prefixMask(length, family);
  return parseAddress(text, family);
}

export function isZero(bytes: Uint8Array): boolean {
  for (const byte of bytes) if (byte !== 0) return false;
  return true;
}

export function applyMask(address: Uint8Array, mask: Uint8Array): Uint8Array {
  const masked = new Uint8Array(address.length);
  for (let at = 0; at < masked.length; at++) masked[at] = address[at]! & mask[at]!;
  return masked;
}

/** `/24`, or the dotted mask if it is not a prefix. */
export function formatMask(mask: Uint8Array): string {
  return String(maskPrefix(mask) ?? formatAddress(mask));
}

// IP addresses and prefixes between text and bytes. Pure; text is written as inet_ntop(3) and RFC 5952
// have it, which is what the netfilter tools print.
import { badRange, badType, quoted } from './errors.js';

/** The bytes of an IPv4 address, or undefined when the text is none. */
function parse4(text: string, out: Uint8Array, at: number): boolean {
  let value = -1;
  let digits = 0;
  let part = 0;
  for (let i = 0; i <= text.length; i++) {
    const code = i === text.length ? 0x2e : text.charCodeAt(i);
    if (code === 0x2e) {
      if (value < 0 || part > 3) return false;
      out[at + part++] = value;
      value = -1;
      digits = 0;
    } else if (code >= 0x30 && code <= 0x39) {
      // Leading zeros are octal to some parsers and decimal to others: refused, as inet_pton does.
      if (digits > 0 && value === 0) return false;
      value = Math.max(value, 0) * 10 + code - 0x30;
      digits++;
      if (value > 255) return false;
    } else {
      return false;
    }
  }
  return part === 4;
}

function hexDigit(code: number): number {
  if (code >= 0x30 && code <= 0x39) return code - 0x30;
  const letter = code | 0x20;
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x57 : -1;
}

/** Groups go to `out` as they are read; those behind a `::` are moved to the end when all are there. */
function parse6(text: string, out: Uint8Array, at: number): boolean {
  const colon = 0x3a;
  let groups = 0;
  let gap = -1;
  let i = 0;
  if (text.startsWith('::')) {
    gap = 0;
    i = 2;
  }
  while (i < text.length) {
    const begin = i;
    let value = 0;
    for (; i < text.length && i < begin + 5; i++) {
      const digit = hexDigit(text.charCodeAt(i));
      if (digit < 0) break;
      value = value * 16 + digit;
    }
    if (text[i] === '.') {
      if (groups > 6 || !parse4(text.slice(begin), out, at + groups * 2)) return false;
      groups += 2;
      break;
    }
    if (i === begin || i > begin + 4 || groups === 8) return false;
    out[at + groups * 2] = value >> 8;
    out[at + groups * 2 + 1] = value & 0xff;
    groups++;
    if (i === text.length) break;
    if (text.charCodeAt(i) !== colon) return false;
    if (text.charCodeAt(i + 1) === colon) {
      if (gap >= 0) return false;
      gap = groups;
      i += 2;
    } else if (++i === text.length) {
      return false;
    }
  }
  if (gap < 0) return groups === 8;
  if (groups > 7) return false;
  const tail = (groups - gap) * 2;
  out.copyWithin(at + 16 - tail, at + gap * 2, at + gap * 2 + tail);
  out.fill(0, at + gap * 2, at + 16 - tail);
  return true;
}

/**
 * Writes the address into `out` (16 bytes from `at`, an IPv4 address into the first four) and returns
 * its family's number, or 0 when the text is no address (what is in `out` is then of no meaning).
 */
export function writeAddress(text: string, out: Uint8Array, at: number): 0 | 2 | 10 {
  if (parse4(text, out, at)) return 2;
  return parse6(text, out, at) ? 10 : 0;
}

/** Whether 16 bytes are an IPv4 address in IPv6 notation: `::ffff:10.0.0.1` (RFC 4291, 2.5.5.2). */
function isMapped(bytes: Uint8Array, at: number): boolean {
  for (let i = 0; i < 10; i++) if (bytes[at + i] !== 0) return false;
  return bytes[at + 10] === 0xff && bytes[at + 11] === 0xff;
}

/**
 * As `writeAddress`, for the address of a flow: an IPv4-mapped one is what a socket that speaks both families
 * calls an IPv4 peer. The packets, and so the flow, are IPv4.
 */
export function writeFlowAddress(text: string, out: Uint8Array, at: number): 0 | 2 | 10 {
  const family = writeAddress(text, out, at);
  if (family !== 10 || !isMapped(out, at)) return family;
  out.copyWithin(at, at + 12, at + 16);
  out.fill(0, at + 4, at + 16);
  return 2;
}

/** The error for a text that is no address of a flow. */
export function noAddress(path: string, text: string): RangeError {
  if (text.includes('%') && writeAddress(text.slice(0, text.indexOf('%')), new Uint8Array(16), 0)) {
    return new RangeError(
      `${path}: has a scope, ${quoted(text)}; connection tracking knows no interface: leave off the % and what follows`,
    );
  }
  return badRange(path, 'an IPv4 or IPv6 address', text);
}

export interface ParsedAddress {
  family: 2 | 10;
  bytes: Uint8Array;
}

/** Parses one address of a flow; a TypeError or RangeError names `path` otherwise. */
export function parseAddress(value: unknown, path: string): ParsedAddress {
  if (typeof value !== 'string') throw badType(path, 'an IP address as text', value);
  const bytes = new Uint8Array(16);
  const family = writeFlowAddress(value, bytes, 0);
  if (family === 0) throw noAddress(path, value);
  return { family, bytes: family === 2 ? bytes.subarray(0, 4) : bytes };
}

export interface ParsedPrefix extends ParsedAddress {
  /** As long as the address; a bit that is 0 in it is 0 in `bytes` too. */
  mask: Uint8Array;
}

/** A mask of `bits` ones. */
function maskOf(bits: number, size: number): Uint8Array {
  const mask = new Uint8Array(size).fill(0xff, 0, bits >> 3);
  if ((bits & 7) !== 0) mask[bits >> 3] = 0xff << (8 - (bits & 7));
  return mask;
}

function parseMask(text: string, value: string, six: boolean, path: string): Uint8Array {
  const whole = six ? 128 : 32;
  if (/^\d{1,3}$/.test(text)) {
    const bits = Number(text);
    if (bits > whole) throw badRange(path, `a prefix length from 0 to ${whole}`, value);
    return maskOf(bits, whole / 8);
  }
  const mask = new Uint8Array(16);
  if (writeAddress(text, mask, 0) !== (six ? 10 : 2)) {
    const form = six ? 'an IPv6' : 'an IPv4';
    throw badRange(path, `a prefix length from 0 to ${whole}, or a mask as ${form} address`, value);
  }
  return mask.subarray(0, whole / 8);
}

/**
 * Parses `address`, `address/bits` or `address/mask`, as the tools take them. Host bits behind the mask are
 * ignored, and masks may have gaps. What lies in `::ffff:0:0/96` is IPv4 (see `writeFlowAddress`); a shorter
 * prefix of another address (`::/0`) is IPv6, and no IPv4 flow is in it.
 */
export function parsePrefix(value: unknown, path: string): ParsedPrefix {
  if (typeof value !== 'string') throw badType(path, 'an address or CIDR as text', value);
  const slash = value.indexOf('/');
  const text = slash < 0 ? value : value.slice(0, slash);
  let bytes = new Uint8Array(16);
  let family = writeAddress(text, bytes, 0);
  if (family === 0) throw noAddress(path, text);
  if (family === 2) bytes = bytes.subarray(0, 4);
  let mask =
    slash < 0
      ? new Uint8Array(bytes.length).fill(0xff)
      : parseMask(value.slice(slash + 1), value, family === 10, path);
  if (family === 10 && isMapped(bytes, 0)) {
    if (mask.subarray(0, 12).some((byte) => byte !== 0xff)) {
      throw badRange(
        path,
        'a prefix of 96 bits or more of an IPv4-mapped address (it stands for IPv4)',
        value,
      );
    }
    family = 2;
    bytes = bytes.subarray(12);
    mask = mask.subarray(12);
  }
  for (let i = 0; i < bytes.length; i++) bytes[i]! &= mask[i]!;
  return { family, bytes, mask };
}

/** `10.0.0.1` for the number 0x0a000001. */
export function formatIpv4(value: number): string {
  return `${value >>> 24}.${(value >>> 16) & 0xff}.${(value >>> 8) & 0xff}.${value & 0xff}`;
}

/** The text of 16 bytes from `at`. */
export function formatIpv6(bytes: Uint8Array, at = 0): string {
  let bestStart = -1;
  let bestLength = 1;
  let start = -1;
  for (let i = 0; i <= 8; i++) {
    if (i < 8 && bytes[at + i * 2] === 0 && bytes[at + i * 2 + 1] === 0) {
      if (start < 0) start = i;
      continue;
    }
    if (start >= 0 && i - start > bestLength) {
      bestStart = start;
      bestLength = i - start;
    }
    start = -1;
  }
  // inet_ntop writes IPv4-mapped and IPv4-compatible addresses with dots.
  const mapped =
    bestStart === 0 && bestLength === 5 && bytes[at + 10] === 0xff && bytes[at + 11] === 0xff;
  const compatible = bestStart === 0 && bestLength === 6;
  if (mapped || compatible) {
    const four = `${bytes[at + 12]}.${bytes[at + 13]}.${bytes[at + 14]}.${bytes[at + 15]}`;
    return mapped ? `::ffff:${four}` : `::${four}`;
  }
  let text = '';
  for (let i = 0; i < 8; i++) {
    if (i === bestStart) {
      text += '::';
      i += bestLength - 1;
      continue;
    }
    if (text !== '' && !text.endsWith(':')) text += ':';
    text += ((bytes[at + i * 2]! << 8) | bytes[at + i * 2 + 1]!).toString(16);
  }
  return text;
}

/** The text of 4 or 16 bytes. */
export function formatAddress(bytes: Uint8Array): string {
  if (bytes.length === 16) return formatIpv6(bytes);
  return `${bytes[0]}.${bytes[1]}.${bytes[2]}.${bytes[3]}`;
}

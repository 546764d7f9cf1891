// Addresses, prefixes and masks of a filter: their check and their plain form. Ranges are sorted, and neither touch
// nor overlap, so that a binary search finds them. Masks with gaps are kept as they are.
import { type ParsedPrefix, parsePrefix } from '../../address.js';
import { oneOrMoreAt } from '../../checks.js';
import { badRange } from '../../errors.js';

/** An address whose bits under the mask must be these. */
export interface MaskedAddress {
  family: 2 | 10;
  /** Words, the most significant first: one for IPv4, four for IPv6. */
  value: Uint32Array;
  mask: Uint32Array;
}

export interface AddressSet {
  /** `[from, to, …]`, ascending. */
  v4: Uint32Array;
  /** The same, each of four words, the most significant first. */
  v6: Uint32Array;
  masked: MaskedAddress[];
}

/** Masks with gaps that a list may have. Each of them is compared with every flow. */
const mostMasks = 256;

function wordsOf(bytes: Uint8Array): Uint32Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  return Uint32Array.from({ length: bytes.length / 4 }, (_, i) => view.getUint32(i * 4));
}

/** Whether no set bit follows a bit that is not set. */
function hasNoGap(mask: Uint8Array): boolean {
  let ended = false;
  for (const byte of mask) {
    if (ended ? byte !== 0 : (((byte ^ 0xff) + 1) & (byte ^ 0xff)) !== 0) return false;
    ended ||= byte !== 0xff;
  }
  return true;
}

/** Compares the begins of two ranges; their addresses have `words` words. */
function compareAt(ranges: Uint32Array, a: number, b: number, words: number): number {
  for (let i = 0; i < words; i++) {
    const [left, right] = [ranges[a + i]!, ranges[b + i]!];
    if (left !== right) return left < right ? -1 : 1;
  }
  return 0;
}

/** Whether the range at `next` begins at most one above `end`. */
function touches(ranges: Uint32Array, end: Uint32Array, next: number, words: number): boolean {
  let carry = 1;
  const above = new Uint32Array(words);
  for (let i = words - 1; i >= 0; i--) {
    const sum = end[i]! + carry;
    above[i] = sum;
    carry = sum > 0xffffffff ? 1 : 0;
  }
  if (carry === 1) return true; // nothing is above it
  for (let i = 0; i < words; i++) {
    if (ranges[next + i]! !== above[i]!) return ranges[next + i]! < above[i]!;
  }
  return true;
}

/** The prefixes as ascending ranges that do not touch. */
function merged(prefixes: readonly ParsedPrefix[], words: 1 | 4): Uint32Array {
  const size = words * 2;
  const ranges = new Uint32Array(prefixes.length * size);
  prefixes.forEach(({ bytes, mask }, i) => {
    const from = wordsOf(bytes);
    ranges.set(from, i * size);
    wordsOf(mask).forEach((word, k) => {
      ranges[i * size + words + k] = from[k]! | ~word;
    });
  });
  const order = Uint32Array.from({ length: prefixes.length }, (_, i) => i * size);
  if (prefixes.length > 1) order.sort((a, b) => compareAt(ranges, a, b, words));
  const out = new Uint32Array(ranges.length);
  let at = 0;
  for (const next of order) {
    const end = at === 0 ? undefined : out.subarray(at - words, at);
    if (end !== undefined && touches(ranges, end, next, words)) {
      const last = ranges.subarray(next + words, next + size);
      for (let i = 0; i < words; i++) {
        if (last[i]! === end[i]!) continue;
        if (last[i]! > end[i]!) end.set(last);
        break;
      }
      continue;
    }
    out.set(ranges.subarray(next, next + size), at);
    at += size;
  }
  return out.slice(0, at);
}

/** Checks addresses of a filter. */
export function addressesAt(value: unknown, path: string): AddressSet {
  const { list, many } = oneOrMoreAt(value, path);
  if (list.length === 0) throw badRange(path, 'at least one address', 'none');
  const four: ParsedPrefix[] = [];
  const six: ParsedPrefix[] = [];
  const masked: MaskedAddress[] = [];
  for (let i = 0; i < list.length; i++) {
    const parsed = parsePrefix(list[i], many ? `${path}[${i}]` : path);
    if (hasNoGap(parsed.mask)) {
      (parsed.family === 2 ? four : six).push(parsed);
      continue;
    }
    const { family, bytes, mask } = parsed;
    masked.push({ family, value: wordsOf(bytes), mask: wordsOf(mask) });
    if (masked.length > mostMasks) {
      throw badRange(path, `at most ${mostMasks} masks with gaps`, list[i]);
    }
  }
  return { v4: merged(four, 1), v6: merged(six, 4), masked };
}

/** The families that the set has addresses of. */
export function familiesOf(set: AddressSet): (2 | 10)[] {
  const has = (family: 2 | 10) => set.masked.some((masked) => masked.family === family);
  const families: (2 | 10)[] = [];
  if (set.v4.length > 0 || has(2)) families.push(2);
  if (set.v6.length > 0 || has(10)) families.push(10);
  return families;
}

/** The one prefix or mask that the set is; undefined where it is more than one. */
export function singleMask(set: AddressSet): MaskedAddress | undefined {
  const count = set.v4.length / 2 + set.v6.length / 8 + set.masked.length;
  if (count !== 1) return undefined;
  const [masked] = set.masked;
  if (masked !== undefined) return masked;
  const family = set.v4.length > 0 ? 2 : 10;
  const words = family === 2 ? set.v4 : set.v6;
  const half = words.length / 2;
  const value = words.slice(0, half);
  const mask = value.map((from, i) => ~(from ^ words[half + i]!));
  // Several prefixes may have made one range that is no prefix.
  const last = value.map((from, i) => (from & mask[i]!) | ~mask[i]!);
  const whole =
    last.every((word, i) => word === words[half + i]) &&
    value.every((from, i) => (from & ~mask[i]!) === 0) &&
    hasNoGap(bytesOf(mask));
  return whole ? { family, value, mask } : undefined;
}

function bytesOf(words: Uint32Array): Uint8Array {
  const bytes = new Uint8Array(words.length * 4);
  const view = new DataView(bytes.buffer);
  for (const [i, word] of words.entries()) view.setUint32(i * 4, word);
  return bytes;
}

/** Whether an address of `words` words is in one of the ranges. */
export function inRanges(
  ranges: Uint32Array,
  address: Uint32Array | readonly number[],
  words: 1 | 4,
): boolean {
  const size = words * 2;
  let low = 0;
  let high = ranges.length / size;
  // The last range that begins at the address or below it.
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (order(ranges, middle * size, address, words) <= 0) low = middle + 1;
    else high = middle;
  }
  return low > 0 && order(ranges, (low - 1) * size + words, address, words) >= 0;
}

function order(
  ranges: Uint32Array,
  at: number,
  address: Uint32Array | readonly number[],
  words: number,
): number {
  for (let i = 0; i < words; i++) {
    const [left, right] = [ranges[at + i]!, address[i]!];
    if (left !== right) return left < right ? -1 : 1;
  }
  return 0;
}

/** Whether the address has the bits of one of the masked addresses. */
export function inMasks(
  masked: readonly MaskedAddress[],
  address: Uint32Array | readonly number[],
  family: 2 | 10,
): boolean {
  return masked.some(
    (each) =>
      each.family === family &&
      each.value.every((word, i) => (address[i]! & each.mask[i]!) >>> 0 === word),
  );
}

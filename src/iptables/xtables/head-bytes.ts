// The head of an entry (the part before the matches) ↔ typed fields. Every rule of a table is read, so this compares
// words instead of bytes, and remembers what repeats from rule to rule.
import { formatIpv6 } from '../../address.js';
import { formatNetwork, parseNetwork } from '../extensions/address-values.js';
import type { Not } from '../extensions/define.js';
import { isNot } from '../extensions/define.js';
import { ifnamsiz } from '../extensions/interfaces.js';
import { littleEndian } from '../extensions/stores.js';
import type { HeadDraft, RuleHead } from '../rule/head.js';
import { protocolOf } from '../rule/head.js';
import type { Family } from '../text/addresses.js';
import { parseAddress } from '../text/addresses.js';
import { textAt, textToBytes } from '../text/encoding.js';
import type { HostNames } from '../text/host-names.js';
import { inv, layoutOf, layouts, readUint16, viewOf } from './entry.js';

function not<T>(value: T, inverted: boolean): Not<T> {
  return inverted ? Object.freeze({ not: value }) : value;
}

// The text of the two halves of IPv4 addresses, made when it is needed: rules have many addresses, and most begin
// alike. By the first byte, then by the second.
type Halves = (string[] | undefined)[];
const firstHalves: Halves = new Array(256).fill(undefined); // `10.0`
const lastHalves: Halves = new Array(256).fill(undefined); // `.1.2`

function newHalves(halves: Halves, high: number, dot: '' | '.'): string[] {
  const made = Array.from({ length: 256 }, (_, low) => `${dot}${high}.${low}`);
  halves[high] = made;
  return made;
}

function ipv4Text(view: DataView, at: number): string {
  const a = view.getUint8(at);
  const c = view.getUint8(at + 2);
  const first = firstHalves[a] ?? newHalves(firstHalves, a, '');
  const last = lastHalves[c] ?? newHalves(lastHalves, c, '.');
  return first[view.getUint8(at + 1)]! + last[view.getUint8(at + 3)]!;
}

const bytesAt = (view: DataView, at: number, length: number): Buffer =>
  Buffer.from(view.buffer, view.byteOffset + at, length);

function networkText(view: DataView, at: number, maskAt: number, length: 4 | 16): string {
  return formatNetwork({
    address: bytesAt(view, at, length),
    mask: bytesAt(view, maskAt, length),
  });
}

/** The negated network of all addresses: matches no packet. */
const noIpv4: Not<string> = Object.freeze({ not: '0.0.0.0/0' });
const noIpv6: Not<string> = Object.freeze({ not: '::/0' });

// The byte order of the words does not matter here.
function readIpv4(view: DataView, at: number, inverted: boolean): Not<string> | undefined {
  const mask = view.getInt32(at + 8);
  if (mask === -1) return not(ipv4Text(view, at), inverted);
  if ((mask | view.getInt32(at)) === 0) return inverted ? noIpv4 : undefined;
  return not(networkText(view, at, at + 8, 4), inverted);
}

function readIpv6(view: DataView, at: number, inverted: boolean): Not<string> | undefined {
  let any = 0;
  let all = -1;
  for (let word = at; word < at + 16; word += 4) {
    const mask = view.getInt32(word + 32);
    any |= view.getInt32(word) | mask;
    all &= mask;
  }
  if (any === 0) return inverted ? noIpv6 : undefined;
  const text = all === -1 ? formatIpv6(bytesAt(view, at, 16)) : networkText(view, at, at + 32, 16);
  return not(text, inverted);
}

/** Whether an address has bits outside its mask. Such an address matches no packet in the kernel. */
function hasHostBits(view: DataView, at: number, length: number): boolean {
  let cut = view.getInt32(at) & ~view.getInt32(at + 2 * length);
  for (let word = at + 4; word < at + length; word += 4) {
    cut |= view.getInt32(word) & ~view.getInt32(word + 2 * length);
  }
  return cut !== 0;
}

/** An interface: its name and its mask, 16 bytes each. */
interface Interface {
  /** `undefined`: any. */
  readonly text: string | undefined;
  /** The text gives the same mask again, and the same bytes of the name under the mask. */
  readonly exact: boolean;
  /** Its eight words. */
  readonly words: Int32Array;
}

const anyInterface: Interface = { text: undefined, exact: true, words: new Int32Array(8) };

// The index is a hash of the words. A new one replaces the old one at its index.
const placeBits = 8;
const interfaces: Interface[] = new Array(1 << placeBits).fill(anyInterface);

function interfaceAt(view: DataView, at: number, maskAt: number): Interface {
  const w0 = view.getInt32(at);
  const w1 = view.getInt32(at + 4);
  const w2 = view.getInt32(at + 8);
  const w3 = view.getInt32(at + 12);
  const m0 = view.getInt32(maskAt);
  const m1 = view.getInt32(maskAt + 4);
  const m2 = view.getInt32(maskAt + 8);
  const m3 = view.getInt32(maskAt + 12);
  if ((w0 | w1 | w2 | w3 | m0 | m1 | m2 | m3) === 0) return anyInterface;
  let hash = w0;
  hash = Math.imul(hash ^ w1, 0x9e3779b1);
  hash = Math.imul(hash ^ (hash >>> 15) ^ w2, 0x9e3779b1);
  hash = Math.imul(hash ^ (hash >>> 15) ^ w3 ^ m0, 0x9e3779b1);
  hash = Math.imul(hash ^ (hash >>> 15) ^ m1 ^ m2 ^ m3, 0x9e3779b1);
  const place = hash >>> (32 - placeBits);
  const found = interfaces[place]!;
  const { words } = found;
  if (
    ((words[0]! ^ w0) | (words[1]! ^ w1) | (words[2]! ^ w2) | (words[3]! ^ w3)) === 0 &&
    ((words[4]! ^ m0) | (words[5]! ^ m1) | (words[6]! ^ m2) | (words[7]! ^ m3)) === 0
  ) {
    return found;
  }
  const name = bytesAt(view, at, ifnamsiz);
  const mask = bytesAt(view, maskAt, ifnamsiz);
  const made: Interface = {
    text: interfaceText(name, mask),
    exact: isExact(name, mask),
    words: Int32Array.of(w0, w1, w2, w3, m0, m1, m2, m3),
  };
  interfaces[place] = made;
  return made;
}

/** An interface as iptables prints it: the masked part, and `+` where the mask ends before the name's NUL. */
function interfaceText(name: Buffer, mask: Buffer): string | undefined {
  if (mask[0] === 0) return name[0] === 0 ? undefined : textAt(name, 0, nulIn(name, ifnamsiz));
  const nul = mask.indexOf(0);
  const length = nul < 0 ? ifnamsiz : nul;
  const isWhole = length === ifnamsiz || name[length - 1] === 0;
  const text = textAt(name, 0, nulIn(name, length));
  return isWhole ? text : `${text}+`;
}

function nulIn(name: Buffer, to: number): number {
  let end = 0;
  while (end < to && name[end] !== 0) end++;
  return end;
}

const plus = 0x2b;

function isExact(name: Buffer, mask: Buffer): boolean {
  if (mask[0] === 0) return mask.every((byte) => byte === 0);
  // The mask covers the name and its NUL, or only the name. Then any longer name fits.
  let length = 0;
  while (length < ifnamsiz && mask[length] === 0xff) length++;
  for (let i = length; i < ifnamsiz; i++) if (mask[i] !== 0) return false;
  const end = nulIn(name, length);
  // `eth+` whose `+` is part of the name would be written as the beginning of a name.
  if (end === length - 1) return end > 0 && name[end - 1] !== plus;
  return end === length && length < ifnamsiz - 1;
}

/** The negation of "any": no interface. */
const noInterface: Not<string> = Object.freeze({ not: '+' });

function interfaceField(found: Interface, inverted: boolean): Not<string> | undefined {
  if (!inverted) return found.text;
  return found.text === undefined ? noInterface : not(found.text, true);
}

/**
 * Reads the head of the entry that begins at `from` into all fields of `head`. Returns what no field can express, if
 * there is such a thing.
 */
export function readHead(
  view: DataView,
  from: number,
  family: Family,
  names: HostNames,
  head: HeadDraft,
): string | undefined {
  const layout = layoutOf(family);
  const length = layout.addressLength;
  const flags = view.getUint8(from + layout.flags);
  const inverted = view.getUint8(from + layout.invflags);
  let rest: string | undefined;
  const proto = view.getUint16(from + layout.proto, littleEndian);
  head.protocol = undefined;
  if (proto !== 0) {
    head.protocol = not(names.protocolName(proto) ?? proto, (inverted & inv.proto) !== 0);
    if ((flags & layout.protoFlag) !== layout.protoFlag) rest = 'a protocol that does not count';
  } else if (flags & layout.protoFlag) {
    head.protocol = 'all';
    if (inverted & inv.proto) rest = 'a negated protocol that is not there';
  }
  const dst = from + length;
  const readNetwork = length === 4 ? readIpv4 : readIpv6;
  head.src = readNetwork(view, from, (inverted & inv.src) !== 0);
  head.dst = readNetwork(view, dst, (inverted & inv.dst) !== 0);
  if (hasHostBits(view, from, length)) rest = 'bits of src beyond its mask';
  if (hasHostBits(view, dst, length)) rest = 'bits of dst beyond its mask';
  const input = interfaceAt(view, from + layout.in, from + layout.inMask);
  const output = interfaceAt(view, from + layout.out, from + layout.outMask);
  head.in = interfaceField(input, (inverted & inv.in) !== 0);
  head.out = interfaceField(output, (inverted & inv.out) !== 0);
  if (!input.exact) rest = 'a mask of in';
  if (!output.exact) rest = 'a mask of out';
  head.fragment = undefined;
  if (flags & layout.frag) head.fragment = not(true as const, (inverted & inv.frag) !== 0);
  else if (inverted & inv.frag) rest = 'a negated flag that is not there';
  if ((flags & ~(layout.frag | layout.protoFlag | layout.goto)) !== 0) rest = 'an unknown flag';
  if ((inverted & ~inv.known) !== 0) rest = 'an unknown negation';
  return rest;
}

function writeInterface(bytes: Uint8Array, at: number, maskAt: number, text: string): void {
  const name = textToBytes(text);
  bytes.set(name, at);
  const wildcard = text.endsWith('+');
  bytes.fill(0xff, maskAt, maskAt + (wildcard ? name.length - 1 : name.length + 1));
}

function plainOf(value: Not<string>): string {
  return typeof value === 'string' ? value : value.not;
}

/** Address and mask. The mask comes two addresses later. */
function writeNetwork(
  entry: Uint8Array,
  at: number,
  length: number,
  text: string,
  family: Family,
): void {
  const maskAt = at + 2 * length;
  if (!text.includes('/')) {
    entry.set(parseAddress(text, family)!, at);
    entry.fill(0xff, maskAt, maskAt + length);
    return;
  }
  const { address, mask } = parseNetwork(text, family)!;
  entry.set(address, at);
  entry.set(mask, maskAt);
}

/** Writes a checked head into a zeroed entry. */
export function writeHead(
  entry: Uint8Array,
  family: Family,
  head: RuleHead,
  names: HostNames,
  isGoto: boolean,
): void {
  const layout = layouts[family];
  const length = layout.addressLength;
  let flags = isGoto ? layout.goto : 0;
  let inverted = 0;
  if (head.protocol !== undefined) {
    const { number, inverted: isInverted } = protocolOf(head, names);
    viewOf(entry).setUint16(layout.proto, number, littleEndian);
    if (isInverted) inverted |= inv.proto;
    // Without this flag ip6_tables ignores the protocol.
    flags |= layout.protoFlag;
  }
  if (head.src !== undefined) {
    writeNetwork(entry, 0, length, plainOf(head.src), family);
    if (isNot(head.src)) inverted |= inv.src;
  }
  if (head.dst !== undefined) {
    writeNetwork(entry, length, length, plainOf(head.dst), family);
    if (isNot(head.dst)) inverted |= inv.dst;
  }
  if (head.in !== undefined) {
    writeInterface(entry, layout.in, layout.inMask, plainOf(head.in));
    if (isNot(head.in)) inverted |= inv.in;
  }
  if (head.out !== undefined) {
    writeInterface(entry, layout.out, layout.outMask, plainOf(head.out));
    if (isNot(head.out)) inverted |= inv.out;
  }
  if (head.fragment !== undefined) {
    flags |= layout.frag;
    if (isNot(head.fragment)) inverted |= inv.frag;
  }
  entry[layout.flags] = flags;
  entry[layout.invflags] = inverted;
}

/**
 * What the kernel looks at in the head, for a rule whose fields cannot express it: addresses, the bytes of interface
 * names under their masks, protocol, flags. Leaves out what has no effect: the flag of -g in a rule that does not
 * jump, and IPv6's flag of `-p all`.
 */
export function headContent(entry: Uint8Array, family: Family, isGoto: boolean): Uint8Array {
  const layout = layouts[family];
  const head = entry.slice(0, layout.invflags + 1);
  for (let at = 0; at < ifnamsiz; at++) {
    head[layout.in + at]! &= head[layout.inMask + at]!;
    head[layout.out + at]! &= head[layout.outMask + at]!;
  }
  if (!isGoto) head[layout.flags]! &= ~layout.goto;
  if (readUint16(head, layout.proto) === 0) head[layout.flags]! &= ~layout.protoFlag;
  return head;
}

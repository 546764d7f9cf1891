// The kernel's ipt_entry and ip6t_entry (64-bit layout, host byte order): offsets, the fields before
// the matches, and where matches and target lie. Knows no extension.
import { badRange, badType } from '../errors.js';
import type { Not, Place } from './extensions/define.js';
import { isNot, onlyNot, refused } from './extensions/define.js';
import { bytesToText, hasLoneSurrogates, littleEndian, textToBytes } from './extensions/stores.js';
import { formatNetwork, notAddress, parseNetwork, protocol } from './extensions/values.js';
import type { HostNames } from './host-names.js';
import type { Family } from './ip-text.js';
import { parseAddress } from './ip-text.js';
import { bare } from './rule-words.js';

export interface Counters {
  packets: bigint;
  bytes: bigint;
}

/** What a rule says before its matches. */
export interface RuleHead {
  /**
   * `tcp`, or a number. Absent: any. IPv6 also knows `all`, which `-p all` sets: any, but the packet
   * must have a transport header that the kernel can find.
   */
  readonly protocol?: Not<string | number> | undefined;
  /** `10.0.0.1`, `10.0.0.0/8`, `2001:db8::/32`, a mask in dotted form; bits beyond it are cut. */
  readonly src?: Not<string> | undefined;
  readonly dst?: Not<string> | undefined;
  /** Incoming interface, at most 15 bytes; a `+` at the end means any that begins so. */
  readonly in?: Not<string> | undefined;
  /** Outgoing interface. */
  readonly out?: Not<string> | undefined;
  /** Second and further fragments (`{ not: true }`: heads and whole packets). IPv4 only. */
  readonly fragment?: Not<true> | undefined;
}

/** Offsets, from the uapi headers; measured. */
export interface Layout {
  size: number;
  addressLength: 4 | 16;
  in: number;
  out: number;
  inMask: number;
  outMask: number;
  proto: number;
  flags: number;
  invflags: number;
  targetOffset: number;
  nextOffset: number;
  counters: number;
  /** IPT_F_GOTO, IP6T_F_GOTO. */
  goto: number;
  /** IPT_F_FRAG; IPv6 has none. */
  frag: number;
  /** IP6T_F_PROTO: must be set for the protocol to count; IPv4 has none. */
  protoFlag: number;
}

export const layouts: Record<Family, Layout> = {
  ipv4: {
    size: 112,
    addressLength: 4,
    in: 16,
    out: 32,
    inMask: 48,
    outMask: 64,
    proto: 80,
    flags: 82,
    invflags: 83,
    targetOffset: 88,
    nextOffset: 90,
    counters: 96,
    goto: 2,
    frag: 1,
    protoFlag: 0,
  },
  ipv6: {
    size: 168,
    addressLength: 16,
    in: 64,
    out: 80,
    inMask: 96,
    outMask: 112,
    proto: 128,
    flags: 131,
    invflags: 132,
    targetOffset: 140,
    nextOffset: 142,
    counters: 152,
    goto: 4,
    frag: 0,
    protoFlag: 1,
  },
};

/** `layouts[family]`, where it is asked for once for each of very many rules. */
export function layoutOf(family: Family): Layout {
  return family === 'ipv4' ? layouts.ipv4 : layouts.ipv6;
}

/** XT_INV_*, the same in both families. */
export const inv = { in: 1, out: 2, src: 8, dst: 0x10, frag: 0x20, proto: 0x40, known: 0x7b };
export const ifnamsiz = 16;

/** Of the 32-byte header of matches and targets. */
export const extensionHeader = { size: 32, name: 2, nameLength: 29, revision: 31 };

export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}

function writeInterface(bytes: Uint8Array, at: number, maskAt: number, text: string): void {
  const name = textToBytes(text);
  bytes.set(name, at);
  const wildcard = text.endsWith('+');
  bytes.fill(0xff, maskAt, maskAt + (wildcard ? name.length - 1 : name.length + 1));
}

/** Host byte order, without the cost of a DataView. */
export function readUint16(bytes: Uint8Array, at: number): number {
  const [low, high] = littleEndian ? [at, at + 1] : [at + 1, at];
  return bytes[low]! | (bytes[high]! << 8);
}

/**
 * What the kernel looks at before the matches: addresses, names of interfaces as far as their masks go, protocol,
 * flags. Without what has no effect: the flag of -g in a rule that does not jump, and IPv6's flag of
 * `-p all`, of which iptables-save shows nothing (it only makes the kernel look for a header).
 */
export function headMeaning(entry: Uint8Array, family: Family, isGoto: boolean): Uint8Array {
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

/** Checks what stands before the matches; answers the canonical form. */
export function checkHead(given: RuleHead, place: Place): RuleHead {
  const head: { -readonly [K in keyof RuleHead]: RuleHead[K] } = {};
  const each = <T>(key: keyof RuleHead, check: (value: unknown, at: Place) => T) => {
    const value: unknown = given[key];
    if (value === undefined) return undefined;
    const at = { ...place, path: `${place.path}.${key}` };
    if (isNot(value)) {
      onlyNot(value, at);
      return { not: check(value.not, { ...at, path: `${at.path}.not` }) };
    }
    return check(value, at);
  };
  const address = (value: unknown, at: Place) => {
    if (typeof value !== 'string') throw badType(at.path, 'a string', value);
    const parsed = parseNetwork(value, at.family);
    if (parsed === undefined) throw notAddress(value, at, 'address or network');
    return formatNetwork(parsed);
  };
  const proto = each('protocol', protocol.check);
  if (proto !== undefined) {
    const isAny = protocolOf({ protocol: proto }, place.names).number === 0;
    if (isAny && isNot(proto)) {
      throw refused(`${place.path}.protocol`, 'a rule for no protocol would never match');
    }
    if (!isAny) head.protocol = proto;
    else if (place.family === 'ipv6') head.protocol = 'all';
  }
  const src = each('src', address);
  if (src !== undefined) head.src = src;
  const dst = each('dst', address);
  if (dst !== undefined) head.dst = dst;
  const input = each('in', checkInterface);
  if (input !== undefined) head.in = input;
  const output = each('out', checkInterface);
  if (output !== undefined) head.out = output;
  const fragment = each('fragment', (value, at) => {
    if (value !== true) throw badType(at.path, 'true', value);
    if (at.family === 'ipv6') throw refused(at.path, 'IPv6 has the match frag instead');
    return true as const;
  });
  if (fragment !== undefined) head.fragment = fragment;
  return head;
}

/** An interface name as `-i` takes it. */
export function checkInterface(value: unknown, at: Place): string {
  if (typeof value !== 'string') throw badType(at.path, 'a string', value);
  const length = textToBytes(value).length;
  if (length === 0 || length >= ifnamsiz) throw badRange(at.path, 'a name of 1…15 bytes', value);
  // White space iptables takes with a warning, and then prints a rule that cannot be read back.
  if (/[\n\0]/.test(value)) throw refused(at.path, 'a line break or NUL cannot stand in it');
  if (hasLoneSurrogates(value)) {
    throw refused(at.path, 'half of a surrogate pair cannot stand in it');
  }
  return value;
}

/** The protocol that the matches of a rule can rely on. */
export function protocolOf(
  head: RuleHead,
  names: HostNames,
): { number: number; inverted: boolean } {
  const inverted = isNot(head.protocol);
  const value = isNot(head.protocol) ? head.protocol.not : head.protocol;
  if (value === undefined) return { number: 0, inverted: false };
  const number = typeof value === 'number' ? value : (names.protocolNumber(value as string) ?? 0);
  return { number, inverted };
}

function plainOf(value: Not<string>): string {
  return typeof value === 'string' ? value : value.not;
}

/** Address and mask; the mask lies two addresses further on. */
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

/** `-s … -d … -i … -o … -p … -f`, as iptables-save orders them. */
export function printHead(head: RuleHead): string {
  let text = '';
  const put = (
    option: string,
    given: Not<unknown> | undefined,
    value: (plain: string) => string,
  ) => {
    if (given === undefined) return;
    const plain = String(isNot(given) ? given.not : given);
    const printed = value(plain);
    if (printed === '' && option !== '-f') return;
    text += `${isNot(given) ? ' !' : ''} ${option}${printed === '' ? '' : ` ${printed}`}`;
  };
  put('-s', head.src, printNetwork);
  put('-d', head.dst, printNetwork);
  // `+` alone matches every interface: its mask is empty and iptables-save leaves it out. Negated it
  // matches none, which iptables-save forgets, and the rule it writes matches everything.
  put('-i', head.in, (name) => (name === '+' && !isNot(head.in) ? '' : bare(name)));
  put('-o', head.out, (name) => (name === '+' && !isNot(head.out) ? '' : bare(name)));
  put('-p', head.protocol, (name) => (name === 'all' ? '' : name));
  put('-f', head.fragment, () => '');
  return text;
}

/** iptables-save always writes the mask of an address; everything else is in its form already. */
function printNetwork(text: string): string {
  if (text.includes('/')) return text;
  return text.includes(':') ? `${text}/128` : `${text}/32`;
}

/** Of most rules of a table that was just made. */
const noCounters: Counters = Object.freeze({ packets: 0n, bytes: 0n });

/** The counters of the entry that begins at `from`, frozen. */
export function readCounters(entry: DataView, family: Family, from = 0): Counters {
  const at = from + layoutOf(family).counters;
  // Bytes in any order: this asks only whether all are zero.
  const packets = entry.getInt32(at) | entry.getInt32(at + 4);
  if ((packets | entry.getInt32(at + 8) | entry.getInt32(at + 12)) === 0) return noCounters;
  return Object.freeze({
    packets: entry.getBigUint64(at, littleEndian),
    bytes: entry.getBigUint64(at + 8, littleEndian),
  });
}

export function writeCounters(entry: Uint8Array, family: Family, counters: Counters): void {
  const view = viewOf(entry);
  const at = layouts[family].counters;
  view.setBigUint64(at, counters.packets, littleEndian);
  view.setBigUint64(at + 8, counters.bytes, littleEndian);
}

/** One match or target inside an entry. */
export interface ExtensionBytes {
  name: string;
  revision: number;
  payload: Uint8Array;
}

/** Where the match or target at `at` ends. Throws where that is behind `end`. */
export function partEnd(bytes: Uint8Array, at: number, end: number): number {
  const size = end - at < extensionHeader.size ? 0 : readUint16(bytes, at);
  if (size < extensionHeader.size || at + size > end) {
    throw new RangeError(
      `entry: an extension of ${size} bytes at ${at} does not fit before ${end}`,
    );
  }
  return at + size;
}

/** Throws where the sizes in an entry do not fit together. */
export function checkEntry(entry: Uint8Array, family: Family): void {
  entryParts(entry, family);
}

/** Where each match ends, and where the target begins; it ends with the entry. */
function entryParts(entry: Uint8Array, family: Family): { ends: number[]; target: number } {
  const layout = layouts[family];
  const target = readUint16(entry, layout.targetOffset);
  const next = readUint16(entry, layout.nextOffset);
  if (next !== entry.length || target > next || target < layout.size) {
    throw new RangeError(
      `entry: target at ${target} and end at ${next} do not fit ${entry.length} bytes`,
    );
  }
  const ends: number[] = [];
  for (let at = layout.size; at < target; ) {
    at = partEnd(entry, at, target);
    ends.push(at);
  }
  const end = partEnd(entry, target, next);
  if (end !== next) throw new RangeError(`entry: ${next - end} bytes after the target`);
  return { ends, target };
}

function extensionAt(entry: Uint8Array, at: number, end: number): ExtensionBytes {
  const header = extensionHeader;
  const field = entry.subarray(at + header.name, at + header.name + header.nameLength);
  const nul = field.indexOf(0);
  return {
    name: bytesToText(nul < 0 ? field : field.subarray(0, nul)),
    revision: entry[at + header.revision]!,
    payload: entry.subarray(at + header.size, end),
  };
}

/** The matches and the target of an entry. Throws where sizes do not fit together. */
export function splitEntry(
  entry: Uint8Array,
  family: Family,
): { matches: ExtensionBytes[]; target: ExtensionBytes } {
  const { ends, target } = entryParts(entry, family);
  let at = layouts[family].size;
  const matches = ends.map((end) => {
    const found = extensionAt(entry, at, end);
    at = end;
    return found;
  });
  return { matches, target: extensionAt(entry, target, entry.length) };
}

/** What stands in one part of an entry that is put together: its bytes, or who writes them. */
export interface PartBytes {
  name: string;
  revision: number;
  size: number;
  /** Writes over zeroed bytes. */
  write(payload: DataView): void;
}

/** Puts an entry together; its head and counters are still zero. */
export function joinEntry(
  family: Family,
  matches: readonly PartBytes[],
  target: PartBytes,
): Uint8Array {
  const layout = layouts[family];
  let targetOffset = layout.size;
  for (let i = 0; i < matches.length; i++) targetOffset += extensionHeader.size + matches[i]!.size;
  const total = targetOffset + extensionHeader.size + target.size;
  if (total > 0xffff) throw refused('rule', `its ${total} bytes do not fit in an entry (65535)`);
  const entry = freshBytes(total);
  const view = viewOf(entry);
  let at = layout.size;
  for (let i = 0; i < matches.length; i++) at = writePart(entry, view, at, matches[i]!);
  writePart(entry, view, at, target);
  view.setUint16(layout.targetOffset, targetOffset, littleEndian);
  view.setUint16(layout.nextOffset, total, littleEndian);
  return entry;
}

function writePart(entry: Uint8Array, view: DataView, at: number, part: PartBytes): number {
  const size = extensionHeader.size + part.size;
  view.setUint16(at, size, littleEndian);
  entry.set(nameBytes(part.name), at + extensionHeader.name);
  entry[at + extensionHeader.revision] = part.revision;
  const payload = entry.byteOffset + at + extensionHeader.size;
  part.write(new DataView(entry.buffer, payload, part.size));
  return at + size;
}

// Memory of its own for each entry costs more than all that is written into it: entries that are made one
// after the other lie in one piece, which lives as long as one of them.
const slabSize = 16 * 1024;
let slab = new ArrayBuffer(0);
let used = 0;

/** Zeros that nobody else has. */
function freshBytes(size: number): Uint8Array {
  if (size > slabSize / 8) return new Uint8Array(size);
  if (used + size > slab.byteLength) {
    slab = new ArrayBuffer(slabSize);
    used = 0;
  }
  const bytes = new Uint8Array(slab, used, size);
  used += (size + 7) & ~7;
  return bytes;
}

const knownNames = new Map<string, Uint8Array>();
function nameBytes(name: string): Uint8Array {
  let bytes = knownNames.get(name);
  if (bytes === undefined) {
    bytes = textToBytes(name);
    // Names of chains, which jumps bear, are without number.
    if (knownNames.size < 256) knownNames.set(name, bytes);
  }
  return bytes;
}

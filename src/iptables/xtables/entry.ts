// The kernel's ipt_entry and ip6t_entry (64-bit layout, host byte order): offsets, counters, and the places of
// matches and target. Knows no extension and no field of a rule.
import { littleEndian } from '../extensions/stores.js';
import type { Counters } from '../rule/head.js';
import { noCounters } from '../rule/head.js';
import type { Family } from '../text/addresses.js';
import { bytesToText, textToBytes } from '../text/encoding.js';
import { refused } from '../text/refused.js';

/**
 * The bytes of one rule: an `ipt_entry` or `ip6t_entry` of a 64-bit kernel with matches, target and counters. One
 * thing differs: the header of a standard target has the name of the verdict or chain (`""`: no target), and its
 * verdict is 0.
 */
export type PortableEntry = Uint8Array;

/** The name of a standard target that does nothing: the rule only counts. */
export const noTarget = '';

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
  /** The kernel's own note in an entry; the counters follow. */
  comefrom: number;
  counters: number;
  /** IPT_F_GOTO, IP6T_F_GOTO. */
  goto: number;
  /** IPT_F_FRAG; IPv6 has none. */
  frag: number;
  /** IP6T_F_PROTO: without it the kernel ignores the protocol; IPv4 has none. */
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
    comefrom: 92,
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
    comefrom: 144,
    counters: 152,
    goto: 4,
    frag: 0,
    protoFlag: 1,
  },
};

/** `xt_counters`: packets and bytes. */
export const countersSize = 16;
/** A standard target, whose name is a verdict or a chain: its header and eight bytes. */
export const standardSize = 40;

/** `layouts[family]`, for code that runs once for each of very many rules. */
export function layoutOf(family: Family): Layout {
  return family === 'ipv4' ? layouts.ipv4 : layouts.ipv6;
}

/** XT_INV_*, the same in both families. */
export const inv = { in: 1, out: 2, src: 8, dst: 0x10, frag: 0x20, proto: 0x40, known: 0x7b };

/** Offsets in the 32-byte header of matches and targets. */
export const extensionHeader = { size: 32, name: 2, nameLength: 29, revision: 31 };

export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}

/** Host byte order, without the cost of a DataView. */
export function readUint16(bytes: Uint8Array, at: number): number {
  const [low, high] = littleEndian ? [at, at + 1] : [at + 1, at];
  return bytes[low]! | (bytes[high]! << 8);
}

/** The counters of the entry that begins at `from`, frozen. */
export function readCounters(entry: DataView, family: Family, from = 0): Counters {
  const at = from + layoutOf(family).counters;
  // The byte order does not matter: this only checks whether all are zero.
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

/** Where the match or target at `at` ends. Throws if this is after `end`. */
export function partEnd(bytes: Uint8Array, at: number, end: number): number {
  const size = end - at < extensionHeader.size ? 0 : readUint16(bytes, at);
  if (size < extensionHeader.size || at + size > end) {
    throw new RangeError(
      `entry: an extension of ${size} bytes at ${at} does not fit before ${end}`,
    );
  }
  return at + size;
}

/** Throws if the sizes in an entry do not fit together. */
export function checkEntry(entry: Uint8Array, family: Family): void {
  entryParts(entry, family);
}

/** Where each match ends, and where the target begins. The target ends with the entry. */
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

/** The matches and the target of an entry. Throws if sizes do not fit together. */
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

/** The content of one part of a new entry: its bytes, or a function that writes them. */
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

// To allocate memory for each entry costs more than to write the entry. So entries that are made one after the other
// share one piece of memory, which lives as long as one of them.
const slabSize = 16 * 1024;
let slab = new ArrayBuffer(0);
let used = 0;

/** Zeroed bytes that no other code has. */
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
    // Jumps have names of chains, and there can be any number of them.
    if (knownNames.size < 256) knownNames.set(name, bytes);
  }
  return bytes;
}

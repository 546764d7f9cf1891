// Match sctp: ports and chunks of SCTP (struct xt_sctp_info).

import { badRange, badType } from '../../errors.js';
import { refused } from '../text/refused.js';
import type { ArgumentPlace, Known, Not, Place, Store, ValueType } from './define.js';
import { both, isNot, match } from './define.js';
import { ports } from './number-values.js';
import { onlyFields } from './only-fields.js';
import { portFields } from './range-ports.js';
import type { Range } from './stores.js';
import { bit, bytesOf, coded, i32, littleEndian, u8, u32 } from './stores.js';

export type SctpChunkType = keyof typeof types;

/**
 * A chunk, or a chunk with flags. Flags are letters, as in iptables: `B` means that the flag B is set, `b` that it is
 * not. DATA has I, U, B, E; ABORT and SHUTDOWN_COMPLETE have T.
 */
export type SctpChunk = SctpChunkType | { readonly type: SctpChunkType; readonly flags: string };

export interface SctpChunks {
  /** The packet has any of the chunks, all of them, or only these. */
  readonly match: 'any' | 'all' | 'only';
  /**
   * `ALL` means all 256 types, an empty list means none. Four chunks can have flags. The order of these four changes
   * only the bytes.
   */
  readonly chunks: 'ALL' | readonly SctpChunk[];
}

/** Needs `-p sctp`. */
export interface SctpMatch extends Known {
  readonly name: 'sctp';
  /** Source port or ports. */
  readonly sport?: Not<number | Range>;
  /** Destination port or ports. */
  readonly dport?: Not<number | Range>;
  readonly chunkTypes?: Not<SctpChunks>;
}

const types = {
  DATA: 0,
  INIT: 1,
  INIT_ACK: 2,
  SACK: 3,
  HEARTBEAT: 4,
  HEARTBEAT_ACK: 5,
  ABORT: 6,
  SHUTDOWN: 7,
  SHUTDOWN_ACK: 8,
  ERROR: 9,
  COOKIE_ECHO: 10,
  COOKIE_ACK: 11,
  ECN_ECNE: 12,
  ECN_CWR: 13,
  SHUTDOWN_COMPLETE: 14,
  I_DATA: 64,
  ASCONF_ACK: 128,
  RE_CONFIG: 130,
  PAD: 132,
  FORWARD_TSN: 192,
  ASCONF: 193,
  I_FORWARD_TSN: 194,
} as const;
const names = Object.keys(types) as SctpChunkType[];

/**
 * The letters of flags, from bit 3 or bit 0 down. I_DATA has none here: iptables writes its flags for another chunk,
 * and prints none.
 */
const letters: Partial<Record<SctpChunkType, string>> = {
  DATA: 'IUBE',
  ABORT: 'T',
  SHUTDOWN_COMPLETE: 'T',
};
const slots = 4;
const modes = { any: 1, all: 2, only: 4 } as const;

interface Flags {
  set: number;
  mask: number;
}

/** `Be` → bits and mask. If both are given, the capital counts, as in iptables. */
function flagsOf(type: SctpChunkType, text: string, path: string): Flags {
  const known = letters[type] ?? '';
  const flags = { set: 0, mask: 0 };
  for (const letter of text) {
    const at = known.indexOf(letter.toUpperCase());
    if (at < 0) {
      const what = known === '' ? 'no flags here' : `flags of ${known}`;
      throw refused(path, `the chunk ${type} has ${what}, got ${JSON.stringify(letter)}`);
    }
    const mask = 1 << (known.length - 1 - at);
    flags.mask |= mask;
    if (letter === known[at]) flags.set |= mask;
  }
  return flags;
}

function flagText(type: SctpChunkType, flags: Flags): string {
  const known = letters[type] ?? '';
  if (flags.mask >= 1 << known.length || (flags.set & ~flags.mask) !== 0) {
    throw new Error(`unknown flags of the chunk ${type}`);
  }
  return [...known]
    .map((letter, at) => {
      const mask = 1 << (known.length - 1 - at);
      if ((flags.mask & mask) === 0) return '';
      return flags.set & mask ? letter : letter.toLowerCase();
    })
    .join('');
}

const typeOf = (chunk: SctpChunk) => (typeof chunk === 'string' ? chunk : chunk.type);

/** Sorts by number. Chunks with flags keep the given order. */
function order(flags: ReadonlyMap<SctpChunkType, Flags>, plain: ReadonlySet<SctpChunkType>) {
  const flagged = [...flags].map(([type, each]) => ({ type, flags: flagText(type, each) }));
  const list: SctpChunk[] = [];
  for (const name of names) {
    if (!plain.has(name) || flags.has(name)) continue;
    while (flagged[0] !== undefined && types[flagged[0].type] < types[name]) {
      list.push(flagged.shift()!);
    }
    list.push(name);
  }
  return [...list, ...flagged];
}

function collect(given: readonly { type: SctpChunkType; flags: string; path: string }[]) {
  const flagged = new Map<SctpChunkType, Flags>();
  const plain = new Set<SctpChunkType>();
  for (const { type, flags, path } of given) {
    const more = flagsOf(type, flags, path);
    const before = flagged.get(type) ?? { set: 0, mask: 0 };
    const merged = { set: before.set | more.set, mask: before.mask | more.mask };
    if (merged.mask !== 0) flagged.set(type, merged);
    if (flagged.size > slots) throw refused(path, `only ${slots} chunks can have flags`);
    plain.add(type);
  }
  return order(flagged, plain);
}

function checkChunks(value: unknown, at: Place): SctpChunks['chunks'] {
  if (value === 'ALL') return 'ALL';
  if (!Array.isArray(value)) throw badType(at.path, "'ALL' or an array of chunks", value);
  const given = value.map((each: unknown, index) => {
    const path = `${at.path}[${index}]`;
    const typed = typeof each === 'object' && each !== null && 'type' in each && 'flags' in each;
    if (typed) onlyFields(each, path, ['type', 'flags']);
    const [type, flags] = typed ? [each.type, each.flags] : [each, ''];
    if (typeof type !== 'string' || typeof flags !== 'string') {
      throw badType(path, 'the name of a chunk or { type, flags }', each);
    }
    const name = names.find((known) => known === type);
    if (name === undefined) throw badRange(path, `one of ${names.join(', ')}`, type);
    return { type: name, flags, path };
  });
  return collect(given);
}

function readChunks(text: string, at: ArgumentPlace): SctpChunks['chunks'] {
  const folded = text.toUpperCase();
  if (folded === 'ALL') return 'ALL';
  if (folded === 'NONE') return [];
  const given = text.split(',').flatMap((part) => {
    if (part === '') return [];
    const cut = part.indexOf(':');
    const name = (cut < 0 ? part : part.slice(0, cut)).toUpperCase();
    const type = names.find((known) => known === name);
    if (type === undefined)
      throw badRange(at.path, 'ALL, NONE, or chunks with commas between', text);
    return [{ type, flags: cut < 0 ? '' : part.slice(cut + 1), path: at.path }];
  });
  return collect(given);
}

function printChunks(chunks: SctpChunks['chunks']): string {
  if (chunks === 'ALL') return 'ALL';
  if (chunks.length === 0) return 'NONE';
  return [...chunks]
    .sort((a, b) => types[typeOf(a)] - types[typeOf(b)])
    .map((each) => (typeof each === 'string' ? each : `${each.type}:${each.flags}`))
    .join();
}

function readMode(text: string, at: ArgumentPlace): SctpChunks['match'] {
  const mode = (Object.keys(modes) as SctpChunks['match'][]).find(
    (name) => name === text.toLowerCase(),
  );
  if (mode === undefined) throw badRange(at.path, 'any, all or only, and then the chunks', text);
  return mode;
}

const chunkTypes: ValueType<SctpChunks> = {
  arity: 1,
  check(value, at) {
    if (typeof value !== 'object' || value === null || !('match' in value && 'chunks' in value)) {
      throw badType(at.path, '{ match, chunks }', value);
    }
    onlyFields(value, at.path, ['match', 'chunks']);
    const { match: mode, chunks } = value;
    if (mode !== 'any' && mode !== 'all' && mode !== 'only') {
      throw badRange(`${at.path}.match`, 'any, all or only', mode);
    }
    return { match: mode, chunks: checkChunks(chunks, { ...at, path: `${at.path}.chunks` }) };
  },
  parse(text, at) {
    const second = at.peek();
    if (second === undefined || /^[-!]/.test(second)) {
      throw refused(at.path, 'needs two arguments: any, all or only, and the chunks');
    }
    at.more();
    return { match: readMode(text, at), chunks: readChunks(second, at) };
  },
  print: (value) => `${value.match} ${printChunks(value.chunks)}`,
};

const mapAt = 8;
const mapLength = 256;
const mode = coded(u32(264), modes);
const slotAt = (slot: number) => 268 + 3 * slot;
const count = i32(280);

/** The byte of the map that holds a type. The map is an array of 32-bit words. */
const byteOf = (type: number) => mapAt + (littleEndian ? type >> 3 : (type >> 3) ^ 3);

const store: Store<SctpChunks> = {
  read(payload, cx) {
    const match = mode.read(payload, cx);
    if (match === undefined) return undefined;
    if (bytesOf(payload, mapAt, mapLength).every((byte) => byte === 0xff)) {
      return { match, chunks: 'ALL' };
    }
    const there = names.filter(
      (name) => payload.getUint8(byteOf(types[name])) & (1 << (types[name] & 7)),
    );
    const flagged = new Map<SctpChunkType, Flags>();
    for (let slot = 0; slot < Math.min(slots, count.read(payload, cx)!); slot++) {
      const at = slotAt(slot);
      const name = there.find((each) => types[each] === payload.getUint8(at));
      if (name === undefined) throw new Error('flags of a chunk that it does not look for');
      flagged.set(name, { set: payload.getUint8(at + 1), mask: payload.getUint8(at + 2) });
    }
    return { match, chunks: order(flagged, new Set(there)) };
  },
  write(payload, { match, chunks }, cx) {
    mode.write(payload, match, cx);
    if (chunks === 'ALL') {
      bytesOf(payload, mapAt, mapLength).fill(0xff);
      return;
    }
    let slot = 0;
    for (const chunk of chunks) {
      const type = typeOf(chunk);
      const at = byteOf(types[type]);
      payload.setUint8(at, payload.getUint8(at) | (1 << (types[type] & 7)));
      if (typeof chunk === 'string') continue;
      const { set, mask } = flagsOf(type, chunk.flags, 'flags');
      u8(slotAt(slot)).write(payload, types[type], cx);
      u8(slotAt(slot) + 1).write(payload, set, cx);
      u8(slotAt(slot) + 2).write(payload, mask, cx);
      slot++;
    }
    count.write(payload, slot, cx);
  },
};

const port = ports('sctp');
const given = (mask: number) => ({ present: bit(284, mask, 32), invert: bit(288, mask, 32) });

export const sctp = match<SctpMatch>({
  name: 'sctp',
  revision: 0,
  families: both,
  size: 296,
  protocols: [132],
  // Chunks with flags keep the order in which they were given. The order has no effect.
  meaning(value) {
    const { chunkTypes, ...rest } = value;
    if (chunkTypes === undefined) return value;
    const { match, chunks } = isNot(chunkTypes) ? chunkTypes.not : chunkTypes;
    if (chunks === 'ALL') return value;
    const text = (chunk: SctpChunk) => JSON.stringify(chunk);
    const sorted = { match, chunks: [...chunks].sort((a, b) => (text(a) < text(b) ? -1 : 1)) };
    return { ...rest, chunkTypes: isNot(chunkTypes) ? { not: sorted } : sorted };
  },
  fields: {
    ...portFields(port, given),
    chunkTypes: { options: ['chunk-types'], type: chunkTypes, store, ...given(4) },
  },
  always(payload) {
    for (let slot = 0; slot < slots; slot++) payload.setUint8(slotAt(slot), 0xff);
  },
});

// A table as native code read it (native/core/xtables/snapshot.h): views into one buffer that needs no
// native handle. Knows where things lie, not what rules mean.
import { AF_INET6, type Family } from '../constants.js';
import { bytesToText, littleEndian } from './extensions/stores.js';

/** Offsets in bytes, of snapshot.h. */
const header = {
  magic: 0,
  family: 4,
  chainCount: 8,
  ruleCount: 12,
  chains: 16,
  rules: 20,
  registered: 28,
  fingerprint: 32,
  sets: 48,
  setCount: 52,
  name: 64,
  parts: 96,
  matchLists: 100,
  targets: 104,
};
const magic = 0x31535458;
const headerSize = 112;
const chainSize = 72;
const setSize = 36;
const nameSize = 32;
/** `next_offset` in the entry: how long it is. */
const nextOffset = { ipv4: 90, ipv6: 142 };

/** One chain as it was read. */
export interface RawChain {
  name: string;
  /** Hook number + 1 of a built-in chain, 0 of any other. */
  hook: number;
  policy: 'ACCEPT' | 'DROP' | undefined;
  /** Index of its first rule in the table. */
  first: number;
  count: number;
  references: number;
  counters: { packets: bigint; bytes: bigint };
}

function text(bytes: Uint8Array, at: number): string {
  const field = bytes.subarray(at, at + nameSize);
  const end = field.indexOf(0);
  return bytesToText(end < 0 ? field : field.subarray(0, end));
}

/** A table of nothing, without a name. */
export function emptySnapshot(): Snapshot {
  const buffer = new ArrayBuffer(headerSize);
  new DataView(buffer).setUint32(header.magic, magic, littleEndian);
  return new Snapshot(buffer);
}

export class Snapshot {
  readonly name: string;
  readonly family: Family;
  /** False: the namespace has no such table yet. */
  readonly registered: boolean;
  readonly chains: readonly RawChain[];
  readonly ruleCount: number;
  /** Of everything but counters, as 32 hexadecimal digits. */
  readonly fingerprint: string;
  readonly sets: ReadonlyMap<number, string>;
  readonly bytes: Uint8Array;
  /**
   * Of each rule two numbers, that of its matches and that of its target: rules with the same number have
   * the same bytes there. Numbers are given from 0 in the order of the rules.
   */
  readonly parts: Uint32Array;
  /** How many different lists of matches there are. */
  readonly matchLists: number;
  /** How many different targets there are. */
  readonly targets: number;
  readonly #view: DataView;
  readonly #offsets: Uint32Array;

  constructor(buffer: ArrayBuffer) {
    const bytes = new Uint8Array(buffer);
    const words = new DataView(buffer);
    const word = (at: number) => words.getUint32(at, littleEndian);
    if (word(header.magic) !== magic) throw new TypeError('snapshot: not a table');
    this.bytes = bytes;
    this.#view = words;
    this.name = text(bytes, header.name);
    this.family = word(header.family) === AF_INET6 ? 'ipv6' : 'ipv4';
    this.registered = word(header.registered) !== 0;
    this.ruleCount = word(header.ruleCount);
    this.fingerprint = Buffer.from(buffer, header.fingerprint, 16).toString('hex');
    this.#offsets = new Uint32Array(buffer, word(header.rules), this.ruleCount);
    this.parts = new Uint32Array(buffer, word(header.parts), 2 * this.ruleCount);
    this.matchLists = word(header.matchLists);
    this.targets = word(header.targets);
    this.chains = Array.from({ length: word(header.chainCount) }, (_, index) => {
      const at = word(header.chains) + index * chainSize;
      return {
        name: text(bytes, at),
        hook: word(at + 32),
        policy: [undefined, 'ACCEPT' as const, 'DROP' as const][word(at + 36)],
        first: word(at + 40),
        count: word(at + 44),
        references: word(at + 48),
        counters: {
          packets: words.getBigUint64(at + 56, littleEndian),
          bytes: words.getBigUint64(at + 64, littleEndian),
        },
      };
    });
    const sets = new Map<number, string>();
    for (let i = 0; i < word(header.setCount); i++) {
      const at = word(header.sets) + i * setSize;
      sets.set(word(at), text(bytes, at + 4));
    }
    this.sets = sets;
  }

  /** The fingerprint's bytes, for a plan. */
  get fingerprintBytes(): Uint8Array {
    return this.bytes.subarray(header.fingerprint, header.fingerprint + 16);
  }

  /** Where the bytes of a rule begin. */
  offset(rule: number): number {
    return this.#offsets[rule]!;
  }

  /** The portable bytes of a rule: a view, not to be changed. */
  entry(rule: number): Uint8Array {
    const at = this.#offsets[rule]!;
    const size = this.#view.getUint16(at + nextOffset[this.family], littleEndian);
    return this.bytes.subarray(at, at + size);
  }
}

// A table as native code read it (native/core/xtables/image.h): views of one buffer, without a native handle. Both
// backends read tables in this form.
import { AF_INET6, type Family } from '../../constants.js';
import { chainPresence } from '../../native/numbers.js';
import { littleEndian } from '../extensions/stores.js';
import { type CheckedRule, namesSets, usesSets } from '../rule/check.js';
import { Rule } from '../rule/rule.js';
import type { Target } from '../rule/types.js';
import type { ForeignChain, Policy, ReadChain, TableName, TableReading } from '../table/reading.js';
import { bytesToText } from '../text/encoding.js';
import { systemNames } from '../text/host-names.js';
import { SetTable } from '../text/sets.js';
import { countersSize, extensionHeader, layouts, readUint16, standardSize } from './entry.js';
import type { EntryContext } from './extension-bytes.js';
import { bytesOf, encodeChecked, liesInBytes, redirected } from './rule-bytes.js';
import { type TableBytes, TableEntries } from './rule-sources.js';
import { WrittenRules } from './written.js';

/** Offsets in bytes, from image.h. */
export const header = {
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
  own: 112,
};
const magic = 0x31535458;
const chainSize = 72;
const setSize = 36;
const nameSize = 32;

/** One chain of an image. */
export interface ImageChain extends ReadChain {
  /** Hook number + 1 of a built-in chain, 0 of any other. */
  readonly hook: number;
  /** It is not in the kernel yet: nf_tables makes base chains when they are needed. */
  readonly absent: boolean;
}

const policies: readonly (Policy | undefined)[] = [undefined, 'ACCEPT', 'DROP'];

function text(bytes: Uint8Array, at: number): string {
  const field = bytes.subarray(at, at + nameSize);
  const end = field.indexOf(0);
  return bytesToText(end < 0 ? field : field.subarray(0, end));
}

/** Legacy tables have none. */
const noRules: readonly number[] = Object.freeze([]);
const noForeign: readonly ForeignChain[] = Object.freeze([]);

export class TableImage implements TableReading, TableBytes {
  readonly name: TableName;
  readonly family: Family;
  /** False: the namespace has no such table yet. */
  readonly registered: boolean;
  readonly chains: readonly ImageChain[];
  readonly ruleCount: number;
  readonly foreign: readonly ForeignChain[] = noForeign;
  /** Of everything but counters, as 32 hexadecimal digits. */
  readonly fingerprint: string;
  readonly sets: ReadonlyMap<number, string>;
  readonly bytes: Uint8Array;
  readonly parts: Uint32Array;
  readonly matchLists: number;
  readonly targets: number;
  readonly #offsets: Uint32Array;
  readonly #nextOffset: number;
  #rules: TableEntries | undefined;
  #written: WrittenRules | undefined;

  constructor(buffer: ArrayBuffer) {
    const bytes = new Uint8Array(buffer);
    const words = new DataView(buffer);
    const word = (at: number) => words.getUint32(at, littleEndian);
    if (word(header.magic) !== magic) throw new TypeError('snapshot: not a table');
    this.bytes = bytes;
    this.name = text(bytes, header.name);
    this.family = word(header.family) === AF_INET6 ? 'ipv6' : 'ipv4';
    this.#nextOffset = layouts[this.family].nextOffset;
    this.registered = word(header.registered) !== 0;
    this.ruleCount = word(header.ruleCount);
    this.fingerprint = Buffer.from(buffer, header.fingerprint, 16).toString('hex');
    this.#offsets = new Uint32Array(buffer, word(header.rules), this.ruleCount);
    this.parts = new Uint32Array(buffer, word(header.parts), 2 * this.ruleCount);
    this.matchLists = word(header.matchLists);
    this.targets = word(header.targets);
    this.chains = Array.from({ length: word(header.chainCount) }, (_, index) => {
      const at = word(header.chains) + index * chainSize;
      const hook = word(at + 32);
      return {
        name: text(bytes, at),
        hook,
        builtin: hook !== 0,
        policy: policies[word(at + 36)],
        first: word(at + 40),
        count: word(at + 44),
        references: word(at + 48),
        absent: word(at + 52) === chainPresence.absent,
        unread: word(at + 52) === chainPresence.unread,
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

  offset(rule: number): number {
    return this.#offsets[rule]!;
  }

  entry(rule: number): Uint8Array {
    const at = this.#offsets[rule]!;
    return this.bytes.subarray(at, at + readUint16(this.bytes, at + this.#nextOffset));
  }

  get rules(): TableEntries {
    if (this.#rules === undefined) {
      const { family, chains } = this;
      const names = new Set(chains.map((chain) => chain.name));
      const isChain = (name: string) => names.has(name);
      const sets = new SetTable(this.sets);
      this.#rules = this.makeRules({ family, names: systemNames, sets, isChain });
    }
    return this.#rules;
  }

  protected makeRules(context: EntryContext): TableEntries {
    return new TableEntries(this, context);
  }

  kept(target: Target): Target {
    return target;
  }

  /** Takes rules that are bytes of this family, but none with sets: each namespace has its own indexes. */
  takes(rule: Rule): boolean {
    const { source, index } = Rule.placeOf(rule);
    return rule.family === this.family && !usesSets(rule) && liesInBytes(source, index);
  }

  /** All bytes but the counters and the kernel's own note before them. */
  content(rule: number, chain?: string): string {
    const { size, comefrom } = layouts[this.family];
    const own = this.entry(rule);
    const entry = chain === undefined ? own : redirected(own, this.family, chain);
    const bytes = Buffer.from(entry.buffer, entry.byteOffset, entry.length);
    return bytes.toString('latin1', 0, comefrom) + bytes.toString('latin1', size);
  }

  identity(_rule: number): string | undefined {
    return undefined;
  }

  leadsTo(rule: number): string | undefined {
    const { bytes } = this;
    const at = this.#offsets[rule]!;
    const target = at + readUint16(bytes, at + layouts[this.family].targetOffset);
    if (readUint16(bytes, target) !== standardSize) return undefined;
    const name = text(bytes, target + extensionHeader.name);
    return this.rules.context.isChain!(name) ? name : undefined;
  }

  /** Of a rule with sets nothing is known here: only the kernel has the indexes of the sets. */
  written(given: Rule | CheckedRule): readonly number[] {
    const entry = this.#entryOf(given);
    if (entry === undefined) return noRules;
    this.#written ??= new WrittenRules({
      family: this.family,
      ruleCount: this.ruleCount,
      entry: (rule) => this.entry(rule),
      isWhole: (rule) => this.rules.isWhole(rule),
    });
    return this.#written.find(entry);
  }

  #entryOf(given: Rule | CheckedRule): Uint8Array | undefined {
    if (Rule.isRule(given)) {
      const { source, index } = Rule.placeOf(given);
      return this.takes(given) ? bytesOf(source, index) : undefined;
    }
    if (namesSets(given)) return undefined;
    const { family } = this;
    return encodeChecked(given, { family, names: systemNames, sets: undefined });
  }

  sameCounters(rule: number, other: TableReading, otherRule: number): boolean {
    if (!(other instanceof TableImage)) return false;
    const { counters } = layouts[this.family];
    const [a, b] = [this.#offsets[rule]! + counters, other.#offsets[otherRule]! + counters];
    for (let i = 0; i < countersSize; i++)
      if (this.bytes[a + i] !== other.bytes[b + i]) return false;
    return true;
  }
}

// Finds the rules of a table that are written as another rule: all bytes are equal, but for the counters. Decodes nothing.
import type { Family } from '../text/addresses.js';
import { layouts, type PortableEntry } from './entry.js';

/** The entries of a table. */
export interface Entries {
  readonly family: Family;
  readonly ruleCount: number;
  entry(index: number): PortableEntry;
  /** Whether the bytes of a rule say all that it is. */
  isWhole(index: number): boolean;
}

const none: readonly number[] = Object.freeze([]);

/** The 32-bit numbers of an entry. */
function wordsOf(entry: PortableEntry): Uint32Array {
  const { buffer, byteOffset, length } = entry.byteOffset % 4 === 0 ? entry : entry.slice();
  return new Uint32Array(buffer, byteOffset, length >> 2);
}

export class WrittenRules {
  readonly #entries: Entries;
  /** Without the kernel's note and the counters. */
  readonly #head: number;
  readonly #body: number;
  readonly #byHash = new Map<number, number[]>();

  constructor(entries: Entries) {
    this.#entries = entries;
    const { comefrom, size } = layouts[entries.family];
    this.#head = comefrom >> 2;
    this.#body = size >> 2;
    for (let index = 0; index < entries.ruleCount; index++) {
      if (!entries.isWhole(index)) continue;
      const hash = this.#hash(wordsOf(entries.entry(index)));
      const known = this.#byHash.get(hash);
      if (known === undefined) this.#byHash.set(hash, [index]);
      else known.push(index);
    }
  }

  #hash(words: Uint32Array): number {
    let hash = words.length;
    for (let at = 0; at < this.#head; at++) hash = Math.imul(hash ^ words[at]!, 0x01000193);
    for (let at = this.#body; at < words.length; at++) {
      hash = Math.imul(hash ^ words[at]!, 0x01000193);
      hash ^= hash >>> 15;
    }
    return hash;
  }

  /** The indexes of these rules, in order. */
  find(entry: PortableEntry): readonly number[] {
    const words = wordsOf(entry);
    const candidates = this.#byHash.get(this.#hash(words));
    if (candidates === undefined) return none;
    return candidates.filter((index) => this.#isSame(words, wordsOf(this.#entries.entry(index))));
  }

  #isSame(a: Uint32Array, b: Uint32Array): boolean {
    if (a.length !== b.length) return false;
    for (let at = 0; at < a.length; at++) {
      if (a[at] !== b[at] && (at < this.#head || at >= this.#body)) return false;
    }
    return true;
  }
}

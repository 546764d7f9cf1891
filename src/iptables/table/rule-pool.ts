// Rules of a reading told apart by their content, and handed out by it, each once.
import type { ReadChain, TableReading } from './reading.js';

/** The keys of a chain's rules in their order; none of a chain that is not there. */
export function chainKeys(reading: TableReading, chain: ReadChain | undefined): string[] {
  if (chain === undefined) return [];
  return Array.from({ length: chain.count }, (_, index) => reading.content(chain.first + index));
}

/** Indexes in their order, and how many of them are handed out. */
interface Places {
  indexes: number[];
  next: number;
}

/** Hands out the rules of a reading by their content, each once. */
export class RulePool {
  readonly #byChain = new Map<string, Map<string, Places>>();
  readonly #all = new Map<string, Places>();
  readonly #used = new Set<number>();

  constructor(reading: TableReading) {
    for (const chain of reading.chains) {
      const own = new Map<string, Places>();
      this.#byChain.set(chain.name, own);
      chainKeys(reading, chain).forEach((key, index) => {
        for (const map of [own, this.#all]) {
          const places = map.get(key);
          if (places === undefined) map.set(key, { indexes: [chain.first + index], next: 0 });
          else places.indexes.push(chain.first + index);
        }
      });
    }
  }

  /** That rule is not handed out any more. */
  keep(index: number): void {
    this.#used.add(index);
  }

  /** The next rule of that content, in that chain or anywhere; `undefined` when all are handed out. */
  take(key: string, chain?: string): number | undefined {
    const places = (chain === undefined ? this.#all : this.#byChain.get(chain))?.get(key);
    while (places !== undefined && places.next < places.indexes.length) {
      const index = places.indexes[places.next++]!;
      if (this.#used.has(index)) continue;
      this.#used.add(index);
      return index;
    }
    return undefined;
  }
}

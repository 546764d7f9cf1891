// Finds rules of a reading by their content, and gives out each rule once.
import type { ReadChain, TableReading } from './reading.js';

type Keyed = Pick<TableReading, 'chains'> & { content(index: number): string };

/** The keys of a chain's rules, in order; none if there is no chain. */
export function chainKeys(reading: Keyed, chain: ReadChain | undefined): string[] {
  if (chain === undefined) return [];
  return Array.from({ length: chain.count }, (_, index) => reading.content(chain.first + index));
}

/** Indexes in order, and how many of them were given out. */
interface Places {
  indexes: number[];
  next: number;
}

/** Gives out the rules of a reading by their content, each once. */
export class RulePool {
  readonly #byChain = new Map<string, Map<string, Places>>();
  readonly #all = new Map<string, Places>();
  readonly #used = new Set<number>();

  constructor(reading: Keyed) {
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

  /** Never gives out this rule. */
  keep(index: number): void {
    this.#used.add(index);
  }

  /** The next rule with this content, in this chain or anywhere; `undefined` if all were given out. */
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

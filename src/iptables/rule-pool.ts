// Rules told apart by their bytes: which bytes of an entry are content, and a snapshot's rules handed out by these.
// Knows no extension: bytes that differ are different rules here.
import { layouts } from './entry.js';
import type { RawChain, Snapshot } from './snapshot.js';

/** `comefrom`, and with it the counters that follow: what the kernel notes in an entry by itself. */
const comefrom = { ipv4: 92, ipv6: 144 };

/** The bytes of a rule that are its content, as a key. */
export function contentKey(entry: Uint8Array, family: 'ipv4' | 'ipv6'): string {
  const { size } = layouts[family];
  const head = Buffer.from(entry.buffer, entry.byteOffset, comefrom[family]);
  const rest = Buffer.from(entry.buffer, entry.byteOffset + size, entry.length - size);
  return head.toString('latin1') + rest.toString('latin1');
}

/** The keys of a chain's rules in their order; none of a chain that is not there. */
export function chainKeys(snapshot: Snapshot, chain: RawChain | undefined): string[] {
  if (chain === undefined) return [];
  return Array.from({ length: chain.count }, (_, index) =>
    contentKey(snapshot.entry(chain.first + index), snapshot.family),
  );
}

/** Indexes in their order, and how many of them are handed out. */
interface Places {
  indexes: number[];
  next: number;
}

/** Hands out the rules of a snapshot by their content, each once. */
export class RulePool {
  readonly #byChain = new Map<string, Map<string, Places>>();
  readonly #all = new Map<string, Places>();
  readonly #used = new Set<number>();

  constructor(snapshot: Snapshot) {
    for (const chain of snapshot.chains) {
      const own = new Map<string, Places>();
      this.#byChain.set(chain.name, own);
      chainKeys(snapshot, chain).forEach((key, index) => {
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

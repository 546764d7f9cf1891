// The tables of iptables in memory: each as it was read or committed last. Knows no edit and no caller.
import type { Family } from '../../constants.js';
import { readingsOf } from '../../iptables/edit/parse-save.js';
import { builtinChains } from '../../iptables/table/builtin-chains.js';
import { stateOf, type TableState } from '../../iptables/table/table-state.js';
import { type TypedChain, TypedReading } from '../../iptables/table/typed-reading.js';

/** A table, and the rules that it is made of. */
export interface StoredTable {
  readonly family: Family;
  readonly name: string;
  readonly chains: readonly TypedChain[];
  readonly reading: TypedReading;
  /** The same, as those see it who follow the changes. */
  readonly state: TableState;
}

/** Is told of every commit: the tables that it changed, before and after it. */
export type CommitFollower = (commit: {
  readonly generation: number;
  readonly tables: readonly { readonly before: StoredTable; readonly after: StoredTable }[];
}) => void;

function storedTable(
  family: Family,
  name: string,
  chains: readonly TypedChain[],
  registered: boolean,
): StoredTable {
  const reading = new TypedReading(name, family, chains, registered);
  return { family, name, chains, reading, state: stateOf(reading) };
}

export class RuleStore {
  readonly followers = new Set<CommitFollower>();
  readonly #tables = new Map<string, StoredTable>();
  #generation = 1;

  /** Puts the tables of a text of iptables-save in place. */
  load(text: string | Uint8Array, family: Family): void {
    for (const [name, chains] of readingsOf(text, family)) {
      this.#tables.set(`${family} ${name}`, storedTable(family, name, chains, true));
    }
  }

  /** The tables of a family, in the order in which they were made. */
  all(family: Family): StoredTable[] {
    return [...this.#tables.values()].filter(
      (table) => table.family === family && table.reading.registered,
    );
  }

  /** A table; one that was not made yet is what a new one would be. `undefined`: iptables has no such table. */
  get(family: Family, name: string): StoredTable | undefined {
    const key = `${family} ${name}`;
    const found = this.#tables.get(key);
    if (found !== undefined || !Object.hasOwn(builtinChains, name)) return found;
    const chains = builtinChains[name]!.map((chain): TypedChain => {
      return { name: chain, builtin: true, policy: 'ACCEPT', rules: [] };
    });
    const made = storedTable(family, name, chains, false);
    this.#tables.set(key, made);
    return made;
  }

  /** Puts all of these in place in one step. */
  commit(tables: readonly StoredTable[]): void {
    const generation = ++this.#generation;
    const changed = tables.map((after) => {
      const before = this.get(after.family, after.name)!;
      this.#tables.set(`${after.family} ${after.name}`, after);
      return { before, after };
    });
    for (const follow of [...this.followers]) follow({ generation, tables: changed });
  }
}

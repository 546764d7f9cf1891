// IP sets by name and index, for rules that refer to them. A snapshot knows the sets that its rules
// use; a name that is new gets a stand-in index until the commit, when the kernel is asked.
import type { SetNames } from './host-names.js';

/** The kernel's mark for "no set". */
const invalidIndex = 0xffff;

export class SetTable implements SetNames {
  readonly #names: Map<number, string>;
  readonly #indexes = new Map<string, number>();
  /** Names with a stand-in index. */
  readonly #unresolved = new Map<string, number>();

  constructor(known: ReadonlyMap<number, string>) {
    this.#names = new Map(known);
    for (const [index, name] of known) this.#indexes.set(name, index);
  }

  nameOf(index: number): string | undefined {
    return this.#names.get(index);
  }

  indexOf(name: string): number {
    const known = this.#indexes.get(name);
    if (known !== undefined) return known;
    let index = invalidIndex - 1;
    while (this.#names.has(index)) index--;
    this.#names.set(index, name);
    this.#indexes.set(name, index);
    this.#unresolved.set(name, index);
    return index;
  }

  /** Names whose index has yet to be asked for. */
  get unresolved(): string[] {
    return [...this.#unresolved.keys()];
  }

  /** The same sets with the kernel's indexes; entries written with the stand-ins must be made anew. */
  resolved(indexes: ReadonlyMap<string, number>): SetNames {
    return {
      indexOf: (name) => indexes.get(name) ?? this.#indexes.get(name),
      nameOf: (index) => this.#names.get(index),
    };
  }
}

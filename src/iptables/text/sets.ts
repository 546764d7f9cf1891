// IP sets by name and index, for rules that refer to them. A reading knows the sets that its rules use. A new name
// gets a stand-in index, because the kernel is asked when the rule is committed.
import type { SetNames } from './host-names.js';

/** The kernel's mark for "no set". */
const invalidIndex = 0xffff;

export class SetTable implements SetNames {
  readonly #names: Map<number, string>;
  readonly #indexes = new Map<string, number>();

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
    return index;
  }
}

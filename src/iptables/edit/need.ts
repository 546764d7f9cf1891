// How much of each table an edit reads. It begins with what the caller is known to need. If the function of the caller
// then looks at rules that were not read, these are read too, and the function is called again.
import type { Wanted } from '../table/reading.js';
import type { EditState } from './state.js';

export class Needs {
  readonly #wanted: Wanted[];
  /** Tables that were read again once. The next time they are read as a whole, so that this ends. */
  readonly #again = new Set<number>();

  /** What each table is read with first. */
  constructor(wanted: readonly Wanted[]) {
    this.#wanted = [...wanted];
  }

  /** What to read of the table at this place of the list. */
  of(index: number): Wanted {
    return this.#wanted[index]!;
  }

  /** Adds what was missing in the tables. Returns whether anything was. */
  grow(states: readonly EditState[]): boolean {
    let grew = false;
    states.forEach(({ missing }, index) => {
      if (missing === undefined) return;
      const wanted = this.#wanted[index]!;
      const isLast = wanted === 'all' || missing === 'all' || this.#again.has(index);
      this.#wanted[index] = isLast ? 'all' : new Set([...wanted, ...missing]);
      this.#again.add(index);
      grew = true;
    });
    return grew;
  }

  /** From now on all tables are read as a whole. Returns whether one of these was not. */
  growToAll(states: readonly EditState[]): boolean {
    this.#wanted.fill('all');
    return states.some(({ isPartial }) => isPartial);
  }
}

// A filter as a binding takes it: its words, which the addon compiles, and what they were made of, for a binding that
// filters columns. Decides nothing.
import { packFilter } from '../filter/pack.js';
import type { CheckedFilter } from '../filter/types.js';

const filters = new WeakMap<Uint32Array, CheckedFilter>();

/** The words of a filter. */
export function filterWords(filter: CheckedFilter): Uint32Array {
  const words = packFilter(filter);
  filters.set(words, filter);
  return words;
}

/** What these words were made of. */
export function filterOf(words: Uint32Array): CheckedFilter {
  const filter = filters.get(words);
  if (filter === undefined) throw new Error('these words are of no filter');
  return filter;
}

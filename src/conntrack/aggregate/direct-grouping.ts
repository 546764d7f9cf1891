// Groups by one key of at most 16 bits. Its values are places in a table: one pass over the rows finds the groups, and
// adds up their counts and one sum there. Tight loops in functions of the module, as in grouping.ts; they get only
// typed arrays and numbers. Knows numbers, nothing of flows.
import { exactTotals, sums } from './group-numbers.js';
import type { Grouped } from './grouping.js';
import { type Numbers, word } from './numbers.js';

/** Where the key of a row is. A row that lacks one of the bits has no value; such rows are one group. */
export interface DirectKey {
  column: Uint16Array;
  presence: Uint32Array;
  /** 0: every row has a value. */
  bits: number;
}

/** The place of rows without a value. */
const none = 0x10000;
const places = none + 1;

export class DirectGrouping implements Grouped {
  readonly firstRows: number[] = [];
  readonly #key: DirectKey;
  readonly #counts = new Uint32Array(places);
  readonly #numbers: Numbers | undefined;
  readonly #totals: Float64Array | undefined;
  #groupOf: Uint32Array | undefined;

  /** `numbers`, if given, are added up in the same pass. */
  constructor(key: DirectKey, numbers?: Numbers) {
    this.#key = key;
    const { firstRows } = this;
    const [a, b] = numbers?.wide ? numbers.parts : [];
    if (a === undefined) {
      count(key.column, key.presence, key.bits, this.#counts, firstRows);
      return;
    }
    this.#numbers = numbers;
    const totals = new Float64Array(places);
    if (b === undefined)
      countAndAdd(key.column, key.presence, key.bits, this.#counts, firstRows, a, totals);
    else countAndAddBoth(key.column, key.presence, key.bits, this.#counts, firstRows, a, b, totals);
    this.#totals = exactTotals(totals);
  }

  counts(): number[] {
    return this.firstRows.map((row) => this.#counts[place(this.#key, row)]!);
  }

  /** The sum of each group. That of the constructor's numbers is there already. */
  sums(numbers: Numbers): (number | bigint)[] {
    const totals = numbers === this.#numbers ? this.#totals : undefined;
    if (totals === undefined) return sums(numbers, this);
    return this.firstRows.map((row) => BigInt(totals[place(this.#key, row)]!));
  }

  get groupOf(): Uint32Array {
    if (this.#groupOf === undefined) {
      const groups = new Uint32Array(places);
      for (const [group, row] of this.firstRows.entries()) groups[place(this.#key, row)] = group;
      this.#groupOf = new Uint32Array(this.#key.column.length);
      placeAll(this.#key, groups, this.#groupOf);
    }
    return this.#groupOf;
  }
}

function place({ column, presence, bits }: DirectKey, row: number): number {
  return (presence[row]! & bits) === bits ? column[row]! : none;
}

function placeAll({ column, presence, bits }: DirectKey, groups: Uint32Array, out: Uint32Array) {
  for (let row = 0; row < out.length; row++) {
    out[row] = groups[(presence[row]! & bits) === bits ? column[row]! : none]!;
  }
}

function count(
  column: Uint16Array,
  presence: Uint32Array,
  bits: number,
  counts: Uint32Array,
  first: number[],
): void {
  for (let row = 0; row < column.length; row++) {
    const at = (presence[row]! & bits) === bits ? column[row]! : none;
    const before = counts[at]!;
    if (before === 0) first.push(row);
    counts[at] = before + 1;
  }
}

function countAndAdd(
  column: Uint16Array,
  presence: Uint32Array,
  bits: number,
  counts: Uint32Array,
  first: number[],
  words: Uint32Array,
  totals: Float64Array,
): void {
  for (let row = 0; row < column.length; row++) {
    const at = (presence[row]! & bits) === bits ? column[row]! : none;
    const before = counts[at]!;
    if (before === 0) first.push(row);
    counts[at] = before + 1;
    totals[at]! += words[row * 2]! + words[row * 2 + 1]! * word;
  }
}

function countAndAddBoth(
  column: Uint16Array,
  presence: Uint32Array,
  bits: number,
  counts: Uint32Array,
  first: number[],
  a: Uint32Array,
  b: Uint32Array,
  totals: Float64Array,
): void {
  for (let row = 0; row < column.length; row++) {
    const at = (presence[row]! & bits) === bits ? column[row]! : none;
    const before = counts[at]!;
    if (before === 0) first.push(row);
    counts[at] = before + 1;
    const i = row * 2;
    totals[at]! += a[i]! + a[i + 1]! * word + (b[i]! + b[i + 1]! * word);
  }
}

// The rows with the largest values of a numeric column. Tight loops in functions of the module, as in grouping.ts.
// Knows numbers, nothing of flows.
import { block, compare, doubles, type Numbers } from './numbers.js';

/** The best rows so far: a heap whose top is the worst of them. */
class Best {
  readonly rows: number[] = [];
  /** A value below it, as a double, is not among the best. */
  threshold = -Infinity;
  readonly #numbers: Numbers;
  readonly #count: number;
  readonly #one = new Float64Array(1);

  constructor(numbers: Numbers, count: number) {
    this.#numbers = numbers;
    this.#count = count;
  }

  /** Rows come in ascending order. Of two equal values the earlier stays. */
  offer(row: number): void {
    const { rows } = this;
    if (rows.length < this.#count) {
      rows.push(row);
      if (rows.length < this.#count) return;
      for (let i = this.#count >> 1; i >= 0; i--) this.#sink(i);
    } else if (compare(this.#numbers, row, rows[0]!) > 0) {
      rows[0] = row;
      this.#sink(0);
    } else {
      return;
    }
    doubles(this.#numbers, rows[0]!, rows[0]! + 1, this.#one);
    this.threshold = this.#one[0]!;
  }

  worse(a: number, b: number): number {
    return compare(this.#numbers, a, b) || b - a;
  }

  #sink(at: number): void {
    const { rows } = this;
    for (;;) {
      let least = at;
      for (const child of [at * 2 + 1, at * 2 + 2]) {
        if (child < rows.length && this.worse(rows[child]!, rows[least]!) < 0) least = child;
      }
      if (least === at) return;
      [rows[at], rows[least]] = [rows[least]!, rows[at]!];
      at = least;
    }
  }
}

function offerAll(values: Float64Array, from: number, to: number, best: Best): void {
  for (let row = from; row < to; row++) if (values[row - from]! >= best.threshold) best.offer(row);
}

/** The rows with the largest values, the largest first. Rows of equal value stay in their order. */
export function largest(numbers: Numbers, count: number): Uint32Array {
  const best = new Best(numbers, count);
  const values = new Float64Array(Math.min(block, numbers.rows));
  for (let from = 0; from < numbers.rows && count > 0; from += block) {
    const to = Math.min(numbers.rows, from + block);
    doubles(numbers, from, to, values);
    offerAll(values, from, to, best);
  }
  return Uint32Array.from(best.rows.sort((a, b) => -best.worse(a, b)));
}

// Conditions on rows that are made of other conditions: one of several lists of them holds, or a list does not hold.
// Rows come in blocks that begin at multiples of the block's size. (A batch that is smaller is one block.)
import type { RowCondition } from './row-conditions.js';

/** Leaves the rows that meet all of the conditions. Gives their number. */
function sieve(conditions: readonly RowCondition[], rows: Uint32Array, count: number): number {
  let left = count;
  for (const condition of conditions) {
    if (left === 0) break;
    left = condition.sift(rows, left);
  }
  return left;
}

/** A condition that marks the rows of a block. */
abstract class MarkingCondition implements RowCondition {
  protected readonly marks: Uint8Array;
  protected readonly rows: Uint32Array;

  constructor(protected readonly block: number) {
    this.marks = new Uint8Array(block);
    this.rows = new Uint32Array(block);
  }

  abstract sift(selection: Uint32Array, count: number): number;

  scan(from: number, to: number, out: Uint32Array): number {
    for (let row = from; row < to; row++) out[row - from] = row;
    return this.sift(out, to - from);
  }

  /** Marks those of `rows` that meet the conditions. Gives their number. */
  protected mark(conditions: readonly RowCondition[], count: number): number {
    const { marks, rows, block } = this;
    const found = sieve(conditions, rows, count);
    for (let i = 0; i < found; i++) marks[rows[i]! % block] = 1;
    return found;
  }

  /** Keeps the rows that have the mark `wanted`. Gives their number. */
  protected keep(selection: Uint32Array, count: number, wanted: 0 | 1): number {
    const { marks, block } = this;
    let kept = 0;
    for (let i = 0; i < count; i++) {
      const row = selection[i]!;
      selection[kept] = row;
      kept += marks[row % block]! ^ wanted ^ 1;
    }
    return kept;
  }
}

/** All conditions of one of the lists hold. */
export class OneOfCondition extends MarkingCondition {
  constructor(
    block: number,
    private readonly branches: readonly (readonly RowCondition[])[],
  ) {
    super(block);
  }
  sift(selection: Uint32Array, count: number): number {
    this.marks.fill(0);
    let left = count;
    for (const branch of this.branches) {
      // What a branch has found, the next one does not look at.
      this.rows.set(selection.subarray(0, count));
      const others = left === count ? count : this.keep(this.rows, count, 0);
      left = others - this.mark(branch, others);
      if (left === 0) break;
    }
    return this.keep(selection, count, 1);
  }
}

/** Not all of the conditions hold. */
export class NotCondition extends MarkingCondition {
  constructor(
    block: number,
    private readonly conditions: readonly RowCondition[],
  ) {
    super(block);
  }
  sift(selection: Uint32Array, count: number): number {
    this.marks.fill(0);
    this.rows.set(selection.subarray(0, count));
    this.mark(this.conditions, count);
    return this.keep(selection, count, 0);
  }
}

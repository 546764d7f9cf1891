// Numbers the groups of rows: tight loops over typed arrays. Knows numbers, nothing of flows.

/** A copy of a column as 32-bit codes. */
export function codesOf(column: Uint8Array | Uint16Array | Uint32Array): Uint32Array {
  const codes = new Uint32Array(column.length);
  codes.set(column);
  return codes;
}

/** Numbers texts in the order in which they are met. */
export function interner(): (text: string) => number {
  const codes = new Map<string, number>();
  return (text) => {
    let code = codes.get(text);
    if (code === undefined) {
      code = codes.size;
      codes.set(text, code);
    }
    return code;
  };
}

/** Cells of a table that is looked up by group and code directly: 4 MiB. */
const directCells = 1 << 20;

/** Numbers groups densely by a code per row; the first row of each group stands for its keys. */
export class Grouping {
  /** The group of each row. */
  readonly groupOf: Uint32Array;
  /** The first row of each group, in order of appearance. */
  firstRows: number[] = [];

  constructor(rows: number) {
    this.groupOf = new Uint32Array(rows);
    if (rows > 0) this.firstRows.push(0);
  }

  /** Rows of each group. */
  counts(): number[] {
    const { groupOf } = this;
    const counts = new Uint32Array(this.firstRows.length);
    for (let row = 0; row < groupOf.length; row++) counts[groupOf[row]!]!++;
    return Array.from(counts);
  }

  /** Splits every group by one more value. */
  refine(codes: Uint32Array): void {
    let most = 0;
    for (let row = 0; row < codes.length; row++) if (codes[row]! > most) most = codes[row]!;
    if ((most + 1) * this.firstRows.length <= directCells) this.#refineDirect(codes, most + 1);
    else this.#refineHashed(codes);
  }

  #refineDirect(codes: Uint32Array, span: number): void {
    const { groupOf } = this;
    // Group numbers from 1; 0 is a cell that no row has met.
    const groups = new Uint32Array(span * this.firstRows.length);
    const first: number[] = [];
    for (let row = 0; row < codes.length; row++) {
      const cell = groupOf[row]! * span + codes[row]!;
      let group = groups[cell]!;
      if (group === 0) {
        first.push(row);
        group = first.length;
        groups[cell] = group;
      }
      groupOf[row] = group - 1;
    }
    this.firstRows = first;
  }

  /** Open addressing on (group, code); a slot holds the number of a new group, from 1. */
  #refineHashed(codes: Uint32Array): void {
    const { groupOf } = this;
    const first: number[] = [];
    const oldGroup: number[] = [];
    let size = 4096;
    while (size < this.firstRows.length * 2) size *= 2;
    let slots = new Uint32Array(size);
    for (let row = 0; row < codes.length; row++) {
      const group = groupOf[row]!;
      const code = codes[row]!;
      let slot = hash(group, code) & (size - 1);
      let found = slots[slot]!;
      while (found !== 0 && (oldGroup[found - 1] !== group || codes[first[found - 1]!] !== code)) {
        slot = (slot + 1) & (size - 1);
        found = slots[slot]!;
      }
      if (found === 0) {
        first.push(row);
        oldGroup.push(group);
        found = first.length;
        slots[slot] = found;
        if (found * 2 >= size) {
          size *= 2;
          slots = rehash(size, first, oldGroup, codes);
        }
      }
      groupOf[row] = found - 1;
    }
    this.firstRows = first;
  }
}

function hash(group: number, code: number): number {
  return (
    Math.imul(code ^ (code >>> 15), 0x9e3779b1) ^
    (Math.imul(code, 0x27d4eb2f) >>> 15) ^
    Math.imul(group, 0x85ebca6b)
  );
}

function rehash(
  size: number,
  first: readonly number[],
  oldGroup: readonly number[],
  codes: Uint32Array,
): Uint32Array<ArrayBuffer> {
  const slots = new Uint32Array(size);
  for (let i = 0; i < first.length; i++) {
    let slot = hash(oldGroup[i]!, codes[first[i]!]!) & (size - 1);
    while (slots[slot] !== 0) slot = (slot + 1) & (size - 1);
    slots[slot] = i + 1;
  }
  return slots;
}

// Numbers the groups of rows: tight loops over typed arrays, block by block, so that they need little memory. The
// loops are functions of the module and not closures: the machine code of a closure goes when the closure is
// collected, and every call would need it again. Knows numbers, nothing of flows.

/** Rows whose codes are made together: they stay in the cache. */
const block = 16384;

/** Writes a code for each row of [from, to) into `out`. */
export type Codes = (from: number, to: number, out: Uint32Array) => void;

/** Numbers texts in the order in which they come. */
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

/** Rows in groups. The groups are numbered in the order in which their first rows come. */
export interface Grouped {
  /** The group of each row. */
  readonly groupOf: Uint32Array;
  /** The first row of each group: the keys of the group are read from it. */
  readonly firstRows: number[];
  /** Rows of each group. */
  counts(): number[];
}

/** Cells of the largest table whose places are group and code: 4 MiB. */
const directCells = 1 << 20;

/** Numbers groups without gaps, by codes of the rows. */
export class Grouping implements Grouped {
  /** The group of each row. */
  readonly groupOf: Uint32Array;
  /** The first row of each group, in the order of the groups. */
  firstRows: number[] = [];

  constructor(rows: number) {
    this.groupOf = new Uint32Array(rows);
    if (rows > 0) this.firstRows.push(0);
  }

  /** Rows of each group. */
  counts(): number[] {
    return Array.from(countGroups(this.groupOf, this.firstRows.length));
  }

  /** Splits every group by one more code of each row. The codes are less than `span`. */
  refine(codes: Codes, span = 2 ** 32): void {
    if (span * this.firstRows.length <= directCells) this.#refineDirect(codes, span);
    else this.#refineHashed(codes);
  }

  #refineDirect(codes: Codes, span: number): void {
    const rows = this.groupOf.length;
    const buffer = new Uint32Array(Math.min(block, rows));
    // Numbers of groups, from 1. No row has used a cell that is 0.
    const cells = new Uint32Array(span * this.firstRows.length);
    const first: number[] = [];
    for (let from = 0; from < rows; from += block) {
      const to = Math.min(rows, from + block);
      codes(from, to, buffer);
      placeDirect(this.groupOf, from, to, buffer, cells, span, first);
    }
    this.firstRows = first;
  }

  #refineHashed(codes: Codes): void {
    const rows = this.groupOf.length;
    const buffer = new Uint32Array(Math.min(block, rows));
    const table = new GroupTable(this.firstRows.length);
    for (let from = 0; from < rows; from += block) {
      const to = Math.min(rows, from + block);
      codes(from, to, buffer);
      table.placeAll(this.groupOf, from, to, buffer);
    }
    this.firstRows = table.firstRows;
  }
}

function countGroups(groupOf: Uint32Array, groups: number): Uint32Array {
  const counts = new Uint32Array(groups);
  for (let row = 0; row < groupOf.length; row++) counts[groupOf[row]!]!++;
  return counts;
}

function placeDirect(
  groupOf: Uint32Array,
  from: number,
  to: number,
  codes: Uint32Array,
  cells: Uint32Array,
  span: number,
  first: number[],
): void {
  for (let row = from; row < to; row++) {
    const cell = groupOf[row]! * span + codes[row - from]!;
    let group = cells[cell]!;
    if (group === 0) {
      first.push(row);
      group = first.length;
      cells[cell] = group;
    }
    groupOf[row] = group - 1;
  }
}

/** A hash table with open addressing on (group, code). A slot holds the number of a new group, from 1. */
class GroupTable {
  readonly firstRows: number[] = [];
  #slots: Uint32Array;
  #mask: number;
  // The group and the code that each new group is made of.
  #groups = new Uint32Array(1024);
  #codes = new Uint32Array(1024);

  constructor(groups: number) {
    let size = 4096;
    while (size < groups * 2) size *= 2;
    this.#slots = new Uint32Array(size);
    this.#mask = size - 1;
  }

  /** Gives the rows of [from, to) their new groups. */
  placeAll(groupOf: Uint32Array, from: number, to: number, codes: Uint32Array): void {
    for (let row = from; row < to; row++) {
      groupOf[row] = this.#place(groupOf[row]!, codes[row - from]!, row);
    }
  }

  #place(group: number, code: number, row: number): number {
    let slot = hash(group, code) & this.#mask;
    for (;;) {
      const found = this.#slots[slot]!;
      if (found === 0) break;
      if (this.#codes[found - 1] === code && this.#groups[found - 1] === group) return found - 1;
      slot = (slot + 1) & this.#mask;
    }
    const made = this.firstRows.push(row);
    this.#slots[slot] = made;
    if (made > this.#codes.length) {
      this.#groups = doubled(this.#groups);
      this.#codes = doubled(this.#codes);
    }
    this.#groups[made - 1] = group;
    this.#codes[made - 1] = code;
    if (made * 2 > this.#mask) this.#grow();
    return made - 1;
  }

  #grow(): void {
    const slots = new Uint32Array(this.#slots.length * 2);
    const mask = slots.length - 1;
    for (let i = 0; i < this.firstRows.length; i++) {
      let slot = hash(this.#groups[i]!, this.#codes[i]!) & mask;
      while (slots[slot] !== 0) slot = (slot + 1) & mask;
      slots[slot] = i + 1;
    }
    this.#slots = slots;
    this.#mask = mask;
  }
}

function doubled(array: Uint32Array): Uint32Array<ArrayBuffer> {
  const larger = new Uint32Array(array.length * 2);
  larger.set(array);
  return larger;
}

function hash(group: number, code: number): number {
  return (
    Math.imul(code ^ (code >>> 15), 0x9e3779b1) ^
    (Math.imul(code, 0x27d4eb2f) >>> 15) ^
    Math.imul(group, 0x85ebca6b)
  );
}

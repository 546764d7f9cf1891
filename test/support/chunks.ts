// Lists of items are sent in parts of 4,096. These are sizes around the ends of the parts, for tests of such calls.

/** A number of items, and the sizes of the parts that they are sent in. */
export const chunkCases: readonly (readonly [count: number, parts: readonly number[]])[] = [
  [0, []],
  [1, [1]],
  [4095, [4095]],
  [4096, [4096]],
  [4097, [4096, 1]],
  [8192, [4096, 4096]],
  [8193, [4096, 4096, 1]],
];

// What is sent in parts of 4,096: sizes around the ends of the parts. For tests of whatever sends so.

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

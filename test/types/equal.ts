// Whether two types are the same: for the tests of types.

/** `true` where each type is the other, and none is `any`. */
export type Equal<A, B> =
  (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;

/** Compiles for `true` only. */
export type Is<T extends true> = T;

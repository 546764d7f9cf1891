// A check that two types are the same, for the tests of types.

/** `true` if both types are the same and neither is `any`. */
export type Equal<A, B> =
  (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;

/** Compiles only for `true`. */
export type Is<T extends true> = T;

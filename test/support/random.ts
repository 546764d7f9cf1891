// Random numbers from a seed, so that a failure can be repeated.

export interface Random {
  /** From `from` to `to`, both included. */
  integer(from: number, to: number): number;
  chance(probability: number): boolean;
  from<T>(list: readonly T[]): T;
}

/** mulberry32. */
export function random(seed: number): Random {
  let state = seed >>> 0;
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
  const integer = (from: number, to: number) => from + Math.floor(next() * (to - from + 1));
  return {
    integer,
    chance: (probability) => next() < probability,
    from: (list) => list[integer(0, list.length - 1)]!,
  };
}

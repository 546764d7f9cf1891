// Pairs the equal elements of two lists in their order. Pure.

/**
 * If there are more pairs of equal rules than this, not all are looked at: a chain may hold one rule ten thousand
 * times.
 */
const mostPairs = 1_000_000;

interface Pair {
  readonly a: number;
  readonly b: number;
  readonly before: Pair | undefined;
}

/**
 * Pairs as many equal elements of two lists as possible, in their order (Hunt and Szymanski). Returns for each
 * element of either list its index in the other one.
 */
export function align(a: readonly string[], b: readonly string[]): [forth: Places, back: Places] {
  const [forth, back]: [Places, Places] = [[], []];
  const pair = (i: number, j: number) => {
    forth[i] = j;
    back[j] = i;
  };
  let head = 0;
  while (head < a.length && head < b.length && a[head] === b[head]) pair(head, head++);
  let [endA, endB] = [a.length, b.length];
  while (endA > head && endB > head && a[endA - 1] === b[endB - 1]) pair(--endA, --endB);

  const places = new Map<string, number[]>();
  for (let j = head; j < endB; j++) {
    const known = places.get(b[j]!);
    if (known === undefined) places.set(b[j]!, [j]);
    else known.push(j);
  }
  let pairs = 0;
  for (let i = head; i < endA; i++) pairs += places.get(a[i]!)?.length ?? 0;
  const met = new Map<string, number>();
  /** For each length - 1, the sequence of pairs whose end in `b` comes first. */
  const best: Pair[] = [];
  for (let i = head; i < endA; i++) {
    const key = a[i]!;
    let candidates = places.get(key) ?? [];
    if (pairs > mostPairs) {
      // Pairs the first with the first, the second with the second …
      const nth = met.get(key) ?? 0;
      met.set(key, nth + 1);
      candidates = candidates.slice(nth, nth + 1);
    }
    for (let k = candidates.length - 1; k >= 0; k--) {
      const j = candidates[k]!;
      let [low, high] = [0, best.length];
      while (low < high) {
        const middle = (low + high) >> 1;
        if (best[middle]!.b < j) low = middle + 1;
        else high = middle;
      }
      best[low] = { a: i, b: j, before: best[low - 1] };
    }
  }
  for (let at = best.at(-1); at !== undefined; at = at.before) pair(at.a, at.b);
  return [forth, back];
}

/** For each element, its index in the other list. */
type Places = (number | undefined)[];

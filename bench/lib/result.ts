// What a bench reports: contestants with their measurements, a ratio between two of them, a bar.
// Pure data and arithmetic; knows neither how it was measured nor how it is shown.

/** The unit of a contestant's numbers. `ns`: for the whole work, less is better. */
export type Unit = 'ns' | 'bytes' | 'count' | 'per-second';

export interface Contestant {
  name: string;
  /** The command or the code that was measured. */
  command: string;
  unit: Unit;
  /** One measurement per round, in the order of the rounds. */
  values: number[];
  /** Nanoseconds of processor time of all threads, where it was measured. */
  cpu?: number[];
}

/** The limit that a result must keep. It is a ratio if the result has one, otherwise it has the unit of `measure`. */
export interface Bar {
  /** The text in docs/performance.md: `≤ 1.05 × the C floor`. */
  text: string;
  kind: 'at most' | 'at least';
  limit: number;
  /** The number of flows (or rules) that the bar is about. */
  size?: number;
}

export interface Result {
  bench: string;
  /** What was done, without its size: `dump() to a FlowBatch`. */
  what: string;
  /** Flows in the table, or rules. */
  size?: number;
  contestants: Contestant[];
  /** Names of contestants: the ratio is `a` divided by `b`. `inverse` makes it a ratio of speeds. */
  compare?: { a: string; b: string; inverse?: boolean };
  /** A single number that is compared with the bar instead of a ratio. */
  measure?: { name: string; unit: Unit; value: number };
  bar?: Bar;
  notes?: string[];
}

export interface Judged extends Result {
  /** Median by contestant. */
  medians: Record<string, number>;
  /** The ratio of the medians, and the lowest and highest ratio of a pair. */
  ratio?: { value: number; low: number; high: number };
  /** What was compared with the bar. */
  value?: number;
  /** `-`: there is no bar for this size. */
  verdict: 'pass' | 'SHORT' | '-';
}

export function median(values: readonly number[]): number {
  if (values.length === 0) throw new RangeError('median of nothing');
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** The value below which `part` (0 to 1) of the values are. */
export function quantile(values: readonly number[], part: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))]!;
}

function ratioOf(result: Result): Judged['ratio'] {
  if (result.compare === undefined) return undefined;
  const { a, b, inverse } = result.compare;
  const find = (name: string) => {
    const found = result.contestants.find((contestant) => contestant.name === name);
    if (found === undefined) throw new RangeError(`${result.bench}: no contestant ${name}`);
    return found.values;
  };
  const [first, second] = inverse ? [find(b), find(a)] : [find(a), find(b)];
  const pairs = first.map((value, i) => value / second[i]!);
  return {
    value: median(first) / median(second),
    low: Math.min(...pairs),
    high: Math.max(...pairs),
  };
}

/**
 * Medians, ratio and verdict. A bar for one size judges only that size. If all sizes of the run are smaller, it
 * judges the largest of them.
 */
export function judge(result: Result, largest: number | undefined): Judged {
  const medians = Object.fromEntries(
    result.contestants.map((contestant) => [contestant.name, median(contestant.values)]),
  );
  const ratio = ratioOf(result);
  const value = result.measure?.value ?? ratio?.value;
  const judged: Judged = {
    ...result,
    medians,
    ...(ratio && { ratio }),
    ...(value !== undefined && { value }),
    verdict: '-',
  };
  const { bar } = result;
  if (bar === undefined || value === undefined) return judged;
  if (bar.size !== undefined && result.size !== bar.size) {
    if (result.size !== largest || bar.size < result.size!) return judged;
    const notes = [...(result.notes ?? []), `the bar is for ${bar.size.toLocaleString('en-US')}`];
    judged.notes = notes;
  }
  const met = bar.kind === 'at most' ? value <= bar.limit : value >= bar.limit;
  judged.verdict = met ? 'pass' : 'SHORT';
  return judged;
}

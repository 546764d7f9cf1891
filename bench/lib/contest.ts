// Runs contestants in turns, A B A B …, and keeps every measurement. Knows nothing of netfilter.

/** Nanoseconds, or whatever the contestant measures of itself. */
export type Turn = () => number | Promise<number>;

export interface ContestOptions {
  /** Rounds that count; every contestant has one turn in each. */
  rounds: number;
  /** Rounds before them, whose measurements are thrown away. Default 1. */
  warmUp?: number;
  /** Before every turn: what puts things back to how they were. Not measured. */
  before?: (name: string) => void | Promise<void>;
  /** Called after each round that counts. */
  progress?: (round: number) => void;
}

/** The measurements of each contestant, one per round. */
export async function contest<Name extends string>(
  turns: Record<Name, Turn>,
  options: ContestOptions,
): Promise<Record<Name, number[]>> {
  const names = Object.keys(turns) as Name[];
  const values = Object.fromEntries(
    names.map((name) => [name, [] as number[]]),
  ) as unknown as Record<Name, number[]>;
  const warmUp = options.warmUp ?? 1;
  for (let round = 0; round < warmUp + options.rounds; round++) {
    for (const name of names) {
      await options.before?.(name);
      collect();
      const value = await turns[name]();
      if (!Number.isFinite(value)) throw new RangeError(`${name}: measured ${value}`);
      if (round >= warmUp) values[name].push(value);
    }
    if (round >= warmUp) options.progress?.(round - warmUp + 1);
  }
  return values;
}

/** Collects garbage, so that no contestant pays for another's. */
export function collect(): void {
  if (globalThis.gc === undefined) throw new Error('benches run with --expose-gc');
  globalThis.gc();
}

/** Nanoseconds that `work` takes, to the end of its promise where it gives one. */
export async function timed(work: () => unknown): Promise<number> {
  const began = process.hrtime.bigint();
  await work();
  return Number(process.hrtime.bigint() - began);
}

/** Nanoseconds of synchronous work. */
export function timedSync(work: () => void): number {
  const began = process.hrtime.bigint();
  work();
  return Number(process.hrtime.bigint() - began);
}

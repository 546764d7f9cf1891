// Runs contestants in turns, A B A B …, and keeps every measurement. Knows nothing of netfilter.

/** What a turn measured: wall time (mostly), and processor time of all threads, both in nanoseconds. */
export interface Taken {
  value: number;
  cpu?: number;
}

export type Turn = () => number | Taken | Promise<number | Taken>;

export interface Measured {
  values: number[];
  /** Empty if the contestant did not measure it. */
  cpu: number[];
}

export interface ContestOptions {
  /** Rounds that count; every contestant has one turn in each. */
  rounds: number;
  /** Rounds before them that do not count. Default 1. */
  warmUp?: number;
  /** Runs before every turn, to restore the state. Not measured. */
  before?: (name: string) => void | Promise<void>;
}

/** The measurements of each contestant, one per round. */
export async function contest<Name extends string>(
  turns: Record<Name, Turn>,
  options: ContestOptions,
): Promise<Record<Name, Measured>> {
  const names = Object.keys(turns) as Name[];
  const measured = Object.fromEntries(
    names.map((name) => [name, { values: [], cpu: [] }]),
  ) as unknown as Record<Name, Measured>;
  const warmUp = options.warmUp ?? 1;
  for (let round = 0; round < warmUp + options.rounds; round++) {
    for (const name of names) {
      await options.before?.(name);
      await settle();
      const taken = await turns[name]();
      const { value, cpu }: Taken = typeof taken === 'number' ? { value: taken } : taken;
      if (!Number.isFinite(value)) throw new RangeError(`${name}: measured ${value}`);
      if (round < warmUp) continue;
      measured[name].values.push(value);
      if (cpu !== undefined) measured[name].cpu.push(cpu);
    }
  }
  return measured;
}

/**
 * Gives V8 time to free what the last turn left, and to return memory to the system, in the background. Nothing
 * forces a garbage collection: a full one throws away machine code too, and no user's process does that before
 * each call.
 */
function settle(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 100));
}

function since(began: bigint, before: NodeJS.CpuUsage): Taken {
  const value = Number(process.hrtime.bigint() - began);
  const { user, system } = process.cpuUsage(before);
  return { value, cpu: (user + system) * 1000 };
}

/** The time that `work` takes. If it returns a promise, the time ends when the promise settles. */
export async function timed(work: () => unknown): Promise<Taken> {
  const before = process.cpuUsage();
  const began = process.hrtime.bigint();
  await work();
  return since(began, before);
}

/** The time that synchronous work takes. */
export function timedSync(work: () => void): Taken {
  const before = process.cpuUsage();
  const began = process.hrtime.bigint();
  work();
  return since(began, before);
}

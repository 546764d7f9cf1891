// Builds the C baselines on first use, runs them in this namespace, and reads their line of JSON.
import { cProgram } from '../../test/support/c-program.js';
import { run } from '../../test/support/process.js';
import type { Taken } from './contest.js';

export type BaselineName =
  | 'create_batch'
  | 'delete_batch'
  | 'dump_floor'
  | 'event_maker'
  | 'event_reader'
  | 'flow_traffic'
  | 'get_loop'
  | 'update_batch'
  | 'upsert_batch';

/** The path of a built baseline. */
export function baseline(name: BaselineName): string {
  return cProgram(name, {
    folder: 'bench/baseline',
    libraries: ['netfilter_conntrack', 'nfnetlink', 'mnl'],
  });
}

/** Runs a baseline to its end and returns its report. */
export function runBaseline(name: BaselineName, ...args: (string | number)[]): BaselineReport {
  const lines = run([baseline(name), ...args.map(String)])
    .trim()
    .split('\n');
  return JSON.parse(lines.at(-1)!) as BaselineReport;
}

/** What baselines report. Those of events have times and counts with other names. */
export interface BaselineReport {
  program: string;
  /** Wall time of the work, without the start of the program. */
  ns: number;
  cpu_ns: number;
  count: number;
  [field: string]: unknown;
}

/** The times that a baseline measured itself, for a contest. */
export const taken = ({ ns, cpu_ns }: BaselineReport): Taken => ({ value: ns, cpu: cpu_ns });

/** The command of a baseline, as results show it. */
export const shown = (name: BaselineName, ...args: (string | number)[]) =>
  [`bench/baseline/${name}`, ...args].join(' ');

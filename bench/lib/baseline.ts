// The C baselines: built on first use, run in this namespace, their JSON line read.
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
  | 'update_batch';

/** The path of a built baseline. */
export function baseline(name: BaselineName): string {
  return cProgram(name, {
    folder: 'bench/baseline',
    libraries: ['netfilter_conntrack', 'nfnetlink', 'mnl'],
  });
}

/** Runs a baseline to its end and returns what it said about itself. */
export function runBaseline(name: BaselineName, ...args: (string | number)[]): BaselineReport {
  const lines = run([baseline(name), ...args.map(String)])
    .trim()
    .split('\n');
  return JSON.parse(lines.at(-1)!) as BaselineReport;
}

/** Every baseline says at least these. */
export interface BaselineReport {
  program: string;
  /** Wall time of its work, without its start. */
  ns: number;
  cpu_ns: number;
  count: number;
  [field: string]: unknown;
}

/** What a baseline measured of itself, for a contest. */
export const taken = ({ ns, cpu_ns }: BaselineReport): Taken => ({ value: ns, cpu: cpu_ns });

/** How a baseline is named in reports. */
export const shown = (name: BaselineName, ...args: (string | number)[]) =>
  [`bench/baseline/${name}`, ...args].join(' ');

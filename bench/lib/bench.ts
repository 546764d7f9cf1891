// What a bench file exports, and what it receives.
import type { Result } from './result.js';

export interface BenchContext {
  /** Numbers of flows to measure with, ascending. */
  sizes: readonly number[];
  /** Rounds that count. Fewer than five are too few to judge. */
  rounds: number;
  /** Passes a result on as soon as it is there. */
  report(result: Omit<Result, 'bench'>): void;
  /** Says on standard error what is being done. */
  say(text: string): void;
}

export interface Bench {
  name: string;
  /** One line for the list. */
  about: string;
  run(context: BenchContext): Promise<void>;
}

export const million = 1_000_000;

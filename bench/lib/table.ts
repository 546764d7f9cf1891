// The table that a bench works on. It has the flows of one seed, so that the C baselines know them too.
import { conntrack } from '../../src/index.js';
import { fill } from '../../test/support/populate.js';
import type { BenchContext } from './bench.js';

/** The default seed of test/support and of the baselines. */
export const seed = 1;
/** Longer than any bench, so that no flow expires before its end. */
const day = 86_400;

/** IPv4, two thirds TCP and one third UDP, every second flow ASSURED, a quarter marked. */
export function fillTable(count: number): void {
  fill({ count, seed, profile: 'plain', timeout: day });
}

/** Runs `work` with a table of each size, and empties the table after each. */
export async function eachSize(
  context: BenchContext,
  work: (size: number) => Promise<void>,
): Promise<void> {
  for (const size of context.sizes) {
    context.say(`${size.toLocaleString('en-US')} flows`);
    fillTable(size);
    try {
      await work(size);
    } finally {
      await conntrack.flush();
    }
  }
}

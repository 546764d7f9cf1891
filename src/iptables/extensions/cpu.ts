// Match cpu: the CPU that handles the packet (struct xt_cpu_info).
import type { Known, Not } from './define.js';
import { both, match } from './define.js';
import { number } from './number-values.js';
import { bit, u32 } from './stores.js';

export interface CpuMatch extends Known {
  readonly name: 'cpu';
  /** The number of the CPU, from 0. */
  readonly cpu: Not<number>;
}

export const cpu = match<CpuMatch>({
  name: 'cpu',
  revision: 0,
  families: both,
  size: 8,
  fields: {
    cpu: {
      options: ['cpu'],
      type: number(0xffffffff),
      store: u32(0),
      invert: bit(4, 1, 32),
      required: true,
    },
  },
});

// Match quota: matches until this number of bytes has passed (struct xt_quota_info). Only the kernel knows the rest;
// every commit to the table refills it.
import type { Known, Not } from './define.js';
import { both, match } from './define.js';
import { bigNumber } from './number-values.js';
import { bit, u64 } from './stores.js';

export interface QuotaMatch extends Known {
  readonly name: 'quota';
  /** Bytes, 64 bits; with `not`, matches once they have passed. */
  readonly quota: Not<bigint>;
}

export const quota = match<QuotaMatch>({
  name: 'quota',
  revision: 0,
  families: both,
  size: 24,
  userSize: 16,
  fields: {
    quota: {
      options: ['quota'],
      type: bigNumber(),
      store: u64(8),
      invert: bit(0, 1, 32),
      required: true,
    },
  },
});

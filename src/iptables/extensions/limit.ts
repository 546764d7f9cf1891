// Match limit: a token bucket (struct xt_rateinfo). Every commit to the table refills it.
import type { Known } from './define.js';
import { both, match } from './define.js';
import { number } from './number-values.js';
import type { Rate } from './rate.js';
import { rate, rateStore } from './rate.js';
import { u32 } from './stores.js';

export interface LimitMatch extends Known {
  readonly name: 'limit';
  /** How fast the bucket fills; 3 per hour unless given. Stored as a period of 1/10000 s. */
  readonly rate?: Rate;
  /** What the bucket holds, 1…10000; 5 unless given. */
  readonly burst?: number;
}

/** XT_LIMIT_SCALE. */
const scale = 10000;
const type = rate(scale);

export const limit = match<LimitMatch>({
  name: 'limit',
  revision: 0,
  families: both,
  size: 40,
  userSize: 8,
  // No text can express such a period.
  unsaid: ({ rate }) => rate?.period !== undefined,
  fields: {
    rate: {
      options: ['limit'],
      type,
      store: rateStore(u32(0), scale),
      default: { count: 3, per: 'hour' },
      shown: true,
      print: (value, _, cx) => `--limit ${type.print(value, cx)}`,
    },
    burst: {
      options: ['limit-burst'],
      // iptables' parser takes 0, and the kernel refuses it (ERANGE).
      type: number(10000, 1),
      store: u32(4),
      default: 5,
      shown: true,
    },
  },
});

// Match tcpmss: the maximum segment size that a SYN offers (struct xt_tcpmss_match_info).
import type { Known, Not } from './define.js';
import { both, match } from './define.js';
import { range } from './number-values.js';
import type { Range } from './stores.js';
import { bit, pair, u16 } from './stores.js';

/** Needs `-p tcp`. */
export interface TcpmssMatch extends Known {
  readonly name: 'tcpmss';
  /** Bytes, 0…65535, or both ends of a range. */
  readonly mss: Not<number | Range>;
}

export const tcpmss = match<TcpmssMatch>({
  name: 'tcpmss',
  revision: 0,
  families: both,
  size: 8,
  protocols: [6],
  fields: {
    mss: {
      options: ['mss'],
      type: range({ max: 65535 }),
      store: pair(u16(0), u16(2)),
      invert: bit(4, 1),
      required: true,
    },
  },
});

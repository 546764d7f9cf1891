// Match length: the length of a packet (struct xt_length_info). The length is that of the network layer.
import type { Known, Not } from './define.js';
import { both, match } from './define.js';
import { range } from './number-values.js';
import type { Range } from './stores.js';
import { bit, pair, u16 } from './stores.js';

export interface LengthMatch extends Known {
  readonly name: 'length';
  /** Bytes of the packet from its IP header on, 0…65535, or both ends of a range. */
  readonly length: Not<number | Range>;
}

export const length = match<LengthMatch>({
  name: 'length',
  revision: 0,
  families: both,
  size: 8,
  fields: {
    length: {
      options: ['length'],
      type: range({ max: 65535, reversed: true }),
      store: pair(u16(0), u16(2)),
      invert: bit(4, 1),
      required: true,
    },
  },
});

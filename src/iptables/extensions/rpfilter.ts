// Match rpfilter: whether an answer would leave through the interface of the packet (struct xt_rpfilter_info). Tables
// raw and mangle, chain PREROUTING.
import type { Known } from './define.js';
import { both, match } from './define.js';
import { given } from './number-values.js';
import { flagBit } from './stores.js';

/** Matches packets that pass the reverse path test. */
export interface RpfilterMatch extends Known {
  readonly name: 'rpfilter';
  /** Any interface is enough. */
  readonly loose?: true;
  /** The packet's mark counts in the look-up. */
  readonly validmark?: true;
  /** Packets with a source address of this host pass too. */
  readonly acceptLocal?: true;
  /** Matches packets that fail the test. */
  readonly invert?: true;
}

const flag = (option: string, mask: number) => ({
  options: [option],
  type: given,
  store: flagBit(0, mask),
});

export const rpfilter = match<RpfilterMatch>({
  name: 'rpfilter',
  revision: 0,
  families: both,
  size: 8,
  tables: ['raw', 'mangle'],
  fields: {
    loose: flag('loose', 1),
    validmark: flag('validmark', 2),
    acceptLocal: flag('accept-local', 4),
    invert: flag('invert', 8),
  },
});

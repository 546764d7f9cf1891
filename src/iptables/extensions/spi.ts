// Matches esp and ipcomp: the parameter index of IPsec's encryption and compression headers (struct
// xt_esp, xt_ipcomp).
import type { Known, Not } from './define.js';
import { both, match } from './define.js';
import { given, range } from './number-values.js';
import type { Range } from './stores.js';
import { bit, flagBit, pair, u32 } from './stores.js';

/** Needs `-p esp`. */
export interface EspMatch extends Known {
  readonly name: 'esp';
  /** Security parameter index or a range of them, 32 bits; all unless given. */
  readonly espspi?: Not<number | Range>;
}

/** Needs `-p ipcomp`. */
export interface IpcompMatch extends Known {
  readonly name: 'ipcomp';
  /** Index of the compression association, or a range. A text without it means 0, as in iptables. */
  readonly ipcompspi: Not<number | Range>;
  /** The reserved field must be zero. */
  readonly compres?: true;
}

const most = 0xffffffff;
const type = range({ max: most, reversed: true });
const store = pair(u32(0), u32(4));

export const esp = match<EspMatch>({
  name: 'esp',
  revision: 0,
  families: both,
  size: 16,
  protocols: [50],
  fields: {
    espspi: { options: ['espspi'], type, store, invert: bit(8, 1), default: { from: 0, to: most } },
  },
});

export const ipcomp = match<IpcompMatch>({
  name: 'ipcomp',
  revision: 0,
  families: both,
  size: 16,
  protocols: [108],
  fields: {
    ipcompspi: {
      options: ['ipcompspi'],
      type,
      store,
      invert: bit(8, 1),
      required: true,
    },
    compres: { options: ['compres'], type: given, store: flagBit(9, 1) },
  },
  finish(draft) {
    draft.ipcompspi ??= 0;
  },
});

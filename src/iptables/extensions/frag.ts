// Match frag: the fragment header of IPv6 (struct ip6t_frag).
import type { Known, Not } from './define.js';
import { ipv6, match } from './define.js';
import { given, number, range } from './number-values.js';
import type { Range } from './stores.js';
import { bit, flagBit, pair, u32 } from './stores.js';

export interface FragMatch extends Known {
  readonly name: 'frag';
  /** Identification or a range of them, 32 bits. */
  readonly fragid?: Not<number | Range>;
  /** The kernel keeps it and does not use it: the header is always 8 bytes. */
  readonly fraglen?: Not<number>;
  /** The reserved fields must be zero. */
  readonly fragres?: true;
  /** Only the first fragment. */
  readonly fragfirst?: true;
  /** Only fragments that are not the last one. */
  readonly fragmore?: true;
  /** Only the last fragment. */
  readonly fraglast?: true;
}

const most = 0xffffffff;

export const frag = match<FragMatch>({
  name: 'frag',
  revision: 0,
  families: ipv6,
  size: 16,
  fields: {
    fragid: {
      options: ['fragid'],
      type: range({ max: most, reversed: true }),
      store: pair(u32(0), u32(4)),
      present: bit(12, 1),
      invert: bit(13, 1),
      default: { from: 0, to: most },
      shown: true,
    },
    fraglen: {
      options: ['fraglen'],
      type: number(most),
      store: u32(8),
      present: bit(12, 2),
      invert: bit(13, 2),
    },
    fragres: { options: ['fragres'], type: given, store: flagBit(12, 4) },
    fragfirst: { options: ['fragfirst'], type: given, store: flagBit(12, 8) },
    fragmore: {
      options: ['fragmore'],
      type: given,
      store: flagBit(12, 0x10),
      excludes: ['fraglast'],
    },
    fraglast: {
      options: ['fraglast'],
      type: given,
      store: flagBit(12, 0x20),
      excludes: ['fragmore'],
    },
  },
  // Without the option the kernel compares with the full range.
  meaning({ fragid: range, ...rest }) {
    const isAll =
      typeof range === 'object' && 'from' in range && range.from === 0 && range.to === most;
    return range === undefined || isAll ? rest : { ...rest, fragid: range };
  },
});

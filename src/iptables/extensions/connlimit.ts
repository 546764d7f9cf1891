// Match connlimit: how many flows a host or network has (struct xt_connlimit_info revision 1).

import { maskPrefix, prefixMask } from '../text/addresses.js';
import { refused } from '../text/refused.js';
import type { Known, Store } from './define.js';
import { both, match } from './define.js';
import { given, number } from './number-values.js';
import { bits, prefixLength } from './prefix-length.js';
import { bit, flagBit, rawBytes, u32 } from './stores.js';

/** One of `upto` and `above`. The packet's own flow counts. */
export interface ConnlimitMatch extends Known {
  readonly name: 'connlimit';
  /** At most this number of flows. */
  readonly upto?: number;
  /** More than this number of flows. */
  readonly above?: number;
  /**
   * Hosts that share a prefix of this length are counted together: 0…32, IPv6 0…128. Unless given, each host is
   * counted alone.
   */
  readonly mask?: number;
  /** Count by destination; by source unless given. */
  readonly daddr?: true;
}

/**
 * With XT_CONNLIMIT_INVERT it is `upto`: the kernel itself has only "above" and "not above". The number comes after
 * the mask.
 */
function limit(upto: boolean): Store<number> {
  const inverted = bit(20, 1, 32);
  return {
    read: (payload, cx) =>
      inverted.read(payload, cx) === upto ? u32(16).read(payload, cx) : undefined,
    write(payload, value, cx) {
      u32(16).write(payload, value, cx);
      inverted.write(payload, upto, cx);
    },
  };
}

const whole = rawBytes(0, 16);
const everyBit = new Uint8Array(16).fill(255);

export const connlimit = match<ConnlimitMatch>({
  name: 'connlimit',
  revision: 1,
  families: both,
  size: 32,
  userSize: 24,
  fields: {
    upto: { type: number(0xffffffff), store: limit(true), excludes: ['above'] },
    above: { type: number(0xffffffff), store: limit(false) },
    mask: {
      options: ['connlimit-mask'],
      type: prefixLength,
      // Without the option all 16 bytes of the union are set, in IPv4 too. With it only the first 4 are set.
      store: {
        read(payload, cx) {
          const mask = whole.read(payload, cx)!;
          const length = maskPrefix(mask);
          return length === 128 ? undefined : length;
        },
        write(payload, length, cx) {
          const mask = new Uint8Array(16);
          mask.set(prefixMask(length, cx.family));
          whole.write(payload, mask, cx);
        },
      },
    },
    daddr: { options: ['connlimit-daddr'], type: given, store: flagBit(20, 2, 32) },
  },
  spellings: [
    {
      option: 'connlimit-upto',
      invertible: true,
      excludes: ['connlimit-above'],
      parse(text, at, draft) {
        draft[at.inverted ? 'above' : 'upto'] = number(0xffffffff).parse(text, at);
      },
    },
    {
      option: 'connlimit-above',
      invertible: true,
      parse(text, at, draft) {
        draft[at.inverted ? 'upto' : 'above'] = number(0xffffffff).parse(text, at);
      },
    },
    {
      option: 'connlimit-saddr',
      arity: 0,
      excludes: ['connlimit-daddr'],
      parse: () => undefined,
    },
  ],
  // `mask` overwrites this if it is given.
  always: (payload, cx) => whole.write(payload, everyBit, cx),
  check(value, at) {
    if ((value.upto ?? value.above) === undefined) throw refused(at.path, 'needs upto or above');
  },
  meaning({ mask, ...rest }, cx) {
    return mask === undefined || mask >= bits(cx) ? rest : { ...rest, mask };
  },
  print(value, cx) {
    const condition =
      value.upto === undefined
        ? `--connlimit-above ${value.above}`
        : `--connlimit-upto ${value.upto}`;
    const side = value.daddr ? '--connlimit-daddr' : '--connlimit-saddr';
    return ` ${condition} --connlimit-mask ${value.mask ?? bits(cx)} ${side}`;
  },
});

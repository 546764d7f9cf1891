// Match ah: the authentication header (struct ipt_ah in IPv4; struct ip6t_ah, which has more fields, in IPv6).
import { refused } from '../text/refused.js';
import type { Known, Not } from './define.js';
import { ipv4, ipv6, match } from './define.js';
import { given, number, range } from './number-values.js';
import type { Range } from './stores.js';
import { bit, flagBit, pair, u32 } from './stores.js';

/** IPv4 needs `-p ah`. IPv6 searches for the header. Only IPv6 has the fields after the first. */
export interface AhMatch extends Known {
  readonly name: 'ah';
  /** Security parameter index or a range of them, 32 bits; all unless given. */
  readonly ahspi?: Not<number | Range>;
  /** Length of the header in bytes. 0 (negated or not) has no effect in the kernel. IPv6. */
  readonly ahlen?: Not<number>;
  /** The reserved field must be zero. IPv6. */
  readonly ahres?: true;
}

const most = 0xffffffff;
const ahspi = {
  options: ['ahspi'],
  type: range({ max: most, reversed: true }),
  store: pair(u32(0), u32(4)),
  default: { from: 0, to: most } as Range,
};
const never = { store: { read: () => undefined, write: () => void 0 } };

export const ah4 = match<AhMatch>({
  name: 'ah',
  revision: 0,
  families: ipv4,
  size: 16,
  protocols: [51],
  fields: {
    ahspi: { ...ahspi, invert: bit(8, 1) },
    ahlen: { type: number(most), ...never, invert: { read: () => false, write: () => void 0 } },
    ahres: { type: given, ...never },
  },
  check(value, at) {
    if (value.ahlen !== undefined || value.ahres) {
      throw refused(at.path, 'IPv4 knows no ahlen and no ahres');
    }
  },
});

export const ah6 = match<AhMatch>({
  name: 'ah',
  revision: 0,
  families: ipv6,
  size: 16,
  fields: {
    ahspi: { ...ahspi, invert: bit(13, 1) },
    ahlen: {
      options: ['ahlen'],
      type: number(most),
      store: u32(8),
      invert: bit(13, 2),
      default: 0,
      print: (length, not) => `${not ? '! ' : ''}--ahlen ${length}`,
    },
    ahres: { options: ['ahres'], type: given, store: flagBit(12, 1) },
  },
});

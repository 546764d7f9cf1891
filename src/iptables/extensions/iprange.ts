// Match iprange: ranges of addresses (struct xt_iprange_mtinfo).

import { badRange } from '../../errors.js';
import { formatAddress, parseIpv4, parseIpv6 } from '../text/addresses.js';
import { refused } from '../text/refused.js';
import { addressRangeStore } from './address-range.js';
import { addressRange } from './address-values.js';
import type { ArgumentPlace, Known, Not, ValueType } from './define.js';
import { both, match } from './define.js';
import { printRange } from './number-values.js';
import type { Range } from './stores.js';
import { bit, inetAddress } from './stores.js';

type AddressRange = string | Range<string>;

export interface IprangeMatch extends Known {
  readonly name: 'iprange';
  /** One address or the first and the last one. */
  readonly srcRange?: Not<AddressRange>;
  readonly dstRange?: Not<AddressRange>;
}

const addresses = (at: number) => addressRangeStore(inetAddress(at), inetAddress(at + 16));

const type: ValueType<AddressRange> = {
  ...addressRange,
  parse(text, at) {
    const [from = '', to = from, more] = text.split('-');
    if (more !== undefined) throw badRange(at.path, 'two addresses with - between', text);
    return addressRange.check({ from: end(from, at), to: end(to, at) }, at);
  },
  print: (value) => (typeof value === 'string' ? `${value}-${value}` : printRange(value, '-')),
};

/** Here iptables completes short IPv4 addresses (`10.1` is 10.1.0.0). */
function end(text: string, at: ArgumentPlace): string {
  const bytes = at.family === 'ipv4' ? parseIpv4(text, true) : parseIpv6(text);
  if (bytes === undefined) throw badRange(at.path, `an address of ${at.family}`, text);
  return formatAddress(bytes);
}

export const iprange = match<IprangeMatch>({
  name: 'iprange',
  revision: 1,
  families: both,
  size: 72,
  fields: {
    srcRange: {
      options: ['src-range'],
      type,
      store: addresses(0),
      present: bit(64, 1),
      invert: bit(64, 0x10),
    },
    dstRange: {
      options: ['dst-range'],
      type,
      store: addresses(32),
      present: bit(64, 2),
      invert: bit(64, 0x20),
    },
  },
  check(value, at) {
    if (value.srcRange === undefined && value.dstRange === undefined) {
      throw refused(at.path, 'needs srcRange (--src-range) or dstRange (--dst-range)');
    }
  },
});

// Targets SNPT and DNPT: change the prefix of IPv6 addresses without keeping state (struct
// ip6t_npt_tginfo, RFC 6296).

import { badRange, badType } from '../../errors.js';
import { formatAddress, isZero, maskPrefix, parseIpv6, parseMask } from '../text/addresses.js';
import { refused } from '../text/refused.js';
import { addressBytes } from './address-values.js';
import type { Field, Known, ValueType } from './define.js';
import { ipv6, target } from './define.js';
import { rawBytes, u8 } from './stores.js';

interface Prefixes extends Known {
  /** The present prefix of the address: `fd00::/48`, at most 64 bits. */
  readonly srcPfx: string;
  /** The new prefix, at most 64 bits. */
  readonly dstPfx: string;
}
/** Source addresses. Table mangle, in INPUT and POSTROUTING. */
export interface SnptTarget extends Prefixes {
  readonly name: 'SNPT';
}
/** Destination addresses. Table mangle, in PREROUTING and OUTPUT. */
export interface DnptTarget extends Prefixes {
  readonly name: 'DNPT';
}

const longest = 64;

const prefix: ValueType<string> = {
  arity: 1,
  check(value, at) {
    if (typeof value !== 'string') throw badType(at.path, 'a string', value);
    const cut = value.indexOf('/');
    const address = parseIpv6(cut < 0 ? value : value.slice(0, cut));
    const mask = cut < 0 ? undefined : parseMask(value.slice(cut + 1), 'ipv6');
    const length = mask && maskPrefix(mask);
    if (address === undefined || length === undefined) {
      throw badRange(at.path, 'an IPv6 prefix like fd00::/48', value);
    }
    // ip6t_npt_checkentry() refuses both.
    if (length > longest) throw refused(at.path, `${value} has more than ${longest} bits`);
    if (!isZero(address.map((byte, n) => byte & ~mask![n]!))) {
      throw refused(at.path, `${value} has bits after its prefix`);
    }
    return `${formatAddress(address)}/${length}`;
  },
  parse: (text, at) => prefix.check(text, at),
  print: (value) => value,
};

function field(option: string, at: number, lengthAt: number): Field<string, false> {
  return {
    options: [option],
    required: true,
    type: prefix,
    store: {
      read(payload, cx) {
        const address = formatAddress(rawBytes(at, 16).read(payload, cx)!);
        return `${address}/${u8(lengthAt).read(payload, cx)}`;
      },
      write(payload, text, cx) {
        const [address = '', length] = text.split('/');
        rawBytes(at, 16).write(payload, addressBytes(address), cx);
        u8(lengthAt).write(payload, Number(length), cx);
      },
    },
  };
}

const shared = {
  revision: 0,
  families: ipv6,
  size: 40,
  // The kernel uses the rest to correct the checksum.
  userSize: 34,
  tables: ['mangle'],
  fields: { srcPfx: field('src-pfx', 0, 32), dstPfx: field('dst-pfx', 16, 33) },
};

export const SNPT = target<SnptTarget>({ name: 'SNPT', ...shared });
export const DNPT = target<DnptTarget>({ name: 'DNPT', ...shared });

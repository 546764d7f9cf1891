// Values of rule options that are addresses: what is allowed, how text is read and printed, as iptables 1.8.9 does
// it. Does not know the place of a value in bytes.

import { badRange, badType } from '../../errors.js';
import type { Family } from '../text/addresses.js';
import {
  applyMask,
  formatAddress,
  formatMask,
  maskPrefix,
  parseAddress,
  parseIpv4,
  parseIpv6,
  parseMask,
  prefixMask,
  unmapped,
} from '../text/addresses.js';
import { refused } from '../text/refused.js';
import type { Place, ValueType } from './define.js';
import { printRange, rangeOf } from './number-values.js';
import type { Range } from './stores.js';

export interface Network {
  readonly address: Uint8Array;
  readonly mask: Uint8Array;
}

/** `10.0.0.1`, `10.0.0.0/8`, `10.0.0.0/255.0.255.0` of one family. Cuts host bits. */
export function parseNetwork(given: string, family: Family): Network | undefined {
  const text = family === 'ipv4' ? unmapped(given) : given;
  const cut = text.indexOf('/');
  const address = parseAddress(cut < 0 ? text : text.slice(0, cut), family);
  const full = prefixMask(family === 'ipv4' ? 32 : 128, family);
  const mask = cut < 0 ? full : parseMask(text.slice(cut + 1), family);
  if (address === undefined || mask === undefined) return undefined;
  return { address: applyMask(address, mask), mask };
}

/** The canonical form in a typed rule: no mask for one host. */
export function formatNetwork(network: Network): string {
  const address = formatAddress(network.address);
  const full = maskPrefix(network.mask) === network.mask.length * 8;
  return full ? address : `${address}/${formatMask(network.mask)}`;
}

const familyWord = { ipv4: 'an IPv4', ipv6: 'an IPv6' } as const;

/** An address without a mask. Names are not resolved; the message says so. */
export const address: ValueType<string> = {
  arity: 1,
  check(value, at) {
    if (typeof value !== 'string') throw badType(at.path, 'a string', value);
    const bytes = parseAddress(at.family === 'ipv4' ? unmapped(value) : value, at.family);
    if (bytes === undefined) throw notAddress(value, at, 'address');
    return formatAddress(bytes);
  },
  parse: (text, at) => address.check(text, at),
  print: (value) => value,
};

export function notAddress(value: string, at: Place, what: string): RangeError {
  return badRange(at.path, `${familyWord[at.family]} ${what} (host names are not resolved)`, value);
}

/** One address or the two ends of a range; in text with `-` between them. */
export const addressRange: ValueType<string | Range<string>> = {
  arity: 1,
  check(value, at) {
    if (typeof value === 'string') return address.check(value, at);
    const { from, to } = rangeOf(value, at, 'an address');
    const low = address.check(from, { ...at, path: `${at.path}.from` });
    const high = address.check(to, { ...at, path: `${at.path}.to` });
    return low === high ? low : { from: low, to: high };
  },
  parse(text, at) {
    const cut = text.indexOf('-');
    if (cut < 0) return address.check(text, at);
    return addressRange.check({ from: text.slice(0, cut), to: text.slice(cut + 1) }, at);
  },
  print: (value) => printRange(value, '-'),
};

/**
 * An address with a prefix length, as options of extensions take it. Refuses a mask that is not a prefix: iptables
 * 1.8.9 silently reads it as one host here (measured).
 */
export const network: ValueType<string> = {
  arity: 1,
  check(value, at) {
    if (typeof value !== 'string') throw badType(at.path, 'a string', value);
    const parsed = parseNetwork(value, at.family);
    if (parsed === undefined) throw notAddress(value, at, 'address or network');
    if (maskPrefix(parsed.mask) === undefined)
      throw refused(at.path, `the mask of ${value} is no prefix`);
    return formatNetwork(parsed);
  },
  parse: (text, at) => network.check(text, at),
  print: (value) => value,
};

/** The bytes of a typed address that was checked. */
export function addressBytes(text: string): Uint8Array {
  return (parseIpv4(text) ?? parseIpv6(text))!;
}

/** An Ethernet address. Text may have one or two digits between colons. */
export const mac: ValueType<string> = {
  arity: 1,
  check(value, at) {
    if (typeof value !== 'string') throw badType(at.path, 'a string', value);
    const parts = value.split(':');
    if (parts.length !== 6 || !parts.every((part) => /^[0-9a-fA-F]{1,2}$/.test(part))) {
      throw badRange(at.path, 'an Ethernet address like 00:11:22:33:44:55', value);
    }
    return parts.map((part) => part.toLowerCase().padStart(2, '0')).join(':');
  },
  parse: (text, at) => mac.check(text, at),
  print: (value) => value,
};

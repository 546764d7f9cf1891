// An address with a mask in two nf_inet_addr unions, as conntrack and policy have it. Unlike -s and -d, it keeps host
// bits. Not an extension.

import { badType } from '../../errors.js';
import {
  formatAddress,
  formatMask,
  maskPrefix,
  parseAddress,
  parseMask,
  prefixMask,
  unmapped,
} from '../text/addresses.js';
import { refused } from '../text/refused.js';
import { notAddress } from './address-values.js';
import type { Codec, Place, Store, ValueType } from './define.js';
import { bytesOf, inetAddress, rawBytes } from './stores.js';

/**
 * `10.0.0.1`, `10.0.0.0/8`, `2001:db8::/32`. iptables stores `10.0.0.1/32` with another mask than
 * `10.0.0.1` (4 bytes of the union instead of 16); both mean and print the same.
 */
export type Network = string;

function parse(given: string, cx: Codec): { address: Uint8Array; mask: Uint8Array } | undefined {
  const text = cx.family === 'ipv4' ? unmapped(given) : given;
  const cut = text.indexOf('/');
  const address = parseAddress(cut < 0 ? text : text.slice(0, cut), cx.family);
  // Without a mask iptables fills the whole union, in IPv4 too.
  const mask = cut < 0 ? prefixMask(128, 'ipv6') : parseMask(text.slice(cut + 1), cx.family);
  return address === undefined || mask === undefined ? undefined : { address, mask };
}

function format(address: Uint8Array, mask: Uint8Array): string {
  const full = maskPrefix(mask) === 128;
  return full ? formatAddress(address) : `${formatAddress(address)}/${formatMask(mask)}`;
}

/** The same values with `10.0.0.1` for `10.0.0.1/32`, for comparisons. */
export function hostsBare<T>(value: T, cx: Pick<Codec, 'family'>): T {
  if (cx.family === 'ipv6') return value;
  const bare = (each: unknown): unknown => {
    if (typeof each === 'string') return each.replace(/^([\d.]+)\/32$/, '$1');
    if (Array.isArray(each)) return each.map(bare);
    if (typeof each !== 'object' || each === null) return each;
    return Object.fromEntries(Object.entries(each).map(([key, inner]) => [key, bare(inner)]));
  };
  return bare(value) as T;
}

/** Whether there is a mask that is not a prefix. iptables reads it as a whole address. */
export function hasOddMask(value: unknown): boolean {
  if (typeof value === 'string') return /\/.*[.:]/.test(value);
  return typeof value === 'object' && value !== null && Object.values(value).some(hasOddMask);
}

/** An address in the union at `address`, its mask in the union at `mask`. */
export function networkField(address: number, mask: number): Store<Network> {
  const addressStore = inetAddress(address);
  const maskStore = rawBytes(mask, 16);
  return {
    read(payload, cx) {
      const bits = maskStore.read(payload, cx)!;
      const host = cx.family === 'ipv6' || maskPrefix(bits) === 128;
      return format(addressStore.read(payload, cx)!, host ? bits : bits.subarray(0, 4));
    },
    write(payload, text, cx) {
      const parsed = parse(text, cx)!;
      addressStore.write(payload, parsed.address, cx);
      bytesOf(payload, mask, 16).set(parsed.mask);
    },
  };
}

export const networkType: ValueType<Network> = {
  arity: 1,
  check(value: unknown, at: Place) {
    if (typeof value !== 'string') throw badType(at.path, 'a string', value);
    const parsed = parse(value, at);
    if (parsed === undefined) throw notAddress(value, at, 'address or network');
    return format(parsed.address, parsed.mask);
  },
  parse(text, at) {
    const value = networkType.check(text, at);
    // iptables 1.8.9 silently reads such a mask as a whole address here (measured).
    const mask = parse(value, at)!.mask;
    if (maskPrefix(mask) === undefined) throw refused(at.path, `the mask of ${text} is no prefix`);
    return value;
  },
  print: (value, cx) => (cx.family === 'ipv4' ? value.replace(/\/32$/, '') : value),
};

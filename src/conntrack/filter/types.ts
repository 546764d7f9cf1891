// What a filter is, in types: as callers give it, and after its checks. A filter means the same for dump, events,
// delete and update.
import type { Family, Protocol, StatusName } from '../../constants.js';
import type { AddressSet } from './address-set.js';
import type { PortSet, Ports } from './port-set.js';

/**
 * An address, all addresses under a prefix or a mask, or a list of these: `'10.0.0.1'`, `'10.0.0.0/8'`,
 * `'10.0.1.0/255.255.255.0'`, `['2001:db8::/32', '192.0.2.1']`. A list may be long, and a mask may have gaps. An
 * IPv4-mapped address (`'::ffff:10.0.0.1'`, as Node's servers report them) is the IPv4 address; `'::/0'` is all of
 * IPv6 and nothing of IPv4. Host bits behind the mask are ignored. A scope (`'fe80::1%eth0'`) is refused.
 */
export type Addresses = string | readonly string[];

/** Conditions on one direction of a flow. All that are given must hold. */
export interface SideFilter {
  /** Source address. */
  src?: Addresses;
  /** Destination address. */
  dst?: Addresses;
  /** Source port (0–65535). Flows without ports never match. */
  srcPort?: Ports;
  /** Destination port. */
  dstPort?: Ports;
  /** ICMP and ICMPv6 only. */
  icmpType?: number;
  icmpCode?: number;
  icmpId?: number;
  /** Zone of this direction alone (`CTA_TUPLE_ZONE`); flows without one never match. */
  zone?: number;
}

/**
 * Conditions on a flow. All that are given must hold, and a list means "one of". The object is read once, when it is
 * given. A field that is `undefined` is refused, so that a missing setting never widens a delete. What no flow can
 * match (a port of ICMP, addresses of two families, an empty list) is refused too: it is a mistake, and would look
 * like a table without such flows.
 */
export interface FlowFilter {
  family?: Family;
  protocol?: Protocol | readonly Protocol[];
  orig?: SideFilter;
  reply?: SideFilter;
  /** Short for `orig.src`, and so on. */
  src?: Addresses;
  dst?: Addresses;
  srcPort?: Ports;
  dstPort?: Ports;
  /** The whole mark, or its bits under a mask that is not 0; `value` may have no other bits. */
  mark?: number | { value: number; mask: number };
  /** Status bits: all that are named, or `all`, `any` and `none` of a list. */
  status?:
    | StatusName
    | readonly StatusName[]
    | { all?: readonly StatusName[]; any?: readonly StatusName[]; none?: readonly StatusName[] };
  /**
   * State of TCP, SCTP or DCCP as conntrack(8) prints it, or a list of states. `'LISTEN'` is the old name of TCP's
   * SYN_SENT2.
   */
  state?: string | readonly string[];
  /** Zone of both directions; flows without one are in zone 0. */
  zone?: number;
  /** Number of a label that is set (0–127). */
  label?: number;
  /** Name of the helper. */
  helper?: string;
  /** Which address is translated, as the two tuples show it: the source, the destination, either, or neither. */
  nat?: 'src' | 'dst' | 'any' | 'none';
}

/** A filter after its checks. */
export interface CheckedFilter {
  family?: 2 | 10;
  protocols?: number[];
  addresses: (AddressSet | undefined)[];
  ports: (PortSet | undefined)[];
  icmp: { type?: number; code?: number; id?: number }[];
  tupleZones: (number | undefined)[];
  mark?: { value: number; mask: number };
  status?: { all: number; any: number; none: number };
  states?: { tcp: number; sctp: number; dccp: number };
  zone?: number;
  label?: number;
  helper?: string;
  nat?: 'src' | 'dst' | 'any' | 'none';
  /** No condition at all. */
  empty: boolean;
}

/** In the order of their numbers in packed filters. */
export const natKinds = ['src', 'dst', 'any', 'none'] as const;

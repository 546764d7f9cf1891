// What a filter is, in types: as callers give it, and after its checks. A filter means the same for dump, events,
// delete and update.
import type { Family, Protocol, StatusName, WantedState } from '../../constants.js';
import type { AddressSet } from './address-set.js';
import type { LabelSet } from './label-set.js';
import type { PortSet, Ports } from './port-set.js';

/**
 * An address, all addresses under a prefix or a mask, or a list of these: `'10.0.0.1'`, `'10.0.0.0/8'`,
 * `'10.0.1.0/255.255.255.0'`, `['2001:db8::/32', '192.0.2.1']`. A list may be long, and a mask may have gaps. An
 * IPv4-mapped address (`'::ffff:10.0.0.1'`, as Node's servers report them) is the IPv4 address; `'::/0'` is all of
 * IPv6 and nothing of IPv4. Host bits behind the mask are ignored. A scope (`'fe80::1%eth0'`) is refused.
 */
export type Addresses = string | readonly string[];

/**
 * Conditions on one direction of a flow. All that are given must hold. A field that is `undefined` is refused, as in
 * {@link FlowFilter}.
 */
export interface SideFilter {
  /** Source address. */
  src?: Addresses;
  /** Destination address. */
  dst?: Addresses;
  /** Source port (0–65535). Flows without ports never match. */
  srcPort?: Ports;
  /** Destination port. */
  dstPort?: Ports;
  /** The type of ICMP and ICMPv6, 0 to 255. Other flows never match. */
  icmpType?: number;
  /** The code of ICMP and ICMPv6, 0 to 255. Other flows never match. */
  icmpCode?: number;
  /** The id of ICMP and ICMPv6, 0 to 65535. Other flows never match. */
  icmpId?: number;
  /** Zone of this direction alone (`CTA_TUPLE_ZONE`); flows without one never match. */
  zone?: number;
}

/** Some bits of a mark. */
export interface MaskedMark {
  /** The bits as they are wanted. In a filter it has no bits outside the mask. */
  value: number;
  /** The bits that matter, of 32. In a filter it is not 0. */
  mask: number;
}

/** Conditions on status bits. All that are given must hold, and each names at least one bit. */
export interface StatusFilter {
  /** Each of these is set. */
  all?: readonly StatusName[];
  /** At least one of these is set. */
  any?: readonly StatusName[];
  /** None of these is set. */
  none?: readonly StatusName[];
}

/** Conditions on labels, by number (0–127). All that are given must hold, and each names at least one label. */
export interface LabelFilter {
  /** Each of these is set. */
  all?: readonly number[];
  /** At least one of these is set. */
  any?: readonly number[];
  /** None of these is set. A flow without labels has none. */
  none?: readonly number[];
}

/**
 * Conditions on a flow. All that are given must hold, and a list means "one of". `any` and `not` take filters, which may
 * have `any` and `not` as well: `{ protocol: 'tcp', any: [{ dstPort: 80 }, { mark: 7 }], not: { state: 'TIME_WAIT' } }`.
 * The object is read once, when it is given. A field that is `undefined` is refused, so that a missing setting never widens a delete. What no flow can
 * match (a port of ICMP, addresses of two families, an empty list) is refused too: it is a mistake, and would look
 * like a table without such flows.
 */
export interface FlowFilter {
  /** At least one of these filters matches. Up to 16 may be in each other. An empty filter is refused in here. */
  any?: readonly FlowFilter[];
  /** This filter does not match. A flow that lacks a field that it names (a UDP flow has no state) does not match it. */
  not?: FlowFilter;
  /** The family of the addresses. */
  family?: Family;
  /** The protocol by name or number, or a list of them. */
  protocol?: Protocol | readonly Protocol[];
  /** Conditions on the original direction. */
  orig?: SideFilter;
  /** Conditions on the reply direction. After NAT its addresses are other ones than those of `orig`. */
  reply?: SideFilter;
  /** Short for `orig.src`. */
  src?: Addresses;
  /** Short for `orig.dst`. */
  dst?: Addresses;
  /** Short for `orig.srcPort`. */
  srcPort?: Ports;
  /** Short for `orig.dstPort`. */
  dstPort?: Ports;
  /** Any of the four addresses: source or destination, of either direction. */
  host?: Addresses;
  /** Any of the four ports: source or destination, of either direction. Flows without ports never match. */
  port?: Ports;
  /** The whole mark, or its bits under a mask that is not 0; `value` may have no other bits. */
  mark?: number | MaskedMark;
  /** Status bits: all that are named, or `all`, `any` and `none` of a list. */
  status?: StatusName | readonly StatusName[] | StatusFilter;
  /**
   * State of TCP, SCTP or DCCP as conntrack(8) prints it, or a list of states. `'LISTEN'` is the old name of TCP's
   * SYN_SENT2.
   */
  state?: WantedState | readonly WantedState[];
  /** Zone of both directions; flows without one are in zone 0. */
  zone?: number;
  /** The number of a label that is set (0–127), or `all`, `any` and `none` of a list. */
  label?: number | LabelFilter;
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
  label?: LabelSet;
  helper?: string;
  nat?: 'src' | 'dst' | 'any' | 'none';
  host?: AddressSet;
  port?: PortSet;
  any?: CheckedFilter[];
  not?: CheckedFilter;
  /** No condition at all. */
  empty: boolean;
}

/** How a flow may have to be translated. */
export const natKinds = ['src', 'dst', 'any', 'none'] as const;

// Match addrtype: the type of an address in the routing table (struct xt_addrtype_info_v1; revision 0 in old IPv4
// rules).
import { refused } from '../text/refused.js';
import type { Known, Not, Place } from './define.js';
import { both, ipv4, isNot, match } from './define.js';
import { given } from './number-values.js';
import { bit, bitNames, flagBit, u16 } from './stores.js';
import { namesOf } from './text-values.js';

export type AddressType = keyof typeof bits;

export interface AddrtypeMatch extends Known {
  readonly name: 'addrtype';
  readonly srcType?: Not<readonly AddressType[]>;
  readonly dstType?: Not<readonly AddressType[]>;
  /** Ask the routing table of the incoming interface only. */
  readonly limitIfaceIn?: true;
  /** Ask the routing table of the outgoing interface only. */
  readonly limitIfaceOut?: true;
}

const bits = {
  UNSPEC: 1,
  UNICAST: 2,
  LOCAL: 4,
  BROADCAST: 8,
  ANYCAST: 0x10,
  MULTICAST: 0x20,
  BLACKHOLE: 0x40,
  UNREACHABLE: 0x80,
  PROHIBIT: 0x100,
  THROW: 0x200,
  NAT: 0x400,
  XRESOLVE: 0x800,
} as const;
const type = namesOf(Object.keys(bits) as AddressType[], { anyCase: true });
const source = { options: ['src-type'], type, store: bitNames(u16(0), bits), default: [] };
const destination = { options: ['dst-type'], type, store: bitNames(u16(2), bits), default: [] };
const never = { type: given, store: { read: () => undefined, write: () => void 0 } };

// IPv6 routing does not have these: addrtype_mt_checkentry_v1() in xt_addrtype.c.
const notInIpv6: AddressType[] = ['BROADCAST', 'BLACKHOLE', 'PROHIBIT', 'THROW', 'NAT', 'XRESOLVE'];

function check(value: AddrtypeMatch, at: Place): void {
  if (value.srcType === undefined && value.dstType === undefined) {
    throw refused(at.path, 'needs srcType (--src-type) or dstType (--dst-type)');
  }
  if (at.family === 'ipv4') return;
  for (const given of [value.srcType, value.dstType]) {
    const list = isNot(given) ? (given.not as readonly AddressType[]) : (given ?? []);
    const bad = list.find((each) => notInIpv6.includes(each));
    if (bad !== undefined) throw refused(at.path, `the kernel knows no type ${bad} in IPv6`);
  }
}

export const addrtype1 = match<AddrtypeMatch>({
  name: 'addrtype',
  revision: 1,
  families: both,
  size: 8,
  fields: {
    srcType: { ...source, invert: bit(4, 1, 32) },
    dstType: { ...destination, invert: bit(4, 2, 32) },
    limitIfaceIn: {
      options: ['limit-iface-in'],
      type: given,
      store: flagBit(4, 4, 32),
      excludes: ['limitIfaceOut'],
    },
    limitIfaceOut: {
      options: ['limit-iface-out'],
      type: given,
      store: flagBit(4, 8, 32),
      excludes: ['limitIfaceIn'],
    },
  },
  check,
});

export const addrtype0 = match<AddrtypeMatch>({
  name: 'addrtype',
  revision: 0,
  families: ipv4,
  size: 16,
  fields: {
    srcType: { ...source, invert: bit(4, 1, 32) },
    dstType: { ...destination, invert: bit(8, 1, 32) },
    limitIfaceIn: never,
    limitIfaceOut: never,
  },
  check(value, at) {
    check(value, at);
    if (value.limitIfaceIn || value.limitIfaceOut) {
      throw refused(at.path, 'revision 0 cannot limit to an interface');
    }
  },
});

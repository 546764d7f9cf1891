// Match rt: the routing header of IPv6 (struct ip6t_rt).

import { badRange, badType } from '../../errors.js';
import { formatAddress, parseIpv6 } from '../text/addresses.js';
import { refused } from '../text/refused.js';
import { address } from './address-values.js';
import type { ArgumentPlace, Draft, Known, Not, Store, ValueType } from './define.js';
import { ipv6, match } from './define.js';
import { given, number, range } from './number-values.js';
import type { Range } from './stores.js';
import { bit, bytesOf, flagBit, pair, u8, u32 } from './stores.js';

export interface RtMatch extends Known {
  readonly name: 'rt';
  /** Type of the header, 32 bits in the rule and 8 in packets. */
  readonly rtType?: Not<number>;
  /** How many hops are left. */
  readonly rtSegsleft?: Not<number | Range>;
  /** Length of the header in bytes. */
  readonly rtLen?: Not<number>;
  /** The reserved field of a header of type 0 must be zero. Needs `rtType: 0`. */
  readonly rt0Res?: true;
  /** Addresses that a header of type 0 must have, 1…16 of them. Needs `rtType: 0`. */
  readonly rt0Addrs?: readonly string[];
  /** Other addresses may be between those of `rt0Addrs`. */
  readonly rt0NotStrict?: true;
}

const most = 0xffffffff;
const slots = 16;
const firstSlot = 20;
const countAt = 276;

function enough(list: readonly string[], path: string): readonly string[] {
  if (list.length === 0) throw badRange(path, 'at least one address', list);
  if (list.length > slots) throw refused(path, `${list.length} addresses, more than ${slots}`);
  return list;
}

const addresses: ValueType<readonly string[]> = {
  arity: 1,
  check(value, at) {
    if (!Array.isArray(value)) throw badType(at.path, 'an array of addresses', value);
    const list = value.map((each: unknown, index) =>
      address.check(each, { ...at, path: `${at.path}[${index}]` }),
    );
    return enough(list, at.path);
  },
  parse: (text, at) =>
    enough(
      text.split(',').map((part) => address.parse(part, at)),
      at.path,
    ),
  print: (list) => list.join(),
};

const addressesStore: Store<readonly string[]> = {
  read(payload, cx) {
    const count = u8(countAt).read(payload, cx)!;
    if (count === 0 || count > slots) return undefined;
    return Array.from({ length: count }, (_, slot) =>
      formatAddress(bytesOf(payload, firstSlot + 16 * slot, 16)),
    );
  },
  write(payload, list, cx) {
    for (const [slot, each] of list.entries()) {
      bytesOf(payload, firstSlot + 16 * slot, 16).set(parseIpv6(each)!);
    }
    u8(countAt).write(payload, list.length, cx);
  },
};

/** iptables requires --rt-type 0 before the option. */
function typeZeroBefore(draft: Draft<RtMatch>, at: ArgumentPlace): void {
  if (draft.rtType !== 0) throw refused(at.path, 'needs --rt-type 0 before it');
}

export const rt = match<RtMatch>({
  name: 'rt',
  revision: 0,
  families: ipv6,
  size: 280,
  fields: {
    rtType: {
      options: ['rt-type'],
      type: number(most),
      store: u32(0),
      present: bit(16, 1),
      invert: bit(17, 1),
    },
    rtSegsleft: {
      options: ['rt-segsleft'],
      type: range({ max: most, reversed: true }),
      store: pair(u32(4), u32(8)),
      present: bit(16, 2),
      invert: bit(17, 2),
      default: { from: 0, to: most },
      shown: true,
    },
    rtLen: {
      options: ['rt-len'],
      type: number(most),
      store: u32(12),
      present: bit(16, 4),
      invert: bit(17, 4),
    },
    rt0Res: { type: given, store: flagBit(16, 8), print: () => '--rt-0-res' },
    rt0Addrs: {
      type: addresses,
      store: addressesStore,
      present: bit(16, 0x10),
      print: (list, _, cx) => `--rt-0-addrs ${addresses.print(list, cx)}`,
    },
    rt0NotStrict: {
      type: given,
      store: flagBit(16, 0x20),
      requires: ['rt0Addrs'],
      print: () => '--rt-0-not-strict',
    },
  },
  // Without the option the kernel compares with the full range.
  meaning({ rtSegsleft: range, ...rest }) {
    const isAll =
      typeof range === 'object' && 'from' in range && range.from === 0 && range.to === most;
    return range === undefined || isAll ? rest : { ...rest, rtSegsleft: range };
  },
  spellings: [
    {
      option: 'rt-0-res',
      arity: 0,
      field: 'rt0Res',
      parse(_, at, draft) {
        typeZeroBefore(draft, at);
        return true;
      },
    },
    {
      option: 'rt-0-addrs',
      field: 'rt0Addrs',
      parse(text, at, draft) {
        typeZeroBefore(draft, at);
        return addresses.parse(text, at);
      },
    },
    {
      option: 'rt-0-not-strict',
      arity: 0,
      field: 'rt0NotStrict',
      parse(_, at, draft) {
        typeZeroBefore(draft, at);
        if (draft.rt0Addrs === undefined) throw refused(at.path, 'needs --rt-0-addrs before it');
        return true;
      },
    },
  ],
  check(value, at) {
    if ((value.rt0Res || value.rt0Addrs) && value.rtType !== 0) {
      throw refused(at.path, 'rt0Res and rt0Addrs need rtType: 0');
    }
  },
});

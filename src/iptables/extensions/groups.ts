// Matches devgroup and realm: numbers with a mask, for which iproute2 has names (struct xt_devgroup_info,
// xt_realm_info).

import { badRange } from '../../errors.js';
import { wholeNumber } from '../text/addresses.js';
import { refused } from '../text/refused.js';
import type { Codec, Known, Not, Place, Store, ValueType } from './define.js';
import { both, ipv4, match } from './define.js';
import { mark, readMark } from './number-values.js';
import type { Masked } from './stores.js';
import { bit, masked, u32 } from './stores.js';

/** A number, a name of this host, or `{ value, mask }`. A match that was read has numbers; text shows names. */
export type NumberOrName = Masked | string;

/** At least one field. */
export interface DevgroupMatch extends Known {
  readonly name: 'devgroup';
  /**
   * The group of the incoming interface (`ip link set DEV group N`); names from
   * `/etc/iproute2/group`. Not in OUTPUT and POSTROUTING.
   */
  readonly srcGroup?: Not<NumberOrName>;
  /** The group of the outgoing interface. Not in PREROUTING and INPUT. */
  readonly dstGroup?: Not<NumberOrName>;
}

export interface RealmMatch extends Known {
  readonly name: 'realm';
  /**
   * The realm of the route (`ip route … realm N`); names from `/etc/iproute2/rt_realms`. Not in
   * PREROUTING.
   */
  readonly realm: Not<NumberOrName>;
}

interface Names {
  readonly what: string;
  number(name: string, cx: Codec): number | undefined;
  name(number: number, cx: Codec): string | undefined;
}

const groupNames: Names = {
  what: 'a device group',
  number: (name, cx) => cx.names.deviceGroup(name),
  name: (number, cx) => cx.names.deviceGroupName(number),
};
const realmNames: Names = {
  what: 'a realm',
  number: (name, cx) => cx.names.realm(name),
  name: (number, cx) => cx.names.realmName(number),
};

function group(names: Names): ValueType<NumberOrName> {
  const numbers = mark();
  const look = (name: string, at: Place): number => {
    const number = names.number(name, at);
    if (number !== undefined) return number;
    throw badRange(at.path, `${names.what} known to this host, or a number with a mask`, name);
  };
  return {
    arity: 1,
    check: (value, at) => (typeof value === 'string' ? look(value, at) : numbers.check(value, at)),
    // A name cannot have a mask.
    parse: (text, at) =>
      wholeNumber(text.split('/')[0]!, 0xffffffff) === undefined
        ? look(text, at)
        : readMark(text, at.path),
    print(value, cx) {
      const name = typeof value === 'number' ? names.name(value, cx) : undefined;
      return name ?? numbers.print(value as Masked, cx);
    },
  };
}

const store = (value: number, mask: number) => masked(u32(value), u32(mask)) as Store<NumberOrName>;

export const devgroup = match<DevgroupMatch>({
  name: 'devgroup',
  revision: 0,
  families: both,
  size: 24,
  fields: {
    srcGroup: {
      options: ['src-group'],
      type: group(groupNames),
      store: store(4, 8),
      present: bit(0, 1, 32),
      invert: bit(0, 2, 32),
    },
    dstGroup: {
      options: ['dst-group'],
      type: group(groupNames),
      store: store(12, 16),
      present: bit(0, 4, 32),
      invert: bit(0, 8, 32),
    },
  },
  check(value, at) {
    if ((value.srcGroup ?? value.dstGroup) === undefined) {
      throw refused(at.path, 'needs srcGroup or dstGroup');
    }
  },
});

export const realm = match<RealmMatch>({
  name: 'realm',
  revision: 0,
  families: ipv4,
  size: 16,
  fields: {
    realm: {
      options: ['realm'],
      type: group(realmNames),
      store: store(0, 4),
      invert: bit(8, 1),
      required: true,
    },
  },
});

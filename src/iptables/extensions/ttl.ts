// Matches ttl (IPv4) and hl (IPv6): how many more hops a packet may take (struct ipt_ttl_info, struct ip6t_hl_info,
// one layout).
import { refused } from '../text/refused.js';
import type { Known, Not, Place, Store } from './define.js';
import { ipv4, ipv6, match } from './define.js';
import { number } from './number-values.js';
import { u8 } from './stores.js';

interface Hops extends Known {
  /** Equal to; with `not`: not equal to. 0…255. */
  readonly eq?: Not<number>;
  /** Less than. */
  readonly lt?: number;
  /** Greater than. */
  readonly gt?: number;
}

/** One of `eq`, `lt` and `gt`. */
export interface TtlMatch extends Hops {
  readonly name: 'ttl';
}

/** One of `eq`, `lt` and `gt`. */
export interface HlMatch extends Hops {
  readonly name: 'hl';
}

/** IPT_TTL_EQ, _NE, _LT, _GT; byte 0. */
const mode = { eq: 0, ne: 1, lt: 2, gt: 3 } as const;

/** The value, if the payload compares in one of these ways. */
function hops(...modes: readonly number[]): Store<number> {
  return {
    read: (payload) => (modes.includes(payload.getUint8(0)) ? payload.getUint8(1) : undefined),
    write(payload, value, cx) {
      payload.setUint8(0, modes[0]!);
      u8(1).write(payload, value, cx);
    },
  };
}

const type = number(255);
const fields = (name: 'ttl' | 'hl') => ({
  eq: {
    options: [`${name}-eq`, name],
    type,
    store: hops(mode.eq, mode.ne),
    invert: {
      read: (payload: DataView) => payload.getUint8(0) === mode.ne,
      write: (payload: DataView, not: boolean) => payload.setUint8(0, not ? mode.ne : mode.eq),
    },
    excludes: ['lt', 'gt'],
  },
  lt: { options: [`${name}-lt`], type, store: hops(mode.lt), excludes: ['eq', 'gt'] },
  gt: { options: [`${name}-gt`], type, store: hops(mode.gt), excludes: ['eq', 'lt'] },
});

function check(value: Hops, at: Place): void {
  if ((value.eq ?? value.lt ?? value.gt) === undefined)
    throw refused(at.path, 'needs eq, lt or gt');
}

export const ttl = match<TtlMatch>({
  name: 'ttl',
  revision: 0,
  families: ipv4,
  size: 8,
  fields: fields('ttl'),
  check,
});

export const hl = match<HlMatch>({
  name: 'hl',
  revision: 0,
  families: ipv6,
  size: 8,
  fields: fields('hl'),
  check,
});

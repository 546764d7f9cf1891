// Targets TTL (IPv4) and HL (IPv6): change how many hops a packet may still go (struct ipt_TTL_info,
// ip6t_HL_info). Table mangle.
import { refused } from '../text/refused.js';
import type { Field, Known } from './define.js';
import { ipv4, ipv6, target } from './define.js';
import { number } from './number-values.js';
import { u8 } from './stores.js';

/** One of `set`, `inc` and `dec`. */
interface Hops extends Known {
  /** Sets it: 0…255. */
  readonly set?: number;
  /** Adds 1…255, up to 255. Dangerous: packets in a routing loop then never end. */
  readonly inc?: number;
  /** Subtracts 1…255, down to 0. */
  readonly dec?: number;
}
export interface TtlTarget extends Hops {
  readonly name: 'TTL';
}
export interface HlTarget extends Hops {
  readonly name: 'HL';
}

/** IPT_TTL_SET, _INC, _DEC; IP6T_HL_* are the same. */
const modes = { set: 0, inc: 1, dec: 2 } as const;
type Mode = keyof typeof modes;

function field(prefix: string, mode: Mode): Field<number, false> {
  return {
    options: [`${prefix}-${mode}`],
    type: number(255, mode === 'set' ? 0 : 1),
    store: {
      read: (payload, cx) =>
        u8(0).read(payload, cx) === modes[mode] ? u8(1).read(payload, cx) : undefined,
      write(payload, value, cx) {
        u8(0).write(payload, modes[mode], cx);
        u8(1).write(payload, value, cx);
      },
    },
    excludes: (Object.keys(modes) as Mode[]).filter((each) => each !== mode),
  };
}

const shared = (prefix: string) => ({
  revision: 0,
  size: 8,
  tables: ['mangle'],
  fields: {
    set: field(prefix, 'set'),
    dec: field(prefix, 'dec'),
    inc: field(prefix, 'inc'),
  },
  check(value: Hops, at: { readonly path: string }) {
    if ((value.set ?? value.inc ?? value.dec) === undefined) {
      throw refused(at.path, 'needs set, inc or dec');
    }
  },
});

export const TTL = target<TtlTarget>({ name: 'TTL', families: ipv4, ...shared('ttl') });
export const HL = target<HlTarget>({ name: 'HL', families: ipv6, ...shared('hl') });

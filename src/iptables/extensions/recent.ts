// Match recent: lists of addresses seen before, in /proc/net/xt_recent (struct xt_recent_mtinfo, _v1).

import { badRange } from '../../errors.js';
import { formatAddress } from '../text/addresses.js';
import { refused } from '../text/refused.js';
import { bare } from '../text/words.js';
import { address, addressBytes } from './address-values.js';
import type { Known, Not, Place, Store } from './define.js';
import { both, isNot, match } from './define.js';
import { given, number } from './number-values.js';
import { procName } from './proc-name.js';
import { bit, fixedString, flagBit, mapped, nothing, rawBytes, u32 } from './stores.js';

/** One of `set`, `rcheck`, `update` and `remove`. */
export interface RecentMatch extends Known {
  readonly name: 'recent';
  /** Puts the address on the list; matches. */
  readonly set?: Not<true>;
  /** Matches if the address is on the list. */
  readonly rcheck?: Not<true>;
  /** The same, and notes that it was seen now. */
  readonly update?: Not<true>;
  /** Matches if the address is on the list, and removes it. */
  readonly remove?: Not<true>;
  /** Only if it was seen within this number of seconds, at least 1. With `rcheck` and `update`. */
  readonly seconds?: number;
  /** Removes older addresses from the list. Needs `seconds`. */
  readonly reap?: true;
  /**
   * Only if it was seen at least this often, 1…65535 (older kernels: up to the module's `ip_pkt_list_tot`). With
   * `rcheck` and `update`.
   */
  readonly hitcount?: number;
  /** Only if the TTL is that of the packet that put it on the list. With `rcheck` and `update`. */
  readonly rttl?: true;
  /** The name of the list (`--name`), at most 199 bytes; `DEFAULT` unless given. */
  readonly list?: string;
  /** The bits of the address that count; all unless given. Revision 1. */
  readonly mask?: string;
  /** The destination's address instead of the source's. */
  readonly rdest?: true;
}

// XT_RECENT_*, in check_set at 8.
const flag = { rcheck: 1, set: 2, update: 4, remove: 8, rttl: 0x10, reap: 0x20 } as const;
const operations = ['set', 'rcheck', 'update', 'remove'] as const;

const operation = (name: (typeof operations)[number]) => ({
  options: [name],
  type: given,
  store: nothing,
  present: bit(8, flag[name]),
  invert: bit(9, 1),
  excludes: operations.filter((each) => each !== name),
});

/** 0 means "not given". */
const orNothing = (store: Store<number>): Store<number> =>
  mapped(
    store,
    (value) => value || undefined,
    (value) => value,
  );

const fullMask = {
  ipv4: '255.255.255.255',
  ipv6: 'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff',
} as const;
const whole = rawBytes(212, 16);
const everyBit = new Uint8Array(16).fill(255);
/** Without the option all 16 bytes of the union are set, in IPv4 too. With it only the first 4 are set. */
const maskStore: Store<string> = {
  read(payload, cx) {
    const mask = whole.read(payload, cx)!;
    if (mask.every((byte) => byte === 255)) return undefined;
    return formatAddress(cx.family === 'ipv4' ? mask.subarray(0, 4) : mask);
  },
  write(payload, text, cx) {
    const mask = new Uint8Array(16);
    mask.set(addressBytes(text));
    whole.write(payload, mask, cx);
  },
};

/**
 * iptables copies the name over its default, and leaves the rest of the default after the NUL (`SSH\0ULT`), at least
 * since 1.4.11. Its -C and -D compare all 200 bytes, so this writes the same rest.
 */
const listStore: Store<string> = (() => {
  const text = fixedString(10, 200);
  return {
    ...text,
    write(payload, name, cx) {
      text.write(payload, 'DEFAULT', cx);
      text.write(payload, `${name}\0`, cx);
    },
  };
})();

function check(value: RecentMatch, at: Place): void {
  const chosen = operations.find((each) => value[each] !== undefined);
  if (chosen === undefined) throw refused(at.path, 'needs set, rcheck, update or remove');
  if (chosen === 'rcheck' || chosen === 'update') return;
  // recent_mt_check() in xt_recent.c.
  for (const field of ['seconds', 'reap', 'hitcount', 'rttl'] as const) {
    if (value[field] !== undefined) {
      throw refused(at.path, `${field} goes with rcheck and update, not with ${chosen}`);
    }
  }
}

function recent(revision: 0 | 1) {
  const masked = revision === 1;
  return match<RecentMatch>({
    name: 'recent',
    revision,
    families: both,
    size: masked ? 232 : 216,
    fields: {
      set: operation('set'),
      rcheck: operation('rcheck'),
      update: operation('update'),
      remove: operation('remove'),
      seconds: { options: ['seconds'], type: number(0xffffffff, 1), store: orNothing(u32(0)) },
      reap: {
        options: ['reap'],
        type: given,
        store: flagBit(8, flag.reap),
        requires: ['seconds'],
      },
      hitcount: { options: ['hitcount'], type: number(65535, 1), store: orNothing(u32(4)) },
      rttl: { options: ['rttl'], type: given, store: flagBit(8, flag.rttl) },
      list: {
        options: ['name'],
        type: procName(199),
        store: listStore,
        default: 'DEFAULT',
        shown: true,
      },
      mask: {
        ...(masked && { options: ['mask'] }),
        type: address,
        store: masked ? maskStore : { read: () => undefined, write: () => void 0 },
      },
      rdest: { options: ['rdest'], type: given, store: flagBit(210, 1) },
    },
    spellings: [
      {
        // If both --rsource and --rdest are given, the last one counts.
        option: 'rsource',
        arity: 0,
        parse(_, __, draft) {
          delete draft.rdest;
        },
      },
    ],
    always(payload, cx) {
      if (masked) whole.write(payload, everyBit, cx);
    },
    check(value, at) {
      check(value, at);
      if (!masked && value.mask !== undefined) {
        throw badRange(`${at.path}.mask`, 'no mask (revision 0 has none)', value.mask);
      }
    },
    meaning({ mask, ...rest }, { family }) {
      return mask === undefined || mask === fullMask[family] ? rest : { ...rest, mask };
    },
    print(value, cx) {
      const words: string[] = [];
      for (const name of operations) {
        if (value[name] !== undefined) words.push(`${isNot(value[name]) ? '! ' : ''}--${name}`);
      }
      // iptables-save prints it with a sign, and cannot read that back.
      if (value.seconds !== undefined) words.push(`--seconds ${value.seconds}`);
      if (value.reap) words.push('--reap');
      if (value.hitcount !== undefined) words.push(`--hitcount ${value.hitcount}`);
      if (value.rttl) words.push('--rttl');
      if (value.list !== '') words.push(`--name ${bare(value.list ?? 'DEFAULT')}`);
      if (masked) words.push(`--mask ${value.mask ?? fullMask[cx.family]}`);
      words.push(value.rdest ? '--rdest' : '--rsource');
      return words.map((word) => ` ${word}`).join('');
    },
  });
}

export const recent0 = recent(0);
export const recent1 = recent(1);

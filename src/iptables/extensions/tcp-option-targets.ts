// Targets TCPMSS and TCPOPTSTRIP: change the options of TCP segments (struct xt_tcpmss_info, struct
// xt_tcpoptstrip_target_info).

import { badRange, badType } from '../../errors.js';
import { wholeNumber } from '../text/addresses.js';
import { refused } from '../text/refused.js';
import type { Known, Place, Store, ValueType } from './define.js';
import { both, target } from './define.js';
import { given, integer, number } from './number-values.js';
import { u16, u32 } from './stores.js';

/**
 * Lowers the maximum segment size that a SYN announces; never raises it. Needs one of `setMss` and `clampMssToPmtu`.
 * The kernel requires `-p tcp` and a match on the SYN flag (`tcp` with `tcpFlags`) in the rule.
 */
export interface TcpmssTarget extends Known {
  readonly name: 'TCPMSS';
  /** Bytes: at most 65515 in IPv4, 65495 in IPv6, which is all that IP can carry. */
  readonly setMss?: number;
  /** The path MTU minus the headers. Only in FORWARD, OUTPUT and POSTROUTING. */
  readonly clampMssToPmtu?: true;
}

/** XT_TCPMSS_CLAMP_PMTU. */
const clamp = 0xffff;
const mss = u16(0);
// 65535 minus the IP and the TCP header.
const mssOf = (at: Place) => number(at.family === 'ipv4' ? 65515 : 65495);

export const TCPMSS = target<TcpmssTarget>({
  name: 'TCPMSS',
  revision: 0,
  families: both,
  size: 8,
  protocols: [6],
  fields: {
    setMss: {
      options: ['set-mss'],
      type: {
        arity: 1,
        check: (value, at) => mssOf(at).check(value, at),
        parse: (text, at) => mssOf(at).parse(text, at),
        print: String,
      },
      store: {
        read(payload, cx) {
          const value = mss.read(payload, cx)!;
          return value === clamp ? undefined : value;
        },
        write: mss.write,
      },
      excludes: ['clampMssToPmtu'],
    },
    clampMssToPmtu: {
      options: ['clamp-mss-to-pmtu'],
      type: given,
      store: {
        read: (payload, cx) => (mss.read(payload, cx) === clamp ? true : undefined),
        write: (payload, _, cx) => mss.write(payload, clamp, cx),
      },
    },
  },
  check(value, at) {
    if (value.setMss === undefined && value.clampMssToPmtu === undefined) {
      throw refused(at.path, 'needs setMss or clampMssToPmtu');
    }
  },
});

/** Overwrites TCP options with no-ops. Table mangle, in a rule with `-p tcp`. */
export interface TcpoptstripTarget extends Known {
  readonly name: 'TCPOPTSTRIP';
  /**
   * Kinds of options, 0…255, in ascending order. Text also takes names (`mss`, `timestamp` …), but not 0 (the end of
   * all options) and 1 (the no-op).
   */
  readonly stripOptions?: readonly number[];
}

const kinds: Readonly<Record<string, number>> = {
  mss: 2,
  wscale: 3,
  'sack-permitted': 4,
  sack: 5,
  timestamp: 8,
  md5: 19,
};

const kindList: ValueType<readonly number[]> = {
  arity: 1,
  check(value, at) {
    if (!Array.isArray(value)) throw badType(at.path, 'an array of numbers', value);
    const list = value.map((kind: unknown, index) =>
      integer(kind, { ...at, path: `${at.path}[${index}]` }, 2, 255),
    );
    return [...new Set(list)].sort((a, b) => a - b);
  },
  parse(text, at) {
    const list = text.split(',').map((part) => {
      const kind = Object.hasOwn(kinds, part) ? kinds[part]! : wholeNumber(part, 255);
      if (kind === undefined || kind < 2) {
        const names = Object.keys(kinds).join(', ');
        throw badRange(at.path, `kinds of options in 2…255 or names (${names})`, text);
      }
      return kind;
    });
    if (new Set(list).size < list.length) throw refused(at.path, `${text} has one kind twice`);
    return list.sort((a, b) => a - b);
  },
  print: (list) => list.join(','),
};

/** strip_bmap: 256 bits in eight 32-bit words of the host's byte order. */
const bitmap: Store<readonly number[]> = {
  read(payload, cx) {
    const list: number[] = [];
    for (let kind = 0; kind < 256; kind++) {
      if (u32(4 * (kind >> 5)).read(payload, cx)! & (1 << (kind & 31))) list.push(kind);
    }
    return list;
  },
  write(payload, list, cx) {
    for (const kind of list) {
      const word = u32(4 * (kind >> 5));
      word.write(payload, (word.read(payload, cx)! | (1 << (kind & 31))) >>> 0, cx);
    }
  },
};

export const TCPOPTSTRIP = target<TcpoptstripTarget>({
  name: 'TCPOPTSTRIP',
  revision: 0,
  families: both,
  size: 32,
  protocols: [6],
  tables: ['mangle'],
  fields: {
    stripOptions: { options: ['strip-options'], type: kindList, store: bitmap, default: [] },
  },
});

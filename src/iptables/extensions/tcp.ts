// Match tcp: ports, flags and options of TCP (struct xt_tcp).
import { refused } from '../text/refused.js';
import type { Known, Not, ValueType } from './define.js';
import { both, match } from './define.js';
import { number, ports } from './number-values.js';
import type { Range } from './stores.js';
import { bit, bitNames, pair, u8, u16 } from './stores.js';
import { namesOf } from './text-values.js';

export type TcpFlag = 'FIN' | 'SYN' | 'RST' | 'PSH' | 'ACK' | 'URG';

export interface TcpFlags {
  /** The flags that are checked. */
  readonly mask: readonly TcpFlag[];
  /** The flags of `mask` that must be set. The others must not be set. */
  readonly set: readonly TcpFlag[];
}

export interface TcpMatch extends Known {
  readonly name: 'tcp';
  /** Source port or ports. */
  readonly sport?: Not<number | Range>;
  /** Destination port or ports. */
  readonly dport?: Not<number | Range>;
  /** A TCP option by its number, 1…255. */
  readonly tcpOption?: Not<number>;
  /** `--syn` is `{ mask: ['FIN', 'SYN', 'RST', 'ACK'], set: ['SYN'] }`. */
  readonly tcpFlags?: Not<TcpFlags>;
}

const bits: Record<TcpFlag, number> = { FIN: 1, SYN: 2, RST: 4, PSH: 8, ACK: 16, URG: 32 };
const names = Object.keys(bits) as TcpFlag[];
const list = namesOf(names, {
  anyCase: true,
  empty: true,
  lenient: true,
  groups: { ALL: names, NONE: [] },
  print: (value) => value.join(',') || 'NONE',
});
const mask = bitNames(u8(9), bits);
const set = bitNames(u8(10), bits);

const flags: ValueType<TcpFlags> = {
  arity: 1,
  check(value, at) {
    if (typeof value !== 'object' || value === null || !('mask' in value && 'set' in value)) {
      throw new TypeError(`${at.path}: expected { mask, set }`);
    }
    return {
      mask: list.check(value.mask, { ...at, path: `${at.path}.mask` }),
      set: list.check(value.set, { ...at, path: `${at.path}.set` }),
    };
  },
  parse(text, at) {
    const second = at.more();
    if (second === undefined || second.startsWith('-') || second === '!') {
      throw refused(at.path, 'needs two arguments: the flags looked at and those set');
    }
    return { mask: list.parse(text, at), set: list.parse(second, at) };
  },
  print: (value, cx) => `${list.print(value.mask, cx)} ${list.print(value.set, cx)}`,
};

const any: Range = { from: 0, to: 65535 };

export const tcp = match<TcpMatch>({
  name: 'tcp',
  revision: 0,
  families: both,
  size: 16,
  protocols: [6],
  fields: {
    sport: {
      options: ['sport', 'source-port'],
      type: ports('tcp'),
      store: pair(u16(0), u16(2)),
      invert: bit(11, 1),
      default: any,
    },
    dport: {
      options: ['dport', 'destination-port'],
      type: ports('tcp'),
      store: pair(u16(4), u16(6)),
      invert: bit(11, 2),
      default: any,
    },
    tcpOption: {
      options: ['tcp-option'],
      type: number(255, 1),
      store: u8(8),
      invert: bit(11, 8),
      default: 0,
    },
    tcpFlags: {
      options: ['tcp-flags'],
      type: flags,
      store: {
        read: (payload, cx) => ({ mask: mask.read(payload, cx)!, set: set.read(payload, cx)! }),
        write(payload, value, cx) {
          mask.write(payload, value.mask, cx);
          set.write(payload, value.set, cx);
        },
      },
      invert: bit(11, 4),
      default: { mask: [], set: [] },
      // iptables-save does not print flags that must be set and are not in the mask. Such a rule matches nothing.
      print: (value, not, cx) =>
        value.mask.length > 0 || value.set.length > 0 || not
          ? `${not ? '! ' : ''}--tcp-flags ${flags.print(value, cx)}`
          : '',
    },
  },
  spellings: [
    {
      option: 'syn',
      arity: 0,
      invertible: true,
      field: 'tcpFlags',
      parse: () => ({ mask: ['FIN', 'SYN', 'RST', 'ACK'], set: ['SYN'] }),
    },
  ],
});

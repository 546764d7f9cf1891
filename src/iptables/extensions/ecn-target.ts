// Target ECN: removes explicit congestion notification from packets, or sets its bits (struct ipt_ECN_info). IPv4,
// table mangle.
import { refused } from '../text/refused.js';
import type { Known, Store } from './define.js';
import { hasProtocol, ipv4, target } from './define.js';
import { number } from './number-values.js';
import { bit, mapped, u8 } from './stores.js';

/** At least one field. `--ecn-tcp-remove` is `tcpEce: 0, tcpCwr: 0`. */
export interface EcnTarget extends Known {
  readonly name: 'ECN';
  /** The bit ECE of the TCP header, 0 or 1. Needs `-p tcp`. */
  readonly tcpEce?: number;
  /** The bit CWR of the TCP header, 0 or 1. Needs `-p tcp`. */
  readonly tcpCwr?: number;
  /** The codepoint of the IPv4 header, 0…3. */
  readonly ipEct?: number;
}

/** IPT_ECN_OP_*. */
const operation = { ip: 1, ece: 0x10, cwr: 0x20 } as const;

const one = (mask: number): Store<number> =>
  mapped(bit(2, mask), Number, (value: number) => value === 1);

export const ECN = target<EcnTarget>({
  name: 'ECN',
  revision: 0,
  families: ipv4,
  size: 8,
  tables: ['mangle'],
  fields: {
    tcpEce: {
      options: ['ecn-tcp-ece'],
      type: number(1),
      store: one(1),
      present: bit(0, operation.ece),
      print: (value, _, __, typed) =>
        removes(typed) ? '--ecn-tcp-remove' : `--ecn-tcp-ece ${value}`,
    },
    tcpCwr: {
      options: ['ecn-tcp-cwr'],
      type: number(1),
      store: one(2),
      present: bit(0, operation.cwr),
      print: (value, _, __, typed) => (removes(typed) ? '' : `--ecn-tcp-cwr ${value}`),
    },
    ipEct: {
      options: ['ecn-ip-ect'],
      type: number(3),
      store: u8(1),
      present: bit(0, operation.ip),
    },
  },
  spellings: [
    {
      option: 'ecn-tcp-remove',
      arity: 0,
      excludes: ['ecn-tcp-ece', 'ecn-tcp-cwr'],
      parse(_, __, draft) {
        draft.tcpEce = 0;
        draft.tcpCwr = 0;
      },
    },
  ],
  check(value, at) {
    if ((value.tcpEce ?? value.tcpCwr ?? value.ipEct) === undefined) {
      throw refused(at.path, 'needs tcpEce, tcpCwr or ipEct');
    }
    // ecn_tg_check() in ipt_ECN.c.
    const tcp = value.tcpEce ?? value.tcpCwr;
    if (tcp !== undefined && !hasProtocol(at, [6])) {
      throw refused(at.path, 'the bits of the TCP header need a rule with -p tcp');
    }
  },
});

function removes(typed: Readonly<Record<string, unknown>>): boolean {
  return typed.tcpEce === 0 && typed.tcpCwr === 0 && typed.ipEct === undefined;
}

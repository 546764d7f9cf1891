// Match ecn: explicit congestion notification in IP and TCP (struct xt_ecn_info).
import { refused } from '../text/refused.js';
import type { Known, Not } from './define.js';
import { both, hasProtocol, match } from './define.js';
import { given, number } from './number-values.js';
import { bit, nothing, u8 } from './stores.js';

/** At least one field. All given fields must hold. */
export interface EcnMatch extends Known {
  readonly name: 'ecn';
  /** TCP flag ECE. Needs `-p tcp`. */
  readonly tcpEce?: Not<true>;
  /** TCP flag CWR. Needs `-p tcp`. */
  readonly tcpCwr?: Not<true>;
  /** The ECT codepoint of the IP header, 0…3. */
  readonly ipEct?: Not<number>;
}

/** XT_ECN_OP_MATCH_*, in `operation` (given) and in `invert`. */
const flag = { ip: 1, ece: 0x10, cwr: 0x20 } as const;
const operation = (mask: number) => ({ present: bit(0, mask), invert: bit(1, mask) });

export const ecn = match<EcnMatch>({
  name: 'ecn',
  revision: 0,
  families: both,
  size: 8,
  fields: {
    tcpEce: {
      options: ['ecn-tcp-ece'],
      type: given,
      store: nothing,
      ...operation(flag.ece),
    },
    tcpCwr: {
      options: ['ecn-tcp-cwr'],
      type: given,
      store: nothing,
      ...operation(flag.cwr),
    },
    ipEct: {
      options: ['ecn-ip-ect'],
      type: number(3),
      store: u8(2),
      ...operation(flag.ip),
    },
  },
  check(value, at) {
    const tcp = value.tcpEce ?? value.tcpCwr;
    if (tcp === undefined && value.ipEct === undefined) {
      throw refused(at.path, 'needs ipEct, tcpEce or tcpCwr');
    }
    // ecn_mt_check4() and ecn_mt_check6() in xt_ecn.c.
    if (tcp !== undefined && !hasProtocol(at, [6])) {
      throw refused(at.path, 'the flags of TCP need a rule with -p tcp');
    }
  },
});

// Target SYNPROXY: answers SYNs with cookies before a connection reaches its host (struct
// nf_synproxy_info).
import type { Known } from './define.js';
import { both, target } from './define.js';
import { given, number } from './number-values.js';
import { bit, flagBit, u8, u16 } from './stores.js';

/**
 * The options that the protected server would offer in its SYN-ACK. The server must support them. Only in INPUT and
 * FORWARD, in a rule with `-p tcp`.
 */
export interface SynproxyTarget extends Known {
  readonly name: 'SYNPROXY';
  /** Selective acknowledgements. */
  readonly sackPerm?: true;
  /** Time stamps. The cookie also uses them to keep the other options. */
  readonly timestamp?: true;
  /** The window scale: a shift, 0…255 (TCP means at most 14). */
  readonly wscale?: number;
  /** The maximum segment size in bytes, 0…65535. */
  readonly mss?: number;
  /** Explicit congestion notification. */
  readonly ecn?: true;
}

/** NF_SYNPROXY_OPT_*. */
const option = { mss: 1, wscale: 2, sackPerm: 4, timestamp: 8, ecn: 0x10 } as const;

export const SYNPROXY = target<SynproxyTarget>({
  name: 'SYNPROXY',
  revision: 0,
  families: both,
  size: 8,
  protocols: [6],
  fields: {
    sackPerm: { options: ['sack-perm'], type: given, store: flagBit(0, option.sackPerm) },
    timestamp: { options: ['timestamp'], type: given, store: flagBit(0, option.timestamp) },
    // iptables 1.8.9 cuts larger numbers of both options to the size of the field.
    wscale: {
      options: ['wscale'],
      type: number(255),
      store: u8(1),
      present: bit(0, option.wscale),
    },
    mss: { options: ['mss'], type: number(65535), store: u16(2), present: bit(0, option.mss) },
    ecn: { options: ['ecn'], type: given, store: flagBit(0, option.ecn) },
  },
});

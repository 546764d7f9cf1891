// Match osf: guesses the operating system that sent a SYN, from fingerprints loaded with nfnl_osf (struct
// xt_osf_info). IPv4.
import { textToBytes } from '../text/encoding.js';
import { bareWord } from './bare-word.js';
import type { Known, Not, Store } from './define.js';
import { ipv4, match } from './define.js';
import { number } from './number-values.js';
import { bit, fixedString, u32 } from './stores.js';

/** Needs `-p tcp`. Chains: PREROUTING, INPUT, FORWARD. */
export interface OsfMatch extends Known {
  readonly name: 'osf';
  /** The name of the system in the fingerprint, at most 31 bytes: `Linux`, `unknown`. */
  readonly genre: Not<string>;
  /** 0: the TTL must fit exactly (as in a LAN); 1: it may be lower; 2: it does not matter. */
  readonly ttl?: number;
  /** What is written to the kernel's log. 0: all matched and unknown; 1: only the first; 2: all known. */
  readonly log?: number;
}

const text = fixedString(0, 32);
const genre: Store<string> = {
  ...text,
  read(payload, cx) {
    const name = text.read(payload, cx)!;
    if (name === '') throw new Error('no genre');
    return name;
  },
  write(payload, name, cx) {
    text.write(payload, name, cx);
    u32(32).write(payload, textToBytes(name).length, cx);
  },
};

export const osf = match<OsfMatch>({
  name: 'osf',
  revision: 0,
  families: ipv4,
  size: 48,
  protocols: [6],
  fields: {
    genre: {
      options: ['genre'],
      required: true,
      type: bareWord(31),
      store: genre,
      invert: bit(36, 8, 32),
    },
    ttl: { options: ['ttl'], type: number(2), store: u32(44), present: bit(36, 2, 32) },
    log: { options: ['log'], type: number(2), store: u32(40), present: bit(36, 4, 32) },
  },
});

// Match mh: the type of a mobility header (struct ip6t_mh). IPv6.

import { wholeNumber } from '../text/addresses.js';
import type { Known, Not } from './define.js';
import { ipv6, match } from './define.js';
import { range } from './number-values.js';
import type { Range } from './stores.js';
import { bit, pair, u8 } from './stores.js';

/** Needs `-p mh`. */
export interface MhMatch extends Known {
  readonly name: 'mh';
  /** Type or types of the message, 0…255. */
  readonly mhType?: Not<number | Range>;
}

// The order decides which name an abbreviation means.
const names: readonly (readonly [string, number])[] = [
  ['binding-refresh-request', 0],
  ['brr', 0],
  ['home-test-init', 1],
  ['hoti', 1],
  ['careof-test-init', 2],
  ['coti', 2],
  ['home-test', 3],
  ['hot', 3],
  ['careof-test', 4],
  ['cot', 4],
  ['binding-update', 5],
  ['bu', 5],
  ['binding-acknowledgement', 6],
  ['ba', 6],
  ['binding-error', 7],
  ['be', 7],
];

function messageType(text: string): number | undefined {
  const folded = text.toLowerCase();
  const exact = names.find(([name]) => name === folded);
  const found = exact ?? names.find(([name]) => text !== '' && name.startsWith(folded));
  return found?.[1] ?? wholeNumber(text, 255);
}

export const mh = match<MhMatch>({
  name: 'mh',
  revision: 0,
  families: ipv6,
  size: 8,
  protocols: [135],
  fields: {
    mhType: {
      options: ['mh-type'],
      type: range({ max: 255, read: messageType, what: 'a type of message, its name, or a range' }),
      store: pair(u8(0), u8(1)),
      invert: bit(2, 1),
      default: { from: 0, to: 255 },
    },
  },
});

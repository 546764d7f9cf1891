// Match socket: whether there is an open socket for the packet (struct xt_socket_mtinfo1, 2, 3; revision 0 has no
// payload). Chains PREROUTING and INPUT.
import { refused } from '../text/refused.js';
import type { Known, Place } from './define.js';
import { both, ipv4, match } from './define.js';
import { given } from './number-values.js';
import { flagBit } from './stores.js';

export interface SocketMatch extends Known {
  readonly name: 'socket';
  /** Only sockets with IP_TRANSPARENT. Revision 1. */
  readonly transparent?: true;
  /** Also listening sockets bound to any address. Revision 2. */
  readonly nowildcard?: true;
  /** The packet gets the mark of the socket. Revision 3. */
  readonly restoreSkmark?: true;
}

const flags = [
  ['transparent', 'transparent'],
  ['nowildcard', 'nowildcard'],
  ['restoreSkmark', 'restore-skmark'],
] as const;

function socket(revision: 0 | 1 | 2 | 3) {
  // Revision n has the first n flags, in one byte.
  const flag = (index: number) =>
    index < revision
      ? { options: [flags[index]![1]], type: given, store: flagBit(0, 1 << index) }
      : { type: given, store: { read: () => undefined, write: () => void 0 } };
  return match<SocketMatch>({
    name: 'socket',
    revision,
    families: revision === 0 ? ipv4 : both,
    size: revision === 0 ? 0 : 8,
    fields: { transparent: flag(0), nowildcard: flag(1), restoreSkmark: flag(2) },
    check(value: SocketMatch, at: Place) {
      for (const [field] of flags.slice(revision)) {
        if (value[field] !== undefined) {
          throw refused(at.path, `${field} needs a newer revision than ${revision}`);
        }
      }
    },
  });
}

export const socket0 = socket(0);
export const socket1 = socket(1);
export const socket2 = socket(2);
export const socket3 = socket(3);

// Target TEE: a copy of the packet to another host of the link (struct xt_tee_tginfo). Revision 0 is from the
// xtables-addons, before the kernel had TEE. Present releases of iptables do not write it.

import { formatAddress, isZero } from '../text/addresses.js';
import { refused } from '../text/refused.js';
import { address, addressBytes } from './address-values.js';
import { bareWord } from './bare-word.js';
import type { Known, ValueType } from './define.js';
import { both, target } from './define.js';
import { cstring, inetAddress, mapped } from './stores.js';

export interface TeeTarget extends Known {
  readonly name: 'TEE';
  /** The host that gets the copy, on a link of this one. */
  readonly gateway: string;
  /** The interface to that host, at most 15 bytes. Revision 1. */
  readonly oif?: string;
}

// tee_tg_check() refuses it as well.
const gateway: ValueType<string> = {
  ...address,
  check(value, at) {
    const text = address.check(value, at);
    if (isZero(addressBytes(text))) throw refused(at.path, `${text} is no host`);
    return text;
  },
  parse: (text, at) => gateway.check(text, at),
};

function TEE(revision: 0 | 1) {
  return target<TeeTarget>({
    name: 'TEE',
    revision,
    families: both,
    size: revision === 1 ? 40 : 16,
    userSize: revision === 1 ? 32 : 16,
    fields: {
      gateway: {
        options: ['gateway'],
        required: true,
        type: gateway,
        store: mapped(inetAddress(0), formatAddress, addressBytes),
      },
      oif: {
        ...(revision === 1 && { options: ['oif'] }),
        type: bareWord(15),
        store: revision === 1 ? cstring(16, 16) : { read: () => undefined, write: () => void 0 },
      },
    },
    check(value, at) {
      if (revision === 0 && value.oif !== undefined) {
        throw refused(at.path, 'oif needs revision 1');
      }
    },
  });
}

export const TEE0 = TEE(0);
export const TEE1 = TEE(1);

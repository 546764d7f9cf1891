// Match mac: the Ethernet source address (struct xt_mac_info). Chains: PREROUTING, INPUT, FORWARD.
import { mac as macType } from './address-values.js';
import type { Known, Not } from './define.js';
import { both, match } from './define.js';
import { bit, mapped, rawBytes } from './stores.js';

export interface MacMatch extends Known {
  readonly name: 'mac';
  /** `00:11:22:33:44:55`. */
  readonly macSource: Not<string>;
}

export const mac = match<MacMatch>({
  name: 'mac',
  revision: 0,
  families: both,
  size: 16,
  fields: {
    macSource: {
      options: ['mac-source'],
      type: macType,
      store: mapped(
        rawBytes(0, 6),
        (bytes) => [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join(':'),
        (text) => Uint8Array.from(text.split(':'), (part) => Number.parseInt(part, 16)),
      ),
      invert: bit(8, 1, 32),
      required: true,
    },
  },
});

// Match udp: ports of UDP (struct xt_udp).
import type { Known, Not } from './define.js';
import { both, match } from './define.js';
import { ports } from './number-values.js';
import type { Range } from './stores.js';
import { bit, pair, u16 } from './stores.js';

export interface UdpMatch extends Known {
  readonly name: 'udp';
  /** Source port or ports. */
  readonly sport?: Not<number | Range>;
  /** Destination port or ports. */
  readonly dport?: Not<number | Range>;
}

// iptables resolves these ports with getaddrinfo: decimal numbers, and names of any protocol.
const type = ports(undefined, true, true);
const any: Range = { from: 0, to: 65535 };

export const udp = match<UdpMatch>({
  name: 'udp',
  revision: 0,
  families: both,
  size: 16,
  protocols: [17],
  fields: {
    sport: {
      options: ['sport', 'source-port'],
      type,
      store: pair(u16(0), u16(2)),
      invert: bit(8, 1),
      default: any,
    },
    dport: {
      options: ['dport', 'destination-port'],
      type,
      store: pair(u16(4), u16(6)),
      invert: bit(8, 2),
      default: any,
    },
  },
});

// Match pkttype: the receiver of the packet in the link layer (struct xt_pkttype_info).
import type { Known, Not } from './define.js';
import { both, match } from './define.js';
import { bit, coded, u32 } from './stores.js';
import { oneOf } from './text-values.js';

export type PacketType = keyof typeof codes;

export interface PkttypeMatch extends Known {
  readonly name: 'pkttype';
  /**
   * `unicast`: to this host; `broadcast`, `multicast`; `otherhost`: to another host (seen in promiscuous mode). Text
   * also takes `host`, `bcast` and `mcast`.
   */
  readonly pktType: Not<PacketType>;
}

/** PACKET_* of linux/if_packet.h. */
const codes = { unicast: 0, broadcast: 1, multicast: 2, otherhost: 3 } as const;

export const pkttype = match<PkttypeMatch>({
  name: 'pkttype',
  revision: 0,
  families: both,
  size: 8,
  fields: {
    pktType: {
      options: ['pkt-type'],
      type: oneOf(Object.keys(codes) as PacketType[], {
        anyCase: true,
        also: { host: 'unicast', bcast: 'broadcast', mcast: 'multicast' },
      }),
      store: coded(u32(0), codes),
      invert: bit(4, 1, 32),
      required: true,
    },
  },
});

// Target CLUSTERIP: hosts share one address, and each answers a part of the clients (struct ipt_clusterip_tgt_info).
// IPv4. Linux 6.3 and later do not have it; -m cluster does the same.
import { refused } from '../text/refused.js';
import { mac } from './address-values.js';
import type { Known, Store } from './define.js';
import { ipv4, target } from './define.js';
import { given, number } from './number-values.js';
import { bytesOf, coded, flagBit, u16, u32 } from './stores.js';
import { oneOf } from './text-values.js';

/**
 * The rule's `dst` is the shared address. The first rule for an address has `new` and all other fields. Further rules
 * have no field.
 */
export interface ClusteripTarget extends Known {
  readonly name: 'CLUSTERIP';
  readonly new?: true;
  /** Which parts of the packet decide which host answers. */
  readonly hashmode?: keyof typeof modes;
  /** The Ethernet address that the hosts share: a multicast address. */
  readonly clustermac?: string;
  /** How many hosts there are, 0…16. */
  readonly totalNodes?: number;
  /** The number of this host, 0…16 (the first is 1). */
  readonly localNode?: number;
  /** The seed of the hash, 32 bits; 0 unless given. */
  readonly hashInit?: number;
}

/** CLUSTERIP_HASHMODE_*. */
const modes = {
  sourceip: 0,
  'sourceip-sourceport': 1,
  'sourceip-sourceport-destport': 2,
} as const;

const isNew = flagBit(0, 1, 32);

/** Only the first rule has the other fields. */
function ofNew<T>(store: Store<T>): Store<T> {
  return {
    read: (payload, cx) => (isNew.read(payload, cx) ? store.read(payload, cx) : undefined),
    write: store.write,
  };
}

const macBytes: Store<string> = {
  read: (payload) =>
    [...bytesOf(payload, 4, 6)].map((byte) => byte.toString(16).padStart(2, '0')).join(':'),
  write: (payload, text) =>
    bytesOf(payload, 4, 6).set(text.split(':').map((part) => Number.parseInt(part, 16))),
};

const together = ['new', 'hashmode', 'clustermac', 'totalNodes', 'localNode'] as const;

export const CLUSTERIP = target<ClusteripTarget>({
  name: 'CLUSTERIP',
  revision: 0,
  families: ipv4,
  size: 64,
  userSize: 56,
  fields: {
    new: { options: ['new'], type: given, store: isNew },
    hashmode: {
      options: ['hashmode'],
      type: oneOf(Object.keys(modes) as (keyof typeof modes)[]),
      store: ofNew(coded(u32(48), modes)),
    },
    clustermac: {
      options: ['clustermac'],
      type: {
        ...mac,
        check(value, at) {
          const text = mac.check(value, at);
          if (Number.parseInt(text.slice(0, 2), 16) % 2 === 0) {
            throw refused(at.path, `${text} is no multicast address`);
          }
          return text;
        },
        print: (text) => text.toUpperCase(),
      },
      store: ofNew(macBytes),
    },
    totalNodes: { options: ['total-nodes'], type: number(16), store: ofNew(u16(10)) },
    localNode: {
      options: ['local-node'],
      type: number(16),
      store: {
        // The kernel could hold more than one local node, but iptables has no option for it. Such a payload stays raw.
        read: ofNew(u16(14)).read,
        write(payload, node, cx) {
          u16(12).write(payload, 1, cx);
          u16(14).write(payload, node, cx);
        },
      },
    },
    hashInit: {
      options: ['hash-init'],
      type: number(0xffffffff),
      store: ofNew(u32(52)),
    },
  },
  check(value, at) {
    const said = together.filter((field) => value[field] !== undefined);
    const alone = said.length === 0 && value.hashInit === undefined;
    if (!alone && said.length < together.length) {
      throw refused(at.path, `needs all of ${together.join(', ')}, or nothing`);
    }
  },
});

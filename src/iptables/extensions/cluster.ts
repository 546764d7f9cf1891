// Match cluster: the part of a node in a cluster that shares its load, by a hash of the flow's source (struct
// xt_cluster_match_info).
import { refused } from '../text/refused.js';
import type { Known, Not } from './define.js';
import { both, match } from './define.js';
import { number } from './number-values.js';
import { bit, u32 } from './stores.js';

export interface ClusterMatch extends Known {
  readonly name: 'cluster';
  /**
   * The nodes for which this host answers; bit 0 is node 1. Text also takes `--cluster-local-node` with the number of
   * one node.
   */
  readonly localNodemask: Not<number>;
  /** How many nodes the cluster has, 1…32. */
  readonly totalNodes: number;
  /** The seed of the hash: the same on every node. */
  readonly hashSeed: number;
}

const hex8 = (value: number) => `0x${value.toString(16).padStart(8, '0')}`;

export const cluster = match<ClusterMatch>({
  name: 'cluster',
  revision: 0,
  families: both,
  size: 16,
  fields: {
    localNodemask: {
      options: ['cluster-local-nodemask'],
      // iptables 1.8.9 reads no mask above 32. So it refuses most of the masks that it saves.
      type: number(0xffffffff, 1, hex8),
      store: u32(4),
      invert: bit(12, 1, 32),
      required: true,
    },
    totalNodes: {
      options: ['cluster-total-nodes'],
      type: number(32, 1),
      store: u32(0),
      required: true,
    },
    hashSeed: {
      options: ['cluster-hash-seed'],
      type: number(0xffffffff, 0, hex8),
      store: u32(8),
      required: true,
    },
  },
  spellings: [
    {
      option: 'cluster-local-node',
      invertible: true,
      field: 'localNodemask',
      excludes: ['cluster-local-nodemask'],
      parse: (text, at) => (1 << (number(32, 1).parse(text, at) - 1)) >>> 0,
    },
  ],
  check({ localNodemask: given, totalNodes }, at) {
    const mask = typeof given === 'number' ? given : given.not;
    if (mask >= 2 ** totalNodes) {
      throw refused(at.path, `localNodemask has nodes above totalNodes ${totalNodes}`);
    }
  },
});

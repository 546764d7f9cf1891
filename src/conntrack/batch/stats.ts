// How a batch was obtained.
import type { RawDumpStats } from '../../native/binding.js';
import { kernelFilterUse } from '../../native/numbers.js';
import type { ColumnStore } from '../columns/column-store.js';
import { has } from '../columns/schema.js';
import type { TrackingState } from '../host/tracking.js';

/** Parts of a filter that the kernel applied before sending. */
export type KernelFilterPart = 'family' | 'mark' | 'status' | 'zone' | 'orig' | 'reply';
const kernelFilterBits = Object.entries<number>(
  kernelFilterUse satisfies Record<KernelFilterPart, number>,
) as [KernelFilterPart, number][];

/** How a batch was obtained. One that was made has 0 messages on 0 sockets. */
export interface BatchStats {
  /** Flows that the kernel sent. */
  readonly messages: number;
  /** How many of these could not be decoded. They are in no batch. */
  readonly undecodable: number;
  /** How many of these were outside the filter. Native code removed them. */
  readonly rejected: number;
  /** How many of these came twice because several sockets shared the dump. The doubles were removed. */
  readonly duplicates: number;
  /**
   * The parts of the filter that the kernel applied before it sent, by its release. A distribution may have brought
   * more to an older one.
   */
  readonly kernelFilter: readonly KernelFilterPart[];
  /** Sockets that the dump used. */
  readonly sockets: number;
  /** How a dump on several sockets was split; empty for one socket. */
  readonly split: string;
  /** Flows without counters: made while `nf_conntrack_acct` was 0. */
  readonly withoutCounters: number;
  /**
   * Whether packets are tracked in the namespace. It is looked up when a dump without a filter found nothing:
   * `'none'` explains why. The families may differ: `trackingState` has each.
   */
  readonly tracking?: 'active' | 'none' | 'unknown';
  /** Comes with `tracking`: the state of each family, how it was found, and what was found. */
  readonly trackingState?: TrackingState;
}

/** Of a batch that was made: the kernel sent none of it. */
export const madeStats: RawDumpStats = {
  ...{ messages: 0, undecodable: 0, rejected: 0, duplicates: 0, kernelFilter: 0, sockets: 0 },
};

/** Of several batches: the counts added up, and of the rest what holds for all. */
export function joinedStats(all: readonly BatchStats[]): BatchStats {
  const sum = (name: 'messages' | 'undecodable' | 'rejected' | 'duplicates' | 'sockets') =>
    all.reduce((total, stats) => total + stats[name], 0);
  const splits = new Set(all.map(({ split }) => split));
  return {
    messages: sum('messages'),
    undecodable: sum('undecodable'),
    rejected: sum('rejected'),
    duplicates: sum('duplicates'),
    kernelFilter: (all[0]?.kernelFilter ?? []).filter((part) =>
      all.every(({ kernelFilter }) => kernelFilter.includes(part)),
    ),
    sockets: sum('sockets'),
    split: splits.size === 1 ? [...splits].join() : '',
    withoutCounters: all.reduce((total, stats) => total + stats.withoutCounters, 0),
  };
}

const bothCounters = has.origCounters | has.replyCounters;

/** How many rows have no counters. */
export function withoutCounters(store: ColumnStore): number {
  const presence = store.column('presence');
  let without = 0;
  for (let row = 0; row < store.rows; row++) {
    if ((presence[row]! & bothCounters) !== bothCounters) without++;
  }
  return without;
}

export function batchStats(
  stats: RawDumpStats,
  split = '',
  withoutCounters = 0,
  tracking?: TrackingState,
): BatchStats {
  return {
    messages: stats.messages,
    undecodable: stats.undecodable,
    rejected: stats.rejected,
    duplicates: stats.duplicates,
    kernelFilter: kernelFilterBits.flatMap(([part, bit]) =>
      stats.kernelFilter & bit ? [part] : [],
    ),
    sockets: stats.sockets,
    split,
    withoutCounters,
    ...(tracking && { tracking: tracking.state, trackingState: tracking }),
  };
}

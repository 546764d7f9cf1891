// How a batch was obtained.
import type { RawDumpStats } from '../../native/binding.js';
import type { TrackingState } from '../host/tracking.js';

/** Parts of a filter that the kernel applied before sending. */
export type KernelFilterPart = 'family' | 'mark' | 'status' | 'zone' | 'orig' | 'reply';
const kernelFilterParts: KernelFilterPart[] = ['family', 'mark', 'status', 'zone', 'orig', 'reply'];

/** How a batch was obtained. */
export interface BatchStats {
  /** Flows that the kernel sent. */
  messages: number;
  /** Of these, messages that could not be decoded: they are in no batch. */
  undecodable: number;
  /** Of these, flows outside the filter that the check in native code removed. */
  rejected: number;
  /** Of these, doubles that were removed where several sockets shared a dump. */
  duplicates: number;
  /** Which parts of the filter the kernel applied as a pre-filter. */
  kernelFilter: KernelFilterPart[];
  /** Sockets that the dump used. */
  sockets: number;
  /** How a dump on several sockets was split, empty for one socket. */
  split: string;
  /** Flows without counters: made while `nf_conntrack_acct` was 0. */
  withoutCounters: number;
  /**
   * Whether packets are tracked in the namespace; looked up when a dump without a filter found nothing.
   * `'none'` explains the emptiness. The families may differ: `trackingState` has each.
   */
  tracking?: 'active' | 'none' | 'unknown';
  /** With `tracking`: each family, how it was found, what was found. */
  trackingState?: TrackingState;
}

export function batchStats(stats: RawDumpStats, split = '', withoutCounters = 0): BatchStats {
  return {
    messages: stats.messages,
    undecodable: stats.undecodable,
    rejected: stats.rejected,
    duplicates: stats.duplicates,
    kernelFilter: kernelFilterParts.filter((_, bit) => (stats.kernelFilter >> bit) & 1),
    sockets: stats.sockets,
    split,
    withoutCounters,
  };
}

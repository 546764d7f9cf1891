// The counts of an event stream, and what a person should know about it.
import { describeErrno } from '../../errno.js';
import type { RawEventStats } from '../../native/binding.js';

/** Counts and circumstances of an event stream. `received + lost` is what the kernel had to say. */
export interface EventStats {
  /** Events read: `delivered + queued + filtered + undecodable + discarded`. */
  received: number;
  /** Events that the consumer was given. */
  delivered: number;
  /** Events that wait to be taken. */
  queued: number;
  /** Events outside the filter that the kernel had let through: see `kernelFilter`. */
  filtered: number;
  /** Events that could not be decoded; they are in no batch. */
  undecodable: number;
  /** Events that were read, or waited, when the stream was closed without `drain`. */
  discarded: number;
  /** Events that nobody will see: `lostInKernel + lostInQueue`. */
  lost: number;
  /**
   * Dropped by the kernel because the receive buffer was full: its own count, exact. With a filter that
   * the kernel applies, only events that pass it. In reliable mode these are attempts that the kernel
   * makes up for: see `reliable`. (An event for which the kernel found no memory at all is in no count
   * of its.)
   */
  lostInKernel: number;
  /** Dropped because `queue.maxEvents` waited already. */
  lostInQueue: number;
  /** Effective bytes of the socket's receive buffer; an event takes about 1280 of them. */
  receiveBuffer: number;
  /**
   * What the kernel does of the filter: `'none'` (none was given), `'exact'` (it sends nothing else),
   * `'partial'` (the rest is left to this process), `'unused'` (all of it is: `hints` says why).
   */
  kernelFilter: 'none' | 'exact' | 'partial' | 'unused';
  /**
   * `net.netfilter.nf_conntrack_events` of the namespace when the stream was opened: 0 off, 1 on, 2 for
   * flows that are made while something listens. Absent where it cannot be read.
   */
  eventsSysctl?: 0 | 1 | 2;
  /**
   * Flows that were in the table when the stream was opened. With `eventsSysctl` 2 those that were made
   * while nothing listened never report an update or their end.
   */
  entriesAtOpen?: number;
  /** What a person should know or could do: a capped buffer, events that are off, flows that stay silent. */
  hints: string[];
}

const kernelFilters = ['none', 'exact', 'partial', 'unused'] as const;

/** What the counts of native code do not say. */
interface Circumstances {
  /** Bytes of receive buffer that were asked for. */
  asked: number;
  /** Whether it listens to the later news of a flow, which an older flow may never send. */
  later: boolean;
  /** What was found when it was opened. */
  hints: readonly string[];
  /** Events that were taken from native code and wait here for the consumer. */
  unyielded: number;
  /** Events that the end of the stream threw away. */
  dropped: number;
}

export function eventStats(raw: RawEventStats, stream: Circumstances): EventStats {
  const { asked, later, unyielded, dropped } = stream;
  const discarded = raw.discarded + dropped;
  const delivered = raw.delivered - unyielded - dropped;
  const queued = raw.queued + unyielded;
  const kernelFilter = kernelFilters[raw.kernelFilter]!;
  const { eventsSysctl, entries, receiveBuffer } = raw;
  const hints = [...stream.hints];
  if (receiveBuffer < asked) {
    hints.push(
      `the receive buffer is ${receiveBuffer} bytes instead of ${asked}: above net.core.rmem_max it needs ` +
        'CAP_NET_ADMIN in the initial user namespace',
    );
  }
  if (kernelFilter === 'unused') {
    const why =
      raw.kernelFilterErrno === 0
        ? 'the filter is too large for a program in the kernel'
        : `the kernel refused the filter's program (${describeErrno(raw.kernelFilterErrno).code}; net.core.optmem_max limits its size)`;
    hints.push(`${why}: every event is read and tested in this process`);
  }
  if (eventsSysctl === 0) {
    hints.push(
      'net.netfilter.nf_conntrack_events is 0: the kernel sends no events; conntrack.configure({ events: 1 })',
    );
  }
  if (eventsSysctl === 2 && entries > 0 && later) {
    hints.push(
      `net.netfilter.nf_conntrack_events is 2: of the ${entries} flows that were there already, those made while ` +
        'nothing listened never report an update or their end; conntrack.configure({ events: 1 }) before flows are made',
    );
  }
  return {
    received: delivered + queued + raw.filtered + raw.undecodable + discarded,
    delivered,
    queued,
    filtered: raw.filtered,
    undecodable: raw.undecodable,
    discarded,
    lost: raw.lostInKernel + raw.lostInQueue,
    lostInKernel: raw.lostInKernel,
    lostInQueue: raw.lostInQueue,
    receiveBuffer,
    kernelFilter,
    ...(eventsSysctl >= 0 && eventsSysctl <= 2 ? { eventsSysctl: eventsSysctl as 0 | 1 | 2 } : {}),
    ...(entries >= 0 ? { entriesAtOpen: entries } : {}),
    hints,
  };
}

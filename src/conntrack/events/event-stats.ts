// The counts of an event stream, and what a person should know about it.
import { describeErrno } from '../../errno.js';
import type { RawEventStats } from '../../native/binding.js';
import { kernelFilterState } from '../../native/numbers.js';

/** Counts and circumstances of an event stream. `received + lost` is all that the kernel had for it. */
export interface EventStats {
  /** Events read: `delivered + queued + filtered + undecodable + discarded`. */
  readonly received: number;
  /** Events that the consumer got. */
  readonly delivered: number;
  /** Events that wait to be taken. */
  readonly queued: number;
  /** Events that the option `own` leaves out, and those outside the filter that the kernel let through: `kernelFilter`. */
  readonly filtered: number;
  /** Events that could not be decoded. They are in no batch. */
  readonly undecodable: number;
  /** Events that were under way to the consumer when the stream was closed without `drain`. */
  readonly discarded: number;
  /** Events that are lost: `lostInKernel + lostInQueue`. */
  readonly lost: number;
  /**
   * Events that the kernel dropped because the receive buffer was full. This is the kernel's own count, and exact.
   * With a filter that the kernel applies, it counts only events that pass the filter. In reliable mode it counts
   * attempts that the kernel makes up for: see `reliable`. (The kernel does not count an event for which it found
   * no memory at all.)
   */
  readonly lostInKernel: number;
  /** Events that were dropped because `queue.maxEvents` waited already. */
  readonly lostInQueue: number;
  /** The effective size of the socket's receive buffer in bytes. An event takes about 1280 of them. */
  readonly receiveBuffer: number;
  /**
   * What the kernel does of the filter. `'none'`: no filter was given. `'exact'`: it sends nothing else. `'partial'`:
   * this process does the rest. `'unused'`: this process does all of it, and `hints` says why.
   */
  readonly kernelFilter: 'none' | 'exact' | 'partial' | 'unused';
  /**
   * `net.netfilter.nf_conntrack_events` of the namespace when the stream was opened: 0 off, 1 on, 2 for
   * flows that are made while something listens. Absent where it cannot be read.
   */
  readonly eventsSysctl?: 0 | 1 | 2;
  /**
   * Flows that were in the table when the stream was opened. With `eventsSysctl` 2, flows that were made while
   * nothing listened never report an update or their end.
   */
  readonly entriesAtOpen?: number;
  /** What a person should know or could do: a capped buffer, events that are off, flows that stay silent. */
  readonly hints: readonly string[];
}

const kernelFilters: Readonly<Record<number, EventStats['kernelFilter']>> = {
  [kernelFilterState.none]: 'none',
  [kernelFilterState.exact]: 'exact',
  [kernelFilterState.partial]: 'partial',
  [kernelFilterState.notUsed]: 'unused',
};

/** What native code does not know. */
interface Circumstances {
  /** Bytes of receive buffer that were asked for. */
  asked: number;
  /** Whether the stream listens to the later news of flows. An older flow may never send them. */
  later: boolean;
  /** Hints that were found when the stream was opened. */
  hints: readonly string[];
  /** Of the events that native code kept: those that the consumer got. */
  delivered: number;
  /** Of them too: those that were found to be malformed when it was their turn. */
  malformed: number;
  /** The stream has ended: the consumer gets no more of them. */
  ended: boolean;
}

export function eventStats(raw: RawEventStats, stream: Circumstances): EventStats {
  const { asked, later, delivered, malformed } = stream;
  const left = raw.kept - delivered - malformed;
  const [queued, discarded] = stream.ended ? [0, left] : [left, 0];
  const undecodable = raw.undecodable + malformed;
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
    received: raw.kept + raw.filtered + raw.undecodable,
    delivered,
    queued,
    filtered: raw.filtered,
    undecodable,
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

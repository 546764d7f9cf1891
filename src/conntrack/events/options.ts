// Options that streams of flows and of expectations have in common: their type and checks.
import {
  booleanAt,
  type Fields,
  integerAt,
  listAt,
  oneOf,
  optionsAt,
  signalAt,
} from '../../checks.js';
import { badRange } from '../../errors.js';
import type { RawEventOptions } from '../../native/binding.js';
import { eventKind, ownWanted } from '../../native/numbers.js';
import type { EventType } from './event-batch.js';

/** What bounds the memory of a queue. */
export interface QueueOptions {
  /**
   * How many events may wait for a consumer that is slower than the kernel (1 to 16777216, default 262144; a
   * flow takes about 120 bytes). Further events are dropped and counted.
   */
  maxEvents?: number | undefined;
}

/** Options that streams of flows and of expectations have in common. */
export interface StreamOptions {
  /**
   * Bytes of receive buffer that the kernel may fill while this process does not read (4096 to 1 GiB, default
   * 32 MiB: about 26,000 events). It costs memory only while events wait. With CAP_NET_ADMIN in the initial user
   * namespace the size is forced, else net.core.rmem_max caps it; `stats` has the effective size and a hint.
   */
  receiveBuffer?: number | undefined;
  /** The queue between the thread that reads the socket and the consumer. */
  queue?: QueueOptions | undefined;
  /**
   * NETLINK_BROADCAST_ERROR (kernel 2.6.30): the kernel keeps what it could not deliver. It sends the end of a flow
   * again until it arrives, and adds other news of a flow to its next event. A full queue stops the reading
   * instead of dropping events. This has a price: ended flows that wait take kernel memory (only
   * `dump(…, { list: 'dying' })` shows them), one slow reader makes them wait for the whole namespace, other
   * listeners see events twice, and `lost` counts attempts that the kernel makes up for, not events. Default false.
   */
  reliable?: boolean | undefined;
  /**
   * NETLINK_LISTEN_ALL_NSID (kernel 4.2): also events of every other network namespace that has an id in this one
   * (`ip netns set`), marked by `event.nsid`. Needs CAP_NET_BROADCAST in the user namespaces that own them.
   * Namespaces without an id are not heard: `stats.hints` names those that there were at the opening, and
   * `namespaces()` lists all. Default false.
   */
  allNamespaces?: boolean | undefined;
  /**
   * `false`: without the events that requests of this process have caused, so that two programs that write what they
   * hear from each other do not echo. `true`: only these. Default: all. What is left out is counted in
   * `stats.filtered`. An event of which this is not known is no own one. `undefined` is
   * refused. See {@link FlowEvent.own}.
   */
  own?: boolean;
  /** Ends the stream at once. Only `close({ drain: true })` lets its reader have what it has received. */
  signal?: AbortSignal | undefined;
}

const typeBits: Record<EventType, number> = eventKind;
const defaultReceiveBuffer = 32 << 20;
const defaultMaxEvents = 262_144;
const commonFields = [
  'receiveBuffer',
  'queue',
  'reliable',
  'allNamespaces',
  'own',
  'signal',
] as const;

/** The bits of the event types that are wanted. */
export function typesAt(types: unknown, allowed: readonly EventType[], path: string): number {
  if (types === undefined) return allowed.reduce((bits, type) => bits | typeBits[type], 0);
  const list = listAt(types, path, 'an array of event types');
  if (list.length === 0) throw badRange(path, 'at least one event type', 'none');
  return list.reduce(
    (bits: number, type, i) => bits | typeBits[oneOf(type, `${path}[${i}]`, allowed)],
    0,
  );
}

/** Checks the options that all streams have. `fields` has the others, which the caller checks. */
export function streamOptions(
  options: unknown,
  particular: readonly string[],
): {
  raw: Pick<RawEventOptions, 'receiveBuffer' | 'maxEvents' | 'reliable' | 'allNamespaces' | 'own'>;
  signal: AbortSignal | undefined;
  fields: Fields;
} {
  // These choose events: undefined would mean all of them.
  const choosing = [...particular, 'own'];
  const fields = optionsAt(options, 'options', new Set([...choosing, ...commonFields]), choosing);
  const {
    receiveBuffer = defaultReceiveBuffer,
    queue = {},
    reliable = false,
    allNamespaces = false,
    own,
  } = fields;
  const queueFields = optionsAt(queue, 'options.queue', new Set(['maxEvents']));
  const { maxEvents = defaultMaxEvents } = queueFields;
  return {
    raw: {
      receiveBuffer: integerAt(receiveBuffer, 'options.receiveBuffer', 4096, 2 ** 30),
      maxEvents: integerAt(maxEvents, 'options.queue.maxEvents', 1, 2 ** 24),
      reliable: booleanAt(reliable, 'options.reliable'),
      allNamespaces: booleanAt(allNamespaces, 'options.allNamespaces'),
      own:
        own === undefined
          ? ownWanted.all
          : booleanAt(own, 'options.own')
            ? ownWanted.onlyOwn
            : ownWanted.notOwn,
    },
    signal: signalAt(fields.signal, 'options.signal'),
    fields,
  };
}

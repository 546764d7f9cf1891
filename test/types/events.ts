// The types of events and expectations. This file is compiled and never run, like flows.ts.
import {
  Conntrack,
  type ConntrackEvent,
  conntrack,
  EventBatch,
  type EventOptions,
  type EventStats,
  type EventType,
  type ExpectationInit,
  type FlowEvent,
  type Overrun,
  type StreamHandle,
} from 'conntrack';
import type { Equal, Is } from './equal.js';

declare const signal: AbortSignal | undefined;

/** A batch is made of events, of plain ones and of losses. Their types are those of the batch. */
export function made(event: FlowEvent<'new'>, lost: Overrun, batch: EventBatch): void {
  const { flow } = event;
  const one: EventBatch<'new'> = EventBatch.of([
    event,
    { type: 'new', flow, nsid: 3, portid: 7, own: true },
    lost,
  ]);
  const whose: boolean | undefined = event.own;
  const port: number = event.portid;
  conntrack.events({ own: false });
  conntrack.expectations.events({ own: true });
  // @ts-expect-error: undefined would mean all events
  conntrack.events({ own: undefined });
  void [whose, port];
  EventBatch.of(batch.events());
  EventBatch.of([
    { type: 'destroy', flow: { protocol: 89, src: '::1', dst: '::2' }, timestamp: 5n },
  ]);
  // @ts-expect-error: flows are no events
  EventBatch.of([flow]);
  // @ts-expect-error: there is no such type
  EventBatch.of([{ type: 'gone', flow }]);
  // @ts-expect-error: every event has a flow
  EventBatch.of([{ type: 'new' }]);
  void one;
}

/** The types that the options name are the types of the events. */
export async function ends(): Promise<void> {
  const stream = conntrack.events({ types: ['destroy'], signal });
  for await (const event of stream) {
    if (event.type === 'overrun') {
      const lost: Overrun = event;
      const count: number = event.lost;
      void [lost, count];
      continue;
    }
    const kind: 'destroy' = event.type;
    const duration: bigint | undefined = event.duration;
    void [kind, duration, event.flow.stop];
    // @ts-expect-error: the stream has no such events
    if (event.type === 'new') return;
    // @ts-expect-error: results are read-only
    event.type = 'destroy';
  }
  for await (const batch of stream.batches()) {
    const first: FlowEvent<'destroy'> | undefined = batch.event(0);
    const whole: EventBatch = batch;
    void [first, whole];
  }
}

type EventOf<S> = S extends AsyncIterable<infer E> ? E : never;
const all = conntrack.events();
const two = conntrack.events({ types: ['new', 'update'] });
declare const types: readonly EventType[];
const unsure = conntrack.events({ types });
export const events: [
  Is<Equal<EventOf<typeof all>, ConntrackEvent>>,
  Is<Equal<EventOf<typeof two>, FlowEvent<'new' | 'update'> | Overrun>>,
  Is<Equal<EventOf<typeof unsure>, ConntrackEvent>>,
] = [true, true, true];

/** A stream of some types can be used as a stream of any type. */
const handles: StreamHandle[] = [all, two, conntrack.expectations.events()];
const later: EventOptions = { queue: undefined, receiveBuffer: undefined, reliable: undefined };
void [handles, later];
// @ts-expect-error: undefined would mean all types
conntrack.events({ types: undefined });
// @ts-expect-error: undefined would mean all flows
conntrack.events({ filter: undefined });
// @ts-expect-error: no such type
conntrack.events({ types: ['overrun'] });
// @ts-expect-error: undefined would mean the namespace of this process
Conntrack.open({ netns: undefined });
Conntrack.open({ receiveBuffer: undefined });

declare const stats: EventStats;
// @ts-expect-error: results are read-only
stats.hints.push('');
// @ts-expect-error: results are read-only
stats.lost = 0;

/** Expectations, in the same way. */
export async function expectations(): Promise<void> {
  for await (const event of conntrack.expectations.events({ types: ['new'] })) {
    if (event.type === 'overrun') continue;
    const kind: 'new' = event.type;
    const again: ExpectationInit | typeof event.expectation = event.expectation;
    void [kind, again];
    await conntrack.expectations.create(event.expectation);
  }
  // @ts-expect-error: undefined would mean all
  await conntrack.expectations.flush({ helper: undefined });
  // @ts-expect-error: undefined would mean those of all flows
  await conntrack.expectations.list({ master: undefined });
}

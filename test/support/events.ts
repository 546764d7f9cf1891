// Makes a known number of events, and reads streams up to a point that a test wants.
import {
  type ConntrackEvent,
  conntrack,
  type EventStream,
  type FlowEvent,
} from '../../src/index.js';
import { awaited } from './awaited.js';
import { cProgram } from './c-program.js';
import { Netns } from './netns.js';
import { Child } from './process.js';

export interface MakeOptions {
  count: number;
  /** Number of the first flow, a multiple of 64. Default 0. */
  from?: number;
  /** Also deletes the flows again. Default true. */
  remove?: boolean;
  netns?: Netns;
}

/** Makes flows at full speed, and deletes them again. Resolves with the number of events. */
export async function makeEvents(options: MakeOptions): Promise<{ new: number; destroy: number }> {
  const { count, from = 0, remove = true, netns = Netns.current } = options;
  const maker = cProgram('event_maker', { folder: 'bench/baseline' });
  const words = [maker, '--count', String(count), '--from', String(from)];
  const child = Child.start(netns.argv(remove ? [...words, '--delete'] : words));
  const report = JSON.parse((await child.finish()).at(-1) ?? '') as {
    created: number;
    deleted: number;
  };
  return { new: report.created, destroy: report.deleted };
}

/** Keeps the events of a stream. `until` waits until they satisfy a condition. */
export class Collector {
  readonly events: FlowEvent[] = [];
  /** All events in order, also overruns. */
  readonly all: ConntrackEvent[] = [];
  lost = { kernel: 0, queue: 0 };
  /** Settles when the stream has ended. Rejects if it failed. */
  readonly ended: Promise<void>;
  #wake = () => {};

  constructor(readonly stream: EventStream) {
    this.ended = this.#run();
  }

  async #run(): Promise<void> {
    for await (const event of this.stream) {
      this.all.push(event);
      if (event.type === 'overrun') this.lost[event.source] += event.lost;
      else this.events.push(event);
      this.#wake();
    }
    this.#wake();
  }

  async until(enough: (events: readonly FlowEvent[]) => boolean): Promise<readonly FlowEvent[]> {
    while (!enough(this.events)) {
      if (this.stream.closed)
        throw new Error(`the stream ended after ${this.events.length} events`);
      const more = new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      await awaited(`another event after ${this.events.length}`, more);
    }
    return this.events;
  }

  /** Waits for `count` events and removes them from the list. */
  async take(count: number): Promise<FlowEvent[]> {
    await this.until((events) => events.length >= count);
    return this.events.splice(0, count);
  }
}

/** The events that the table of this namespace tells while `make` runs. */
export async function eventsDuring(make: () => Promise<unknown>): Promise<FlowEvent[]> {
  const stream = conntrack.events();
  await make();
  await stream.close({ drain: true });
  const seen: FlowEvent[] = [];
  for await (const event of stream) if (event.type !== 'overrun') seen.push(event);
  return seen;
}

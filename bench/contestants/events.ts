// A consumer of conntrack events in a process of its own. A request opens a stream and begins to read it (or
// does not, for `slow`); the next one waits for what it has come to.
import { conntrack, type EventStream } from '../../src/index.js';
import { serve } from '../lib/contestant.js';
import { memory, resetPeak } from '../lib/process-memory.js';

export type Way = 'each' | 'batches' | 'slow';

type Request =
  | { open: Way; maxEvents?: number }
  /** Waits for that many events, received or lost. */
  | { finish: number };

export interface Finished {
  received: number;
  lostInKernel: number;
  lostInQueue: number;
  /** From the opening of the stream to its last event, of all threads of the process. */
  cpu_ns: number;
  /** Highest resident memory since the opening, above what it was then. */
  peakBytes: number;
  /** CLOCK_MONOTONIC at which each event was there, of `each`, where there are few. */
  arrivals: number[];
}

const fewEvents = 20_000;

let stream: EventStream | undefined;
let way: Way = 'each';
let reading: Promise<void> | undefined;
let cpu = process.cpuUsage();
let resident = 0;
let expected = Number.POSITIVE_INFINITY;
let received = 0;
let lost = { kernel: 0, queue: 0 };
let arrivals: number[] = [];

async function readEach(from: EventStream): Promise<void> {
  const keep = arrivals;
  for await (const event of from) {
    if (event.type === 'overrun') lost[event.source] += event.lost;
    else {
      received++;
      if (received <= fewEvents) keep.push(Number(process.hrtime.bigint()));
    }
    if (received + lost.kernel + lost.queue >= expected) return;
  }
}

async function readBatches(from: EventStream): Promise<void> {
  for await (const batch of from.batches()) {
    received += batch.length;
    if (batch.overrun) lost[batch.overrun.source] += batch.overrun.lost;
    if (received + lost.kernel + lost.queue >= expected) return;
  }
}

function open(request: { open: Way; maxEvents?: number }): object {
  way = request.open;
  received = 0;
  lost = { kernel: 0, queue: 0 };
  arrivals = [];
  expected = Number.POSITIVE_INFINITY;
  globalThis.gc?.();
  resident = resetPeak();
  const { maxEvents } = request;
  stream = conntrack.events(maxEvents === undefined ? {} : { queue: { maxEvents } });
  cpu = process.cpuUsage();
  reading = way === 'each' ? readEach(stream) : way === 'batches' ? readBatches(stream) : undefined;
  return {};
}

/** Until the stream has heard of all: kept by its thread, or counted as lost. */
async function heard(from: EventStream, count: number): Promise<void> {
  for (;;) {
    const { received: read, lost: missed } = from.stats;
    if (read + missed >= count) return;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

async function finish(count: number): Promise<Finished> {
  const from = stream!;
  expected = count;
  if (way === 'slow') {
    await heard(from, count);
    await readEach(from);
  } else if (received + lost.kernel + lost.queue < count) {
    // If all events are here already, `reading` would wait for another one.
    await reading;
  }
  const { user, system } = process.cpuUsage(cpu);
  const { peak } = memory();
  await from.close();
  return {
    received,
    lostInKernel: lost.kernel,
    lostInQueue: lost.queue,
    cpu_ns: (user + system) * 1000,
    peakBytes: peak - resident,
    arrivals: received <= fewEvents ? arrivals : [],
  };
}

await serve<Request>((request) => ('open' in request ? open(request) : finish(request.finish)));

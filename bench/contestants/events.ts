// A consumer of conntrack events in its own process. A request opens a stream and starts to read it (except
// for `slow`). The next request waits for the events and answers with what was measured.
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
  /** Processor time of all threads of the process, from the opening of the stream to its last event. */
  cpu_ns: number;
  /** How much more memory than at the opening was resident, at the highest. */
  peakBytes: number;
  /** For `each` and few events: when each event arrived (CLOCK_MONOTONIC). */
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

/** Waits until the stream knows of all events: its thread has kept them, or has counted them as lost. */
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

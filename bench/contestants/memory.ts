// Measures what one piece of work does to the memory and to the event loop of a process that has done nothing
// else. A request names the work and the probe. A process gets one request, and then it ends.
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { conntrack } from '../../src/index.js';
import { serve } from '../lib/contestant.js';
import { memory, resetPeak } from '../lib/process-memory.js';

type Work = 'dump' | 'batches' | 'parse';

type Request =
  | { memory: Work }
  /** The longest time in which the event loop stood still: during the work, or in so many idle milliseconds. */
  | { stall: Work | number };

export interface MemoryTaken {
  rows: number;
  /** More than was resident before: at the highest, and after the work, while its result is still held. */
  peakBytes: number;
  heldBytes: number;
}

export interface StallTaken {
  ns: number;
  /** The longest gap between two calls of `setImmediate`. */
  longestNs: number;
  /** The same by the histogram of perf_hooks, whose timer has a resolution of 1 ms. */
  delayNs: number;
}

async function work(name: Work): Promise<{ rows: number; held: unknown }> {
  if (name === 'dump') {
    const batch = await conntrack.dump();
    return { rows: batch.length, held: batch };
  }
  if (name === 'parse') {
    const { spawnAndParse } = await import('../lib/peers.js');
    const { flows } = await spawnAndParse();
    return { rows: flows.length, held: flows };
  }
  let rows = 0;
  for await (const batch of conntrack.dumpBatches()) rows += batch.length;
  return { rows, held: undefined };
}

/** Collects garbage, so that earlier garbage is not in the measurement. */
function collect(): void {
  if (globalThis.gc === undefined) throw new Error('the bench of memory runs with --expose-gc');
  globalThis.gc();
}

async function memoryOf(name: Work): Promise<MemoryTaken> {
  collect();
  const before = resetPeak();
  const { rows, held } = await work(name);
  const { peak } = memory();
  collect();
  const { resident } = memory();
  return { rows, peakBytes: peak - before, heldBytes: held === undefined ? 0 : resident - before };
}

async function stallOf(what: Work | number): Promise<StallTaken> {
  collect();
  const histogram = monitorEventLoopDelay({ resolution: 1 });
  let running = true;
  let longest = 0;
  let last = process.hrtime();
  // Numbers only: a bigint in every turn would cause garbage collections that the dump does not cause.
  const probe = () => {
    const [seconds, nanoseconds] = process.hrtime(last);
    const gap = seconds * 1e9 + nanoseconds;
    if (gap > longest) longest = gap;
    last = process.hrtime();
    if (running) setImmediate(probe);
  };
  // The probe runs for a while first, so that its compilation is not in the measurement.
  setImmediate(probe);
  await new Promise((resolve) => setTimeout(resolve, 200));
  longest = 0;
  histogram.enable();
  const began = process.hrtime.bigint();
  if (typeof what === 'number') await new Promise((resolve) => setTimeout(resolve, what));
  else await work(what);
  const ns = Number(process.hrtime.bigint() - began);
  running = false;
  histogram.disable();
  return { ns, longestNs: longest, delayNs: histogram.max };
}

// Loads the addon and the code first, because that is no part of the cost of a dump.
await conntrack.dump({ mark: 0x7fff_fff1 });
for await (const _ of conntrack.dumpBatches({ mark: 0x7fff_fff1 }));

await serve<Request>((request) =>
  'memory' in request ? memoryOf(request.memory) : stallOf(request.stall),
);

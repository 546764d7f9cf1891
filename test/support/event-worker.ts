// A worker that reads its own event stream. It posts `ready`, then the number of events so far (including lost ones)
// whenever it grows. It closes the stream on any message, and ends with its counts.
import { parentPort } from 'node:worker_threads';
import { conntrack } from '../../src/index.js';

export interface EventWorkerReport {
  events: number;
  lost: number;
  received: number;
  delivered: number;
  counted: number;
}

const stream = conntrack.events();
parentPort!.once('message', () => void stream.close());
parentPort!.postMessage('ready');
let events = 0;
let lost = 0;
for await (const batch of stream.batches()) {
  events += batch.length;
  lost += batch.overrun?.lost ?? 0;
  parentPort!.postMessage(events + lost);
}
const { received, delivered, lost: counted } = stream.stats;
parentPort!.postMessage({ events, lost, received, delivered, counted } satisfies EventWorkerReport);

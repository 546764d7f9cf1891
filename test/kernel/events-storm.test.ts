// Event streams with more events than a program can read. Events received plus events counted as lost are all events,
// and never more wait in memory than the limit allows.
import { Worker } from 'node:worker_threads';
import { conntrack, type EventStream } from '../../src/index.js';
import { until } from '../support/awaited.js';
import type { EventWorkerReport } from '../support/event-worker.js';
import { Collector, makeEvents } from '../support/events.js';
import { assert, suite } from '../support/harness.js';
import { Netns } from '../support/netlab.js';

const test = suite('event storm');

function eventWorker(): Worker {
  return new Worker(new URL('../support/worker.mjs', import.meta.url), {
    workerData: { file: new URL('../support/event-worker.ts', import.meta.url).href },
  });
}

test.before(() => Netns.current.conntrackSysctls({ events: 1 }));

/** The counts of a stream add up to the number of events that were made. */
function accounted(stream: EventStream, produced: number): void {
  const { stats } = stream;
  const text = JSON.stringify(stats);
  assert.is(stats.received + stats.lost, produced, text);
  assert.is(stats.lost, stats.lostInKernel + stats.lostInQueue, text);
  const parts = stats.delivered + stats.queued + stats.filtered + stats.undecodable;
  assert.is(parts + stats.discarded, stats.received, text);
  assert.is(stats.undecodable, 0, text);
}

/** Waits until the stream's thread has read all that the kernel has for it. */
async function settled(stream: EventStream, produced: number): Promise<void> {
  await until(`${produced} events`, () => stream.stats.received + stream.stats.lost >= produced);
}

test('500,000 flows at full speed, each event handed to JavaScript', async () => {
  const stream = conntrack.events();
  const seen = { new: 0, update: 0, destroy: 0 };
  let lost = 0;
  const ids = new Map<number, number>();
  const reader = (async () => {
    for await (const event of stream) {
      if (event.type === 'overrun') {
        lost += event.lost;
        continue;
      }
      seen[event.type]++;
      // A sample of flows is followed by id, to see that each NEW has its DESTROY.
      const { id } = event.flow;
      if (id % 64 === 0) ids.set(id, (ids.get(id) ?? 0) + (event.type === 'new' ? 1 : -1));
    }
  })();
  let produced = 0;
  for (let run = 0; run < 5; run++) {
    const made = await makeEvents({ count: 100_032, from: run * 100_032 });
    produced += made.new + made.destroy;
  }
  await settled(stream, produced);
  await until('all is delivered', () => stream.stats.queued === 0);
  accounted(stream, produced);
  await stream.close();
  await reader;
  assert.is(produced, 2 * 500_160);
  accounted(stream, produced);
  assert.is(seen.new + seen.destroy + lost, produced);
  assert.is(seen.update, 0);
  assert.is(lost, stream.stats.lost);
  if (lost === 0) assert.ok([...ids.values()].every((left) => left === 0));
  process.stdout.write(`500,160 flows: ${lost} of ${produced} events lost\n`);
});

test('a kernel buffer that is far too small: each loss is reported with its exact number', async () => {
  const stream = conntrack.events({ receiveBuffer: 8192 });
  const collector = new Collector(stream);
  const made = await makeEvents({ count: 20_032 });
  const produced = made.new + made.destroy;
  await settled(stream, produced);
  await until('all is delivered', () => stream.stats.queued === 0);
  await stream.close();
  await collector.ended;
  accounted(stream, produced);
  assert.ok(stream.stats.lostInKernel > 0, 'the kernel dropped nothing: the test shows nothing');
  assert.equal(collector.lost, { kernel: stream.stats.lostInKernel, queue: 0 });
  assert.is(collector.events.length + collector.lost.kernel, produced);
});

test('a consumer that sleeps: bounded memory, events in order, every loss reported', async () => {
  const maxEvents = 500;
  const stream = conntrack.events({ queue: { maxEvents }, types: ['new'] });
  let most = 0;
  let events = 0;
  let lost = 0;
  let batches = 0;
  const reader = (async () => {
    for await (const batch of stream.batches()) {
      batches++;
      events += batch.length;
      lost += batch.overrun?.lost ?? 0;
      assert.ok(batch.length <= maxEvents);
      if (batch.overrun) assert.is(batch.overrun.type, 'overrun');
      for (let i = 0; i < 5; i++) {
        most = Math.max(most, stream.stats.queued);
        await new Promise((resolve) => setTimeout(resolve, 2));
      }
    }
  })();
  const made = await makeEvents({ count: 50_048 });
  await settled(stream, made.new);
  await until('all is delivered', () => stream.stats.queued === 0);
  await stream.close();
  await reader;
  accounted(stream, made.new);
  assert.is(events + lost, made.new);
  assert.ok(stream.stats.lostInQueue > 0 && batches > 1);
  assert.ok(most <= maxEvents, `${most} events waited`);
});

test('a consumer that stops: the queue fills to its limit, and the other events are counted in their place', async () => {
  const maxEvents = 1000;
  const stream = conntrack.events({ queue: { maxEvents } });
  const made = await makeEvents({ count: 100_032 });
  const produced = made.new + made.destroy;
  await settled(stream, produced);
  accounted(stream, produced);
  assert.is(stream.stats.queued, maxEvents);
  assert.is(stream.stats.received, maxEvents);
  // It reads again: first the queued events, then the report of the loss, then new events.
  const collector = new Collector(stream);
  await collector.until((events) => events.length === maxEvents);
  await until('the loss is told', () => collector.all.at(-1)?.type === 'overrun');
  const later = await makeEvents({ count: 64, from: 200_064 });
  await collector.until((events) => events.length === maxEvents + later.new + later.destroy);
  const kinds = collector.all.map(({ type }) => type);
  const overruns = collector.all.filter(({ type }) => type === 'overrun');
  const lost = collector.lost.kernel + collector.lost.queue;
  assert.is(lost, produced - maxEvents);
  if (collector.lost.kernel === 0) {
    assert.is(overruns.length, 1);
    assert.is(kinds.indexOf('overrun'), maxEvents);
  }
  await stream.close();
  await collector.ended;
  accounted(stream, produced + later.new + later.destroy);
});

test('a consumer that never reads: memory stays within the limit of the queue', async () => {
  const stream = conntrack.events({ queue: { maxEvents: 50_000 } });
  global.gc?.();
  const before = process.memoryUsage().rss;
  let produced = 0;
  for (let run = 0; run < 4; run++) {
    const made = await makeEvents({ count: 64_000, from: run * 64_000 });
    produced += made.new + made.destroy;
  }
  await settled(stream, produced);
  accounted(stream, produced);
  assert.is(stream.stats.queued, 50_000);
  // 512,000 events would need 60 MB, the 50,000 need 6.
  const grown = process.memoryUsage().rss - before;
  assert.ok(grown < 32 << 20, `${grown} bytes more`);
  await stream.close();
  assert.is(stream.stats.queued, 0);
  assert.is(stream.stats.discarded, 50_000);
  accounted(stream, produced);
});

test('breaking out of the loop while events wait: they are discarded and counted', async () => {
  const stream = conntrack.events();
  const made = await makeEvents({ count: 20_032 });
  const produced = made.new + made.destroy;
  await settled(stream, produced);
  let seen = 0;
  for await (const event of stream) {
    if (event.type !== 'overrun' && ++seen === 12_345) break;
  }
  assert.is(stream.closed, true);
  assert.is(stream.stats.delivered, 12_345);
  assert.is(stream.stats.queued, 0);
  assert.is(stream.stats.discarded, stream.stats.received - 12_345);
  accounted(stream, produced);
});

test('breaking out of the loop in a storm leaves other streams alone', async () => {
  const other = conntrack.events();
  const stream = conntrack.events();
  const storm = makeEvents({ count: 50_048 });
  let seen = 0;
  for await (const batch of stream.batches()) {
    seen += batch.length;
    if (seen > 1000) break;
  }
  const made = await storm;
  const produced = made.new + made.destroy;
  assert.is(stream.stats.delivered, seen);
  assert.ok(stream.stats.received + stream.stats.lost <= produced);
  await settled(other, produced);
  accounted(other, produced);
  await other.close();
});

test('several streams at once: each counts for itself', async () => {
  const streams = [
    conntrack.events(),
    conntrack.events({ types: ['new'], queue: { maxEvents: 100 } }),
    conntrack.events({ types: ['destroy'], receiveBuffer: 8192 }),
    conntrack.events({ filter: { protocol: 'udp' } }),
    conntrack.events({ filter: { protocol: 'tcp' } }),
  ];
  const collectors = streams.map((stream) => new Collector(stream));
  const made = await makeEvents({ count: 40_000 });
  const both = made.new + made.destroy;
  await settled(streams[0]!, both);
  await settled(streams[1]!, made.new);
  await settled(streams[2]!, made.destroy);
  const total = (stream: EventStream) => stream.stats.received + stream.stats.lost;
  await until('both protocols', () => total(streams[3]!) + total(streams[4]!) >= both);
  for (const stream of streams) await stream.close();
  for (const collector of collectors) await collector.ended;
  accounted(streams[0]!, both);
  accounted(streams[1]!, made.new);
  accounted(streams[2]!, made.destroy);
  assert.is(total(streams[3]!) + total(streams[4]!), both);
  assert.ok(total(streams[3]!) > 0 && total(streams[4]!) > 0);
});

test('a stream per worker: each sees everything', async () => {
  const workers = [1, 2, 3].map(() => eventWorker());
  const said = workers.map(() => [] as (string | number | EventWorkerReport)[]);
  const ended = workers.map(
    (worker, i) =>
      new Promise<void>((resolve, reject) => {
        worker.on('message', (message) => said[i]!.push(message));
        worker.on('error', reject);
        worker.on('exit', () => resolve());
      }),
  );
  await until('workers listen', () => said.every((list) => list.length > 0));
  const made = await makeEvents({ count: 30_016 });
  const produced = made.new + made.destroy;
  await until('workers have all', () => said.every((list) => list.at(-1) === produced));
  for (const worker of workers) worker.postMessage('close');
  await Promise.all(ended);
  for (const list of said) {
    const report = list.at(-1) as EventWorkerReport;
    assert.is(report.events + report.lost, produced);
    assert.is(report.received + report.counted, produced);
    assert.is(report.delivered, report.events);
  }
});

test.run();

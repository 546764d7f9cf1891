// close({ drain: true }) of flow and expectation streams loses no event that was received: not in the kernel's
// buffer, not in the queue, and not in the batch that is being read. close() without it reports exactly how many
// events it dropped.
// Kernels: linux, memory
import type { EventStream, ExpectationStream, FlowEvent } from '../../src/index.js';
import { until } from '../support/awaited.js';
import { makeEvents } from '../support/events.js';
import { assert, suite, throws } from '../support/harness.js';
import { conntrack, memory, openTable, sysctls } from '../support/table.js';

const suiteOf = suite('draining event streams');
const done = { done: true, value: undefined };

suiteOf.before(() => sysctls({ events: 1 }));

/** A case that empties the table first. */
function test(name: string, run: () => Promise<void>): void {
  suiteOf(name, async () => {
    await conntrack.flush();
    await run();
  });
}

const flow = (port: number) => ({
  protocol: 'udp' as const,
  orig: { src: '10.9.9.9', dst: '10.9.9.8', srcPort: port, dstPort: 53 },
  timeout: 600,
});
const flows = (count: number) => Array.from({ length: count }, (_, i) => flow(i + 1));
const upTo = (count: number) => Array.from({ length: count }, (_, i) => i + 1);
const portOf = (event: FlowEvent) => event.flow.orig.srcPort!;

async function ports(stream: EventStream): Promise<number[]> {
  const seen: number[] = [];
  for await (const event of stream) {
    assert.is(event.type, 'new');
    seen.push(portOf(event as FlowEvent));
  }
  return seen;
}

/** The counts of a stream that has ended and lost nothing. */
function counts(stream: EventStream | ExpectationStream) {
  const { received, delivered, queued, discarded, lost } = stream.stats;
  return { received, delivered, queued, discarded, lost };
}
const all = (count: number) => ({
  received: count,
  delivered: count,
  queued: 0,
  discarded: 0,
  lost: 0,
});

test('without a reader: the promise settles, and a later reader gets everything', async () => {
  for (const how of ['single', 'batches'] as const) {
    const stream = conntrack.events({ types: ['new'] });
    await conntrack.createMany(flows(5000));
    await stream.close({ drain: true });
    assert.is(stream.closed, true);
    assert.equal(counts(stream), { ...all(5000), delivered: 0, queued: 5000 });
    // Events from now on are not part of the stream.
    await conntrack.create(flow(6000));
    const seen: number[] = [];
    if (how === 'single') seen.push(...(await ports(stream)));
    else for await (const batch of stream.batches()) seen.push(...batch.columns.origSrcPort);
    assert.equal(seen, upTo(5000));
    assert.equal(counts(stream), all(5000));
    assert.equal(await stream.batches().next(), done);
    await conntrack.flush();
  }
});

test('in the middle of a batch, awaited inside the loop: the loop goes on to the last', async () => {
  const stream = conntrack.events({ types: ['new'] });
  await conntrack.createMany(flows(3000));
  let seen = 0;
  for await (const event of stream) {
    assert.is(portOf(event as FlowEvent), ++seen);
    if (seen === 7) await stream.close({ drain: true });
  }
  assert.is(seen, 3000);
  assert.equal(counts(stream), all(3000));

  const batched = conntrack.events({ types: ['destroy'] });
  await conntrack.flush();
  let rows = 0;
  for await (const batch of batched.batches()) {
    rows += batch.length;
    await batched.close({ drain: true });
  }
  assert.is(rows, 3000);
  assert.equal(counts(batched), all(3000));
});

test('a waiting consumer gets the end', async () => {
  const stream = conntrack.events();
  const reader = stream[Symbol.asyncIterator]();
  const waiting = [reader.next(), reader.next(), reader.next()];
  await conntrack.create(flow(1));
  await stream.close({ drain: true });
  const [first, ...rest] = await Promise.all(waiting);
  assert.is(portOf(first!.value as FlowEvent), 1);
  assert.equal(rest, [done, done]);
  assert.equal(counts(stream), all(1));
});

/** A stream whose queue is full. The other events wait in the kernel. */
async function backlog(count: number): Promise<EventStream> {
  const stream = conntrack.events({ types: ['new'], reliable: true, queue: { maxEvents: 10 } });
  await conntrack.createMany(flows(count));
  await until('the queue is full', () => stream.stats.queued === 10);
  return stream;
}

test("events in the kernel's buffer are received, and then drained or counted as discarded", async () => {
  const drained = await backlog(2000);
  await drained.close({ drain: true });
  assert.equal(counts(drained), { ...all(2000), delivered: 0, queued: 2000 });
  assert.equal(await ports(drained), upTo(2000));
  assert.equal(counts(drained), all(2000));
  await conntrack.flush();

  const closed = await backlog(2000);
  await closed.close();
  assert.equal(counts(closed), { ...all(2000), delivered: 0, discarded: 2000 });
  assert.equal(await closed.batches().next(), done);
});

test('in the middle of a storm: the received events are the first ones, without a gap', async () => {
  const stream = conntrack.events({ types: ['new'], receiveBuffer: 2 ** 28 });
  const reading = ports(stream);
  const storm = conntrack.createMany(flows(40_000));
  await until('it has begun', () => stream.stats.received > 1000);
  await stream.close({ drain: true });
  const seen = await reading;
  const { received } = stream.stats;
  assert.is(stream.stats.lost, 0);
  assert.equal(counts(stream), all(received));
  assert.equal(seen, upTo(received));
  assert.is((await storm).created, 40_000);
});

test('losses keep their place: events read plus events lost are all events', async () => {
  const stream = conntrack.events({ types: ['new'], queue: { maxEvents: 100 } });
  const made =
    memory === undefined
      ? await makeEvents({ count: 6400, remove: false })
      : { new: (await conntrack.createMany(flows(6400))).created };
  await until('all are counted', () => stream.stats.received + stream.stats.lost === made.new);
  await stream.close({ drain: true });
  let events = 0;
  let lost = 0;
  for await (const event of stream) {
    if (event.type === 'overrun') lost += event.lost;
    else events++;
  }
  assert.equal([events, lost], [100, made.new - 100]);
  assert.equal(counts(stream), { ...all(100), lost });
});

test('leaving the loop, close() and an abort end a stream that is being drained, and count', async () => {
  const ends: [string, (stream: EventStream, end: AbortController) => unknown][] = [
    ['close', (stream) => stream.close()],
    ['dispose', (stream) => stream[Symbol.dispose]()],
    ['abort', (_, end) => end.abort()],
    ['return', (stream) => stream[Symbol.asyncIterator]().return!()],
  ];
  for (const [name, end] of ends) {
    const controller = new AbortController();
    const stream = conntrack.events({ types: ['new'], signal: controller.signal });
    await conntrack.createMany(flows(500));
    await stream.close({ drain: true });
    assert.is(stream.stats.queued, 500, name);
    await end(stream, controller);
    await stream.close();
    assert.equal(counts(stream), { ...all(500), delivered: 0, discarded: 500 }, name);
    assert.equal(await stream.batches().next(), done, name);
    await conntrack.flush();
  }
  // In the middle of a batch.
  const stream = conntrack.events({ types: ['new'] });
  await conntrack.createMany(flows(500));
  let seen = 0;
  for await (const _ of stream) {
    if (++seen === 5) await stream.close({ drain: true });
    if (seen === 20) break;
  }
  await stream.close();
  assert.equal(counts(stream), { ...all(500), delivered: 20, discarded: 480 });
});

test('after close() there is nothing to drain, also in a second call', async () => {
  const stream = conntrack.events({ types: ['new'] });
  await conntrack.createMany(flows(50));
  await Promise.all([stream.close({ drain: true }), stream.close({ drain: true })]);
  assert.is(stream.stats.queued, 50);
  await Promise.all([stream.close(), stream.close({ drain: true })]);
  assert.equal(await stream.batches().next(), done);
  assert.is(stream.stats.discarded, 50);
});

test('closing the Conntrack does not end a drain', async () => {
  const own = openTable();
  const stream = own.events({ types: ['new'] });
  await conntrack.createMany(flows(400));
  await stream.close({ drain: true });
  await own.close();
  assert.equal(await ports(stream), upTo(400));
  assert.equal(counts(stream), all(400));
});

test('a stream has one reader, also while it is being drained', async () => {
  const stream = conntrack.events({ types: ['new'] });
  await conntrack.create(flow(1));
  const reader = stream[Symbol.asyncIterator]();
  await stream.close({ drain: true });
  await throws(TypeError, /being read already$/, () => stream.batches());
  assert.is(portOf((await reader.next()).value as FlowEvent), 1);
  assert.equal(await reader.next(), done);
});

test('a drained stream without a reader does not leak', async () => {
  const warnings: Error[] = [];
  const listen = (warning: Error) => warnings.push(warning);
  process.on('warning', listen);
  let collected = false;
  const registry = new FinalizationRegistry(() => (collected = true));
  await (async () => {
    const stream = conntrack.events();
    registry.register(stream, 0);
    await conntrack.create(flow(1));
    await stream.close({ drain: true });
  })();
  await until('it is collected', () => {
    global.gc!();
    return collected;
  });
  for (let i = 0; i < 5; i++) await new Promise(setImmediate);
  process.off('warning', listen);
  assert.equal(warnings, []);
});

test('expectations: a drain gives every event that was received', async () => {
  const { expectations } = conntrack;
  const count = 300;
  const master = (port: number) => ({
    protocol: 'tcp' as const,
    orig: { src: '10.9.9.9', dst: '10.9.9.8', srcPort: port, dstPort: 21 },
  });
  await conntrack.createMany(
    upTo(count).map((port) => ({
      ...master(port),
      timeout: 600,
      state: 'ESTABLISHED' as const,
      helper: 'ftp',
    })),
  );
  const expect = (port: number) =>
    expectations.create({
      protocol: 'tcp',
      tuple: { src: '10.9.9.8', dst: '10.9.9.9', srcPort: 0, dstPort: port },
      master: master(port),
    });
  const unread = expectations.events({ types: ['new'] });
  const reliable = expectations.events({
    types: ['new'],
    reliable: true,
    queue: { maxEvents: 10 },
  });
  const dropped = expectations.events({ types: ['new'] });
  await Promise.all(upTo(count).map(expect));
  await Promise.all([unread, reliable].map((stream) => stream.close({ drain: true })));
  await dropped.close();
  await expectations.flush();
  for (const stream of [unread, reliable]) {
    assert.is(stream.stats.queued, count);
    const seen: number[] = [];
    for await (const event of stream) {
      assert.is(event.type, 'new');
      if (event.type !== 'overrun') seen.push(event.expectation.tuple.dstPort!);
    }
    assert.equal(
      seen.sort((a, b) => a - b),
      upTo(count),
    );
    assert.equal(counts(stream), all(count));
  }
  assert.equal(counts(dropped), { ...all(count), delivered: 0, discarded: count });
});

test('wrong options', async () => {
  const stream = conntrack.events();
  for (const bad of [null, 5, 'SIGTERM', []]) {
    await throws(TypeError, /^options: /, () => stream.close(bad as never));
  }
  await throws(TypeError, /^options\.drain: /, () => stream.close({ drain: 1 as never }));
  await throws(TypeError, /^options\.drian: /, () => stream.close({ drian: true } as never));
  assert.is(stream.closed, false);
  await stream.close({ drain: undefined });
  assert.is(stream.closed, true);
});

suiteOf.run();

// The life of an event stream: abort, close, disposal, garbage collection, and the end of its worker and of its
// process, at every step. Nothing is left behind.
import { readdirSync, readFileSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
import { Conntrack, conntrack, type EventStream, type FlowEvent } from '../../src/index.js';
import { addon } from '../../src/native/load.js';
import { until } from '../support/awaited.js';
import { Collector, makeEvents } from '../support/events.js';
import { assert, suite, throws } from '../support/harness.js';
import { Netns } from '../support/netlab.js';
import { Child } from '../support/process.js';

const test = suite('event lifetime');
const index = new URL('../../src/index.ts', import.meta.url).href;
const done = { done: true, value: undefined };

test.before(() => Netns.current.conntrackSysctls({ events: 1 }));

const flow = (port: number) => ({
  protocol: 'udp' as const,
  orig: { src: '10.9.9.9', dst: '10.9.9.8', srcPort: port, dstPort: 53 },
  timeout: 600,
});
async function touch(port: number): Promise<void> {
  await conntrack.create(flow(port));
  await conntrack.delete(flow(port));
}

/** Netlink sockets of this namespace that are in a conntrack group. */
function listeners(): number {
  const rows = readFileSync('/proc/thread-self/net/netlink', 'utf8').trim().split('\n').slice(1);
  return rows.filter((row) => {
    const [, protocol, , groups] = row.trim().split(/\s+/);
    return protocol === '12' && Number.parseInt(groups!, 16) !== 0;
  }).length;
}
const descriptors = () => readdirSync('/proc/self/fd').length;
const threads = () => readdirSync('/proc/self/task').length;

// ---- abort and close ---------------------------------------------------------------------------------

test('a signal that is already aborted gives an ended stream', async () => {
  const stream = conntrack.events({ signal: AbortSignal.abort() });
  assert.is(stream.closed, true);
  assert.equal(await stream[Symbol.asyncIterator]().next(), done);
  await stream.close();
  assert.is(listeners(), 0);
});

test('abort while the consumer waits, in the middle of a batch, and after the end', async () => {
  const waiting = new AbortController();
  const first = conntrack.events({ signal: waiting.signal });
  const next = first[Symbol.asyncIterator]().next();
  waiting.abort();
  assert.equal(await next, done);

  const middle = new AbortController();
  const second = conntrack.events({ signal: middle.signal, types: ['new'] });
  await conntrack.createMany([1, 2, 3, 4].map(flow));
  await until('four wait', () => second.stats.queued === 4);
  let seen = 0;
  for await (const _ of second) if (++seen === 2) middle.abort();
  assert.is(seen, 2);
  await second.close();
  assert.equal([second.stats.delivered, second.stats.discarded], [2, 2]);
  middle.abort();
  await conntrack.flush();

  const late = new AbortController();
  const third = conntrack.events({ signal: late.signal });
  await third.close();
  late.abort();
  assert.equal(await third.batches().next(), done);
  assert.is(listeners(), 0);
});

test('close: while the consumer waits, twice, before the first read', async () => {
  const stream = conntrack.events();
  const reader = stream[Symbol.asyncIterator]();
  const both = [reader.next(), reader.next()];
  const closing = [stream.close(), stream.close()];
  assert.equal(await Promise.all(both), [done, done]);
  await Promise.all(closing);
  assert.is(listeners(), 0);
  await stream.close();

  const unread = conntrack.events();
  await touch(1);
  await unread.close();
  assert.equal(await unread[Symbol.asyncIterator]().next(), done);
  assert.is(unread.stats.received, 2);
  assert.is(unread.stats.discarded, 2);
});

test('return, dispose, asyncDispose, and the end of the Conntrack end the stream', async () => {
  const returned = conntrack.events();
  const reader = returned.batches();
  assert.equal(await reader.return!(), done);
  assert.is(returned.closed, true);
  let escaped: EventStream;
  {
    using stream = conntrack.events();
    escaped = stream;
  }
  assert.is(escaped.closed, true);
  await escaped.close();
  {
    await using stream = conntrack.events();
    escaped = stream;
  }
  assert.is(escaped.closed, true);
  assert.is(listeners(), 0);

  const own = Conntrack.open();
  const of = own.events();
  const next = of[Symbol.asyncIterator]().next();
  await own.close();
  assert.equal(await next, done);
  assert.is(listeners(), 0);
  await throws(Error, /^conntrack events: ERR_NETFILTER_CLOSED/, () => own.events());
});

test("an error in the loop ends the stream and is the caller's", async () => {
  const stream = conntrack.events();
  await touch(2);
  await throws(Error, /^mine$/, async () => {
    for await (const _ of stream) throw new Error('mine');
  });
  assert.is(stream.closed, true);
  assert.is(listeners(), 0);
});

test('hundreds of streams leave no thread, no descriptor and no listener', async () => {
  const round = async () => {
    const streams = Array.from({ length: 20 }, () => conntrack.events());
    const readers = streams.map((stream) => stream.batches().next());
    await touch(3);
    await Promise.all(readers);
    await Promise.all(streams.map((stream) => stream.close()));
  };
  await round();
  global.gc?.();
  const before = descriptors();
  const running = threads();
  for (let i = 0; i < 15; i++) await round();
  global.gc?.();
  // An ended thread is joined when the next one starts, or with the next answer.
  await until('threads have ended', () => threads() <= running);
  await until('descriptors are closed', () => {
    global.gc?.();
    return descriptors() <= before;
  });
  assert.is(listeners(), 0);
});

// ---- collection --------------------------------------------------------------------------------------

test('a stream that is dropped without close(): one warning, and its socket is closed', async () => {
  const warnings: (Error & { code?: string })[] = [];
  const listen = (warning: Error) => warnings.push(warning);
  process.on('warning', listen);
  const controller = new AbortController();
  (() => {
    // A signal and waiting events do not keep the stream alive.
    conntrack.events({ signal: controller.signal });
  })();
  await touch(4);
  assert.is(listeners(), 1);
  await until('the warning', () => {
    global.gc?.();
    return warnings.length > 0;
  });
  await until('the socket is closed', () => listeners() === 0);
  assert.is(warnings[0]!.code, 'CONNTRACK_EVENT_STREAM_LEAK');
  assert.is(warnings[0]!.name, 'ConntrackWarning');

  // A closed stream, a stream whose loop was left, and a stream that is read give no warning.
  const closed = conntrack.events();
  await closed.close();
  for (let i = 0; i < 20; i++) {
    global.gc?.();
    await new Promise(setImmediate);
  }
  process.off('warning', listen);
  assert.is(warnings.length, 1);
});

test('a stream with a waiting reader is not collected', async () => {
  const next = (() =>
    conntrack
      .events({ types: ['new'] })
      [Symbol.asyncIterator]()
      .next())();
  for (let i = 0; i < 20; i++) {
    global.gc?.();
    await new Promise(setImmediate);
  }
  await touch(5);
  const { value } = await next;
  assert.is((value as FlowEvent).flow.orig.srcPort, 5);
  // Nothing holds it now. The test before this one shows what happens then.
  await until('it is collected', () => {
    global.gc?.();
    return listeners() === 0;
  });
});

// ---- processes ---------------------------------------------------------------------------------------

/** Runs a script with the package, and reads its lines. */
function script(body: string): Child {
  const code = `const { conntrack } = await import(${JSON.stringify(index)});
    const say = (text) => process.stdout.write(text + '\\n');\n${body}`;
  return Child.start([
    ...[process.execPath, '--expose-gc', '--import', 'tsx', '--input-type=module', '--eval', code],
  ]);
}

test('an open stream keeps the process alive, an unreferenced one does not', async () => {
  const alive = script(`
    const stream = conntrack.events({ types: ['new'] });
    process.on('beforeExit', () => say('beforeExit'));
    (async () => { for await (const e of stream) say('port ' + e.flow.orig.srcPort); })();
    say('ready');`);
  await alive.line(/^ready$/);
  await touch(6);
  await alive.line(/^port 6$/);
  assert.ok(alive.running);
  assert.is(alive.lines.includes('beforeExit'), false);
  await alive.stop('SIGKILL');

  for (const read of ['', 'stream[Symbol.asyncIterator]().next();']) {
    const gone = script(`const stream = conntrack.events().unref(); ${read} say('ready');`);
    assert.equal(await gone.finish(), ['ready']);
  }
  // ref() again keeps the process alive until the stream is closed.
  const again = script(`
    const stream = conntrack.events().unref().ref();
    process.stdin.once('data', () => { process.stdin.unref(); stream.close(); }).unref?.();
    process.on('beforeExit', () => say('end'));
    say('ready');`);
  await again.line(/^ready$/);
  again.write('x');
  await again.line(/^end$/);
  assert.equal(await again.exited, { code: 0, signal: null });
});

test('the process ends by itself when the stream is closed, and close() can be awaited', async () => {
  const closing = script(`
    const stream = conntrack.events();
    await stream.close();
    say('closed');`);
  assert.equal(await closing.finish(), ['closed']);
});

test("process.exit at every step of a stream's life", async () => {
  const steps = {
    opened: `conntrack.events(); process.exit(7);`,
    waiting: `conntrack.events().batches().next(); setImmediate(() => process.exit(7));`,
    reading: `for await (const b of conntrack.events().batches()) process.exit(7);`,
    full: `const s = conntrack.events({ queue: { maxEvents: 5 } });
           setInterval(() => s.stats.lost > 0 && process.exit(7), 1);`,
    reliable: `const s = conntrack.events({ reliable: true, queue: { maxEvents: 5 } });
           setInterval(() => s.stats.queued === 5 && process.exit(7), 1);`,
    closing: `const s = conntrack.events(); s.close(); process.exit(7);`,
    closed: `const s = conntrack.events(); await s.close(); process.exit(7);`,
    throwing: `process.on('uncaughtException', () => process.exit(7));
           for await (const e of conntrack.events()) setImmediate(() => { throw new Error('x'); });`,
  };
  const children = Object.entries(steps).map(([name, body]) => ({ name, child: script(body) }));
  let stop = false;
  const storm = (async () => {
    while (!stop) await makeEvents({ count: 640 });
  })();
  const endings = await Promise.all(
    children.map(async ({ name, child }) => ({ name, ...(await child.exited) })),
  );
  stop = true;
  await storm;
  assert.equal(
    endings,
    Object.keys(steps).map((name) => ({ name, code: 7, signal: null })),
  );
});

// ---- workers -----------------------------------------------------------------------------------------

const startWorker = () =>
  new Worker(new URL('../support/worker.mjs', import.meta.url), {
    workerData: { file: new URL('../support/event-worker.ts', import.meta.url).href },
  });

test('terminating a worker while it opens, waits, and reads a storm', async () => {
  const mine = conntrack.events({ types: ['new'], filter: { src: '10.9.9.9' } });
  let stop = false;
  const storm = (async () => {
    while (!stop) await makeEvents({ count: 640 });
  })();
  for (let i = 0; i < 8; i++) {
    const worker = startWorker();
    const messages: unknown[] = [];
    worker.on('message', (message) => messages.push(message));
    const step = i % 4;
    if (step === 1) await until('it listens', () => messages.length > 0);
    if (step === 2) await until('it reads', () => messages.length > 2);
    if (step === 3) {
      await until('it reads', () => messages.length > 1);
      worker.postMessage('close');
    }
    await worker.terminate();
  }
  stop = true;
  await storm;
  // The main thread's stream still works, and the workers' sockets are closed.
  await touch(8);
  const collector = new Collector(mine);
  assert.is((await collector.take(1))[0]!.flow.orig.srcPort, 8);
  assert.is(listeners(), 1);
  await mine.close();
  await collector.ended;
});

// ---- native handles ----------------------------------------------------------------------------------

test('the addon refuses objects that are not event streams', async () => {
  const binding = addon();
  for (const value of [undefined, {}, binding.cancelCell(), 5]) {
    for (const name of [
      'ctEventsNext',
      'ctEventsClose',
      'ctEventsHold',
      'ctEventsStats',
    ] as const) {
      await throws(TypeError, /^not an event stream$/, () =>
        (binding[name] as (value: unknown) => unknown)(value),
      );
    }
  }
});

test.run();

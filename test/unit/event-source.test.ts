// Event streams over an addon with scripted answers: events that arrive in the moment of the end, events that cannot
// be decoded, and counts that add up.
import { Buffer } from 'node:buffer';
import { getEventListeners } from 'node:events';
import { EventSource } from '../../src/conntrack/events/event-source.js';
import { EventStream } from '../../src/conntrack/events/event-stream.js';
import { ExpectationStream } from '../../src/conntrack/expectations/expectation-stream.js';
import type { Binding, RawEventStats, RawSegment } from '../../src/native/binding.js';
import { messageHeader } from '../../src/native/numbers.js';
import type { Session } from '../../src/native/session.js';
import { assert, suite, throws } from '../support/harness.js';

const test = suite('event source');
const done = { done: true, value: undefined };

type Answer = RawSegment | null | Promise<RawSegment | null>;

interface Scripted {
  session: Session;
  /** The calls of `ctEventsClose`, by whether they drain. */
  closes: boolean[];
  /** The objects that end together with the session. */
  owned: Set<() => unknown>;
  /** How often the stream asked the addon for more. */
  asked: () => number;
}

/** A stream of an addon that gives these segments, one for each call. */
function scripted(answers: Answer[]): Scripted {
  const stats = {
    ...{ kept: 0, filtered: 0, undecodable: 0, lostInKernel: 0 },
    ...{ lostInQueue: 0, receiveBuffer: 2 ** 30, kernelFilter: 0, kernelFilterErrno: 0 },
    ...{ eventsSysctl: 1, entries: 0 },
  } satisfies RawEventStats;
  const closes: boolean[] = [];
  const owned = new Set<() => unknown>();
  let asked = 0;
  const binding = {
    ctEventsOpen: () => ({}),
    ctEventsNext: () => {
      asked++;
      const answer = answers.shift() ?? null;
      const count = (segment: RawSegment | null) => {
        stats.kept += segment?.events ?? 0;
        return segment;
      };
      return answer instanceof Promise ? answer.then(count) : count(answer);
    },
    ctEventsClose: async (_: unknown, drain: boolean) => {
      closes.push(drain);
    },
    ctEventsHold: () => {},
    ctEventsStats: () => stats,
  };
  const session = {
    sync: <T>(_: string, run: (binding: Binding, handle: never) => T) =>
      run(binding as unknown as Binding, undefined as never),
    own: (close: () => unknown) => {
      owned.add(close);
      return () => owned.delete(close);
    },
    table: () => 'the only one',
  };
  return { session: session as unknown as Session, closes, owned, asked: () => asked };
}

/** A complete attribute. */
function attribute(type: number, ...payload: Buffer[]): Buffer {
  const body = Buffer.concat(payload);
  const bytes = Buffer.alloc(4 + ((body.length + 3) & ~3));
  bytes.writeUInt16LE(4 + body.length, 0);
  bytes.writeUInt16LE(type, 2);
  body.copy(bytes, 4);
  return bytes;
}
const be32 = (value: number) => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
};
const tuple = (type: number, last: number) =>
  attribute(
    type,
    attribute(
      1,
      attribute(1, Buffer.from([10, 0, 0, last])),
      attribute(2, Buffer.from([10, 0, 0, 9])),
    ),
    attribute(2, attribute(1, Buffer.from([17]))),
  );

/** Messages of expectations as the addon returns them. `null` makes a shortened one. */
function messages(...ids: (number | null)[]): RawSegment {
  const parts = ids.map((id) => {
    const payload =
      id === null
        ? Buffer.from([2, 0, 0, 0, 9])
        : Buffer.concat([
            Buffer.from([2, 0, 0, 0]),
            ...[1, 2, 3].map((type) => tuple(type, type)),
            attribute(5, be32(id)),
          ]);
    const header = Buffer.alloc(messageHeader.bytes);
    header.writeUInt32LE(payload.length, messageHeader.size);
    header.writeInt32LE(-1, messageHeader.nsid);
    header.writeUInt32LE(1, messageHeader.type);
    return Buffer.concat([header, payload, Buffer.alloc(-payload.length & 3)]);
  });
  const bytes = new Uint8Array(Buffer.concat(parts));
  return { events: ids.length, messages: bytes.buffer };
}

const expectationsOf = (answers: Answer[]) => ExpectationStream.open(scripted(answers).session);
const idOf = (value: unknown) => (value as { expectation: { id: number } }).expectation.id;

test('an event that cannot be decoded is counted as undecodable, not as delivered', async () => {
  const stream = expectationsOf([messages(1, null, 2, null, null), messages(null)]);
  const ids: number[] = [];
  for await (const event of stream) ids.push(idOf(event));
  assert.equal(ids, [1, 2]);
  const { received, delivered, undecodable, queued, discarded } = stream.stats;
  assert.equal([received, delivered, undecodable, queued, discarded], [6, 2, 4, 0, 0]);
});

test('a batch that arrives in the moment of close() is discarded, and counted', async () => {
  let arrive: (segment: RawSegment) => void = () => {};
  const pending = new Promise<RawSegment>((resolve) => {
    arrive = resolve;
  });
  const stream = expectationsOf([pending]);
  const next = stream[Symbol.asyncIterator]().next();
  await Promise.resolve();
  arrive(messages(1, 2, 3));
  const closed = stream.close();
  assert.equal(await next, done);
  await closed;
  const { received, delivered, discarded, queued } = stream.stats;
  assert.equal([received, delivered, discarded, queued], [3, 0, 3, 0]);
});

test('an event counts as queued until the consumer gets it', async () => {
  let arrive: (segment: RawSegment) => void = () => {};
  const pending = new Promise<RawSegment>((resolve) => {
    arrive = resolve;
  });
  const stream = expectationsOf([pending]);
  let got = 0;
  const next = stream[Symbol.asyncIterator]().next();
  void next.then(() => got++);
  await Promise.resolve();
  arrive(messages(1, 2, 3));
  const moments: string[] = [];
  while (got === 0) {
    const { received, delivered, queued, discarded } = stream.stats;
    moments.push([received, delivered, queued, discarded].join());
    await Promise.resolve();
  }
  // Three events come from native code to this thread. Then one is taken, and two wait.
  assert.equal([...new Set(moments)], ['0,0,0,0', '3,0,3,0', '3,1,2,0']);
});

test('a batch that arrives in the moment of a drain is read', async () => {
  let arrive: (segment: RawSegment) => void = () => {};
  const pending = new Promise<RawSegment>((resolve) => {
    arrive = resolve;
  });
  const { session, closes } = scripted([pending, messages(4)]);
  const stream = ExpectationStream.open(session);
  const reader = stream[Symbol.asyncIterator]();
  const next = reader.next();
  await Promise.resolve();
  arrive(messages(1, 2, 3));
  await stream.close({ drain: true });
  assert.equal([closes, stream.closed], [[true], true]);
  const ids = [idOf((await next).value)];
  for await (const event of reader) ids.push(idOf(event));
  assert.equal(ids, [1, 2, 3, 4]);
  assert.is(stream.stats.delivered, 4);
  // At the end the native side is closed, once.
  assert.equal(closes, [true, false]);
});

test('close() in the middle of a batch discards the remaining events', async () => {
  const stream = expectationsOf([messages(1, 2, 3, 4)]);
  const reader = stream[Symbol.asyncIterator]();
  await reader.next();
  const { queued, delivered } = stream.stats;
  assert.equal([delivered, queued], [1, 3]);
  await stream.close();
  assert.equal(await reader.next(), done);
  assert.equal([stream.stats.delivered, stream.stats.discarded, stream.stats.queued], [1, 3, 0]);
});

test('a failure of the addon rejects once, and ends the stream', async () => {
  const failure = { errno: 12, operation: 'conntrack events', kind: 'netlink' };
  const { session, closes } = scripted([Promise.reject(failure)]);
  const stream = EventStream.open(session);
  const reader = stream[Symbol.asyncIterator]();
  await throws(Error, /^conntrack events: ENOMEM/, () => reader.next());
  assert.equal(await reader.next(), done);
  assert.equal([stream.closed, closes], [true, [false]]);
});

const options = {
  ...{ kinds: 1, expectations: false, filter: new Uint32Array(0), receiveBuffer: 4096 },
  ...{ maxEvents: 1, reliable: false, allNamespaces: false, own: 0 as const },
};

test('an abort before and after: one close', async () => {
  const controller = new AbortController();
  const { session, closes } = scripted([]);
  const source = new EventSource(session, options, controller.signal);
  await source.drain();
  assert.equal([source.closed, source.ended], [true, false]);
  controller.abort();
  await source.close();
  assert.equal([source.closed, source.ended, closes], [true, true, [true, false]]);
  await source.drain();
  assert.equal(closes, [true, false]);
});

test('a signal that is already aborted ends the stream at once', async () => {
  const { session, closes } = scripted([messages(1)]);
  const source = new EventSource(session, options, AbortSignal.abort());
  assert.is(source.ended, true);
  await source.close();
  assert.equal(closes, [false]);
  assert.is(await source.pull(), null);
});

test('after close() nothing is left to drain, and nothing holds the stream', async () => {
  const { signal } = new AbortController();
  const { session, closes, owned } = scripted([]);
  const source = new EventSource(session, options, signal);
  assert.equal([owned.size, getEventListeners(signal, 'abort').length], [1, 1]);
  await source.close();
  await source.drain();
  assert.equal(closes, [false]);
  assert.equal([owned.size, getEventListeners(signal, 'abort').length], [0, 0]);
});

test('the session forgets a stream that is being drained, and an abort still ends it', async () => {
  const { signal } = new AbortController();
  const { session, owned } = scripted([]);
  const source = new EventSource(session, options, signal);
  await source.drain();
  assert.equal([owned.size, getEventListeners(signal, 'abort').length], [0, 1]);
});

test('a stream has one reader; after the end every caller gets the end', async () => {
  const stream = expectationsOf([messages(1)]);
  const reader = stream[Symbol.asyncIterator]();
  await throws(TypeError, /being read already$/, () => stream[Symbol.asyncIterator]());
  await reader.return!();
  assert.equal(await stream[Symbol.asyncIterator]().next(), done);
});

test('a fast reader in a storm lets the event loop turn, and asks for nothing after close()', async () => {
  const { session, asked } = scripted([messages(1), messages(2), messages(3)]);
  const stream = ExpectationStream.open(session);
  const reader = stream[Symbol.asyncIterator]();
  let turned = false;
  setImmediate(() => {
    turned = true;
  });
  await reader.next();
  assert.is(turned, false);
  await reader.next();
  assert.is(turned, true);
  const next = reader.next();
  await stream.close();
  assert.equal(await next, done);
  assert.is(asked(), 2);
  const { received, delivered } = stream.stats;
  assert.equal([received, delivered], [2, 2]);
});

test.run();

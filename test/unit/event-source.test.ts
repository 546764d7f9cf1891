// Event streams over an addon that answers as the test says: what arrives at the very moment of the end,
// what cannot be decoded, and counts that add up.
import { Buffer } from 'node:buffer';
import { EventSource } from '../../src/conntrack/event-source.js';
import { EventStream } from '../../src/conntrack/event-stream.js';
import { ExpectationStream } from '../../src/conntrack/expectations.js';
import type { Binding, RawEventStats, RawSegment } from '../../src/native/binding.js';
import type { Session } from '../../src/native/session.js';
import { assert, suite, throws } from '../support/harness.js';

const test = suite('event source');
const done = { done: true, value: undefined };

type Answer = RawSegment | null | Promise<RawSegment | null>;

/** A stream of the addon that gives these segments, one for each call. */
function scripted(answers: Answer[]): { session: Session; closes: boolean[] } {
  const stats = {
    ...{ delivered: 0, queued: 0, filtered: 0, undecodable: 0, discarded: 0, lostInKernel: 0 },
    ...{ lostInQueue: 0, receiveBuffer: 2 ** 30, kernelFilter: 0, kernelFilterErrno: 0 },
    ...{ kernelFilterLength: 0, eventsSysctl: 1, entries: 0 },
  } satisfies RawEventStats;
  const closes: boolean[] = [];
  const binding = {
    ctEventsOpen: () => ({}),
    ctEventsNext: () => {
      const answer = answers.shift() ?? null;
      const count = (segment: RawSegment | null) => {
        stats.delivered += segment?.events ?? 0;
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
    own: () => () => {},
    table: () => 'the only one',
  };
  return { session: session as unknown as Session, closes };
}

/** A whole attribute. */
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

/** Messages of expectations as the addon hands them over; null: one that is cut short. */
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
    const header = Buffer.alloc(12);
    header.writeUInt32LE(payload.length, 0);
    header.writeInt32LE(-1, 4);
    header.writeUInt32LE(1, 8);
    return Buffer.concat([header, payload, Buffer.alloc(-payload.length & 3)]);
  });
  const bytes = new Uint8Array(Buffer.concat(parts));
  return { events: ids.length, messages: bytes.buffer };
}

const expectationsOf = (answers: Answer[]) => ExpectationStream.open(scripted(answers).session);
const idOf = (value: unknown) => (value as { expectation: { id: number } }).expectation.id;

test('what cannot be decoded is counted as that, not as delivered', async () => {
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
  // At the end the native side is told, once.
  assert.equal(closes, [true, false]);
});

test('close() in the middle of a batch: what was not given is discarded', async () => {
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

test('an abort before and after: one close', async () => {
  const controller = new AbortController();
  const { session, closes } = scripted([]);
  const options = {
    ...{ kinds: 1, expectations: false, filter: new Uint32Array(0), receiveBuffer: 4096 },
    ...{ maxEvents: 1, reliable: false, allNamespaces: false },
  };
  const source = new EventSource(session, options, controller.signal);
  await source.drain();
  assert.equal([source.closed, source.ended], [true, false]);
  controller.abort();
  await source.close();
  assert.equal([source.closed, source.ended, closes], [true, true, [true, false]]);
  await source.drain();
  assert.equal(closes, [true, false]);
});

test.run();

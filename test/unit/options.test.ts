// The options of every call, in one table. All calls follow the same rule: they refuse unknown options, and option
// objects with a class or their own prototype. They refuse `undefined` if it would choose more than was meant;
// otherwise it is the same as no option. The addon cannot be loaded here, so a good call fails only when it loads the
// addon.
import { EventStream } from '../../src/conntrack/events/event-stream.js';
import { ExpectationStream } from '../../src/conntrack/expectations/expectation-stream.js';
import {
  Conntrack,
  conntrack,
  formatRule,
  Iptables,
  iptables,
  NetfilterError,
  parseRule,
  parseRules,
} from '../../src/index.js';
import { systemNames } from '../../src/iptables/text/host-names.js';
import type { Binding } from '../../src/native/binding.js';
import type { Session } from '../../src/native/session.js';
import { assert, suite, throws } from '../support/harness.js';

process.env.CONNTRACK_ADDON = '/nonexistent/addon.node';

const test = suite('options');

interface Call {
  call: (options: never) => unknown;
  /** Every option, with a good value. */
  good: Record<string, unknown>;
  /** Options that must not be `undefined`. */
  chooses?: readonly string[];
}

const { signal } = new AbortController();
const progress = () => {};
const bulk = { signal, progress };
const dump = { list: 'conntrack', zeroCounters: false, parallel: 1, signal };
const stream = {
  ...{ receiveBuffer: 4096, queue: { maxEvents: 1 }, reliable: true, allNamespaces: true },
  ...{ signal, types: ['new'] },
};
const lock = { lockTimeout: 0, signal };
const sets = { indexOf: () => 0, nameOf: () => 'set' };
const parse = {
  ...{ family: 'ipv4', names: systemNames, sets, maxRevision: () => undefined, table: 'filter' },
  isChain: () => false,
};
const tcp = { protocol: 'tcp', src: '10.0.0.1', dst: '10.0.0.2', srcPort: 1, dstPort: 2 } as const;

async function drain(batches: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of batches);
}

/** Streams of an addon that gives no events, to close them. */
const session = {
  sync: <T>(_: string, run: (binding: Binding, handle: never) => T) =>
    run(
      { ctEventsOpen: () => ({}), ctEventsClose: async () => {} } as unknown as Binding,
      undefined as never,
    ),
  own: () => () => {},
  table: () => 'the only one',
} as unknown as Session;

const calls: Record<string, Call> = {
  'Conntrack.open': {
    call: (options) => Conntrack.open(options),
    good: { netns: process.pid, receiveBuffer: 4096 },
    chooses: ['netns'],
  },
  dump: { call: (options) => conntrack.dump({}, options), good: dump },
  dumpBatches: {
    call: (options) => drain(conntrack.dumpBatches({}, options)),
    good: { ...dump, batchSize: 1 },
  },
  getMany: { call: (options) => conntrack.getMany([tcp], options), good: { signal } },
  createMany: {
    call: (options) => conntrack.createMany([{ ...tcp, timeout: 1 }], options),
    good: bulk,
  },
  upsertMany: {
    call: (options) => conntrack.upsertMany([{ ...tcp, timeout: 1 }], options),
    good: bulk,
  },
  updateMany: {
    call: (options) => conntrack.updateMany([tcp], { mark: 2 }, options),
    good: bulk,
  },
  deleteMany: { call: (options) => conntrack.deleteMany([tcp], options), good: bulk },
  updateWhere: {
    call: (options) => conntrack.updateWhere({ mark: 1 }, { mark: 2 }, options),
    good: bulk,
  },
  deleteWhere: {
    call: (options) => conntrack.deleteWhere({ mark: 1 }, options),
    good: { ...bulk, returning: true },
  },
  flush: { call: (options) => conntrack.flush({ mark: 1 }, options), good: bulk },
  events: {
    call: (options) => conntrack.events(options),
    good: { ...stream, filter: { mark: 1 } },
    chooses: ['filter', 'types'],
  },
  'queue of events': {
    call: (queue) => conntrack.events({ queue }),
    good: { maxEvents: 1 },
  },
  'close of events': {
    call: (options) => EventStream.open(session).close(options),
    good: { drain: false },
  },
  'expectations.list': {
    call: (options) => conntrack.expectations.list(options),
    good: { master: tcp },
    chooses: ['master'],
  },
  'expectations.flush': {
    call: (options) => conntrack.expectations.flush(options),
    good: { helper: 'ftp' },
    chooses: ['helper'],
  },
  'expectations.events': {
    call: (options) => conntrack.expectations.events(options),
    good: stream,
    chooses: ['types'],
  },
  'close of expectation events': {
    call: (options) => ExpectationStream.open(session).close(options),
    good: { drain: false },
  },
  'Iptables.open': {
    call: (options) => Iptables.open(options),
    good: { netns: process.pid, family: 'ipv6', backend: 'legacy' },
    chooses: ['netns'],
  },
  read: { call: (options) => iptables.read('filter', options), good: { signal } },
  save: {
    call: (options) => iptables.save(options),
    good: { tables: ['filter'], counters: true, signal, as: 'bytes' },
    chooses: ['tables'],
  },
  restore: {
    call: (options) => iptables.restore('*filter\nCOMMIT\n', options),
    good: { ...lock, counters: true, noflush: true, test: true },
    chooses: ['noflush', 'test'],
  },
  edit: {
    call: (options) => iptables.edit('filter', () => {}, options),
    good: { ...lock, revertAfter: 1 },
  },
  watch: {
    // It begins when the first value is requested.
    call: (options) => iptables.watch(options)[Symbol.asyncIterator]().next(),
    good: { interval: 10, tables: ['filter'], signal },
    chooses: ['tables'],
  },
  changes: {
    call: async (options) => {
      await iptables.changes(options).close();
    },
    good: { interval: 10, tables: ['filter'], receiveBuffer: 4096, signal },
    chooses: ['tables'],
  },
  parseRule: { call: (options) => parseRule('-p tcp -j ACCEPT', options), good: parse },
  parseRules: { call: (options) => parseRules('-p tcp -j ACCEPT', options), good: parse },
  formatRule: {
    call: (options) => formatRule({ protocol: 'tcp' }, options),
    good: { ...parse, path: 'mine' },
  },
};

async function outcome(call: () => unknown): Promise<unknown> {
  try {
    await call();
    return undefined;
  } catch (error) {
    return error;
  }
}

for (const [name, { call, good, chooses = [] }] of Object.entries(calls)) {
  const from = name.startsWith('queue') ? 'options.queue' : 'options';
  const path = from.replaceAll('.', '\\.');
  const give = (options: unknown) => outcome(() => call(options as never));
  const refused = async (options: unknown, says: string) => {
    const error = await give(options);
    assert.instance(error, TypeError, `${name}: ${String(error)}`);
    assert.match((error as Error).message, new RegExp(`^${path}${says}`));
  };
  const taken = async (options: unknown) => {
    const error = await give(options);
    const far =
      error === undefined || (error instanceof NetfilterError && /addon/.test(`${error}`));
    assert.ok(far, `${name}: ${String(error)}`);
  };

  test(`${name}: unknown options, and values that are not an object of options`, async () => {
    for (const value of [null, 1, 'x', true, [], [good], () => {}]) await refused(value, ': ');
    await refused({ ...good, nonesuch: 1 }, '\\.nonesuch: there is no such field');
    await refused({ nonesuch: undefined }, '\\.nonesuch: there is no such field');
    // Some code would see options of a prototype, and other code would not.
    await refused(Object.create(good), ': .*of no class');
    await refused(Object.assign(Object.create({ x: 1 }), good), ': .*of no class');
    class Options {
      constructor() {
        Object.assign(this, good);
      }
    }
    await refused(new Options(), ': .*of no class');
    const [field] = Object.keys(good) as [string];
    const hidden = Object.defineProperty({}, field, { value: good[field], enumerable: false });
    await refused(hidden, `\\.${field}: is not enumerable`);
  });

  test(`${name}: good options, and undefined ones`, async () => {
    // Without options it flushes all. Undefined options are refused.
    if (name === 'expectations.flush') await refused(undefined, ': is undefined');
    else await taken(undefined);
    await taken({});
    await taken(good);
    await taken(Object.assign(Object.create(null), good));
    for (const field of Object.keys(good)) {
      if (chooses.includes(field)) {
        await refused({ ...good, [field]: undefined }, `\\.${field}: is undefined`);
        await refused({ [field]: undefined }, `\\.${field}: is undefined`);
      } else {
        await taken({ ...good, [field]: undefined });
      }
    }
  });

  test(`${name}: every option is read once, in the call`, async () => {
    const reads: Record<string, number> = {};
    const options = {};
    for (const [field, value] of Object.entries(good)) {
      reads[field] = 0;
      Object.defineProperty(options, field, {
        enumerable: true,
        get() {
          reads[field]!++;
          return value;
        },
      });
    }
    const made = outcome(() => call(options as never));
    const now = { ...reads };
    await made;
    assert.equal(now, Object.fromEntries(Object.keys(good).map((field) => [field, 1])));
    assert.equal(reads, now);
  });
}

test('options of rule texts: each has its own kind of value', async () => {
  const bad = {
    family: [null, 4, 'inet', ''],
    names: [null, 1, 'host', () => {}],
    sets: [null, 1, 'x'],
    maxRevision: [null, 1, {}],
    table: [null, 1, 'x'.repeat(32)],
    isChain: [null, true, 'x'],
    path: [null, 1, 'x'.repeat(257)],
  };
  for (const [name, values] of Object.entries(bad)) {
    for (const value of values) {
      const options = { [name]: value } as never;
      const says = new RegExp(`^options\\.${name}: `);
      await throws(Error, says, () => formatRule({ protocol: 'tcp' }, options));
      await throws(Error, says, () => formatRule(parseRule('-p tcp') as never, options));
      if (name === 'path') continue;
      await throws(Error, says, () => parseRule('-p tcp', options));
      await throws(Error, says, () => parseRules('-p tcp', options));
    }
  }
  // If a function is missing in the object, the call fails at once, not in the middle of a rule.
  for (const [field, whole] of Object.entries({ names: systemNames, sets })) {
    for (const name of Object.keys(whole)) {
      for (const lacking of [undefined, null, 'x']) {
        const options = { [field]: { ...whole, [name]: lacking } } as never;
        const says = new RegExp(`^options\\.${field}\\.${name}: expected a function, got `);
        await throws(TypeError, says, () => parseRule('-p tcp', options));
        await throws(TypeError, says, () => formatRule({ protocol: 'tcp' }, options));
      }
    }
  }
  // The same as no option, also if the default is not undefined.
  const options = { family: undefined, names: undefined } as never;
  assert.equal(parseRule('-p igmp --dst 10.0.0.1', options), parseRule('-p igmp -d 10.0.0.1'));
  assert.is(formatRule({ protocol: 'tcp', src: '::1' }, options), '-s ::1/128 -p tcp');
  await throws(TypeError, /^mine\.nonesuch: /, () =>
    formatRule({ nonesuch: 1 } as never, { path: 'mine' }),
  );
});

test.run();

// Who has caused an event: its port id, whether that is a socket of this process, and two gateways that follow each
// other.
import { Worker } from 'node:worker_threads';
import {
  Conntrack,
  conntrack,
  type EventOptions,
  type ExpectationEvent,
  type FlowEvent,
} from '../../src/index.js';
import { awaited, until } from '../support/awaited.js';
import { Collector, eventsDuring, makeEvents } from '../support/events.js';
import { init, master } from '../support/expectations.js';
import { assert, suite, throws } from '../support/harness.js';
import { Netns } from '../support/netlab.js';
import { python } from '../support/python.js';

const test = suite('own events');
const here = Netns.current;

const flow = (port: number) => ({
  protocol: 'udp' as const,
  orig: { src: '10.9.9.9', dst: '10.9.9.8', srcPort: port, dstPort: 53 },
  timeout: 600,
});
const told = ({ type, flow: { orig }, own }: FlowEvent) => `${type} ${orig.srcPort} ${own}`;
/** Makes or deletes flow(port) by conntrack(8), which is another process. */
const other = (netns: Netns, command: '-I' | '-D' | '-U', port: number) =>
  netns.exec(
    ...['conntrack', command, '-p', 'udp', '-s', '10.9.9.9', '-d', '10.9.9.8'],
    ...['--sport', String(port), '--dport', '53', ...(command === '-D' ? [] : ['-t', '600'])],
  );

test.before(() => here.conntrackSysctls({ events: 1 }));

test('every operation of this process is its own, by a port id; a packet and an expiry have none', async () => {
  const events = await eventsDuring(async () => {
    await conntrack.create(flow(1));
    await conntrack.createMany([flow(2), flow(3), flow(4)]);
    await conntrack.update(flow(1), { mark: 7 });
    await conntrack.upsert({ ...flow(1), mark: 8 });
    await conntrack.updateWhere({ srcPort: 2 }, { mark: 9 });
    await conntrack.delete(flow(1));
    await conntrack.deleteWhere({ srcPort: 2 });
    await conntrack.flush({ srcPort: 3 });
    await conntrack.flush();
  });
  assert.equal(events.map(told), [
    ...['new 1 true', 'new 2 true', 'new 3 true', 'new 4 true'],
    ...['update 1 true', 'update 1 true', 'update 2 true'],
    ...['destroy 1 true', 'destroy 2 true', 'destroy 3 true', 'destroy 4 true'],
  ]);
  assert.not(events.some(({ portid }) => portid === 0));
  const json = JSON.parse(JSON.stringify(events[0])) as FlowEvent;
  assert.equal([json.portid, json.own], [events[0]!.portid, true]);
  assert.match(String(new Map([[1, events[0]]]).get(1)!.own), 'true');

  // A dump finds flows that have expired, and the kernel itself deletes them.
  const late = await eventsDuring(async () => {
    await conntrack.create({ ...flow(5), timeout: 1 });
    await until('the flow has expired', async () => (await conntrack.dump()).length === 0);
  });
  assert.equal(
    late.map(({ type, portid, own }) => [type, portid === 0, own]),
    [
      ['new', false, true],
      ['destroy', true, false],
    ],
  );
});

test('requests of other processes: another port id, and not own', async () => {
  const events = await eventsDuring(async () => {
    other(here, '-I', 1);
    await makeEvents({ count: 64, remove: true });
    other(here, '-D', 1);
  });
  assert.is(events.length, 130);
  assert.not(events.some(({ own, portid }) => own !== false || portid === 0));
  const ids = new Set(events.map(({ portid }) => portid));
  assert.is(ids.size, 3); // three programs
});

test('another thread of this process is this process', async () => {
  const events = await eventsDuring(async () => {
    const worker = new Worker(new URL('../support/worker.mjs', import.meta.url), {
      workerData: { file: new URL('../support/own-worker.ts', import.meta.url).href },
    });
    const done = new Promise((resolve) => worker.once('message', resolve));
    assert.is(await awaited('the worker', done), 'done');
    await worker.terminate();
  });
  assert.equal(events.map(told), ['new 7001 true']);
  await conntrack.flush();
});

test('own: false and own: true choose; the rest is counted as filtered', async () => {
  const streams = [conntrack.events({ own: false }), conntrack.events({ own: true })] as const;
  await conntrack.create(flow(1));
  other(here, '-I', 2);
  await conntrack.flush();
  const [others, mine] = await Promise.all(
    streams.map(async (stream) => {
      await stream.close({ drain: true });
      const seen: string[] = [];
      for await (const event of stream) seen.push(told(event as FlowEvent));
      return seen;
    }),
  );
  assert.equal(others, ['new 2 false']);
  // The flush is ours, whoever made the flow.
  assert.equal(mine!.sort(), ['destroy 1 true', 'destroy 2 true', 'new 1 true']);
  assert.equal(
    streams.map(({ stats }) => [stats.received, stats.delivered, stats.filtered]),
    [
      [4, 1, 3],
      [4, 3, 1],
    ],
  );
  const wrong = (own: unknown) => () => conntrack.events({ own } as EventOptions);
  await throws(TypeError, /options\.own/, wrong(undefined));
  await throws(TypeError, /options\.own/, wrong(1));
});

test('a socket that is closed before its events are read is still own', async () => {
  const stream = conntrack.events({ reliable: true, queue: { maxEvents: 1 } });
  for (let port = 1; port <= 20; port++) {
    const table = Conntrack.open();
    await table.create(flow(port));
    await table.close();
  }
  await stream.close({ drain: true });
  const seen: string[] = [];
  for await (const event of stream) seen.push(told(event as FlowEvent));
  assert.equal(
    seen,
    Array.from({ length: 20 }, (_, i) => `new ${i + 1} true`),
  );
  await conntrack.flush();
});

test('columns of batches have the port ids, and whose they are', async () => {
  const stream = conntrack.events();
  await conntrack.create(flow(1));
  other(here, '-D', 1);
  await stream.close({ drain: true });
  const rows: [number, boolean][] = [];
  for await (const batch of stream.batches()) {
    const { own, portid } = batch.columns;
    for (let i = 0; i < batch.length; i++) rows.push([own[i]!, portid[i] === 0]);
  }
  assert.equal(rows, [
    [1, false],
    [0, false],
  ]);
});

test('all namespaces: the same port id means another socket in each', async () => {
  using named = Netns.create();
  using foreign = Netns.create();
  here.ip('netns', 'set', named.name!, '5');
  here.ip('netns', 'set', foreign.name!, '6');
  for (const netns of [named, foreign]) netns.conntrackSysctls({ events: 1 });
  const everywhere = new Collector(conntrack.events({ allNamespaces: true }));
  const others = conntrack.events({ allNamespaces: true, own: false });
  await using inside = Conntrack.open({ netns: named.path });
  await inside.create(flow(1));
  await conntrack.create(flow(2));
  other(foreign, '-I', 3);
  const events = await everywhere.take(3);
  assert.equal(
    events.map((event) => `${told(event)} ${event.nsid}`),
    ['new 1 true 5', 'new 2 true undefined', 'new 3 false 6'],
  );
  await everywhere.stream.close();
  await others.close({ drain: true });
  const seen: string[] = [];
  for await (const event of others) seen.push(told(event as FlowEvent));
  assert.equal(seen, ['new 3 false']);
  await conntrack.flush();
});

/** Flushes a table by a socket that took this port id, as a program in another container may have it. */
const forge = (netns: Netns, port: number) => {
  const flush = "struct.pack('=IHHIIBBH', 20, 0x102, 5, 1, 0, 0, 0, 0)";
  const lines = [
    'import socket, struct, sys',
    's = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 12)',
    's.bind((int(sys.argv[1]), 0))',
    `s.send(${flush})`,
    's.recv(4096)',
  ];
  netns.exec(python, '-c', lines.join('\n'), String(port));
};

test('the port id of another program in another namespace is not own, and is unknown without a socket there', async () => {
  using named = Netns.create();
  using foreign = Netns.create();
  here.ip('netns', 'set', named.name!, '7');
  here.ip('netns', 'set', foreign.name!, '8');
  for (const netns of [named, foreign]) netns.conntrackSysctls({ events: 1 });
  const everywhere = new Collector(conntrack.events({ allNamespaces: true, reliable: true }));
  const others = conntrack.events({ allNamespaces: true, own: false });
  const inside = Conntrack.open({ netns: named.path });
  await inside.createMany([flow(1)]);
  const [made] = await everywhere.take(1);
  const port = made!.portid;
  other(foreign, '-I', 2);
  forge(foreign, port);
  const open = await everywhere.take(2);
  assert.equal(open.map(told), ['new 2 false', 'destroy 2 false']);
  assert.is(open[1]!.portid, port);

  // A reliable stream remembers the port id. Whether 8 is `named` nobody can tell without a socket there.
  await inside.close();
  other(foreign, '-I', 3);
  forge(foreign, port);
  const closed = await everywhere.take(2);
  assert.equal(closed.map(told), ['new 3 false', 'destroy 3 undefined']);
  assert.not('own' in closed[1]!);
  await everywhere.stream.close();
  await others.close({ drain: true });
  const seen: string[] = [];
  for await (const event of others) seen.push(told(event as FlowEvent));
  assert.equal(seen, ['new 2 false', 'destroy 2 false', 'new 3 false', 'destroy 3 undefined']);
});

test('a port id that another program takes later is not own', async () => {
  const stream = new Collector(conntrack.events());
  const table = Conntrack.open();
  await table.create(flow(1));
  const [made] = await stream.take(1);
  assert.is(made!.own, true);
  await table.close();
  // The stream reads its socket empty once after the close.
  for (const command of ['-U', '-D', '-I'] as const) {
    other(here, command, 1);
    await stream.take(1);
  }
  forge(here, made!.portid);
  const [last] = await stream.take(1);
  assert.equal([told(last!), last!.portid], ['destroy 1 false', made!.portid]);
  await stream.stream.close();
});

test('expectations: the same fields, and the same option', async () => {
  await conntrack.create(master(1));
  const stream = conntrack.expectations.events();
  const others = conntrack.expectations.events({ own: false });
  await conntrack.expectations.create(init(1, 5001));
  here.exec('conntrack', '-F', 'expect');
  const seen = async (events: AsyncIterable<ExpectationEvent>) => {
    const list: unknown[] = [];
    for await (const event of events) {
      if (event.type !== 'overrun') list.push([event.type, event.own, event.portid === 0]);
    }
    return list;
  };
  await stream.close({ drain: true });
  await others.close({ drain: true });
  assert.equal(await seen(stream), [
    ['new', true, false],
    ['destroy', false, false],
  ]);
  assert.equal(await seen(others), [['destroy', false, false]]);
  assert.is(others.stats.filtered, 1);
  await conntrack.flush();
});

/** Two tables, each of which writes what it hears into the other. */
class Pair implements AsyncDisposable {
  readonly names = [Netns.create(), Netns.create()] as const;
  readonly tables: readonly [Conntrack, Conntrack];
  /** All events of each table. */
  readonly heard: readonly [Collector, Collector];
  readonly #ends: (() => Promise<void>)[] = [];
  /** Writes that were made because of an event. */
  writes = 0;

  constructor(options: EventOptions, most: number) {
    for (const netns of this.names) netns.conntrackSysctls({ events: 1 });
    const [a, b] = this.names.map(({ path }) => Conntrack.open({ netns: path }));
    this.tables = [a!, b!];
    this.heard = [new Collector(a!.events()), new Collector(b!.events())];
    for (const [from, to] of [
      [a!, b!],
      [b!, a!],
    ] as const) {
      const stream = from.events(options);
      const following = (async () => {
        for await (const event of stream) {
          if (event.type === 'overrun' || ++this.writes > most) break;
          if (event.type === 'destroy') await to.delete(event.flow);
          else await to.upsert(event.flow);
        }
      })();
      this.#ends.push(async () => {
        await stream.close({ drain: true });
        await following;
      });
    }
  }

  /** Lets each of the two read what is there, and write because of it, until nobody has anything to write. */
  async settle(): Promise<void> {
    for (const end of this.#ends) await end();
    for (const { stream } of this.heard) await stream.close({ drain: true });
    for (const { ended } of this.heard) await ended;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.settle();
    for (const table of this.tables) await table.close();
    for (const netns of this.names) netns[Symbol.dispose]();
  }
}

test('two gateways that follow each other without own events: one write for each event', async () => {
  await using pair = new Pair({ own: false }, 100);
  const [a, b] = pair.names;
  other(a, '-I', 1);
  await pair.heard[1].until((events) => events.length === 1);
  other(b, '-I', 2);
  await pair.heard[0].until((events) => events.length === 2);
  other(a, '-D', 2);
  await pair.heard[1].until((events) => events.length === 3);
  await pair.settle();
  assert.is(pair.writes, 3);
  assert.equal(pair.heard[0].events.map(told), ['new 1 false', 'new 2 true', 'destroy 2 false']);
  assert.equal(pair.heard[1].events.map(told), ['new 1 true', 'new 2 false', 'destroy 2 true']);
});

test('with own events they echo without end', async () => {
  await using pair = new Pair({}, 50);
  other(pair.names[0], '-I', 1);
  await until('echoes', () => pair.writes > 50);
});

test.run();

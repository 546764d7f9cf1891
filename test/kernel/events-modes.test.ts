// Events that the kernel keeps, hides or refuses, and what a stream reports about that: reliable mode, all
// namespaces, nf_conntrack_events, capped buffers, missing privileges.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import {
  Conntrack,
  conntrack,
  type EventOptions,
  type EventStats,
  type EventStream,
  type FlowEvent,
} from '../../src/index.js';
import { until } from '../support/awaited.js';
import { Collector } from '../support/events.js';
import { assert, suite, throws } from '../support/harness.js';
import { Netns } from '../support/netlab.js';
import { Child, run } from '../support/process.js';

const test = suite('event modes');
const own = Netns.current;
const index = new URL('../../src/index.ts', import.meta.url).href;

const flow = (port: number) => ({
  protocol: 'udp' as const,
  orig: { src: '10.9.9.9', dst: '10.9.9.8', srcPort: port, dstPort: 53 },
  timeout: 600,
});
const ports = (count: number, from = 1) => Array.from({ length: count }, (_, i) => flow(from + i));
const portOf = (event: FlowEvent) => event.flow.orig.srcPort!;

/** Runs a script that has `conntrack` and `Conntrack` of the package. Resolves with the JSON that it prints. */
async function script<T>(prefix: readonly string[], body: string): Promise<T> {
  const code = `const { conntrack, Conntrack } = await import(${JSON.stringify(index)});\n${body}`;
  const child = Child.start([
    ...[...prefix, process.execPath, '--import', 'tsx', '--input-type=module'],
    ...['--eval', code],
  ]);
  return JSON.parse((await child.finish()).at(-1) ?? '') as T;
}

test('reliable: no end of a flow is lost, however small the buffer and slow the reader', async () => {
  own.conntrackSysctls({ events: 1 });
  const options: EventOptions = {
    types: ['destroy'],
    receiveBuffer: 8192,
    queue: { maxEvents: 20 },
  };
  const reliable = conntrack.events({ ...options, reliable: true });
  const unreliable = conntrack.events(options);
  const count = 300;
  await conntrack.createMany(ports(count));
  await conntrack.flush();
  // Nobody reads: events that do not fit wait in the kernel, in the list of dying flows.
  await until('the queue is full', () => reliable.stats.queued === 20);
  const dying = await conntrack.dump({ protocol: 'udp' }, { list: 'dying' });
  assert.ok(dying.length > 200, `${dying.length} flows are dying`);
  const collector = new Collector(reliable);
  await collector.until((events) => events.length >= count);
  const seen = new Set(collector.events.map(portOf));
  assert.is(seen.size, count);
  assert.ok(collector.events.every(({ type }) => type === 'destroy'));
  assert.is(reliable.stats.lostInQueue, 0);
  assert.ok(reliable.stats.lostInKernel > 0, 'no attempt failed: the test shows nothing');
  assert.ok(unreliable.stats.queued <= 20);
  await until('nothing is left', async () => {
    return (await conntrack.dump({}, { list: 'dying' })).length === 0;
  });
  await reliable.close();
  await collector.ended;
  await unreliable.close();
});

test('reliable: a change that found no room comes with the next event of the flow', async () => {
  const stream = conntrack.events({ receiveBuffer: 8192, queue: { maxEvents: 1 }, reliable: true });
  const count = 60;
  await conntrack.createMany(ports(count));
  const reader = stream[Symbol.asyncIterator]();
  const seen = new Map<number, string[]>();
  const read = async (enough: () => boolean) => {
    while (!enough()) {
      const { value } = await reader.next();
      if (value!.type === 'overrun') continue;
      const port = portOf(value as FlowEvent);
      seen.set(port, [...(seen.get(port) ?? []), value!.type]);
    }
  };
  await read(() => seen.has(1));
  // The queued events are read. The last change found no room.
  await until('all that was queued is read', async () => {
    if (stream.stats.queued > 0) await read(() => stream.stats.queued === 0);
    return stream.stats.queued === 0 && seen.size + 1 < count;
  });
  assert.is(seen.has(count), false);
  await conntrack.update(flow(count), { timeout: 500 });
  await conntrack.update(flow(count), { timeout: 400 });
  await read(() => (seen.get(count)?.length ?? 0) === 1);
  // The first change also brought the news that the flow was made.
  assert.equal(seen.get(count), ['new']);
  await stream.close();
  await conntrack.flush();
});

test('allNamespaces: events of namespaces that have an id here, with that id', async () => {
  const named = Netns.create();
  const nameless = Netns.create();
  own.ip('netns', 'set', named.name!, '5');
  for (const netns of [named, nameless]) netns.conntrackSysctls({ events: 1 });
  const options = { types: ['new'] } as const;
  const everywhere = conntrack.events({ ...options, allNamespaces: true });
  const here = conntrack.events(options);
  const inside = Conntrack.open({ netns: named.path });
  const outside = Conntrack.open({ netns: nameless.path });
  await outside.create(flow(1));
  await inside.create(flow(2));
  await conntrack.create(flow(3));
  const events = await new Collector(everywhere).take(2);
  assert.equal(
    events.map((event) => [portOf(event), event.nsid]),
    [
      [2, 5],
      [3, undefined],
    ],
  );
  assert.is((JSON.parse(JSON.stringify(events[0])) as { nsid: number }).nsid, 5);
  await here.close();
  await everywhere.close();
  assert.is(here.stats.received, 1);
  assert.is(everywhere.stats.received, 2);
  await inside.close();
  await outside.close();
  named[Symbol.dispose]();
  nameless[Symbol.dispose]();
  await conntrack.flush();
});

test('events of another namespace; they end with its Conntrack', async () => {
  using netns = Netns.create();
  netns.conntrackSysctls({ events: 0 });
  const table = Conntrack.open({ netns: netns.path });
  const before = table.events();
  assert.is(before.stats.eventsSysctl, 0);
  assert.is((await table.configure({ events: 1 })).events, 1);
  const stream = table.events();
  assert.is(stream.stats.eventsSysctl, 1);
  const elsewhere = conntrack.events();
  await table.create(flow(7));
  const collector = new Collector(stream);
  assert.equal((await collector.take(1)).map(portOf), [7]);
  await table.close();
  await collector.ended;
  assert.equal([stream.closed, before.closed, elsewhere.closed], [true, true, false]);
  await elsewhere.close();
  assert.is(elsewhere.stats.received, 0);
});

const hints = (stream: EventStream) => stream.stats.hints.join('\n');

test('nf_conntrack_events: off, automatic with older flows, and on', async () => {
  await conntrack.flush();
  own.conntrackSysctls({ events: 0 });
  const off = conntrack.events();
  assert.is(off.stats.eventsSysctl, 0);
  assert.match(hints(off), /nf_conntrack_events is 0: the kernel sends no events/);
  await conntrack.create(flow(1));
  await conntrack.delete(flow(1));
  await off.close();
  assert.is(off.stats.received, 0);

  // Flow 2 is older than the listener, flow 3 is newer.
  own.conntrackSysctls({ events: 2 });
  await conntrack.create(flow(2));
  const automatic = conntrack.events();
  await conntrack.create(flow(3));
  assert.is(automatic.stats.eventsSysctl, 2);
  assert.is(automatic.stats.entriesAtOpen, 1);
  assert.match(hints(automatic), /of the 1 flows that were there already/);
  await conntrack.delete(flow(3));
  await until('two events', () => automatic.stats.queued >= 2);
  await automatic.close();

  own.conntrackSysctls({ events: 1 });
  await conntrack.flush();
  await conntrack.create(flow(4));
  const on = conntrack.events();
  assert.is(on.stats.eventsSysctl, 1);
  assert.is(on.stats.entriesAtOpen, 1);
  assert.equal(on.stats.hints, []);
  await conntrack.delete(flow(4));
  const collector = new Collector(on);
  assert.equal(
    (await collector.take(1)).map((event) => [event.type, portOf(event)]),
    [['destroy', 4]],
  );
  await on.close();
});

test('the receive buffer: the wanted size, or a smaller one with a hint', async () => {
  const stream = conntrack.events({ receiveBuffer: 1 << 20 });
  assert.is(stream.stats.receiveBuffer, 1 << 20);
  assert.equal(stream.stats.hints, []);
  await stream.close();
  // The root user of its own user namespace gets events, but cannot force the buffer: SO_RCVBUFFORCE needs
  // CAP_NET_ADMIN in the initial one.
  const stats = await script<EventStats>(
    ['unshare', '--user', '--map-root-user', '--net'],
    `const stream = conntrack.events({ receiveBuffer: 2 ** 30 });
     console.log(JSON.stringify(stream.stats));
     await stream.close();`,
  );
  const most = Number(run(['cat', '/proc/sys/net/core/rmem_max']));
  assert.is(stats.receiveBuffer, Math.min(2 ** 30, 2 * most));
  assert.match(
    stats.hints.join(),
    new RegExp(`is ${stats.receiveBuffer} bytes instead of 1073741824: above net.core.rmem_max`),
  );
});

test('without the privilege: a typed error that names it', async () => {
  const report = `const said = (run) => {
      try { run(); return 'opened'; } catch (e) { return [e.name, e.code, e.operation, e.message]; }
    };`;
  const [name, code, operation, message] = await script<string[]>(
    ['setpriv', '--bounding-set=-net_admin'],
    `${report} console.log(JSON.stringify(said(() => conntrack.events())));`,
  );
  assert.equal([name, code, operation], ['NetlinkError', 'EPERM', 'conntrack events']);
  assert.match(message!, /needs CAP_NET_ADMIN/);
  const all = await script<string[]>(
    ['setpriv', '--bounding-set=-net_broadcast'],
    `${report} console.log(JSON.stringify(said(() => conntrack.events({ allNamespaces: true }))));`,
  );
  assert.equal(all.slice(0, 2), ['NetlinkError', 'EPERM']);
  assert.match(all[3]!, /CAP_NET_BROADCAST/);
});

// Each namespace has its own file since 6.8. Before, only the initial namespace has it.
const optmem = '/proc/sys/net/core/optmem_max';
const noOptmem = existsSync(optmem) ? undefined : 'this kernel has no optmem_max by namespace';
test.when(
  noOptmem,
  'a filter program that the kernel has no room for: a hint says so',
  async () => {
    const before = readFileSync(optmem, 'utf8');
    writeFileSync(optmem, '64');
    try {
      const stream = conntrack.events({ filter: { src: '10.9.9.9', nat: 'any' } });
      const { kernelFilter, hints: said } = stream.stats;
      await stream.close();
      assert.is(kernelFilter, 'unused');
      assert.match(said.join(), /refused the filter's program \(ENOMEM; net\.core\.optmem_max/);
    } finally {
      writeFileSync(optmem, before);
    }
  },
);

test('wrong options are refused by name', async () => {
  const bad: [EventOptions | object, new (...args: never[]) => Error, RegExp][] = [
    [{ type: ['new'] }, TypeError, /^options\.type: there is no such field/],
    [{ types: 'new' }, TypeError, /^options\.types: /],
    [{ types: [] }, RangeError, /^options\.types: /],
    [{ types: ['new', 'gone'] }, RangeError, /^options\.types\[1\]: /],
    [{ filter: { dstport: 1 } }, TypeError, /^options\.filter\.dstport: /],
    [{ filter: { dstPort: 65536 } }, RangeError, /^options\.filter\.dstPort: /],
    [{ receiveBuffer: 1 }, RangeError, /^options\.receiveBuffer: /],
    [{ receiveBuffer: '1' }, TypeError, /^options\.receiveBuffer: /],
    [{ queue: 5 }, TypeError, /^options\.queue: /],
    [{ queue: { maxEvents: 0 } }, RangeError, /^options\.queue\.maxEvents: /],
    [{ queue: { max: 1 } }, TypeError, /^options\.queue\.max: /],
    [{ reliable: 1 }, TypeError, /^options\.reliable: /],
    [{ allNamespaces: 'yes' }, TypeError, /^options\.allNamespaces: /],
    [{ signal: {} }, TypeError, /^options\.signal: /],
  ];
  for (const [options, kind, message] of bad) {
    await throws(kind as new () => Error, message, () => conntrack.events(options as EventOptions));
  }
});

test.run();

// MemoryKernel: what a test does to the tables in memory. That they answer requests as the kernel does, the tests in
// test/kernel say.
import {
  ClosedError,
  Conntrack,
  type ConntrackEvent,
  type EventStream,
  type FlowInit,
  NetlinkError,
  type TupleInit,
  UnsupportedError,
} from '../../src/index.js';
import { MemoryKernel, type MemoryPacket } from '../../src/testing/testing.js';
import { assert, suite, throws } from '../support/harness.js';

const test = suite('memory kernel');

const there = { src: '10.0.0.1', srcPort: 40000, dst: '192.0.2.1', dstPort: 443 };
const back = { src: '192.0.2.1', srcPort: 443, dst: '10.0.0.1', dstPort: 40000 };
const tcp = { protocol: 'tcp', ...there } as const;
const udp = (srcPort: number): FlowInit => ({ protocol: 'udp', ...there, srcPort, timeout: 30 });

async function read(stream: EventStream): Promise<ConntrackEvent[]> {
  await stream.close({ drain: true });
  const seen: ConntrackEvent[] = [];
  for await (const event of stream) seen.push(event);
  return seen;
}
const words = (events: readonly ConntrackEvent[]) =>
  events.map((event) =>
    event.type === 'overrun'
      ? `lost ${event.lost}`
      : `${event.type} ${event.flow.state ?? ''}`.trim(),
  );

test('a handle of the package, without the addon', async () => {
  const kernel = new MemoryKernel();
  assert.instance(kernel.conntrack, Conntrack);
  assert.is(kernel.conntrack, kernel.conntrack);
  assert.is.not(kernel.openConntrack(), kernel.conntrack);
  await kernel.openConntrack().create(udp(1));
  assert.is(await kernel.conntrack.count(), 1);
  assert.is(await new MemoryKernel().conntrack.count(), 0);
  const { tracking, nat } = await kernel.conntrack.hooks();
  assert.equal([tracking.ipv4, nat.ipv6], ['active', 'active']);
});

test('packets of TCP: made, answered, established, closed; counters, timeouts, events', async () => {
  const kernel = new MemoryKernel();
  const { conntrack } = kernel;
  await conntrack.configure({ acct: true, timestamp: true });
  const stream = conntrack.events();
  assert.ok(kernel.packet({ ...tcp, bytes: 60 }));
  assert.is((await conntrack.get(tcp))?.timeout, 120);
  kernel.packet({ protocol: 'tcp', ...back, bytes: 60 });
  assert.is((await conntrack.get(tcp))?.timeout, 60);
  kernel.packet({ ...tcp, bytes: 1000n, packets: 10 });
  const flow = (await conntrack.get(tcp))!;
  assert.equal(flow.status, ['seen_reply', 'assured', 'confirmed']);
  assert.equal([flow.state, flow.timeout], ['ESTABLISHED', 432_000]);
  assert.equal([flow.orig.packets, flow.orig.bytes], [11n, 1060n]);
  assert.equal([flow.reply.packets, flow.reply.bytes], [1n, 60n]);
  kernel.advance(7.5);
  assert.is((await conntrack.get(tcp))?.timeout, 431_992);
  kernel.packet({ ...tcp, state: 'CLOSE' });
  kernel.advance(9.999);
  assert.is(await conntrack.count(), 1);
  kernel.advance(0.001);
  assert.is(await conntrack.count(), 0);
  const events = await read(stream);
  assert.equal(words(events), [
    ...['new SYN_SENT', 'update SYN_RECV', 'update ESTABLISHED', 'update CLOSE', 'destroy CLOSE'],
  ]);
  const last = events.at(-1)!;
  assert.ok(last.type === 'destroy' && last.flow.orig.packets === 12n);
  // 17.5 seconds of its clock.
  assert.is(Number(last.duration! / 1_000_000n), 17_500);
});

test('packets of UDP, ICMP and SCTP; a stream is assured after two seconds', async () => {
  const kernel = new MemoryKernel();
  const { conntrack } = kernel;
  const dns = { protocol: 'udp', ...there } as const;
  const answer = { protocol: 'udp', ...back } as const;
  kernel.packet(dns);
  kernel.packet(answer);
  assert.equal((await conntrack.get(dns))?.status, ['seen_reply', 'confirmed']);
  kernel.advance(2);
  kernel.packet(dns);
  const stream = (await conntrack.get(dns))!;
  assert.equal([stream.status.includes('assured'), stream.timeout], [true, 120]);
  await conntrack.configure({ timeouts: { udp: { replied: 500 }, icmp: 7 } });
  kernel.packet(dns);
  assert.is((await conntrack.get(dns))?.timeout, 500);
  const ping = {
    protocol: 'icmp',
    src: '10.0.0.1',
    dst: '10.0.0.2',
    icmpCode: 0,
    icmpId: 5,
  } as const;
  kernel.packet({ ...ping, icmpType: 8 });
  kernel.packet({ ...ping, src: ping.dst, dst: ping.src, icmpType: 0 });
  const echo = (await conntrack.get({ ...ping, icmpType: 8 }))!;
  assert.equal([echo.timeout, echo.status.includes('seen_reply')], [7, true]);
  kernel.packet({ protocol: 'sctp', ...there });
  kernel.packet({ protocol: 'sctp', ...back, state: 'ESTABLISHED' });
  const sctp = (await conntrack.dump({ protocol: 'sctp' })).at(0)!;
  assert.equal([sctp.state, sctp.timeout], ['ESTABLISHED', 210]);
  assert.equal((await conntrack.stats()).total.insert, 0);
});

test('a packet of a translated flow: both tuples find it; a port that is taken is another one', async () => {
  const kernel = new MemoryKernel();
  const { conntrack } = kernel;
  for (const src of ['10.0.0.1', '10.0.0.2']) {
    kernel.packet({ ...tcp, src, nat: { src: '198.51.100.1' } });
  }
  const flows = [...(await conntrack.dump())];
  assert.equal(
    flows.map(({ nat }) => nat?.src),
    [
      { address: '198.51.100.1', port: 40000 },
      { address: '198.51.100.1', port: 40001 },
    ],
  );
  kernel.packet({ protocol: 'tcp', ...back, dst: '198.51.100.1', dstPort: 40001 });
  assert.equal(
    [...(await conntrack.dump())].map(({ state }) => state),
    ['SYN_SENT', 'SYN_RECV'],
  );
  // A port that is asked for and taken: the packet is dropped.
  const taken = { src: { address: '198.51.100.1', port: 40000 } };
  assert.not(kernel.packet({ ...tcp, src: '10.0.0.3', nat: taken }));
  assert.is((await conntrack.stats()).total.drop, 1);
});

test('a packet meets the expectation of a helper', async () => {
  const kernel = new MemoryKernel();
  const { conntrack } = kernel;
  const master = { protocol: 'tcp', ...there, dstPort: 21 } as const;
  await conntrack.create({ ...master, timeout: 600, helper: 'ftp', mark: 9 });
  const data = { src: '192.0.2.1', dst: '10.0.0.1', dstPort: 5001 };
  await conntrack.expectations.create({ protocol: 'tcp', tuple: { ...data, srcPort: 0 }, master });
  kernel.packet({ protocol: 'tcp', ...data, srcPort: 20 });
  const child = (await conntrack.get({ protocol: 'tcp', ...data, srcPort: 20 }))!;
  assert.equal([child.master?.dstPort, child.mark], [21, 9]);
  assert.ok(child.status.includes('expected'));
  assert.equal(await conntrack.expectations.list(), []);
  await conntrack.expectations.create({ protocol: 'tcp', tuple: { ...data, srcPort: 0 }, master });
  kernel.advance(300);
  assert.equal(await conntrack.expectations.list(), []);
  await conntrack.expectations.create({ protocol: 'tcp', tuple: { ...data, srcPort: 0 }, master });
  await conntrack.delete(master);
  assert.equal(await conntrack.expectations.list(), []);
});

test('time: flows expire in the order of their times, each at its own', async () => {
  const kernel = new MemoryKernel({ now: 1_000_000_000_000 });
  const { conntrack } = kernel;
  await conntrack.configure({ timestamp: true });
  const stream = conntrack.events({ types: ['destroy'] });
  await conntrack.create({ ...udp(1), timeout: 50 });
  await conntrack.create({ ...udp(2), timeout: 20 });
  kernel.advance(100);
  assert.is(kernel.now, 1_000_000_100_000);
  const init = udp(3);
  await conntrack.create({ ...init, timeout: 500 });
  const { timeout: _, ...tuple } = init;
  assert.not(await conntrack.delete({ ...(tuple as TupleInit), start: 5n }));
  assert.not(await conntrack.update({ ...(tuple as TupleInit), start: 5n }, { mark: 1 }));
  const { start } = (await conntrack.get(tuple as TupleInit))!;
  assert.ok(await conntrack.update({ ...(tuple as TupleInit), start: start! }, { mark: 1 }));
  const ends = (await read(stream)).map((event) =>
    event.type === 'destroy' ? [event.flow.orig.srcPort, event.flow.stop! / 1_000_000_000n] : [],
  );
  assert.equal(ends, [
    [2, 1_000_000_020n],
    [1, 1_000_000_050n],
  ]);
});

test('a full table: what is not assured gives way, and then nothing more is made', async () => {
  const kernel = new MemoryKernel();
  const { conntrack } = kernel;
  await conntrack.configure({ max: 2 });
  await conntrack.create({ ...udp(1), status: 'assured' });
  await conntrack.create(udp(2));
  await conntrack.create({ ...udp(3), status: 'assured' });
  const left = (await conntrack.dump()).toArray().map(({ orig }) => orig.srcPort);
  assert.equal(left, [1, 3]);
  const error = await throws(NetlinkError, /^conntrack create: ENOMEM: .*table may be full/, () =>
    conntrack.create(udp(4)),
  );
  assert.is(error.code, 'ENOMEM');
  assert.not(kernel.packet(tcp));
  const { total, entries, max } = await conntrack.stats();
  assert.equal([total.earlyDrop, total.drop, entries, max], [1, 1, 2, 2]);
  assert.is(await conntrack.deleteWhere({ srcPort: 1 }), 1);
  assert.ok(kernel.packet(tcp));
});

test('faults: once, so many times, until disposed of; with the hints of the package', async () => {
  const kernel = new MemoryKernel();
  const { conntrack } = kernel;
  kernel.fail('conntrack dump', 'EPERM');
  await throws(NetlinkError, /^conntrack dump: EPERM: .*CAP_NET_ADMIN/, () => conntrack.dump());
  await conntrack.dump();
  kernel.fail('conntrack create', 'ENOSPC', { times: 2, detail: 'no room' });
  const many = await conntrack.createMany([udp(1), udp(2), udp(3)]);
  assert.equal(
    [many.created, many.failed.map(({ index, error }) => [index, (error as NetlinkError).detail])],
    [
      1,
      [
        [0, 'no room'],
        [1, 'no room'],
      ],
    ],
  );
  {
    using _broken = kernel.fail('conntrack get', 'ENOBUFS', { times: Infinity });
    for (let i = 0; i < 3; i++) {
      await throws(NetlinkError, /ENOBUFS.*receiveBuffer/, () => conntrack.get(tcp));
    }
    await throws(NetlinkError, /ENOBUFS/, async () => conntrack.getSync(tcp));
  }
  assert.is(await conntrack.get(tcp), undefined);
  const calls: [Parameters<MemoryKernel['fail']>[0], () => unknown][] = [
    ['conntrack open', () => kernel.openConntrack().count()],
    ['conntrack count', () => conntrack.count()],
    ['conntrack stats', () => conntrack.stats()],
    ['conntrack update', () => conntrack.update(udp(3), { mark: 1 })],
    ['conntrack update', () => conntrack.updateWhere('all', { mark: 1 })],
    ['conntrack delete', () => conntrack.delete(udp(3))],
    ['conntrack delete', () => conntrack.deleteWhere({ mark: 0 })],
    ['conntrack flush', () => conntrack.flush()],
    ['conntrack events', () => conntrack.events()],
    ['conntrack tracking', () => conntrack.hooks()],
    ['conntrack settings', () => conntrack.settings()],
    ['conntrack configure', () => conntrack.configure({ acct: true })],
    ['conntrack expectation list', () => conntrack.expectations.list()],
    ['conntrack expectation flush', () => conntrack.expectations.flush()],
  ];
  for (const [operation, call] of calls) {
    kernel.fail(operation, 'EIO');
    const error = await throws(NetlinkError, /EIO/, async () => call());
    assert.is(error.operation, operation);
  }
  // Nothing of it was done.
  assert.is((await conntrack.dump({ mark: 0 })).length, 1);
});

test('overruns come after the last event of every stream', async () => {
  const kernel = new MemoryKernel();
  const { conntrack } = kernel;
  const streams = [conntrack.events(), conntrack.events({ queue: { maxEvents: 1 } })];
  kernel.packet(tcp);
  kernel.overrun(3);
  kernel.overrun(2);
  kernel.packet({ protocol: 'udp', ...there });
  const expected = [
    ['new SYN_SENT', 'lost 5', 'new'],
    ['new SYN_SENT', 'lost 5', 'lost 1'],
  ];
  const lost = [];
  for (const [i, stream] of streams.entries()) {
    assert.equal(words(await read(stream)), expected[i]);
    lost.push([stream.stats.lostInKernel, stream.stats.lostInQueue]);
  }
  assert.equal(lost, [
    [5, 0],
    [5, 1],
  ]);
});

test('a reader that waits gets the event at once; signals and close end as they do elsewhere', async () => {
  const kernel = new MemoryKernel();
  const conntrack = kernel.openConntrack();
  const stream = conntrack.events();
  const next = stream[Symbol.asyncIterator]().next();
  kernel.packet(tcp);
  const { value } = await next;
  assert.ok(value?.type === 'new');
  const controller = new AbortController();
  const pending = conntrack.dump(undefined, { signal: controller.signal });
  controller.abort(new Error('enough'));
  await throws(Error, /^enough$/, () => pending);
  const waiting = conntrack.dump();
  const closing = conntrack.close();
  await throws(ClosedError, /closed/, () => waiting);
  await closing;
  await throws(ClosedError, /closed/, () => conntrack.count());
  assert.ok(stream.closed);
  // The table is there without the handle.
  assert.is(await kernel.conntrack.count(), 1);
});

test('what it does not do is refused, and says so', async () => {
  const { conntrack } = new MemoryKernel();
  await throws(UnsupportedError, /conntrack\/testing: allNamespaces/, async () =>
    conntrack.events({ allNamespaces: true }),
  );
});

test('wrong arguments, by name', async () => {
  const kernel = new MemoryKernel();
  const bad: [() => unknown, RegExp][] = [
    [() => new MemoryKernel({ label: true } as never), /^options\.label: /],
    [() => new MemoryKernel({ labels: 1 } as never), /^options\.labels: /],
    [() => new MemoryKernel({ now: -1 }), /^options\.now: /],
    [() => kernel.advance(-1), /^seconds: /],
    [() => kernel.advance('1' as never), /^seconds: /],
    [() => kernel.advance(NaN), /^seconds: /],
    [() => kernel.overrun(0), /^lost: /],
    [() => kernel.fail('conntrack dumb' as never, 'EPERM'), /^operation: /],
    [() => kernel.fail('conntrack dump', 'EPREM'), /^code: /],
    [() => kernel.fail('conntrack dump', 'EPERM', { times: 0 }), /^options\.times: /],
    [() => kernel.packet({ ...tcp, dst: 'x' }), /^packet\.dst: /],
    [() => kernel.packet({ ...tcp, dstPort: 70000 }), /^packet\.dstPort: /],
    [() => kernel.packet({ ...tcp, mark: 1 } as MemoryPacket), /^packet\.mark: /],
    [() => kernel.packet({ ...tcp, bytes: -1 }), /^packet\.bytes: /],
    [() => kernel.packet({ ...tcp, state: 'OPEN' }), /^packet\.state: /],
    [() => kernel.packet({ protocol: 'udp', ...there, state: 'NONE' }), /^packet\.state: /],
    [() => kernel.packet({ ...tcp, nat: { src: '::1' } }), /^packet\.nat\.src/],
    [() => kernel.packet(5 as never), /^packet: /],
  ];
  for (const [call, message] of bad) await throws(Error, message, async () => call());
  assert.is(await kernel.conntrack.count(), 0);
});

test.run();

// Events of expectations, and the expectations that the kernel's FTP helper makes.
// Kernels: linux, memory
import { fromProc } from '../../src/conntrack/expectations/statistics.js';
import { Conntrack, type Expectation, type ExpectationEvent } from '../../src/index.js';
import { until } from '../support/awaited.js';
import {
  asOracle,
  expectationSuite,
  init,
  master,
  named,
  nameOf,
  oracle,
} from '../support/expectations.js';
import { assert } from '../support/harness.js';
import { GatewayLab, labAddresses, Netns } from '../support/netlab.js';
import { python } from '../support/python.js';
import { conntrack, needsLinux } from '../support/table.js';

const test = expectationSuite('expectation events');
const { expectations } = conntrack;
const own = Netns.current;

test('events: made, deleted, evicted, flushed; types; the stream ends', async () => {
  await conntrack.createMany([master(1), master(2)]);
  const stream = expectations.events();
  const ends = expectations.events({ types: ['destroy'] });
  const seen: string[] = [];
  const text = (event: ExpectationEvent) =>
    event.type === 'overrun' ? 'overrun' : `${event.type} ${event.expectation.tuple.dstPort}`;
  const reading = (async () => {
    for await (const event of stream) seen.push(text(event));
  })();
  await expectations.create({ ...init(1, 5001), timeout: 50 });
  await expectations.delete(named(5001));
  await expectations.create(init(1, 5002));
  // The FTP helper has one expectation at a time: the older one goes.
  await expectations.create(init(1, 5003));
  await expectations.flush();
  await until('seven events', () => seen.length >= 6);
  assert.equal(seen, [
    ...['new 5001', 'destroy 5001', 'new 5002', 'destroy 5002', 'new 5003', 'destroy 5003'],
  ]);
  const gone: string[] = [];
  for await (const event of ends) {
    gone.push(text(event));
    if (gone.length === 3) break;
  }
  assert.equal(gone, ['destroy 5001', 'destroy 5002', 'destroy 5003']);
  assert.is(ends.closed, true);
  await stream.close();
  await reading;
  assert.equal(
    [stream.stats.received, stream.stats.delivered, stream.stats.undecodable, stream.stats.lost],
    [6, 6, 0, 0],
  );
});

test.when(
  needsLinux('/proc and another namespace'),
  'stats and count: made, met, expired, deleted, flushed; the same from /proc; another namespace has its own',
  async () => {
    const start = await expectations.stats();
    const since = async () => {
      const { entries, total, cpus } = await expectations.stats();
      for (const name of ['new', 'create', 'delete'] as const) {
        assert.is(
          cpus.reduce((sum, cpu) => sum + cpu[name], 0),
          total[name],
        );
      }
      assert.is(await expectations.count(), entries);
      assert.is(entries, (await expectations.list()).length);
      const proc = fromProc(own.exec('cat', '/proc/net/stat/nf_conntrack'));
      assert.equal(proc.total, total);
      assert.is(proc.entries, entries);
      return [
        entries,
        total.create - start.total.create,
        total.delete - start.total.delete,
        total.new - start.total.new,
      ];
    };
    assert.equal(await since(), [0, 0, 0, 0]);
    await conntrack.createMany([master(1), master(2), master(3)]);
    await expectations.create({ ...init(1, 5001), timeout: 50 });
    await expectations.create({ ...init(2, 5002), timeout: 50 });
    assert.equal(await since(), [2, 2, 0, 0]);
    await expectations.delete(named(5001));
    assert.equal(await since(), [1, 2, 1, 0]);
    // It goes with its master.
    await conntrack.delete(nameOf(master(2)));
    assert.equal(await since(), [0, 2, 2, 0]);
    await expectations.create({ ...init(3, 5003), timeout: 1 });
    await until('it has expired', async () => (await expectations.count()) === 0);
    assert.equal(await since(), [0, 3, 3, 0]);
    await expectations.create({ ...init(3, 5004), timeout: 50 });
    await expectations.flush();
    assert.equal(await since(), [0, 4, 4, 0]);
    using elsewhere = Netns.create();
    await using other = Conntrack.open({ netns: elsewhere.path });
    assert.equal((await other.expectations.stats()).total, { new: 0, create: 0, delete: 0 });
    await conntrack.flush();
  },
);

test('events beyond the queue are counted', async () => {
  await conntrack.createMany([master(1), master(2)]);
  const stream = expectations.events({ queue: { maxEvents: 3 } });
  for (let i = 0; i < 5; i++) {
    await expectations.create(init(1, 5001));
    await expectations.flush();
  }
  await until('ten events', () => stream.stats.received + stream.stats.lost === 10);
  const seen: ExpectationEvent[] = [];
  for await (const event of stream) {
    seen.push(event);
    if (event.type === 'overrun') break;
  }
  assert.equal(
    seen.map(({ type }) => type),
    ['new', 'destroy', 'new', 'overrun'],
  );
  assert.equal(seen[3], { type: 'overrun', source: 'queue', lost: 7 });
});

test.when(
  needsLinux('no host'),
  'FTP through the gateway: the flow is expected, arrives, and names its master',
  async () => {
    const { client, server, gatewayOutside } = labAddresses;
    await using lab = await GatewayLab.create({ gateway: 'current', events: 1 });
    own.iptables(
      '-t',
      'raw',
      '-A',
      'PREROUTING',
      '-p',
      'tcp',
      '--dport',
      '21',
      '-j',
      'CT',
      '--helper',
      'ftp',
    );
    await lab.serverHost.tcpServer(server, 21);
    await lab.clientHost.tcpServer(client, 40000);
    const before = await expectations.stats();
    const stream = expectations.events();
    const flows = conntrack.events({ types: ['new'], filter: { status: 'expected' } });
    const reader = stream[Symbol.asyncIterator]();
    // 40000 is 156 * 256 + 64. The helper looks at a line only after it has seen the end of the line before.
    const say = `
import socket, sys
s = socket.create_connection(('${server}', 21))
for line in (b'USER x\\r\\n', b'PORT 10,0,1,2,156,64\\r\\n'):
    s.sendall(line)
    s.recv(100)
print('said', flush=True)
sys.stdin.read()`;
    const ftp = lab.client.start([python, '-c', say]);
    await ftp.line(/^said$/);
    const { value: made } = await reader.next();
    assert.is(made!.type, 'new');
    const { expectation } = made as { expectation: Expectation };
    assert.is(expectation.helper, 'ftp');
    assert.is(expectation.tuple.src, server);
    assert.is(expectation.tuple.dst, gatewayOutside);
    assert.is(expectation.master.src, client);
    // nf_nat_ftp keeps only the port. The address is that of the master flow.
    assert.equal(expectation.nat, { direction: 'reply', src: '0.0.0.0', srcPort: 40000 });
    assert.is(expectation.fn, 'nat-follow-master');
    assert.equal((await expectations.list()).map(asOracle), await oracle());

    const { dst: address, dstPort: port } = expectation.tuple;
    const data = await lab.serverHost.tcp({ address, port: port! });
    const { value: met } = await reader.next();
    assert.is(met!.type, 'destroy');
    assert.is((met as { expectation: Expectation }).expectation.id, expectation.id);
    const { total } = await expectations.stats();
    assert.is(total.new - before.total.new, 1);
    assert.is(await expectations.count(), 0);
    const { value: flow } = await flows[Symbol.asyncIterator]().next();
    assert.ok(flow?.type === 'new');
    assert.ok(flow.flow.status.includes('expected'));
    assert.equal(flow.flow.master, {
      protocol: 'tcp',
      ...{ src: client, dst: server },
      ...{ srcPort: expectation.master.srcPort, dstPort: 21 },
    });
    assert.equal(flow.flow.nat?.dst, { address: client, port: 40000 });
    await data.close();
    await ftp.finish();
    await stream.close();
    await flows.close();
  },
);

test.run();

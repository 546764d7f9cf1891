// The examples that follow the table, on real traffic. Each also runs as a program.
import { fileURLToPath } from 'node:url';
import { countHosts, HostCounter } from '../../examples/bytes-per-host.js';
import { logNewConnections } from '../../examples/log-new-connections.js';
import { conntrack } from '../../src/index.js';
import { until } from '../support/awaited.js';
import { makeEvents } from '../support/events.js';
import { assert, suite } from '../support/harness.js';
import { isListening } from '../support/listening.js';
import { GatewayLab, labAddresses, Netns } from '../support/netlab.js';
import { Child } from '../support/process.js';

const test = suite('event examples');
const { client, server, gatewayOutside } = labAddresses;

const program = (name: string) =>
  fileURLToPath(new URL(`../../examples/${name}.ts`, import.meta.url));
const start = (name: string) => Child.start([process.execPath, '--import', 'tsx', program(name)]);

interface Line {
  time: string;
  protocol?: string;
  src?: string;
  dst?: string;
  dstPort?: number;
  snat?: { address: string };
  lost?: number;
  source?: string;
}

test('log-new-connections: each connection once, as JSON, and the losses with their number', async () => {
  await using lab = await GatewayLab.create({ gateway: 'current', events: 1 });
  const lines: Line[] = [];
  const stream = conntrack.events({ types: ['new'], filter: { protocol: 'tcp' } });
  const log = logNewConnections(stream, (text) => lines.push(JSON.parse(text)));
  const port = await lab.serverHost.tcpServer(server);
  const before = Date.now();
  for (let i = 0; i < 3; i++) {
    const connection = await lab.clientHost.tcp({ address: server, port });
    await connection.close();
  }
  await stream.close({ drain: true });
  await log;
  assert.is(lines.length, 3);
  for (const line of lines) {
    assert.equal([line.protocol, line.src, line.dst, line.dstPort], ['tcp', client, server, port]);
    assert.is(line.snat!.address, gatewayOutside);
    const time = Date.parse(line.time);
    assert.ok(time >= before - 1 && time <= Date.now() + 1, line.time);
  }
});

test('bytes-per-host: final counters, and the flows that have none', async () => {
  await using lab = await GatewayLab.create({ gateway: 'current', acct: 0 });
  const udp = await lab.serverHost.udpServer(server);
  // This flow is made before accounting is on, so its end has no counters.
  await lab.clientHost.udpExchange({ address: server, port: udp });
  const stream = await countHosts(conntrack);
  const counter = new HostCounter();
  const reading = counter.read(stream);
  await lab.clientHost.udpExchange({ address: server, port: udp }, 64, 2);
  await lab.clientHost.udpExchange({ address: server, port: udp }, 100, 1);
  await conntrack.flush();
  await stream.close({ drain: true });
  await reading;
  const { connections, sent, received } = counter.hosts.get(client)!;
  // Each datagram has 28 more bytes: the headers of IPv4 and UDP.
  const expected = BigInt(2 * (64 + 28) + (100 + 28));
  assert.equal([sent, received], [expected, expected]);
  assert.is(connections, 2 + counter.uncounted);
  assert.is(counter.lost, 0);
});

test('bytes-per-host: a loss is counted', async () => {
  Netns.current.conntrackSysctls({ events: 1, acct: 1 });
  const stream = conntrack.events({ types: ['destroy'], queue: { maxEvents: 10 } });
  const made = await makeEvents({ count: 1024 });
  await until('all', () => stream.stats.received + stream.stats.lost === made.destroy);
  const counter = new HostCounter();
  const reading = counter.read(stream);
  await until('it is read', () => stream.stats.queued === 0 && counter.lost > 0);
  await stream.close();
  await reading;
  const counted = [...counter.hosts.values()].reduce((sum, host) => sum + host.connections, 0);
  assert.equal([counted, counter.lost], [10, made.destroy - 10]);
});

test('both run as programs', async () => {
  await using lab = await GatewayLab.create({ gateway: 'current', timestamp: 1 });
  const programs = [start('log-new-connections'), start('bytes-per-host')];
  await until('both listen', () => programs.every(({ pid }) => isListening(pid)));
  const web = await lab.serverHost.tcpServer(server);
  const dns = await lab.serverHost.udpServer(server);
  for (const bytes of [100_000, 1000]) {
    const connection = await lab.clientHost.tcp({ address: server, port: web }, bytes);
    await connection.close();
  }
  await lab.clientHost.udpExchange({ address: server, port: dns });
  await lab.clientHost.ping(server);
  // Ends the flows now: closed connections would wait for their timeouts.
  await conntrack.flush();
  for (const child of programs) child.signal('SIGTERM');
  const [log, bytes] = await Promise.all(programs.map((child) => child.finish()));
  const lines = log!.map((line) => JSON.parse(line) as Line);
  assert.equal(lines.map(({ protocol }) => protocol).sort(), ['icmp', 'tcp', 'tcp', 'udp']);
  assert.match(
    bytes!.join('\n'),
    new RegExp(`│ ${client.replaceAll('.', '\\.')} +│ 4 +│ 1\\d{5}n +│`),
  );
});

test('log-new-connections: when it is told to end, it first logs what it has received', async () => {
  Netns.current.conntrackSysctls({ events: 1 });
  const child = start('log-new-connections');
  // Its first line shows that it listens.
  await until('it logs', async () => {
    await makeEvents({ count: 64 });
    return child.lines.length > 0;
  });
  // Events keep their order: when this one is logged, the events before it are logged too.
  const orig = { src: '10.9.9.9', dst: '10.99.99.99', srcPort: 1, dstPort: 2 };
  await conntrack.create({ protocol: 'udp', orig, timeout: 60 });
  await child.line(/10\.99\.99\.99/);
  // A stopped process reads nothing: all these events wait when both signals come.
  const before = child.lines.length;
  child.signal('SIGSTOP');
  const made = await makeEvents({ count: 6400 });
  child.signal('SIGTERM');
  child.signal('SIGCONT');
  assert.equal(await child.exited, { code: 0, signal: null });
  const later = child.lines.slice(before).map((text) => JSON.parse(text) as Line);
  const lost = later.reduce((sum, line) => sum + (line.lost ?? 0), 0);
  const logged = later.filter((line) => line.protocol !== undefined).length;
  assert.is(logged + lost, made.new);
  assert.ok(logged > 0, 'nothing was received before the end');
});

test.run();

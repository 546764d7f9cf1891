// The laboratory itself: its traffic is in the gateway's table, and it restores every setting that it changes.
import { readFileSync } from 'node:fs';
import { until } from '../support/awaited.js';
import { ConntrackEvents, conntrackList } from '../support/conntrack-oracle.js';
import { globalSysctlsMissing, withGlobalSysctls } from '../support/global-lock.js';
import { assert, suite } from '../support/harness.js';
import { GatewayLab, Netns, SctpAssociation, sctpServer } from '../support/netlab.js';

const test = suite('netlab');

test('a TCP connection through the gateway is translated, counted and tracked to its end', async () => {
  await using lab = await GatewayLab.create({ acct: 1, timestamp: 1 });
  const { client, server, gatewayOutside } = lab.addresses;
  const port = await lab.serverHost.tcpServer(server);
  const connection = await lab.clientHost.tcp({ address: server, port }, 1000);
  const [flow, ...others] = conntrackList({ netns: lab.gateway, args: ['-p', 'tcp'] });
  assert.is(others.length, 0);
  assert.is(flow?.orig.src, client);
  assert.is(flow?.orig.srcPort, connection.localPort);
  assert.is(flow?.orig.dstPort, port);
  assert.is(flow?.reply.dst, gatewayOutside);
  assert.is(flow?.state, 'ESTABLISHED');
  assert.equal(flow?.flags, ['ASSURED']);
  assert.ok(flow?.orig.bytes !== undefined && flow.orig.bytes > 1000n);
  assert.ok(flow?.start !== undefined);
  await connection.close();
  await until('TIME_WAIT', () =>
    conntrackList({ netns: lab.gateway }).some((one) => one.state === 'TIME_WAIT'),
  );
});

test('the current namespace as the gateway; IPv6, UDP, ping, SNAT, DNAT', async () => {
  await using lab = await GatewayLab.create({ gateway: 'current', nat: 'snat' });
  const { server, server6, gatewayInside, gatewayInside6, gatewayOutside6 } = lab.addresses;
  const tcp6 = await lab.serverHost.tcpServer(server6);
  const udp = await lab.serverHost.udpServer(server);
  await lab.clientHost.tcp({ address: server6, port: tcp6 });
  await lab.clientHost.udpExchange({ address: server, port: udp });
  await lab.clientHost.ping(server, 2);
  await lab.clientHost.ping(server6);
  await lab.dnat('udp', 5353, udp);
  await lab.dnat('tcp', 8080, tcp6);
  await lab.clientHost.udpExchange({ address: gatewayInside, port: 5353 });
  await lab.clientHost.tcp({ address: gatewayInside6, port: 8080 });
  const flows = conntrackList();
  const of = (protocol: number, dst: string) =>
    flows.filter((flow) => flow.protocol === protocol && flow.orig.dst === dst);
  assert.is(of(6, server6)[0]?.reply.dst, gatewayOutside6);
  assert.is(of(17, server).length, 1);
  assert.is(of(1, server)[0]?.reply.icmpType, 0);
  assert.is(of(58, server6).length, 1);
  assert.is(of(17, gatewayInside)[0]?.reply.src, server);
  assert.is(of(6, gatewayInside6)[0]?.reply.src, server6);
  assert.is(of(6, gatewayInside6)[0]?.reply.srcPort, tcp6);
});

test('SCTP from raw packets; without NAT the server sees the client itself', async () => {
  await using lab = await GatewayLab.create({ nat: 'none' });
  const { client, server } = lab.addresses;
  await using _peer = await sctpServer(lab.server, server, 7000);
  const association = await SctpAssociation.open(lab.client, {
    address: server,
    port: 7000,
    localAddress: client,
    localPort: 7001,
  });
  const sctp = () => conntrackList({ netns: lab.gateway, args: ['-p', 'sctp'] });
  await until('ESTABLISHED', () => sctp()[0]?.state === 'ESTABLISHED');
  assert.is(sctp()[0]?.reply.dst, client);
  await association.close();
  await until(
    'shut down',
    () => sctp()[0]?.state?.startsWith('SHUTDOWN') || sctp()[0]?.state === 'CLOSED',
  );
});

test('events are received from the first packet on', async () => {
  await using lab = await GatewayLab.create();
  await using events = await ConntrackEvents.start({ netns: lab.gateway });
  const port = await lab.serverHost.tcpServer(lab.addresses.server);
  const connection = await lab.clientHost.tcp({ address: lab.addresses.server, port });
  const heard = await events.until('ASSURED', (all) =>
    all.some(({ flow }) => flow.flags.includes('ASSURED')),
  );
  assert.is(heard[0]?.type, 'new');
  assert.is(heard[0]?.flow.orig.srcPort, connection.localPort);
  assert.is(heard[0]?.flow.state, 'SYN_SENT');
  lab.gateway.exec('conntrack', '-F');
  await events.until('DESTROY', (all) => all.at(-1)?.type === 'destroy');
});

test('a sysctl is restored, in a named namespace and in the current one', async () => {
  using other = Netns.create();
  for (const netns of [other, Netns.current]) {
    const name = 'net.netfilter.nf_conntrack_acct';
    const before = netns.sysctl(name);
    await netns.withSysctl(name, 1, () => assert.is(netns.sysctl(name), '1'));
    assert.is(netns.sysctl(name), before);
  }
});

test.when(
  globalSysctlsMissing(),
  'sysctls of the machine come back, also after a failure',
  async () => {
    const name = 'net.netfilter.nf_conntrack_expect_max';
    const read = () => readFileSync(`/proc/sys/${name.replaceAll('.', '/')}`, 'utf8').trim();
    const before = read();
    const other = String(Number(before) + 1);
    await withGlobalSysctls({ [name]: other }, () => assert.is(read(), other));
    assert.is(read(), before);
    let failure: unknown;
    try {
      await withGlobalSysctls({ [name]: other }, () => {
        assert.is(read(), other);
        throw new Error('as planned');
      });
    } catch (error) {
      failure = error;
    }
    assert.is((failure as Error).message, 'as planned');
    assert.is(read(), before);
  },
);

test('a namespace is gone after its disposal', () => {
  const netns = Netns.create();
  netns[Symbol.dispose]();
  assert.not(readFileSync('/proc/self/mounts', 'utf8').includes(netns.path));
});

test.run();

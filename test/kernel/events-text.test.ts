// String(event) is the line of `conntrack -E`, byte for byte: for real traffic and flows of all kinds, in both
// families, and for all three types of events.
import { conntrack, type FlowInit } from '../../src/index.js';
import { ConntrackEvents } from '../support/conntrack-oracle.js';
import { Collector } from '../support/events.js';
import { assert, suite } from '../support/harness.js';
import { GatewayLab, labAddresses, Netns } from '../support/netlab.js';

const test = suite('text of events');

/** Runs `make` while both listen, compares every line, and returns the lines. */
async function compare(make: () => Promise<void>): Promise<string[]> {
  await using oracle = await ConntrackEvents.start({ plain: true });
  const collector = new Collector(conntrack.events());
  await make();
  // The last event. When it arrives, all events before it have arrived.
  const last = { src: '192.0.2.77', dst: '192.0.2.78', srcPort: 7, dstPort: 7 };
  await conntrack.create({ protocol: 'udp', orig: last, timeout: 60 });
  await collector.until((events) => events.at(-1)?.flow.orig.src === last.src);
  await collector.stream.close();
  await collector.ended;
  const mine = collector.events.map(String);
  const theirs = await oracle.untilLines(mine.length);
  assert.equal(mine, theirs);
  await conntrack.flush();
  return mine;
}

const has = (lines: readonly string[], pattern: RegExp) =>
  assert.ok(
    lines.some((line) => pattern.test(line)),
    `${pattern} in\n${lines.join('\n')}`,
  );

for (const [name, sysctls] of [
  ['with counters and timestamps', { acct: 1, timestamp: 1, events: 1 }],
  ['without', { acct: 0, timestamp: 0, events: 1 }],
] as const) {
  test(`real traffic ${name}`, async () => {
    await using lab = await GatewayLab.create({ gateway: 'current', ...sysctls });
    const { server, server6 } = labAddresses;
    const lines = await compare(async () => {
      for (const address of [server, server6]) {
        const tcp = await lab.serverHost.tcpServer(address);
        const udp = await lab.serverHost.udpServer(address);
        const connection = await lab.clientHost.tcp({ address, port: tcp });
        await connection.close();
        await lab.clientHost.udpExchange({ address, port: udp });
        await lab.clientHost.ping(address);
      }
      await conntrack.updateWhere({ protocol: 'udp' }, { mark: 5 });
      await conntrack.updateWhere({ protocol: 'udp' }, { mark: 0 });
      await conntrack.updateWhere({ protocol: 'icmp' }, { mark: 9 });
      await conntrack.flush();
    });
    has(
      lines,
      /^ {4}\[NEW\] tcp {6}6 \d+ SYN_SENT src=\S+ dst=\S+ sport=\d+ dport=\d+ \[UNREPLIED\] .* dport=\d+$/,
    );
    has(lines, /^ \[UPDATE\] udp .* mark=5$/);
    has(lines, /^ \[UPDATE\] udp .* mark=0$/);
    has(
      lines,
      sysctls.acct
        ? /^\[DESTROY\] icmp .* packets=.* mark=9 delta-time=/
        : /^\[DESTROY\] icmp .* mark=9$/,
    );
  });
}

test('flows of all kinds: protocols, families, zones, helpers, marks', async () => {
  Netns.current.conntrackSysctls({ acct: 1, timestamp: 1, events: 1 });
  const v4 = { src: '10.9.9.9', dst: '10.9.9.8' };
  const v6 = { src: 'fd00::9', dst: 'fd00::8' };
  const ports = { srcPort: 1000, dstPort: 21 };
  const flows: FlowInit[] = [v4, v6].flatMap((side): FlowInit[] => [
    { protocol: 'tcp', state: 'ESTABLISHED', orig: { ...side, ...ports }, timeout: 60 },
    {
      protocol: 'tcp',
      state: 'ESTABLISHED',
      orig: { ...side, ...ports, srcPort: 2 },
      timeout: 60,
      helper: 'ftp',
    },
    { protocol: 'udp', orig: { ...side, ...ports }, timeout: 60, mark: 7 },
    { protocol: 'udp', orig: { ...side, ...ports }, timeout: 60, zone: 3 },
    {
      protocol: 'udp',
      orig: { ...side, ...ports, srcPort: 3 },
      timeout: 60,
      status: ['seen_reply', 'assured'],
    },
    { protocol: 'udplite', orig: { ...side, ...ports }, timeout: 60 },
    {
      protocol: 'sctp',
      state: 'ESTABLISHED',
      sctp: { vtag: { orig: 1, reply: 2 } },
      orig: { ...side, ...ports },
      timeout: 60,
    },
    { protocol: 'dccp', orig: { ...side, ...ports }, timeout: 60 },
    { protocol: 'gre', orig: { ...side, ...ports }, timeout: 60 },
    { protocol: 89, orig: side, timeout: 60 },
    {
      protocol: side === v4 ? 'icmp' : 'icmpv6',
      orig: { ...side, icmpType: side === v4 ? 8 : 128, icmpCode: 0, icmpId: 5 },
      timeout: 60,
    },
  ]);
  const lines = await compare(async () => {
    const { failed } = await conntrack.createMany(flows);
    // Flows that this kernel does not take are in neither list. Enough others are left.
    assert.ok(failed.length <= 4, failed.map(({ error }) => error.message).join('\n'));
    await conntrack.updateWhere({ protocol: 'udp' }, { mark: { value: 0x10, mask: 0xf0 } });
    await conntrack.updateWhere({ protocol: 'udp' }, { mark: 0 });
    await conntrack.flush();
  });
  has(lines, /zone=3/);
  has(lines, /helper=ftp/);
  has(lines, /\[ASSURED\]/);
});

test.run();

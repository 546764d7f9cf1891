// The example firewalls are compared with shell scripts for the same rules: iptables-save shows the same for both. And
// packets go through a gateway that has them.
// Backends: legacy, nft
import { apply as applyLimits, makeRoom } from '../../examples/firewall-limits.js';
import { apply as applyStates } from '../../examples/firewall-states.js';
import { conntrack, Iptables } from '../../src/index.js';
import { awaited, until } from '../support/awaited.js';
import { assert, suite } from '../support/harness.js';
import { backend, load, saved } from '../support/iptables-tables.js';
import { GatewayLab, labAddresses } from '../support/netlab.js';
import { run } from '../support/process.js';
import { python } from '../support/python.js';

const test = suite('example firewalls');

const statesScript = `
iptables -P INPUT DROP
iptables -P FORWARD DROP
iptables -P OUTPUT ACCEPT
iptables -A INPUT -i lo -j ACCEPT
iptables -N CT_STATES
iptables -A CT_STATES -m conntrack --ctstate INVALID -j DROP
iptables -A CT_STATES -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT
iptables -A FORWARD -j CT_STATES
iptables -A INPUT -j CT_STATES
iptables -A FORWARD -p tcp --dport 443 -m conntrack --ctstate NEW -j ACCEPT
iptables -A FORWARD -p tcp --dport 80 -m conntrack --ctstate NEW -j ACCEPT
iptables -A INPUT -p icmp --icmp-type echo-request -j ACCEPT
iptables -A FORWARD -p icmp --icmp-type echo-request -j ACCEPT
`;

const limitsScript = `
iptables -P FORWARD DROP
iptables -A FORWARD -m conntrack --ctstate INVALID -j LOG --log-prefix "INVALID: "
iptables -A FORWARD -m conntrack --ctstate INVALID -j DROP
iptables -A FORWARD -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT
iptables -A FORWARD -p tcp --syn -m conntrack --ctstate NEW -m multiport --dports 80,443 -j ACCEPT
iptables -A FORWARD -p udp -m conntrack --ctstate NEW -m multiport --dports 53,123 -j ACCEPT
iptables -A FORWARD -p tcp --syn -m conntrack --ctstate NEW -m limit --limit 60/minute --limit-burst 30 -j ACCEPT
iptables -A FORWARD -p tcp --syn -m conntrack --ctstate NEW -j DROP
`;

/** The filter table as iptables-save shows it, without comments and counters. */
const rules = (text: string) =>
  text
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => line.replace(/\[\d+:\d+\]/, ''));

const filter = () => rules(saved('ipv4', { table: 'filter' }));

const empty = () =>
  load('ipv4', '*filter\n:INPUT ACCEPT\n:FORWARD ACCEPT\n:OUTPUT ACCEPT\nCOMMIT\n');

for (const [name, script, apply] of [
  ['states', statesScript, applyStates],
  ['limits', limitsScript, applyLimits],
] as const) {
  test(`${name}: equal to the shell script, in one commit`, async () => {
    await using tables = Iptables.open({ backend });
    empty();
    run(['sh', '-e', '-c', script.replaceAll('iptables ', `iptables-${backend} `)]);
    const theirs = filter();
    assert.ok(theirs.length > 8);
    empty();
    await apply(tables);
    assert.equal(filter(), theirs);
    assert.equal(rules(await tables.save({ tables: ['filter'] })), theirs);
  });
}

const address = labAddresses.server;
/** The rule that counts what is left to the policy. A policy in nf_tables does not count. */
const left = /--comment left$/;

/** Applies a firewall. Returns how many packets a rule has taken. */
async function protect(tables: Iptables, apply: (tables: Iptables) => Promise<void>) {
  await apply(tables);
  await tables.edit('filter', (table) =>
    table.chain('FORWARD').append('-m comment --comment left'),
  );
  return async (chain: string, text: RegExp): Promise<number> => {
    const all = (await tables.read('filter')).chain(chain).rules;
    const found = all.filter((rule) => text.test(String(rule)));
    assert.is(found.length, 1, `${text}\n${all.join('\n')}`);
    return Number(found[0]!.counters.packets);
  };
}

/** An echo reply that nobody asked for: the kernel calls it invalid. */
const invalid = `
import socket, struct, sys
s = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
s.sendto(struct.pack('!BBHHH', 0, 0, 0xfffd, 1, 1), (sys.argv[1], 0))`;

test('states: packets of two services and of known flows pass, others do not', async () => {
  await using lab = await GatewayLab.create();
  const { clientHost: client, serverHost: server } = lab;
  const web = await server.tcpServer(address, 80);
  const other = await server.tcpServer(address, 81);
  const dns = await server.udpServer(address, 53);
  const old = await client.tcp({ address, port: other });
  await client.udpExchange({ address, port: dns });
  await using tables = Iptables.open({ netns: lab.gateway.path, backend });
  const packets = await protect(tables, applyStates);

  await awaited('an echo of the old connection', old.echo(1000));
  await awaited('a connection', client.tcp({ address, port: web }));
  await client.ping(address);
  assert.is(await packets('FORWARD', /--dport 80 /), 1);
  assert.is(await packets('FORWARD', left), 0);

  const socket = await client.udp('0.0.0.0');
  await socket.send({ address, port: dns });
  await until('a datagram for the policy', async () => (await packets('FORWARD', left)) === 1);
  lab.client.exec(python, '-c', invalid, address);
  await until('an invalid packet', async () => (await packets('CT_STATES', /INVALID/)) === 1);
  assert.is(await packets('FORWARD', left), 1);
  const refused = client.tcp({ address, port: other }).then(
    () => 'connected',
    () => 'not connected',
  );
  await until('a SYN for the policy', async () => (await packets('FORWARD', left)) > 1);
  await client[Symbol.asyncDispose]();
  assert.is(await refused, 'not connected');
});

test('limits: packets of services pass, other connections up to the limit', async () => {
  await using lab = await GatewayLab.create();
  const { clientHost: client, serverHost: server } = lab;
  const web = await server.tcpServer(address, 80);
  const other = await server.tcpServer(address, 81);
  const dns = await server.udpServer(address, 53);
  const echo = await server.udpServer(address, 7);
  await client.udpExchange({ address, port: echo });
  await using tables = Iptables.open({ netns: lab.gateway.path, backend });
  const packets = await protect(tables, applyLimits);

  for (let n = 0; n < 40; n++) {
    await awaited('a connection', client.tcp({ address, port: web }, 1));
  }
  await client.udpExchange({ address, port: dns });
  assert.is(await packets('FORWARD', /--dports 80,443 /), 40);
  await awaited('a connection below the limit', client.tcp({ address, port: other }));
  assert.is(await packets('FORWARD', /--limit /), 1);
  assert.is(await packets('FORWARD', /NEW -j DROP$/), 0);
  assert.is(await packets('FORWARD', left), 0);

  const socket = await client.udp('0.0.0.0');
  await socket.send({ address, port: echo });
  await until('a datagram for the policy', async () => (await packets('FORWARD', left)) === 1);
  lab.client.exec(python, '-c', invalid, address);
  await until('an invalid packet', async () => (await packets('FORWARD', /INVALID -j DROP/)) === 1);
  assert.is(await packets('FORWARD', left), 1);
  // One more each second is allowed: 60 at once are above the limit.
  const many = Array.from({ length: 60 }, () =>
    client.tcp({ address, port: other }).catch(() => undefined),
  );
  await until('a SYN above the limit', async () => (await packets('FORWARD', /NEW -j DROP$/)) > 0);
  await client[Symbol.asyncDispose]();
  await Promise.all(many);
});

test('the table gets room if this namespace may change that', async () => {
  await makeRoom(conntrack);
  assert.is((await conntrack.settings()).timeouts.tcp.established, 5400);
});

test.after(async () => {
  await conntrack.close();
});

test.run();

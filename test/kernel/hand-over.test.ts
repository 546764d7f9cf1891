// What a second gateway needs so that connections go on through it: what docs/guides/hand-over.md says.
import { Conntrack, type FlowBatch } from '../../src/index.js';
import { until } from '../support/awaited.js';
import { assert, suite } from '../support/harness.js';
import { GatewayLab, labAddresses, Netns, veth } from '../support/netlab.js';
import type { Child } from '../support/process.js';
import { python } from '../support/python.js';

const test = suite('hand-over');
const { client, server, gatewayInside, gatewayOutside } = labAddresses;

/** The laboratory with a second gateway of the same addresses, beside the first. */
class Pair implements AsyncDisposable {
  private constructor(
    readonly lab: GatewayLab,
    readonly standby: Netns,
    readonly first: Conntrack,
    readonly second: Conntrack,
  ) {}

  static async create(): Promise<Pair> {
    const lab = await GatewayLab.create({ acct: 1, events: 1 });
    const standby = Netns.create();
    const here = { netns: standby, device: 'inside0', addresses: [`${gatewayInside}/24`] };
    veth({ netns: lab.client, device: 'inside1' }, here);
    const there = { netns: standby, device: 'outside0', addresses: [`${gatewayOutside}/24`] };
    veth({ netns: lab.server, device: 'outside1' }, there);
    standby.setSysctl('net.ipv4.ip_forward', 1);
    standby.conntrackSysctls({ acct: 1, events: 1 });
    for (const [netns, ...devices] of [
      [lab.client, 'inside0', 'inside1'],
      [lab.server, 'outside0', 'outside1'],
      [standby, 'inside0', 'outside0'],
    ] as const) {
      for (const device of ['all', ...devices]) {
        netns.setSysctl(`net.ipv4.conf.${device}.rp_filter`, 0);
      }
    }
    const [first, second] = [lab.gateway, standby].map(({ path }) =>
      Conntrack.open({ netns: path }),
    );
    return new Pair(lab, standby, first!, second!);
  }

  /** The first gateway is gone. From now on all packets go through the second. */
  switchOver(): void {
    const { lab } = this;
    for (const device of ['inside0', 'outside0']) lab.gateway.ip('link', 'set', device, 'down');
    lab.client.ip('route', 'replace', `${gatewayInside}/32`, 'dev', 'inside1', 'src', client);
    lab.client.ip('route', 'replace', 'default', 'via', gatewayInside, 'dev', 'inside1');
    lab.server.ip('route', 'replace', `${gatewayOutside}/32`, 'dev', 'outside1', 'src', server);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.first.close();
    await this.second.close();
    await this.lab[Symbol.asyncDispose]();
    this.standby[Symbol.dispose]();
  }
}

/** What a gateway with a NAT rule has. */
const translate = (netns: Netns) =>
  netns.iptables('-t', 'nat', '-A', 'POSTROUTING', '-o', 'outside0', '-j', 'MASQUERADE');
const packets = (netns: Netns) =>
  Number(/^\s*(\d+)/m.exec(netns.iptables('-nvxL', 'INPUT').split('\n').slice(2).join('\n'))![1]);

test('copies of translated flows translate nothing until the standby has NAT; then the connection goes on', async () => {
  await using pair = await Pair.create();
  const { lab, standby, first, second } = pair;
  await lab.serverHost.tcpServer(server, 443);
  const connection = await lab.clientHost.tcp({ address: server, port: 443, localPort: 40000 });
  standby.tracking();
  const flows = await first.dump({ protocol: 'tcp' });
  const made = await second.createMany(flows);
  assert.equal([made.created, made.failed.length], [1, 0]);
  assert.match(String(made.hints), /NAT/i);
  // Packets that come untranslated: the server does not know their source.
  lab.server.iptables('-A', 'INPUT', '-s', client);
  pair.switchOver();
  const echo = connection.echo();
  await until('a packet that is not translated', () => packets(lab.server) > 0);
  translate(standby);
  await echo; // TCP sends again
  const [flow] = await second.dump({ protocol: 'tcp' });
  assert.equal(flow!.nat, { src: { address: gatewayOutside, port: 40000 } });
});

/** Sends through the gateway as fast as it can. Ends when its input ends. */
async function bulk(pair: Pair): Promise<Child[]> {
  const sink = pair.lab.server.start([
    ...[python, '-c'],
    `
import socket
s = socket.create_server(('${server}', 443))
print('up', flush=True)
c, _ = s.accept()
while c.recv(1 << 16): pass`,
  ]);
  await sink.line(/^up$/);
  const source = pair.lab.client.start([
    ...[python, '-c'],
    `
import socket
s = socket.create_connection(('${server}', 443))
while True: s.sendall(bytes(1 << 16))`,
  ]);
  return [source, sink];
}

const carried = async (table: Conntrack) =>
  Number((await table.dump({ protocol: 'tcp' })).sum('bytes'));

/** Moves a transfer to the standby, and tells how many of its packets were INVALID there. */
async function moved(windows: 'flags' | 'setting'): Promise<{ invalid: number; flows: FlowBatch }> {
  await using pair = await Pair.create();
  const { standby, first, second } = pair;
  translate(standby);
  if (windows === 'setting') await second.configure({ tcp: { beLiberal: true } });
  const ends = await bulk(pair);
  try {
    await until('five megabytes', async () => (await carried(first)) > 5e6);
    const { failed } = await second.createMany(await first.dump({ protocol: 'tcp' }));
    assert.equal(failed, []);
    if (windows === 'flags') {
      const flag = { set: 'be_liberal' } as const;
      const change = { tcp: { flags: { orig: flag, reply: flag } } };
      assert.is(await second.updateWhere({ protocol: 'tcp' }, change), 1);
    }
    // A part of the window is lost on the way.
    await until('some more', async () => (await carried(first)) > 20e6);
    const invalid = async () => (await second.stats()).total.invalid;
    assert.is(await invalid(), 0);
    pair.switchOver();
    await until('five megabytes more', async () => (await carried(second)) > 5e6);
    return { invalid: await invalid(), flows: await second.dump({ protocol: 'tcp' }) };
  } finally {
    for (const end of ends) await end.stop();
  }
}

test('with the setting beLiberal no packet of a moved transfer is INVALID', async () => {
  assert.is((await moved('setting')).invalid, 0);
});

test('with be_liberal on both sides no packet of a moved transfer is INVALID', async () => {
  const { invalid, flows } = await moved('flags');
  assert.is(invalid, 0);
  assert.is(flows.length, 1);
  const { orig, reply } = flows.at(0)!.tcp!.flags!;
  assert.ok(orig.includes('be_liberal') && reply.includes('be_liberal'));
});

for (const [what, ...words] of [
  ['an address that leaves', 'address', 'del', `${gatewayOutside}/24`, 'dev', 'outside0'],
  ['an interface that goes down', 'link', 'set', 'outside0', 'down'],
] as const) {
  test(`${what} ends the flows of MASQUERADE, and a follower would hear it`, async () => {
    await using pair = await Pair.create();
    const { lab, first } = pair;
    await lab.serverHost.tcpServer(server, 443);
    await lab.clientHost.tcp({ address: server, port: 443, localPort: 40000 });
    const stream = first.events({ types: ['destroy'] });
    lab.gateway.ip(...words);
    for await (const event of stream) {
      assert.ok(event.type === 'destroy');
      assert.equal([event.flow.orig.srcPort, event.portid, event.own], [40000, 0, false]);
      break;
    }
    assert.is((await first.dump({ protocol: 'tcp' })).length, 0);
  });
}

test('a UDP stream that goes on makes no events, and the timeout of its copy runs down', async () => {
  await using pair = await Pair.create();
  const { lab, first, second } = pair;
  await lab.serverHost.udpServer(server, 5353);
  const target = { address: server, port: 5353, localPort: 5000 };
  for (let i = 0; i < 3; i++) await lab.clientHost.udpExchange(target);
  await first.updateWhere({ protocol: 'udp' }, { timeout: 100 });
  await second.createMany(await first.dump({ protocol: 'udp' }));
  const stream = first.events();
  for (let i = 0; i < 20; i++) await lab.clientHost.udpExchange(target);
  const timeout = async (table: Conntrack) =>
    (await table.dump({ protocol: 'udp' })).at(0)!.timeout!;
  // A packet sets the timeout of its flow, here to that of a stream (120) or of an answer (30).
  assert.is.not(await timeout(first), 100);
  assert.ok((await timeout(second)) <= 100);
  await stream.close({ drain: true });
  const told: string[] = [];
  for await (const event of stream) told.push(event.type);
  assert.ok(!told.includes('new') && told.length <= 1, told.join());
});

test('sequence adjustment: an event of a netlink request has it, a dump always has it', async () => {
  await using pair = await Pair.create();
  const { lab, first } = pair;
  await lab.serverHost.tcpServer(server, 443);
  const connection = await lab.clientHost.tcp({ address: server, port: 443, localPort: 40000 });
  const flow = (await first.dump({ protocol: 'tcp' })).at(0)!.toObject();
  const adjust = { correctionPos: 1, offsetBefore: 0, offsetAfter: 0 };
  const stream = first.events();
  await first.delete(flow);
  assert.equal((await first.createMany([{ ...flow, seqAdj: { orig: adjust } }])).failed, []);
  await connection.close();
  await until('it ends', async () => (await first.dump({ state: 'ESTABLISHED' })).length === 0);
  await stream.close({ drain: true });
  const told: unknown[] = [];
  for await (const event of stream) {
    if (event.type === 'update') told.push(['packet', event.flow.seqAdj?.orig]);
    if (event.type === 'new') told.push(['request', event.flow.seqAdj?.orig]);
  }
  assert.equal(told[0], ['request', adjust]);
  assert.ok(told.length > 1);
  for (const one of told.slice(1)) assert.equal(one, ['packet', undefined]);
  assert.equal((await first.dump({ protocol: 'tcp' })).at(0)!.seqAdj!.orig, adjust);
});

test.run();

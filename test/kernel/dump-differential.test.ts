// Every row of a dump is compared with conntrack(8), and with libnetfilter_conntrack's parser on the same bytes. The
// flows are made-up ones of every kind, and those of real traffic through a translating gateway.
import { conntrack, type FlowBatch } from '../../src/index.js';
import { until } from '../support/awaited.js';
import { canonical, identity, meaningful, nfctAttributes, oracleFlow } from '../support/compare.js';
import {
  conntrackLines,
  conntrackList,
  type OracleFlow,
  parseConntrackLine,
} from '../support/conntrack-oracle.js';
import { decodeMessages } from '../support/decode-program.js';
import { assert, suite } from '../support/harness.js';
import { GatewayLab, SctpAssociation, sctpServer } from '../support/netlab.js';
import { Netns } from '../support/netns.js';
import { type NfctMessage, nfctDump } from '../support/nfct-oracle.js';
import { fill, useLabels } from '../support/populate.js';
import { run } from '../support/process.js';

const test = suite('dump against the oracles');

interface Reading {
  before: FlowBatch;
  listed: OracleFlow[];
  after: FlowBatch;
  /** The clock in seconds, before and after the reading. */
  clock: [number, number];
}

const seconds = () => Math.floor(Date.now() / 1000);

/**
 * The list of conntrack(8), read between two dumps of ours. Its times and counters must lie between those of the
 * dumps.
 */
async function reading(): Promise<Reading> {
  const from = seconds();
  const before = await conntrack.dump();
  const listed = conntrackList({ labels: true });
  const after = await conntrack.dump();
  return { before, listed, after, clock: [from, seconds()] };
}

function sameAsListed({ before, listed, after, clock }: Reading): void {
  assert.is(before.stats.undecodable + after.stats.undecodable, 0);
  assert.is(before.length, listed.length);
  assert.is(after.length, listed.length);
  const earlier = new Map([...before].map((flow) => [identity(flow), flow]));
  const later = new Map([...after].map((flow) => [identity(flow), flow]));
  assert.is(earlier.size, listed.length);
  for (const { timeout, deltaTime, ...line } of listed) {
    const flow = earlier.get(identity(line));
    assert.ok(flow !== undefined, `not in the dump: ${canonical(line)}`);
    const { timeout: highest, ...ours } = oracleFlow(flow);
    assert.is(canonical(ours), canonical(line));
    const lowest = later.get(identity(line))?.timeout;
    assert.is(timeout === undefined, highest === undefined);
    if (timeout !== undefined) assert.ok(timeout <= highest! && timeout >= lowest!);
    assert.is(deltaTime === undefined, flow.start === undefined);
    if (deltaTime !== undefined) {
      const start = Number(flow.start! / 1_000_000_000n);
      assert.ok(deltaTime >= clock[0] - start && deltaTime <= clock[1] - start);
    }
  }
}

/** Both parsers read the same bytes: everything is equal, also times and counters. */
function sameAsParsed(messages: NfctMessage[]): void {
  const { verdicts, batch } = decodeMessages(messages.map(({ raw }) => raw!));
  assert.ok(verdicts.every((verdict) => verdict === 'row'));
  messages.forEach(({ attributes, parsed }, i) => {
    assert.ok(parsed);
    const ours = nfctAttributes(batch.at(i)!.toObject());
    assert.is(canonical(ours), canonical(meaningful(attributes)));
  });
}

const withoutTicks = (line: string) =>
  line.replace(/^(\S+ +\d+) \d+/, '$1 T').replace(/delta-time=\d+/, 'delta-time=T');

/** The sorted lines of plain `conntrack -L` for both families, without the values that change with time. */
function plainLines(): string[] {
  const texts = ['ipv4', 'ipv6'].map((family) => run(['conntrack', '-L', '-f', family]));
  const lines = texts.flatMap((text) => text.split('\n')).filter(Boolean);
  return lines.map(withoutTicks).sort();
}

/** `String(flow)` is the same line, except for values that change between the two readings. */
async function sameText(): Promise<void> {
  const ours = [...(await conntrack.dump())].map(String);
  assert.equal(ours.map(withoutTicks).sort(), plainLines());
  const clock = seconds();
  for (const [i, flow] of [...(await conntrack.dump())].entries()) {
    const { timeout, deltaTime } = parseConntrackLine(String(flow));
    assert.is(timeout, flow.timeout, ours[i]);
    if (deltaTime === undefined) continue;
    const start = Number(flow.start! / 1_000_000_000n);
    assert.ok(deltaTime >= clock - start && deltaTime <= seconds() - start);
  }
}

async function sameEverywhere(): Promise<void> {
  sameAsListed(await reading());
  const raw = nfctDump({ raw: true });
  sameAsParsed(raw);
  await sameText();
}

const kinds = (batch: FlowBatch) =>
  new Set([...batch].map((flow) => `${flow.family} ${flow.protocol}`));

test('flows of every kind, with and without counters and times', async () => {
  const { current } = Netns;
  useLabels();
  current.conntrackSysctls({ acct: 1, timestamp: 1 });
  fill({ count: 2560, seed: 11, labels: true });
  current.conntrackSysctls({ acct: 0 });
  fill({ count: 640, seed: 12, labels: true, from: 2560 });
  current.conntrackSysctls({ timestamp: 0 });
  fill({ count: 640, seed: 13, labels: true, from: 3200 });
  current.conntrackSysctls({ acct: 1 });
  fill({ count: 640, seed: 14, labels: true, from: 3840 });
  await sameEverywhere();

  const batch = await conntrack.dump();
  assert.is(batch.stats.withoutCounters, 1280);
  const names = ['tcp', 'udp', 'sctp', 'gre', 'udplite', 'esp', 89, 255];
  for (const family of ['ipv4', 'ipv6']) {
    for (const name of names) assert.ok(kinds(batch).has(`${family} ${name}`), `${family} ${name}`);
  }
  assert.ok(kinds(batch).has('ipv4 icmp') && kinds(batch).has('ipv6 icmpv6'));
  const objects = batch.toArray();
  const fields = ['helper', 'labels', 'start', 'tcp', 'sctp', 'seqAdj', 'synproxy', 'master'];
  for (const field of [...fields, 'nat', 'state', 'timeout', 'use'] as const) {
    assert.ok(
      objects.some((flow) => flow[field as 'helper'] !== undefined),
      `no flow has ${field}`,
    );
  }
  for (const side of ['orig', 'reply'] as const) {
    assert.ok(objects.some((flow) => flow[side].zone !== undefined));
    assert.ok(objects.some((flow) => flow[side].packets === undefined));
  }
});

test('a dump of one family has the flows that conntrack -f lists', async () => {
  for (const family of ['ipv4', 'ipv6'] as const) {
    const ids = conntrackList({ family }).map(({ id }) => id!);
    const batch = await conntrack.dump({ family });
    assert.equal(Array.from(batch.columns.id).sort(), ids.sort());
    assert.equal(batch.stats.kernelFilter, ['family']);
  }
});

test('an empty table', async () => {
  await conntrack.flush();
  assert.is(conntrackLines().length, 0);
  const batch = await conntrack.dump();
  assert.is(batch.length, 0);
  assert.equal([...batch], []);
  assert.equal(batch.toArray(), []);
});

test('real traffic through a translating gateway', async () => {
  await using lab = await GatewayLab.create({ gateway: 'current', acct: 1, timestamp: 1 });
  const { client, server, server6, gatewayInside, gatewayInside6 } = lab.addresses;
  const { clientHost, serverHost } = lab;
  // Flows must not expire during the test.
  for (const name of [
    'tcp_timeout_close',
    'tcp_timeout_time_wait',
    'icmp_timeout',
    'udp_timeout',
  ]) {
    lab.gateway.setSysctl(`net.netfilter.nf_conntrack_${name}`, 3600);
  }
  lab.gateway.setSysctl('net.netfilter.nf_conntrack_icmpv6_timeout', 3600);
  const port = await serverHost.tcpServer(server);
  const port6 = await serverHost.tcpServer(server6);
  const udp = await serverHost.udpServer(server);
  const udp6 = await serverHost.udpServer(server6);
  await lab.dnat('tcp', 8080, port6);
  await lab.dnat('udp', 5353, udp);
  await using _peer = await sctpServer(lab.server, server, 7000);

  const open = await clientHost.tcp({ address: server, port }, 100_000);
  await clientHost.tcp({ address: server6, port: port6 }, 3000);
  await clientHost.tcp({ address: gatewayInside6, port: 8080 });
  const closed = await clientHost.tcp({ address: server, port });
  await closed.close();
  const reset = await clientHost.tcp({ address: server6, port: port6 });
  await reset.reset();
  await clientHost.udpExchange({ address: server, port: udp }, 1200, 3);
  await clientHost.udpExchange({ address: server6, port: udp6 });
  await clientHost.udpExchange({ address: gatewayInside, port: 5353 });
  await clientHost.ping(server, 3);
  await clientHost.ping(server6, 2);
  const unanswered = await clientHost.udp('0.0.0.0');
  await unanswered.send({ address: '198.51.100.77', port: 9 });
  await using _association = await SctpAssociation.open(lab.client, {
    ...{ address: server, port: 7000, localAddress: client, localPort: 7001 },
  });
  // When the counters stop changing, no packet is on its way.
  let last = '';
  await until('the traffic to end', () => {
    const now = plainLines().join('\n');
    const same = now === last;
    last = now;
    return same;
  });
  await sameEverywhere();

  const batch = await conntrack.dump();
  const long = batch.filter({ protocol: 'tcp', orig: { srcPort: open.localPort } }).at(0)!;
  assert.is(long.state, 'ESTABLISHED');
  assert.ok(long.orig.bytes! > 100_000n && long.reply.bytes! > 100_000n);
  assert.is(long.nat?.src?.address, lab.addresses.gatewayOutside);
  const states = new Set([...batch.filter({ protocol: 'tcp' })].map(({ state }) => state));
  assert.ok(states.has('TIME_WAIT') && states.has('CLOSE'));
  const forwarded = batch.filter({ dst: gatewayInside6, dstPort: 8080 }).at(0)!;
  assert.equal(forwarded.nat?.dst, { address: server6, port: port6 });
  assert.is(batch.filter({ protocol: 'sctp' }).at(0)!.state, 'ESTABLISHED');
  assert.is(batch.filter({ status: { none: ['seen_reply'] } }).at(0)!.orig.dst, '198.51.100.77');
});

test.run();

// Looking flows up: by the original or the reply tuple, by view or by plain data, one or many at a time.
// Kernels: linux, memory
import { Conntrack, type Flow, type FlowObject, type TupleInit } from '../../src/index.js';
import { canonical, identity } from '../support/compare.js';
import { assert, suite } from '../support/harness.js';
import { GatewayLab } from '../support/netlab.js';
import { conntrack, fill, needsLinux, sysctls, useLabels } from '../support/table.js';

const test = suite('get');

/** The fields that neither time nor a lookup changes. */
const image = (flow: Flow | undefined) => {
  if (flow === undefined) return undefined;
  const { timeout, use, ...rest } = flow.toObject();
  return canonical(rest);
};

/** The ways to name a flow. */
function tuplesOf(flow: FlowObject): TupleInit[] {
  const { protocol, protocolNumber, zone, family, id } = flow;
  const ends = ({ packets, bytes, ...side }: FlowObject['orig']) => side;
  const { zone: directional, ...direct } = ends(flow.orig);
  return [
    { protocol, zone, orig: ends(flow.orig) },
    { protocol: protocolNumber, zone, family, reply: ends(flow.reply) },
    { protocol, zone, orig: ends(flow.orig), ...(id !== undefined && { id }) },
    ...(directional === undefined ? [{ protocol, zone, ...direct }] : []),
  ];
}

let flows: FlowObject[];
let views: Flow[];

test.before(async () => {
  useLabels();
  await sysctls({ acct: 1, timestamp: 1 });
  await fill({ count: 960, seed: 81, labels: true });
  await fill({ count: 128, seed: 81, labels: true, zone: 9 });
  const batch = await conntrack.dump();
  views = [...batch];
  flows = batch.toArray();
});

test('every flow by every name, one at a time and many at once', async () => {
  const wanted = flows.flatMap((flow, i) =>
    [views[i]!, flow, ...tuplesOf(flow)].map((name) => ({ name, expected: image(views[i]) })),
  );
  assert.ok(wanted.length > 5000);
  const many = await conntrack.getMany(wanted.map(({ name }) => name));
  assert.is(many.length, wanted.length);
  for (const [i, { expected }] of wanted.entries()) assert.is(image(many[i]), expected);
  for (const [i, { name, expected }] of wanted.entries()) {
    assert.is(image(conntrack.getSync(name)), expected);
    if (i % 10 === 0) assert.is(image(await conntrack.get(name)), expected);
  }
});

test('a flow that was looked up does not change when others are looked up', () => {
  const kept = flows.slice(0, 200).map((flow) => conntrack.getSync(flow)!);
  for (const flow of flows.slice(200)) conntrack.getSync(flow);
  for (const [i, flow] of kept.entries()) assert.is(image(flow), image(views[i]));
});

test('a missing flow is undefined, at its place among others', async () => {
  const tcp = flows.find(
    ({ family, protocol, zone, orig }) =>
      family === 'ipv4' && protocol === 'tcp' && zone === 0 && orig.zone === undefined,
  )!;
  const { src, dst } = tcp.orig;
  const ports = { srcPort: tcp.orig.srcPort!, dstPort: tcp.orig.dstPort! };
  const name = { protocol: 'tcp', src, dst, ...ports } as const;
  const missing: TupleInit[] = [
    { ...name, srcPort: ports.srcPort ^ 1 },
    { ...name, protocol: 'sctp' },
    { ...name, protocol: 'udp' },
    { ...name, zone: 4242 },
    { ...name, id: (tcp.id! ^ 1) >>> 0 },
    { protocol: 'tcp', orig: { src, dst, ...ports, zone: 12 } },
    { protocol: 'icmp', src, dst, icmpType: 8, icmpCode: 0, icmpId: 1 },
    { protocol: 'esp', src, dst },
    { protocol: 254, src, dst },
  ];
  const valid = missing.flatMap((one) => [one, name]);
  const found = await conntrack.getMany(valid);
  valid.forEach((one, i) => {
    assert.is(found[i] === undefined, one !== name);
    assert.is(conntrack.getSync(one) === undefined, one !== name);
  });
  assert.is(await conntrack.get(missing[0]!), undefined);
  assert.equal(await conntrack.getMany([]), []);
});

test('a tuple names the flow that has it in either direction', async () => {
  // A zone for only the reply belongs to that direction: only `reply` finds such a flow.
  const udp = flows.filter(
    ({ protocol, zone, reply }) => protocol === 'udp' && zone === 0 && reply.zone === undefined,
  );
  assert.ok(udp.length > 50);
  for (const flow of udp) {
    const { packets, bytes, ...reply } = flow.reply;
    const found = await conntrack.get({ protocol: 'udp', orig: reply });
    assert.is(found && identity(found), identity(flow));
  }
});

test.when(
  needsLinux('no host'),
  'translated flows of real traffic are found by the tuple of either side',
  async () => {
    await using lab = await GatewayLab.create({ acct: 1 });
    await using gateway = Conntrack.open({ netns: lab.gateway.path });
    const { client, server, gatewayOutside } = lab.addresses;
    const port = await lab.serverHost.tcpServer(server);
    const connection = await lab.clientHost.tcp({ address: server, port }, 2000);
    const inside = { src: client, dst: server, srcPort: connection.localPort, dstPort: port };
    const byOrig = (await gateway.get({ protocol: 'tcp', ...inside }))!;
    const outside = { src: server, dst: gatewayOutside, srcPort: port };
    const reply = { ...outside, dstPort: byOrig.nat!.src!.port! };
    const byReply = gateway.getSync({ protocol: 'tcp', reply })!;
    assert.is(byReply.id, byOrig.id);
    assert.is(byReply.orig.src, client);
    assert.ok(byOrig.orig.bytes! > 2000n);
    await connection.echo(5000);
    const later = gateway.getSync(byOrig)!;
    assert.ok(later.orig.bytes! > byOrig.orig.bytes! + 5000n);
  },
);

test.run();

// Writing flows back that were read: a whole table into another namespace and another zone. Also reports of the flows
// that the kernel refuses.
import { Conntrack, conntrack, type FlowObject, NetlinkError } from '../../src/index.js';
import { canonical } from '../support/compare.js';
import { conntrackSave } from '../support/conntrack-oracle.js';
import { assert, suite } from '../support/harness.js';
import { GatewayLab } from '../support/netlab.js';
import { Netns } from '../support/netns.js';
import { fill, useLabels } from '../support/populate.js';

const test = suite('createMany');

/** The fields of a flow that can be written. */
function written(flow: FlowObject): string {
  const { id, use, start, stop, timeout, secctx, ...rest } = flow;
  const side = ({ packets, bytes, ...ends }: FlowObject['orig']) => ends;
  return canonical({ ...rest, orig: side(flow.orig), reply: side(flow.reply) });
}

const image = (flows: FlowObject[]) => flows.map(written).sort();

// The entries as conntrack(8) saves them, without their seconds.
const saved = (netns?: Netns) =>
  conntrackSave({ netns: netns ?? Netns.current })
    .map((line) => line.replace(/-t \d+/, '-t T'))
    .sort();

function sameTimeouts(before: FlowObject[], after: FlowObject[]): void {
  const left = new Map(before.map((flow) => [written(flow), flow.timeout!]));
  for (const flow of after) {
    const had = left.get(written(flow))!;
    assert.ok(flow.timeout! <= had && flow.timeout! > had - 60);
  }
}

test('a whole table into another namespace, as data and as views', async () => {
  useLabels();
  fill({ count: 2048, seed: 61, labels: true });
  const batch = await conntrack.dump();
  const before = batch.toArray();
  for (const flows of [before, batch]) {
    using netns = Netns.create();
    useLabels(netns);
    await using there = Conntrack.open({ netns: netns.path });
    const { created, failed } = await there.createMany(flows);
    assert.equal(
      failed.map(({ index, error }) => [before[index], error.message]),
      [],
    );
    assert.is(created, before.length);
    const after = (await there.dump()).toArray();
    assert.equal(image(after), image(before));
    sameTimeouts(before, after);
    assert.equal(saved(netns), saved());
  }
});

test('into another zone of the same table', async () => {
  const before = (await conntrack.dump())
    .toArray()
    .filter(({ orig, reply, zone }) => zone === 0 && (orig.zone ?? reply.zone) === undefined);
  assert.ok(before.length > 1000);
  const { created, failed } = await conntrack.createMany(
    before.map((flow) => ({ ...flow, zone: 77 })),
  );
  assert.equal(failed, []);
  assert.is(created, before.length);
  const after = (await conntrack.dump({ zone: 77 })).toArray();
  assert.equal(image(after.map((flow) => ({ ...flow, zone: 0 }))), image(before));
});

test('the flows of real, translated traffic', async () => {
  await conntrack.flush();
  await using lab = await GatewayLab.create({ acct: 1, timestamp: 1 });
  await using gateway = Conntrack.open({ netns: lab.gateway.path });
  const { server, server6, gatewayInside, client } = lab.addresses;
  const port = await lab.serverHost.tcpServer(server);
  const port6 = await lab.serverHost.tcpServer(server6);
  const udp = await lab.serverHost.udpServer(server);
  await lab.dnat('udp', 5353, udp);
  await lab.clientHost.tcp({ address: server, port });
  await lab.clientHost.tcp({ address: server6, port: port6 });
  await lab.clientHost.udpExchange({ address: gatewayInside, port: 5353 });
  await lab.clientHost.ping(server);
  await lab.clientHost.ping(server6);
  // The gateway uses the same ICMP id a second time, so the kernel has to change one of them.
  const ping = (await gateway.dump({ protocol: 'icmp', src: client })).at(0)!;
  const reply = { ...ping.toObject().reply, icmpId: ping.orig.icmpId! ^ 1 };
  await gateway.delete(ping);
  await gateway.create({ ...ping.toObject(), reply, timeout: 600 });

  const before = (await gateway.dump()).toArray();
  assert.ok(before.filter(({ nat }) => nat?.src !== undefined).length >= 4);
  assert.ok(before.some(({ orig, reply: back }) => orig.icmpId !== back.icmpId));
  await gateway.flush();
  const { created, failed } = await gateway.createMany(before);
  assert.equal(failed, []);
  assert.is(created, before.length);
  // The nat table also marks flows that it saw and did not translate. Over netlink only translated flows get the
  // marks.
  const plain = (flow: FlowObject) => ({
    ...flow,
    status: flow.status.filter((name) => !name.endsWith('_nat_done')),
    statusBits: flow.statusBits & ~(128 | 256),
  });
  assert.equal(image((await gateway.dump()).toArray().map(plain)), image(before.map(plain)));
});

test('refusals are reported by index, across chunks, and stop nothing', async () => {
  await conntrack.flush();
  const flow = (n: number) => ({
    ...{ protocol: 'udp' as const, src: `10.0.${n >> 8}.${n & 255}`, dst: '192.0.2.1' },
    ...{ srcPort: 1, dstPort: 2, timeout: 3600, mark: n },
  });
  const flows = Array.from({ length: 9000 }, (_, n) => flow(n));
  const wrong = [1, 100, 4095, 4096, 8999];
  for (const index of wrong) flows[index] = flow(0);
  const { created, failed } = await conntrack.createMany(flows);
  assert.is(created, 9000 - wrong.length);
  assert.equal(
    failed.map(({ index, error }) => [index, error.code]),
    wrong.map((index) => [index, 'EEXIST']),
  );
  assert.instance(failed[0]!.error, NetlinkError);
  assert.match(String(failed[0]!.error.hint), /upsert/);
  const made = Array.from((await conntrack.dump()).columns.mark).sort((a, b) => a - b);
  assert.equal(
    made,
    flows.map((_, n) => n).filter((n) => !wrong.includes(n)),
  );
});

test('flows with masters in any order, and one whose master is missing', async () => {
  await conntrack.flush();
  const common = { protocol: 'tcp', src: '10.0.0.1', dst: '10.0.0.2', dstPort: 21 } as const;
  const flow = (srcPort: number, master?: number) => ({
    ...{ ...common, srcPort, timeout: 3600 },
    ...(master !== undefined && { master: { ...common, srcPort: master } }),
  });
  const flows = [flow(3, 2), flow(2, 1), flow(9, 8), flow(1), flow(4, 3)];
  const { created, failed } = await conntrack.createMany(flows);
  assert.is(created, 4);
  assert.equal(
    failed.map(({ index, error }) => [index, error.code]),
    [[2, 'ENOENT']],
  );
});

test('an empty list, and every kind of iterable', async () => {
  await conntrack.flush();
  assert.equal(await conntrack.createMany([]), { created: 0, failed: [] });
  function* some() {
    for (let srcPort = 1; srcPort <= 3; srcPort++) {
      yield {
        protocol: 'udp',
        src: 'fd00::1',
        dst: 'fd00::2',
        srcPort,
        dstPort: 9,
        timeout: 600,
      } as const;
    }
  }
  assert.is((await conntrack.createMany(some())).created, 3);
  assert.is((await conntrack.createMany(new Set(some()))).failed.length, 3);
});

test('a bad flow is reported by its index, and stops no other flow', async () => {
  await conntrack.flush();
  const good = {
    protocol: 'udp',
    src: '10.0.0.1',
    dst: '10.0.0.2',
    srcPort: 1,
    dstPort: 9,
    timeout: 600,
  } as const;
  const { created, failed } = await conntrack.createMany([
    good,
    { ...good, srcPort: 65536 },
    { ...good, srcPort: 2 },
    null as never,
    { ...good, srcPort: 3 },
  ]);
  assert.is(created, 3);
  assert.equal(
    failed.map(({ index, error }) => [index, error.constructor.name, error.message.slice(0, 17)]),
    [
      [1, 'RangeError', 'flows[1].srcPort:'],
      [3, 'TypeError', 'flows[3]: expecte'],
    ],
  );
  assert.is((await conntrack.dump()).length, 3);
});

test.run();

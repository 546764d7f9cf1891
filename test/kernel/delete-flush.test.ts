// Deleting by filter, by name and by flush. Exactly the matching flows go, and the result has their last state. In
// every case there are other flows that must survive.
// Kernels: linux, memory
import { Conntrack, type FlowFilter, type FlowObject } from '../../src/index.js';
import { canonical, identity } from '../support/compare.js';
import { filterMatches } from '../support/filter-oracle.js';
import { inOrder, splittingFilter, takenFilter } from '../support/flow-filters.js';
import { assert, suite, throws } from '../support/harness.js';
import { GatewayLab } from '../support/netlab.js';
import { Netns } from '../support/netns.js';
import { Random } from '../support/random.js';
import {
  conntrack,
  fill,
  flowCount,
  memory,
  needsLinux,
  sysctls,
  useLabels,
} from '../support/table.js';

const test = suite('delete and flush');

const ids = (flows: Iterable<{ id?: number }>) =>
  Array.from(flows, ({ id }) => id!).sort((a, b) => a - b);

/** The fields of a flow that neither change with time nor show that it is being deleted. */
function lasting({ timeout, use, status, statusBits, stop, ...rest }: FlowObject): string {
  return canonical({ ...rest, status: status.filter((name) => name !== 'dying') });
}

async function refill(seed: number): Promise<FlowObject[]> {
  await conntrack.flush();
  assert.is(await flowCount(), 0);
  await fill({ count: 320, seed, labels: true });
  // The first 64 again, in a different zone.
  await fill({ count: 64, seed, labels: true, zone: 9 });
  return inOrder((await conntrack.dump()).toArray());
}

test.before(async () => {
  useLabels();
  // Every second round below has events on: then the kernel echoes deletions.
  await sysctls({ acct: 1, timestamp: 1 });
});

for (const way of ['deleteWhere', 'deleteWhere returning', 'flush'] as const) {
  test(`${way} with random filters leaves the set difference`, async () => {
    const random = new Random(way.length);
    let deletions = 0;
    for (let round = 0; round < 24; round++) {
      await sysctls({ events: round % 2 === 0 ? 1 : 0 });
      const flows = await refill(100 + round);
      // Every fourth filter may match all or nothing.
      const filter = round % 4 === 3 ? takenFilter(random, flows) : splittingFilter(random, flows);
      const said = JSON.stringify(filter);
      const matching = flows.filter((flow) => filterMatches(flow, filter));
      const others = flows.filter((flow) => !filterMatches(flow, filter));
      if (way === 'flush') {
        await conntrack.flush(filter);
      } else if (way === 'deleteWhere') {
        assert.is(await conntrack.deleteWhere(filter), matching.length, said);
      } else {
        const deleted = await conntrack.deleteWhere(filter, { returning: true });
        const sorted = (list: FlowObject[]) => list.map(lasting).sort();
        assert.equal(sorted(deleted.toArray()), sorted(matching), said);
        assert.is(deleted.stats.undecodable, 0);
      }
      assert.equal(ids(await conntrack.dump()), ids(others), said);
      if (matching.length > 0 && others.length > 0) deletions++;
    }

    assert.ok(deletions > 12, `only ${deletions} rounds deleted something and left something`);
  });
}

const simple: FlowFilter[] = [
  { family: 'ipv4' },
  { family: 'ipv6' },
  { mark: 0 },
  { mark: 3 },
  { mark: { value: 1, mask: 1 } },
  { mark: { value: 0, mask: 0x80000000 } },
  { status: 'assured' },
  { status: { none: ['assured'] } },
  { status: { all: ['seen_reply'], none: ['assured', 'src_nat'] } },
  { status: { any: ['src_nat', 'dst_nat'] } },
  { zone: 0 },
  { zone: 9 },
  { zone: 3 },
  { family: 'ipv6', mark: { value: 0, mask: 1 }, status: 'seen_reply' },
  { protocol: 'tcp' },
  { protocol: 'esp' },
];

test('flush and deleteWhere by each simple criterion', async () => {
  for (const filter of simple) {
    for (const how of ['flush', 'deleteWhere'] as const) {
      const flows = await refill(7);
      const others = flows.filter((flow) => !filterMatches(flow, filter));
      assert.ok(others.length > 0 && others.length < flows.length, JSON.stringify(filter));
      await conntrack[how](filter);
      assert.equal(ids(await conntrack.dump()), ids(others), `${how} ${JSON.stringify(filter)}`);
    }
  }
});

test('IPv6 addresses: the matching flows go, not the others', async () => {
  for (const how of ['flush', 'deleteWhere'] as const) {
    for (const place of ['orig.src', 'orig.dst', 'reply.src', 'reply.dst', 'prefix'] as const) {
      const flows = await refill(31);
      const flow = flows.find(({ family, nat }) => family === 'ipv6' && nat !== undefined)!;
      const [side, end] = place.split('.') as ['orig' | 'reply', 'src' | 'dst'];
      const filter: FlowFilter =
        place === 'prefix'
          ? { src: `${flow.orig.src}/16` }
          : { [side]: { [end]: flow[side][end] } };
      const others = flows.filter((one) => !filterMatches(one, filter));
      assert.ok(others.length < flows.length && others.length > 0);
      if (place !== 'prefix') assert.ok(others.length > flows.length - 8);
      await conntrack[how](filter);
      assert.equal(ids(await conntrack.dump()), ids(others), `${how} ${place}`);
    }
  }
});

test('an empty or half-written filter is refused and deletes nothing', async () => {
  const flows = await refill(5);
  const bad: [unknown, RegExp][] = [
    [{}, /filter: is empty/],
    [{ orig: {} }, /filter: is empty/],
    [{ orig: {}, reply: {} }, /filter: is empty/],
    [{ mark: undefined }, /filter\.mark: is undefined/],
    [{ orig: { src: undefined } }, /filter\.orig\.src: is undefined/],
    [{ mark: { value: 0, mask: 0 } }, /filter\.mark\.mask: /],
    [{ status: {} }, /filter\.status: /],
    [{ status: [] }, /filter\.status: /],
    [{ protocol: [] }, /filter\.protocol: /],
    [{ state: [] }, /filter\.state: /],
    [{ helper: '' }, /filter\.helper: /],
    [{ sorce: '10.0.0.1' }, /filter\.sorce: there is no such field/],
    [null, /filter: expected an object/],
    ['10.0.0.1', /filter: expected an object/],
    [[], /filter: expected an object/],
  ];
  for (const [filter, message] of bad) {
    const given = filter as FlowFilter;
    await throws(Error, message, () => conntrack.deleteWhere(given));
    await throws(Error, message, () => conntrack.deleteWhere(given, { returning: true }));
    await throws(Error, message, () => conntrack.flush(given));
    await throws(Error, message, () => conntrack.updateWhere(given, { mark: 1 }));
  }
  await throws(TypeError, /filter: is empty/, () =>
    conntrack.deleteWhere(undefined as unknown as FlowFilter),
  );
  assert.equal(inOrder((await conntrack.dump()).toArray()).map(lasting), flows.map(lasting));
});

test('each flow by its name: as a view, as plain data, by its reply', async () => {
  const flows = await refill(77);
  const left = new Map(flows.map((flow) => [identity(flow), flow]));
  for (const [i, flow] of [...(await conntrack.dump())].entries()) {
    if (i % 3 === 0) {
      assert.ok(await conntrack.delete(flow), canonical(flow.toObject()));
      assert.not(await conntrack.delete(flow));
    } else if (i % 3 === 1) {
      assert.ok(await conntrack.delete(flow.toObject()), canonical(flow.toObject()));
    } else {
      const { packets, bytes, ...reply } = flow.toObject().reply;
      const name = { protocol: flow.protocol, reply, zone: flow.zone };
      // A flow with a zone for only the original direction is in zone 0 in the reply direction.
      assert.ok(await conntrack.delete(name), canonical(flow.toObject()));
      assert.not(await conntrack.delete(name));
    }
    left.delete(identity(flow));
    if (i % 50 === 0) assert.equal(ids(await conntrack.dump()), ids(left.values()));
  }
  assert.is((await conntrack.dump()).length, 0);
});

const tcp = {
  protocol: 'tcp',
  src: '10.9.0.1',
  dst: '10.9.0.2',
  srcPort: 4000,
  dstPort: 443,
} as const;

test('a flow with the same tuple in a different zone survives', async () => {
  await conntrack.flush();
  for (const zone of [0, 1, 2]) await conntrack.create({ ...tcp, zone, timeout: 600 });
  // Its reply tuple is in zone 0, as that of the first flow. So it must be a different tuple.
  await conntrack.create({
    ...{ protocol: 'tcp', timeout: 600 },
    orig: { src: tcp.src, dst: tcp.dst, srcPort: 4000, dstPort: 443, zone: 3 },
    nat: { src: { address: '10.9.0.9' } },
  });
  const zones = async () =>
    [...(await conntrack.dump())].map(({ zone, orig }) => orig.zone ?? zone).sort();
  assert.equal(await zones(), [0, 1, 2, 3]);
  assert.ok(await conntrack.delete({ ...tcp, zone: 1 }));
  assert.equal(await zones(), [0, 2, 3]);
  assert.not(await conntrack.delete({ ...tcp, zone: 1 }));
  assert.is(await conntrack.deleteWhere({ src: tcp.src, zone: 2 }), 1);
  assert.equal(await zones(), [0, 3]);
  await conntrack.flush({ orig: { zone: 3 } });
  assert.equal(await zones(), [0]);
  assert.ok(await conntrack.delete(tcp));
  assert.is(await flowCount(), 0);
});

test('the name of a deleted flow does not delete a newer flow with the same tuple', async () => {
  await conntrack.flush();
  await conntrack.create({ ...tcp, timeout: 600, mark: 1 });
  const old = (await conntrack.get(tcp))!;
  // The kernel computes the id from the tuple and the entry's memory address. A flow that has the entry as master
  // keeps its memory in use, so the new entry gets a different address.
  await conntrack.create({ ...tcp, srcPort: 4001, timeout: 600, master: tcp });
  if (memory !== undefined) await conntrack.delete(tcp);
  else Netns.current.exec('conntrack', '-D', '-p', 'tcp', '--sport', '4000');
  await conntrack.create({ ...tcp, timeout: 600, mark: 2 });
  const now = (await conntrack.get(tcp))!;
  assert.is.not(old.id, now.id);
  for (const stale of [old, old.toObject()]) {
    assert.not(await conntrack.delete(stale));
    assert.not(await conntrack.update(stale, { mark: 3 }));
    assert.is(await conntrack.get(stale), undefined);
    assert.is(conntrack.getSync(stale), undefined);
  }
  assert.is((await conntrack.get(tcp))?.mark, 2);
  assert.ok(await conntrack.delete(now));
});

test('many deletions through a small receive buffer: each is returned once, and none waits', async () => {
  await sysctls({ events: 1 });
  await conntrack.flush();
  await fill({ count: 5000, seed: 3 });
  const before = ids(await conntrack.dump());
  await using small = memory?.openConntrack() ?? Conntrack.open({ receiveBuffer: 8192 });
  const deleted = await small.deleteWhere({ zone: 0 }, { returning: true });
  const rest = await conntrack.dump();
  assert.ok(rest.length > 0 && deleted.length > 4000);
  assert.equal(
    [...ids(deleted), ...ids(rest)].sort((a, b) => a - b),
    before,
  );
  // The kernel reports the end of each flow with its time.
  assert.ok([...deleted].every(({ stop, start }) => stop! >= start!));
  assert.is((await conntrack.dump(undefined, { list: 'dying' })).length, 0);
});

test('a table in which only some flows report their end: each is returned once', async () => {
  await conntrack.flush();
  await sysctls({ events: 1, timestamp: 1 });
  await fill({ count: 6400, seed: 3 });
  const reporting = new Set(ids(await conntrack.dump()));
  await sysctls({ events: 0 });
  // A few among many: so there are windows in which all flows report, and windows in which only some do.
  await fill({ count: 64, seed: 4, network: 12 });
  const before = ids(await conntrack.dump());
  assert.ok(before.length > reporting.size);
  const deleted = await conntrack.deleteWhere({ status: 'confirmed' }, { returning: true });
  await sysctls({ events: 1, timestamp: 0 });
  assert.equal(
    ids(deleted).sort((a, b) => a - b),
    before.sort((a, b) => a - b),
  );
  for (const flow of deleted) assert.is(flow.stop !== undefined, reporting.has(flow.id), `${flow}`);
  assert.is((await conntrack.dump()).length, 0);
});

for (const events of [1, 0] as const) {
  test.when(
    needsLinux('no host'),
    `returned counters are the final ones, events ${events}`,
    async () => {
      await conntrack.flush();
      await using lab = await GatewayLab.create({
        ...{ gateway: 'current', acct: 1, timestamp: 1, events },
      });
      const { server, server6 } = lab.addresses;
      const port = await lab.serverHost.udpServer(server);
      const port6 = await lab.serverHost.udpServer(server6);
      const socket = await lab.clientHost.udp('0.0.0.0');
      const socket6 = await lab.clientHost.udp('::');
      const canary = await lab.clientHost.tcp({
        address: server,
        port: await lab.serverHost.tcpServer(server),
      });
      const sum = { orig: 0n, reply: 0n, origBytes: 0n, replyBytes: 0n };
      let sent = 0;
      for (let round = 1; round <= 5; round++) {
        await socket.exchange({ address: server, port }, 100, round);
        await socket6.exchange({ address: server6, port: port6 }, 100, round);
        sent += round;
        const seen = await conntrack.dump({ protocol: 'udp' });
        const deleted = await conntrack.deleteWhere({ protocol: 'udp' }, { returning: true });
        assert.is(deleted.length, 2);
        const last = (flow: FlowObject) => canonical([flow.id, flow.orig, flow.reply, flow.start]);
        assert.equal(deleted.toArray().map(last).sort(), seen.toArray().map(last).sort());
        // Only the kernel's report of the deletion has the end time.
        assert.is(
          [...deleted].filter(({ stop }) => stop !== undefined).length,
          events === 1 ? 2 : 0,
        );
        sum.orig += deleted.sum('origPackets') as bigint;
        sum.reply += deleted.sum('replyPackets') as bigint;
        sum.origBytes += deleted.sum('origBytes') as bigint;
        sum.replyBytes += deleted.sum('replyBytes') as bigint;
      }
      // IPv4 and IPv6 headers, UDP header, payload.
      const bytes = BigInt(sent * (20 + 8 + 100) + sent * (40 + 8 + 100));
      const packets = BigInt(2 * sent);
      assert.equal(sum, { orig: packets, reply: packets, origBytes: bytes, replyBytes: bytes });
      assert.is((await conntrack.dump({ protocol: 'tcp' })).length, 1);
      await canary.echo(500);
    },
  );
}

test('flush without a filter empties both families and all zones', async () => {
  await refill(8);
  await conntrack.flush();
  assert.is((await conntrack.dump()).length, 0);
  await conntrack.flush();
});

test.run();

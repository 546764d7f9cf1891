// conntrack.events(): the events of real traffic through a NAT gateway, and the fields of an event.
// Kernels: linux, memory
import { inspect } from 'node:util';
import { type Conntrack, type FlowEvent, presenceBits } from '../../src/index.js';
import { until } from '../support/awaited.js';
import { ConntrackEvents, type OracleEvent } from '../support/conntrack-oracle.js';
import { Collector } from '../support/events.js';
import { assert, suite, throws } from '../support/harness.js';
import { GatewayLab, labAddresses, Netns } from '../support/netlab.js';
import { conntrack, memory, needsLinux, sysctls } from '../support/table.js';

const test = suite('events');
const { client, server, client6, server6, gatewayOutside, gatewayOutside6, gatewayInside } =
  labAddresses;
let lab: GatewayLab;
const noHost = needsLinux('no host');

test.before(async () => {
  if (memory !== undefined) await sysctls({ acct: 1, timestamp: 1, events: 1 });
  else lab = await GatewayLab.create({ gateway: 'current', acct: 1, timestamp: 1, events: 1 });
});
test.after(async () => lab?.[Symbol.asyncDispose]());

const steps = (events: readonly FlowEvent[]) =>
  events.map(({ type, flow }) => (flow.state === undefined ? type : `${type} ${flow.state}`));

/** All events are about the same flow. */
function oneFlow(events: readonly FlowEvent[]): void {
  const keys = events.map(({ flow }) => {
    const { src, dst, srcPort, dstPort, icmpId } = flow.orig;
    return JSON.stringify([flow.id, flow.protocol, src, dst, srcPort, dstPort, icmpId]);
  });
  assert.is(new Set(keys).size, 1, keys.join('\n'));
}

async function follow<T>(
  work: (events: Collector) => Promise<T>,
  options: Parameters<Conntrack['events']>[0] = {},
): Promise<T> {
  const stream = conntrack.events(options);
  const collector = new Collector(stream);
  try {
    return await work(collector);
  } finally {
    await stream.close();
    await collector.ended;
  }
}

test.when(
  noHost,
  'TCP through NAT: made, three states, closed by FIN, destroyed with its counters',
  async () => {
    await follow(async (events) => {
      const port = await lab.serverHost.tcpServer(server);
      const connection = await lab.clientHost.tcp({ address: server, port }, 100);
      const opened = await events.take(3);
      assert.equal(steps(opened), ['new SYN_SENT', 'update SYN_RECV', 'update ESTABLISHED']);
      await connection.close();
      const closed = await events.until((list) => list.at(-1)?.flow.state === 'TIME_WAIT');
      // The two hosts decide whether both FINs come before the first is acknowledged.
      assert.match(
        steps(closed).join(),
        /^update FIN_WAIT,(update CLOSE_WAIT,)?update LAST_ACK,update TIME_WAIT$/,
      );
      const updates = closed.slice();
      const inTable = await conntrack.get(opened[0]!.flow);
      assert.is(await conntrack.delete(inTable!), true);
      const gone = (await events.until((list) => list.at(-1)?.type === 'destroy')).at(-1)!;
      oneFlow([...opened, ...updates, gone]);

      const [made] = opened;
      assert.is(made!.flow.orig.src, client);
      assert.is(made!.flow.orig.dst, server);
      assert.is(made!.flow.orig.dstPort, port);
      assert.equal(made!.flow.nat?.src?.address, gatewayOutside);
      assert.is(made!.flow.nat?.dst, undefined);
      // Only the end of a flow has counters: elsewhere they are absent, not 0. No event has `use`.
      for (const event of [...opened, ...updates]) {
        assert.is(event.flow.orig.packets, undefined);
        assert.is(event.flow.start, undefined);
        assert.is(event.flow.use, undefined);
        assert.is(event.duration, undefined);
      }
      assert.is(gone.flow.orig.packets, inTable!.orig.packets);
      assert.is(gone.flow.orig.bytes, inTable!.orig.bytes);
      assert.is(gone.flow.reply.packets, inTable!.reply.packets);
      assert.ok(gone.flow.orig.bytes! > 100n && gone.flow.reply.bytes! > 100n);
      assert.is(gone.flow.start, inTable!.start);
      assert.is(gone.duration, gone.flow.stop! - gone.flow.start!);
      assert.ok(gone.duration! > 0n);
    });
  },
);

test.when(noHost, 'TCP over IPv6, ended by RST', async () => {
  await follow(async (events) => {
    const port = await lab.serverHost.tcpServer(server6);
    const connection = await lab.clientHost.tcp({ address: server6, port });
    await connection.reset();
    const seen = await events.take(4);
    assert.equal(steps(seen), [
      'new SYN_SENT',
      'update SYN_RECV',
      'update ESTABLISHED',
      'update CLOSE',
    ]);
    oneFlow(seen);
    assert.is(seen[0]!.flow.orig.src, client6);
    assert.is(seen[0]!.flow.nat?.src?.address, gatewayOutside6);
    await conntrack.delete(seen[0]!.flow);
    const [gone] = await events.take(1);
    assert.is(gone!.type, 'destroy');
    assert.is(gone!.flow.state, 'CLOSE');
    oneFlow([...seen, gone!]);
  });
});

test.when(noHost, 'UDP: new, the answer, and destroyed with three packets each way', async () => {
  await follow(async (events) => {
    const port = await lab.serverHost.udpServer(server);
    const srcPort = await lab.clientHost.udpExchange({ address: server, port }, 64, 3);
    const seen = await events.take(2);
    assert.equal(steps(seen), ['new', 'update']);
    assert.is(seen[0]!.flow.orig.srcPort, srcPort);
    assert.equal(
      [seen[0]!.flow.status.includes('seen_reply'), seen[1]!.flow.status.includes('seen_reply')],
      [false, true],
    );
    await conntrack.delete(seen[0]!.flow);
    const [gone] = await events.take(1);
    oneFlow([...seen, gone!]);
    assert.is(gone!.type, 'destroy');
    // 64 bytes, plus 8 for UDP and 20 for IPv4.
    assert.equal([gone!.flow.orig.packets, gone!.flow.orig.bytes], [3n, 3n * 92n]);
    assert.equal([gone!.flow.reply.packets, gone!.flow.reply.bytes], [3n, 3n * 92n]);
  });
});

test.when(noHost, 'ICMP and ICMPv6: one flow for all requests of a ping', async () => {
  for (const [address, protocol, type] of [
    [server, 'icmp', 8],
    [server6, 'icmpv6', 128],
  ] as const) {
    await follow(
      async (events) => {
        await lab.clientHost.ping(address, 4);
        const seen = await events.take(2);
        assert.equal(steps(seen), ['new', 'update']);
        await conntrack.delete(seen[0]!.flow);
        const [gone] = await events.take(1);
        assert.is(gone!.type, 'destroy');
        oneFlow([...seen, gone!]);
        assert.is(gone!.flow.protocol, protocol);
        assert.is(gone!.flow.orig.icmpType, type);
        assert.is(gone!.flow.orig.packets, 4n);
        assert.is(gone!.flow.reply.packets, 4n);
      },
      // Neighbour discovery is ICMPv6 too, and may be tracked. So only packets from the client to the server count.
      { filter: { protocol, dst: address } },
    );
  }
});

test.when(noHost, 'DNAT shows in the reply tuple', async () => {
  await follow(async (events) => {
    const port = await lab.serverHost.tcpServer(server);
    await lab.dnat('tcp', 8080, port);
    const connection = await lab.clientHost.tcp({ address: gatewayInside, port: 8080 });
    const [made] = await events.take(3);
    assert.is(made!.flow.orig.dst, gatewayInside);
    assert.is(made!.flow.orig.dstPort, 8080);
    assert.equal(made!.flow.nat?.dst, { address: server, port });
    await connection.close();
  });
  await conntrack.flush();
});

test.when(noHost, 'the same events in the same order as conntrack -E', async () => {
  const oracle = await ConntrackEvents.start();
  try {
    await follow(async (events) => {
      const tcp = await lab.serverHost.tcpServer(server);
      const udp = await lab.serverHost.udpServer(server6);
      const connection = await lab.clientHost.tcp({ address: server, port: tcp });
      await lab.clientHost.udpExchange({ address: server6, port: udp });
      await connection.reset();
      await events.until((list) => list.some(({ flow }) => flow.state === 'CLOSE'));
      await conntrack.flush();
      const mine = await events.until(
        (list) => list.filter(({ type }) => type === 'destroy').length === 2,
      );
      const theirs = await oracle.until('two ends', (list) => {
        return list.filter(({ type }) => type === 'destroy').length === 2;
      });
      assert.equal(mine.map(mineText), theirs.map(theirText));
    });
  } finally {
    await oracle[Symbol.asyncDispose]();
  }
});

function mineText({ type, flow }: FlowEvent): string {
  const side = (one: FlowEvent['flow']['orig']) =>
    [one.src, one.dst, one.srcPort, one.dstPort, one.packets, one.bytes].join(' ');
  return [
    ...[
      type,
      flow.id,
      flow.protocolNumber,
      flow.state,
      flow.timeout,
      side(flow.orig),
      side(flow.reply),
    ],
    flow.status.includes('assured'),
  ].join('|');
}

function theirText({ type, flow }: OracleEvent): string {
  const side = (one: OracleEvent['flow']['orig']) =>
    [one.src, one.dst, one.srcPort, one.dstPort, one.packets, one.bytes].join(' ');
  return [
    ...[type, flow.id, flow.protocol, flow.state, flow.timeout, side(flow.orig), side(flow.reply)],
    flow.flags.includes('ASSURED'),
  ].join('|');
}

const template = (port: number) => ({
  protocol: 'tcp' as const,
  orig: { src: '10.9.9.9', dst: '10.9.9.8', srcPort: port, dstPort: 80 },
  timeout: 600,
  state: 'ESTABLISHED' as const,
  status: ['assured' as const],
});

test('changes over netlink are updates, also a mark that is set back to 0', async () => {
  await follow(async (events) => {
    await conntrack.create({ ...template(1), mark: 7 });
    const [made] = await events.take(1);
    assert.is(made!.type, 'new');
    assert.is(made!.flow.mark, 7);
    await conntrack.update(made!.flow, { mark: 9 });
    const [marked] = await events.take(1);
    assert.equal([marked!.type, marked!.flow.mark], ['update', 9]);
    await conntrack.update(made!.flow, { mark: 0 });
    const [cleared] = await events.take(1);
    const { store, row } = cleared!.flow.source;
    assert.equal([cleared!.type, cleared!.flow.mark], ['update', 0]);
    assert.ok((store.column('presence')[row]! & presenceBits.mark) !== 0);
    await conntrack.delete(made!.flow);
    assert.is((await events.take(1))[0]!.type, 'destroy');
  });
});

test('types: only the groups that were asked for', async () => {
  for (const types of [['new'], ['update'], ['destroy'], ['new', 'destroy']] as const) {
    await follow(
      async (events) => {
        await conntrack.create(template(2));
        await conntrack.update(template(2), { mark: 3 });
        await conntrack.delete(template(2));
        const seen = await events.take(types.length);
        assert.equal(
          steps(seen).map((step) => step.split(' ')[0]),
          [...types],
        );
        await events.stream.close();
        // close() would count other events too: there are none.
        assert.is(events.stream.stats.received, types.length);
      },
      { types },
    );
  }
});

test('no event after events() has returned is missed', async () => {
  for (let i = 0; i < 20; i++) {
    const stream = conntrack.events();
    const created = conntrack.create(template(100 + i));
    await created;
    const first = await stream[Symbol.asyncIterator]().next();
    assert.is((first.value as FlowEvent).flow.orig.srcPort, 100 + i);
    await stream.close();
    await conntrack.delete(template(100 + i));
  }
});

test('without accounting and timestamps the end of a flow has neither counters nor duration', async () => {
  await sysctls({ acct: 0, timestamp: 0 });
  try {
    await follow(async (events) => {
      await conntrack.create(template(3));
      await conntrack.delete(template(3));
      const [made, gone] = await events.take(2);
      assert.is(gone!.type, 'destroy');
      assert.is(gone!.flow.orig.packets, undefined);
      assert.is(gone!.flow.stop, undefined);
      assert.is(gone!.duration, undefined);
      assert.is(gone!.timestamp, undefined);
      assert.is(made!.flow.mark, 0);
    });
  } finally {
    await sysctls({ acct: 1, timestamp: 1 });
  }
});

test.when(
  needsLinux('a clock of its own'),
  "the kernel's own time of an event (6.14)",
  async () => {
    await follow(async (events) => {
      const before = BigInt(Date.now()) * 1_000_000n;
      await conntrack.create(template(4));
      const [made] = await events.take(1);
      const after = BigInt(Date.now() + 1) * 1_000_000n;
      await conntrack.delete(made!.flow);
      const kernel = /^(\d+)\.(\d+)/.exec(Netns.current.exec('uname', '-r'))!.slice(1).map(Number);
      if (kernel[0]! > 6 || (kernel[0] === 6 && kernel[1]! >= 14)) {
        assert.ok(made!.timestamp! >= before && made!.timestamp! <= after, String(made!.timestamp));
      } else assert.is(made!.timestamp, undefined);
    });
  },
);

test('batches: columns, types, views, JSON', async () => {
  const stream = conntrack.events({ filter: { src: '10.9.9.9' } });
  await conntrack.createMany([5, 6, 7].map((port) => template(port)));
  await conntrack.deleteWhere({ src: '10.9.9.9' });
  await until('six events wait', () => stream.stats.queued === 6);
  for await (const batch of stream.batches()) {
    assert.is(batch.length, 6);
    assert.equal([...batch.types], [1, 1, 1, 3, 3, 3]);
    assert.equal([...batch.columns.type], [1, 1, 1, 3, 3, 3]);
    assert.equal([...batch.columns.nsid], [-1, -1, -1, -1, -1, -1]);
    assert.is(batch.overrun, undefined);
    assert.equal(
      batch
        .toArray()
        .slice(0, 3)
        .map((flow) => flow.orig.srcPort),
      [5, 6, 7],
    );
    assert.is(batch.event(-1)!.type, 'destroy');
    assert.is(batch.event(0)!.nsid, undefined);
    for (const index of [6, -7]) assert.is(batch.event(index), undefined);
    assert.is(batch.filter({ srcPort: 6 }).length, 2);
    assert.is([...batch.events()].length, 6);
    const [first] = JSON.parse(JSON.stringify(batch)) as { type: string; flow: object }[];
    assert.is(first!.type, 'new');
    assert.equal(first!.flow, JSON.parse(JSON.stringify(batch.at(0)!)));
    assert.match(String(batch.event(0)!), /^ {4}\[NEW\] tcp +6 \d+ ESTABLISHED src=10\.9\.9\.9 /);
    assert.match(String(batch.event(3)!), /^\[DESTROY\] tcp +6 /);
    assert.match(inspect(batch.event(3)!), /^\{\n {2}type: 'destroy',\n[\s\S]* flow: \{/);
    assert.is(stream.stats.delivered, 6);
    assert.is(stream.stats.queued, 0);
    break;
  }
  assert.is(stream.closed, true);
});

test('a stream has one reader', async () => {
  const stream = conntrack.events();
  const first = stream[Symbol.asyncIterator]();
  const busy = /^conntrack events: the stream is being read already$/;
  await throws(TypeError, busy, () => stream[Symbol.asyncIterator]());
  await throws(TypeError, busy, () => stream.batches());
  await first.return!();
  // After the end every reader is accepted, and gets nothing.
  assert.equal(await stream.batches().next(), { done: true, value: undefined });
  assert.equal(await first.next(), { done: true, value: undefined });
});

test('calls of next() that overlap are answered in order', async () => {
  const stream = conntrack.events({ types: ['new'], filter: { src: '10.9.9.9' } });
  const reader = stream[Symbol.asyncIterator]();
  const waiting = [0, 1, 2, 3].map(() => reader.next());
  await conntrack.createMany([10, 11, 12].map((port) => template(port)));
  const ports = (await Promise.all(waiting.slice(0, 3))).map(
    ({ value }) => (value as FlowEvent).flow.orig.srcPort,
  );
  assert.equal(ports, [10, 11, 12]);
  await stream.close();
  assert.equal(await waiting[3], { done: true, value: undefined });
  await conntrack.deleteWhere({ src: '10.9.9.9' });
});

test.run();

// The counters of stats() move as their documentation says. Packets and netlink requests move them.
import { Conntrack, type ConntrackCounters } from '../../src/index.js';
import { assert, suite } from '../support/harness.js';
import { Netns } from '../support/netns.js';
import { python } from '../support/python.js';

const test = suite('counters');

const sent = (netns: Netns, lines: string[]) =>
  netns.exec(python, '-c', ['from socket import *', ...lines].join('\n'));

/** The amount that `work` adds to each counter that it changes. */
async function moved(
  table: Conntrack,
  work: () => unknown,
): Promise<Partial<Record<keyof ConntrackCounters, number>>> {
  const before = (await table.stats()).total;
  await work();
  const after = (await table.stats()).total;
  const keys = Object.keys(after) as (keyof ConntrackCounters)[];
  return Object.fromEntries(
    keys.map((key) => [key, after[key] - before[key]]).filter(([, by]) => by !== 0),
  );
}

const flow = (srcPort: number) =>
  ({
    protocol: 'udp',
    src: '10.0.0.1',
    dst: '10.0.0.2',
    srcPort,
    dstPort: 9,
    timeout: 60,
  }) as const;

test('insert: entries made by netlink, not entries made by packets', async () => {
  using netns = Netns.create();
  netns.tracking();
  await using table = Conntrack.open({ netns: netns.path });
  const packets = [
    's = socket(AF_INET, SOCK_DGRAM)',
    'for port in range(1000, 1020): s.sendto(b"x", ("127.0.0.1", port))',
  ];
  assert.equal(await moved(table, () => sent(netns, packets)), {});
  assert.is(await table.count(), 20);
  const flows = Array.from({ length: 17 }, (_, i) => flow(100 + i));
  assert.equal(await moved(table, () => table.createMany(flows)), { insert: 17 });
  assert.equal(await moved(table, () => table.create(flow(99))), { insert: 1 });
  // The kernel refuses a flow that already exists. No counter counts that as a failure.
  assert.equal(await moved(table, () => table.create(flow(99)).catch(() => undefined)), {});
  assert.equal(await moved(table, () => table.flush()), {});
});

test('invalid and error count at each of the two hooks that a local packet passes', async () => {
  using netns = Netns.create();
  netns.tracking();
  await using table = Conntrack.open({ netns: netns.path });
  // A TCP header of zeros, and an ICMP error about a packet of a missing flow.
  const tcp = ['socket(AF_INET, SOCK_RAW, IPPROTO_TCP).sendto(bytes(20), ("127.0.0.1", 0))'];
  assert.equal(await moved(table, () => sent(netns, tcp)), { invalid: 2 });
  const icmp = [
    'inner = bytes([0x45, 0, 0, 28, 0, 0, 0, 0, 64, 17, 0, 0, 127, 0, 0, 1, 127, 0, 0, 2]) + bytes([0, 7, 0, 9, 0, 8, 0, 0])',
    'head = bytes([3, 1, 0, 0, 0, 0, 0, 0])',
    'words = [int.from_bytes((head + inner)[i : i + 2], "big") for i in range(0, 36, 2)]',
    'total = sum(words)',
    'total = (total & 0xFFFF) + (total >> 16)',
    'check = (~((total & 0xFFFF) + (total >> 16)) & 0xFFFF).to_bytes(2, "big")',
    'socket(AF_INET, SOCK_RAW, IPPROTO_ICMP).sendto(head[:2] + check + head[4:] + inner, ("127.0.0.1", 0))',
  ];
  assert.equal(await moved(table, () => sent(netns, icmp)), { error: 2 });
  assert.is(await table.count(), 0);
});

test('/proc, which needs no privilege, gives the same values as netlink, also above nine', async () => {
  using netns = Netns.create();
  await using table = Conntrack.open({ netns: netns.path });
  await table.createMany(Array.from({ length: 300 }, (_, i) => flow(1 + i)));
  const { total } = await table.stats();
  assert.is(total.insert, 300);
  const [head, ...rows] = netns.exec('cat', '/proc/net/stat/nf_conntrack').trim().split('\n');
  const at = head!.trim().split(/\s+/).indexOf('insert');
  const sum = rows.reduce((all, row) => all + Number.parseInt(row.trim().split(/\s+/)[at]!, 16), 0);
  assert.is(sum, 300);
});

test.run();

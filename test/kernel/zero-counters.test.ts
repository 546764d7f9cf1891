// Counters that are read and set to zero in batches: what the reader got and what the kernel has is always all that was
// counted, wherever the reader stops.
import { Conntrack, type FlowBatch } from '../../src/index.js';
import { assert, suite } from '../support/harness.js';
import { Netns } from '../support/netns.js';
import { python } from '../support/python.js';

const test = suite('zeroing in batches');
const flows = 300;

/** A namespace with a flow for each of 300 ports, each with as many packets as the last digit of its port says. */
async function counted() {
  const netns = Netns.create();
  netns.conntrackSysctls({ acct: 1 });
  netns.tracking();
  const lines = [
    'from socket import *',
    's = socket(AF_INET, SOCK_DGRAM)',
    `for port in range(2000, 2000 + ${flows}):`,
    '    for _ in range(port % 10 + 1): s.sendto(b"x" * 10, ("127.0.0.1", port))',
  ];
  netns.exec(python, '-c', lines.join('\n'));
  const table = Conntrack.open({ netns: netns.path });
  return {
    netns,
    table,
    total: (await table.dump()).sum('packets'),
    [Symbol.asyncDispose]: async () => {
      await table.close();
      netns[Symbol.dispose]();
    },
  };
}

const zero = (signal?: AbortSignal) => ({ zeroCounters: true, batchSize: 64, signal });
const packets = (batches: readonly FlowBatch[]) =>
  batches.reduce((sum, batch) => sum + batch.sum('packets'), 0n);

test('to the end: every count once, and the kernel has none', async () => {
  await using place = await counted();
  const { table, total } = place;
  const batches: FlowBatch[] = [];
  for await (const batch of table.dumpBatches({}, zero())) {
    assert.ok(batch.length <= 64);
    batches.push(batch);
  }
  assert.is(total, BigInt((flows / 10) * 55));
  assert.is(packets(batches), total);
  assert.is((await table.dump()).sum('packets'), 0n);
  const ports = batches.flatMap((batch) => Array.from(batch, ({ orig }) => orig.dstPort!));
  assert.is(new Set(ports).size, flows);
  // A row is whole, as in any other dump.
  const [flow] = batches[0]!;
  assert.is(flow!.orig.packets, BigInt((flow!.orig.dstPort! % 10) + 1));
  assert.ok(flow!.use !== undefined && flow!.timeout !== undefined && flow!.id !== undefined);
  // It is of its table: the id counts.
  await table.delete(flow!);
  assert.not(await table.delete(flow!));
});

test('a loop that stops: the flows that it did not get keep their counts', async () => {
  for (const most of [1, 2, 4]) {
    await using place = await counted();
    const { table, total } = place;
    const batches: FlowBatch[] = [];
    for await (const batch of table.dumpBatches({}, zero())) {
      batches.push(batch);
      if (batches.length === most) break;
    }
    const left = (await table.dump()).sum('packets');
    assert.is(packets(batches) + left, total);
    assert.ok(left > 0n && packets(batches) > 0n);
    // Nothing was set to zero ahead of the reader.
    assert.is((await table.dump()).filter(({ orig }) => orig.packets === 0n).length, most * 64);
  }
});

test('an abort and a close at any moment: the pending batch still comes if it was set to zero', async () => {
  for (let turns = 0; turns < 12; turns++) {
    await using place = await counted();
    const { netns, table, total } = place;
    const controller = new AbortController();
    const reader = Conntrack.open({ netns: netns.path });
    const batches: FlowBatch[] = [];
    const reading = (async () => {
      for await (const batch of reader.dumpBatches({}, zero(controller.signal)))
        batches.push(batch);
    })();
    for (let i = 0; i < turns; i++) await new Promise(setImmediate);
    if (turns % 2 === 0) controller.abort();
    else await reader.close();
    await reading.catch(() => undefined);
    await reader.close();
    assert.is(packets(batches) + (await table.dump()).sum('packets'), total, `${turns}`);
  }
});

test('flows that end between the two readings come with their last counts; a filter holds', async () => {
  await using place = await counted();
  const { table, total } = place;
  const seen: FlowBatch[] = [];
  for await (const batch of table.dumpBatches({ protocol: 'udp' }, zero())) {
    seen.push(batch);
    // The native thread has read ahead: some of these are in the next batch already.
    await table.flush();
  }
  const ports = seen.flatMap((batch) => Array.from(batch, ({ orig }) => orig.dstPort!));
  assert.is(new Set(ports).size, ports.length);
  const expected = ports.reduce((sum, port) => sum + BigInt((port % 10) + 1), 0n);
  assert.is(packets(seen), expected);
  assert.ok(packets(seen) <= total && seen.length > 1);
  for await (const batch of table.dumpBatches({ protocol: 'tcp' }, zero())) {
    assert.unreachable(`${batch.length} flows`);
  }
});

test.run();

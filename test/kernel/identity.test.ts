// Which flow a request is about: the flow that was read, in the table that it was read from, and not a newer flow
// with its tuple.
// Kernels: linux, memory
import { deserialize, serialize } from 'node:v8';
import { Conntrack, type Flow, FlowBatch, type FlowInit, type TupleInit } from '../../src/index.js';
import { assert, suite, throws } from '../support/harness.js';
import { Netns } from '../support/netns.js';
import { run } from '../support/process.js';
import { conntrack, needsLinux, newTable } from '../support/table.js';

const test = suite('identity');
const timeout = 3600;
const flow = (srcPort: number) =>
  ({
    protocol: 'tcp',
    src: '10.1.0.1',
    dst: '192.0.2.1',
    srcPort,
    dstPort: 443,
    timeout,
  }) as const satisfies FlowInit;

test('with timestamps a newer flow is never taken for the flow that was read', async () => {
  await conntrack.flush();
  await conntrack.configure({ timestamp: true });
  for (let port = 1; port <= 100; port++) {
    const { timeout: _, ...tuple } = flow(port);
    await conntrack.create(flow(port));
    const old = (await conntrack.get(tuple))!;
    assert.is(typeof old.start, 'bigint');
    assert.ok(await conntrack.delete(tuple));
    await conntrack.create({ ...flow(port), mark: 7 });
    const json = JSON.parse(JSON.stringify(old)) as { start: string };
    for (const target of [old, old.toObject(), json as never]) {
      assert.not(await conntrack.delete(target));
      assert.not(await conntrack.update(target, { mark: 9 }));
      assert.not(await conntrack.update(target, { status: 'assured' }));
      assert.is(await conntrack.get(target), undefined);
      assert.is(conntrack.getSync(target), undefined);
      assert.equal(await conntrack.getMany([target]), [undefined]);
    }
    const now = (await conntrack.get(tuple))!;
    assert.is(now.mark, 7);
    for (const target of [now, now.toObject(), JSON.parse(JSON.stringify(now))]) {
      assert.ok(await conntrack.update(target, { mark: 8 }));
      assert.is((await conntrack.get(target))?.mark, 8);
      assert.is(conntrack.getSync(target)?.mark, 8);
    }
    assert.ok(await conntrack.delete(now));
  }
});

test('with timestamps every copy of a flow means the flow that was read, and no newer one', async () => {
  await conntrack.flush();
  await conntrack.configure({ timestamp: true, events: 1 });
  const { timeout: _, ...tuple } = flow(1);
  const stream = conntrack.events({ types: ['destroy'] });
  await conntrack.create(flow(1));
  const batch = await conntrack.dump();
  const old = batch.at(0)!;
  const read: [string, Flow | TupleInit][] = [
    ['at', old],
    ['iteration', [...batch][0]!],
    ['spread', { ...old }],
    ['assign', Object.assign({}, old)],
    ['structuredClone', structuredClone(old)],
    ['serialize', deserialize(serialize(old)) as TupleInit],
    ['toObject', old.toObject()],
    ['toArray', batch.toArray()[0]!],
    ['JSON', JSON.parse(JSON.stringify(old)) as TupleInit],
    ['filter', batch.filter({ protocol: 'tcp' }).at(0)!],
    [
      'slice of a selection',
      batch
        .filter(() => true)
        .slice(0, 1)
        .at(0)!,
    ],
    ['top', batch.top(1, 'timeout').at(0)!],
    ['concat', FlowBatch.concat(batch.slice(0, 0), batch).at(0)!],
    ['diff', FlowBatch.diff(batch, batch.slice(0, 0)).removed.at(0)!],
    ['get', (await conntrack.get(tuple))!],
    ['getSync', conntrack.getSync(tuple)!],
    ['getMany', (await conntrack.getMany([tuple]))[0]!],
  ];
  await conntrack.delete(old);
  for await (const event of stream) {
    if (event.type === 'overrun') continue;
    read.push(['destroy event', event.flow], ['copy of it', { ...event.flow }]);
    break;
  }
  assert.is(read.length, 19);
  for (const [name, target] of read) {
    await conntrack.create(flow(1));
    const now = (await conntrack.get(tuple))!;
    assert.is(typeof now.start, 'bigint');
    assert.not(await conntrack.update(target, { mark: 9 }), name);
    assert.not(await conntrack.delete(target), name);
    assert.is(await conntrack.get(target), undefined, name);
    assert.is(conntrack.getSync(target), undefined, name);
    assert.is((await conntrack.get(now))?.mark, 0, name);
    assert.ok(await conntrack.delete({ ...now }), name);
  }
  // Flows that belong to no table are named by their tuple alone.
  for (const made of [FlowBatch.of(batch), FlowBatch.from(batch.toBytes())]) {
    await conntrack.create(flow(1));
    assert.ok(await conntrack.delete(made.at(0)!));
  }
});

test('a different id means a different flow, in every method', async () => {
  await conntrack.flush();
  await conntrack.create(flow(1));
  const { timeout: _, ...tuple } = flow(1);
  const found = (await conntrack.get(tuple))!.toObject();
  const other = { ...found, id: (found.id! ^ 1) >>> 0 };
  assert.not(await conntrack.delete(other));
  assert.not(await conntrack.update(other, { mark: 1 }));
  assert.is(await conntrack.get(other), undefined);
  assert.is((await conntrack.get(found))?.mark, 0);
});

test('on another table a Flow names the flow with its tuple and zone there', async () => {
  using first = newTable();
  using second = newTable();
  const { table: source } = first;
  const { table: backup } = second;
  await using again = first.open();
  await source.configure({ timestamp: true, events: 1 });
  await backup.configure({ timestamp: true });
  const stream = source.events();
  const events = stream[Symbol.asyncIterator]();
  const { timeout: _, ...tuple } = flow(5);
  await source.create({ ...flow(5), zone: 3 });
  await backup.create({ ...flow(5), zone: 3 });
  const event = (await events.next()).value;
  assert.ok(event?.type === 'new');
  const zoned = { ...tuple, zone: 3 };
  const read = [
    event.flow,
    (await source.dump()).at(0)!,
    (await source.dump()).filter({ protocol: 'tcp' }).at(0)!,
    (await source.dump())
      .filter(() => true)
      .slice(0, 1)
      .at(0)!,
    (await source.get(zoned))!,
    source.getSync(zoned)!,
    (await source.getMany([zoned]))[0]!,
  ];
  for await (const batch of source.dumpBatches()) read.push(batch.at(0)!);
  assert.is(read.length, 8);
  for (const [i, one] of read.entries()) {
    // On its own table the id counts, with every handle.
    assert.is((await again.get(one))?.id, one.id);
    assert.ok(await backup.update(one, { mark: i + 1 }), String(i));
    assert.is(backup.getSync(one)?.mark, i + 1);
    assert.is((await backup.get(one))?.mark, i + 1);
    assert.is((await backup.getMany([one]))[0]?.mark, i + 1);
    assert.ok(await backup.delete(one), String(i));
    assert.not(await backup.delete(one));
    await backup.create({ ...flow(5), zone: 3 });
  }
  // Plain data does not know its table, so its id always counts.
  const plain = read[1]!.toObject();
  assert.not(await backup.delete(plain));
  const { id: _id, start: _start, ...nameless } = plain;
  assert.ok(await backup.delete(nameless));
  await stream.close();
  // On its own table, a newer flow with the same tuple is not meant.
  assert.ok(await source.delete(read[1]!));
  await source.create({ ...flow(5), zone: 3 });
  for (const one of read.slice(1)) assert.not(await source.delete(one));
});

test.when(
  needsLinux('one namespace'),
  'ids of events from other namespaces are ignored by a handle that cannot know them',
  async () => {
    using other = Netns.create();
    run(['ip', 'netns', 'set', other.name!, '77']);
    await using there = Conntrack.open({ netns: other.path });
    await there.configure({ events: 1 });
    await conntrack.flush();
    const stream = conntrack.events({ allNamespaces: true });
    const events = stream[Symbol.asyncIterator]();
    await there.create(flow(9));
    const event = (await events.next()).value;
    assert.ok(event?.type === 'new' && event.nsid !== undefined);
    // A flow with the same tuple in this namespace has a different id.
    await conntrack.create(flow(9));
    assert.ok(await conntrack.delete(event.flow));
    assert.ok(await there.delete(event.flow));
    await stream.close();
  },
);

test('a wrong start is refused', async () => {
  const { timeout: _, ...tuple } = flow(1);
  for (const start of [5, 'soon', null, {}]) {
    await throws(TypeError, /^tuple\.start: /, () => conntrack.get({ ...tuple, start } as never));
  }
  await throws(RangeError, /^tuple\.start: /, () => conntrack.get({ ...tuple, start: -1n }));
  await throws(RangeError, /^target\.start: /, () =>
    conntrack.delete({ ...tuple, start: 1n << 64n }),
  );
});

test.run();

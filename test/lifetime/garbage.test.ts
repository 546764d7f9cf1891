// The garbage collector frees what a caller forgets. Repeated use leaves nothing behind: descriptors, threads and
// memory are the same afterwards.
import { Conntrack } from '../../src/index.js';
import { abortsOnceHeard } from '../support/abort.mjs';
import { assert, suite } from '../support/harness.js';
import { Netns } from '../support/netns.js';
import { fill } from '../support/populate.js';
import { descriptors, eventually, residentMiB, threads } from '../support/resources.mjs';

const test = suite('lifetime: garbage');

test.before(async () => {
  fill({ count: 30_000, profile: 'plain' });
  // The first use makes things that stay. It happens before anything is counted.
  await using first = Conntrack.open();
  for await (const _ of first.dumpBatches()) break;
  await first.dump();
});

const idle = () => eventually('no thread is left', () => threads().length === 0);
const tuple = {
  protocol: 'tcp',
  orig: { src: '10.0.0.1', dst: '10.0.0.2', srcPort: 1, dstPort: 2 },
} as const;

test('forgotten handles, used and unused', async () => {
  const before = descriptors().length;
  await (async () => {
    for (let i = 0; i < 20; i++) {
      const ct = Conntrack.open();
      if (i % 2 === 0) ct.getSync(tuple);
      if (i % 5 === 0) await ct.getMany([tuple]);
    }
    assert.ok(descriptors().length > before, 'the handles are open');
  })();
  await eventually('the descriptors are back', () => descriptors().length === before);
});

test('a dump in batches that is neither finished nor left', async () => {
  await using ct = Conntrack.open();
  const before = descriptors().length;
  const signal = new AbortController().signal;
  await (async () => {
    for (let i = 0; i < 10; i++) {
      const batches = ct.dumpBatches({}, { batchSize: 100, signal });
      assert.is((await batches.next()).value?.length, 100);
    }
    assert.is(threads().filter((name) => name === 'conntrack-alone').length, 10);
    assert.ok(descriptors().length >= before + 20, 'a socket and a wake-up each');
  })();
  await eventually('threads', () => !threads().includes('conntrack-alone'));
  await eventually('descriptors', () => descriptors().length === before);
});

test('a running dump keeps the objects that it needs', async () => {
  const dump = (() => Conntrack.open().dump())();
  globalThis.gc?.();
  await new Promise(setImmediate);
  globalThis.gc?.();
  assert.is((await dump).length, 30_000);
  const lengths: number[] = [];
  for await (const batch of (() => Conntrack.open().dumpBatches({}, { batchSize: 1000 }))()) {
    globalThis.gc?.();
    lengths.push(batch.length);
  }
  assert.is(
    lengths.reduce((a, b) => a + b),
    30_000,
  );
});

test('a batch outlives its handle, and a view its batch', async () => {
  const views = await (async () => {
    const ct = Conntrack.open();
    const batch = await ct.dump();
    await ct.close();
    return { flow: batch.at(-1), src: batch.columns.origSrc };
  })();
  const text = String(views.flow);
  for (let i = 0; i < 5; i++) {
    globalThis.gc?.();
    await new Promise(setImmediate);
  }
  assert.is(String(views.flow), text);
  assert.is(views.src.length, 30_000);
  assert.ok(views.src.every((address) => address !== 0));
});

test('2000 dumps, 200 aborted dumps, 2000 lookups: the same descriptors, threads and memory', async () => {
  using small = Netns.create();
  fill({ count: 500, profile: 'plain', netns: small });
  await using ct = Conntrack.open({ netns: small.path });
  const round = async (dumps: number) => {
    for (let i = 0; i < dumps; i++) {
      // This takes the same way through the addon, and the kernel does not have to walk its hash table.
      await ct.dump({}, { list: 'dying' });
      await ct.getMany([tuple]);
      if (i % 10 !== 0) continue;
      assert.is((await ct.dump()).length, 500);
      assert.is(await ct.dump({}, { signal: abortsOnceHeard() }).catch(() => 'aborted'), 'aborted');
      for await (const _ of ct.dumpBatches({}, { batchSize: 10 })) break;
    }
  };
  // First the kept sockets and the size of the heap become stable.
  await round(300);
  await idle();
  const before = { descriptors: descriptors().length, memory: residentMiB() };
  await round(2000);
  await idle();
  assert.is(descriptors().length, before.descriptors);
  const grown = residentMiB() - before.memory;
  // If lookups kept their buffers of 32 KiB, that would be 64 MiB. If dumps kept their rows, that would be 100 MiB.
  assert.ok(grown < 40, `${grown.toFixed(1)} MiB more`);
});

test('batches are freed as they are dropped', async () => {
  await using ct = Conntrack.open();
  const round = async (dumps: number) => {
    for (let i = 0; i < dumps; i++) await ct.dump();
    globalThis.gc?.();
    await new Promise(setImmediate);
  };
  await round(10);
  const before = residentMiB();
  // 30 000 rows are 3 MiB. If all batches stayed, that would be 300 MiB.
  await round(100);
  const grown = residentMiB() - before;
  assert.ok(grown < 100, `${grown.toFixed(1)} MiB more`);
});

test.run();

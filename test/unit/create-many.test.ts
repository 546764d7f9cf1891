// createMany and upsertMany without a kernel: the order of failures, and errors that end the call. A writer answers as
// the kernel could.
import { createMany, upsertMany } from '../../src/conntrack/write/create-many.js';
import { packedFlows } from '../../src/conntrack/write/flow-chunks.js';
import type { FlowInit } from '../../src/index.js';
import { NetlinkError } from '../../src/index.js';
import type { RawOutcome } from '../../src/native/binding.js';
import { chunkCases } from '../support/chunks.js';
import { assert, suite, throws } from '../support/harness.js';

const test = suite('createMany, order');

const [eperm, enoent, eexist] = [1, 2, 17];
const tuple = { protocol: 'tcp', src: '10.0.0.1', dst: '10.0.0.2', dstPort: 2 } as const;
const flow = (srcPort: number): FlowInit => ({ ...tuple, srcPort, timeout: 60 });

/** The number of flows in a packed chunk. Each flow begins with its length. */
function countOf(packed: Uint8Array): number {
  const view = new DataView(packed.buffer, packed.byteOffset, packed.length);
  let count = 0;
  for (let at = 0; at < packed.length; at += 4 + view.getUint32(at, true)) count++;
  return count;
}

/** A writer that gives each flow of the nth write the code of `codesOf`. */
function writer(codesOf: (write: number, flow: number) => number) {
  const sizes: number[] = [];
  const write = async (packed: Uint8Array): Promise<RawOutcome> => {
    const size = countOf(packed);
    const n = sizes.push(size) - 1;
    await new Promise(setImmediate);
    const codes = Int32Array.from({ length: size }, (_, i) => codesOf(n, i));
    return { codes, texts: {} } as unknown as RawOutcome;
  };
  return { sizes, write };
}

const noHint = async () => undefined;

test('failures are in the order of the input, whatever the order of the writes', async () => {
  // Every third flow has a master and is written last. Every fifth value is not a flow. The kernel refuses every
  // second flow.
  const flows = Array.from({ length: 9000 }, (_, n): FlowInit => {
    if (n % 5 === 4) return { ...flow(1), mark: -1 };
    return n % 3 === 0 ? { ...flow(n), master: { ...tuple, srcPort: 9 } } : flow(n);
  });
  const { sizes, write } = writer((_, i) => (i % 2 === 0 ? eexist : 0));
  const { created, failed } = await createMany(write, flows, {}, noHint);
  const indexes = failed.map(({ index }) => index);
  assert.equal(
    indexes,
    [...indexes].sort((a, b) => a - b),
  );
  assert.is(new Set(indexes).size, indexes.length);
  assert.is(created + failed.length, flows.length);
  assert.equal(
    failed.filter(({ error }) => error instanceof RangeError).map(({ index }) => index),
    flows.map((_, n) => n).filter((n) => n % 5 === 4),
  );
  assert.is(
    sizes.reduce((sum, size) => sum + size),
    7200,
  );
});

test('a master that comes later in the input is written before those that wait for it', async () => {
  const withMaster = (srcPort: number): FlowInit => ({
    ...{ ...flow(srcPort), master: { ...tuple, srcPort: 9 } },
  });
  // In the first round of flows with masters, the master of the first flow is missing.
  const { sizes, write } = writer((n, i) => (n === 1 && i === 0 ? enoent : 0));
  const flows = [withMaster(1), withMaster(2), flow(3)];
  assert.equal(await createMany(write, flows, {}, noHint), { created: 3, failed: [] });
  assert.equal(sizes, [1, 2, 1]);
});

test('EPERM does not belong to one flow: the call rejects and writes nothing more', async () => {
  for (const at of [0, 1]) {
    const { sizes, write } = writer((n, i) => (n === at && i === 7 ? eperm : 0));
    const told: number[] = [];
    const flows = Array.from({ length: 5 * 4096 }, (_, n) => flow(n));
    const progress = ({ created }: { created: number }) => told.push(created);
    const error = await throws(NetlinkError, /^conntrack create: EPERM/, () =>
      createMany(write, flows, { progress }, noHint),
    );
    assert.is(error.code, 'EPERM');
    assert.is(sizes.length, at + 1);
    assert.equal(told, at === 0 ? [4095] : [4096, 8191]);
  }
  // The same holds for flows with a master.
  const { write } = writer(() => eperm);
  const last = { ...flow(1), master: { ...tuple, srcPort: 9 } };
  await throws(NetlinkError, /EPERM/, () => createMany(write, [last], {}, noHint));
});

test('chunks of 4,096, and no empty write after the last full chunk', async () => {
  for (const [count, expected] of chunkCases) {
    for (const master of [undefined, { ...tuple, srcPort: 9 }]) {
      const flows = Array.from({ length: count }, (_, n) => ({
        ...{ ...flow(n), ...(master && { master }) },
      }));
      const { sizes, write } = writer(() => 0);
      assert.equal(await createMany(write, flows, {}, noHint), { created: count, failed: [] });
      assert.equal(sizes, expected);
    }
  }
});

/** A writer for upserts: `codesOf` gets the verb too. It keeps the bytes of every write. */
function upserter(codesOf: (verb: string, write: number, flow: number) => number) {
  const writes: { verb: string; flows: string[] }[] = [];
  const write = async (packed: Uint8Array, verb: 'create' | 'update'): Promise<RawOutcome> => {
    const flows = Array.from(packedFlows(packed), (bytes) => Buffer.from(bytes).toString('hex'));
    const n = writes.push({ verb, flows }) - 1;
    await new Promise(setImmediate);
    const codes = Int32Array.from(flows, (_, i) => codesOf(verb, n, i));
    return { codes, texts: {} } as unknown as RawOutcome;
  };
  return { writes, write };
}

test('upsertMany: what is there is changed, and what has gone by then is made', async () => {
  // Flows 1, 2 and 4 are there. Flow 2 has gone when it is changed.
  const { writes, write } = upserter((verb, n, i) => {
    if (verb === 'update') return i === 1 ? enoent : 0;
    return n === 0 && [1, 2, 4].includes(i) ? eexist : 0;
  });
  const flows = [0, 1, 2, 3, 4].map((n) => flow(n));
  const result = await upsertMany(write, flows, {}, noHint);
  assert.equal(result, { created: 3, updated: 2, failed: [] });
  assert.equal(
    writes.map(({ verb, flows: all }) => [verb, all.length]),
    [
      ['create', 5],
      ['update', 3],
      ['create', 1],
    ],
  );
  assert.is(writes[2]!.flows[0], writes[0]!.flows[2]);
});

test('upsertMany: a flow that always comes and goes is refused at last', async () => {
  const { writes, write } = upserter((verb) => (verb === 'update' ? enoent : eexist));
  const told: object[] = [];
  const progress = (done: object) => told.push(done);
  const { created, updated, failed } = await upsertMany(write, [flow(1)], { progress }, noHint);
  assert.equal([created, updated, failed.length], [0, 0, 1]);
  assert.match(failed[0]!.error.message, /^conntrack upsert: EEXIST/);
  assert.is(writes.length, 7);
  assert.equal(told, [{ created: 0, updated: 0, failed: 1 }]);
});

test('upsertMany: refusals of changes are by index, also of flows with masters', async () => {
  // The timeout of one flow is fixed (EPERM). That is no reason to end.
  const { writes, write } = upserter((verb, _, i) => {
    if (verb === 'create') return eexist;
    return i === 1 ? eperm : 0;
  });
  const withMaster = (n: number) => ({ ...flow(n), master: { ...tuple, srcPort: 9 } });
  const flows = [withMaster(1), flow(2), { ...flow(3), mark: -1 }, flow(4), withMaster(5)];
  const { created, updated, failed } = await upsertMany(write, flows, {}, noHint);
  assert.equal([created, updated], [0, 2]);
  assert.equal(
    failed.map(({ index, error }) => [index, error.code]),
    [
      [2, undefined],
      [3, 'EPERM'],
      [4, 'EPERM'],
    ],
  );
  assert.equal(
    writes.map(({ verb, flows: all }) => [verb, all.length]),
    [
      ['create', 2],
      ['update', 2],
      ['create', 2],
      ['update', 2],
    ],
  );
  // For a create it is one.
  const { write: forbidden } = upserter(() => eperm);
  await throws(NetlinkError, /^conntrack upsert: EPERM/, () =>
    upsertMany(forbidden, flows, {}, noHint),
  );
});

test.run();

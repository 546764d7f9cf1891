// Makes the n-th call of one kind fail in native code (faults.c), with n = 1, 2, 3 … until an operation makes fewer
// calls. Prints the result of each operation as one line of JSON.
//   faults.mjs KIND OPERATION… — KIND is one of those below; without operations: all of them
import { closeSync, openSync, readdirSync, readSync, writeSync } from 'node:fs';
import { load, threads } from './common.mjs';

const kinds = {
  allocation: { kind: 1 },
  'every allocation': { kind: 1, all: 1 },
  thread: { kind: 2 },
  'every thread': { kind: 2, all: 1 },
  EINTR: { kind: 3, code: 4 },
  EAGAIN: { kind: 3, code: 11 },
  ENOMEM: { kind: 3, code: 12 },
  EMFILE: { kind: 3, code: 24 },
  ENOBUFS: { kind: 3, code: 105 },
  short: { kind: 4 },
  silence: { kind: 6 },
  'clock ahead': { kind: 7, clock: 86400 },
  'clock back': { kind: 7, clock: -86400 },
};
for (let variant = 0; variant <= 16; variant++) kinds[`garble ${variant}`] = { kind: 5, variant };

const [name, ...wanted] = process.argv.slice(2);
const how = kinds[name];
if (how === undefined) throw new Error(`no such kind: ${name}`);
// The errors that a fault of this kind may cause. After changed answers every error is possible. EBADMSG: without
// memory libiptc silently leaves parts out. The package finds that out before a commit.
const memory = /^(ENOMEM|EBADMSG)$/;
const expected = {
  allocation: memory,
  'every allocation': memory,
  thread: /^EAGAIN$/,
  'every thread': /^EAGAIN$/,
  silence: /^ETIMEDOUT$/,
}[name];

// ---- the control block, as in faults.c ------------------------------------------------------------------

const file = openSync(process.env.SHIM_FAULT, 'r+');
const word = Buffer.alloc(4);
const write = (at, value) => {
  word.writeInt32LE(value);
  writeSync(file, word, 0, 4, at * 4);
};
const read = (at) => {
  readSync(file, word, 0, 4, at * 4);
  return word.readInt32LE();
};
const KIND = 0;
const HITS = 4;
const LIVE = 7;
const CLOCK = 8;
const TRACK = 9;
function arm(n) {
  const words = [n, how.all ?? 0, 0, 0, how.code ?? 0, how.variant ?? 0];
  for (const [i, value] of words.entries()) write(i + 1, value);
  write(CLOCK, how.clock ?? 0);
  write(KIND, how.kind);
}
function disarm() {
  write(KIND, 0);
  return read(HITS);
}

// ---- the operations ---------------------------------------------------------------------------------------

const { Conntrack, FlowBatch, Iptables, NetfilterError, support } = await load();
const ct = Conntrack.open();
const ipt = Iptables.open({ backend: 'legacy' });
const nft = Iptables.open({ backend: 'nft' });
const tuple = { protocol: 'tcp', src: '10.0.0.1', dst: '10.0.0.2', srcPort: 1000, dstPort: 80 };
const flow = (port) => ({ ...tuple, srcPort: port, timeout: 600, mark: 7 });
const tuples = [tuple, { ...tuple, srcPort: 1001 }, { ...tuple, srcPort: 2 }];
let port = 2000;
let made;

async function count(iterable) {
  let rows = 0;
  for await (const batch of iterable) rows += batch.length;
  return rows;
}
/** Opens a stream, makes a flow, and returns its first event. Always closes the stream. */
async function firstEvent() {
  const stream = ct.events({ types: ['new'] });
  let told = 0;
  try {
    const next = stream[Symbol.asyncIterator]().next();
    // If the stream has failed, this create may fail too.
    await ct.create(flow(++port)).catch((error) => {
      next.catch(() => {});
      throw error;
    });
    const { value } = await next;
    told = 1;
    // An event without memory for it is reported as a loss.
    return value.flow === undefined && value.lost > 0 ? 7 : value.flow.mark;
  } finally {
    await stream.close();
    checkCounts(stream.stats, told);
  }
}
/** One event is counted once, as read or as lost. If the stream failed before it, it is not counted. */
function checkCounts({ received, lost }, told) {
  if (received + lost >= told && received + lost <= 1) return;
  throw new Error(`one event: ${received} received, ${lost} lost`);
}
/** Follows the rules while one of them is replaced, and returns how many differences that makes. */
async function firstChange() {
  const stream = nft.changes({ tables: ['filter'] });
  try {
    await stream.ready;
    await nft.edit('filter', (t) => t.chain('kept').flush().append(`-p udp --dport ${++port}`));
    return (await stream.next()).value.differences.length;
  } finally {
    await stream.close();
  }
}
async function closedStream(open) {
  const stream = open();
  await stream.close();
  return 'closed';
}

/** Each operation, with its result when nothing fails. `before` prepares it. */
const operations = {
  dump: { run: async () => (await ct.dump({ mark: 7, srcPort: 1000 })).length },
  'parallel dump': { run: async () => (await ct.dump({ srcPort: 1000 }, { parallel: 2 })).length },
  'zeroing dump': {
    run: async () => (await ct.dump({ srcPort: 1000 }, { zeroCounters: true })).length,
  },
  'dumpBatches that zero': {
    run: () =>
      count(ct.dumpBatches({ mark: 7, srcPort: 1000 }, { batchSize: 1, zeroCounters: true })),
  },
  dumpBatches: { run: () => count(ct.dumpBatches({ mark: 7, srcPort: 1000 }, { batchSize: 1 })) },
  get: { run: async () => (await ct.get(tuple))?.mark },
  getSync: { run: () => ct.getSync(tuple)?.mark },
  'first getSync': {
    run: async () => {
      const other = Conntrack.open();
      try {
        return other.getSync(tuple)?.mark;
      } finally {
        await other.close();
      }
    },
  },
  getMany: { run: async () => (await ct.getMany(tuples)).map((one) => one?.mark) },
  create: { run: () => ct.create(flow(++port)) },
  createMany: {
    run: async () => {
      const result = await ct.createMany([flow(++port), flow(++port)]);
      // The result reports a refused flow by its index.
      if (result.failed?.length > 0) throw result.failed[0].error;
      return result.created;
    },
  },
  upsertMany: {
    run: async () => {
      const result = await ct.upsertMany([flow(1000), flow(++port)]);
      if (result.failed.length > 0) throw result.failed[0].error;
      return result.created + result.updated;
    },
  },
  'createMany of a batch': {
    before: async () => {
      await ct.deleteMany(await ct.dump({ srcPort: 1999 }));
      made ??= FlowBatch.of([flow(1999)]);
    },
    run: async () => {
      const result = await ct.createMany(made);
      if (result.failed.length > 0) throw result.failed[0].error;
      return result.created;
    },
  },
  updateMany: {
    run: async () => {
      const result = await ct.updateMany(tuples, { mark: 7, status: 'assured' });
      if (result.failed.length > 0) throw result.failed[0].error;
      return [result.updated, result.absent];
    },
  },
  deleteMany: {
    before: () => ct.upsert(flow(1999)),
    run: async () => {
      const result = await ct.deleteMany(
        [flow(1999), flow(3)].map(({ timeout, mark, ...one }) => one),
      );
      if (result.failed.length > 0) throw result.failed[0].error;
      return [result.deleted, result.absent];
    },
  },
  update: { run: () => ct.update(tuple, { mark: 7 }) },
  updateWhere: { run: () => ct.updateWhere({ srcPort: 1000 }, { mark: 7 }) },
  delete: { before: () => ct.upsert(flow(1999)), run: () => ct.delete(flow(1999)) },
  'deleteWhere returning': {
    before: () => ct.upsert(flow(1999)),
    run: async () => (await ct.deleteWhere({ srcPort: 1999 }, { returning: true })).length,
  },
  'flush by filter': { run: () => ct.flush({ srcPort: 9 }) },
  stats: { run: async () => typeof (await ct.stats()).entries },
  count: { run: async () => typeof (await ct.count()) },
  settings: { run: async () => typeof (await ct.settings()).acct },
  events: { run: () => closedStream(() => ct.events()) },
  'an event': { run: firstEvent },
  expectations: { run: async () => (await ct.expectations.list()).length },
  'expectation stats': { run: async () => typeof (await ct.expectations.stats()).entries },
  'expectation events': { run: () => closedStream(() => ct.expectations.events()) },
  open: {
    run: async () => {
      const other = Conntrack.open();
      try {
        return typeof (await other.count());
      } finally {
        await other.close();
      }
    },
  },
  close: {
    // Ends all running operations.
    run: async () => {
      const other = Conntrack.open();
      const absent = { ...tuple, srcPort: 3 };
      const under = [
        other.dump({ mark: 9 }),
        other.get(tuple),
        other.count(),
        other.delete(absent),
      ];
      const ends = Promise.allSettled(under);
      await other.close();
      for (const { reason } of await ends) {
        if (reason !== undefined && !(reason instanceof NetfilterError)) throw reason;
      }
      return 'closed';
    },
  },
  support: { run: () => typeof support().conntrack },
  tables: { run: async () => (await ipt.tables()).includes('filter') },
  backend: { run: async () => (await ipt.backendReport()).legacy.map(({ rules }) => rules) },
  read: { run: async () => (await ipt.read('filter')).chain('kept').rules.length },
  save: { run: async () => typeof (await ipt.save()) },
  edit: {
    run: async () => {
      await ipt.edit('filter', (t) => {
        t.chain('kept').flush();
        t.chain('kept').append('-s 10.0.0.1 -j ACCEPT', '-p tcp -m tcp --dport 80 -j DROP');
      });
    },
  },
  restore: {
    run: () =>
      ipt.restore('*filter\n:other - [0:0]\n-F other\n-A other -j ACCEPT\nCOMMIT\n', {
        noflush: true,
      }),
  },
  changes: {
    run: async () => {
      const stream = nft.changes();
      await stream.ready.finally(() => stream.close());
      return 'closed';
    },
  },
  'a change': { run: firstChange },
  'refused rule': {
    // Only the kernel refuses the match owner for incoming packets.
    run: () =>
      ipt
        .edit('filter', (t) => t.chain('INPUT').append('-m owner --uid-owner 0'))
        .then(
          () => 'taken',
          (error) => {
            if (error.code === 'EINVAL') return 'refused';
            throw error;
          },
        ),
  },
};

const same = (a, b) => JSON.stringify(a) === JSON.stringify(b);
const descriptors = () => readdirSync('/proc/self/fd').length;
async function outcome(run) {
  try {
    return { value: await run() };
  } catch (error) {
    return { error };
  }
}
function describe({ value, error }) {
  if (error === undefined) return `resolved ${JSON.stringify(value)}`;
  return `${error.name} ${error.code} ${error.message}`;
}
/** Collects garbage until native code holds at most `limit` blocks, or until the number stays the same. */
async function liveAtMost(limit) {
  // When no thread is left, three collections free everything that can be freed.
  for (let i = 0, still = 0; i < 30 && still < 3 && read(LIVE) > limit; i++) {
    globalThis.gc();
    still = threads() > 0 ? 0 : still + 1;
    // Idle threads end after half a second, and then free their memory.
    await new Promise((resolve) => setTimeout(resolve, i < 3 ? 0 : 50));
  }
  return read(LIVE);
}

await ct.flush();
await ct.createMany([flow(1000), flow(1001)]);
await ipt.edit('filter', (t) => {
  t.newChain('kept');
  t.chain('kept').append('-s 10.0.0.1 -j ACCEPT', '-p tcp -m tcp --dport 80 -j DROP');
});

await nft.edit('filter', (t) => t.newChain('kept').append('-p udp'));

/**
 * Every n once, until the operation makes fewer calls of the kind. With `fresh` there is no idle thread for the work,
 * so one has to be started.
 */
async function pass({ before, run }, right, wrong, fresh = false) {
  let rejected = 0;
  let faults = 0;
  for (let n = 1; n < 3000; n++) {
    await before?.();
    while (fresh && threads() > 0) await new Promise((resolve) => setTimeout(resolve, 20));
    arm(n);
    const became = await outcome(run);
    const hits = disarm();
    if (became.error === undefined) {
      // With changed answers the result may differ. With a failed call it may not.
      const told = how.kind === 5 || same(became.value, right.value);
      if (!told) wrong.push(`${n}: resolved ${JSON.stringify(became.value)}`);
    } else {
      rejected++;
      const { error } = became;
      if (how.kind === 7) wrong.push(`the clock decides: ${describe(became)}`);
      const typed = error instanceof NetfilterError && (!expected || expected.test(error.code));
      if (!typed) wrong.push(`${n}: ${describe(became)}\n${error?.stack}`);
    }
    if (hits === 0) break;
    faults++;
    const after = await outcome(() => ct.count());
    if (typeof after.value !== 'number') wrong.push(`${n}: afterwards ${describe(after)}`);
    // One pass is enough for silence: it has no n.
    if (wrong.length > 4 || how.kind === 6) break;
  }
  await before?.();
  const again = await outcome(run);
  if (again.error !== undefined || !same(again.value, right.value)) {
    wrong.push(`in the end: ${describe(again)}`);
  }
  return { faults, rejected };
}

for (const [operation, it] of Object.entries(operations)) {
  if (wanted.length > 0 && !wanted.includes(operation)) continue;
  // A changed event may not be recognized as the event, and then it never comes.
  if (how.kind === 5 && ['an event', 'a change'].includes(operation)) continue;
  const wrong = [];
  write(TRACK, 1);
  await it.before?.();
  const right = await outcome(it.run);
  if (right.error !== undefined) wrong.push(`without a fault: ${describe(right)}`);
  const { faults, rejected } = await pass(it, right, wrong, how.kind === 2);
  // Things that are made once and kept (idle sockets, threads) exist after some passes. A leak of a fault grows with
  // each pass.
  let [live, open] = [await liveAtMost(0), descriptors()];
  let [blocks, fds] = [0, 0];
  for (let i = 0; i < 5 && wrong.length === 0; i++) {
    await pass(it, right, wrong);
    blocks = (await liveAtMost(live)) - live;
    fds = descriptors() - open;
    if (blocks <= 0 && fds <= 0) break;
    [live, open] = [live + blocks, open + fds];
  }
  write(TRACK, 0);
  if (blocks > 0) wrong.push(`${blocks} blocks of memory left`);
  if (fds > 0) wrong.push(`${fds} descriptors left`);
  process.stdout.write(`${JSON.stringify({ operation, faults, rejected, wrong })}\n`);
}
await ipt.close();
await nft.close();
await ct.close();
closeSync(file);

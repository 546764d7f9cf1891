// Operations in a pids cgroup that has room for only a few more threads, and later for more, like a container at its
// limit. Each operation gives EAGAIN or its right result. Prints one line of JSON for each operation.
// pids.mjs FOLDER NETNS: the cgroup of this process, with the controller `pids`, and the path of another namespace
import { readFileSync, writeFileSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { flow, load, threads } from './common.mjs';

const [folder, elsewhere] = process.argv.slice(2);
const { Conntrack, Iptables, NetfilterError } = await load();
// Node's own threads start before the limit: Node ends if it cannot start them.
await Promise.all(Array.from({ length: 8 }, () => stat('/')));
writeFileSync(`${folder}/cgroup.procs`, String(process.pid));

const ct = Conntrack.open();
const ipt = Iptables.open({ backend: 'legacy' });
const one = flow(1);

async function limit(room) {
  while (threads() > 0) await new Promise((resolve) => setTimeout(resolve, 20));
  const now = Number(readFileSync(`${folder}/pids.current`, 'utf8'));
  writeFileSync(`${folder}/pids.max`, String(now + room));
}
const free = () => writeFileSync(`${folder}/pids.max`, 'max');

async function rows(batches) {
  let count = 0;
  for await (const batch of batches) count += batch.length;
  return count;
}
async function opened(open) {
  const stream = open();
  await stream.close();
  return 'closed';
}

const operations = {
  dump: async () => (await ct.dump()).length,
  'parallel dump': async () => (await ct.dump({}, { parallel: 4 })).length,
  dumpBatches: () => rows(ct.dumpBatches({}, { batchSize: 1 })),
  get: async () => (await ct.get(one))?.timeout > 0,
  getSync: () => ct.getSync(one)?.timeout > 0,
  createMany: async () => {
    const { created, failed } = await ct.createMany([{ ...flow(9), mark: 1 }]);
    if (failed.length > 0) throw failed[0].error;
    await ct.delete(flow(9)).catch(() => free());
    return created;
  },
  updateWhere: () => ct.updateWhere({ protocol: 'udp' }, { mark: 3 }),
  deleteWhere: () => ct.deleteWhere({ mark: 77 }),
  flush: () => ct.flush({ mark: 77 }),
  stats: async () => typeof (await ct.stats()).entries,
  events: () => opened(() => ct.events()),
  'expectation events': () => opened(() => ct.expectations.events()),
  'open elsewhere': async () => {
    const other = Conntrack.open({ netns: elsewhere });
    await other.close();
    return 'opened';
  },
  read: async () => (await ipt.read()).chain('INPUT').rules.length,
  edit: async () => {
    await ipt.edit('filter', (t) => t.chain('OUTPUT').flush());
    return 'done';
  },
  // Another thread searches for the refused rule.
  'refused rule': () =>
    ipt
      .edit('filter', (t) => t.chain('INPUT').append('-m owner --uid-owner 0'))
      .then(
        () => 'taken',
        (error) => {
          if (error.code === 'EINVAL') return 'refused';
          throw error;
        },
      ),
};

async function outcome(run) {
  try {
    return JSON.stringify((await run()) ?? null);
  } catch (error) {
    return error instanceof NetfilterError ? error.code : `${error?.stack}`;
  }
}

await ct.flush();
await ct.createMany([one, flow(2), flow(3)]);
for (const [operation, run] of Object.entries(operations)) {
  const right = await outcome(run);
  const became = [];
  for (const room of [0, 1, 2]) {
    await limit(room);
    became.push(await outcome(run));
    free();
  }
  const after = await outcome(run);
  process.stdout.write(`${JSON.stringify({ operation, right, became, after })}\n`);
}
await ipt.close();
await ct.close();

// Does the first `count` steps of a life and ends. With `--pending` every step is still running at the end, otherwise
// only the last one. Endings: return, exit (process.exit), worker-return, worker-exit, terminate.
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { flows, load } from './common.mjs';

const held = {};
/** Each step starts something and returns a promise for its end. */
const steps = {
  nothing: () => undefined,
  import: async () => {
    held.package = await load();
  },
  open: () => {
    held.ct = held.package.Conntrack.open();
  },
  getSync: () => held.ct.getSync(flows(1)[0]),
  dump: () => held.ct.dump(),
  'dump with filter': () => held.ct.dump({ src: '10.0.0.0/9', mark: { value: 1, mask: 3 } }),
  'first batch': () => {
    held.batches = held.ct.dumpBatches({}, { batchSize: 1000 })[Symbol.asyncIterator]();
    return held.batches.next();
  },
  'between batches': () => held.batches.next(),
  count: () => Promise.all([held.ct.count(), held.ct.stats(), held.ct.settings()]),
  getMany: () => held.ct.getMany(flows(5000)),
  createMany: () => held.ct.createMany(flows(5000)),
  updateWhere: () => held.ct.updateWhere({ src: '11.0.0.0/8' }, { mark: 7 }),
  deleteWhere: () => held.ct.deleteWhere({ src: '11.0.0.0/8' }, { returning: true }),
  flush: () => held.ct.flush({ src: '11.0.0.0/8' }),
  close: () => held.ct.close(),
  closed: () => held.ct.close(),
};

async function live(count, pending) {
  const names = Object.keys(steps).slice(0, count);
  for (const [i, name] of names.entries()) {
    const done = steps[name]();
    // A step that ends with the process or the handle may reject with a ClosedError. It must not crash.
    done?.catch?.((error) => {
      if (error.code !== 'ERR_NETFILTER_CLOSED') throw error;
    });
    const needed = name === 'import' || name === 'first batch';
    if (needed || (!pending && i < names.length - 1)) await done?.catch?.(() => {});
  }
}

if (isMainThread) {
  const [count, ending, mode] = process.argv.slice(2);
  const wanted = { count: Number(count), pending: mode === '--pending', ending };
  if (ending === 'return' || ending === 'exit') {
    await live(wanted.count, wanted.pending);
    if (ending === 'exit') process.exit(0);
  } else {
    const worker = new Worker(new URL(import.meta.url), { workerData: wanted });
    worker.on('error', (error) => {
      process.stderr.write(`${error.stack}\n`);
      process.exitCode = 1;
    });
    if (ending === 'terminate') worker.on('message', () => worker.terminate());
  }
} else {
  await live(workerData.count, workerData.pending);
  if (workerData.ending === 'worker-exit') process.exit(0);
  if (workerData.ending === 'terminate') {
    parentPort.postMessage('ready');
    setInterval(() => {}, 1000); // stays until it is terminated
  }
}

export const stepNames = Object.keys(steps);

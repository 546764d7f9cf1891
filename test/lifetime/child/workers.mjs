// A hundred workers open, use and close handles at random. They end at random: by themselves, by process.exit(), or
// by terminate() from outside at any moment. `workers.mjs <seed>`
import { setTimeout as sleep } from 'node:timers/promises';
import { isMainThread, Worker, workerData } from 'node:worker_threads';
import { flows, load } from './common.mjs';

/** Numbers from a seed (mulberry32), so that a run can be repeated. */
function random(seed) {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 2 ** 32) * below);
  };
}

async function work(seed) {
  const pick = random(seed);
  const { Conntrack } = await load();
  let ct = Conntrack.open();
  const some = () => flows(1 + pick(50), 12 + pick(100));
  const uses = [
    () => ct.dump(),
    () => ct.dump({ protocol: 'tcp' }, { signal: AbortSignal.timeout(pick(3)) }),
    () => ct.getMany(some()),
    () => ct.getSync(some()[0]),
    () => ct.createMany(some()),
    () => ct.deleteWhere({ src: `${12 + pick(100)}.0.0.0/8` }, { returning: true }),
    () => ct.count(),
    () => ct.stats(),
    () => ct.settings(),
    async () => {
      for await (const _ of ct.dumpBatches({}, { batchSize: 1 + pick(500) })) {
        if (pick(4) === 0) break;
      }
    },
    // Never finished.
    () => ct.dumpBatches({}, { batchSize: 100 }).next(),
    () => {
      void ct.close();
      ct = Conntrack.open();
    },
  ];
  const fine = (error) => {
    if (error.code !== 'ERR_NETFILTER_CLOSED' && error.name !== 'TimeoutError') throw error;
  };
  for (let i = pick(60); i > 0; i--) {
    try {
      const done = uses[pick(uses.length)]();
      if (pick(2) === 0) await done;
      else done?.catch?.(fine);
    } catch (error) {
      fine(error);
    }
  }
  if (pick(3) === 0) process.exit(0);
  if (pick(2) === 0) await ct.close();
}

if (isMainThread) {
  const seed = Number(process.argv[2]);
  const pick = random(seed);
  let terminated = 0;
  const one = async (number) => {
    const worker = new Worker(new URL(import.meta.url), { workerData: seed * 1000 + number });
    let over = false;
    const ended = new Promise((resolve, reject) => {
      worker.on('error', reject);
      worker.on('exit', resolve);
    }).then(() => {
      over = true;
    });
    // Half of them are terminated: before or in the import, in the middle of the work, or just after the end.
    if (pick(2) === 0) {
      await Promise.race([sleep(pick(60)), ended]);
      if (!over) terminated++;
      await worker.terminate();
    }
    await ended;
  };
  const queue = Array.from({ length: 100 }, (_, i) => i);
  const lane = async () => {
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) await one(next);
  };
  await Promise.all(Array.from({ length: 4 }, lane));
  process.stdout.write(`terminated ${terminated}\n`);
} else {
  await work(workerData);
}

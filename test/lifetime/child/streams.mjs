// Event streams and descriptors. `streams.mjs many` opens and closes thousands, one after the other.
// `streams.mjs scarce` opens them with few descriptors left, and terminates workers that have one open.
import { closeSync, openSync } from 'node:fs';
import { isMainThread, parentPort, Worker } from 'node:worker_threads';
import { descriptors } from '../../support/resources.mjs';
import { flows, load } from './common.mjs';

const report = (value) => process.stdout.write(`${value}\n`);
const { Conntrack } = await load();
const ct = Conntrack.open();
const kinds = {
  events: () => ct.events({ types: ['new'] }),
  expectations: () => ct.expectations.events(),
  reliable: () => ct.events({ types: ['new'], reliable: true, queue: { maxEvents: 1 } }),
};

/** Reports a promise that never settles, instead of waiting for it. */
function ends(promise) {
  let timer;
  const late = new Promise((resolve) => {
    timer = setTimeout(resolve, 30_000, 'hangs');
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/** Opens files until there is room for `left` more. Returns a function that closes them. */
function fill(left) {
  const held = [];
  try {
    for (;;) held.push(openSync('/dev/null'));
  } catch (error) {
    if (error.code !== 'EMFILE') throw error;
  }
  for (let i = 0; i < left; i++) closeSync(held.pop());
  return () => held.forEach(closeSync);
}

async function many(name, count) {
  const before = descriptors();
  for (let i = 0; i < count; i++) {
    const stream = kinds[name]();
    if (name === 'reliable') {
      // Its thread waits for room in the queue.
      await ct.createMany(flows(2));
      await ct.flush();
      while (stream.stats.queued === 0) await new Promise(setImmediate);
    }
    await stream.close();
  }
  const left = descriptors();
  return left.length === before.length ? 'nothing is left' : left.join(', ');
}

/** Reads `count` flows from an open stream and ends it. */
async function use(stream, count) {
  if (count > 0) {
    const result = await ct.createMany(flows(count));
    if (result.created !== count) throw result.failed[0].error;
    let seen = 0;
    for await (const event of stream) {
      seen += event.lost ?? 1;
      if (seen === count) break;
    }
  }
  await stream.close();
  return 'works';
}

async function attempt(name, left) {
  await ct.createMany(flows(1)); // its socket waits for the next command
  await ct.flush();
  const before = descriptors().length;
  const free = fill(left);
  let outcome;
  try {
    const stream = kinds[name]();
    outcome = await ends(use(stream, name === 'expectations' ? 0 : 5));
  } catch (error) {
    outcome = `${error.code} ${error.operation}`;
  }
  free();
  if (outcome !== 'hangs' && descriptors().length !== before) outcome += ', and keeps a descriptor';
  return outcome;
}

/** The end of a worker whose stream waits. */
async function terminated(name, left) {
  const worker = new Worker(new URL(import.meta.url), { argv: ['worker'] });
  const message = () => new Promise((resolve) => worker.once('message', resolve));
  await message();
  const free = fill(left);
  worker.postMessage(name);
  const opened = await message();
  const outcome = await ends(worker.terminate());
  free();
  return `${opened}, ${outcome === 'hangs' ? outcome : 'ends'}`;
}

if (!isMainThread) {
  await ct.count(); // its handle is open
  parentPort.once('message', (name) => {
    let answer = 'opens';
    try {
      const stream = kinds[name]();
      stream[Symbol.asyncIterator]().next();
    } catch (error) {
      answer = `${error.code} ${error.operation}`;
    }
    parentPort.postMessage(answer);
  });
  parentPort.postMessage('ready');
} else if (process.argv[2] === 'many') {
  await ct.createMany(flows(1));
  await ct.flush();
  for (const [name, count] of [
    ['events', 3000],
    ['expectations', 3000],
    ['reliable', 1500],
  ]) {
    report(`${name}: ${await many(name, count)}`);
  }
  await ct.close();
} else {
  for (const name of Object.keys(kinds)) {
    for (let left = 0; left <= 5; left++) report(`${name} ${left}: ${await attempt(name, left)}`);
    for (let left = 0; left <= 3; left++) {
      report(`worker ${name} ${left}: ${await terminated(name, left)}`);
    }
  }
  await ct.close();
}

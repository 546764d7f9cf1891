// The system refuses threads or descriptors. Each refusal is an error, and afterwards everything works.
import { rmSync, writeFileSync } from 'node:fs';
import { flows, load } from './common.mjs';

const report = (value) => process.stdout.write(`${value}\n`);
const { Conntrack } = await load();

async function outcome(work) {
  try {
    return `resolved ${await work()}`;
  } catch (error) {
    return `${error.name} ${error.code} ${error.operation}`;
  }
}

async function read(ct) {
  let rows = 0;
  for await (const batch of ct.dumpBatches({}, { batchSize: 1000 })) {
    // The thread has to wait for its reader, with or without a descriptor for that.
    await new Promise((resolve) => setTimeout(resolve, 2));
    rows += batch.length;
  }
  return rows;
}

const what = process.argv[2];
if (what === 'threads') {
  const file = process.env.SHIM_THREADS;
  const ct = Conntrack.open();
  const uses = {
    dump: () => ct.dump(),
    dumpBatches: () => read(ct),
    get: () => ct.getMany([flows(1)[0]]),
    'open elsewhere': () => Conntrack.open({ netns: process.argv[3] }),
  };
  for (const [name, use] of Object.entries(uses)) {
    // Node itself needs no thread meanwhile.
    writeFileSync(file, '');
    const ended = await outcome(use);
    rmSync(file);
    report(`${name}: ${ended}`);
  }
  report(`then: ${await outcome(async () => (await ct.dump()).length)}`);
  await ct.close();
} else if (what === 'eventfd') {
  writeFileSync(process.env.SHIM_EVENTFD, '');
  const ct = Conntrack.open();
  report(`dumpBatches: ${await outcome(() => read(ct))}`);
  const batches = ct.dumpBatches({}, { batchSize: 100 });
  await batches.next();
  const controller = new AbortController();
  const aborted = ct.dumpBatches({}, { batchSize: 100, signal: controller.signal });
  await aborted.next();
  controller.abort();
  report(`abort: ${(await aborted.next().catch((error) => error)).name}`);
  await ct.close();
  report(`close: ${(await batches.next().catch((error) => error)).code}`);
} else if (what === 'descriptors') {
  // The process starts with a limit that it nearly reaches by itself.
  const held = [];
  const ct = Conntrack.open();
  await ct.count();
  for (;;) {
    const one = await outcome(() => held.push(Conntrack.open()));
    if (!one.startsWith('resolved')) {
      report(`open: ${one}`);
      break;
    }
  }
  report(`dump: ${await outcome(() => ct.dump())}`);
  report(`dumpBatches: ${await outcome(() => read(ct))}`);
  report(`settings: ${await outcome(() => ct.settings())}`);
  for (const one of held) await one.close();
  report(`then: ${await outcome(() => read(ct))}`);
}

// An abort, a close or an end exactly in the middle of a dump: shim.c holds its thread at the third datagram.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { isMainThread, Worker } from 'node:worker_threads';
import { load } from './common.mjs';

const gate = process.env.SHIM_GATE;
const [what, how] = process.argv.slice(2);
const report = (value) => process.stdout.write(`${value}\n`);

const reached = async () => {
  while (!existsSync(`${gate}.reached`)) await new Promise((resolve) => setTimeout(resolve, 1));
};
const open = () => writeFileSync(`${gate}.open`, '');

/** Starts the operation, and settles with it. */
async function start(ct, signal) {
  if (what === 'dump') return ct.dump({}, { signal });
  if (what === 'dumpBatches') {
    for await (const batch of ct.dumpBatches({}, { signal })) return batch;
  }
  if (what === 'deleteWhere') return ct.deleteWhere({ protocol: 'tcp' });
  throw new Error(what);
}

const { Conntrack } = await load();
if (isMainThread && how.startsWith('worker')) {
  const worker = new Worker(new URL(import.meta.url), { argv: [what, how] });
  await reached();
  const ended = new Promise((resolve) => worker.on('exit', resolve));
  if (how === 'worker-terminate') worker.terminate();
  // The thread is still in its system call. The end of the worker waits only for that.
  setTimeout(open, 50);
  await ended;
  report(`ended after ${readFileSync(`${gate}.count`, 'utf8')} datagrams`);
} else {
  const ct = Conntrack.open();
  const controller = new AbortController();
  const settled = start(ct, controller.signal).then(
    (batch) => `resolved ${batch.length}`,
    (error) => `rejected ${error.code ?? error.message}`,
  );
  await reached();
  if (how === 'exit') process.exit(7);
  if (how === 'worker-exit') process.exit(0);
  if (how === 'abort') controller.abort(new Error('enough'));
  const closed = how === 'close' ? ct.close() : undefined;
  if (how === 'dispose') ct[Symbol.dispose]();
  if (how !== 'worker-terminate') open();
  report(await settled);
  await closed;
  report(`ended after ${readFileSync(`${gate}.count`, 'utf8')} datagrams`);
}

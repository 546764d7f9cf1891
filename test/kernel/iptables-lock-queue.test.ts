// Edits of one process that queue for the xtables lock. Time in the queue counts as waiting. After its turn an edit
// leaves nothing behind in the queue.
import { getEventListeners } from 'node:events';
import { XtablesLockError } from '../../src/errors.js';
import { addon } from '../../src/native/load.js';
import { awaited } from '../support/awaited.js';
import { assert, suite, throws } from '../support/harness.js';
import { iptables, openTables, reset, saved } from '../support/iptables-tables.js';
import { Child } from '../support/process.js';

const test = suite('the queue for the xtables lock');
const ipt = openTables({ backend: 'legacy' });

const timers = () => process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length;

/** Keeps this thread busy, so that nothing else runs. */
function busy(milliseconds: number): void {
  const end = performance.now() + milliseconds;
  while (performance.now() < end);
}

/** The wait for the file that native code gets for each edit. */
async function waits(work: () => Promise<unknown>): Promise<number[]> {
  const binding = addon();
  const { xtLock } = binding;
  const told: number[] = [];
  binding.xtLock = (cell, path, timeout) => {
    told.push(timeout);
    return xtLock(cell, path, timeout);
  };
  try {
    await work();
  } finally {
    binding.xtLock = xtLock;
  }
  return told;
}

test('the wait for the file is the timeout minus the time in the queue', async () => {
  const spent = 40;
  const slow = () => ipt.edit('filter', () => busy(spent), { lockTimeout: 60_000 });
  const told = await waits(() => {
    const edits = [slow(), slow(), slow(), ipt.edit('filter', () => {}, { lockTimeout: Infinity })];
    return awaited('four edits', Promise.all(edits));
  });
  assert.is(told.length, 4);
  // The first did not queue. Others have waited for all before them, and longer on a busy machine.
  assert.ok(told[0]! <= 60_000 && told[0]! > 0, `${told[0]}`);
  assert.ok(told[1]! <= 60_000 - spent + 1, `${told[1]} after one of ${spent} ms`);
  assert.ok(told[2]! <= 60_000 - 2 * spent + 1, `${told[2]} after two of ${spent} ms`);
  assert.is(told[3], -1);
});

test('an edit that has waited too long in the queue gets no time for the file', async () => {
  // The first edit takes longer than the second may wait. So the second ends in the queue, or tries the file once.
  const told = await waits(async () => {
    const first = ipt.edit('filter', () => busy(60), { lockTimeout: 60_000 });
    const second = ipt.edit('filter', () => {}, { lockTimeout: 20 });
    await awaited('both edits', Promise.allSettled([first, second]));
  });
  assert.ok(told[0]! > 0);
  assert.ok(told[1] === undefined || told[1] === 0, `${told[1]}`);
});

test('the timeout also holds in the queue, and the message names the edit in front', async () => {
  await using holder = Child.start([
    ...['flock', '--no-fork', '/run/xtables.lock', 'sh', '-c', 'echo held; exec cat'],
  ]);
  await awaited('a lock', holder.line(/held/));
  const first = ipt.edit('filter', () => {}, { lockTimeout: Infinity });
  const error = await throws(
    XtablesLockError,
    /ETIMEDOUT.*held by another edit of this process/,
    () =>
      awaited(
        'the end of the second',
        ipt.edit('filter', () => {}, { lockTimeout: 30 }),
      ),
  );
  assert.is(error.code, 'ETIMEDOUT');
  await holder.stop();
  await awaited('the first, once the lock is free', first);
});

test('an edit that has queued leaves no timer and no listener', async () => {
  const controller = new AbortController();
  const options = { lockTimeout: 3_600_000, signal: controller.signal };
  const before = timers();
  const edits = Array.from({ length: 5 }, () => ipt.edit('filter', () => {}, options));
  await Promise.all(edits);
  assert.is(timers(), before);
  assert.is(getEventListeners(controller.signal, 'abort').length, 0);
  // The same holds for edits that gave up or failed.
  const failing = [
    ipt.edit('filter', () => busy(30), options),
    ipt.edit('filter', () => {}, { ...options, lockTimeout: 5 }),
    ipt.edit(
      'filter',
      () => {
        throw new Error('no');
      },
      options,
    ),
  ];
  await awaited('three edits', Promise.allSettled(failing));
  assert.is(timers(), before);
  assert.is(getEventListeners(controller.signal, 'abort').length, 0);
});

test('a program ends when its edits are done, however long their timeout is', async () => {
  reset();
  const source = new URL('../../src/iptables/iptables.ts', import.meta.url);
  const program = `
    import { Iptables } from ${JSON.stringify(source.href)};
    const ipt = Iptables.open({ backend: 'legacy' });
    const add = (port) => ipt.edit('filter', (table) =>
      table.chain('INPUT').append('-p udp --dport ' + port), { lockTimeout: 3_600_000 });
    await Promise.all([add(1), add(2), add(3)]);
    console.log('done');`;
  await using child = Child.start([
    ...[process.execPath, '--import', 'tsx', '--input-type=module', '-e', program],
  ]);
  await awaited('three edits in another process', child.line(/done/));
  const { code } = await awaited('the end of a program whose work is done', child.exited);
  assert.is(code, 0);
  assert.equal(saved('ipv4').match(/--dport \d/g), ['--dport 1', '--dport 2', '--dport 3']);
  iptables('ipv4', '-w', '1', '-F');
});

test('an edit that ended in the queue does not stop those behind it', async () => {
  const controller = new AbortController();
  const first = ipt.edit('filter', () => controller.abort(new Error('enough')));
  const second = ipt.edit('filter', () => {}, { signal: controller.signal });
  const third = ipt.edit('filter', () => 3);
  const ends = await awaited('three edits', Promise.allSettled([first, second, third]));
  assert.equal(
    ends.map(({ status }) => status),
    ['fulfilled', 'rejected', 'fulfilled'],
  );
  // An edit that comes after all others finds no queue.
  const [told] = await waits(() => ipt.edit('filter', () => {}, { lockTimeout: 5000 }));
  assert.ok(told! > 0 && told! <= 5000);
});

test.run();

// The xtables lock: taking it as iptables does, waiting for it, giving up, and never leaving it behind.
import { once } from 'node:events';
import {
  existsSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { XtablesLockError } from '../../src/errors.js';
import { awaited, until } from '../support/awaited.js';
import { assert, suite, throws } from '../support/harness.js';
import { iptables, openTables, reset, saved } from '../support/iptables-tables.js';
import { Child, run } from '../support/process.js';

const test = suite('the xtables lock');
const lock = '/run/xtables.lock';
const ipt = openTables({ backend: 'legacy' });

/** Whether somebody holds the lock: flock(1) does not wait. */
function isHeld(path = lock): boolean {
  try {
    run(['flock', '--nonblock', path, 'true']);
    return false;
  } catch {
    return true;
  }
}

/** A single process that holds the lock until it is stopped. When it has ended, nobody holds the lock. */
async function holder(path = lock): Promise<Child> {
  const child = Child.start(['flock', '--no-fork', path, 'sh', '-c', 'echo held; exec cat']);
  await awaited(`a lock on ${path}`, child.line(/held/));
  const name = () => readFileSync(`/proc/${child.pid}/comm`, 'utf8');
  await until('the holder is called cat', () => name() === 'cat\n');
  return child;
}

const add = (port: number, options = {}) =>
  ipt.edit('filter', (table) => table.chain('INPUT').append(`-p udp --dport ${port}`), options);

test('the lock is held during an edit, from reading to commit, and is free before and after', async () => {
  assert.is(existsSync(lock), false);
  await ipt.read();
  await ipt.save();
  // Reading takes no lock, so it creates no lock file.
  assert.is(existsSync(lock), false);
  const held = await ipt.edit('filter', (table) => {
    table.chain('INPUT').append('-j ACCEPT');
    return isHeld();
  });
  assert.is(held, true);
  assert.is(isHeld(), false);
  assert.is(statSync(lock).mode & 0o777, 0o600);
  // iptables itself does not have to wait.
  iptables('ipv4', '-w', '1', '-A', 'INPUT', '-j', 'DROP');
  await ipt.restore(await ipt.save());
  assert.is(isHeld(), false);
});

test('the lock is free after an edit that failed or that the kernel refused', async () => {
  await throws(Error, /^no$/, () =>
    ipt.edit('filter', () => {
      throw new Error('no');
    }),
  );
  assert.is(isHeld(), false);
  reset();
  await throws(Error, /EINVAL/, () =>
    ipt.edit('filter', (table) => table.chain('INPUT').append('-m owner --uid-owner 0')),
  );
  assert.is(isHeld(), false);
});

test('after the timeout the message says who holds the lock', async () => {
  await using other = await holder();
  for (const lockTimeout of [0, 30]) {
    const error = await throws(XtablesLockError, /ETIMEDOUT.*is held by pid \d+ \(.+\)/, () =>
      add(1, { lockTimeout }),
    );
    assert.is(error.code, 'ETIMEDOUT');
    assert.match(error.message, new RegExp(`pid ${other.pid} \\(cat\\)`));
    assert.match(error.hint!, /lockTimeout/);
  }
  await other.stop();
  await awaited('an edit, the lock being free', add(1, { lockTimeout: 0 }));
});

test('an edit waits, and goes on as soon as the lock is free', async () => {
  await using other = await holder();
  const waiting = add(2, { lockTimeout: Infinity });
  const more = add(3);
  const before = saved('ipv4');
  await throws(XtablesLockError, /ETIMEDOUT/, () => add(4, { lockTimeout: 40 }));
  assert.is(saved('ipv4'), before);
  await other.stop();
  await awaited('both edits, once the lock is free', Promise.all([waiting, more]));
  assert.match(saved('ipv4'), /--dport 2\n.*--dport 3\n/);
  assert.not.match(saved('ipv4'), /--dport 4\n/);
});

test('a signal ends the waiting, for the file and in the queue', async () => {
  await using other = await holder();
  const reason = new Error('enough');
  const abort = new AbortController();
  const first = add(5, { signal: abort.signal });
  const queued = add(6, { signal: abort.signal });
  const both = Promise.allSettled([first, queued]);
  const third = add(7);
  await new Promise((resolve) => setImmediate(resolve));
  abort.abort(reason);
  for (const end of await awaited('the end of both that were aborted', both))
    assert.is((end as PromiseRejectedResult).reason, reason);
  await other.stop();
  await awaited('the edit behind those that were aborted', third);
  assert.not.match(saved('ipv4'), /--dport [56]\n/);
  // With an aborted signal the edit does not begin.
  await throws(Error, /^enough$/, () => add(8, { signal: abort.signal }));
});

test('edits of one process take turns in their order', async () => {
  reset();
  const ports = Array.from({ length: 60 }, (_, i) => 100 + i);
  await awaited('sixty edits in their turn', Promise.all(ports.map((port) => add(port))));
  const found = [...saved('ipv4').matchAll(/--dport (\d+)/g)].map((match) => Number(match[1]));
  assert.equal(found, ports);
});

test('XTABLES_LOCKFILE names another file, for us as for iptables', async () => {
  const path = '/run/other.lock';
  await using other = await holder();
  process.env.XTABLES_LOCKFILE = path;
  try {
    const held = await ipt.edit('filter', () => isHeld(path));
    assert.is(held, true);
    await using second = await holder(path);
    await throws(XtablesLockError, /\/run\/other\.lock is held by/, () =>
      add(9, { lockTimeout: 0 }),
    );
    await second.stop();
    process.env.XTABLES_LOCKFILE = '/run/missing/dir.lock';
    await throws(XtablesLockError, /ENOENT.*\/run\/missing/, () => add(9));
  } finally {
    delete process.env.XTABLES_LOCKFILE;
  }
  await other.stop();
});

/** The open files of this process with the lock file's name. A removed one has ` (deleted)` behind its name. */
function opened(): string[] {
  return readdirSync('/proc/self/fd')
    .map((fd) => {
      try {
        return readlinkSync(`/proc/self/fd/${fd}`);
      } catch {
        return ''; // the descriptor that readdir used
      }
    })
    .filter((target) => target.startsWith(lock));
}
const turn = () => new Promise((resolve) => setImmediate(resolve));

test('the lock file is removed and created again while we wait: the name counts', async () => {
  await using other = await holder();
  const waiting = add(10);
  let settled = false;
  const settle = () => {
    settled = true;
  };
  waiting.then(settle, settle);
  await until('the edit opens the lock file', () => opened().includes(lock));
  rmSync(lock);
  assert.equal(opened(), [`${lock} (deleted)`]);
  await using second = await holder();
  await other.stop();
  // The first holder's file is free now, but iptables would lock the new one. So we wait for the new one.
  await until('the edit opens the new lock file', () => settled || opened().includes(lock));
  assert.is(settled, false);
  assert.not.match(saved('ipv4'), /--dport 10\n/);
  await throws(XtablesLockError, /ETIMEDOUT/, () => add(11, { lockTimeout: 20 }));
  await second.stop();
  await awaited('the edit, once the new file is free', waiting);
  assert.match(saved('ipv4'), /--dport 10\n/);
});

test('a path that is not a file is refused at once, and the message says what it is', async () => {
  const folder = '/run/lock-kinds';
  run(['mkdir', '-p', `${folder}/directory`]);
  run(['mkfifo', `${folder}/fifo`]);
  const server = createServer().listen(`${folder}/socket`);
  await once(server, 'listening');
  symlinkSync('fifo', `${folder}/link`);
  symlinkSync('loop', `${folder}/loop`);
  try {
    for (const [path, why] of [
      [
        `${folder}/fifo`,
        /EINVAL.*fifo is a FIFO; the lock must be a regular file.*XTABLES_LOCKFILE/,
      ],
      [`${folder}/link`, /link is a FIFO/],
      [`${folder}/socket`, /socket is a socket/],
      [`${folder}/directory`, /directory is a directory/],
      [`${folder}/loop`, /ELOOP/],
      ['/dev/zero', /\/dev\/zero is a device/],
    ] as const) {
      process.env.XTABLES_LOCKFILE = path;
      const handle = openTables({ backend: 'legacy' });
      const edit = throws(XtablesLockError, why, () => handle.edit('filter', () => {}));
      await awaited(`the refusal of ${path}`, edit);
      // Also when the handle is closed during the call.
      const late = handle.edit('filter', () => {}).catch((error: Error) => error);
      await awaited(`close(), the lock being ${path}`, handle.close());
      assert.ok((await awaited('the edit that was closed', late)) instanceof Error);
    }
  } finally {
    delete process.env.XTABLES_LOCKFILE;
    server.close();
    rmSync(folder, { recursive: true });
  }
  await add(15);
});

test('children do not inherit it', async () => {
  let child: Child | undefined;
  await ipt.edit('filter', () => {
    child = Child.start(['sh', '-c', 'echo there; exec cat']);
  });
  await child!.line(/there/);
  assert.is(isHeld(), false);
  const links = run(['ls', '-l', `/proc/${child!.pid}/fd`]);
  assert.not.match(links, /xtables/);
  await child!.stop();
});

test('close() ends the wait', async () => {
  await using other = await holder();
  const closed = openTables({ backend: 'legacy' });
  const waiting = closed.edit('filter', () => {});
  await turn();
  await awaited('close() while an edit waits for the lock', closed.close());
  await throws(Error, /ERR_NETFILTER_CLOSED/, () => awaited('the edit that waited', waiting));
  await other.stop();
  assert.is(isHeld(), false);
  await add(12);
});

test('nothing is left open', async () => {
  // This process counts its own descriptors. A child would also see pipes to itself that are not closed yet.
  const count = () => readdirSync('/proc/self/fd').length;
  await add(13);
  const before = count();
  for (let i = 0; i < 50; i++) {
    await add(14 + i);
    await ipt.read();
  }
  const after = count();
  assert.ok(after <= before + 1, `${before} descriptors became ${after}`);
  assert.not.match(readFileSync('/proc/locks', 'utf8'), new RegExp(`FLOCK.*WRITE ${process.pid} `));
});

test.run();

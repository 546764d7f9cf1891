// Several writers at once. With a lock they wait for each other. Without one no writer undoes the work of another.
// Backends: legacy, nft
import { fileURLToPath } from 'node:url';
import { XtablesError } from '../../src/errors.js';
import { attempts, here, whenChanged } from '../support/backend-differences.js';
import { assert, suite, throws } from '../support/harness.js';
import {
  backend,
  command,
  families,
  iptables,
  load,
  openTables,
  packets,
  reset,
  saved,
  tool,
} from '../support/iptables-tables.js';
import { Child, run } from '../support/process.js';

const test = suite('several writers of one table');
const writer = fileURLToPath(new URL('../support/iptables-writer.ts', import.meta.url));
const other = { XTABLES_LOCKFILE: '/run/other.lock' };
const portsIn = (text: string) => [...text.matchAll(/--dport (\d+)/g)].map((m) => Number(m[1]));

test('two processes and iptables, all with the lock: every rule is there once', async () => {
  for (const family of families) {
    reset();
    const count = 60;
    const writers = [1000, 2000].map((first) =>
      Child.start([
        process.execPath,
        '--import',
        'tsx',
        writer,
        backend,
        family,
        'INPUT',
        String(first),
        String(count),
      ]),
    );
    for (const child of writers) await child.line(/./);
    for (let port = 3000; port < 3000 + count; port++) {
      iptables(family, '-w', '30', '-A', 'INPUT', '-p', 'udp', '--dport', String(port));
    }
    for (const child of writers) await child.finish();
    const found = portsIn(saved(family));
    assert.is(found.length, 3 * count);
    assert.is(new Set(found).size, 3 * count);
    // The rules of each writer are in its order.
    for (const first of [1000, 2000, 3000]) {
      const own = found.filter((port) => port >= first && port < first + 1000);
      assert.equal(
        own,
        own.slice().sort((a, b) => a - b),
      );
    }
  }
});

test('two processes that do not see each other’s lock: no rule is lost', async () => {
  reset();
  const count = 150;
  const argv = (first: number) => [
    process.execPath,
    '--import',
    'tsx',
    writer,
    backend,
    'ipv4',
    'INPUT',
    String(first),
    String(count),
  ];
  const writers = [Child.start(argv(1000)), Child.start(argv(2000), other)];
  for (const child of writers) await child.finish();
  const found = portsIn(saved('ipv4'));
  assert.is(found.length, 2 * count);
  assert.is(new Set(found).size, 2 * count);
});

const rules = '*filter\n-A INPUT -s 10.0.0.1 -j ACCEPT\n-A INPUT -s 10.0.0.2 -j ACCEPT\nCOMMIT\n';
const withOther = (...args: string[]) => run([command('ipv4'), ...args], { env: other });

test('a change between reading and commit is noticed, although the kernel would not notice it', async () => {
  const ipt = openTables();
  for (const change of [
    // The number of rules stays the same: the kernel's own check does not notice this.
    ['-R', 'INPUT', '1', '-s', '10.0.0.9', '-j', 'DROP'],
    ['-P', 'FORWARD', 'DROP'],
    // More rules, and fewer. libiptc reads the table again before the commit.
    ['-A', 'INPUT', '-s', '10.0.0.9', '-j', 'DROP'],
    ['-N', 'made'],
    ['-D', 'INPUT', '1'],
    ['-D', 'INPUT', '2'],
    ['-F', 'INPUT'],
  ]) {
    reset();
    load('ipv4', rules);
    let calls = 0;
    const lengths: number[] = [];
    await ipt.edit('filter', (table) => {
      if (calls++ === 0) withOther(...change);
      lengths.push(table.chain('INPUT').length);
      table.chain('INPUT').append('-s 10.0.0.3 -j ACCEPT');
    });
    assert.is(calls, 2);
    const ours = saved('ipv4');
    reset();
    load('ipv4', rules);
    iptables('ipv4', ...change);
    iptables('ipv4', '-A', 'INPUT', '-s', '10.0.0.3', '-j', 'ACCEPT');
    assert.is(ours, saved('ipv4'));
  }
  // New packets in the counters are not a change.
  reset();
  load('ipv4', '*filter\n-A INPUT -p udp\nCOMMIT\n');
  let calls = 0;
  await ipt.edit('filter', (table) => {
    calls++;
    run(['ping', '-c', '1', '-W', '1', '127.0.0.1']);
    table.chain('INPUT').append('-s 10.0.0.3 -j ACCEPT');
  });
  assert.is(calls, 1);
  await ipt.close();
});

test('a writer that always interferes: some tries, then an error, and no rule of ours', async () => {
  const ipt = openTables();
  reset();
  load('ipv4', rules);
  let calls = 0;
  const tries = here(attempts);
  const said = new RegExp(`ERR_NETFILTER_TABLE_CHANGED.*, ${tries} times`);
  const error = await throws(XtablesError, said, () =>
    ipt.edit('filter', (table) => {
      withOther('-R', 'INPUT', '1', '-s', `10.1.0.${++calls}`, '-j', 'DROP');
      table.chain('INPUT').append('-s 10.0.0.3 -j ACCEPT');
    }),
  );
  assert.is(error.code, 'ERR_NETFILTER_TABLE_CHANGED');
  assert.match(error.hint!, here(whenChanged));
  assert.is(calls, tries);
  assert.not.match(saved('ipv4'), /10\.0\.0\.3/);
  assert.ok(saved('ipv4').includes(`10.1.0.${tries}/32`));
  await ipt.close();
});

test('rules that stay keep counting while the table is edited many times', async () => {
  for (const family of families) {
    reset();
    load(family, '*filter\n-A INPUT -i lo -p udp --dport 9\nCOMMIT\n');
    const ipt = openTables({ family });
    let done = false;
    const edits = (async () => {
      for (let i = 0; !done; i++) {
        await ipt.edit('filter', (table) => {
          const chain = table.chain('FORWARD');
          if (i % 2 === 0) chain.append('-p tcp -j ACCEPT');
          else chain.delete(0);
          table
            .chain('INPUT')
            .append('-p tcp -j ACCEPT')
            .delete(table.chain('INPUT').length - 1);
        });
      }
    })();
    await packets(family, 3000);
    done = true;
    await edits;
    const counted = /\[(\d+):\d+\] -A INPUT -i lo -p udp/.exec(saved(family, { counters: true }));
    // While the kernel replaces a table, packets still count in the old one. The commit brings the old counts back
    // (libiptc, counters_normal_map).
    assert.is(counted?.[1], '3000', tool(family));
    await ipt.close();
  }
});

test.run();

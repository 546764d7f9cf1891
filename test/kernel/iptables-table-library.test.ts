// Tables without libiptc, with several threads in libiptc, and with fewer privileges than root.
import { Worker } from 'node:worker_threads';
import { LibraryError, XtablesError } from '../../src/errors.js';
import { assert, suite, throws } from '../support/harness.js';
import { families, load, openTables, reset, saved } from '../support/iptables-tables.js';
import { run } from '../support/process.js';

const test = suite('iptables: the library, threads and privileges');
const source = new URL('../../src/iptables/iptables.ts', import.meta.url).href;
const errors = new URL('../../src/errors.ts', import.meta.url).href;

/** Runs a part of a module in a process that the words of a command start. */
function script(words: readonly string[], body: string): string {
  const text = `import { Iptables } from ${JSON.stringify(source)};
    import * as errors from ${JSON.stringify(errors)};
    ${body}`;
  return run([...words, process.execPath, '--import', 'tsx', '--input-type=module', '-e', text]);
}

test('several worker threads edit at once, each with its own lock', async () => {
  // The lock files differ, so only the mutex in the addon prevents two threads in libiptc at once.
  const writer = new URL('../support/iptables-writer.ts', import.meta.url).href;
  const code = `import(${JSON.stringify(import.meta.resolve('tsx/esm/api'))})
    .then((tsx) => tsx.register())
    .then(() => import(${JSON.stringify(writer)}));`;
  for (const family of families) {
    reset();
    const count = 60;
    const workers = [0, 1, 2, 3].map(
      (n) =>
        new Worker(code, {
          eval: true,
          argv: ['legacy', family, 'INPUT', String(1000 * (n + 1)), String(count)],
          env: { ...process.env, XTABLES_LOCKFILE: `/run/lock.${n}` },
          stdout: true,
        }),
    );
    const ends = workers.map(
      (worker) =>
        new Promise<number>((resolve, reject) => {
          worker.on('error', reject);
          worker.on('exit', resolve);
        }),
    );
    assert.equal(await Promise.all(ends), [0, 0, 0, 0]);
    const found = [...saved(family).matchAll(/--dport (\d+)/g)].map((match) => match[1]);
    assert.is(found.length, 4 * count);
    assert.is(new Set(found).size, 4 * count);
  }
});

test('without libiptc tables can be read, and an edit says what to install', async () => {
  reset();
  load('ipv4', '*filter\n-A INPUT -p tcp -j ACCEPT\nCOMMIT\n');
  const libraries = run(['sh', '-c', 'ldconfig -p | sed -n "s/.*libip[46]tc.so.[02] .*=> //p"']);
  const hide = libraries
    .trim()
    .split('\n')
    .map((path) => `mount --bind /dev/null ${path}`)
    .join(' && ');
  const out = script(
    ['unshare', '--mount', 'sh', '-c', `${hide} && exec "$@"`, 'sh'],
    `for (const family of ['ipv4', 'ipv6']) {
       const ipt = Iptables.open({ family, backend: 'legacy' });
       const table = await ipt.read();
       console.log(table.chain('INPUT').length, (await ipt.save()).includes('-p tcp'));
       await ipt.edit('filter', () => {});
       await ipt.edit('filter', (t) => t.chain('INPUT').append('-j ACCEPT')).catch((error) => {
         console.log(error instanceof errors.LibraryError, error.message);
       });
     }`,
  );
  const said = out.trim().split('\n');
  assert.is(said[0], '1 true');
  assert.match(
    said[1]!,
    /^true iptables commit filter: ERR_NETFILTER_LIBRARY: .*libip4tc\.so\.2.*libip4tc2/,
  );
  assert.match(said[3]!, /^true ip6tables commit filter: .*libip6tc\.so\.2.*libip6tc2/);
  assert.is(LibraryError.name, 'LibraryError');
});

test('CAP_NET_ADMIN alone is enough to read; an edit also needs CAP_NET_RAW', async () => {
  reset();
  load('ipv4', '*filter\n-A INPUT -p tcp -j ACCEPT\nCOMMIT\n');
  const drop = (keep: string) => ['setpriv', '--bounding-set', keep, '--inh-caps', keep];
  const body = `const ipt = Iptables.open({ backend: 'legacy' });
    const say = (error) => console.log(error.code, error.hint);
    await ipt.read().then((table) => console.log(table.chain('INPUT').length), say);
    await ipt.edit('filter', (t) => t.chain('INPUT').append('-j DROP')).then(() => console.log('done'), say);`;
  const none = script(drop('-all,+dac_override'), body).trim().split('\n');
  assert.match(none[0]!, /^EPERM needs CAP_NET_ADMIN .*CAP_NET_RAW too/);
  assert.match(none[1]!, /^EPERM /);
  const reader = script(drop('-all,+dac_override,+net_admin'), body).trim().split('\n');
  assert.is(reader[0], '1');
  assert.match(reader[1]!, /^EPERM needs CAP_NET_ADMIN .*CAP_NET_RAW too/);
  const writer = script(drop('-all,+dac_override,+net_admin,+net_raw'), body).trim().split('\n');
  assert.equal(writer, ['1', 'done']);
});

for (const backend of ['legacy', 'nft']) {
  test(`${backend}: root in a new user namespace is enough`, async () => {
    const inside = 'mount -t tmpfs t /run; exec "$@"';
    const out = script(
      ['unshare', '--user', '--map-root-user', '--net', '--mount', 'sh', '-c', inside, 'sh'],
      `const ipt = Iptables.open({ backend: '${backend}' });
       console.log((await ipt.read()).registered);
       await ipt.edit('filter', (t) => t.chain('INPUT').append('-j DROP'));
       console.log(await ipt.save());`,
    );
    assert.match(out, /^false\n/);
    assert.match(out, /-A INPUT -j DROP\n/);
  });
}

test('a table that the kernel does not have', async () => {
  const ipt = openTables({ backend: 'legacy' });
  const error = await throws(XtablesError, /ENOENT/, () =>
    ipt.edit('nothing', (table) => table.chain('INPUT').append('-j DROP')),
  );
  assert.match(error.hint!, /nf_tables/);
  await ipt.close();
  await using nft = openTables({ backend: 'nft' });
  const other = await throws(XtablesError, /ENOENT.*no such table/, () => nft.read('nothing'));
  assert.match(other.hint!, /are filter, nat, mangle, raw and security/);
});

test.run();

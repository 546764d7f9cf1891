// One edit of several tables, of both families: one commit in nf_tables, one after the other in legacy tables. In both, a
// refusal leaves all tables as they were.
// Backends: legacy, nft
import { NetfilterError, XtablesError, XtablesLockError } from '../../src/errors.js';
import type { TableEdit } from '../../src/iptables/edit/table-edit.js';
import { NftImage } from '../../src/iptables/nft/image.js';
import type { LockWait, TableAddress } from '../../src/iptables/options.js';
import { Session } from '../../src/native/session.js';
import { awaited } from '../support/awaited.js';
import { assert, suite, throws } from '../support/harness.js';
import {
  backend,
  backendOf,
  command,
  type Family,
  families,
  iptables,
  load,
  openTables,
  reset,
  saved,
} from '../support/iptables-tables.js';
import { run } from '../support/process.js';

const test = suite('edits of several tables');
const other = { XTABLES_LOCKFILE: '/run/other.lock' };
const both = () => families.map((family) => saved(family, { counters: true })).join('\n');
/** Rules of a chain as the tool of the backend lists them. */
const listed = (family: Family, table: string, chain: string) =>
  iptables(family, '-t', table, '-S', chain)
    .split('\n')
    .filter((line) => line.startsWith('-A'));

/** The number of commits in nf_tables. */
async function generation(): Promise<number> {
  const session = new Session({ netns: null, receiveBuffer: null });
  const image = await backendOf(session, 'ipv4').read('filter');
  await session.close();
  return image instanceof NftImage ? image.generation : 0;
}

const append = (chain: string, rule: string) => (table: TableEdit) =>
  void table.chain(chain).append(rule);

/** Rules of another program, which does not wait for the lock. */
const elsewhere = (family: Family, ...args: string[]) =>
  void run([command(family), ...args], { env: { ...process.env, ...other } });

test('two tables, and one of the other family', async () => {
  for (const family of families) {
    reset();
    const second = family === 'ipv4' ? 'ipv6' : 'ipv4';
    await using ipt = openTables({ family });
    const tables = ['nat', 'filter', { family: second, table: 'mangle' }, 'raw'] as const;
    await ipt.edit('filter', append('INPUT', '-j ACCEPT'));
    const before = await generation();
    const edited = await ipt.edit(tables, (nat, filter, mangle, raw) => {
      assert.equal(
        [nat, filter, mangle, raw].map(({ name, family }) => `${family} ${name}`),
        [`${family} nat`, `${family} filter`, `${second} mangle`, `${family} raw`],
      );
      nat.newChain('web');
      nat.chain('PREROUTING').append('-p tcp -j web');
      filter.chain('FORWARD').append('-p tcp --dport 8080 -j ACCEPT').policy('DROP');
      mangle.chain('OUTPUT').append('-p udp -j MARK --set-mark 7');
      return filter.chains.length + raw.chains.length;
    });
    assert.equal(edited, {
      value: 5,
      atomic: backend === 'nft',
      committed: [
        { family, table: 'nat' },
        { family, table: 'filter' },
        { family: second, table: 'mangle' },
      ],
    });
    if (backend === 'nft') assert.is(await generation(), before + 1);
    assert.equal(listed(family, 'nat', 'PREROUTING'), ['-A PREROUTING -p tcp -j web']);
    assert.equal(listed(family, 'filter', 'FORWARD'), [
      '-A FORWARD -p tcp -m tcp --dport 8080 -j ACCEPT',
    ]);
    assert.equal(listed(second, 'mangle', 'OUTPUT'), [
      '-A OUTPUT -p udp -j MARK --set-xmark 0x7/0xffffffff',
    ]);
    // The same again, as one list that a program made: what does not change is not committed.
    const list: readonly TableAddress[] = tables;
    const again = await ipt.edit(list, (...all) => {
      all[1]!.chain('FORWARD').policy('DROP');
      all[0]!.chain('PREROUTING').append('-p udp -j web');
    });
    assert.equal(again, { value: undefined, atomic: true, committed: [{ family, table: 'nat' }] });
    const nothing = await ipt.edit(list, () => 'nothing');
    assert.equal(nothing, { value: 'nothing', atomic: true, committed: [] });
  }
});

test('a refusal of any of them leaves all as they were', async () => {
  reset();
  await using ipt = openTables();
  const tables = ['mangle', 'filter', { family: 'ipv6', table: 'raw' }] as const;
  const add = (chain: string) => append(chain, '-p tcp --dport 1 -j ACCEPT');
  const chains = ['OUTPUT', 'INPUT', 'PREROUTING'];
  await ipt.edit(tables, (...all) => {
    for (const [i, table] of all.entries()) add(chains[i]!)(table);
  });
  const before = both();
  for (const bad of [0, 1, 2]) {
    const error = await throws(XtablesError, /EINVAL/, () =>
      ipt.edit(tables, (...all) =>
        all.forEach((table, i) => {
          table.newChain('made');
          // The kernel takes the owner of a packet only where there is one.
          if (i === bad) append('made', '-m owner --uid-owner 0')(table);
          const chain = table.chain(['INPUT', 'INPUT', 'PREROUTING'][i]!);
          chain.append('-j made').zero();
        }),
      ),
    );
    const name = [' mangle', ' filter', 'ip6tables commit raw'][bad]!;
    assert.ok(error.operation.endsWith(name), error.operation);
    assert.match(error.detail!, /^rule \d of chain \w+/);
    const undone = /\(([\w, ]+): committed before, and taken back\)$/.exec(error.message)?.[1];
    const earlier = [undefined, 'mangle', 'mangle, filter'][bad];
    assert.is(undone, backend === 'nft' ? undefined : earlier);
    assert.is(both(), before);
  }
  // Nor if the function throws, or gives a rule that a table cannot take.
  await throws(Error, /enough/, () =>
    ipt.edit(tables, (mangle) => {
      mangle.chain('INPUT').flush();
      throw new Error('enough');
    }),
  );
  await throws(RangeError, /no_such_chain/, () =>
    ipt.edit(tables, (mangle, filter) => {
      mangle.chain('OUTPUT').flush();
      filter.chain('INPUT').append({ target: { name: 'jump', chain: 'no_such_chain' } });
    }),
  );
  assert.is(both(), before);
});

test('another writer comes first', async () => {
  for (const changed of ['nat', 'filter'] as const) {
    reset();
    await using ipt = openTables();
    await ipt.edit(['nat', 'filter'], (nat, filter) => {
      append('OUTPUT', '-j ACCEPT')(nat);
      append('OUTPUT', '-j ACCEPT')(filter);
    });
    let calls = 0;
    const edited = await ipt.edit(['nat', 'filter'], (nat, filter) => {
      calls++;
      if (calls === 1) elsewhere('ipv4', '-t', changed, '-I', 'OUTPUT', '-p', 'sctp');
      const seen = [nat, filter].map((table) => table.chain('OUTPUT').length).join(' ');
      append('OUTPUT', '-p udp')(nat);
      append('OUTPUT', '-p udp')(filter);
      return seen;
    });
    assert.is(calls, 2);
    assert.is(edited.value, changed === 'nat' ? '2 1' : '1 2');
    assert.is(edited.committed.length, 2);
    for (const table of ['nat', 'filter']) {
      const theirs = table === changed ? ['-A OUTPUT -p sctp'] : [];
      assert.equal(listed('ipv4', table, 'OUTPUT'), [
        ...theirs,
        '-A OUTPUT -j ACCEPT',
        '-A OUTPUT -p udp',
      ]);
    }
  }
});

test('an edit of several tables that is not confirmed', async () => {
  reset();
  await using ipt = openTables();
  const tables = ['nat', 'filter', { family: 'ipv6', table: 'filter' }] as const;
  const before = both();
  const edit = () =>
    ipt.edit(
      tables,
      (nat, filter, six) => {
        nat.newChain('web');
        append('OUTPUT', '-j web')(nat);
        filter.chain('FORWARD').policy('DROP');
        append('INPUT', '-j DROP')(six);
        return 'edited';
      },
      { revertAfter: 600_000 },
    );
  const pending = await edit();
  const { value, atomic, committed } = pending.value;
  assert.equal([value, atomic, committed.length], ['edited', backend === 'nft', 3]);
  assert.equal(await awaited('the revert', pending.revert()), { kind: 'reverted', merged: false });
  const rules = (text: string) => text.replaceAll(/ \[\d+:\d+\]/g, '');
  const own = (text: string) => text.split('\n').filter((line) => /^-A|^:web/.test(line));
  assert.equal(own(both()), own(before));
  // The change of another writer stays, in whatever table it is.
  const second = await edit();
  iptables('ipv6', '-I', 'INPUT', '-p', 'udp');
  assert.equal(await awaited('the revert', second.revert()), { kind: 'reverted', merged: true });
  assert.equal(listed('ipv6', 'filter', 'INPUT'), ['-A INPUT -p udp']);
  assert.equal(listed('ipv4', 'nat', 'OUTPUT'), []);
  assert.match(rules(saved('ipv4', { table: 'filter' })), /^:FORWARD ACCEPT$/m);
  const third = await edit();
  third.confirm();
  assert.equal(await third.fate, { kind: 'confirmed' });
  assert.equal(listed('ipv4', 'nat', 'OUTPUT'), ['-A OUTPUT -j web']);
});

test('the tables of a text are one commit, also if one is there twice', async () => {
  for (const family of families) {
    reset();
    await using ipt = openTables({ family });
    await ipt.edit('filter', append('INPUT', '-p sctp'));
    const sections = [
      '*filter\n:one - [0:0]\n-A INPUT -j one\nCOMMIT\n',
      '*mangle\n-A OUTPUT -j MARK --set-mark 1\nCOMMIT\n',
      '*filter\n-A OUTPUT -j ACCEPT\nCOMMIT\n',
    ];
    for (const noflush of [true, false]) {
      await ipt.restore(sections.join(''), { noflush });
      const ours = both().replaceAll(/\[\d+:\d+\]/g, '[0:0]');
      reset();
      iptables(family, '-A', 'INPUT', '-p', 'sctp');
      for (const text of sections) load(family, text, ...(noflush ? ['-n'] : []));
      assert.is(ours, both().replaceAll(/\[\d+:\d+\]/g, '[0:0]'));
    }
    reset();
    const last = await generation();
    await ipt.restore(sections.join(''));
    if (backend === 'nft') assert.is(await generation(), last + 1);
  }
});

test('many at once, in any order of the tables', async () => {
  reset();
  await using ipt = openTables();
  await using six = openTables({ family: 'ipv6' });
  const lists = [
    ['nat', 'filter', { family: 'ipv6', table: 'filter' }],
    [{ family: 'ipv6', table: 'filter' }, 'filter', 'nat'],
    ['filter', { family: 'ipv6', table: 'filter' }],
  ] as const;
  const edits = Array.from({ length: 12 }, (_, i) =>
    ipt.edit([...lists[i % 3]!] as TableAddress[], (...all) => {
      for (const table of all) append('OUTPUT', `-p udp -m udp --dport ${i + 1}`)(table);
    }),
  );
  const alone = Array.from({ length: 4 }, (_, i) =>
    six.edit('filter', append('OUTPUT', `-p udp -m udp --dport ${i + 100}`)),
  );
  await awaited('the edits', Promise.all([...edits, ...alone]));
  assert.is(listed('ipv4', 'filter', 'OUTPUT').length, 12);
  assert.is(listed('ipv4', 'nat', 'OUTPUT').length, 8);
  assert.is(listed('ipv6', 'filter', 'OUTPUT').length, 16);
});

test('an edit waits for the one before it no longer than it may', async () => {
  reset();
  await using ipt = openTables();
  const session = new Session({ netns: null, receiveBuffer: null });
  let release = () => {};
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  const first = backendOf(session, 'ipv6').locked(
    { timeout: Infinity, signal: undefined },
    () => held,
  );
  const edit = (options: LockWait) =>
    ipt.edit(['filter', 'nat'], append('OUTPUT', '-j ACCEPT'), {
      ...options,
      revertAfter: undefined,
    });
  await throws(XtablesLockError, /ETIMEDOUT/, () => edit({ lockTimeout: 0 }));
  const stopped = new AbortController();
  const third = edit({ signal: stopped.signal });
  stopped.abort(new Error('stop'));
  await throws(Error, /^stop$/, () => third);
  const last = edit({});
  release();
  await first;
  assert.is((await awaited('the edit', last)).committed.length, 1);
  assert.equal(listed('ipv4', 'filter', 'OUTPUT'), ['-A OUTPUT -j ACCEPT']);
  await session.close();
});

test('wrong tables are named before anything is read', async () => {
  await using ipt = openTables();
  const wrong: [unknown, RegExp][] = [
    [[], /^tables: .*at least one table/],
    [['filter', 'nat', 'filter'], /^tables\[2\]: .*not named before/],
    [['filter', { family: 'ipv4', table: 'filter' }], /^tables\[1\]: .*not named before/],
    [['filter', 3], /^tables\[1\]: /],
    [['filter', 'a b'], /^tables\[1\]: /],
    [['filter', undefined], /^tables\[1\]: /],
    [[{ table: 'filter' }], /^tables\[0\]\.family: /],
    [[{ family: 'ipv6' }], /^tables\[0\]\.table: /],
    [[{ family: 'inet', table: 'filter' }], /^tables\[0\]\.family: /],
    [[{ family: 'ipv6', table: 'filter', chain: 'INPUT' }], /chain/],
    [new Array(1), /^tables\[0\]: /],
    [new Set(['filter']), /^tables: /],
    [{ family: 'ipv6', table: 'filter' }, /^tables: /],
    [undefined, /^tables: /],
  ];
  for (const [tables, message] of wrong) {
    let called = false;
    const error = await throws(Error, message, () =>
      ipt.edit(tables as ['filter'], () => {
        called = true;
      }),
    );
    assert.ok(error instanceof TypeError || error instanceof RangeError);
    assert.not.ok(called || error instanceof NetfilterError);
  }
  const late = ipt.edit(['filter', 'nat'], (filter) => filter);
  const { value } = await late;
  assert.throws(() => value.chains, /used after its edit had ended/);
  await throws(TypeError, /must do its work before it returns/, () =>
    ipt.edit(['filter', 'nat'], async () => {}),
  );
});

test.run();

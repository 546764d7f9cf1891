// Edits that are reverted unless they are confirmed.
// Backends: legacy, nft
import { TableError, XtablesError } from '../../src/errors.js';
import type { TableEdit } from '../../src/iptables/edit/table-edit.js';
import { awaited } from '../support/awaited.js';
import { chains } from '../support/chain-names.js';
import { assert, suite, throws } from '../support/harness.js';
import type { Family } from '../support/iptables-tables.js';
import {
  backend,
  families,
  iptables,
  load,
  loadCounted,
  openTables,
  packets,
  reset,
  saved,
} from '../support/iptables-tables.js';
import { run } from '../support/process.js';
import { Random } from '../support/random.js';
import { changeAtRandom } from '../support/random-edit.js';

const test = suite('iptables edits that are reverted');

const start = `*filter
:one - [0:0]
:two - [0:0]
-A INPUT -p tcp -j one
-A INPUT -i lo -p udp --dport 9 -j ACCEPT
-A one -p tcp --dport 1 -j ACCEPT
-A one -p tcp --dport 2 -j DROP
-A one -p tcp --dport 3 -j ACCEPT
-A two -j RETURN
COMMIT
`;
const long = 600_000;
/** Without the counters of the policies. */
const content = (family: Family) => saved(family).replaceAll(/ \[\d+:\d+\]/g, '');

test('a confirmed edit stays', async () => {
  for (const family of families) {
    reset();
    load(family, start);
    const ipt = openTables({ family });
    const pending = await ipt.edit('filter', (table) => table.chain('two').flush().length, {
      revertAfter: long,
    });
    assert.is(pending.value, 0);
    assert.ok(pending.deadline.getTime() > Date.now());
    const after = saved(family);
    assert.not.match(after, /-A two/);
    pending.confirm();
    pending.confirm();
    assert.equal(await awaited('the fate of an edit', pending.fate), { kind: 'confirmed' });
    assert.equal(await awaited('a revert', pending.revert()), { kind: 'confirmed' });
    assert.is(saved(family), after);
    await ipt.close();
    assert.is(saved(family), after);
  }
});

test('without a confirmation every kind of change is undone, and counters stay', async () => {
  for (const family of families) {
    reset();
    load(family, start);
    await packets(family, 4);
    const before = content(family);
    const ipt = openTables({ family });
    const pending = await ipt.edit(
      'filter',
      (table) => {
        table.chain('INPUT').policy('DROP').move(1, 0).insert('-p tcp --dport 22 -j DROP');
        table.chain('one').delete(0);
        table.chain('one').replace(0, '-p tcp --dport 9 -j DROP');
        table.renameChain('two', 'deux');
        table.newChain('made').append('-j deux');
        table.chain('OUTPUT').append('-p tcp -j made');
      },
      { revertAfter: 1 },
    );
    await packets(family, 3);
    assert.equal(await awaited('the fate of an edit', pending.fate), {
      kind: 'reverted',
      merged: false,
    });
    assert.is(content(family), before);
    const counted = /\[(\d+):\d+\] -A INPUT -i lo/.exec(saved(family, { counters: true }));
    assert.is(counted?.[1], '7');
    await throws(XtablesError, /ERR_NETFILTER_REVERTED/, () => pending.confirm());
    await ipt.close();
  }
});

test('random edits are taken back, with the counters of all rules', async () => {
  let taken = 0;
  for (let seed = 1; seed <= 60; seed++) {
    const random = new Random(seed);
    reset();
    const family = random.pick(families);
    await loadCounted(family, `*filter\n${chains}\nCOMMIT\n`);
    await using ipt = openTables({ family });
    const before = saved(family, { counters: true });
    const edit = (table: TableEdit) => {
      for (let left = random.integer(1, 12); left > 0; left--) {
        // A change that is refused changes nothing.
        try {
          changeAtRandom(random, table, [], 4);
        } catch (error) {
          assert.ok(error instanceof RangeError || error instanceof TableError, String(error));
        }
      }
    };
    const pending = await ipt.edit('filter', edit, { revertAfter: long }).catch((error) => {
      // Chains that lead to each other in a loop, or a jump to a built-in chain.
      assert.ok(error instanceof RangeError || error instanceof XtablesError, String(error));
    });
    if (pending !== undefined) {
      taken++;
      assert.equal(await pending.revert(), { kind: 'reverted', merged: false }, `seed ${seed}`);
    }
    assert.is(saved(family, { counters: true }), before, `seed ${seed}`);
  }
  assert.ok(taken > 30, `${taken} edits were taken`);
});

test('changes that others make meanwhile stay', async () => {
  reset();
  load('ipv4', start);
  const ipt = openTables();
  const pending = await ipt.edit(
    'filter',
    (table) => {
      table.chain('INPUT').policy('DROP').insert('-s 10.0.0.1 -j DROP');
      table.chain('one').delete(1);
      table.newChain('made').append('-j ACCEPT');
      table.chain('two').append('-j made');
    },
    { revertAfter: long },
  );
  // A rule in a chain that we changed, a rule in another chain, a policy, and a new chain.
  iptables('ipv4', '-A', 'one', '-p', 'tcp', '--dport', '4', '-j', 'ACCEPT');
  iptables('ipv4', '-I', 'INPUT', '-s', '10.0.0.7', '-j', 'ACCEPT');
  iptables('ipv4', '-A', 'OUTPUT', '-s', '10.0.0.8', '-j', 'ACCEPT');
  iptables('ipv4', '-P', 'FORWARD', 'DROP');
  iptables('ipv4', '-N', 'theirs');
  assert.equal(await awaited('a revert', pending.revert()), { kind: 'reverted', merged: true });
  const found = saved('ipv4');
  reset();
  load('ipv4', start);
  iptables('ipv4', '-A', 'one', '-p', 'tcp', '--dport', '4', '-j', 'ACCEPT');
  iptables('ipv4', '-I', 'INPUT', '-s', '10.0.0.7', '-j', 'ACCEPT');
  iptables('ipv4', '-A', 'OUTPUT', '-s', '10.0.0.8', '-j', 'ACCEPT');
  iptables('ipv4', '-P', 'FORWARD', 'DROP');
  iptables('ipv4', '-N', 'theirs');
  assert.is(found, saved('ipv4'));
  await ipt.close();
});

test('a chain that the edit created stays while others use it', async () => {
  reset();
  load('ipv4', start);
  const ipt = openTables();
  const pending = await ipt.edit('filter', (table) => void table.newChain('made'), {
    revertAfter: long,
  });
  iptables('ipv4', '-A', 'OUTPUT', '-j', 'made');
  assert.equal(await awaited('a revert', pending.revert()), { kind: 'reverted', merged: true });
  assert.match(saved('ipv4'), /-A OUTPUT -j made/);
  await ipt.close();
});

test('close() reverts an edit that is not confirmed', async () => {
  reset();
  load('ipv4', start);
  const before = saved('ipv4');
  const ipt = openTables();
  const pending = await ipt.edit('filter', (table) => table.clear(), { revertAfter: long });
  assert.not.match(saved('ipv4'), /-A/);
  await awaited('close() with an edit that waits', ipt.close());
  assert.is(saved('ipv4'), before);
  assert.equal(await awaited('the fate of an edit', pending.fate), {
    kind: 'reverted',
    merged: false,
  });
});

test('an edit without changes needs no revert; a table that was created stays', async () => {
  reset();
  load('ipv4', start);
  const before = saved('ipv4');
  const ipt = openTables();
  const nothing = await ipt.edit('filter', () => 7, { revertAfter: 1 });
  assert.equal(await awaited('the fate of an edit', nothing.fate), {
    kind: 'reverted',
    merged: false,
  });
  assert.is(saved('ipv4'), before);
  const raw = await ipt.edit('raw', (table) => table.chain('OUTPUT').append('-j ACCEPT').length, {
    revertAfter: 1,
  });
  assert.equal(await awaited('the fate of an edit', raw.fate), { kind: 'reverted', merged: false });
  assert.not.match(saved('ipv4', { table: 'raw' }), /-A/);
  await ipt.close();
});

test('the process does not end before the old table is back', async () => {
  reset();
  load('ipv4', start);
  const before = saved('ipv4');
  const source = new URL('../../src/iptables/iptables.ts', import.meta.url);
  run(
    [process.execPath, '--import', 'tsx', '--input-type=module', '-e'].concat([
      `import { Iptables } from ${JSON.stringify(source.href)};
     await Iptables.open({ backend: '${backend}' }).edit('filter', (table) => table.clear(), { revertAfter: 50 });`,
    ]),
  );
  assert.is(saved('ipv4'), before);
});

test.run();

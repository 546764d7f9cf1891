// Edits that are reverted after others have changed the table: chains that others deleted, the order of equal rules,
// and the error if the old table cannot come back. Also close() at each moment of such an edit.
// Backends: legacy, nft
import { XtablesError } from '../../src/errors.js';
import type { TableEdit } from '../../src/iptables/edit/table-edit.js';
import { undoRules } from '../../src/iptables/edit/undo.js';
import { awaited } from '../support/awaited.js';
import { here, takesCounters, waitsForLock } from '../support/backend-differences.js';
import { assert, suite, throws } from '../support/harness.js';
import type { Family } from '../support/iptables-tables.js';
import {
  command,
  families,
  iptables,
  lines,
  load,
  loadCounted,
  openTables,
  reset,
  saved,
} from '../support/iptables-tables.js';
import { Child, run } from '../support/process.js';
import { Random } from '../support/random-rules.js';

const test = suite('iptables edits that are reverted among others');
const long = 600_000;
const other = { XTABLES_LOCKFILE: '/run/other.lock' };

const start = `*filter
:one - [0:0]
:two - [0:0]
-A INPUT -p tcp -j one
-A one -p udp -j two
-A one -p tcp -j ACCEPT
-A two -j RETURN
COMMIT
`;
/** The table without counters of policies. */
const content = (family: Family) =>
  saved(family, { table: 'filter' }).replaceAll(/ \[\d+:\d+\]/g, '');

/** Edits, lets others work, and reverts. Returns the table. */
async function reverted(
  family: Family,
  edit: (t: TableEdit) => void,
  others: readonly string[],
): Promise<string> {
  load(family, start);
  await using ipt = openTables({ family });
  const pending = await ipt.edit('filter', edit, { revertAfter: long });
  for (const command of others) iptables(family, ...command.split(' '));
  const fate = await awaited('the revert', pending.revert());
  assert.equal(fate, { kind: 'reverted', merged: others.length > 0 });
  return content(family);
}

/** The table from before the edit, after some commands. */
function expected(family: Family, commands: readonly string[]): string {
  load(family, start);
  for (const command of commands) iptables(family, ...command.split(' '));
  return content(family);
}

test('a chain that others deleted is created again if a rule that comes back leads to it', async () => {
  reset();
  for (const family of families) {
    const whole = expected(family, []);
    const unjump = (t: TableEdit) => void t.chain('INPUT').flush();
    assert.is(await reverted(family, unjump, ['-F one', '-X one']), whole);
    // Then also the chains that it leads to.
    const gone = ['-F one', '-X one', '-F two', '-X two'];
    assert.is(await reverted(family, unjump, gone), whole);
    // Changes of others to the rest of the table stay.
    assert.is(
      await reverted(family, unjump, [
        ...gone,
        '-A OUTPUT -p sctp',
        '-N theirs',
        '-A INPUT -j theirs',
      ]),
      expected(family, ['-A OUTPUT -p sctp', '-N theirs', '-A INPUT -j theirs']),
    );
  }
});

test('a chain that others deleted stays deleted if no rule leads to it', async () => {
  reset();
  for (const family of families) {
    const edit = (t: TableEdit) => void t.chain('OUTPUT').append('-p sctp');
    const gone = ['-F INPUT', '-F one', '-X one'];
    assert.is(await reverted(family, edit, gone), expected(family, gone));
    // The edit had deleted a rule in it.
    const inside = (t: TableEdit) => void t.chain('one').delete(0);
    assert.is(await reverted(family, inside, gone), expected(family, gone));
  }
});

test('a chain that the edit deleted, renamed or made, and others touched', async () => {
  reset();
  for (const family of families) {
    const whole = expected(family, []);
    const away = (t: TableEdit) => t.clear();
    assert.is(await reverted(family, away, []), whole);
    // Others created a chain with that name: it gets their rules and ours.
    assert.is(
      await reverted(family, away, ['-N one', '-A one -p sctp']),
      expected(family, ['-A one -p sctp']),
    );
    const rename = (t: TableEdit) => void t.renameChain('one', 'uno');
    assert.is(await reverted(family, rename, ['-F INPUT', '-F uno', '-X uno']), whole);
    const make = (t: TableEdit) => {
      t.newChain('made').append('-p sctp');
      t.chain('INPUT').append('-j made');
    };
    assert.is(await reverted(family, make, ['-D INPUT -j made', '-F made', '-X made']), whole);
    // The number of rules that lead to it is the same, but these are rules of others.
    assert.is(
      await reverted(family, make, ['-D INPUT -j made', '-A OUTPUT -j made']),
      expected(family, ['-N made', '-A OUTPUT -j made']),
    );
  }
});

test('the error says what cannot come back, and close() still ends', async () => {
  reset();
  run(['ipset', 'create', 'brief', 'hash:ip']);
  load('ipv4', '*filter\n-A INPUT -m set --match-set brief src -j DROP\nCOMMIT\n');
  const ipt = openTables();
  const pending = await ipt.edit('filter', (t) => void t.chain('INPUT').flush(), {
    revertAfter: long,
  });
  run(['ipset', 'destroy', 'brief']);
  const warnings: Error[] = [];
  const warned = (warning: Error) => void warnings.push(warning);
  process.on('warning', warned);
  // There are ten tries, one second apart. The test only removes the waits.
  const real = globalThis.setTimeout;
  let pauses = 0;
  const hurried = (call: () => void, ms?: number, ...more: []) => {
    if (ms !== 1000) return real(call, ms, ...more);
    pauses++;
    return real(call, 0, ...more);
  };
  globalThis.setTimeout = hurried as typeof setTimeout;
  try {
    await awaited('close() with an edit that cannot be taken back', ipt.close());
  } finally {
    globalThis.setTimeout = real;
  }
  const error = await throws(XtablesError, /iptables commit filter/, () =>
    awaited('its fate', pending.fate),
  );
  assert.is(pauses, 9);
  await new Promise((resolve) => setImmediate(resolve));
  process.off('warning', warned);
  assert.is(warnings.length, 1);
  assert.is((warnings[0] as Error & { code?: string }).code, 'NETFILTER_NOT_REVERTED');
  assert.match(warnings[0]!.message, /could not be put back: /);
  assert.match(warnings[0]!.message, error.message.slice(0, 40));
  await throws(XtablesError, /ERR_NETFILTER_REVERTED/, () => pending.confirm());
  reset();
});

const keysOf = (...lists: Parameters<typeof undoRules>) =>
  undoRules(...lists).map(({ key }) => key);

test('equal rules: the revert adds and removes those at the place of the edit', () => {
  const undo = (before: string, after: string, now: string) =>
    keysOf([...before], [...after], [...now]).join('');
  for (const [before, after, now, result] of [
    // deleted
    ['ABA', 'AB', 'ABC', 'ABAC'],
    ['ABA', 'BA', 'BAC', 'ABAC'],
    ['AXAY', 'AAY', 'AAYC', 'AXAYC'],
    ['AAXAA', 'AAAA', 'CAAAA', 'CAAXAA'],
    ['ABAB', 'AB', 'CAB', 'CABAB'],
    // added
    ['A', 'AA', 'ABA', 'AB'],
    ['AB', 'ABA', 'ABAC', 'ABC'],
    ['AB', 'ABA', 'CABA', 'CAB'],
    ['AB', 'AAB', 'AABC', 'ABC'],
    // both, and changes of others
    ['ABC', 'ADC', 'DCA', 'CAB'],
    ['TUT', 'UTUTT', 'UTUTTS', 'TUTS'],
    ['ABC', 'ABCA', 'BCA', 'BC'],
    ['AB', 'ABCC', 'CABC', 'AB'],
    ['AB', '', 'C', 'ABC'],
    ['', 'AB', 'BCA', 'C'],
    ['ABCDE', 'ACDE', 'AXCDE', 'ABXCDE'],
  ] as const) {
    assert.is(undo(before, after, now), result, `${before} → ${after} → ${now}`);
  }
});

test('random reverts: alone they restore the table, and among others no rule of theirs is lost', () => {
  const random = new Random(Number(process.env.TEST_SEED ?? 1));
  const list = () => Array.from({ length: random.int(8) }, () => random.pick([...'AABBCD']));
  const change = (rules: readonly string[], add: readonly string[]) => {
    const changed = rules.filter(() => !random.chance(20));
    for (let n = random.int(3); n > 0; n--) {
      changed.splice(random.int(changed.length + 1), 0, random.pick(add));
    }
    return changed;
  };
  const sorted = (rules: readonly string[]) => [...rules].sort().join('');
  for (let round = 0; round < 5000; round++) {
    const before = list();
    const after = change(before, [...'ABCDEF']);
    const what = `${before.join('')} → ${after.join('')}`;
    assert.equal(keysOf(before, after, after), before, what);
    // Rules that others add (x, y, z) stay in their order. The others are the rules from before the edit.
    const now = [...after];
    for (let n = 1 + random.int(3); n > 0; n--) {
      now.splice(random.int(now.length + 1), 0, random.pick([...'xyz']));
    }
    const undone = keysOf(before, after, now);
    const theirs = (rules: readonly string[]) => rules.filter((key) => key >= 'x').join('');
    assert.is(theirs(undone), theirs(now), what);
    const own = undone.filter((key) => key < 'x');
    assert.is(sorted(own), sorted(before), `${what} → ${now.join('')}: ${undone.join('')}`);
  }
});

test('equal rules keep their order and counters, in the kernel', async () => {
  reset();
  for (const family of families) {
    const counted = (text: string) =>
      [...text.matchAll(/^\[(\d+):\d+\] -A INPUT (.*)$/gm)].map((m) => `${m[1]} ${m[2]}`);
    const now = () => counted(saved(family, { counters: true, table: 'filter' }));
    const rules = '[1:1] -A INPUT -p tcp\n[2:2] -A INPUT -p udp\n[3:3] -A INPUT -p tcp\n';
    const text = `*filter\n${rules}COMMIT\n`;
    await using ipt = openTables({ family });
    const ways: [(t: TableEdit) => unknown, string][] = [
      [(t) => t.chain('INPUT').delete(1), '-A INPUT -p sctp'],
      [(t) => t.chain('INPUT').append('-p tcp'), '-A INPUT -p sctp'],
      [(t) => t.chain('INPUT').insert('-p udp', 2), '-A INPUT -p sctp'],
      [(t) => t.chain('INPUT').insert('-p udp').append('-p esp'), '-A INPUT -p sctp'],
    ];
    for (const [edit, theirs] of ways) {
      await loadCounted(family, text);
      iptables(family, ...theirs.split(' '));
      const wanted = now();
      await loadCounted(family, text);
      const pending = await ipt.edit('filter', (t) => void edit(t), { revertAfter: long });
      iptables(family, ...theirs.split(' '));
      await awaited('the revert', pending.revert());
      assert.equal(now(), wanted);
    }
    // If another writer comes in between, the edit is repeated on the new table.
    await loadCounted(family, text);
    let calls = 0;
    await ipt.edit('filter', (t) => {
      const input = t.chain('INPUT');
      const insert = [command(family), '-I', 'INPUT'];
      if (calls++ === 0) run([...insert, '-p', 'tcp', '-c', '9', '9'], { env: other });
      input.move(0, input.length - 1);
      input.delete('-p tcp');
    });
    assert.is(calls, 2);
    const kinds = now().map((rule) => rule.replace(/ -p /, ' '));
    const nine = here(takesCounters).includes(family) ? 9 : 0;
    assert.equal(kinds, ['2 udp', '3 tcp', `${nine} tcp`]);
  }
});

test('a rule that comes back beside an equal rule of others: each keeps its own counters', async () => {
  reset();
  for (const family of families) {
    for (const chain of ['INPUT', 'FORWARD']) {
      await loadCounted(family, '*filter\n[5:500] -A INPUT -p tcp\nCOMMIT\n');
      await using ipt = openTables({ family });
      const edit = (t: TableEdit) => void t.chain('INPUT').delete(0);
      const pending = await ipt.edit('filter', edit, { revertAfter: long });
      iptables(family, '-A', chain, '-p', 'tcp', '-c', '7', '700');
      await awaited('the revert', pending.revert());
      const rules = saved(family, { counters: true, table: 'filter' }).match(/^\[.*-A .*$/gm);
      const theirs = here(takesCounters).includes(family) ? '[7:700]' : '[0:0]';
      assert.equal(rules, ['[5:500] -A INPUT -p tcp', `${theirs} -A ${chain} -p tcp`]);
    }
  }
});

test('close() while the edit function runs, while it is committed, and while it waits', async () => {
  reset();
  for (const family of families) {
    load(family, start);
    const before = content(family);
    for (const when of ['function', 'commit', 'waiting', 'reverting', 'confirmed']) {
      const ipt = openTables({ family });
      let closed: Promise<void> | undefined;
      const close = () => {
        closed = ipt.close();
      };
      const work = (t: TableEdit) => {
        t.chain('INPUT').flush().append('-p sctp');
        if (when === 'function') close();
        // By then the commit has begun: it starts in the same turn in which this function returns.
        if (when === 'commit') queueMicrotask(close);
      };
      const edit = ipt.edit('filter', work, { revertAfter: long });
      if (when === 'function') {
        await throws(Error, /ERR_NETFILTER_CLOSED/, () => awaited('the end of the edit', edit));
      } else {
        const pending = await awaited('the edit', edit);
        if (when === 'confirmed') pending.confirm();
        if (when === 'reverting') void pending.revert();
        if (when !== 'commit') close();
        const fate = await awaited('the fate of the edit', pending.fate);
        if (when === 'confirmed') assert.equal(fate, { kind: 'confirmed' });
        else {
          assert.equal(fate, { kind: 'reverted', merged: false }, when);
          await throws(XtablesError, /ERR_NETFILTER_REVERTED/, () => pending.confirm());
        }
      }
      await awaited(`close(), ${when}`, closed!);
      if (when === 'confirmed') assert.match(content(family), /-A INPUT -p (sctp|132)\n/);
      else assert.is(content(family), before, when);
      // The lock is free.
      iptables(family, '-w', '1', '-L', '-n');
      await throws(Error, /ERR_NETFILTER_CLOSED/, () => ipt.edit('filter', () => {}));
    }
  }
});

test('close() waits for a revert that waits for the lock', async () => {
  reset();
  load('ipv4', start);
  const before = content('ipv4');
  const ipt = openTables();
  const pending = await ipt.edit('filter', (t) => t.clear(), { revertAfter: long });
  await using holder = Child.start([
    'flock',
    '--no-fork',
    '/run/xtables.lock',
    'sh',
    '-c',
    'echo held; exec cat',
  ]);
  await awaited('a lock', holder.line(/held/));
  let closed = false;
  const close = ipt.close().then(() => {
    closed = true;
  });
  for (let turns = 0; turns < 100; turns++) await new Promise((resolve) => setImmediate(resolve));
  if (!here(waitsForLock)) {
    await awaited('close(), without the lock', close);
    assert.equal(await awaited('its fate', pending.fate), { kind: 'reverted', merged: false });
    assert.is(content('ipv4'), before);
    return;
  }
  assert.is(closed, false);
  assert.equal(
    lines(content('ipv4')).filter((line) => line.startsWith('-A')),
    [],
  );
  await holder.stop();
  await awaited('close(), once the lock is free', close);
  assert.equal(await awaited('its fate', pending.fate), { kind: 'reverted', merged: false });
  assert.is(content('ipv4'), before);
});

test.run();

// References between chains during an edit. A chain can be deleted only if no rule leads to it, also in the edit that
// removes the last such rule.
// Backends: legacy, nft
import { TableError } from '../../src/errors.js';
import type { TableEdit } from '../../src/iptables/edit/table-edit.js';
import { assert, suite, throws } from '../support/harness.js';
import {
  families,
  load,
  loadCounted,
  openTables,
  reset,
  saved,
} from '../support/iptables-tables.js';
import { Random } from '../support/random-rules.js';

const test = suite('references of chains in an edit');

/** How many rules lead to a chain, counted from the rules of the edit. */
function leadingTo(table: TableEdit, name: string): number {
  let count = 0;
  for (const chain of table.chains) {
    for (const { target } of table.chain(chain).rules) {
      if (target?.name !== 'jump' && target?.name !== 'goto') continue;
      if (target.chain === name) count++;
    }
  }
  return count;
}

/** The number of rules that lead to an empty chain, from the error of deleteChain(). 0: the chain was deleted. */
function refusals(table: TableEdit, name: string): number {
  try {
    table.deleteChain(name);
    return 0;
  } catch (error) {
    if (!(error instanceof TableError) || error.code !== 'ERR_NETFILTER_CHAIN_REFERENCED')
      throw error;
    return Number(/(\d+) rules still jump to it/.exec(error.message)![1]);
  }
}

const start = '*filter\n:to - [0:0]\n:from - [0:0]\n-A from -p tcp\n-A from -p udp\nCOMMIT\n';
const jump = { protocol: 'sctp', target: { name: 'jump', chain: 'to' } } as const;

/** Every way to add a rule that leads to `to`. */
const coming: [string, (t: TableEdit) => unknown][] = [
  ['append', (t) => t.chain('from').append(jump)],
  ['append of a text', (t) => t.chain('from').append('-p sctp -g to')],
  ['appendAll', (t) => t.chain('from').appendAll(['-p esp', jump, '-p ah'])],
  ['insert', (t) => t.chain('from').insert(jump)],
  ['insert in the middle', (t) => t.chain('from').insert('-g to', 1)],
  ['replace', (t) => t.chain('from').replace(0, jump)],
  ['replace that keeps counters', (t) => t.chain('from').replace(0, jump, { keepCounters: true })],
  ['into a new chain', (t) => t.newChain('made').append(jump)],
  ['a rule that was read', (t) => t.chain('INPUT').insert(t.chain('from').append(jump).rules[2]!)],
  [
    'a chain that gets the name',
    (t) =>
      t.renameChain('to', 'x').append('-p tcp') && t.newChain('to') && t.chain('from').append(jump),
  ],
];
/** Every way to remove all these rules. */
const going: [string, (t: TableEdit) => unknown][] = [
  [
    'deleteWhere',
    (t) => {
      for (const name of t.chains) t.chain(name).deleteWhere((r) => r.target !== undefined);
    },
  ],
  [
    'delete by index',
    (t) => {
      for (const name of t.chains)
        for (let i = t.chain(name).length - 1; i >= 0; i--)
          if (t.chain(name).rules[i]!.target) t.chain(name).delete(i);
    },
  ],
  [
    'delete by value',
    (t) => {
      for (const name of t.chains)
        for (const rule of t.chain(name).rules)
          if (rule.target) assert.is(t.chain(name).delete(rule), true);
    },
  ],
  [
    'flush',
    (t) => {
      for (const name of t.chains) t.chain(name).flush();
    },
  ],
  [
    'replace',
    (t) => {
      for (const name of t.chains)
        t.chain(name).rules.forEach(
          (rule, i) => void (rule.target && t.chain(name).replace(i, '-p tcp -j RETURN')),
        );
    },
  ],
];

test('a chain stays while a rule leads to it, and can go with the last such rule', async () => {
  for (const family of families) {
    await using ipt = openTables({ family });
    reset();
    for (const [how, come] of coming) {
      for (const [away, go] of going) {
        // In the same edit, and with the rule already in the table.
        for (const committed of [false, true]) {
          const what = `${how}, ${away}${committed ? ', later' : ''}`;
          load(family, start);
          if (committed) await ipt.edit('filter', (t) => void come(t));
          await ipt.edit('filter', (t) => {
            if (!committed) come(t);
            const count = leadingTo(t, 'to');
            assert.ok(count > 0, what);
            t.chain('to').flush();
            assert.is(refusals(t, 'to'), count, what);
            go(t);
            assert.is(refusals(t, 'to'), 0, what);
          });
          assert.is((await ipt.read()).chains.has('to'), false, what);
        }
      }
      assert.not.match(saved(family, { table: 'filter' }), /^:to |[jg] to$/m, how);
    }
  }
});

test('the count is right after random edits', async () => {
  const random = new Random(Number(process.env.TEST_SEED ?? 1));
  for (const family of families) {
    await using ipt = openTables({ family });
    reset();
    for (let round = 0; round < 25; round++) {
      load(
        family,
        '*filter\n:a - [0:0]\n:b - [0:0]\n:c - [0:0]\n:d - [0:0]\n-A INPUT -j a\n-A INPUT -g b\n-A d -j c\n-A FORWARD -j d\nCOMMIT\n',
      );
      await ipt.edit('filter', (t) => {
        for (let step = 0; step < 40; step++) {
          const user = t.chains.filter((name) => !t.chain(name).builtin);
          // Jumps lead only forward: the kernel refuses loops.
          const from = t.chain(random.pick(['INPUT', 'FORWARD', 'OUTPUT']));
          const rule =
            `${random.pick(['-p tcp', '-p udp', ''])} ${random.pick(['-j', '-g'])} ${user.length > 0 ? random.pick(user) : 'ACCEPT'}`.replace(
              '-g ACCEPT',
              '-j ACCEPT',
            );
          const at = random.int(Math.max(1, from.length));
          const kind = random.int(9);
          if (kind === 0) from.append(rule);
          else if (kind === 1) from.insert(rule, random.int(from.length + 1));
          else if (kind === 2 && from.length > 0)
            from.replace(at, rule, { keepCounters: random.chance(50) });
          else if (kind === 3 && from.length > 0) from.delete(at);
          else if (kind === 4 && from.length > 0) from.move(at, random.int(from.length));
          else if (kind === 5 && user.length > 0)
            t.renameChain(random.pick(user), `r${round}x${step}`);
          else if (kind === 6) t.newChain(`n${step}`);
          else if (kind === 7 && from.length > 0) from.zero(at);
          else if (kind === 8 && random.chance(20)) from.flush();
          for (const name of user) {
            if (!t.has(name) || !random.chance(10)) continue;
            t.chain(name).flush();
            const count = leadingTo(t, name);
            assert.is(refusals(t, name), count, `round ${round}, step ${step}: ${name}`);
          }
        }
      });
    }
  }
});

test('every rule follows a chain that is renamed many times', async () => {
  for (const family of families) {
    await using ipt = openTables({ family });
    reset();
    await loadCounted(family, start.replace('COMMIT', '[3:4] -A INPUT -p sctp -j to\nCOMMIT'));
    await ipt.edit('filter', (t) => {
      t.chain('from').append(jump).zero(0);
      for (const [from, to] of ['to', 'x', 'y', 'to', 'z'].map((name, i, all) => [
        name,
        all[i + 1],
      ])) {
        if (to === undefined) continue;
        t.renameChain(from!, to);
        assert.is(leadingTo(t, to), 2, to);
        // The old name is free. Rules that led to the renamed chain do not lead to a new chain with that name.
        t.newChain(from!);
        assert.is(refusals(t, from!), 0, from);
      }
    });
    const text = saved(family, { table: 'filter', counters: true });
    assert.match(text, /^\[3:4\] -A INPUT -p (sctp|132) -j z$/m);
    assert.match(text, /^\[0:0\] -A from -p (sctp|132) -j z$/m);
    assert.not.match(text, /^:(to|x|y) /m);
  }
});

test('a jump to a missing chain is refused in every form', async () => {
  for (const family of families) {
    await using ipt = openTables({ family });
    reset();
    load(family, start);
    const before = saved(family, { table: 'filter' });
    const lost: [string, (t: TableEdit) => unknown][] = [
      ['append', (t) => t.chain('from').append('-j nowhere')],
      ['insert', (t) => t.chain('from').insert('-j nowhere')],
      ['replace', (t) => t.chain('from').replace(0, '-j nowhere')],
      ['move', (t) => t.chain('from').append('-j nowhere').move(2, 0)],
    ];
    for (const [how, edit] of lost) {
      const error = await throws(RangeError, /\.target\.chain: /, () =>
        ipt.edit('filter', (t) => void edit(t)),
      );
      assert.match(
        error.message,
        /^from\.rules\[\d\]\.target\.chain: expected a chain of table filter.*nowhere/,
        how,
      );
    }
    assert.is(saved(family, { table: 'filter' }), before);
  }
});

test.run();

// Edits and restores of several tables with rules that are harder to keep: rules with IP sets, and rules of chains that
// take over the names of others. The programs of the backend show what the tables have then.
// Backends: legacy, nft
import { awaited } from '../support/awaited.js';
import { chains, nameEdits } from '../support/chain-names.js';
import { assert, suite, throws } from '../support/harness.js';
import {
  type Family,
  families,
  loadCounted,
  openTables,
  packets,
  reset,
  saved,
} from '../support/iptables-tables.js';
import { run } from '../support/process.js';

const test = suite('what edits of several tables keep');
const opposite = { ipv4: 'ipv6', ipv6: 'ipv4' } as const;
const both = () => families.map((family) => saved(family, { counters: true })).join('\n');
const rulesOf = (family: Family, table: string) =>
  saved(family, { table, counters: true })
    .split('\n')
    .filter((line) => line.includes('-A '));

/** IP sets of networks: `nets` of the family, and `others` of the other family. */
function makeSets(family: Family): void {
  for (const name of ['nets', 'others']) {
    const of = name === 'nets' ? family : opposite[family];
    const inet = of === 'ipv6' ? 'inet6' : 'inet';
    run(['ipset', 'create', `${name}-${family}`, 'hash:net', 'family', inet, '-exist']);
    run(['ipset', 'flush', `${name}-${family}`]);
  }
}

/** Two tables whose rules name a set. */
const withSet = (set: string) => `*filter
[1:10] -A INPUT -m set --match-set ${set} src -j ACCEPT
[2:20] -A INPUT -p tcp -m set ! --match-set ${set} dst -j DROP
[3:30] -A INPUT -p udp -j SET --add-set ${set} src
COMMIT
*mangle
[4:40] -A OUTPUT -p tcp -j SET --del-set ${set} dst
[5:50] -A OUTPUT -p udp -m set ! --match-set ${set} dst -j SET --add-set ${set} src --exist
COMMIT
`;

async function loadWithSets(): Promise<void> {
  reset();
  for (const family of families) {
    makeSets(family);
    await loadCounted(family, withSet(`nets-${family}`));
  }
}

const withSetsTables = (family: Family) =>
  [
    'filter',
    'mangle',
    { family: opposite[family], table: 'filter' },
    { family: opposite[family], table: 'mangle' },
  ] as const;

test('rules with IP sets are kept, changed and added in tables of both families', async () => {
  for (const family of families) {
    await loadWithSets();
    await using ipt = openTables({ family });
    const { committed } = await ipt.edit(withSetsTables(family), (...all) => {
      for (const table of all) {
        const set = `nets-${table.family}`;
        if (table.name === 'filter') {
          const input = table.chain('INPUT');
          assert.is(input.indexOf(`-p tcp -m set ! --match-set ${set} dst -j DROP`), 1);
          input.move(0, 2).replace(0, `-m set --match-set ${set} dst -j DROP`, {
            keepCounters: true,
          });
          input.append(`-p udp -j SET --add-set ${set} src --exist`, input.rules[2]!);
        } else {
          const output = table.chain('OUTPUT');
          assert.is(output.delete(`-p tcp -j SET --del-set ${set} dst`), true);
          const made = table.newChain('sets').append(output.rules[0]!, {
            matches: [{ name: 'set', matchSet: set, flags: ['src'] }],
            target: { name: 'SET', delSet: { set, flags: ['dst'] } },
            counters: { packets: 7n, bytes: 70n },
          });
          output.insert(`-p udp -j ${made.name}`);
        }
      }
    });
    assert.is(committed.length, 4);
    for (const each of families) {
      const set = `nets-${each}`;
      assert.equal(rulesOf(each, 'filter'), [
        `[2:20] -A INPUT -m set --match-set ${set} dst -j DROP`,
        `[3:30] -A INPUT -p udp -j SET --add-set ${set} src`,
        `[1:10] -A INPUT -m set --match-set ${set} src -j ACCEPT`,
        `[0:0] -A INPUT -p udp -j SET --add-set ${set} src --exist`,
        `[1:10] -A INPUT -m set --match-set ${set} src -j ACCEPT`,
      ]);
      const added = `-p udp -m set ! --match-set ${set} dst -j SET --add-set ${set} src --exist`;
      assert.equal(rulesOf(each, 'mangle'), [
        '[0:0] -A OUTPUT -p udp -j sets',
        `[5:50] -A OUTPUT ${added}`,
        `[5:50] -A sets ${added}`,
        `[7:70] -A sets -m set --match-set ${set} src -j SET --del-set ${set} dst`,
      ]);
      // The rules work: a packet puts its address into the set of its family.
      const [self, prefix] = each === 'ipv6' ? ['::1', '/128'] : ['127.0.0.1', '/32'];
      assert.not.match(run(['ipset', 'list', set]), self);
      await packets(each, 1);
      run(['ipset', 'test', set, `${self}${prefix}`]);
    }
  }
});

test('a set that is not there leaves every table as it was', async () => {
  for (const family of families) {
    await loadWithSets();
    await using ipt = openTables({ family });
    const before = both();
    const tables = withSetsTables(family);
    for (const bad of tables.keys()) {
      const about = bad < 2 ? family : opposite[family];
      for (const [set, message] of [
        ['missing', /^set "missing": the kernel has no set of that name/],
        [`others-${about}`, /^set "others-ipv[46]": it holds IPv[46] addresses, the rule is for/],
      ] as const) {
        for (const rule of [
          `-m set --match-set ${set} src -j ACCEPT`,
          `-j SET --add-set ${set} src`,
          `-m set --match-set nets-${about} src -j SET --add-set nets-${about} src --del-set ${set} dst`,
        ]) {
          await throws(RangeError, message, () =>
            ipt.edit(tables, (...all) => {
              all.forEach((table, i) => {
                const chain = table.chain(i % 2 === 0 ? 'INPUT' : 'OUTPUT').zero();
                chain.delete(0);
                table.newChain('made').append(i === bad ? rule : '-j RETURN');
                chain.append('-j made');
              });
            }),
          );
          assert.is(both(), before);
        }
      }
    }
  }
});

test('a text of two tables with IP sets', async () => {
  for (const family of families) {
    await loadWithSets();
    const before = both();
    await using ipt = openTables({ family });
    // In the last line of the last table, where the other table is ready to be committed.
    const text = withSet(`nets-${family}`);
    const bad = text.replace(/(.*)nets-ipv\d/s, '$1missing');
    const wrong = text.replace(/(.*)nets-ipv\d/s, `$1others-${family}`);
    for (const noflush of [false, true]) {
      for (const test of [false, true]) {
        const options = { noflush, test, counters: true };
        const missing = /^line 8: set "missing": the kernel has no set of that name/;
        await throws(RangeError, missing, () => ipt.restore(bad, options));
        const other = /^line 8: set "others-ipv\d": it holds IPv\d addresses/;
        await throws(RangeError, other, () => ipt.restore(wrong, options));
        assert.is(both(), before);
      }
    }
    await ipt.restore(await ipt.save({ counters: true }), { counters: true });
    assert.is(both(), before);
    await ipt.restore(text, { noflush: true, counters: true });
    for (const table of ['filter', 'mangle']) {
      const rules = rulesOf(family, table);
      assert.equal(rules.slice(0, rules.length / 2), rules.slice(rules.length / 2));
      assert.ok(rules.length >= 4 && before.includes(rules[0]!));
    }
  }
});

const pair = ['filter', 'mangle'] as const;
/** Three tables: two of the family, and one of the other family. */
const three = (family: Family) =>
  ['filter', 'mangle', { family: opposite[family], table: 'filter' }] as const;

async function loadChains(): Promise<void> {
  reset();
  const text = pair.map((table) => `*${table}\n${chains}\nCOMMIT\n`).join('');
  for (const family of families) await loadCounted(family, text);
}

/** The chains of a table without its built-in ones, and its rules. */
const chainsOf = (family: Family, table: string) =>
  saved(family, { table, counters: true })
    .match(/^(:[a-z].*|\[.*)$/gm)!
    .join('\n');

test('chains of several tables take over names, and rules and counters follow', async () => {
  for (const family of families) {
    for (const first of nameEdits.keys()) {
      await loadChains();
      await using ipt = openTables({ family });
      const before = both();
      // Another kind of change in each table.
      const kinds = [0, 1, 2].map((i) => nameEdits[(first + i) % nameEdits.length]!);
      const pending = await ipt.edit(
        three(family),
        (...all) => {
          for (const [i, table] of all.entries()) kinds[i]!.edit(table);
        },
        { revertAfter: 600_000 },
      );
      assert.is(pending.value.committed.length, 3);
      three(family).forEach((address, i) => {
        const { what, wanted } = kinds[i]!;
        const [of, table] =
          typeof address === 'string' ? [family, address] : [address.family, address.table];
        assert.is(chainsOf(of, table), wanted, what);
      });
      assert.is(chainsOf(opposite[family], 'mangle'), chains);
      const fate = await awaited('the revert', pending.revert());
      assert.equal(fate, { kind: 'reverted', merged: false });
      assert.is(both(), before);
    }
  }
});

test('a text makes chains of two tables take over names', async () => {
  for (const family of families) {
    for (const [index, { what, wanted }] of nameEdits.entries()) {
      await loadChains();
      await using ipt = openTables({ family });
      const other = nameEdits.at(index - 1)!.wanted;
      const text = `*filter\n${wanted}\nCOMMIT\n*mangle\n${other}\nCOMMIT\n`;
      await ipt.restore(text, { counters: true });
      assert.is(chainsOf(family, 'filter'), wanted, what);
      assert.is(chainsOf(family, 'mangle'), other, what);
    }
    // Line by line, with what is there.
    await loadChains();
    await using ipt = openTables({ family });
    const swap = '-E b held\n-E c b\n-E held c\n-A c -p tcp\n-I INPUT 2 -p udp -j b';
    const pass = '-E a held\n-E c a\n-E b c\n-E held b';
    const text = `*filter\n${swap}\nCOMMIT\n*mangle\n${pass}\nCOMMIT\n`;
    const before = both();
    await ipt.restore(text, { noflush: true, test: true });
    assert.is(both(), before);
    await ipt.restore(text, { noflush: true });
    assert.is(chainsOf(family, 'filter'), nameEdits[0]!.wanted);
    assert.is(chainsOf(family, 'mangle'), nameEdits[1]!.wanted);
  }
});

test('rules with IP sets come back when an edit of several tables is not confirmed', async () => {
  for (const family of families) {
    await loadWithSets();
    await using ipt = openTables({ family });
    const before = both();
    const pending = await ipt.edit(
      withSetsTables(family),
      (...all) => {
        for (const table of all) {
          const set = `nets-${table.family}`;
          table.newChain('made').append(`-j SET --del-set ${set} src`);
          const chain = table.chain(table.name === 'filter' ? 'INPUT' : 'OUTPUT');
          chain.move(1, 0).delete(1);
          chain.append('-j made').insert(`-m set ! --match-set ${set} src -j made`);
        }
        all[0].clear();
        all[3].chain('OUTPUT').flush();
      },
      { revertAfter: 1 },
    );
    assert.is(pending.value.committed.length, 4);
    const fate = await awaited('the revert', pending.fate);
    assert.equal(fate, { kind: 'reverted', merged: false });
    assert.is(both(), before);
  }
});

test.run();

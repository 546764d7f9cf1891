// Edits of two tables in nf_tables that have rules of the nft tool: these are kept byte for byte, moved, deleted and
// put back, while everything else changes. The nft tool lists their expressions.
// Backends: nft
import { XtablesError } from '../../src/errors.js';
import type { TableEdit } from '../../src/iptables/edit/table-edit.js';
import type { Rule } from '../../src/iptables/rule/rule.js';
import { awaited } from '../support/awaited.js';
import { assert, suite, throws } from '../support/harness.js';
import { type Family, families, openTables, packets, reset } from '../support/iptables-tables.js';
import { dumped, fill, foreignRules, notTaken, withSets } from '../support/nft-foreign.js';
import { nftTool } from '../support/nft-tables.js';

const test = suite('foreign rules in edits of two tables');
const pair = ['filter', 'mangle'] as const;

/** Tables of one family with rules of the nft tool in both, which packets have passed. */
async function loadForeign(family: Family, rules: readonly string[]): Promise<void> {
  reset();
  for (const table of pair) fill(family, table, rules);
  await packets(family, 3);
}

const texts = (rules: readonly { readonly text: string }[]) => rules.map(({ text }) => text);
/** The rules of both tables, as the nft tool has them from the kernel. */
const listed = (family: Family) => pair.map((table) => dumped(family, table));
const inputs = (family: Family) =>
  listed(family).map((rules) => rules.filter(({ chain }) => chain === 'INPUT'));
/** The same with policies and all that is in no rule, but without the elements of sets: they have a time. */
const everything = (family: Family) => [nftTool('-a', '-t', 'list', 'ruleset'), listed(family)];
/** Rules with sets of their own, which go with the rule, and one that the kernel lists and does not take. */
const staying = [...withSets, 'meter each { IP saddr ct count over 20 } counter drop', notTaken];
const isForeign = ({ nft }: Rule) => nft?.foreign !== undefined;
const same = (text: string) => text;

interface Around {
  readonly what: string;
  readonly edit: (filter: TableEdit, mangle: TableEdit) => unknown;
  /** What the nft tool prints of a rule afterwards. */
  readonly printed?: (text: string) => string;
}

/** Edits that leave every rule of the nft tool in its chain and in its place among the others. */
const around: readonly Around[] = [
  {
    what: 'rules before, between and behind them',
    edit: (...all) => {
      for (const table of all) {
        const input = table.chain('INPUT').insert('-p udp', 3).insert('-p udp', 1);
        input.insert('-p udp').append('-p esp');
      }
    },
  },
  {
    what: 'the others deleted in one table, replaced in the other',
    edit: (filter, mangle) => {
      filter.chain('INPUT').deleteWhere((rule) => !isForeign(rule));
      const input = mangle.chain('INPUT').replace(0, '-p udp -j one', { keepCounters: true });
      input.replace(input.length - 1, '-p udp');
    },
  },
  {
    what: 'others moved over them',
    edit: (...all) => {
      for (const table of all) {
        const input = table.chain('INPUT').move(0, 5);
        input.move(input.length - 1, 2);
      }
    },
  },
  {
    what: 'a chain to which they lead has another name',
    edit: (filter, mangle) => {
      filter.renameChain('one', 'uno').append('-p udp');
      mangle.renameChain('one', 'uno').flush();
    },
    printed: (text) => text.replace('jump one', 'jump uno'),
  },
  {
    what: 'policies and chains',
    edit: (filter, mangle) => {
      filter.chain('FORWARD').policy('DROP').append('-j one');
      filter.chain('INPUT').policy('DROP', { packets: 1n, bytes: 2n });
      mangle.newChain('two').append('-j one');
      mangle.chain('INPUT').insert('-j two', 4);
    },
  },
  {
    what: 'counters',
    edit: (filter, mangle) => {
      filter.zero();
      mangle.chain('INPUT').zero();
    },
    printed: (text) => text.replaceAll(/(pkts|packets) \d+ bytes \d+/g, '$1 0 bytes 0'),
  },
];

test('rules of the nft tool in two tables are kept byte for byte', async () => {
  const rules = [...foreignRules, ...staying];
  for (const family of families) {
    for (const { what, edit, printed = same } of around) {
      await loadForeign(family, rules);
      await using ipt = openTables({ family });
      const before = inputs(family).map((list) => list.slice(1, -1));
      assert.match(texts(before[0]!).join(), /pkts 3 /);
      await ipt.edit(pair, edit);
      inputs(family).forEach((list, i) => {
        const handles = new Set(before[i]!.map(({ handle }) => handle));
        assert.equal(
          list.filter(({ handle }) => handles.has(handle)),
          before[i]!.map((rule) => ({ ...rule, text: printed(rule.text) })),
          `${what}: ${pair[i]}`,
        );
      });
    }
  }
});

test('rules of the nft tool are moved and deleted in two tables', async () => {
  for (const family of families) {
    await loadForeign(family, foreignRules);
    await using ipt = openTables({ family });
    const wanted = inputs(family).map(texts);
    const [first, second] = wanted as [string[], string[]];
    for (const index of foreignRules.keys()) {
      // One goes to the end of its chain. In the other table its neighbours go, and it stays.
      await ipt.edit(pair, (filter, mangle) => {
        filter.chain('INPUT').move(index + 1, foreignRules.length + 1);
        if (index % 3 === 0) mangle.chain('INPUT').delete(1);
        else mangle.chain('INPUT').append('-p udp -j one').delete(0);
      });
      first.push(...first.splice(index + 1, 1));
      if (index % 3 === 0) second.splice(1, 1);
      else second.splice(0, 1);
      const [input, other] = inputs(family).map(texts);
      assert.equal(input, first, foreignRules[index]);
      assert.equal(other!.slice(0, second.length), second, foreignRules[index]);
    }
  }
});

test('what the kernel does not move leaves both tables as they were', async () => {
  for (const family of families) {
    await loadForeign(family, [...foreignRules, ...staying]);
    await using ipt = openTables({ family });
    const before = everything(family);
    for (const bad of pair) {
      for (const index of staying.keys()) {
        const error = await throws(XtablesError, /ENOENT|EBUSY|EINVAL/, () =>
          ipt.edit(pair, (...all) => {
            for (const table of all) {
              table.chain('INPUT').delete(0);
              table.newChain('made').append('-p udp');
              if (table.name === bad) table.chain('INPUT').move(foreignRules.length + index, 0);
              table.chain('OUTPUT').append('-j made');
            }
          }),
        );
        assert.ok(error.operation.endsWith(` ${bad}`), error.operation);
        assert.equal(everything(family), before);
      }
    }
    // A rule of the nft tool belongs to its table: another one does not take it.
    await throws(Error, /rule \d+ of nf_tables/, () =>
      ipt.edit(pair, (filter, mangle) => {
        filter.chain('INPUT').delete(0);
        mangle.chain('INPUT').append(filter.chain('INPUT').rules[0]!);
      }),
    );
    assert.equal(everything(family), before);
  }
});

test('rules of the nft tool come back into two tables', async () => {
  for (const family of families) {
    await loadForeign(family, [...foreignRules, ...staying]);
    await using ipt = openTables({ family });
    const before = listed(family).map(texts);
    const pending = await ipt.edit(
      pair,
      (filter, mangle) => {
        const input = filter.chain('INPUT');
        foreignRules.forEach(() => {
          input.move(1, foreignRules.length - 1);
        });
        // All go but those that the kernel would not take again.
        mangle.chain('INPUT').deleteWhere((_, index) => index <= foreignRules.length);
        mangle.newChain('made').append('-j one');
        mangle.chain('OUTPUT').append('-j made');
      },
      { revertAfter: 600_000 },
    );
    const [moved, left] = listed(family).map(texts);
    assert.not.equal(moved, before[0]);
    assert.equal([...moved!].sort(), [...before[0]!].sort());
    assert.is(before[1]!.length - left!.length, foreignRules.length - 1);
    const fate = await awaited('the revert', pending.revert());
    assert.equal(fate, { kind: 'reverted', merged: false });
    assert.equal(listed(family).map(texts), before);
  }
});

test.run();

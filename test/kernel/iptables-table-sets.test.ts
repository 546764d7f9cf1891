// Rules that refer to IP sets. The package uses the name of a set. The table has the index that the kernel gave to
// it.
// Backends: legacy, nft

import type { ChainEdit } from '../../src/iptables/edit/chain-edit.js';
import { registry } from '../../src/iptables/extensions/index.js';
import type { RuleInit } from '../../src/iptables/rule/rule.js';
import { assert, suite, throws } from '../support/harness.js';
import type { Family } from '../support/iptables-tables.js';
import { families, openTables, reset, saveCommand, saved } from '../support/iptables-tables.js';
import { Netns } from '../support/netns.js';
import { run } from '../support/process.js';

const test = suite('iptables rules with IP sets');
const known = registry.has('ipv4', 'match', 'set');
const missing = known ? undefined : 'the codec has no match set yet';

test.when(missing, 'rules that name IP sets', async () => {
  reset();
  run(['ipset', 'create', 'first', 'hash:ip']);
  run(['ipset', 'create', 'second', 'hash:ip', 'family', 'inet6']);
  const ipt = openTables();
  const text = '*filter\n-A INPUT -m set --match-set first src -j ACCEPT\nCOMMIT\n';
  await ipt.restore(text);
  assert.match(saved('ipv4'), /--match-set first src -j ACCEPT/);
  assert.match(await ipt.save(), /--match-set first src -j ACCEPT/);
  await ipt.edit('filter', (table) => {
    const input = table.chain('INPUT');
    assert.is(input.has('-m set --match-set first src -j ACCEPT'), true);
    input.append('-m set ! --match-set first dst -j DROP');
    assert.is(input.rules[1]!.toString(), '-m set ! --match-set first dst -j DROP');
  });
  assert.match(saved('ipv4'), /! --match-set first dst -j DROP/);
  await throws(RangeError, /^line 2: set "nothing": the kernel has no set of that name/, () =>
    ipt.restore(text.replace('first', 'nothing'), { test: true }),
  );
  await throws(RangeError, /^set "second": it holds IPv6 addresses/, () =>
    ipt.edit('filter', (table) => table.chain('INPUT').append('-m set --match-set second src')),
  );
  await ipt.close();
  reset();
  run(['ipset', 'destroy']);
});

/** A namespace with these sets. The kernel numbers them in this order. */
function withSets(family: Family, names: readonly string[]): Netns {
  const netns = Netns.create();
  const inet = family === 'ipv6' ? 'inet6' : 'inet';
  for (const name of names) netns.exec('ipset', 'create', name, 'hash:ip', 'family', inet);
  return netns;
}

/** Rules that name sets, in each place where a rule can name one. */
const naming = [
  '-m set --match-set a src -j ACCEPT',
  '-p tcp -m set ! --match-set b dst -m set --match-set c src -j DROP',
  '-j SET --add-set a src --del-set c dst',
  '-m set --match-set c src -j SET --add-set b src --exist --timeout 60',
];

test('a rule that was read in one namespace names the same sets in another', async () => {
  for (const family of families) {
    using one = withSets(family, ['a', 'b', 'c']);
    using two = withSets(family, ['x', 'c', 'y', 'b', 'a']);
    const save = [saveCommand(family), '-t', 'filter'];
    const inChain = (netns: Netns) =>
      netns
        .run(save)
        .split('\n')
        .filter((line) => line.startsWith('-A'));
    await using from = openTables({ family, netns: one.path });
    await using to = openTables({ family, netns: two.path });
    await from.edit('filter', (t) => void t.chain('INPUT').append(...naming));
    const expected = inChain(one);
    assert.is(expected.length, naming.length);
    const { rules } = (await from.read()).chain('INPUT');
    const ways: [string, (input: ChainEdit) => unknown][] = [
      ['append', (input) => input.append(...rules)],
      ['appendAll', (input) => input.appendAll(rules)],
      ['insert', (input) => [...rules].reverse().map((rule) => input.insert(rule))],
      [
        'replace',
        (input) => rules.map((rule) => input.append('-p 99').replace(input.length - 1, rule)),
      ],
      ['a copy', (input) => input.append(...rules.map((rule) => ({ ...rule })))],
      ['with()', (input) => input.append(...rules.map((rule) => rule.with({})))],
      ['texts', (input) => input.append(...rules.map(String))],
    ];
    for (const [how, edit] of ways) {
      await to.edit('filter', (t) => void edit(t.chain('INPUT').flush()));
      assert.equal(inChain(two), expected, how);
      // The rules are found there by their content.
      await to.edit('filter', (t) => {
        const input = t.chain('INPUT');
        rules.forEach((rule, index) => {
          assert.is(input.indexOf(rule), index, how);
        });
        for (const rule of rules) assert.is(input.delete(rule), true, how);
        assert.is(input.length, 0);
      });
      assert.equal(inChain(two), []);
    }
    await to.restore(await from.save());
    assert.equal(inChain(two), expected);
  }
});

test('a rule that was read with its set is refused in a namespace without that set', async () => {
  for (const family of families) {
    using one = withSets(family, ['a', 'b', 'c']);
    // The same number of sets, so that each index belongs to a different set.
    using two = withSets(family, ['x', 'y', 'z']);
    using none = Netns.create();
    await using from = openTables({ family, netns: one.path });
    await from.edit('filter', (t) => void t.chain('INPUT').append(...naming));
    const { rules } = (await from.read()).chain('INPUT');
    for (const netns of [two, none]) {
      await using to = openTables({ family, netns: netns.path });
      await to.edit('filter', (t) => void t.chain('FORWARD').append('-p tcp -j ACCEPT'));
      for (const rule of rules) {
        await throws(RangeError, /^set "[abc]": the kernel has no set of that name/, () =>
          to.edit('filter', (t) => void t.chain('INPUT').append('-p udp', rule)),
        );
        await to.edit('filter', (t) => assert.is(t.chain('INPUT').has(rule), false));
      }
      const table = await to.read();
      assert.is(table.chain('INPUT').rules.length, 0);
      assert.is(table.chain('FORWARD').rules.length, 1);
    }
  }
});

test('a rule keeps its counters when it is rewritten with the name of its set', async () => {
  reset();
  run(['ipset', 'create', 'later', 'hash:ip']);
  await using ipt = openTables();
  const counters = { packets: 5n, bytes: 6n };
  const init: RuleInit = {
    matches: [{ name: 'set', matchSet: 'later', flags: ['src'] }],
    counters,
  };
  await ipt.edit('filter', (t) => void t.chain('INPUT').append(init, init).zero(1));
  const count = async () =>
    (await ipt.read()).chain('INPUT').rules.map((rule) => rule.counters.packets);
  assert.equal(await count(), [5n, 0n]);
  await ipt.edit('filter', (t) => {
    const input = t
      .chain('INPUT')
      .replace(0, '-m set --match-set later dst', { keepCounters: true });
    input.append(init).zero();
  });
  assert.equal(await count(), [0n, 0n, 0n]);
  await ipt.edit('filter', (t) => void t.chain('INPUT').flush());
  run(['ipset', 'destroy', 'later']);
});

test.run();

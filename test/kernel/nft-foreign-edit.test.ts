// Rules in iptables' tables of nf_tables that iptables did not make: they are kept byte for byte while what is around
// them is edited, and when they are moved. The nft tool makes them and lists their expressions.
import type { TableEdit } from '../../src/iptables/edit/table-edit.js';
import type { Table } from '../../src/iptables/table/table.js';
import { Mirror, textOf } from '../support/change-mirror.js';
import { assert, suite } from '../support/harness.js';
import { families } from '../support/iptables-tables.js';
import {
  dumped,
  foreignRules,
  notTaken,
  open,
  rejects,
  short,
  start,
  twoCounters,
  withSets,
  words,
} from '../support/nft-foreign.js';
import { nft, nftTool } from '../support/nft-tables.js';

const test = suite('foreign rules in nf_tables are kept');

test('copies and texts of foreign rules are refused', async () => {
  for (const family of families) {
    start(family, ['ct mark 5 counter accept']);
    const ipt = open(family);
    const before = dumped(family);
    const rule = (await ipt.read()).chain('INPUT').rules[1]!;
    const edits: readonly ((table: TableEdit) => unknown)[] = [
      (table) => table.chain('INPUT').append({ ...rule }),
      (table) => table.chain('INPUT').append(rule.with({})),
      (table) => table.chain('one').append(rule),
      (table) => table.chain('one').append(table.chain('INPUT').rules[1]!),
      (table) => table.chain('INPUT').insert(JSON.parse(JSON.stringify(rule))),
      (table) => table.chain('one').replace(0, structuredClone({ ...rule })),
      (table) => table.chain('INPUT').append(rule.toString()),
      (table) => table.chain('INPUT').has({ ...rule }),
      (table) => table.chain('INPUT').delete({ ...rule }),
    ];
    for (const edit of edits) {
      await rejects(/TypeError|RangeError|Error/, () => ipt.edit('filter', (t) => void edit(t)));
    }
    const refused = await rejects(/ERR_NETFILTER/, () => ipt.save());
    assert.match(refused.message, 'rule 1 of chain');
    assert.match(refused.message, `rule ${rule.nft!.handle} of nf_tables`);
    assert.equal(dumped(family), before);
    // A list of another table can be saved.
    nft(family, '-t', 'mangle', '-A', 'INPUT', '-j', 'ACCEPT');
    assert.match(await ipt.save({ tables: ['mangle'] }), '-A INPUT -j ACCEPT');
    await ipt.close();
  }
});

test('edits around foreign rules keep them', async () => {
  const edits: readonly (readonly [string, (table: TableEdit) => unknown])[] = [
    ['append', (table) => table.chain('INPUT').append('-p udp -j ACCEPT')],
    ['insert', (table) => table.chain('INPUT').insert('-p udp -j ACCEPT')],
    ['insert before it', (table) => table.chain('INPUT').insert('-p udp -j ACCEPT', 1)],
    ['insert between', (table) => table.chain('INPUT').insert('-p udp -j ACCEPT', 3)],
    ['delete', (table) => table.chain('INPUT').delete(0)],
    ['delete the last', (table) => table.chain('INPUT').delete(table.chain('INPUT').length - 1)],
    ['delete by value', (table) => table.chain('INPUT').delete('-p tcp --dport 1 -j ACCEPT')],
    ['replace', (table) => table.chain('INPUT').replace(0, '-p udp')],
    ['move others', (table) => table.chain('INPUT').move(0, table.chain('INPUT').length - 1)],
    ['zero the chain', (table) => table.chain('INPUT').zero()],
    ['zero all', (table) => table.zero()],
    ['rename', (table) => table.renameChain('one', 'uno')],
    ['policy', (table) => table.chain('INPUT').policy('DROP', { packets: 1n, bytes: 2n })],
    ['another chain', (table) => table.newChain('two').append('-j one')],
    ['many', (table) => table.chain('INPUT').deleteWhere(({ nft: place }) => !place?.foreign)],
  ];
  for (const family of families) {
    start(family, [...foreignRules, notTaken, ...withSets]);
    const ipt = open(family);
    for (const [what, edit] of edits) {
      start(family, [...foreignRules, notTaken, ...withSets]);
      const foreign = new Set(
        (await ipt.read())
          .chain('INPUT')
          .rules.flatMap(({ nft: place }) =>
            place?.foreign === undefined ? [] : [String(place.handle)],
          ),
      );
      const only = () => dumped(family).filter(({ handle }) => foreign.has(handle));
      const before = only();
      assert.is(before.length, foreignRules.length + 1 + withSets.length);
      await ipt.edit('filter', (table) => void edit(table));
      // The line that leads to a renamed chain shows its new name.
      const after = only().map((rule) => ({
        ...rule,
        text: rule.text.replace('jump uno', 'jump one'),
      }));
      assert.equal(after, before, what);
    }
    await ipt.close();
  }
});

test('what a commit changes is undone without a trace', async () => {
  for (const family of families) {
    start(family, [...foreignRules, notTaken, ...withSets]);
    const ipt = open(family);
    const before = dumped(family).map(({ chain, text }) => ({ chain, text }));
    const pending = await ipt.edit(
      'filter',
      (table) => {
        table.chain('INPUT').insert('-p udp -j DROP', 2).delete(0);
        table.chain('FORWARD').policy('DROP');
      },
      { revertAfter: 3_600_000 },
    );
    assert.is(dumped(family).length, before.length);
    assert.equal(await pending.revert(), { kind: 'reverted', merged: false });
    assert.equal(
      dumped(family).map(({ chain, text }) => ({ chain, text })),
      before,
    );
    // A text that adds to the table.
    const list = dumped(family);
    await ipt.restore('*filter\n-A INPUT -p udp -j ACCEPT\n:new - [0:0]\nCOMMIT\n', {
      noflush: true,
    });
    assert.equal(dumped(family).slice(0, list.length - 1), list.slice(0, list.length - 1));
    await ipt.close();
  }
});

test('a foreign rule that is moved keeps its bytes; flush() removes it', async () => {
  for (const family of families) {
    const rules = [...foreignRules, twoCounters];
    start(family, rules);
    const ipt = open(family);
    const texts = () =>
      dumped(family)
        .filter(({ chain }) => chain === 'INPUT')
        .map(({ text }) => text);
    const wanted = texts();
    for (const index of rules.keys()) {
      const from = index + 1;
      const to = wanted.length - 1;
      await ipt.edit('filter', (table) => table.chain('INPUT').move(from, to));
      const [moved] = wanted.splice(from, 1);
      wanted.splice(to, 0, moved!);
      assert.equal(texts(), wanted, rules[index]);
      await ipt.edit('filter', (table) => table.chain('INPUT').move(to, from));
      wanted.splice(to, 1);
      wanted.splice(from, 0, moved!);
      assert.equal(texts(), wanted, rules[index]);
    }
    await ipt.edit('filter', (table) => table.chain('INPUT').flush());
    assert.equal(texts(), []);
    await ipt.close();
  }
});

test('some rules cannot be moved: the kernel refuses, and nothing changes', async () => {
  for (const family of families) {
    const rules = [...withSets, notTaken];
    start(family, rules);
    const ipt = open(family);
    const before = dumped(family);
    for (const index of rules.keys()) {
      await rejects(/ENOENT|EBUSY|EINVAL/, () =>
        ipt.edit('filter', (table) =>
          table.chain('INPUT').move(index + 1, index < 2 ? rules.length + 1 : 0),
        ),
      );
      assert.equal(dumped(family), before);
    }
    // It can be deleted and flushed.
    await ipt.edit('filter', (table) => void table.chain('INPUT').delete(1));
    const gone = before.filter(({ chain }) => chain === 'INPUT')[1];
    assert.equal(
      dumped(family),
      before.filter((rule) => rule !== gone),
    );
    await ipt.edit('filter', (table) => void table.chain('INPUT').flush());
    await ipt.close();
  }
});

test('an edit that deletes what the kernel would not take back is refused if it may be taken back', async () => {
  for (const family of families) {
    const rules = [...withSets, 'ct mark 5 counter', notTaken];
    start(family, rules);
    const ipt = open(family);
    const before = dumped(family);
    for (const index of rules.keys()) {
      const edit = (table: TableEdit) => table.chain('INPUT').delete(index + 1);
      if (rules[index]!.startsWith('ct')) {
        const pending = await ipt.edit('filter', edit, { revertAfter: 600_000 });
        assert.is(dumped(family).length, before.length - 1);
        assert.equal(await pending.revert(), { kind: 'reverted', merged: false });
        continue;
      }
      const refused = await rejects(/^ERR_NETFILTER_NOT_UNDOABLE/, () =>
        ipt.edit('filter', edit, { revertAfter: 600_000 }),
      );
      assert.match(refused.message, `rule ${index + 1} of chain INPUT`);
    }
    const texts = ({ chain, text }: { chain: string; text: string }) => `${chain} ${text}`;
    assert.equal(dumped(family).map(texts), before.map(texts));
    // A rule that stays is no obstacle, and without `revertAfter` everything can be deleted.
    const pending = await ipt.edit('filter', (table) => void table.chain('INPUT').delete(0), {
      revertAfter: 600_000,
    });
    await pending.revert();
    assert.equal(dumped(family).map(texts), before.map(texts));
    await ipt.edit('filter', (table) => void table.chain('INPUT').flush());
    assert.equal(
      dumped(family).map(({ chain }) => chain),
      ['one'],
    );
    await ipt.close();
  }
});

test('a renamed chain gets its name back, whatever leads to it and whatever it holds', async () => {
  for (const family of families) {
    start(family, ['tcp dport vmap { 82 : jump one }', 'ct mark 5 counter jump one']);
    nftTool(
      [...withSets.slice(0, 2), notTaken, 'ct mark 6 counter']
        .map((rule) => `add rule ${short(family)} filter one ${words(rule, family)}`)
        .join('\n'),
    );
    const ipt = open(family);
    const before = dumped(family);
    const pending = await ipt.edit(
      'filter',
      (table) => {
        table.renameChain('one', 'uno').insert('-p udp');
        table.chain('INPUT').append('-p udp -j uno');
      },
      { revertAfter: 600_000 },
    );
    assert.is(dumped(family).length, before.length + 2);
    assert.equal(await pending.revert(), { kind: 'reverted', merged: false });
    // Every rule is the same one still.
    assert.equal(dumped(family), before);
    await ipt.close();
  }
});

test('a dry run shows foreign rules', async () => {
  for (const family of families) {
    start(family, [...foreignRules, twoCounters]);
    await using ipt = open(family);
    const before = dumped(family);
    const edit = (table: TableEdit) => {
      const input = table.chain('INPUT');
      table.renameChain('one', 'uno');
      input.delete(2);
      input.insert('-p udp', 5).move(7, 10);
      return input.length;
    };
    const dry = await ipt.edit('filter', edit, { dryRun: true });
    assert.equal(dumped(family), before);
    assert.is(dry.value, await ipt.edit('filter', edit));
    const now = await ipt.read();
    // A rule that is moved is a new one, with a number of its own.
    const shown = ({ chains }: Table) =>
      Array.from(chains.values(), ({ name, references, rules }) => [
        name,
        references,
        ...rules.map((rule) => [textOf(rule), rule.counters, rule.matches, rule.target]),
      ]);
    assert.equal(shown(dry.after), shown(now));
    const handle = dry.before.chain('INPUT').rules[2]!.nft!.handle;
    assert.match(dry.diff, new RegExp(`^--A INPUT # rule ${handle} of nf_tables: `, 'm'));
    assert.match(dry.diff, /^--A one -j RETURN\n\+-A uno -j RETURN$/m);
    const mirror = new Mirror(dry.before);
    mirror.apply(dry.differences);
    assert.equal(mirror.content, new Mirror(now).content);
  }
});

test.run();

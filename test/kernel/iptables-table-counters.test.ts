// Counters of rules and policies through edits.
// Backends: legacy, nft
import type { TableEdit } from '../../src/iptables/edit/table-edit.js';
import { here, remadeRuleKeeps } from '../support/backend-differences.js';
import { assert, suite } from '../support/harness.js';
import {
  families,
  load,
  loadCounted,
  openTables,
  packets,
  reset,
  saved,
} from '../support/iptables-tables.js';
import { run } from '../support/process.js';

const test = suite('counters through edits of iptables tables');

test('rules and policies keep their counters, also rules that are moved', async () => {
  for (const family of families) {
    reset();
    const lo = '-i lo -p udp --dport';
    load(
      family,
      `*filter\n:INPUT ACCEPT [0:0]\n:c - [0:0]\n-A INPUT ${lo} 9 -j c\n-A INPUT ${lo} 10 -j DROP\n-A c -p udp -j RETURN\n-A c -j DROP\nCOMMIT\n`,
    );
    await packets(family, 5);
    await packets(family, 3, 10);
    const counters = () => saved(family, { counters: true });
    const count = (of: RegExp) =>
      new RegExp(`\\[(\\d+):\\d+\\] -A ${of.source}`).exec(counters())?.[1];
    const policy = () => /:INPUT ACCEPT \[(\d+):/.exec(counters())?.[1];
    const before = policy();
    assert.is(count(/INPUT .* -j c/), '5');
    assert.ok(Number(before) >= 5);
    const ipt = openTables({ family });
    await ipt.edit('filter', (table) => {
      table.chain('FORWARD').append('-j ACCEPT');
      table.chain('INPUT').move(0, 1);
      table.renameChain('c', 'd');
      table.chain('d').replace(0, '-p udp -m comment --comment replaced -j RETURN', {
        keepCounters: true,
      });
    });
    assert.is(count(/INPUT .* -j d/), '5');
    assert.is(count(/INPUT .*10 -j DROP/), '3');
    assert.is(count(/d .*replaced/), '5');
    assert.is(policy(), before);
    // A replaced rule begins at zero, or at the counters that it is given.
    await ipt.edit('filter', (table) => {
      table.chain('d').replace(0, '-p udp -j RETURN');
      table.chain('d').replace(1, { counters: { packets: 7n, bytes: 70n } });
    });
    assert.is(count(/d .*RETURN/), '0');
    assert.match(counters(), /\[7:70\] -A d\n/);
    assert.is(count(/INPUT .* -j d/), '5');
    // zero() changes only the named rule.
    await ipt.edit('filter', (table) => table.chain('INPUT').zero(0));
    assert.is(count(/INPUT .*10 -j DROP/), '0');
    assert.is(count(/INPUT .* -j d/), '5');
    await ipt.edit('filter', (table) => table.chain('INPUT').zero());
    assert.is(count(/INPUT .* -j d/), '0');
    assert.is(policy(), '0');
    assert.match(counters(), /\[7:70\] -A d\n/);
    await ipt.edit('filter', (table) => {
      table.chain('INPUT').policy('DROP', { packets: 1n, bytes: 2n });
    });
    assert.match(counters(), /:INPUT DROP \[1:2\]/);
    await ipt.edit('filter', (table) => table.zero());
    assert.not.match(counters(), /\[[1-9]/);
    await ipt.close();
  }
});

test('counters in combined edits', async () => {
  for (const family of families) {
    await using ipt = openTables({ family });
    reset();
    const start = [
      '*filter',
      ':INPUT ACCEPT [7:8]',
      ':one - [0:0]',
      '[1:2] -A INPUT -i one0 -j one',
      '[3:4] -A INPUT -i two0 -j one',
      '[5:6] -A one -i three0 -j RETURN',
      'COMMIT',
      '',
    ].join('\n');
    const after = async (edit: (t: TableEdit) => void) => {
      await loadCounted(family, start);
      await ipt.edit('filter', edit);
      const filter = await ipt.read();
      const { counters } = filter.chain('INPUT');
      const shown = [...filter.chains.values()].flatMap((chain) =>
        chain.rules.map((rule) => `${rule.in} ${rule.counters.packets}:${rule.counters.bytes}`),
      );
      return [`policy ${counters!.packets}:${counters!.bytes}`, ...shown];
    };
    const [policy, ...all] = ['policy 7:8', 'one0 1:2', 'two0 3:4', 'three0 5:6'];
    assert.equal(await after((t) => void t.renameChain('one', 'new')), [policy, ...all]);
    const zeroed = [policy, 'one0 0:0', 'two0 3:4', 'three0 5:6'];
    assert.equal(await after((t) => void t.chain('INPUT').zero(0)), zeroed);
    const bothWays: ((t: TableEdit) => void)[] = [
      (t) => {
        t.chain('INPUT').zero(0);
        t.renameChain('one', 'new');
      },
      (t) => {
        t.renameChain('one', 'new');
        t.chain('INPUT').zero(0);
      },
      (t) => {
        t.chain('INPUT').zero(0).replace(0, '-i one0 -j ACCEPT', { keepCounters: true });
      },
      (t) => {
        t.chain('INPUT').replace(0, '-i one0 -j ACCEPT', { keepCounters: true }).zero(0);
      },
    ];
    for (const edit of bothWays) assert.equal(await after(edit), zeroed);
    const keep = (t: TableEdit) => {
      t.renameChain('one', 'new');
      t.chain('INPUT').replace(0, '-i one0 -j ACCEPT', { keepCounters: true });
    };
    assert.equal(await after(keep), [policy, ...all]);
    // The rule also keeps them when it leads to the renamed chain, whichever of the two comes first.
    const jumps: ((t: TableEdit) => void)[] = [
      (t) => {
        t.chain('INPUT').replace(0, '-i one0 -g one', { keepCounters: true });
        t.renameChain('one', 'new');
      },
      (t) => {
        t.renameChain('one', 'new');
        t.chain('INPUT').replace(0, '-i one0 -g new', { keepCounters: true });
      },
    ];
    for (const edit of jumps) assert.equal(await after(edit), [policy, ...all]);
    // A rule that this edit made keeps the counters that it was given.
    const counters = { packets: 9n, bytes: 10n };
    const given = await after((t) => {
      const input = t.chain('INPUT').append({ in: 'four0', counters });
      input.replace(2, '-i five0', { keepCounters: true });
    });
    assert.equal(given, [policy, ...all.slice(0, 2), 'five0 9:10', ...all.slice(2)]);
    const only = await after(
      (t) => void t.chain('INPUT').policy('ACCEPT', { packets: 1n, bytes: 9n }),
    );
    assert.equal(only, ['policy 1:9', ...all]);
    const none = await after((t) => void t.zero());
    assert.equal(none, ['policy 0:0', 'one0 0:0', 'two0 0:0', 'three0 0:0']);
  }
});

/** Edits that make the rule again in nf_tables. In a move past one rule, the other rule is made again. */
const remade = ['move past two rules', 'replace'];

test('packets that a rule counts between reading and commit are kept, also after a rename', async () => {
  for (const family of families) {
    await using ipt = openTables({ family });
    const ping = [family === 'ipv6' ? 'ping6' : 'ping', '-c', '3', '-i', '0.01'];
    const ways: [string, (t: TableEdit) => void][] = [
      ['renameChain', (t) => void t.renameChain('one', 'new')],
      ['move', (t) => void t.chain('INPUT').move(0, 1)],
      ['move past two rules', (t) => void t.chain('INPUT').move(0, 2)],
      ['replace', (t) => void t.chain('INPUT').replace(0, '-i lo', { keepCounters: true })],
      ['nothing of it', (t) => void t.chain('FORWARD').append('-p tcp')],
    ];
    for (const [what, edit] of ways) {
      await loadCounted(
        family,
        '*filter\n:one - [0:0]\n[100:1] -A INPUT -i lo -j one\n-A INPUT -p 99\n-A INPUT -p 98\nCOMMIT\n',
      );
      await ipt.edit('filter', (t) => {
        run([...ping, family === 'ipv6' ? '::1' : '127.0.0.1']);
        edit(t);
      });
      const rule = (await ipt.read()).chain('INPUT').rules.find((each) => each.in === 'lo');
      // The rule counts each ping twice: the request and the reply.
      const isLost = remade.includes(what) && here(remadeRuleKeeps) === 'what was read';
      assert.is(rule?.counters.packets, isLost ? 100n : 106n, `${family} ${what}`);
    }
  }
});

test.run();

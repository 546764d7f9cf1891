// The backend that holds the rules: legacy, nf_tables, both, or none. A warning says when rules would be missed.

import { XtablesError } from '../../src/errors.js';
import { Iptables } from '../../src/iptables/iptables.js';
import { assert, suite, throws } from '../support/harness.js';
import { type Family, families, tool } from '../support/iptables-tables.js';
import { Netns } from '../support/netns.js';
import { run } from '../support/process.js';
import { Random } from '../support/random.js';

const test = suite('the backend of iptables');

/** The warnings with this code while `work` runs. */
async function warnings(code: string, work: () => Promise<unknown>): Promise<string[]> {
  const found: string[] = [];
  const listen = (warning: Error & { code?: string }) => {
    if (warning.code === code) found.push(warning.message);
  };
  process.on('warning', listen);
  await work();
  await new Promise((resolve) => setImmediate(resolve));
  process.off('warning', listen);
  return found;
}

test('none, nft, mixed, legacy', async () => {
  for (const family of families) {
    using netns = Netns.create();
    const ipt = Iptables.open({ netns: netns.path, family });
    const nft = (...args: string[]) => netns.exec(`${tool(family)}-nft`, ...args);
    const old = (...args: string[]) => netns.exec(`${tool(family)}-legacy`, ...args);
    assert.is(await ipt.backend(), 'none');
    assert.equal(await ipt.tables(), []);

    nft('-A', 'INPUT', '-j', 'ACCEPT');
    nft('-t', 'nat', '-A', 'POSTROUTING', '-j', 'MASQUERADE');
    assert.is(await ipt.backend(), 'nft');
    const report = await ipt.backendReport();
    assert.equal(report.legacy, []);
    assert.equal(report.nft.tables.map(({ table, rules }) => [table, rules]).sort(), [
      ['filter', 1],
      ['nat', 1],
    ]);
    assert.match(
      report.reasons.join('\n'),
      new RegExp(`nf_tables tables of ${tool(family)}-nft: `),
    );
    assert.is(report.uses, 'nft');
    assert.equal((await ipt.tables()).sort(), ['filter', 'nat']);
    assert.equal((await ipt.read()).chain('INPUT').rules.map(String), ['-j ACCEPT']);
    assert.match(await ipt.save({ tables: ['nat'] }), /^-A POSTROUTING -j MASQUERADE$/m);
    // Nothing of this touches the legacy tables.
    await ipt.edit('filter', (t) => void t.chain('INPUT').append('-p udp'));
    assert.match(nft('-S', 'INPUT'), /-A INPUT -p udp/);
    await ipt.edit('filter', (t) => void t.chain('INPUT').delete('-p udp'));
    assert.equal((await ipt.backendReport()).legacy, []);
    const forced = Iptables.open({ netns: netns.path, family, backend: 'legacy' });
    assert.is((await forced.read()).registered, false);
    assert.equal(await forced.tables(), []);
    assert.is(await forced.save(), '');
    assert.is(await forced.backend(), 'nft');

    old('-A', 'INPUT', '-j', 'DROP');
    assert.is(await ipt.backend(), 'mixed');
    const other = Iptables.open({ netns: netns.path, family });
    const said = await warnings('NETFILTER_MIXED_BACKENDS', async () => {
      assert.equal((await other.read()).chain('INPUT').rules.map(String), ['-j ACCEPT']);
      await other.read();
    });
    assert.is(said.length, 1);
    assert.match(said[0]!, /nf_tables and in the legacy tables.*backend: 'legacy'/);
    assert.is((await warnings('NETFILTER_MIXED_BACKENDS', () => forced.read())).length, 0);
    assert.equal((await forced.read()).chain('INPUT').rules.map(String), ['-j DROP']);
    await other.close();

    nft('-F');
    nft('-t', 'nat', '-F');
    assert.is(await ipt.backend(), 'legacy');
    // An instance stays with its choice.
    assert.is((await ipt.backendReport()).uses, 'nft');
    const late = Iptables.open({ netns: netns.path, family });
    assert.is((await late.backendReport()).uses, 'legacy');
    assert.equal((await late.read()).chain('INPUT').rules.map(String), ['-j DROP']);
    await late.close();
    old('-F');
    assert.is(await ipt.backend(), 'none');
    nft('-P', 'FORWARD', 'DROP');
    assert.is(await ipt.backend(), 'nft');
    await ipt.close();
    await forced.close();
  }
});

test('one edit of tables in both backends', async () => {
  using netns = Netns.create();
  netns.exec('iptables-legacy', '-A', 'INPUT', '-p', 'sctp');
  netns.exec('ip6tables-nft', '-A', 'INPUT', '-p', 'sctp');
  await using ipt = Iptables.open({ netns: netns.path });
  const tables = ['nat', { family: 'ipv6', table: 'nat' }, 'filter'] as const;
  const accept = '-p udp -j ACCEPT';
  const edited = await ipt.edit(tables, (...all) => {
    for (const table of all) table.chain('INPUT').append(accept);
  });
  assert.equal(edited, {
    value: undefined,
    atomic: false,
    committed: [
      { family: 'ipv4', table: 'nat' },
      { family: 'ipv6', table: 'nat' },
      { family: 'ipv4', table: 'filter' },
    ],
  });
  const rules = () => [
    netns.exec('iptables-legacy-save', '-t', 'nat'),
    netns.exec('ip6tables-nft-save', '-t', 'nat'),
    netns.exec('iptables-legacy-save', '-t', 'filter'),
  ];
  for (const text of rules()) assert.match(text, /^-A INPUT -p udp -j ACCEPT$/m);
  // A refusal of the last one takes those in the other backend back, too.
  await throws(XtablesError, /EINVAL.* \(nat, nat: committed before, and taken back\)$/, () =>
    ipt.edit(tables, (...all) => {
      for (const table of all) table.chain('INPUT').append('-p tcp');
      all[2].chain('INPUT').append('-m owner --uid-owner 0');
    }),
  );
  for (const text of rules()) assert.not.match(text, /-p tcp|owner/);
});

/** What iptables-legacy-save, and so libiptc, finds in a table, in the form of the report. */
function counted(netns: Netns, family: Family, table: string) {
  const text = netns.exec(`${tool(family)}-legacy-save`, '-t', table);
  const chains = text.match(/^:\S+ \S+/gm) ?? [];
  const rules = text.match(/^-A /gm)?.length ?? 0;
  const used = rules > 0 || chains.some((chain) => !chain.endsWith(' ACCEPT'));
  return { table, rules, chains: chains.length, used };
}

test('the counts for legacy tables are those of libiptc', async () => {
  const random = new Random(7);
  const hooks = {
    filter: ['INPUT', 'FORWARD', 'OUTPUT'],
    nat: ['PREROUTING', 'INPUT', 'OUTPUT', 'POSTROUTING'],
    mangle: ['PREROUTING', 'INPUT', 'FORWARD', 'OUTPUT', 'POSTROUTING'],
    raw: ['PREROUTING', 'OUTPUT'],
  };
  const matches = ['', '-p udp --dport 53', '-m comment --comment "a b"', '-m mark --mark 7'];
  for (const family of families) {
    using netns = Netns.create();
    const ipt = Iptables.open({ netns: netns.path, family });
    const seen = new Set<boolean>();
    for (let round = 0; round < 8; round++) {
      const made = Object.entries(hooks).filter(() => random.chance(50));
      for (const [table, names] of made) {
        const empty = random.chance(40);
        const own = empty ? [] : ['one', 'two'].slice(0, random.below(3));
        const from = [...names, ...own];
        const rules = Array.from({ length: empty ? 0 : random.below(8) }, () => {
          const target = random.pick(['ACCEPT', 'RETURN']);
          return `-A ${random.pick(from)} ${random.pick(matches)} -j ${target}`;
        });
        const policies = names.map((name) => {
          return `:${name} ${!empty && table !== 'nat' && random.below(9) === 0 ? 'DROP' : 'ACCEPT'} [0:0]`;
        });
        const lines = [
          `*${table}`,
          ...policies,
          ...own.map((name) => `:${name} - [0:0]`),
          ...rules,
        ];
        netns.run([`${tool(family)}-legacy-restore`], { input: `${lines.join('\n')}\nCOMMIT\n` });
      }
      const { legacy: found } = await ipt.backendReport();
      const file = `/proc/net/${family === 'ipv6' ? 'ip6' : 'ip'}_tables_names`;
      const registered = netns.exec('cat', file).split('\n').filter(Boolean);
      assert.equal(
        found,
        registered.map((table) => counted(netns, family, table)),
      );
      for (const { used } of found) seen.add(used);
    }
    assert.is(seen.size, 2);
    await ipt.close();
  }
});

test('tables of the nft tool are not those of iptables-nft', async () => {
  using netns = Netns.create();
  const ipt = Iptables.open({ netns: netns.path });
  netns.run(['nft', '-f', '-'], {
    input: `table ip mine { chain input { type filter hook input priority 0; accept; }; }
            table ip filter { chain output { type filter hook output priority 5; drop; }; }
            table inet filter { chain input { type filter hook input priority 0; accept; }; }`,
  });
  const report = await ipt.backendReport();
  assert.is(report.backend, 'none');
  assert.equal([...report.nft.foreign].sort(), ['filter', 'mine']);
  assert.match(report.reasons.join('\n'), /not iptables-nft's: /);
  await ipt.close();
});

test('while nothing is found, every call looks again', async () => {
  using netns = Netns.create();
  const ipt = Iptables.open({ netns: netns.path });
  assert.is((await ipt.read()).registered, false);
  netns.exec('iptables-legacy', '-A', 'INPUT', '-j', 'ACCEPT');
  assert.equal((await ipt.read()).chain('INPUT').rules.map(String), ['-j ACCEPT']);
  netns.exec('iptables-nft', '-A', 'INPUT', '-j', 'DROP');
  assert.equal((await ipt.read()).chain('INPUT').rules.map(String), ['-j ACCEPT']);
  await ipt.close();
});

test('network namespaces: by name, path and pid, and never the wrong one', async () => {
  run(['iptables-nft', '-A', 'INPUT', '-s', '10.9.9.9', '-j', 'ACCEPT']);
  const here = run(['iptables-nft-save']);
  using netns = Netns.create();
  using empty = Netns.create();
  const child = netns.start(['sh', '-c', 'echo there; exec cat']);
  await child.line(/there/);
  for (const [port, where] of [netns.name!, netns.path, child.pid].entries()) {
    const ipt = Iptables.open({ netns: where });
    await Promise.all(
      Array.from({ length: 5 }, (_, i) =>
        ipt.edit('filter', (table) => {
          table.chain('INPUT').append(`-p udp --dport ${100 * (port + 1) + i}`);
        }),
      ),
    );
    assert.is((await ipt.read()).chain('INPUT').length, 5 * (port + 1));
    assert.equal(await ipt.tables(), ['filter']);
    await ipt.close();
  }
  assert.is(netns.exec('iptables-nft-save').match(/-A INPUT/g)?.length, 15);
  // Comments contain the time.
  const rules = (text: string) => text.split('\n').filter((line) => line.startsWith('-A'));
  assert.equal(rules(run(['iptables-nft-save'])), rules(here));
  assert.is(empty.exec('nft', 'list', 'ruleset'), '');
  await child.stop();
});

test.run();

// Reading tables: the package sees what iptables wrote, and reading creates nothing.
// Backends: legacy, nft
import { readFileSync } from 'node:fs';
import { XtablesError } from '../../src/errors.js';
import type { Iptables } from '../../src/iptables/iptables.js';
import { assert, suite, throws } from '../support/harness.js';
import type { Family } from '../support/iptables-tables.js';
import {
  backend,
  families,
  iptables,
  lines,
  load,
  loadCounted,
  openTables,
  packets,
  reset,
  saved,
  tool,
} from '../support/iptables-tables.js';
import { run } from '../support/process.js';

const test = suite('reading iptables tables');

const namesFile = { ipv4: '/proc/net/ip_tables_names', ipv6: '/proc/net/ip6_tables_names' };
/** The tables that the kernel has. */
const registered = (family: Family) =>
  backend === 'nft' ? run(['nft', 'list', 'tables']) : readFileSync(namesFile[family], 'utf8');
const open = (family: Family) => openTables({ family });

test('reading creates no table', async () => {
  for (const family of families) {
    const ipt = open(family);
    assert.is(await ipt.backend(), 'none');
    assert.equal(await ipt.tables(), []);
    const builtin = {
      filter: ['INPUT', 'FORWARD', 'OUTPUT'],
      nat: ['PREROUTING', 'INPUT', 'OUTPUT', 'POSTROUTING'],
      mangle: ['PREROUTING', 'INPUT', 'FORWARD', 'OUTPUT', 'POSTROUTING'],
      raw: ['PREROUTING', 'OUTPUT'],
      security: ['INPUT', 'FORWARD', 'OUTPUT'],
    };
    for (const [name, chains] of Object.entries(builtin)) {
      const table = await ipt.read(name);
      assert.is(table.registered, false);
      assert.equal([...table.chains.keys()], chains);
      for (const chain of table.chains.values()) {
        assert.is(chain.policy, 'ACCEPT');
        assert.is(chain.length, 0);
      }
    }
    assert.is(await ipt.save(), '');
    // An edit that changes nothing does not create a table either.
    await ipt.edit('nat', (table) => {
      table.chain('OUTPUT').append('-j ACCEPT').delete(0);
    });
    await ipt.restore('*mangle\n:INPUT ACCEPT\nCOMMIT\n', { test: true });
    assert.is(registered(family), '');
    await throws(XtablesError, /read nothing: ENOENT/, () => ipt.read('nothing'));
    await ipt.close();
  }
});

test('a table that does not exist yet reads like a new one', async () => {
  for (const family of families) {
    const ipt = open(family);
    for (const name of ['filter', 'nat', 'mangle', 'raw', 'security']) {
      const before = await ipt.read(name);
      // In nf_tables only a change makes a table.
      iptables(family, '-t', name, '-P', 'OUTPUT', 'ACCEPT');
      const after = await ipt.read(name);
      assert.is(after.registered, true);
      assert.is(after.fingerprint, before.fingerprint);
      assert.equal([...after.chains.keys()], [...before.chains.keys()]);
    }
    assert.is((await ipt.tables()).length, 5);
    await ipt.close();
  }
});

const text = (family: Family) => {
  const any = family === 'ipv6' ? 'fd00::/8' : '10.0.0.0/8';
  return `*filter
:INPUT DROP [11:1100]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [5:500]
:zeta - [0:0]
:Alpha - [0:0]
:_under-score.dot - [0:0]
[1:100] -A INPUT -s ${any} -j zeta
[2:200] -A INPUT ! -i lo -p tcp -m tcp --dport 22 -m conntrack --ctstate NEW -j Alpha
[3:300] -A INPUT -g zeta
[18446744073709551615:18446744073709551614] -A FORWARD -m comment --comment "it's a \\"test\\""
[4:400] -A Alpha -m limit --limit 1/sec -j RETURN
[5:500] -A Alpha -j _under-score.dot
[6:600] -A zeta -m mark --mark 0x1/0xff -j DROP
COMMIT
`;
};

test('chains, rules, counters and references', async () => {
  for (const family of families) {
    reset();
    await loadCounted(family, text(family));
    const ipt = open(family);
    const table = await ipt.read();
    assert.is(table.name, 'filter');
    assert.is(table.family, family);
    // Built-in chains come first, the others in byte order of their names.
    assert.equal(
      [...table.chains.keys()],
      ['INPUT', 'FORWARD', 'OUTPUT', 'Alpha', '_under-score.dot', 'zeta'],
    );
    const input = table.chain('INPUT');
    assert.is(input.builtin, true);
    assert.is(input.policy, 'DROP');
    assert.equal(input.counters, { packets: 11n, bytes: 1100n });
    assert.is(input.length, 3);
    assert.equal(input.rules[1]!.counters, { packets: 2n, bytes: 200n });
    assert.equal(input.rules[0]!.target, { name: 'jump', chain: 'zeta' });
    assert.equal(input.rules[2]!.target, { name: 'goto', chain: 'zeta' });
    const zeta = table.chain('zeta');
    assert.is(zeta.builtin, false);
    assert.is(zeta.policy, undefined);
    assert.is(zeta.counters, undefined);
    assert.is(zeta.references, 2);
    assert.is(table.chain('Alpha').references, 1);
    const big = table.chain('FORWARD').rules[0]!.counters;
    assert.is(big.packets, 18446744073709551615n);
    assert.is(big.bytes, 18446744073709551614n);
    assert.is(table.chain('FORWARD').rules[0]!.target, undefined);
    await throws(RangeError, /^chain: expected a chain of table filter \(INPUT, .*got "nope"/, () =>
      table.chain('nope'),
    );
    // Every access gives the same frozen rule objects.
    assert.is(table.chain('INPUT').rules, table.chain('INPUT').rules);
    assert.throws(() => (table.chain('INPUT').rules as unknown[]).push(1));
    assert.is(JSON.parse(JSON.stringify(table)).chains.length, 6);
    await ipt.close();
  }
});

test('save() writes the same as iptables-save, with and without counters', async () => {
  for (const family of families) {
    reset();
    await loadCounted(family, text(family));
    load(family, '*nat\n:P - [0:0]\n-A POSTROUTING -j P\n-A P -j MASQUERADE\nCOMMIT\n');
    const ipt = open(family);
    for (const counters of [false, true]) {
      const ours = await ipt.save({ counters });
      assert.is(lines(ours).join('\n'), saved(family, { counters }));
      const first = ours.split('\n')[0]!;
      assert.match(
        first,
        new RegExp(`^# Generated by conntrack \\(${tool(family)}-save format\\) on `),
      );
    }
    const one = await ipt.save({ tables: ['nat'] });
    assert.is(lines(one).join('\n'), saved(family, { table: 'nat' }));
    await ipt.close();
  }
});

test('the fingerprint depends on content, not on counters', async () => {
  for (const family of families) {
    reset();
    await loadCounted(family, text(family));
    const ipt = open(family);
    const before = await ipt.read();
    await packets(family, 3);
    const counted = await ipt.read();
    assert.is(counted.fingerprint, before.fingerprint);
    assert.ok(counted.chain('OUTPUT').counters!.packets > before.chain('OUTPUT').counters!.packets);
    const prints = new Set([before.fingerprint]);
    for (const change of [
      ['-P', 'INPUT', 'ACCEPT'],
      ['-N', 'more'],
      ['-A', 'OUTPUT', '-j', 'ACCEPT'],
      ['-R', 'OUTPUT', '1', '-j', 'DROP'],
      ['-E', 'more', 'less'],
    ]) {
      iptables(family, ...change);
      prints.add((await ipt.read()).fingerprint);
    }
    assert.is(prints.size, 6);
    await ipt.close();
  }
});

test('a table outlives the instance that read it', async () => {
  await loadCounted('ipv4', text('ipv4'));
  let table: Awaited<ReturnType<Iptables['read']>>;
  {
    await using ipt = open('ipv4');
    table = await ipt.read();
  }
  iptables('ipv4', '-F');
  (globalThis as { gc?: () => void }).gc?.();
  assert.is(table.chain('Alpha').rules.length, 2);
  assert.is(String(table.chain('zeta').rules[0]), '-m mark --mark 0x1/0xff -j DROP');
});

test('bad arguments', async () => {
  const bad = (path: RegExp, options: unknown) =>
    throws(Error, path, () => openTables(options as object));
  await bad(/^options\.family: expected one of ipv4, ipv6, got "ipx"/, { family: 'ipx' });
  await bad(/^options\.netns: /, { netns: -1 });
  await bad(/^options\.net: there is no such field/, { net: 'x' });
  await bad(/^options\.backend: /, { backend: 'iptables' });
  await bad(/ENOENT.*\/run\/netns\/missing/, { netns: 'missing' });
  const ipt = open('ipv4');
  await throws(TypeError, /^table: /, () => ipt.read(7 as never));
  await throws(TypeError, /^table: /, () => ipt.read('a b'));
  await throws(RangeError, /^table: /, () => ipt.read('x'.repeat(40)));
  await throws(TypeError, /^options\.tables: /, () => ipt.save({ tables: 'nat' as never }));
  await throws(TypeError, /^text: /, () => ipt.restore(undefined as never));
  await throws(RangeError, /^options\.interval: /, () => ipt.watch({ interval: 1 }));
  await throws(TypeError, /^edit: /, () => ipt.edit('filter', undefined as never));
  await throws(RangeError, /^options\.lockTimeout: /, () =>
    ipt.edit('filter', () => {}, { lockTimeout: -1 }),
  );
  await throws(TypeError, /^options\.signal: /, () =>
    ipt.edit('filter', () => {}, { signal: {} as AbortSignal }),
  );
  await ipt.close();
  await throws(Error, /ERR_NETFILTER_CLOSED/, () => ipt.read());
});

test.run();

// Rules in iptables' tables of nf_tables that iptables did not make: they are read with what they have counted, and
// named. The nft tool makes them and lists their expressions.
import { assert, suite } from '../support/harness.js';
import { families, packets } from '../support/iptables-tables.js';
import {
  dumped,
  foreignRules,
  notTaken,
  open,
  places,
  readable,
  short,
  start,
  withSets,
  words,
} from '../support/nft-foreign.js';
import { nft, nftTool } from '../support/nft-tables.js';

const test = suite('foreign rules in nf_tables are read');

test('foreign rules are read, and have no words', async () => {
  for (const family of families) {
    const rules = [...foreignRules, notTaken, ...withSets];
    start(family, rules);
    const ipt = open(family);
    const list = dumped(family).filter(({ chain }) => chain === 'INPUT');
    const table = await ipt.read();
    const read = table.chain('INPUT').rules;
    assert.is(read.length, rules.length + 2);
    read.forEach((rule, index) => {
      const isForeign = index > 0 && index <= rules.length;
      const what = isForeign ? rules[index - 1] : 'a rule of iptables';
      assert.is(String(rule.nft?.handle), list[index]!.handle, what);
      assert.is(rule.nft?.foreign !== undefined, isForeign, what);
      assert.is(rule.inexact !== undefined, isForeign, what);
      if (!isForeign) return;
      assert.match(rule.toString(), /^# rule \d+ of nf_tables: /);
      const names = [...list[index]!.text.matchAll(/^\s*\[ (\w+)/gm)].map(([, name]) => name);
      assert.is(rule.nft!.foreign!.length, names.length, `${what}: ${rule.nft!.foreign}`);
      assert.match(rule.inexact!, `rule ${rule.nft!.handle} of nf_tables`);
      assert.is(rule.matches.length, 0);
      assert.is(rule.target, undefined);
    });
    assert.equal(table.foreign, []);
    await ipt.close();
  }
});

test('rules of the nft tool that iptables has words for', async () => {
  for (const family of families) {
    start(
      family,
      readable.map(([rule]) => rule),
    );
    const ipt = open(family);
    const rules = (await ipt.read()).chain('INPUT').rules.slice(1, -1);
    const prefix = family === 'ipv6' ? '/128' : '/32';
    const wanted = readable.map(([, text]) =>
      words(text, family).replace(/(-s \S+)/, `$1${prefix}`),
    );
    assert.equal(rules.map(String), wanted);
    assert.ok(
      rules.every(({ inexact, nft }) => inexact === undefined && nft!.foreign === undefined),
    );
    // What was written without a counter stays without one when its neighbours are edited.
    const before = dumped(family);
    const first = before.find(({ chain }) => chain === 'INPUT');
    await ipt.edit('filter', (table) => void table.chain('INPUT').delete(0));
    assert.equal(
      dumped(family),
      before.filter((rule) => rule !== first),
    );
    await ipt.close();
  }
});

test('a foreign rule has its counters, and its verdict decides', async () => {
  for (const family of families) {
    const { self } = places[family];
    const ip = short(family);
    start(family, [`udp dport 9 ${ip} saddr @hosts counter drop`, 'log group 4 counter']);
    nftTool('add', 'element', ip, 'filter', 'hosts', `{ ${self} }`);
    nft(family, '-A', 'INPUT', '-p', 'udp', '--dport', '9', '-m', 'comment', '--comment', 'seen');
    const ipt = open(family);
    const counts = async () =>
      (await ipt.read()).chain('INPUT').rules.map(({ counters }) => counters.packets);
    await packets(family, 3);
    assert.equal(await counts(), [0n, 3n, 0n, 0n, 0n]);
    // Behind the rule that counts it lets the packets reach it.
    await ipt.edit('filter', (table) => table.chain('INPUT').move(1, 4));
    await packets(family, 2);
    assert.equal(await counts(), [0n, 2n, 0n, 2n, 5n]);
    await ipt.edit('filter', (table) => table.chain('INPUT').move(4, 1));
    await packets(family, 1);
    assert.equal(await counts(), [0n, 6n, 2n, 0n, 2n]);
    await ipt.close();
  }
});

test.run();

// Rules that our own code writes into nf_tables: equal to what iptables-nft makes of the same text, byte for byte, but
// for a list of differences.
import type { RuleInit } from '../../src/iptables/rule/rule.js';
import { parseRule } from '../../src/iptables/rule/text.js';
import { writeCounters } from '../../src/iptables/xtables/entry.js';
import { encodeRule } from '../../src/iptables/xtables/rule-bytes.js';
import { assert, suite } from '../support/harness.js';
import type { Family } from '../support/iptables-tables.js';
import { families } from '../support/iptables-tables.js';
import { Netns } from '../support/netns.js';
import { differences } from '../support/nft-differences.js';
import { expressionsOf, NftTable, ruleCommand } from '../support/nft-write.js';
import { run } from '../support/process.js';
import { ruleCorpus } from '../support/rule-corpus.js';

const test = suite('rules written to nf_tables');
const tables = ['filter', 'mangle', 'nat', 'raw'] as const;
const names = ['first', 'second', 'foo', 'bar', 'foo6', 'bar6', 'counted', 'list', 'abc'];
const sets = {
  indexOf: (name: string) => (names.includes(name) ? names.indexOf(name) : undefined),
  nameOf: (index: number) => names[index],
};

interface Given {
  readonly text: string;
  readonly init: RuleInit;
  readonly entry: Uint8Array;
}

function given(text: string, family: Family): Given {
  const init = parseRule(text, { family, sets });
  return { text, init, entry: encodeRule(init, { family, sets }) };
}

/** The counters of a rule in the comparison: each has others. ip6tables-nft-restore 1.8.9 reads none. */
const countersOf = (index: number, family: Family) =>
  family === 'ipv6'
    ? { packets: 0, bytes: 0 }
    : { packets: index * 7919, bytes: index * 104729 + 1 };

/** The chains that the rules lead to. */
function chainsOf(rules: readonly Given[]): string[] {
  const chains = new Set<string>();
  for (const { init } of rules) {
    const { target } = init;
    if (target?.name === 'jump' || target?.name === 'goto') chains.add(target.chain);
  }
  return [...chains];
}

const differenceOf = ({ text }: Given, family: Family) =>
  differences.find((one) => one.is?.test(text) && (one.family ?? family) === family);

interface Taken {
  rules: Given[];
  /** What iptables-nft cannot read is the same in every table. */
  unreadable: Set<Given>;
}

/** The rules that iptables-nft takes in this table. The chain THEIRS has them then, and nothing else is there. */
function take(table: NftTable, rules: readonly Given[]): Taken {
  const unreadable = new Set<Given>();
  /** Returns those that are left, or undefined if the batch was taken. */
  const load = (batch: readonly Given[]) => {
    const head = [':THEIRS - [0:0]', ...chainsOf(batch).map((name) => `:${name} - [0:0]`)];
    const lines = batch.map(({ text }, index) => {
      const { packets, bytes } = countersOf(index, table.family);
      return `[${packets}:${bytes}] -A THEIRS ${text}`;
    });
    const done = table.restore([...head, ...lines], '--counters');
    if (done.status === 0) return undefined;
    // The first line is the table's. A line that cannot be read ends the reading; the kernel names all bad ones.
    const at = (match: RegExpMatchArray) => batch[Number(match[1]) - 2 - head.length];
    const bad = new Set([...done.err.matchAll(/line:? (\d+)/g)].map(at));
    const unread = /Error occurred at line: (\d+)/.exec(done.err);
    if (unread !== null) unreadable.add(at(unread)!);
    const left = batch.filter((rule) => !bad.has(rule));
    if (left.length === batch.length) throw new Error(done.err);
    return left;
  };
  const good: Given[] = [];
  const together = 128;
  for (let at = 0; at < rules.length; at += together) {
    let batch = rules.slice(at, at + together);
    for (let left = load(batch); left !== undefined; left = load(batch)) batch = left;
    good.push(...batch);
  }
  if (load(good) !== undefined) throw new Error(`${table.table}: refused together, taken in parts`);
  return { rules: good, unreadable };
}

/** Writes the rules into the chain OURS, in one transaction. */
function write(table: NftTable, rules: readonly Given[]): void {
  table.commit(
    ...chainsOf(rules).map((name) => `known ${name}`),
    'chain OURS',
    ...rules.map(({ entry }, index) => {
      const { packets, bytes } = countersOf(index, table.family);
      const counted = Uint8Array.from(entry);
      writeCounters(counted, table.family, { packets: BigInt(packets), bytes: BigInt(bytes) });
      return ruleCommand('OURS', counted);
    }),
  );
}

/** Compares what the kernel dumps. Returns the indexes of the rules in another form. */
function compared(table: NftTable, rules: readonly Given[], problems: string[]): Set<number> {
  const ours = table.dump('OURS');
  const theirs = table.dump('THEIRS');
  assert.is(ours.length, rules.length);
  assert.is(theirs.length, rules.length);
  const other = new Set<number>();
  rules.forEach((rule, index) => {
    const same = ours[index]!.expressions === theirs[index]!.expressions;
    if (!same) other.add(index);
    if (same !== (differenceOf(rule, table.family) !== undefined)) return;
    const form = (dump: typeof ours) => expressionsOf(dump[index]!.expressions).join('\n    ');
    problems.push(
      same
        ? `${rule.text}\n  the list has this form as different, and it is the same`
        : `${rule.text}\n  ours\n    ${form(ours)}\n  theirs\n    ${form(theirs)}`,
    );
  });
  return other;
}

for (const family of families) {
  test(`${family}: every rule of the tests, as iptables-nft writes, prints, finds and deletes it`, () => {
    const inet = family === 'ipv6' ? 'inet6' : 'inet';
    const options = ['hash:ip', 'family', inet, 'counters', 'timeout', '0', 'skbinfo'];
    for (const name of names) run(['ipset', 'create', name, ...options]);
    // -C does not allow counters.
    const texts = ruleCorpus(family, sets).filter((text) => !/(^| )(-c|--set-counters)/.test(text));
    let left = texts.map((text) => given(text, family));
    let held = 0;
    const problems: string[] = [];
    const met = new Set<string>();
    for (const name of tables) {
      const table = new NftTable(Netns.current, family, name);
      const { rules, unreadable } = take(table, left);
      const gone = new Set([...rules, ...unreadable]);
      left = left.filter((rule) => !gone.has(rule));
      held += rules.length;
      write(table, rules);
      const other = compared(table, rules, problems);
      for (const index of other) met.add(differenceOf(rules[index]!, family)?.reason ?? '');
      const printed = table.saved('OURS');
      const expected = table.saved('THEIRS');
      assert.is(printed.length, rules.length);
      const same = rules.filter((_, index) => !other.has(index));
      rules.forEach(({ text }, index) => {
        if (other.has(index) || printed[index] === expected[index]) return;
        problems.push(`${text}\n  printed ${printed[index]}\n  not ${expected[index]}`);
      });
      // Only those in iptables-nft's form: it finds a rule by what it reads of its own form.
      const handles = table.dump('OURS').map(({ handle }) => handle);
      table.commit(...[...other].map((index) => `delete OURS ${handles[index]}`));
      const check = same.slice(0, 100).map(({ text }) => `-C OURS ${text}`);
      const found = table.restore([...check, ...same.map(({ text }) => `-D OURS ${text}`)], '-n');
      if (found.status !== 0) problems.push(`${name}: ${found.err}`);
      else assert.equal(table.dump('OURS'), []);
      table.commit('remove OURS');
      table.restore([]);
    }
    for (const name of names) run(['ipset', 'destroy', name]);
    if (problems.length > 0) {
      throw new Error(
        `${problems.length} problems, the first:\n${problems.slice(0, 25).join('\n')}`,
      );
    }
    assert.ok(held > 3000, `${held} rules were in nf_tables`);
    const wanted = differences.filter((one) => one.is && (one.family ?? family) === family);
    assert.equal([...met].sort(), wanted.map(({ reason }) => reason).sort());
  });
}

test.run();

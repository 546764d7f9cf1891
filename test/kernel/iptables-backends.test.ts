// Every rule text of the tests, in both backends. The same rule is equal in both, and has the same text: what iptables
// wrote and we read, and what we wrote. iptables-nft-save prints our rules as we do.
// Limit: 900 s (seven thousand rules, in two backends)
import { Iptables } from '../../src/iptables/iptables.js';
import type { Rule, RuleInit } from '../../src/iptables/rule/rule.js';
import { parseRule } from '../../src/iptables/rule/text.js';
import {
  changedByTool,
  printedByTool,
  type RuleDifference,
  refusedByTool,
  writtenByUs,
} from '../support/backend-differences.js';
import { assert, suite } from '../support/harness.js';
import { type Family, families, load } from '../support/iptables-tables.js';
import { nftAppend, nftReset, nftSaved } from '../support/nft-tables.js';
import { run } from '../support/process.js';
import { ruleCorpus } from '../support/rule-corpus.js';

const test = suite('one rule in two backends');
const tables = ['filter', 'mangle', 'nat', 'raw'] as const;
const chain = 'CORPUS';
const names = ['first', 'second', 'foo', 'bar', 'foo6', 'bar6', 'counted', 'list', 'abc'];
const sets = {
  indexOf: (name: string) => (names.includes(name) ? names.indexOf(name) : undefined),
  nameOf: (index: number) => names[index],
};
const together = 64;

/** Without the counters, and as plain data. */
function fields(rule: Rule): Record<string, unknown> {
  const { counters: _, ...rest } = rule;
  return { ...rest };
}

function isListed(list: readonly RuleDifference[], text: string): boolean {
  const found = list.find(({ rule }) => rule.test(text));
  if (found !== undefined) met.add(found);
  return found !== undefined;
}
/** The listed differences that a rule showed. One that none shows is no difference. */
const met = new Set<RuleDifference>();

const builtin = /^(INPUT|FORWARD|OUTPUT|PREROUTING|POSTROUTING)$/;
const jumpsOf = (rules: readonly RuleInit[]) => [
  ...new Set(
    rules.flatMap(({ target }) =>
      target?.name === 'jump' || target?.name === 'goto' ? [target.chain] : [],
    ),
  ),
];

/** Makes the chain with these rules, and the chains that they lead to. */
async function put(ipt: Iptables, table: string, rules: readonly RuleInit[]): Promise<void> {
  await ipt.edit(table, (t) => {
    t.clear();
    const made = t.newChain(chain);
    for (const name of jumpsOf(rules)) if (!t.has(name)) t.newChain(name);
    for (const rule of rules) made.append(rule);
  });
}

/** Those of the rules that the table takes. */
async function taken(ipt: Iptables, table: string, rules: readonly RuleInit[]) {
  const good: RuleInit[] = [];
  const bad: RuleInit[] = [];
  const tryAll = async (some: readonly RuleInit[]): Promise<void> => {
    if (some.length === 0) return;
    try {
      await put(ipt, table, some);
      good.push(...some);
    } catch (error) {
      if (!(error instanceof Error)) throw error;
      if (some.length === 1) {
        bad.push(some[0]!);
        return;
      }
      await tryAll(some.slice(0, some.length >> 1));
      await tryAll(some.slice(some.length >> 1));
    }
  };
  for (let at = 0; at < rules.length; at += together) await tryAll(rules.slice(at, at + together));
  return { good, bad };
}

const rulesOf = async (ipt: Iptables, table: string) => (await ipt.read(table)).chain(chain).rules;

class Column {
  readonly problems: string[] = [];
  compared = 0;

  /** Compares the rules of both backends, and the text of iptables-nft-save. */
  compare(
    what: string,
    legacy: readonly Rule[],
    nft: readonly Rule[],
    saved: readonly string[],
    differences: readonly RuleDifference[],
  ): void {
    assert.is(nft.length, legacy.length, what);
    assert.is(saved.length, nft.length, what);
    legacy.forEach((one, index) => {
      const other = nft[index]!;
      const text = String(one);
      this.compared++;
      try {
        assert.equal(fields(other), fields(one));
        assert.is(String(other), text);
      } catch {
        if (!isListed(differences, text)) this.#tell(what, text, `nft: ${other}`);
      }
      const printed = String(other);
      if (saved[index] === printed || isListed(printedByTool, printed)) return;
      this.#tell(what, printed, `iptables-nft-save: ${saved[index]}`);
    });
  }

  #tell(what: string, text: string, how: string): void {
    this.problems.push(`${what}: ${text}\n  ${how}`);
  }
}

function savedRules(family: Family, table: string): string[] {
  const lead = `-A ${chain}`;
  return nftSaved(family, table)
    .filter((line) => line === lead || line.startsWith(`${lead} `))
    .map((line) => line.slice(lead.length + 1));
}

for (const family of families) {
  test(`${family}: what iptables writes, and what we write`, async () => {
    nftReset();
    const inet = family === 'ipv6' ? 'inet6' : 'inet';
    const extra = ['counters', 'timeout', '0', 'skbinfo'];
    for (const name of names) {
      run(['ipset', 'create', name, 'hash:ip', 'family', inet, ...extra]);
    }
    await using legacy = Iptables.open({ family, backend: 'legacy' });
    await using nft = Iptables.open({ family, backend: 'nft' });
    const column = new Column();
    let left = ruleCorpus(family, sets).flatMap((text): RuleInit[] => {
      try {
        return [parseRule(text, { family, sets })];
      } catch {
        return [];
      }
    });
    for (const table of tables) {
      const { good, bad } = await taken(legacy, table, left);
      left = bad;
      // What we write.
      const { good: both, bad: refused } = await taken(nft, table, good);
      assert.equal(refused, [], 'nf_tables takes every rule that legacy takes');
      await put(legacy, table, both);
      await put(nft, table, both);
      const texts = (await rulesOf(legacy, table)).map(String);
      column.compare(
        `${table}, written by us`,
        await rulesOf(legacy, table),
        await rulesOf(nft, table),
        savedRules(family, table),
        writtenByUs,
      );
      // What iptables writes, from one text.
      nftReset();
      const chains = [chain, ...jumpsOf(both).filter((name) => !builtin.test(name))];
      const no = nftAppend(
        family,
        table,
        chains,
        texts.map((text) => `${chain} ${text}`),
      );
      const hard = texts.filter((text, index) => no.has(index) && !text.includes('--raw-payload'));
      assert.equal(
        hard.filter((text) => !isListed(refusedByTool, text)),
        [],
        'iptables-nft takes every rule that is not listed',
      );
      const kept = texts.filter((_, index) => !no.has(index));
      load(
        family,
        [
          `*${table}`,
          ...chains.map((name) => `:${name} - [0:0]`),
          ...kept.map((text) => `-A ${chain} ${text}`),
          'COMMIT\n',
        ].join('\n'),
      );
      column.compare(
        `${table}, written by iptables`,
        await rulesOf(legacy, table),
        await rulesOf(nft, table),
        savedRules(family, table),
        changedByTool,
      );
      nftReset();
      await legacy.edit(table, (t) => t.clear());
    }
    for (const name of names) run(['ipset', 'destroy', name]);
    const { problems, compared } = column;
    if (problems.length > 0) {
      throw new Error(
        `${problems.length} of ${compared}, the first:\n${problems.slice(0, 30).join('\n')}`,
      );
    }
    assert.ok(compared > 5000, `${compared} rules were compared`);
  });
}

test('every listed difference is one', () => {
  const lists = { changedByTool, printedByTool, refusedByTool, writtenByUs };
  for (const [name, list] of Object.entries(lists)) {
    for (const each of list) assert.ok(met.has(each), `${name}: ${each.rule} fits no rule`);
  }
});

test.run();

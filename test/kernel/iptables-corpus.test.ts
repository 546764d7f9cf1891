// Every rule text of the tests that the kernel takes. iptables finds and deletes each rule that the package wrote.
// After a restore of save(), the package finds each rule by its original text.
// Limit: 900 s (eight thousand rules, each in a table of the kernel)

import { spawnSync } from 'node:child_process';
import { parseSave } from '../../src/iptables/edit/parse-save.js';
import { Iptables } from '../../src/iptables/iptables.js';
import type { Rule, RuleInit } from '../../src/iptables/rule/rule.js';
import { parseRule, sameRule } from '../../src/iptables/rule/text.js';
import { formatSave } from '../../src/iptables/table/save.js';
import type { Chain, Table } from '../../src/iptables/table/table.js';
import { bytesToText, textToBytes } from '../../src/iptables/text/encoding.js';
import { assert, suite } from '../support/harness.js';
import type { Family } from '../support/iptables-tables.js';
import { families, reset, tool } from '../support/iptables-tables.js';
import { run } from '../support/process.js';
import { ruleCorpus } from '../support/rule-corpus.js';

const test = suite('every rule of the tests, in the kernel');
const tables = ['filter', 'mangle', 'nat', 'raw'] as const;
const chain = 'CORPUS';
const names = ['first', 'second', 'foo', 'bar', 'foo6', 'bar6', 'counted', 'list', 'abc'];
const sets = {
  indexOf: (name: string) => (names.includes(name) ? names.indexOf(name) : undefined),
  nameOf: (index: number) => names[index],
};

const plain = ({ name, builtin, policy, counters, references, length }: Chain) => ({
  ...{ name, builtin, policy, counters, references, length },
});

interface Given {
  readonly text: string;
  readonly init: RuleInit;
}

/** The most rules in one edit. A refused rule costs one more edit, and few rules are left after filter. */
const together = { filter: 64, mangle: 8, nat: 8, raw: 8 };

class Corpus {
  readonly #ipt: Iptables;
  readonly #table: (typeof tables)[number];
  readonly problems: string[] = [];
  /** Rules that were in the kernel, by their content. */
  readonly seen = new Set<string>();
  held = 0;
  raw = 0;

  constructor(ipt: Iptables, table: (typeof tables)[number]) {
    this.#ipt = ipt;
    this.#table = table;
  }

  /** Tries the rules in batches. Returns those that the table refuses. */
  async take(rules: readonly Given[]): Promise<Given[]> {
    const refused: Given[] = [];
    for (let at = 0; at < rules.length; ) {
      let batch = rules.slice(at, at + together[this.#table]);
      at += batch.length;
      for (;;) {
        const bad = await this.#put(batch);
        if (bad === undefined) break;
        refused.push(batch[bad]!);
        batch = batch.filter((_, index) => index !== bad);
      }
      if (batch.length > 0) await this.#look(batch);
    }
    return refused;
  }

  /** Puts the rules into the chain. Returns the index of a refused one. */
  async #put(batch: readonly Given[]): Promise<number | undefined> {
    const { family } = this.#ipt;
    let step = 0;
    try {
      await this.#ipt.edit(this.#table, (t) => {
        t.clear();
        const edited = t.newChain(chain);
        for (step = 0; step < batch.length; step++) {
          const { init } = batch[step]!;
          const { target } = init;
          const isJump = target?.name === 'jump' || target?.name === 'goto';
          if (isJump && !t.has(target.chain)) t.newChain(target.chain);
          edited.append(init);
        }
      });
      return undefined;
    } catch (error) {
      if (!(error instanceof Error)) throw error;
      // append() refused the rule, or the commit named it, or named an object in it. Otherwise each is tried alone.
      if (step < batch.length) return step;
      const named = new RegExp(`rule (\\d+) of chain ${chain}\\b`).exec(error.message)?.[1];
      if (named !== undefined && Number(named) < batch.length) return Number(named);
      const missing = /the kernel has no (?:match|target) (\S+) of revision/.exec(
        error.message,
      )?.[1];
      if (missing !== undefined) {
        const word = new RegExp(`(^|\\s)-[mj] ?${missing}\\b`);
        const found = batch.findIndex(({ text }) => word.test(text));
        if (found >= 0) return found;
      }
      if (batch.length === 1) return 0;
      for (const [index, one] of batch.entries()) {
        if ((await this.#put([one])) !== undefined) return index;
      }
      throw new Error(`${family}, ${this.#table}: refused together, taken alone: ${error.message}`);
    }
  }

  async #look(batch: readonly Given[]): Promise<void> {
    this.held += batch.length;
    const table = await this.#ipt.read(this.#table);
    const { rules } = table.chain(chain);
    assert.is(rules.length, batch.length);
    for (const rule of rules) {
      for (const match of rule.matches) this.seen.add(`match ${match.name}`);
      if (rule.target !== undefined) this.seen.add(`target ${rule.target.name}`);
    }
    await this.#said(table);
    await this.#found(batch, 'as it was appended', String);
    await this.#ipt.restore(await this.#ipt.save({ tables: [this.#table] }));
    await this.#found(batch, 'as it was restored', (rule) => ({ ...rule }) as Rule);
    this.#foundByIptables(batch, rules);
  }

  /** The text of the table, parsed without a kernel, gives the same rules. */
  async #said(table: Table): Promise<void> {
    const { family } = this.#ipt;
    const text = await this.#ipt.save({ tables: [this.#table], counters: true });
    const [parsed] = parseSave(text, { family });
    assert.equal([...parsed!.chains.keys()], [...table.chains.keys()]);
    for (const [name, chain] of table.chains) {
      const said = parsed!.chain(name);
      assert.equal(plain(said), plain(chain));
      said.rules.forEach((rule, index) => {
        // The text can leave out fields (`-i +`), and can use other fields with the same meaning.
        const read = chain.rules[index]!;
        if (String(rule) === String(read) && sameRule(rule, read)) return;
        this.problems.push(`${rule}\n  parsed, it is not the rule that was read: ${read}`);
      });
    }
    const lines = (all: string) => all.split('\n').filter((line) => !line.startsWith('#'));
    assert.equal(lines(formatSave(parsed!, { counters: true })), lines(text));
  }

  /** indexOf() finds the rule by its original text and by one more form. */
  async #found(
    batch: readonly Given[],
    how: string,
    form: (rule: Rule) => Rule | string,
  ): Promise<void> {
    await this.#ipt.edit(this.#table, (t) => {
      const edited = t.chain(chain);
      const { rules } = edited;
      assert.is(rules.length, batch.length, how);
      batch.forEach(({ text }, index) => {
        for (const asked of [text, form(rules[index]!)]) {
          const at = edited.indexOf(asked);
          // An equal rule may come before it.
          if (at >= 0 && at <= index) continue;
          this.problems.push(`${text}\n  ${how}: indexOf ${asked} is ${at}, not ${index}`);
        }
      });
    });
  }

  /** One process does -C for every rule and then -D. Afterwards the chain is empty. */
  #foundByIptables(batch: readonly Given[], rules: readonly Rule[]): void {
    const texts = batch.map((each, index) => ({ ...each, printed: String(rules[index]) }));
    const known = texts.filter(({ printed }) => !printed.includes('--raw-payload'));
    this.raw += texts.length - known.length;
    if (known.length === 0) return;
    const said = this.#iptables([
      ...known.map(({ printed }) => `-C ${chain} ${printed}`),
      ...known.map(({ printed }) => `-D ${chain} ${printed}`),
    ]);
    if (said === undefined) {
      const left = this.#saved();
      if (left !== texts.length - known.length) {
        this.problems.push(`${left} rules are left of ${texts.length}: ${known[0]!.text} …`);
      }
      return;
    }
    // To find the bad rules: one process for each, on the unchanged table.
    for (const { printed, text } of known) {
      const told =
        this.#iptables([`-C ${chain} ${printed}`]) ?? this.#iptables([`-D ${chain} ${printed}`]);
      if (told !== undefined) this.problems.push(`${text}\n  printed ${printed}\n  ${told}`);
    }
  }

  /** The complaint of iptables, or undefined. */
  #iptables(lines: readonly string[]): string | undefined {
    const input = textToBytes([`*${this.#table}`, ...lines, 'COMMIT', ''].join('\n'));
    const done = spawnSync(`${tool(this.#ipt.family)}-legacy-restore`, ['--noflush'], { input });
    return done.status === 0
      ? undefined
      : bytesToText(done.stderr).trim() || `status ${done.status}`;
  }

  #saved(): number {
    const text = run([`${tool(this.#ipt.family)}-legacy-save`, '-t', this.#table]);
    return text.split('\n').filter((line) => line.startsWith(`-A ${chain}`)).length;
  }
}

function parsed(text: string, family: Family): Given | undefined {
  try {
    return { text, init: parseRule(text, { family, sets }) };
  } catch {
    return undefined;
  }
}

for (const family of families) {
  test(`${family}: iptables -C and -D find every rule that we wrote; has() every one of save()`, async () => {
    reset();
    const inet = family === 'ipv6' ? 'inet6' : 'inet';
    for (const name of names) {
      run([
        'ipset',
        'create',
        name,
        'hash:ip',
        'family',
        inet,
        'counters',
        'timeout',
        '0',
        'skbinfo',
      ]);
    }
    await using ipt = Iptables.open({ family, backend: 'legacy' });
    let left = ruleCorpus(family, sets).flatMap((text) => parsed(text, family) ?? []);
    const all = left.length;
    let held = 0;
    let raw = 0;
    const problems: string[] = [];
    const seen = new Set<string>();
    for (const table of tables) {
      const corpus = new Corpus(ipt, table);
      left = await corpus.take(left);
      held += corpus.held;
      raw += corpus.raw;
      problems.push(...corpus.problems);
      for (const name of corpus.seen) seen.add(name);
      await ipt.edit(table, (t) => t.clear());
    }
    for (const name of names) run(['ipset', 'destroy', name]);
    if (problems.length > 0) {
      throw new Error(`${problems.length} rules, the first:\n${problems.slice(0, 25).join('\n')}`);
    }
    assert.ok(held > 1500, `${held} of ${all} rules were in the kernel`);
    assert.ok(raw < held / 20, `${raw} have no text for iptables`);
    assert.ok(seen.size > 60, `${[...seen].join(', ')}`);
  });
}

test.run();

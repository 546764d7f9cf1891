// Applies changes to a table, and says what the table holds then: texts of rules, without counters.
import type { Difference, Rule, Table } from '../../src/index.js';
import { assert } from './harness.js';

/** The text of a rule. The number of a foreign rule is left out: rules of the same content are the same. */
export const textOf = (rule: Rule) =>
  rule.nft?.foreign === undefined ? String(rule) : `# ${rule.nft.foreign.join(' ')}`;

interface MirrorChain {
  builtin: boolean;
  policy: string | undefined;
  rules: string[];
}

export class Mirror {
  readonly #builtin: readonly string[];
  #registered: boolean;
  readonly #chains = new Map<string, MirrorChain>();
  readonly #foreign = new Map<string, number>();

  constructor(table: Table) {
    this.#registered = table.registered;
    for (const { name, builtin, policy, rules } of table.chains.values()) {
      this.#chains.set(name, { builtin, policy, rules: rules.map(textOf) });
    }
    for (const { name, rules } of table.foreign) this.#foreign.set(name, rules);
    this.#builtin = [...this.#chains].filter(([, { builtin }]) => builtin).map(([name]) => name);
  }

  apply(differences: readonly Difference[]): void {
    assert.ok(differences.length > 0, 'a change has differences');
    for (const each of differences) this.#apply(each);
  }

  #apply(each: Difference): void {
    switch (each.type) {
      case 'tableAdded':
      case 'tableDeleted':
        assert.is(this.#registered, each.type === 'tableDeleted');
        this.#registered = each.type === 'tableAdded';
        return;
      case 'chainAdded': {
        assert.not.ok(this.#chains.has(each.chain), `chain ${each.chain} is new`);
        const builtin = this.#builtin.includes(each.chain);
        const policy = builtin ? 'ACCEPT' : undefined;
        this.#chains.set(each.chain, { builtin, policy, rules: [] });
        return;
      }
      case 'chainDeleted':
        assert.equal(this.#chain(each.chain).rules, []);
        this.#chains.delete(each.chain);
        return;
      case 'chainRenamed': {
        assert.not.ok(this.#chains.has(each.chain), `chain ${each.chain} is new`);
        this.#chains.set(each.chain, this.#chain(each.was));
        this.#chains.delete(each.was);
        for (const { rules } of this.#chains.values()) {
          rules.forEach((rule, i) => {
            rules[i] = rule.replace(/(-[jg]) (\S+)$/, (all, option, name) =>
              name === each.was ? `${option} ${each.chain}` : all,
            );
          });
        }
        return;
      }
      case 'policyChanged':
        assert.is(this.#chain(each.chain).policy, each.was);
        this.#chain(each.chain).policy = each.policy;
        return;
      case 'ruleAdded': {
        const { rules } = this.#chain(each.chain);
        assert.ok(each.index <= rules.length, `${each.index} of ${rules.length}`);
        rules.splice(each.index, 0, textOf(each.rule));
        return;
      }
      case 'ruleDeleted': {
        const { rules } = this.#chain(each.chain);
        assert.is(rules[each.index], textOf(each.rule), `rule ${each.index} of ${each.chain}`);
        rules.splice(each.index, 1);
        return;
      }
      case 'foreignDeleted':
        assert.ok(this.#foreign.delete(each.chain));
        return;
      default:
        assert.is(this.#foreign.has(each.chain), each.type === 'foreignChanged');
        this.#foreign.set(each.chain, each.foreign.rules);
    }
  }

  #chain(name: string): MirrorChain {
    const found = this.#chains.get(name);
    assert.ok(found, `there is a chain ${name}`);
    return found!;
  }

  /** What it holds, in no order of chains. */
  get content(): object {
    const sorted = <T>(map: Map<string, T>) => [...map].sort(([a], [b]) => (a < b ? -1 : 1));
    return {
      registered: this.#registered,
      chains: sorted(this.#chains),
      foreign: sorted(this.#foreign),
    };
  }
}

/** A difference in a line. */
export function line(each: Difference): string {
  switch (each.type) {
    case 'tableAdded':
    case 'tableDeleted':
      return each.type;
    case 'chainRenamed':
      return `chainRenamed ${each.was} ${each.chain}`;
    case 'policyChanged':
      return `policyChanged ${each.chain} ${each.was} ${each.policy}`;
    case 'ruleAdded':
    case 'ruleDeleted':
      return `${each.type} ${each.chain} ${each.index} ${textOf(each.rule)}`.trimEnd();
    case 'foreignAdded':
    case 'foreignDeleted':
    case 'foreignChanged':
      return `${each.type} ${each.chain} ${each.foreign.hook ?? '-'} ${each.foreign.rules}`;
    default:
      return `${each.type} ${each.chain}`;
  }
}

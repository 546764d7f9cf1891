// What a caller does to one chain inside `edit`. Records it; the commit comes later, as a whole. Refuses what
// iptables refuses and its library would take. Knows no system call.

import { booleanAt, listAt, optionsAt } from '../../checks.js';
import { badRange, badType, quoted, TableError } from '../../errors.js';
import { checkCounters } from '../rule/check.js';
import { type Counters, givenRule, type Rule, type RuleInput, ruleKey } from '../rule/rule.js';
import { parseChecked } from '../rule/text.js';
import type { Policy } from '../table/reading.js';
import { noChain } from '../table/table.js';
import { refused, within } from '../text/refused.js';
import type { ChainState, ItemCounters, NewItem } from './change.js';
import { initOf, newItem } from './change.js';
import { type EnsurePlace, ensurePlaceAt } from './ensure.js';
import { checkPlace, noFiltering } from './place.js';
import type { EditState } from './state.js';

/** Whether the new rule takes over the counters of the old one. */
export interface ReplaceOptions {
  /**
   * The new rule goes on with the counters that the old one has at the commit. Otherwise its counters are
   * `rule.counters`, or zero, as with `iptables -R`.
   */
  keepCounters?: boolean | undefined;
}

const replaceFields = new Set(['keepCounters']);

/**
 * A chain inside `edit`. Rules are counted from 0, as in an array. After the edit its methods throw a TypeError.
 * After the chain was deleted they throw a {@link TableError} (`ERR_NETFILTER_NO_CHAIN`).
 */
export class ChainEdit {
  readonly #state: EditState;
  readonly #chain: ChainState;

  /** @internal */
  constructor(state: EditState, chain: ChainState) {
    this.#state = state;
    this.#chain = chain;
  }

  /** The name of the chain as it is now. */
  get name(): string {
    return this.#chain.name;
  }
  /** One of the table's own chains, which packets enter from a hook. */
  get builtin(): boolean {
    return this.#chain.builtin;
  }
  /** The number of rules now. */
  get length(): number {
    return this.#state.length(this.#chain);
  }
  /** The rules as they are now, with the changes of this edit so far. */
  get rules(): readonly Rule[] {
    this.#check();
    return Array.from({ length: this.length }, (_, index) => this.#state.rule(this.#chain, index));
  }

  /**
   * Adds rules at the end. A text with lists of addresses adds one rule for each pair.
   * @throws {TypeError | RangeError} for a rule that is wrong, or has no place in this chain or table
   */
  append(...rules: RuleInput[]): this {
    return this.appendAll(rules);
  }

  /**
   * The same for an array.
   * @throws {TypeError | RangeError} for a rule that is wrong, or has no place in this chain or table
   */
  appendAll(rules: readonly RuleInput[]): this {
    this.#check();
    const made = this.#make(listAt(rules, 'rules', 'an array of rules') as RuleInput[]);
    this.#state.append(this.#chain, made);
    return this;
  }

  /**
   * Adds a rule (or the rules that a text with lists means) before the rule at `index`; default 0.
   * @throws {TypeError | RangeError} for a rule that is wrong, or has no place in this chain or table
   * @throws {TableError} `ERR_NETFILTER_NO_RULE` for an index above the number of rules
   */
  insert(rule: RuleInput, index = 0): this {
    this.#check();
    if (index === 0) {
      this.#state.prepend(this.#chain, this.#make([rule]));
      return this;
    }
    this.#index(index, this.length);
    this.#state.splice(this.#chain, index, 0, this.#make([rule]));
    return this;
  }

  /**
   * Replaces a rule by another one.
   * @throws {TypeError | RangeError} for a rule that is wrong, or has no place in this chain or table
   * @throws {TableError} `ERR_NETFILTER_NO_RULE` for an index without a rule
   */
  replace(index: number, rule: RuleInput, options: ReplaceOptions = {}): this {
    this.#check();
    this.#index(index, this.length - 1);
    const given = optionsAt(options, 'options', replaceFields);
    const keepCounters =
      given.keepCounters !== undefined && booleanAt(given.keepCounters, 'options.keepCounters');
    const made = this.#make([rule]);
    if (made.length !== 1)
      throw refused('rule', `it means ${made.length} rules, but only one is replaced`);
    const [item] = made as [NewItem];
    const counters = keepCounters ? this.#countersAt(index) : undefined;
    this.#state.splice(this.#chain, index, 1, [
      counters === undefined ? item : { ...item, counters },
    ]);
    return this;
  }

  /** The counters of a rule as they will be at the commit. */
  #countersAt(index: number): ItemCounters {
    const item = this.#state.item(this.#chain, index);
    if (typeof item === 'number') return { of: item };
    return item.counters ?? this.#state.view(item).counters;
  }

  /**
   * Deletes the rule at an index, or the first rule that means the same as the given one (compares typed values,
   * without counters). A text that means several rules deletes each of them.
   * @returns whether there was such a rule; for several rules, whether all were there
   * @throws {TableError} `ERR_NETFILTER_NO_RULE` for an index without a rule
   */
  delete(rule: number | RuleInput): boolean {
    this.#check();
    if (typeof rule === 'number') {
      this.#index(rule, this.length - 1);
      this.#state.splice(this.#chain, rule, 1, []);
      return true;
    }
    const found = this.#make([rule]).map((item) => {
      const index = this.#find(item);
      if (index >= 0) this.#state.splice(this.#chain, index, 1, []);
      return index >= 0;
    });
    return found.every(Boolean);
  }

  /**
   * Deletes every rule for which the function returns true. Returns how many it deleted. Rules that the function adds
   * at the end of this chain stay.
   * @throws {TypeError} if the function changes anything else of this chain, or is not a function
   */
  deleteWhere(unwanted: (rule: Rule, index: number) => boolean): number {
    if (typeof unwanted !== 'function') throw badType('unwanted', 'a function', unwanted);
    this.#check();
    const before = [...this.#state.items(this.#chain)];
    const gone = this.rules.map((rule, index) => Boolean(unwanted(rule, index)));
    // Rules that the function has added at the end stay. After any other change the indexes would mean other rules.
    const items = this.#state.items(this.#chain);
    if (before.some((item, index) => items[index] !== item)) {
      throw new TypeError(
        'deleteWhere: the function may add rules to the end of the chain that it is asked about, and change nothing else of it',
      );
    }
    const keep = items.filter((_, index) => gone[index] !== true);
    if (keep.length < items.length) this.#state.splice(this.#chain, 0, items.length, keep);
    return gone.filter(Boolean).length;
  }

  /**
   * The index of the first rule that means the same, or -1. As `iptables -C`, but compares typed values.
   * @throws {TypeError | RangeError} for a rule that is wrong, and for a text that means several
   */
  indexOf(rule: RuleInput): number {
    this.#check();
    return this.#find(this.#only(rule, 'rule'));
  }

  #only(rule: RuleInput, path: string): NewItem {
    const made = this.#make([rule], path);
    if (made.length !== 1) throw refused(path, `it means ${made.length} rules`);
    return made[0]!;
  }

  /**
   * Whether there is a rule that means the same.
   * @throws {TypeError | RangeError} as `indexOf`
   */
  has(rule: RuleInput): boolean {
    this.#check();
    this.#state.length(this.#chain); // ends the function here if the rules were not read
    return this.#state.finder.has(this.#chain, this.#only(rule, 'rule'));
  }

  /**
   * Adds what is missing: a rule that means the same as one of the chain is not added again. As
   * `iptables -C || iptables -A`, but compares typed values, without counters. Several rules are added in their order
   * at one place; those that are there stay where they are. A rule that is given twice is added once. For text with
   * lists of addresses each of its rules counts. An edit that adds nothing commits nothing.
   * @param where where it adds them; at the end unless given. Only if something is missing, an index must be one of the
   *   chain (or its end), and the rule of `before` or `after` must be there
   * @returns for one rule or text whether something was added; for a list how many rules were added
   * @throws {TypeError | RangeError} for a rule that is wrong, or has no place in this chain or table, for a wrong
   *   `where`, and for a text in `before` or `after` that means several rules
   * @throws {TableError} `ERR_NETFILTER_NO_RULE` if something is missing and there is no such place
   */
  ensure(rule: RuleInput, where?: EnsurePlace): boolean;
  ensure(rules: readonly RuleInput[], where?: EnsurePlace): number;
  ensure(rules: RuleInput | readonly RuleInput[], where: EnsurePlace = 'last'): boolean | number {
    this.#check();
    const place = ensurePlaceAt(where, 'where');
    // If the rules were not read yet, this ends here, before the texts are read.
    const end = this.length;
    const made = this.#make(Array.isArray(rules) ? rules : [rules as RuleInput]);
    const beside = typeof place === 'object' ? this.#only(place.rule, place.path) : undefined;
    const missing = new Map<string, NewItem>();
    for (const item of made) {
      if (this.#state.finder.has(this.#chain, item)) continue;
      const key = ruleKey(this.#state.view(item));
      if (!missing.has(key)) missing.set(key, item);
    }
    if (missing.size > 0) {
      let at = place === 'last' ? end : place;
      if (typeof at === 'number') this.#index(at, end, 'where');
      else {
        const found = this.#find(beside!);
        if (found < 0) throw this.#noRule(at.path, beside!);
        at = found + at.behind;
      }
      this.#state.splice(this.#chain, at, 0, [...missing.values()]);
    }
    return Array.isArray(rules) ? missing.size : missing.size > 0;
  }

  #noRule(path: string, wanted: NewItem): TableError {
    const text = quoted(String(this.#state.view(wanted)));
    const { message } = refused(path, `chain ${this.name} has no rule that means ${text}`);
    return new TableError('ERR_NETFILTER_NO_RULE', message);
  }

  /**
   * Moves a rule to another place in the chain, with its counters. `to` is the index after the rule was taken out.
   * @throws {TableError} `ERR_NETFILTER_NO_RULE` for an index without a rule
   */
  move(from: number, to: number): this {
    this.#check();
    this.#index(from, this.length - 1);
    this.#index(to, this.length - 1);
    const [item] = this.#state.splice(this.#chain, from, 1, []);
    this.#state.splice(this.#chain, to, 0, [item!]);
    return this;
  }

  /** Deletes all rules. */
  flush(): this {
    this.#check();
    if (this.length > 0) this.#state.splice(this.#chain, 0, this.length, []);
    return this;
  }

  /**
   * Sets the counters of one rule to zero, or of all rules and the policy.
   * @throws {TableError} `ERR_NETFILTER_NO_RULE` for an index without a rule
   */
  zero(index?: number): this {
    this.#check();
    if (index !== undefined) {
      this.#index(index, this.length - 1);
      this.#state.zeroRule(this.#chain, index);
      return this;
    }
    for (let i = 0; i < this.length; i++) this.#state.zeroRule(this.#chain, i);
    if (this.builtin) this.#chain.counters = { packets: 0n, bytes: 0n };
    return this;
  }

  /** What the policy is now; `undefined` for a chain that is not built in. */
  policy(): Policy | undefined;
  /**
   * Sets the policy of a built-in chain. Its counters stay, unless new ones are given.
   * @throws {RangeError} for a chain that is not built in, for a value that is not a policy, and for DROP in the
   *   table nat
   */
  policy(policy: Policy, counters?: Counters): this;
  policy(policy?: Policy, counters?: Counters): Policy | undefined | this {
    this.#check();
    if (policy === undefined) return this.#chain.policy;
    if (!this.builtin) throw refused(`chain ${this.name}`, 'only a built-in chain has a policy');
    if (policy !== 'ACCEPT' && policy !== 'DROP') {
      throw badRange('policy', "'ACCEPT' or 'DROP'", policy);
    }
    if (policy === 'DROP' && this.#state.base.name === 'nat') throw noFiltering('policy');
    const given = counters === undefined ? undefined : checkCounters(counters, 'counters');
    this.#chain.policy = policy;
    if (given !== undefined) this.#chain.counters = given;
    return this;
  }

  #check(): void {
    this.#state.checkOpen();
    if (this.#state.chains.get(this.#chain.name) !== this.#chain) {
      throw noChain(this.#chain.name, this.#state.base.name, this.#state.chains.keys());
    }
  }

  #index(index: number, last: number, path = 'index'): void {
    if (!Number.isInteger(index)) throw badType(path, 'an integer', index);
    if (index < 0 || index > last) {
      const known = last < 0 ? 'no index: the chain is empty' : `0…${last}`;
      throw new TableError('ERR_NETFILTER_NO_RULE', badRange(path, known, index).message);
    }
  }

  /** Checks rules, also for the chain and table that they go to. */
  #make(rules: readonly RuleInput[], only = 'rule'): NewItem[] {
    const items: NewItem[] = [];
    const { name: table } = this.#state.base;
    for (let index = 0; index < rules.length; index++) {
      const rule = rules[index];
      const path = rules.length === 1 ? only : `rules[${index}]`;
      if (typeof rule === 'string') {
        const parse = () => parseChecked(rule, this.#state.options(path));
        for (const given of path === 'rule' ? parse() : within(path, parse)) {
          checkPlace(given.init, this.name, table, path);
          items.push(newItem(given));
        }
        continue;
      }
      if (typeof rule !== 'object' || rule === null) throw badType(path, 'a rule or a text', rule);
      const item = this.#state.make(givenRule(rule, path), path);
      checkPlace(initOf(item), this.name, table, path);
      items.push(item);
    }
    return items;
  }

  #find(item: NewItem): number {
    return this.#state.finder.find(this.#chain, this.#state.view(item));
  }
}

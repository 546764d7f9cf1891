// The table during an edit: changes chains and rules, and counts references to chains. Knows no syntax, no bytes and
// no system call.
import { badRange } from '../../errors.js';
import { checkRule } from '../rule/check.js';
import type { Counters } from '../rule/head.js';
import { noCounters } from '../rule/head.js';
import { Rule } from '../rule/rule.js';
import type { RuleSource } from '../rule/source.js';
import { ChangedRule, TypedRules } from '../rule/source.js';
import type { RuleContext, RuleInit, RuleOptions } from '../rule/types.js';
import type { Policy, TableReading, Wanted } from '../table/reading.js';
import { noChain } from '../table/table.js';
import { systemNames } from '../text/host-names.js';
import { SetTable } from '../text/sets.js';
import type {
  Around,
  ChainState,
  ChangedItem,
  Given,
  Item,
  ItemCounters,
  NewItem,
  TableDraft,
} from './change.js';
import { initOf, newItem } from './change.js';
import { RuleFinder } from './find.js';

/**
 * Ends the function of the caller where it needs rules that were not read. The edit then reads them, and calls the
 * function again.
 */
class UnreadRules extends Error {}

export class EditState implements TableDraft {
  readonly base: TableReading;
  readonly chains = new Map<string, ChainState>();
  /**
   * Jumps by the name of the chain that they lead to, whether it exists or not. Rules that were not read are not
   * counted.
   */
  readonly references = new Map<string, number>();
  /** Whether the caller may still change it. */
  open = true;
  readonly finder = new RuleFinder(this);
  /** Whether the rules of some chains were not read. */
  readonly isPartial: boolean;
  readonly #missing = new Set<string>();
  #missesAll = false;
  readonly #sets: SetTable;
  readonly #context: RuleContext;
  readonly #read: (Rule | undefined)[];
  readonly #views = new WeakMap<object, Rule>();

  constructor(base: TableReading) {
    this.base = base;
    this.isPartial = base.chains.some(({ unread }) => unread);
    this.#sets = new SetTable(base.sets);
    this.#context = { family: base.family, names: systemNames, sets: this.#sets };
    for (const { name, builtin, policy, first, count, references, unread } of base.chains) {
      this.chains.set(name, {
        name,
        builtin,
        was: name,
        policy,
        counters: undefined,
        first,
        count,
        items: undefined,
        unread,
        around: undefined,
      });
      if (references > 0) this.references.set(name, references);
    }
    this.#read = new Array(base.ruleCount);
  }

  /** How to check rules that are put into this table. */
  options(path: string): RuleOptions {
    const { family, name: table } = this.base;
    return { family, table, sets: this.#sets, path };
  }

  checkOpen(): void {
    if (!this.open) throw new TypeError('edit: the table was used after its edit had ended');
  }

  chain(name: string): ChainState {
    const found = this.chains.get(name);
    if (found === undefined) throw noChain(name, this.base.name, this.chains.keys());
    return found;
  }

  /** What the caller needed and the reading does not have; `undefined` if it has all. */
  get missing(): Wanted | undefined {
    if (this.#missesAll) return 'all';
    return this.#missing.size > 0 ? this.#missing : undefined;
  }

  /** Throws if the rules of this chain were not read. */
  #needRules(chain: ChainState): void {
    if (!chain.unread) return;
    this.checkOpen();
    this.#missing.add(chain.name);
    throw new UnreadRules(`the rules of chain ${chain.name} were not read yet`);
  }

  /** Throws if rules of any chain were not read. Only with all of them is it known what leads to a chain. */
  needAll(): void {
    if (!this.isPartial) return;
    this.#missesAll = true;
    throw new UnreadRules(`the rules of table ${this.base.name} were not read yet`);
  }

  /** By the name of each renamed chain: its name when the table was read. */
  get renamed(): Map<string, string> {
    const names = new Map<string, string>();
    for (const { name, was } of this.chains.values()) {
      if (was !== undefined && was !== name) names.set(name, was);
    }
    return names;
  }

  /** Gives chains other names, all at the same time: they may exchange theirs. */
  renameChains(names: ReadonlyMap<string, string>): void {
    const chains = [...names].map(([from, to]) => ({ chain: this.chain(from), to }));
    // No chain has a name with a line break.
    for (const { chain, to } of chains) this.renameChain(chain, `\n${to}`);
    for (const { chain, to } of chains) this.renameChain(chain, to);
  }

  length(chain: ChainState): number {
    this.#needRules(chain);
    return chain.items?.length ?? chain.count;
  }

  item(chain: ChainState, index: number): Item {
    this.#needRules(chain);
    return chain.items === undefined ? chain.first + index : chain.items[index]!;
  }

  /** The chain's rules as a list that can be changed. */
  items(chain: ChainState): Item[] {
    this.#needRules(chain);
    if (chain.items === undefined) {
      const items: Item[] = new Array(chain.count);
      for (let index = 0; index < chain.count; index++) items[index] = chain.first + index;
      chain.items = items;
    }
    return chain.items;
  }

  rule(chain: ChainState, index: number): Rule {
    return this.view(this.item(chain, index));
  }

  /** The rule after the edit. Its counters are those that are known now. */
  view(item: Item): Rule {
    if (typeof item === 'number') {
      this.#read[item] ??= Rule.at(this.base.rules, item);
      return this.#read[item];
    }
    let rule = this.#views.get(item);
    if (rule === undefined) {
      rule = this.#view(item);
      this.#views.set(item, rule);
    }
    return rule;
  }

  #view(item: ChangedItem | NewItem): Rule {
    const [source, index] = 'base' in item ? [this.base.rules, item.base] : this.#place(item.given);
    const { chain } = item;
    if (item.counters === undefined && chain === undefined) return Rule.at(source, index);
    const counters = this.#countersOf(item.counters) ?? source.counters(index);
    return Rule.at(new ChangedRule(source, index, { counters, chain }), 0);
  }

  #place(given: Given): [source: RuleSource, index: number] {
    if ('checked' in given) return [new TypedRules([given], this.#context), 0];
    const { source, index } = Rule.placeOf(given.rule);
    return [source, index];
  }

  #countersOf(counters: ItemCounters | undefined): Readonly<Counters> | undefined {
    if (counters === undefined || !('of' in counters)) return counters;
    return this.base.rules.counters(counters.of);
  }

  /** A rule that a caller gives. Checks its fields, unless the rule was read and can be written unchanged. */
  make(given: RuleInit | Rule, path: string): NewItem {
    if (Rule.isRule(given) && this.base.takes(given)) return newItem({ rule: given });
    const init = Rule.isRule(given) ? given.with() : given;
    const checked = checkRule(init, this.options(path));
    return newItem({ init, checked });
  }

  /** Adds rules at the end. Needs none of those that are there. */
  append(chain: ChainState, added: readonly NewItem[]): void {
    if (!chain.unread) {
      this.splice(chain, this.length(chain), 0, added);
      return;
    }
    const { after } = this.#around(chain);
    for (const item of added) {
      this.#refer(item, 1);
      after.push(item);
    }
  }

  /** Adds rules before all others. Needs none of these. */
  prepend(chain: ChainState, added: NewItem[]): void {
    if (!chain.unread) {
      this.splice(chain, 0, 0, added);
      return;
    }
    const around = this.#around(chain);
    for (const item of added) this.#refer(item, 1);
    around.before = added.concat(around.before);
  }

  #around(chain: ChainState): Around {
    chain.around ??= { before: [], after: [] };
    return chain.around;
  }

  /** Puts rules in the place of `removed` ones. */
  splice(chain: ChainState, at: number, removed: number, added: readonly Item[]): Item[] {
    const items = this.items(chain);
    if (at === items.length) {
      for (const item of added) {
        this.#refer(item, 1);
        items.push(item);
      }
      this.finder.changed(chain, [], added);
      return [];
    }
    const gone = items.slice(at, at + removed);
    if (this.references.size > 0) for (const item of gone) this.#refer(item, -1);
    for (const item of added) this.#refer(item, 1);
    if (added.length < 1000) {
      items.splice(at, removed, ...added);
    } else {
      chain.items = items.slice(0, at).concat(added, items.slice(at + removed));
    }
    this.finder.changed(chain, gone, added);
    return gone;
  }

  #refer(item: Item, by: 1 | -1): void {
    const name = this.jumpOf(item);
    if (name === undefined) return;
    this.references.set(name, (this.references.get(name) ?? 0) + by);
  }

  /** The chain that a rule jumps or goes to. */
  jumpOf(item: Item): string | undefined {
    if (typeof item === 'number') return this.base.leadsTo(item);
    if (item.chain !== undefined) return item.chain;
    if ('base' in item) return this.base.leadsTo(item.base);
    const { target } = initOf(item);
    return target?.name === 'jump' || target?.name === 'goto' ? target.chain : undefined;
  }

  addChain(name: string, policy?: Policy): ChainState {
    const state: ChainState = {
      name,
      builtin: policy !== undefined,
      was: undefined,
      policy,
      counters: undefined,
      first: 0,
      count: 0,
      items: [],
      unread: false,
      around: undefined,
    };
    this.chains.set(name, state);
    return state;
  }

  /** The caller has seen that it is empty, and that nothing leads to it. */
  removeChain(name: string): void {
    this.chains.delete(name);
  }

  /** Renames a chain and redirects every jump to it. All of these rules keep their counters. */
  renameChain(from: ChainState, name: string): void {
    this.needAll();
    const old = from.name;
    this.items(from);
    if (this.references.has(old)) this.#redirectAll(old, name);
    this.chains.delete(old);
    from.name = name;
    this.chains.set(name, from);
    if (!this.references.has(old)) return;
    this.references.set(name, (this.references.get(name) ?? 0) + this.references.get(old)!);
    this.references.delete(old);
  }

  #redirectAll(old: string, name: string): void {
    for (const chain of this.chains.values()) {
      const length = this.length(chain);
      for (let index = 0; index < length; index++) {
        const item = this.item(chain, index);
        if (this.jumpOf(item) !== old) continue;
        this.finder.forget(chain);
        this.items(chain)[index] =
          typeof item === 'number'
            ? { base: item, chain: name, counters: { of: item } }
            : { ...item, chain: name };
      }
    }
  }

  /** Sets the counters of one rule to zero. */
  zeroRule(chain: ChainState, index: number): void {
    const items = this.items(chain);
    const item = items[index]!;
    this.finder.forget(chain);
    items[index] =
      typeof item === 'number'
        ? { base: item, chain: undefined, counters: noCounters }
        : { ...item, counters: noCounters };
  }

  /** Every new rule, with its place. In a chain that was not read, the place among the new rules. */
  *newRules(): Generator<{ chain: ChainState; index: number; item: NewItem }> {
    for (const chain of this.chains.values()) {
      const { around } = chain;
      const items = around === undefined ? chain.items : [...around.before, ...around.after];
      if (items === undefined) continue;
      for (const [index, item] of items.entries()) {
        if (typeof item === 'object' && 'given' in item) yield { chain, index, item };
      }
    }
  }

  /** A rule that jumps to a chain that does not exist, or is built in. No order of operations could commit it. */
  dangling(): { chain: ChainState; index: number; item: NewItem; to: string } | undefined {
    for (const [to, count] of this.references) {
      const target = this.chains.get(to);
      if (count === 0 || (target !== undefined && !target.builtin)) continue;
      for (const found of this.newRules()) {
        if (this.jumpOf(found.item) === to) return { ...found, to };
      }
    }
    return undefined;
  }

  /** @throws {RangeError} for such a rule */
  check(): void {
    const found = this.dangling();
    if (found === undefined) return;
    const { chain, index, to } = found;
    const path = `${chain.name}.rules[${index}].target.chain`;
    if (this.chains.has(to)) {
      throw badRange(path, 'a chain that is not built in (nothing can jump to those)', to);
    }
    throw badRange(path, `a chain of table ${this.base.name}`, to);
  }

  /** Whether the edit has changed anything. */
  get isChanged(): boolean {
    const { base, chains } = this;
    if (chains.size !== base.chains.length) return true;
    for (const read of base.chains) {
      const chain = chains.get(read.name);
      if (chain === undefined || chain.was !== read.name || chain.policy !== read.policy)
        return true;
      const { counters, first, items, around } = chain;
      if (counters !== undefined) return true;
      if (around !== undefined && around.before.length + around.after.length > 0) return true;
      if (items === undefined) continue;
      if (items.length !== read.count || items.some((item, i) => item !== first + i)) return true;
    }
    return false;
  }
}

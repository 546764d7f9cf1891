// Takes an edit back: from the table before the edit, the table after it and the present table, makes the present
// table without this edit. Pure: takes three readings, and changes the state of an edit.

import { Rule } from '../rule/rule.js';
import { align } from '../table/align.js';
import type { ReadChain, TableReading } from '../table/reading.js';
import { chainKeys, RulePool } from '../table/rule-pool.js';
import { type ChainState, type Item, newItem } from './change.js';
import type { EditState } from './state.js';
import { type Compared, type OldNames, renamedBack, underOldNames } from './undo-names.js';

const same = (a: readonly string[], b: readonly string[]) =>
  a.length === b.length && a.every((key, index) => key === b[index]);

/** A rule of the table without the edit. */
export interface Placed {
  readonly key: string;
  /** Its index in the chain before the edit, if that is known. */
  readonly was: number | undefined;
  /** Its index in the chain now, if it is there. */
  readonly now: number | undefined;
}

/**
 * The rules of a chain without the edit. Rules that the edit added go. Rules that it removed come back after the rule
 * that was before them. Later changes of others stay. If several rules are equal, it takes those at the place of the
 * edit.
 */
export function undoRules(
  before: readonly string[],
  after: readonly string[],
  now: readonly string[],
): Placed[] {
  const [forth, back] = align(before, after);
  if (same(now, after)) return before.map((key, was) => ({ key, was, now: forth[was] }));
  const [since, until] = align(after, now);

  const surplus = counts(after, before);
  const gone = new Set<number>();
  const remove = (index: number | undefined) => {
    if (index !== undefined && !gone.has(index) && takeOne(surplus, now[index]!)) gone.add(index);
  };
  after.forEach((_, index) => {
    if (back[index] === undefined) remove(since[index]);
  });
  now.forEach((_, index) => {
    remove(index);
  });

  const missing = counts(before, after);
  const absent = new Set<number>();
  before.forEach((key, index) => {
    if (forth[index] === undefined && takeOne(missing, key)) absent.add(index);
  });
  before.forEach((key, index) => {
    if (!absent.has(index) && takeOne(missing, key)) absent.add(index);
  });

  const rules = new Sequence();
  now.forEach((key, index) => {
    const then = until[index];
    const was = then === undefined ? undefined : back[then];
    if (!gone.has(index)) rules.append({ key, was, now: index });
  });
  for (const index of [...absent].sort((a, b) => a - b)) {
    let behind: Link | undefined;
    for (let i = index - 1; i >= 0 && behind === undefined; i--) {
      behind = rules.standing(i) ?? rules.lastNewcomer(before[i]!);
    }
    rules.insert({ key: before[index]!, was: index, now: undefined }, behind);
  }
  return rules.list();
}

interface Link {
  readonly rule: Placed;
  next: Link | undefined;
}

/** Rules in order. Looks up the place of a rule that comes back, without a search. */
class Sequence {
  #first: Link | undefined;
  #last: Link | undefined;
  /** By the index of the rule before the edit. */
  readonly #known: (Link | undefined)[] = [];
  /** The last rule of each content, among the rules that were not there before the edit. */
  readonly #newcomers = new Map<string, Link>();

  append(rule: Placed): void {
    this.insert(rule, this.#last);
  }

  /** Inserts after a rule, or before all rules. */
  insert(rule: Placed, behind: Link | undefined): void {
    const link: Link = { rule, next: behind === undefined ? this.#first : behind.next };
    if (behind === undefined) this.#first = link;
    else behind.next = link;
    if (link.next === undefined) this.#last = link;
    if (rule.was === undefined) this.#newcomers.set(rule.key, link);
    else this.#known[rule.was] = link;
  }

  /** The rule that had this index before the edit. */
  standing(was: number): Link | undefined {
    return this.#known[was];
  }

  lastNewcomer(key: string): Link | undefined {
    return this.#newcomers.get(key);
  }

  list(): Placed[] {
    const rules: Placed[] = [];
    for (let link = this.#first; link !== undefined; link = link.next) rules.push(link.rule);
    return rules;
  }
}

/** Takes one of a key, if there is one left. */
function takeOne(counted: Map<string, number>, key: string): boolean {
  const left = counted.get(key) ?? 0;
  if (left > 0) counted.set(key, left - 1);
  return left > 0;
}

/** How many more of each key the first list has than the second. */
function counts(more: readonly string[], less: readonly string[]): Map<string, number> {
  const found = new Map<string, number>();
  for (const key of more) found.set(key, (found.get(key) ?? 0) + 1);
  for (const key of less) found.set(key, (found.get(key) ?? 0) - 1);
  return found;
}

/** An edit that is in place. */
export interface DoneEdit {
  /** The table before it. */
  readonly before: TableReading;
  /** The table after it; absent if it could not be read. */
  readonly after: TableReading | undefined;
  /** The chains that it renamed. */
  readonly renamed: OldNames;
}

/**
 * Turns `state`, which begins as the present table, into the table without the edit. Returns whether others have
 * changed the table since the edit.
 */
export function undoEdit(state: EditState, edit: DoneEdit): boolean {
  const { before } = edit;
  const left = edit.after ?? state.base;
  const merged = state.base.fingerprint !== left.fingerprint;
  const names = renamedBack(edit.renamed, left, state.base, merged);
  state.renameChains(names);
  /** The rules of the present table as they are after that. */
  const present = new Map<number, Item>();
  if (names.size > 0) {
    for (const chain of state.chains.values()) {
      for (const item of state.items(chain)) {
        if (typeof item === 'object' && 'base' in item) present.set(item.base, item);
      }
    }
  }
  const [now, after] = [state.base, left].map((each) => underOldNames(each, names, before)) as [
    Compared,
    Compared,
  ];
  const byName = (reading: Compared) => new Map(reading.chains.map((chain) => [chain.name, chain]));
  const [was, is, then] = [byName(before), byName(after), byName(now)];

  // First the chains: rules may jump to each of them.
  const wanted: { chain: ChainState; rules: Placed[] }[] = [];
  const want = (name: string, rules: Placed[]) => {
    wanted.push({ chain: state.chains.get(name) ?? state.addChain(name), rules });
  };
  /** Chains that are made only if a rule leads to them. */
  const spare = new Map<string, Placed[]>();
  for (const name of new Set([...was.keys(), ...then.keys()])) {
    const rules = undoRules(
      chainKeys(before, was.get(name)),
      chainKeys(after, is.get(name)),
      chainKeys(now, then.get(name)),
    );
    const made = is.has(name) && !was.has(name);
    // A chain that others deleted after the edit stays deleted. A chain that the edit deleted comes back.
    if (!then.has(name) && is.has(name)) {
      const keys = chainKeys(before, was.get(name));
      spare.set(
        name,
        keys.map((key, was) => ({ key, was, now: undefined })),
      );
    } else if (made && rules.length === 0) spare.set(name, []);
    else want(name, rules);
  }
  const leads = new Map([...jumps(before), ...jumps(now)]);
  for (const { rules } of wanted) {
    for (const { key } of rules) {
      const name = leads.get(key);
      const found = name === undefined ? undefined : spare.get(name);
      if (found === undefined) continue;
      spare.delete(name!);
      want(name!, found);
    }
  }
  const pool = new RulePool(now);
  const first = (chains: ReadonlyMap<string, ReadChain>, name: string) => chains.get(name)?.first;
  // First the rules that keep their place. The others are given out after them.
  for (const { chain, rules } of wanted) {
    for (const { now } of rules) if (now !== undefined) pool.keep(first(then, chain.name)! + now);
  }
  const taken = wanted.map(({ chain, rules }) =>
    rules.map(({ key, now }) =>
      now === undefined ? pool.take(key, chain.name) : first(then, chain.name)! + now,
    ),
  );
  wanted.forEach(({ chain, rules }, i) => {
    const items = rules.map(({ key, was: place }, k): Item => {
      // The same rule in another chain still has the counters.
      const index = taken[i]![k] ?? pool.take(key);
      if (index !== undefined) return present.get(index) ?? index;
      const old = first(was, chain.name)! + place!;
      return newItem({ rule: Rule.at(before.rules, old) });
    });
    state.splice(chain, 0, state.length(chain), items);
  });
  for (const chain of state.chains.values()) {
    if (wanted.some((each) => each.chain === chain)) continue;
    state.splice(chain, 0, state.length(chain), []);
    state.removeChain(chain.name);
  }
  for (const { name, policy } of before.chains) {
    const chain = state.chains.get(name);
    if (chain === undefined || policy === is.get(name)?.policy) continue;
    if (chain.policy === is.get(name)?.policy) chain.policy = policy;
  }
  return merged;
}

/** For each rule that leads to a chain: its content, and the name of the chain. */
function* jumps(reading: Compared): Generator<[string, string]> {
  const names = new Set(reading.chains.map(({ name }) => name));
  for (const chain of reading.chains) {
    for (const [index, key] of chainKeys(reading, chain).entries()) {
      const name = reading.leadsTo(chain.first + index);
      if (name !== undefined && names.has(name)) yield [key, name];
    }
  }
}

// The result of an edit, which a backend commits: the chains, and for each rule whether it was read, was read and
// then changed, or is new. Types, and two functions for new rules.
import type { CheckedRule } from '../rule/check.js';
import type { Counters } from '../rule/head.js';
import type { Rule } from '../rule/rule.js';
import type { RuleInit } from '../rule/types.js';
import type { Policy, TableReading } from '../table/reading.js';

/** A line of a text, for messages. */
export interface Line {
  readonly number: number;
  readonly text: string;
}

/** What a caller gave: a rule that was read somewhere and is unchanged, or checked fields. */
export type Given =
  | { readonly rule: Rule }
  | { readonly init: RuleInit; readonly checked: CheckedRule };

/** The counters of a rule: these, or those that the rule `of` of the reading has at the commit. */
export type ItemCounters = { readonly of: number } | Readonly<Counters>;

/** A rule of the reading, with a change. */
export interface ChangedItem {
  readonly base: number;
  /** The new name of the chain that it leads to, if that was renamed. */
  readonly chain: string | undefined;
  readonly counters: ItemCounters;
}

/** A rule that is not in the reading. */
export interface NewItem {
  readonly given: Given;
  readonly chain: string | undefined;
  /** Absent: those of the given rule. */
  readonly counters: ItemCounters | undefined;
  /** Its line in the text that it came from. */
  readonly line: Line | undefined;
}

/** The index of a rule of the reading that stays as it is, or a changed or new rule. */
export type Item = number | ChangedItem | NewItem;

/** What an edit adds around the rules of a chain that were not read. */
export interface Around {
  before: readonly NewItem[];
  readonly after: NewItem[];
}

/** A chain after the edit. */
export interface ChainState {
  name: string;
  readonly builtin: boolean;
  /** Its name when the table was read; absent for a new one. */
  readonly was: string | undefined;
  policy: Policy | undefined;
  /** New counters of the policy; without them it keeps its counters. */
  counters: Readonly<Counters> | undefined;
  /** The rules of the reading. They count as long as `items` is absent. */
  readonly first: number;
  readonly count: number;
  items: Item[] | undefined;
  /** Its rules were not read. Then `first`, `count` and `items` say nothing. */
  readonly unread: boolean;
  /** New rules of a chain that was not read. */
  around: Around | undefined;
}

/** What a backend commits: the new table, based on the one that was read. */
export interface TableDraft {
  readonly base: TableReading;
  readonly chains: ReadonlyMap<string, Readonly<ChainState>>;
  /** The new rules in the chains, with their places. */
  newRules(): Iterable<{
    readonly chain: ChainState;
    readonly index: number;
    readonly item: NewItem;
  }>;
}

/** Makes a new rule. Its counters are those of the given rule. */
export function newItem(given: Given, line?: Line): NewItem {
  return { given, chain: undefined, counters: undefined, line };
}

/** The fields of a new rule. */
export function initOf({ given }: NewItem): RuleInit | Rule {
  return 'rule' in given ? given.rule : given.init;
}

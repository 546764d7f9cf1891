// What an edit makes of a table, as a backend commits it: its chains, and of each rule whether it was read, was
// read and then changed, or is new. Types, and how a new rule is made and read.
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

/** What a caller gave: a rule that was read somewhere, as it is, or fields that were checked. */
export type Given =
  | { readonly rule: Rule }
  | { readonly init: RuleInit; readonly checked: CheckedRule };

/** Counters of a rule: those that one of the rules that were read has at the commit, or these. */
export type ItemCounters = { readonly of: number } | Readonly<Counters>;

/** One of the rules that were read, with a change. */
export interface ChangedItem {
  readonly base: number;
  /** The chain that it leads to now, after that was renamed. */
  readonly chain: string | undefined;
  readonly counters: ItemCounters;
}

/** A rule that was not there. */
export interface NewItem {
  readonly given: Given;
  readonly chain: string | undefined;
  /** Absent: those of the rule that was given. */
  readonly counters: ItemCounters | undefined;
  /** Where it stands in the text that it came from. */
  readonly line: Line | undefined;
}

/** The index of a rule that was read and stays as it is, or another rule. */
export type Item = number | ChangedItem | NewItem;

/** A chain as an edit leaves it. */
export interface ChainState {
  name: string;
  readonly builtin: boolean;
  /** Its name when the table was read; absent for a new one. */
  readonly was: string | undefined;
  policy: Policy | undefined;
  /** New counters of the policy; without them it keeps what it has. */
  counters: Readonly<Counters> | undefined;
  /** The rules that were read, as long as nothing was changed. */
  readonly first: number;
  readonly count: number;
  items: Item[] | undefined;
}

/** What a backend commits: the table as it is to be, made of the one that was read. */
export interface TableChange {
  readonly base: TableReading;
  readonly chains: ReadonlyMap<string, Readonly<ChainState>>;
  /** The new rules among them, with where they stand. */
  newRules(): Iterable<{
    readonly chain: ChainState;
    readonly index: number;
    readonly item: NewItem;
  }>;
}

/** A rule that was not there; its counters are those that it was given. */
export function newItem(given: Given, line?: Line): NewItem {
  return { given, chain: undefined, counters: undefined, line };
}

/** What a new rule says. */
export function initOf({ given }: NewItem): RuleInit | Rule {
  return 'rule' in given ? given.rule : given.init;
}

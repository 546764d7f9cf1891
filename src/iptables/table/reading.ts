// One reading of a table. Every backend hands it out, and tables, edits and comparisons stand on it. Types only.
import type { Counters } from '../rule/head.js';
import type { Rule } from '../rule/rule.js';
import type { RuleSource } from '../rule/source.js';
import type { Family } from '../text/addresses.js';

/** The kernel's own tables. A module may register others. */
export type TableName = 'filter' | 'nat' | 'mangle' | 'raw' | 'security' | (string & {});

/** What happens to a packet at the end of a built-in chain. */
export type Policy = 'ACCEPT' | 'DROP';

/** One chain of a reading; its rules are neighbours among the rules of the table. */
export interface ReadChain {
  readonly name: string;
  /** One of the table's own chains, which packets enter from a hook. */
  readonly builtin: boolean;
  /** Of a built-in chain. */
  readonly policy: Policy | undefined;
  /** Index of its first rule in the table. */
  readonly first: number;
  readonly count: number;
  /** Rules of the table that jump or go to it. */
  readonly references: number;
  /** What its policy has decided on. */
  readonly counters: Counters;
}

/** A table as it was at one moment. It does not change, and holds no handle. */
export interface TableReading {
  readonly name: TableName;
  readonly family: Family;
  /** False: the namespace has no such table yet. */
  readonly registered: boolean;
  /** The built-in chains in the order of their hooks, then the others by name. */
  readonly chains: readonly ReadChain[];
  readonly ruleCount: number;
  /** The same for two readings of one backend exactly when everything but counters is the same. */
  readonly fingerprint: string;
  /** Names of the IP sets that its rules use, by the kernel's index. */
  readonly sets: ReadonlyMap<number, string>;
  readonly rules: RuleSource;
  /** Whether a rule that was read somewhere can be written into this table as it was read. */
  takes(rule: Rule): boolean;
  /**
   * What a rule is, as a key that costs little. It is the same for two rules in readings of one backend when
   * they are written the same; rules that say the same in other ways may differ. Counters do not count.
   */
  content(index: number): string;
  /** The chain that a rule jumps or goes to. Costs little. */
  leadsTo(index: number): string | undefined;
  /** Whether a rule's counters stand where those of a rule in another reading of the same backend stand. */
  sameCounters(index: number, other: TableReading, otherIndex: number): boolean;
}

// One reading of a table. Every backend makes it, and tables, edits and comparisons use it. Types only.
import type { CheckedRule } from '../rule/check.js';
import type { Counters } from '../rule/head.js';
import type { Rule } from '../rule/rule.js';
import type { RuleSource } from '../rule/source.js';
import type { Target } from '../rule/types.js';
import type { Family } from '../text/addresses.js';

/** The kernel's own tables. A module may register others. */
export type TableName = 'filter' | 'nat' | 'mangle' | 'raw' | 'security' | (string & {});

/** What happens to a packet at the end of a built-in chain. */
export type Policy = 'ACCEPT' | 'DROP';

/** One chain of a reading. Its rules follow each other in the rules of the table. */
export interface ReadChain {
  readonly name: string;
  /** One of the table's own chains, which packets enter from a hook. */
  readonly builtin: boolean;
  /** Of a built-in chain. */
  readonly policy: Policy | undefined;
  /** Index of its first rule in the table. */
  readonly first: number;
  readonly count: number;
  /** Rules of the table that jump or go to it, of those that were read. */
  readonly references: number;
  /** Its rules were not read, so `count` says nothing. */
  readonly unread: boolean;
  /** The packets and bytes that reached its policy. */
  readonly counters: Counters;
}

/** A chain of nf_tables in a table of iptables that iptables did not make. */
export interface ForeignChain {
  /** The name of the chain. */
  readonly name: string;
  /** The hook that packets enter it from, as iptables names it (`INPUT`); `undefined` if they enter from none. */
  readonly hook: string | undefined;
  /** Its place among the chains of its hook; `undefined` without a hook. */
  readonly priority: number | undefined;
  /** `filter`, `nat` or `route`; `undefined` without a hook. */
  readonly type: string | undefined;
  /** The number of its rules. */
  readonly rules: number;
}

/** The chains whose rules a reading must have. It may have those of others too. `all`: those of every chain. */
export type Wanted = ReadonlySet<string> | 'all';

/** A table as it was at one moment. It does not change, and holds no handle. */
export interface TableReading {
  readonly name: TableName;
  readonly family: Family;
  /** False: the namespace has no such table yet. */
  readonly registered: boolean;
  /** The built-in chains in the order of their hooks, then the others by name. */
  readonly chains: readonly ReadChain[];
  readonly ruleCount: number;
  /** Chains that iptables did not make. They are left alone. */
  readonly foreign: readonly ForeignChain[];
  /** Equal for two readings of one backend exactly if everything but the counters is equal. */
  readonly fingerprint: string;
  /** Names of the IP sets that its rules use, by the kernel's index. */
  readonly sets: ReadonlyMap<number, string>;
  readonly rules: RuleSource;
  /** A target of a new rule as it will be read from this table: nf_tables says some in another way. */
  kept(target: Target): Target;
  /** Whether a rule that was read somewhere can be written into this table unchanged. */
  takes(rule: Rule): boolean;
  /**
   * A cheap key of what a rule is. Two rules in readings of one backend have the same key if they are written the
   * same. Rules that mean the same but are written differently can have different keys. Counters are not part of it.
   * With `chain`: the key of the same rule if it led to that chain. It must lead to one.
   */
  content(index: number, chain?: string): string;
  /**
   * Names the rule among all that there ever are, as long as it exists. What it leads to may get another name meanwhile.
   * `undefined` if the backend has no such names.
   */
  identity(index: number): string | undefined;
  /** The chain that a rule jumps or goes to. Costs little. */
  leadsTo(index: number): string | undefined;
  /**
   * Rules of the table that are written as this one would be: their indexes, in order. They mean the same. Others that are
   * written differently can mean the same too. Costs little for each but the first call.
   */
  written(given: Rule | CheckedRule): readonly number[];
  /** Whether a rule has the same counters as a rule in another reading of the same backend. */
  sameCounters(index: number, other: TableReading, otherIndex: number): boolean;
}

// What has changed in a table, as callers see it. Types only.
import type { Rule } from '../rule/rule.js';
import type { Family } from '../text/addresses.js';
import type { ForeignChain, Policy, TableName } from './reading.js';

/** Which tables to follow, and how. */
export interface ChangesOptions {
  /**
   * Which tables; default: all of iptables. (Legacy: all that the namespace has, looked up at every reading.)
   * `undefined` is refused.
   */
  tables?: readonly TableName[];
  /**
   * Legacy tables: milliseconds between two readings (at least 10). Default 1000. nf_tables tells each commit by
   * itself, so it does not matter there.
   */
  interval?: number | undefined;
  /**
   * nf_tables: bytes of receive buffer that the kernel may fill while this process does not read (4096 to 1 GiB,
   * default 8 MiB). It costs memory only while commits wait. With CAP_NET_ADMIN in the initial user namespace the size
   * is forced, else net.core.rmem_max caps it.
   */
  receiveBuffer?: number | undefined;
  /** Ends the iteration. */
  signal?: AbortSignal | undefined;
}

/** The namespace has this table now. */
export interface TableAdded {
  /** Tells what differs. */
  readonly type: 'tableAdded';
}

/** The namespace does not have this table any more. */
export interface TableDeleted {
  /** Tells what differs. */
  readonly type: 'tableDeleted';
}

/** A chain was made. Its rules follow as rules that were added. */
export interface ChainAdded {
  /** Tells what differs. */
  readonly type: 'chainAdded';
  /** The name of the chain. */
  readonly chain: string;
}

/** A chain is gone. Its rules come before as rules that were deleted. */
export interface ChainDeleted {
  /** Tells what differs. */
  readonly type: 'chainDeleted';
  /** The name of the chain. */
  readonly chain: string;
}

/** A chain has another name. Rules that lead to it now lead to the new name. They are not reported. */
export interface ChainRenamed {
  /** Tells what differs. */
  readonly type: 'chainRenamed';
  /** The new name. */
  readonly chain: string;
  /** The old name. */
  readonly was: string;
}

/** A built-in chain has another policy. */
export interface PolicyChanged {
  /** Tells what differs. */
  readonly type: 'policyChanged';
  /** The name of the chain. */
  readonly chain: string;
  /** The new policy. */
  readonly policy: Policy;
  /** The old policy. */
  readonly was: Policy;
}

/** A rule that is new. */
export interface RuleAdded {
  /** Tells what differs. */
  readonly type: 'ruleAdded';
  /** The name of its chain. */
  readonly chain: string;
  /** Its index in the chain, from 0: after the commit. */
  readonly index: number;
  /** The rule, as `read` gives it. */
  readonly rule: Rule;
}

/** A rule that is gone. */
export interface RuleDeleted {
  /** Tells what differs. */
  readonly type: 'ruleDeleted';
  /** The name of its chain. */
  readonly chain: string;
  /** Its index in the chain, from 0: before the commit. */
  readonly index: number;
  /**
   * The rule. nf_tables: with its last counters, unless the change is `lost`. Legacy tables: with the counters of the
   * last reading.
   */
  readonly rule: Rule;
}

/** A chain that iptables did not make (nf_tables) is new, is gone, or has other rules, another hook or another name. */
export interface ForeignChanged {
  /** Tells what differs. */
  readonly type: 'foreignAdded' | 'foreignDeleted' | 'foreignChanged';
  /** The name of the chain. */
  readonly chain: string;
  /** The chain: after the commit, or as it was when it was deleted. Its rules are only counted. */
  readonly foreign: ForeignChain;
}

/**
 * One thing that differs. `type` tells which: a built-in chain of a table that is deleted is one without rules, as
 * `read` would show it.
 */
export type Difference =
  | TableAdded
  | TableDeleted
  | ChainAdded
  | ChainDeleted
  | ChainRenamed
  | PolicyChanged
  | RuleAdded
  | RuleDeleted
  | ForeignChanged;

/** The thread that sent a commit to nf_tables. */
export interface CommitProcess {
  /**
   * NFTA_GEN_PROC_PID: its number in the initial pid namespace. For a program with one thread, as iptables and nft, it
   * is the pid. A thread of a larger program (this package works on such threads) has a number of its own.
   */
  readonly pid: number;
  /** NFTA_GEN_PROC_NAME: its name, at most 15 bytes. */
  readonly name: string;
}

/** What one commit changed in one table. */
export interface TableChange {
  /** The family whose packets pass the table. */
  readonly family: Family;
  /** The name of the table. */
  readonly table: TableName;
  /**
   * What differs, at least one. Carried out one after the other, the differences turn the table from before the commit
   * into the table after it: in each chain first the rules that go, the last one first, then the rules that come.
   */
  readonly differences: readonly Difference[];
  /**
   * nf_tables: the number of the state that the commit made (NFTA_GEN_ID). `undefined` for legacy tables, and if the
   * change is `lost`.
   */
  readonly generation: number | undefined;
  /** Who made the commit. `undefined` if that is not known: for legacy tables, and if the change is `lost`. */
  readonly process: CommitProcess | undefined;
  /**
   * The differences are those between two readings. So there may have been several commits, also some that took each
   * other back. True for all changes of legacy tables. In nf_tables true only where commits could not be followed: the
   * receive buffer was full, or too many waited for the consumer.
   */
  readonly lost: boolean;
  /** When this process learned of it. */
  readonly time: Date;
}

// The public types of rules, assembled from the list of extensions. Types and names only.

import type { UnknownExtension } from '../extensions/define.js';
import type { KnownMatch, KnownTarget } from '../extensions/index.js';
import type { MaxRevision } from '../extensions/registry.js';
import type { Family } from '../text/addresses.js';
import type { HostNames, SetNames } from '../text/host-names.js';
import type { Counters, RuleHead } from './head.js';

/** A verdict: the rule ends the walk (RETURN: the walk of this chain). */
export interface VerdictTarget {
  readonly name: 'ACCEPT' | 'DROP' | 'QUEUE' | 'RETURN';
}
/** `-j CHAIN`: to a chain of the same table, and back at its end. */
export interface JumpTarget {
  readonly name: 'jump';
  readonly chain: string;
}
/** `-g CHAIN`: the same without coming back here. */
export interface GotoTarget {
  readonly name: 'goto';
  readonly chain: string;
}

/** A condition of a rule, told apart by `name`; what the package does not know is `'raw'`. */
export type Match = KnownMatch | UnknownExtension;
/** What a rule does, told apart by `name`; what the package does not know is `'raw'`. */
export type Target = VerdictTarget | JumpTarget | GotoTarget | KnownTarget | UnknownExtension;

/** A rule as it is given. What is left out matches anything; no target: the rule only counts. */
export interface RuleInit extends RuleHead {
  /** In this order in the rule. */
  readonly matches?: readonly Match[] | undefined;
  readonly target?: Target | undefined;
  /** Where the counters begin; zero unless given. */
  readonly counters?: Readonly<Counters> | undefined;
}

/** What the meaning and the text of a rule depend on. */
export interface RuleContext {
  readonly family: Family;
  readonly names: HostNames;
  readonly sets: SetNames | undefined;
}

/** How a rule is read from text or from an object. */
export interface RuleOptions {
  /** `ipv4` unless given. */
  family?: Family;
  names?: HostNames;
  sets?: SetNames | undefined;
  /** What the kernel takes; without it the newest revision that the package knows is meant. */
  maxRevision?: MaxRevision;
  /** Refuses extensions that the kernel takes only in other tables. */
  table?: string;
  /** Begins the paths in messages; `rule` unless given. */
  path?: string;
  /** Tells a chain that has the name of a target, which iptables-restore lets be made, from the target. */
  isChain?: (name: string) => boolean;
}

export const verdicts = ['ACCEPT', 'DROP', 'QUEUE', 'RETURN'] as const;
/** XT_EXTENSION_MAXNAMELEN less its NUL. */
export const maxNameLength = 28;

export function isVerdict(name: string): name is (typeof verdicts)[number] {
  return (verdicts as readonly string[]).includes(name);
}

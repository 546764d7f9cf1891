// The public types of rules, assembled from the list of extensions. Types and names only.
import type { Counters, RuleHead } from './entry.js';
import type { UnknownExtension } from './extensions/define.js';
import type { KnownMatch, KnownTarget } from './extensions/index.js';
import type { MaxRevision } from './extensions/registry.js';
import type { HostNames, SetNames } from './host-names.js';
import type { Family } from './ip-text.js';

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

/**
 * The bytes of one rule: an `ipt_entry` or `ip6t_entry` of a 64-bit kernel with matches, target and
 * counters, except that a standard target's header holds the verdict or the chain by name (`""`: no
 * target) and its verdict is 0.
 */
export type PortableEntry = Uint8Array;

export interface DecodeOptions {
  family?: Family;
  names?: HostNames;
  sets?: SetNames | undefined;
  /** Tells a jump from an unknown target of the same size. Without it a guess by size is made. */
  isChain?: (name: string) => boolean;
}

export interface EncodeOptions {
  family?: Family;
  names?: HostNames;
  sets?: SetNames | undefined;
  /** What the kernel takes; without it the newest revision that the package knows is written. */
  maxRevision?: MaxRevision;
  /** Refuses extensions that the kernel takes only in other tables. */
  table?: string;
  /** Begins the paths in messages; `rule` unless given. */
  path?: string;
  /** Tells a chain that has the name of a target, which iptables-restore lets be made, from the target. */
  isChain?: (name: string) => boolean;
}

export const verdicts = ['ACCEPT', 'DROP', 'QUEUE', 'RETURN'] as const;
/** The name of a standard target that does nothing: the rule only counts. */
export const noTarget = '';
/** XT_EXTENSION_MAXNAMELEN less its NUL. */
export const maxNameLength = 28;

export function isVerdict(name: string): name is (typeof verdicts)[number] {
  return (verdicts as readonly string[]).includes(name);
}

// The public types of rules, assembled from the list of extensions. Types and names only.

import type { UnknownExtension } from '../extensions/define.js';
import type { KnownMatch, KnownTarget } from '../extensions/index.js';
import type { MaxRevision } from '../extensions/registry.js';
import type { Family } from '../text/addresses.js';
import type { HostNames, SetNames } from '../text/host-names.js';
import type { Counters, RuleHead } from './head.js';

/** A verdict: the rule ends the walk (RETURN: the walk of this chain). */
export interface VerdictTarget {
  /** The verdict: NF_ACCEPT, NF_DROP, NF_QUEUE, or the end of this chain. */
  readonly name: 'ACCEPT' | 'DROP' | 'QUEUE' | 'RETURN';
}
/** `-j CHAIN`: to a chain of the same table, and back at its end. */
export interface JumpTarget {
  /** Tells it from other targets. */
  readonly name: 'jump';
  /** The name of the chain, at most 28 bytes. */
  readonly chain: string;
}
/** `-g CHAIN`: the same without coming back here. */
export interface GotoTarget {
  /** Tells it from other targets. */
  readonly name: 'goto';
  /** The name of the chain, at most 28 bytes. */
  readonly chain: string;
}

/** A condition of a rule, told apart by `name`; what the package does not know is `'raw'`. */
export type Match = KnownMatch | UnknownExtension;
/** What a rule does, told apart by `name`; what the package does not know is `'raw'`. */
export type Target = VerdictTarget | JumpTarget | GotoTarget | KnownTarget | UnknownExtension;

/** Those of a union that have this name. A type with several names is narrowed to it. */
type Named<U, N> = U extends { readonly name: infer M }
  ? N extends M
    ? [M] extends [N]
      ? U
      : U & { readonly name: N }
    : never
  : never;

/** One match by its name: `MatchOf<'tcp'>` has the fields of `-m tcp`, and `MatchOf<'raw'>` is what is not known. */
export type MatchOf<Name extends Match['name']> = Named<Match, Name>;
/** One target by its name: `TargetOf<'DNAT'>`, `TargetOf<'jump'>`, `TargetOf<'DROP'>`. */
export type TargetOf<Name extends Target['name']> = Named<Target, Name>;

/**
 * A rule as it is given. What is left out matches anything; no target: the rule only counts.
 * A field that is `undefined` is refused: what was to narrow the rule would let it match everything.
 */
export interface RuleInit extends RuleHead {
  /** The conditions after the head, in this order in the rule. */
  readonly matches?: readonly Match[];
  /** What the rule does; without one it only counts. */
  readonly target?: Target;
  /** Where the counters begin; zero unless given. */
  readonly counters?: Counters;
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
  family?: Family | undefined;
  /** The names that numbers have. Those of this host unless given. */
  names?: HostNames | undefined;
  /** The IP sets of the kernel. Without them a rule names a set by its index only. */
  sets?: SetNames | undefined;
  /** What the kernel takes; without it the newest revision that the package knows is meant. */
  maxRevision?: MaxRevision | undefined;
  /** Refuses extensions that the kernel takes only in other tables. */
  table?: string | undefined;
  /** Begins the paths in messages, at most 256 bytes; `rule` unless given. */
  path?: string | undefined;
  /** Tells a chain that has the name of a target, which iptables-restore lets be made, from the target. */
  isChain?: ((name: string) => boolean) | undefined;
}

export const verdicts = ['ACCEPT', 'DROP', 'QUEUE', 'RETURN'] as const;
/** XT_EXTENSION_MAXNAMELEN less its NUL. */
export const maxNameLength = 28;

export function isVerdict(name: string): name is (typeof verdicts)[number] {
  return (verdicts as readonly string[]).includes(name);
}

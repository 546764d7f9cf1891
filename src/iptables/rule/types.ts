// The public types of rules, assembled from the list of extensions. Types and names only.

import type { UnknownExtension } from '../extensions/define.js';
import type { KnownMatch, KnownTarget } from '../extensions/index.js';
import type { MaxRevision } from '../extensions/registry.js';
import type { Family } from '../text/addresses.js';
import type { HostNames, SetNames } from '../text/host-names.js';
import type { Counters, RuleHead } from './head.js';

/** A verdict: the rule ends the walk through the table (RETURN: through this chain). */
export interface VerdictTarget {
  /** The verdict: NF_ACCEPT, NF_DROP, NF_QUEUE, or the end of this chain. */
  readonly name: 'ACCEPT' | 'DROP' | 'QUEUE' | 'RETURN';
}
/** `-j CHAIN`: goes to a chain of the same table, and comes back at its end. */
export interface JumpTarget {
  /** Tells it from other targets. */
  readonly name: 'jump';
  /** The name of the chain, at most 28 bytes. */
  readonly chain: string;
}
/** `-g CHAIN`: the same, but does not come back here. */
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

/** The members of a union that have this name. A type with several names is narrowed to the name. */
type Named<U, N> = U extends { readonly name: infer M }
  ? N extends M
    ? [M] extends [N]
      ? U
      : U & { readonly name: N }
    : never
  : never;

/** One match by its name: `MatchOf<'tcp'>` has the fields of `-m tcp`, and `MatchOf<'raw'>` is an unknown match. */
export type MatchOf<Name extends Match['name']> = Named<Match, Name>;
/** One target by its name: `TargetOf<'DNAT'>`, `TargetOf<'jump'>`, `TargetOf<'DROP'>`. */
export type TargetOf<Name extends Target['name']> = Named<Target, Name>;

/**
 * A rule as a caller gives it. A field that is left out matches anything. Without a target the rule only counts. A
 * field that is `undefined` is refused: without it the rule would match more than the caller meant.
 */
export interface RuleInit extends RuleHead {
  /** The conditions after the head, in this order in the rule. */
  readonly matches?: readonly Match[];
  /** What the rule does; without one it only counts. */
  readonly target?: Target;
  /** The first values of the counters; zero unless given. */
  readonly counters?: Counters;
}

/** The context that decides what a rule means and how it is written. */
export interface RuleContext {
  readonly family: Family;
  readonly names: HostNames;
  readonly sets: SetNames | undefined;
}

/** How a rule is read from text or from an object. */
export interface RuleOptions {
  /** `ipv4` unless given. */
  family?: Family | undefined;
  /** The names of numbers. Those of this host unless given. */
  names?: HostNames | undefined;
  /** The IP sets of the kernel. Without them a rule names a set by its index only. */
  sets?: SetNames | undefined;
  /** The newest revisions that the kernel takes; unless given, the newest that the package knows. */
  maxRevision?: MaxRevision | undefined;
  /** The table of the rule. Refuses extensions that the kernel takes only in other tables. */
  table?: string | undefined;
  /** The beginning of the paths in messages, at most 256 bytes; `rule` unless given. */
  path?: string | undefined;
  /** Whether a name is a chain. A chain can have the name of a target: iptables-restore allows that. */
  isChain?: ((name: string) => boolean) | undefined;
}

export const verdicts = ['ACCEPT', 'DROP', 'QUEUE', 'RETURN'] as const;
/** XT_EXTENSION_MAXNAMELEN without its NUL. */
export const maxNameLength = 28;

export function isVerdict(name: string): name is (typeof verdicts)[number] {
  return (verdicts as readonly string[]).includes(name);
}

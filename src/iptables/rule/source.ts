// Where rules come from. A source holds rules in its own form, and gives out their typed parts. Also has the two
// sources that need no backend: rules made of typed values, and a rule with one change.
import { decode, settled } from '../extensions/codec.js';
import type { Kind, Typed, UnknownExtension } from '../extensions/define.js';
import { registry } from '../extensions/index.js';
import type { CheckedRule } from './check.js';
import type { Counters, HeadDraft } from './head.js';
import { emptyHead } from './head.js';
import { meaningKey } from './key.js';
import type { Match, RuleContext, Target } from './types.js';
import { isVerdict } from './types.js';

/** Rules by their index. What it gives out is frozen, and does not change. */
export interface RuleSource {
  readonly context: RuleContext;
  /** Fills all fields of `into`. Returns what the head holds and no field can express, if there is such a thing. */
  head(index: number, into: HeadDraft): string | undefined;
  matches(index: number): readonly Match[];
  target(index: number): Target | undefined;
  counters(index: number): Readonly<Counters>;
  /** Equal for two rules of any sources exactly if they mean the same. Counters are not part of it. */
  key(index: number): string;
  /** The line of the text that the rule comes from. */
  line?(index: number): number | undefined;
  /** What nf_tables says about the rule, if it was read there. */
  nft?(index: number): NftPlace | undefined;
}

/** A rule in nf_tables. */
export interface NftPlace {
  /** Names the rule among all rules of its table, as long as it exists. */
  readonly handle: bigint;
  /**
   * The names of its expressions, in order, if it is foreign: if iptables has no words for it. Else `undefined`. A
   * foreign rule has no fields but its counters. It can be kept and deleted, and most can be moved.
   */
  readonly foreign: readonly string[] | undefined;
}

/** A rule after every check, and its line in a text. */
export interface TypedRule {
  readonly checked: CheckedRule;
  readonly line?: number | undefined;
}

const noMatches: readonly Match[] = Object.freeze([]);

/** Rules made of typed values. Each looks as it will look when it is read back. */
export class TypedRules implements RuleSource {
  readonly context: RuleContext;
  readonly #rules: readonly TypedRule[];
  readonly #matches: (readonly Match[] | undefined)[] = [];
  readonly #targets: (Target | undefined)[] = [];

  constructor(rules: readonly TypedRule[], context: RuleContext) {
    this.context = context;
    this.#rules = rules;
  }

  head(index: number, into: HeadDraft): undefined {
    const { protocol, src, dst, in: input, out, fragment } = this.#rules[index]!.checked.head;
    into.protocol = frozen(protocol);
    into.src = frozen(src);
    into.dst = frozen(dst);
    into.in = frozen(input);
    into.out = frozen(out);
    into.fragment = frozen(fragment);
  }

  matches(index: number): readonly Match[] {
    const { matches } = this.#rules[index]!.checked;
    if (matches.length === 0) return noMatches;
    this.#matches[index] ??= Object.freeze(
      matches.map((each) => this.#part('match', each) as unknown as Match),
    );
    return this.#matches[index]!;
  }

  target(index: number): Target | undefined {
    const { target } = this.#rules[index]!.checked;
    if (target === undefined) return undefined;
    this.#targets[index] ??= this.#targetOf(target);
    return this.#targets[index];
  }

  #targetOf(target: NonNullable<CheckedRule['target']>): Target {
    if (!('isGoto' in target)) return this.#part('target', target) as unknown as Target;
    const { chain, isGoto } = target;
    if (!isGoto && isVerdict(chain)) return Object.freeze({ name: chain });
    return Object.freeze({ name: isGoto ? 'goto' : 'jump', chain });
  }

  #part(kind: Kind, each: CheckedRule['matches'][number]): Typed | UnknownExtension {
    const { context } = this;
    const { family } = context;
    if (!('data' in each)) {
      const { extension, typed } = each;
      const isNewest = registry.newest(family, kind, extension.name) === extension;
      return settled(extension, typed, context, isNewest);
    }
    // Reads the bytes if the package knows the extension.
    const { extension: name, revision, data } = each;
    const newest = registry.newest(family, kind, name);
    const known = registry.find(family, kind, name, revision);
    if (known !== undefined) return decode(known, data, context, known === newest);
    const warning = newest === undefined ? `unknown ${kind}` : `unknown revision ${revision}`;
    return Object.freeze({ name: 'raw', extension: name, revision, data: data.slice(), warning });
  }

  counters(index: number): Readonly<Counters> {
    return Object.freeze({ ...this.#rules[index]!.checked.counters });
  }

  key(index: number): string {
    const { head } = this.#rules[index]!.checked;
    return meaningKey(head, this.matches(index), this.target(index), this.context);
  }

  line(index: number): number | undefined {
    return this.#rules[index]!.line;
  }
}

function frozen<T>(value: T): T {
  return typeof value === 'object' ? Object.freeze(value) : value;
}

/** What is different about a rule that was read. */
export interface RuleChange {
  readonly counters: Readonly<Counters>;
  /** The chain that the rule leads to, if that has another name now. */
  readonly chain: string | undefined;
}

/** One rule of another source, with other counters, or with the new name of the chain that it leads to. */
export class ChangedRule implements RuleSource {
  readonly context: RuleContext;
  readonly source: RuleSource;
  readonly index: number;
  readonly chain: string | undefined;
  readonly #counters: Readonly<Counters>;

  constructor(source: RuleSource, index: number, change: RuleChange) {
    this.context = source.context;
    this.source = source;
    this.index = index;
    this.chain = change.chain;
    this.#counters = Object.freeze({ ...change.counters });
  }

  head(_: number, into: HeadDraft): string | undefined {
    return this.source.head(this.index, into);
  }

  matches(): readonly Match[] {
    return this.source.matches(this.index);
  }

  target(): Target | undefined {
    const target = this.source.target(this.index);
    if (this.chain === undefined) return target;
    return Object.freeze({ name: target?.name === 'goto' ? 'goto' : 'jump', chain: this.chain });
  }

  counters(): Readonly<Counters> {
    return this.#counters;
  }

  key(): string {
    const key = this.source.key(this.index);
    if (this.chain === undefined) return key;
    const head = emptyHead();
    const inexact = this.source.head(this.index, head);
    // What no field can express is only in the key of the other source.
    if (inexact !== undefined) return `${key} to ${JSON.stringify(this.chain)}`;
    return meaningKey(head, this.matches(), this.target(), this.context);
  }

  line(): number | undefined {
    return this.source.line?.(this.index);
  }

  nft(): NftPlace | undefined {
    return this.source.nft?.(this.index);
  }
}

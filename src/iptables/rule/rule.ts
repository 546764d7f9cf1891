// One rule as it was read: an object with the fields that it has. Its source knows where they come from.
import { badType } from '../../errors.js';
import type { Family } from '../text/addresses.js';
import { systemNames } from '../text/host-names.js';
import { checkRule, familyOf, takeRule } from './check.js';
import type { Counters, RuleHead } from './head.js';
import { emptyHead } from './head.js';
import { jsonForm, printRule } from './print.js';
import type { NftPlace, RuleSource } from './source.js';
import { TypedRules } from './source.js';
import type { Match, RuleContext, RuleInit, RuleOptions, Target } from './types.js';

export type { Not, UnknownExtension } from '../extensions/define.js';
export type { Family } from '../text/addresses.js';
export type { Counters } from './head.js';
export type { NftPlace } from './source.js';
export type * from './types.js';

/** Takes the head of a rule while it is read. The rule itself gets only the fields that it has. */
let heading: ReturnType<typeof emptyHead> | undefined;

/**
 * A rule as it was read. Its fields are own properties, and a field without a value does not exist. So every copy (`{
 * ...rule }`, `Object.assign`, `structuredClone`, JSON) means the same as the rule, and can be given instead of a
 * rule. The rule, its matches and its target are frozen. `sameRule()` compares rules without their counters.
 */
export class Rule implements RuleInit {
  /** The protocol by name or number; absent: any. */
  declare readonly protocol?: NonNullable<RuleHead['protocol']>;
  /** The source network, as iptables-save writes it. */
  declare readonly src?: NonNullable<RuleHead['src']>;
  /** The destination network, as iptables-save writes it. */
  declare readonly dst?: NonNullable<RuleHead['dst']>;
  /** Incoming interface; a `+` at the end means any name with this beginning. */
  declare readonly in?: NonNullable<RuleHead['in']>;
  /** Outgoing interface; a `+` at the end means any name with this beginning. */
  declare readonly out?: NonNullable<RuleHead['out']>;
  /** Second and further fragments. IPv4 only. */
  declare readonly fragment?: NonNullable<RuleHead['fragment']>;
  /** The conditions after the head, in their order. */
  declare readonly matches: readonly Match[];
  /** What the rule does; absent: it only counts. */
  declare readonly target?: Target;
  /** As they were when the rule was read. */
  declare readonly counters: Counters;
  /** What the rule holds and no field can express. Such a rule can be kept and moved, but a copy of it is refused. */
  declare readonly inexact?: string;
  // A rule is only a place in its source, because a table may have very many rules.
  readonly #source: RuleSource;
  readonly #index: number;

  private constructor(source: RuleSource, index: number) {
    this.#source = source;
    this.#index = index;
    const draft = this as { -readonly [K in keyof RuleInit | 'inexact']?: Rule[K] };
    // First the fields that every rule has: objects are made faster if they get their fields in fewer different orders.
    draft.matches = source.matches(index);
    draft.counters = source.counters(index);
    const target = source.target(index);
    if (target !== undefined) draft.target = target;
    heading ??= emptyHead();
    const inexact = source.head(index, heading);
    const { protocol, src, dst, in: input, out, fragment } = heading;
    if (protocol !== undefined) draft.protocol = protocol;
    if (src !== undefined) draft.src = src;
    if (dst !== undefined) draft.dst = dst;
    if (input !== undefined) draft.in = input;
    if (out !== undefined) draft.out = out;
    if (fragment !== undefined) draft.fragment = fragment;
    if (inexact !== undefined) draft.inexact = inexact;
    Object.freeze(this);
  }

  /** @internal */
  static at(source: RuleSource, index: number): Rule {
    return new Rule(source, index);
  }

  /** Whether a value is a rule that was read: not a copy of one, whatever its prototype. */
  static isRule(value: unknown): value is Rule {
    return typeof value === 'object' && value !== null && #source in value;
  }

  /** @internal Where a rule was read. */
  static placeOf(rule: Rule): { readonly source: RuleSource; readonly index: number } {
    const whole = Rule.#whole(rule);
    return { source: whole.#source, index: whole.#index };
  }

  /**
   * A copy with the prototype of a rule (lodash) has only the fields. Everything else of the rule is made from them.
   */
  static #whole(rule: Rule): Rule {
    return #source in rule ? rule : makeRule(givenRule(rule, 'rule') as RuleInit);
  }

  /** The family of the table that it was read from. */
  get family(): Family {
    return Rule.placeOf(this).source.context.family;
  }

  /** Its line in the text that it was read from, counted from 1; `undefined` for a rule of the kernel. */
  get line(): number | undefined {
    const { source, index } = Rule.placeOf(this);
    return source.line?.(index);
  }

  /** What nf_tables says about it; `undefined` for a rule of a legacy table, and for one that no table has. */
  get nft(): NftPlace | undefined {
    const { source, index } = Rule.placeOf(this);
    return source.nft?.(index);
  }

  /** The parts of this rule that stay raw or would not be written back unchanged, and why. Usually empty. */
  get warnings(): readonly string[] {
    const found: string[] = [];
    for (const each of [...this.matches, this.target]) {
      if (each?.name === 'raw') {
        found.push(`${each.extension} revision ${each.revision}: ${each.warning ?? 'raw'}`);
      }
    }
    if (this.inexact !== undefined) {
      found.push(`it holds more than the fields of a rule can express: ${this.inexact}`);
    }
    return found;
  }

  /**
   * A copy with other fields: `rule.with({ target: { name: 'DROP' } })`, the same as `{ ...rule, target: { name:
   * 'DROP' } }`, but it refuses fields that a rule does not have. The copy has the counters of the rule, unless you
   * give others.
   * @throws {TypeError} for a field that no rule has, or that is `undefined`
   */
  with(change: RuleInit = {}): RuleInit {
    return { ...this, ...takeRule(change, 'change') };
  }

  /** What `console.log` shows: the fields, in the order in which a rule is read. */
  [Symbol.for('nodejs.util.inspect.custom')](
    depth: number,
    options: object,
    inspect: (value: unknown, options: object) => string,
  ): string {
    const { matches, counters, target, inexact, ...head } = this;
    const rest = { ...(target && { target }), counters, ...(inexact && { inexact }) };
    return `Rule ${inspect({ ...head, matches, ...rest }, { ...options, depth })}`;
  }

  /**
   * The text of the rule as iptables-save writes it, from the first option on.
   * @throws {TypeError | RangeError} for a copy that has the prototype of a rule and is not a whole rule
   */
  toString(): string {
    const rule = Rule.#whole(this);
    const { handle, foreign } = rule.nft ?? {};
    // No text for iptables says this. An empty one would match everything.
    if (foreign !== undefined) return `# rule ${handle} of nf_tables: ${foreign.join(' ')}`;
    return printRule(rule, rule.matches, rule.target, rule.#source.context);
  }

  /**
   * The fields. What JSON cannot have is text: 64-bit numbers in decimal, bytes in hexadecimal. The result can be
   * given instead of a rule.
   */
  toJSON(): Record<string, unknown> {
    return jsonForm({ ...this }) as Record<string, unknown>;
  }
}

/** A rule as an object, as a `Rule` that was read, or as iptables syntax (`'-p tcp -j ACCEPT'`). */
export type RuleInput = RuleInit | Rule | string;

/** A rule that a caller gives: one that was read, or a copy of the caller's object, with every name checked. */
export function givenRule(given: RuleInit | Rule, path: string): RuleInit | Rule {
  if (Rule.isRule(given)) return given;
  if (!(given instanceof Rule)) return takeRule(given, path);
  // A copy with the prototype of a rule (lodash) means what its own fields mean. Without the fields that every rule
  // has it is not a copy: it would match everything.
  const isCopy =
    Object.getPrototypeOf(given) === Rule.prototype &&
    Object.hasOwn(given, 'matches') &&
    Object.hasOwn(given, 'counters');
  if (!isCopy) throw badType(path, 'a rule, or a whole copy of one', given);
  return takeRule({ ...(given as RuleInit) }, path);
}

/**
 * The rule that the fields describe, as it would be read from a table. Its family, unless given, is that of its
 * addresses.
 */
export function makeRule(given: RuleInit, options: RuleOptions = {}): Rule {
  const family = options.family ?? familyOf(given, options.path);
  const context: RuleContext = { family, names: options.names ?? systemNames, sets: options.sets };
  const checked = checkRule(given, { ...options, family });
  return Rule.at(new TypedRules([{ checked }], context), 0);
}

const keys = new WeakMap<Rule, string>();

/** The key of a rule. Two rules have the same key exactly if they mean the same. Counters are not part of it. */
export function ruleKey(rule: Rule): string {
  let key = keys.get(rule);
  if (key === undefined) {
    const { source, index } = Rule.placeOf(rule);
    key = source.key(index);
    keys.set(rule, key);
  }
  return key;
}

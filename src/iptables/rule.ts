// One rule as it was read: an object with the fields that it has. What a rule is in bytes and in text is
// rule-bytes.ts.
import type { Counters, RuleHead } from './entry.js';
import { readCounters } from './entry.js';
import { emptyHead, readHead } from './head-read.js';
import type { Family } from './ip-text.js';
import { headHoldsMore, jsonForm, printRule, readCopy } from './rule-bytes.js';
import { takeRule } from './rule-check.js';
import type { RuleHome } from './rule-home.js';
import type { ReadOptions } from './rule-read.js';
import type { Match, PortableEntry, RuleInit, Target } from './rule-types.js';

export type { Counters } from './entry.js';
export type { Not, UnknownExtension } from './extensions/define.js';
export type { Family } from './ip-text.js';
export type * from './rule-types.js';

/** Where the head of a rule is read to: a rule itself gets only the fields that it has. */
let heading: ReturnType<typeof emptyHead> | undefined;

/**
 * A rule as it was read. Its fields are properties of its own, and only those that it has: a copy of any
 * kind (`{ ...rule }`, `Object.assign`, `structuredClone`, JSON) says what the rule says, and is taken
 * where a rule is given. It is frozen, and so are its matches and its target. `sameRule()` compares
 * rules without their counters.
 */
export class Rule implements RuleInit {
  declare readonly protocol?: RuleHead['protocol'];
  declare readonly src?: RuleHead['src'];
  declare readonly dst?: RuleHead['dst'];
  declare readonly in?: RuleHead['in'];
  declare readonly out?: RuleHead['out'];
  declare readonly fragment?: RuleHead['fragment'];
  declare readonly matches: readonly Match[];
  declare readonly target?: Target;
  /** As they were when the rule was read. */
  declare readonly counters: Readonly<Counters>;
  /** What the rule holds and no field can say. Such a rule can be kept and moved, a copy of it is refused. */
  declare readonly inexact?: string;
  // A rule of a table is a place in it and what is read there: there may be very many.
  readonly #home: RuleHome;
  readonly #index: number;

  /** @internal Use `decodeRule`. */
  constructor(home: RuleHome, index: number) {
    this.#home = home;
    this.#index = index;
    const { view, options } = home;
    const { family, names } = options;
    const at = home.offset(index);
    const draft = this as { -readonly [K in keyof RuleInit | 'inexact']?: Rule[K] };
    // First what every rule has: the fewer ways lead to an object of a shape, the faster it is made.
    draft.matches = home.matches(index);
    draft.counters = readCounters(view, family, at);
    const target = home.target(index);
    if (target !== undefined) draft.target = target;
    heading ??= emptyHead();
    const inexact = readHead(view, at, family, names, heading);
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

  /** Whether a value is a rule that was read: not a copy of one, whatever its prototype. */
  static isRule(value: unknown): value is Rule {
    return typeof value === 'object' && value !== null && #home in value;
  }

  /** A copy that took over the prototype (lodash) has the fields only: what else a rule tells is made from them. */
  static #whole(rule: Rule): Rule {
    return #home in rule ? rule : readCopy(rule);
  }

  get family(): Family {
    return Rule.#whole(this).#home.options.family;
  }

  /** The bytes of the rule. Never change them: they are what is written back. */
  get raw(): PortableEntry {
    const rule = Rule.#whole(this);
    return rule.#home.raw(rule.#index);
  }

  /** @internal What its text and its bytes depend on. */
  get context(): ReadOptions {
    return Rule.#whole(this).#home.options;
  }

  /** The parts of this rule that stay raw or would not be written back as they are, and why. Mostly empty. */
  get warnings(): readonly string[] {
    const found: string[] = [];
    for (const each of [...this.matches, this.target]) {
      if (each?.name === 'raw') {
        found.push(`${each.extension} revision ${each.revision}: ${each.warning ?? 'raw'}`);
      }
    }
    if (headHoldsMore(this)) {
      found.push('the part before the matches holds more than iptables can say');
    }
    return found;
  }

  /**
   * A copy with other fields: `rule.with({ target: { name: 'DROP' } })`, the same as
   * `{ ...rule, target: { name: 'DROP' } }`, but refuses fields that a rule does not have. The copy has the counters
   * of the rule, unless others are given.
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

  /** The text of the rule as iptables-save writes it, from the first option on. */
  toString(): string {
    const rule = Rule.#whole(this);
    return printRule(rule, rule.matches, rule.target, rule.#home.options);
  }

  /**
   * The fields, with what JSON does not have as text: 64-bit numbers in decimal, bytes in hexadecimal. It
   * is taken again where a rule is given.
   */
  toJSON(): Record<string, unknown> {
    return jsonForm({ ...this }) as Record<string, unknown>;
  }
}

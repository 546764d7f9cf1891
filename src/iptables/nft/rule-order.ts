// The order of a chain's rules while the messages of a commit are applied. The kernel tells of a new rule which one was
// before it when the message was made: among them may be rules that the commit deletes, and rules whose message comes
// later.
import type { KnownRule } from '../table/table-state.js';

interface Link {
  rule: KnownRule;
  next: Link | undefined;
  isGone: boolean;
}

/** Where the kernel says that a new rule is. */
export interface Place {
  /** The number of the rule before it; 0n: it is the first or the last. */
  readonly before: bigint;
  readonly appends: boolean;
}

export class RuleOrder {
  #first: Link | undefined;
  #last: Link | undefined;
  /** By number; also those that are gone. */
  readonly #links = new Map<bigint, Link>();
  /** New rules, by the number of a rule that has not come yet. */
  readonly #waiting = new Map<bigint, Link[]>();
  readonly #added: Link[] = [];
  /** A rule that another one takes the place of, with the next message. */
  #replaced: Link | undefined;

  constructor(rules: readonly KnownRule[]) {
    for (const rule of rules) {
      const link: Link = { rule, next: undefined, isGone: false };
      this.#insert(link, this.#last);
      this.#links.set(rule.handle, link);
    }
  }

  has(handle: bigint): boolean {
    const link = this.#links.get(handle);
    return link !== undefined && !link.isGone;
  }

  add(rule: KnownRule, { before, appends }: Place): void {
    const link: Link = { rule, next: undefined, isGone: false };
    this.#added.push(link);
    // A rule that is replaced keeps its number. Before that, the kernel gave it a new one.
    const replaced = this.#links.get(rule.handle) ?? this.#replaced;
    this.#replaced = undefined;
    if (replaced !== undefined) this.#put(link, replaced);
    else if (before === 0n) this.#put(link, appends ? this.#last : undefined);
    else if (this.#links.has(before)) this.#put(link, this.#links.get(before));
    else {
      const others = this.#waiting.get(before);
      if (others === undefined) this.#waiting.set(before, [link]);
      else others.push(link);
    }
  }

  /** `replaced`: the next message has the rule that takes its place. Returns the rule. */
  delete(handle: bigint, replaced: boolean): KnownRule | undefined {
    const link = this.#links.get(handle);
    this.#replaced = undefined;
    if (link === undefined || link.isGone) return undefined;
    link.isGone = true;
    if (replaced) this.#replaced = link;
    return link.rule;
  }

  /** The rules that are left, in order; `undefined` if a place is not known. */
  rules(): KnownRule[] | undefined {
    if (this.#waiting.size > 0) return undefined;
    const rules: KnownRule[] = [];
    for (let link = this.#first; link !== undefined; link = link.next) {
      if (!link.isGone) rules.push(link.rule);
    }
    return rules;
  }

  /** Rules that lead to a chain lead to its new name. */
  rename(was: string, chain: string): void {
    for (const link of [...this.#links.values(), ...this.#added]) {
      if (link.rule.leadsTo === was) link.rule = link.rule.leadingTo(chain);
    }
  }

  /** Puts a new rule behind another one, or before all, and behind it those that waited for it. */
  #put(link: Link, behind: Link | undefined): void {
    this.#insert(link, behind);
    const { handle } = link.rule;
    this.#links.set(handle, link);
    const waiting = this.#waiting.get(handle);
    if (waiting === undefined) return;
    this.#waiting.delete(handle);
    for (const each of waiting) this.#put(each, link);
  }

  #insert(link: Link, behind: Link | undefined): void {
    link.next = behind === undefined ? this.#first : behind.next;
    if (behind === undefined) this.#first = link;
    else behind.next = link;
    if (link.next === undefined) this.#last = link;
  }
}

// A table of typed rules that is in no kernel: for example the table that a text describes.
import { createHash } from 'node:crypto';
import type { Counters } from '../rule/head.js';
import { noCounters } from '../rule/head.js';
import type { TypedRule } from '../rule/source.js';
import { ChangedRule, TypedRules } from '../rule/source.js';
import type { Target } from '../rule/types.js';
import type { Family } from '../text/addresses.js';
import { systemNames } from '../text/host-names.js';
import { SetTable } from '../text/sets.js';
import type { ForeignChain, Policy, ReadChain, TableName, TableReading } from './reading.js';

/** One chain and its rules. */
export interface TypedChain {
  readonly name: string;
  readonly builtin: boolean;
  readonly policy?: Policy | undefined;
  readonly counters?: Readonly<Counters> | undefined;
  readonly rules: readonly TypedRule[];
}

const noSets: ReadonlyMap<number, string> = new Map();
const noRules: readonly number[] = Object.freeze([]);
const noForeign: readonly ForeignChain[] = Object.freeze([]);

export class TypedReading implements TableReading {
  readonly name: TableName;
  readonly family: Family;
  readonly registered: boolean;
  readonly chains: readonly ReadChain[];
  readonly ruleCount: number;
  readonly foreign = noForeign;
  readonly sets = noSets;
  readonly rules: TypedRules;
  readonly #rules: readonly TypedRule[];
  #fingerprint: string | undefined;

  /** `registered`: a namespace has the table. Else nobody does. */
  constructor(name: TableName, family: Family, chains: readonly TypedChain[], registered = false) {
    this.registered = registered;
    this.name = name;
    this.family = family;
    const rules = chains.flatMap((chain) => chain.rules);
    this.#rules = rules;
    this.ruleCount = rules.length;
    const sets = new SetTable(noSets);
    this.rules = new TypedRules(rules, { family, names: systemNames, sets });
    const references = new Map<string, number>();
    for (let i = 0; i < rules.length; i++) {
      const to = this.leadsTo(i);
      if (to !== undefined) references.set(to, (references.get(to) ?? 0) + 1);
    }
    let first = 0;
    this.chains = chains.map(({ name, builtin, policy, counters = noCounters, rules }) => {
      const count = rules.length;
      first += count;
      const known = references.get(name) ?? 0;
      const at = first - count;
      return {
        name,
        builtin,
        policy,
        first: at,
        count,
        references: known,
        unread: false,
        counters,
      };
    });
  }

  /** Made at the access, because it needs the key of every rule. */
  get fingerprint(): string {
    if (this.#fingerprint === undefined) {
      const hash = createHash('sha256');
      for (const { name, policy, first, count } of this.chains) {
        hash.update(JSON.stringify([name, policy, count]));
        for (let index = first; index < first + count; index++) hash.update(this.content(index));
      }
      this.#fingerprint = hash.digest('hex').slice(0, 32);
    }
    return this.#fingerprint;
  }

  /** No rule fits: rules of this table are always written from their typed form. */
  takes(): boolean {
    return false;
  }

  content(index: number, chain?: string): string {
    if (chain === undefined) return this.rules.key(index);
    return new ChangedRule(this.rules, index, { counters: noCounters, chain }).key();
  }

  identity(): undefined {
    return undefined;
  }

  leadsTo(index: number): string | undefined {
    const { target } = this.#rules[index]!.checked;
    if (target === undefined || !('isGoto' in target)) return undefined;
    const { name } = this.rules.target(index)!;
    return name === 'jump' || name === 'goto' ? target.chain : undefined;
  }

  kept(target: Target): Target {
    return target;
  }

  /** Nothing is written here. */
  written(): readonly number[] {
    return noRules;
  }

  sameCounters(index: number, other: TableReading, otherIndex: number): boolean {
    const [a, b] = [this.rules.counters(index), other.rules.counters(otherIndex)];
    return a.packets === b.packets && a.bytes === b.bytes;
  }
}

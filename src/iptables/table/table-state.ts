// A table while it is followed: its chains, and their rules as places in readings. A state does not change. What stays
// from one state to the next is the same object, so it is known without looking at it.
import type { Counters } from '../rule/head.js';
import { Rule } from '../rule/rule.js';
import { ChangedRule, type RuleSource } from '../rule/source.js';
import type { ForeignChain, Policy, TableReading } from './reading.js';

/** Rules with keys: a reading, or the rules of a commit. */
export interface KeyedRules {
  readonly rules: RuleSource;
  content(index: number): string;
  leadsTo(index: number): string | undefined;
}

/** One rule. */
export class KnownRule {
  /** The number of the rule in nf_tables; 0n elsewhere. */
  readonly handle: bigint;
  /** What stays the same when the chain that it leads to gets another name. */
  readonly identity: object;
  readonly #from: KeyedRules;
  readonly #index: number;
  /** The new name of the chain that it leads to. */
  readonly #renamed: string | undefined;

  constructor(from: KeyedRules, index: number, handle: bigint, was?: KnownRule, renamed?: string) {
    this.#from = from;
    this.#index = index;
    this.handle = handle;
    this.identity = was?.identity ?? this;
    this.#renamed = renamed;
  }

  /** The chain that it leads to. */
  get leadsTo(): string | undefined {
    return this.#renamed ?? this.#from.leadsTo(this.#index);
  }

  /** Whether the chain that it leads to has got another name. */
  get isRenamed(): boolean {
    return this.#renamed !== undefined;
  }

  /** The same rule, which leads to the new name of its chain. */
  leadingTo(chain: string): KnownRule {
    return new KnownRule(this.#from, this.#index, this.handle, this, chain);
  }

  /** Costs little. Two rules that are written the same have the same, if no chain was renamed. */
  get content(): string {
    return this.#from.content(this.#index);
  }

  /** What the rule means, if it leads to a chain of this name. */
  meaning(chain: string): string {
    return this.#changed(chain, this.counters).key();
  }

  get counters(): Readonly<Counters> {
    return this.#from.rules.counters(this.#index);
  }

  #changed(chain: string | undefined, counters: Readonly<Counters>): ChangedRule {
    return new ChangedRule(this.#from.rules, this.#index, { counters, chain });
  }

  rule(counters?: Readonly<Counters>): Rule {
    if (counters === undefined && this.#renamed === undefined) {
      return Rule.at(this.#from.rules, this.#index);
    }
    return Rule.at(this.#changed(this.#renamed, counters ?? this.counters), 0);
  }
}

/** One chain. */
export interface KnownChain {
  readonly name: string;
  readonly builtin: boolean;
  readonly policy: Policy | undefined;
  /** The number of the chain in nf_tables; 0n if it has none. */
  readonly handle: bigint;
  /** What stays the same when its name, its policy or its rules change. */
  readonly identity: object;
  readonly rules: readonly KnownRule[];
}

/** A chain that iptables did not make. */
export interface KnownForeign {
  readonly chain: ForeignChain;
  readonly handle: bigint;
  /** Another object when one of its rules has changed; absent: only their number is known. */
  readonly rules?: object;
}

export interface TableState {
  readonly registered: boolean;
  /** By name. */
  readonly chains: ReadonlyMap<string, KnownChain>;
  readonly foreign: ReadonlyMap<string, KnownForeign>;
}

/** The numbers that a reading of nf_tables has. */
export interface Handles {
  handle(rule: number): bigint;
  chainHandle(chain: number): bigint;
  foreignHandle(chain: number): bigint;
}

/** A table as it was read. */
export function stateOf(reading: TableReading, handles?: Handles): TableState {
  const chains = new Map<string, KnownChain>();
  reading.chains.forEach(({ name, builtin, policy, first, count }, at) => {
    const rules = Array.from(
      { length: count },
      (_, i) => new KnownRule(reading, first + i, handles?.handle(first + i) ?? 0n),
    );
    const handle = handles?.chainHandle(at) ?? 0n;
    chains.set(name, { name, builtin, policy, handle, identity: {}, rules });
  });
  const foreign = new Map(
    reading.foreign.map((chain, at) => [
      chain.name,
      { chain, handle: handles?.foreignHandle(at) ?? 0n },
    ]),
  );
  return { registered: reading.registered, chains, foreign };
}

/** A built-in chain that nobody has made or changed. */
export function freshChain(name: string): KnownChain {
  return { name, builtin: true, policy: 'ACCEPT', handle: 0n, identity: {}, rules: [] };
}

/** The table as it would be if the namespace did not have it. */
export function withoutTable(state: TableState): TableState {
  const builtin = [...state.chains.values()].filter((chain) => chain.builtin);
  return {
    registered: false,
    chains: new Map(builtin.map(({ name }) => [name, freshChain(name)])),
    foreign: new Map(),
  };
}

// Tables and chains as they were at one moment: immutable, detached from the kernel, rules decoded when
// they are first looked at. Knows no system call.
import type { Family } from '../../constants.js';
import { badRange, TableError } from '../../errors.js';
import type { Counters } from '../rule/head.js';
import { jsonForm } from '../rule/print.js';
import { Rule } from '../rule/rule.js';
import type { RuleSource } from '../rule/source.js';
import type { ForeignChain, Policy, ReadChain, TableName, TableReading } from './reading.js';

export type { ForeignChain, Policy, TableName } from './reading.js';

/** A chain of a table. */
export class Chain {
  /** The name of the chain. */
  readonly name: string;
  /** One of the table's own chains, which packets enter from a hook. */
  readonly builtin: boolean;
  /** What happens to a packet at the end of a built-in chain; `undefined` for any other chain. */
  readonly policy: Policy | undefined;
  /** The packets and bytes that reached the policy; `undefined` for a chain that is not built in. */
  readonly counters: Counters | undefined;
  /** Rules of the table that jump or go to this chain. */
  readonly references: number;
  /** The number of rules. */
  readonly length: number;
  /** In order, counted from 0. Decoded at the first access. */
  declare readonly rules: readonly Rule[];
  readonly #read: ReadChain;
  readonly #source: RuleSource;
  #rules: readonly Rule[] | undefined;

  /** @internal */
  constructor(read: ReadChain, source: RuleSource) {
    this.#read = read;
    this.#source = source;
    this.name = read.name;
    this.builtin = read.builtin;
    this.policy = read.policy;
    this.counters = this.builtin ? read.counters : undefined;
    this.references = read.references;
    this.length = read.count;
    Object.defineProperty(this, 'rules', rulesOf);
    Object.freeze(this);
  }

  /** @internal */
  static rulesOf(chain: Chain): readonly Rule[] {
    return chain.#decoded();
  }

  #decoded(): readonly Rule[] {
    if (this.#rules === undefined) {
      const rules = new Array<Rule>(this.length);
      const source = this.#source;
      const { first } = this.#read;
      for (let i = 0; i < rules.length; i++) rules[i] = Rule.at(source, first + i);
      this.#rules = Object.freeze(rules);
    }
    return this.#rules;
  }

  /** The fields, with the rules and with 64-bit numbers as text. */
  toJSON(): Record<string, unknown> {
    return jsonForm({ ...this }) as Record<string, unknown>;
  }

  /** What `console.log` shows: the rules too. It decodes them. */
  [Symbol.for('nodejs.util.inspect.custom')](
    depth: number,
    options: object,
    inspect: (value: unknown, options: object) => string,
  ): string {
    return `Chain ${inspect({ ...this }, { ...options, depth })}`;
  }
}

// A property of the chain itself. So a copy of a chain has its rules.
const rulesOf: PropertyDescriptor = {
  get(this: Chain) {
    return Chain.rulesOf(this);
  },
  enumerable: true,
};

/** The chains of a table by their names; JSON has them as a list. */
class Chains extends Map<string, Chain> {
  toJSON(): Chain[] {
    return [...this.values()];
  }
}

/** A table at one moment. It holds no handle: keep it, compare it, print it. */
export class Table {
  /** The name of the table. */
  readonly name: TableName;
  /** The family whose packets pass it. */
  readonly family: Family;
  /**
   * Whether the namespace has this table. A table that it does not have is read as a new one would be (empty chains,
   * ACCEPT): reading never makes the kernel register a table.
   */
  readonly registered: boolean;
  /** The built-in chains in the order of their hooks, then the others by name. */
  readonly chains: ReadonlyMap<string, Chain>;
  /**
   * Chains in this table of nf_tables that iptables did not make: with a hook or priority of their own, or with a
   * name that iptables cannot have. They are not among `chains`, and no edit touches them. Empty for a legacy table.
   */
  readonly foreign: readonly ForeignChain[];
  /** Equal for two readings exactly if everything but the counters is equal. */
  declare readonly fingerprint: string;
  readonly #reading: TableReading;

  /** @internal */
  constructor(reading: TableReading) {
    this.name = reading.name;
    this.family = reading.family;
    this.registered = reading.registered;
    const { rules } = reading;
    this.chains = new Chains(reading.chains.map((read) => [read.name, new Chain(read, rules)]));
    this.foreign = reading.foreign;
    this.#reading = reading;
    Object.defineProperty(this, 'fingerprint', fingerprintOf);
    Object.freeze(this);
  }

  /** @internal */
  static readingOf(table: Table): TableReading {
    return table.#reading;
  }

  /**
   * The chain with this name.
   * @throws {TableError} `ERR_NETFILTER_NO_CHAIN`
   */
  chain(name: string): Chain {
    const found = this.chains.get(name);
    if (found === undefined) throw noChain(name, this.name, this.chains.keys());
    return found;
  }

  /** The fields, with the chains as a list and 64-bit numbers as text. */
  toJSON(): Record<string, unknown> {
    return jsonForm({ ...this, chains: [...this.chains.values()] }) as Record<string, unknown>;
  }
}

export function noChain(name: unknown, table: string, names: Iterable<string>): TableError {
  const all = [...names];
  const some = all.slice(0, 12).join(', ') + (all.length > 12 ? ', …' : '');
  const { message } = badRange('chain', `a chain of table ${table} (${some})`, name);
  return new TableError('ERR_NETFILTER_NO_CHAIN', message);
}

// Made at the access, because making it costs time in some backends.
const fingerprintOf: PropertyDescriptor = {
  get(this: Table) {
    return Table.readingOf(this).fingerprint;
  },
  enumerable: true,
};

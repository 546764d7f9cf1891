// Tables and chains as they were at one moment: immutable, detached from the kernel, rules decoded when
// they are first looked at. Knows no system call.
import type { Family } from '../constants.js';
import { badRange, TableError } from '../errors.js';
import type { SetNames } from './host-names.js';
import { type Counters, Rule } from './rule.js';
import { jsonForm, readOptions, ruleShapes } from './rule-bytes.js';
import { type RuleHome, SnapshotHome } from './rule-home.js';
import { SetTable } from './sets.js';
import { emptySnapshot, type RawChain, type Snapshot } from './snapshot.js';

/** The kernel's own tables. A module may register others. */
export type TableName = 'filter' | 'nat' | 'mangle' | 'raw' | 'security' | (string & {});

export type Policy = 'ACCEPT' | 'DROP';

/** A chain of a table. */
export class Chain {
  readonly name: string;
  /** One of the table's own chains, which packets enter from a hook. */
  readonly builtin: boolean;
  /** What happens to a packet at the end of a built-in chain; `undefined` for any other chain. */
  readonly policy: Policy | undefined;
  /** What the policy has decided on; `undefined` for a chain that is not built in. */
  readonly counters: Counters | undefined;
  /** Rules of the table that jump or go to this chain. */
  readonly references: number;
  readonly length: number;
  /** In their order, counted from 0; decoded when they are first asked for. */
  declare readonly rules: readonly Rule[];
  readonly #raw: RawChain;
  readonly #home: RuleHome;
  #rules: readonly Rule[] | undefined;

  /** @internal */
  constructor(raw: RawChain, home: RuleHome) {
    this.#raw = raw;
    this.#home = home;
    this.name = raw.name;
    this.builtin = raw.hook !== 0;
    this.policy = raw.policy;
    this.counters = this.builtin ? raw.counters : undefined;
    this.references = raw.references;
    this.length = raw.count;
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
      const home = this.#home;
      const { first } = this.#raw;
      for (let i = 0; i < rules.length; i++) rules[i] = new Rule(home, first + i);
      this.#rules = Object.freeze(rules);
    }
    return this.#rules;
  }

  toJSON(): Record<string, unknown> {
    return jsonForm({ ...this }) as Record<string, unknown>;
  }

  /** What `console.log` shows: the rules too, which are decoded for it. */
  [Symbol.for('nodejs.util.inspect.custom')](
    depth: number,
    options: object,
    inspect: (value: unknown, options: object) => string,
  ): string {
    return `Chain ${inspect({ ...this }, { ...options, depth })}`;
  }
}

// A property of the chain itself, so that a copy of a chain has its rules.
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
  readonly name: TableName;
  readonly family: Family;
  /**
   * Whether the namespace has this table. One that it does not have is read as what a new one would
   * hold (empty chains, ACCEPT): reading never makes the kernel register a table.
   */
  readonly registered: boolean;
  /** The built-in chains in the order of their hooks, then the others by name. */
  readonly chains: ReadonlyMap<string, Chain>;
  /** The same for two readings exactly when everything but counters is the same. */
  readonly fingerprint: string;

  /** @internal */
  constructor(snapshot: Snapshot) {
    kept.shapes ??= makeShapes();
    this.name = snapshot.name;
    this.family = snapshot.family;
    this.registered = snapshot.registered;
    this.fingerprint = snapshot.fingerprint;
    const home = homeOf(snapshot);
    this.chains = new Chains(snapshot.chains.map((raw) => [raw.name, new Chain(raw, home)]));
    Object.freeze(this);
  }

  /** @throws {TableError} `ERR_NETFILTER_NO_CHAIN` */
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

/** Where the rules of a snapshot are at home: `new Rule(home, index)`. */
export function homeOf(
  snapshot: Snapshot,
  sets: SetNames = new SetTable(snapshot.sets),
): SnapshotHome {
  const names = new Set(snapshot.chains.map((chain) => chain.name));
  const { family } = snapshot;
  return new SnapshotHome(
    snapshot,
    readOptions({ family, sets, isChain: (name) => names.has(name) }),
  );
}

// V8 drops the code that it has made for a kind of object together with the last such object: without
// these, a process that reads a table now and then would begin anew each time.
const kept: { shapes?: unknown } = {};

function makeShapes(): unknown {
  kept.shapes = true; // what is made here asks for none
  const snapshot = emptySnapshot();
  const counters = { packets: 0n, bytes: 0n };
  const raw = { name: '', hook: 0, policy: undefined, first: 0, count: 1, references: 0, counters };
  const chain = new Chain(raw, homeOf(snapshot));
  return [new Table(snapshot), chain, ruleShapes()];
}

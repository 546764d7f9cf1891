// What an edit has made of a table so far: chains, and of each rule whether it is the snapshot's or a
// new one. Keeps count of references, makes the plan. Knows no syntax and no system call.
import { badRange } from '../errors.js';
import { readCounters, viewOf, writeCounters } from './entry.js';
import { bytesToText, littleEndian, textToBytes } from './extensions/stores.js';
import type { PlannedChain } from './plan.js';
import { type DecodeOptions, type EncodeOptions, Rule, type RuleInit } from './rule.js';
import { decodeRule, encodeRule } from './rule-bytes.js';
import { SetTable } from './sets.js';
import type { Snapshot } from './snapshot.js';
import { homeOf, noChain, type Policy } from './table.js';

/** A line of a text, for messages. */
export interface Line {
  readonly number: number;
  readonly text: string;
}

/** A rule that is not in the snapshot as it is. */
export interface NewRule {
  readonly entry: Uint8Array;
  /** Index of the snapshot's rule whose counters it takes over at the commit. */
  readonly countersOf: number | undefined;
  /** What it was made of: it is encoded again when the kernel's sets or revisions demand it. */
  readonly init: RuleInit | Rule | undefined;
  /** Where it stands in the text that it came from. */
  readonly line?: Line | undefined;
  rule?: Rule;
}
/** Index of one of the snapshot's rules, the same with its counters set to zero, or a new rule. */
export type Item = number | { readonly zeroed: number; rule?: Rule } | NewRule;

export interface ChainState {
  name: string;
  readonly hook: number;
  policy: Policy | undefined;
  counters: { packets: bigint; bytes: bigint } | undefined;
  /** The snapshot's rules, as long as nothing was changed. */
  readonly first: number;
  readonly count: number;
  items: Item[] | undefined;
}

const zero = { packets: 0n, bytes: 0n };
const targetOffset = { ipv4: 88, ipv6: 140 };
const standardSize = 40;
const verdicts = new Set(['', 'ACCEPT', 'DROP', 'QUEUE', 'RETURN']);

/** The chain that a rule leads to by its bytes, if that is a chain: a target without a payload looks alike. */
export function chainOf(entry: Uint8Array, family: 'ipv4' | 'ipv6'): string | undefined {
  const view = new DataView(entry.buffer, entry.byteOffset, entry.length);
  const at = view.getUint16(targetOffset[family], littleEndian);
  if (view.getUint16(at, littleEndian) !== standardSize) return undefined;
  const name = bytesToText(entry.subarray(at + 2, entry.indexOf(0, at + 2)));
  return verdicts.has(name) ? undefined : name;
}

export class EditState {
  readonly snapshot: Snapshot;
  readonly sets: SetTable;
  readonly chains = new Map<string, ChainState>();
  /** Jumps by the name of the chain that they lead to, whether it exists or not. */
  readonly references = new Map<string, number>();
  /** Whether the caller may still change it. */
  open = true;
  readonly #baseChains: ReadonlySet<string>;
  readonly #baseRule: (index: number) => Rule;
  readonly #decode: DecodeOptions;

  constructor(snapshot: Snapshot) {
    this.snapshot = snapshot;
    this.sets = new SetTable(snapshot.sets);
    for (const { name, hook, policy, first, count, references } of snapshot.chains) {
      const state = { name, hook, policy, first, count, counters: undefined, items: undefined };
      this.chains.set(name, state);
      if (references > 0) this.references.set(name, references);
    }
    this.#baseChains = new Set(this.chains.keys());
    const home = homeOf(snapshot, this.sets);
    const made: (Rule | undefined)[] = new Array(snapshot.ruleCount);
    this.#baseRule = (index) => {
      made[index] ??= new Rule(home, index);
      return made[index]!;
    };
    const { family } = snapshot;
    this.#decode = { family, sets: this.sets, isChain: (name) => this.chains.has(name) };
  }

  checkOpen(): void {
    if (!this.open) throw new TypeError('edit: the table was used after its edit had ended');
  }

  chain(name: string): ChainState {
    const found = this.chains.get(name);
    if (found === undefined) throw noChain(name, this.snapshot.name, this.chains.keys());
    return found;
  }

  length(chain: ChainState): number {
    return chain.items?.length ?? chain.count;
  }

  /** The chain's rules, to be changed. */
  items(chain: ChainState): Item[] {
    if (chain.items === undefined) {
      const items: Item[] = new Array(chain.count);
      for (let index = 0; index < chain.count; index++) items[index] = chain.first + index;
      chain.items = items;
    }
    return chain.items;
  }

  rule(chain: ChainState, index: number): Rule {
    const item = chain.items === undefined ? chain.first + index : chain.items[index]!;
    if (typeof item === 'number') return this.#baseRule(item);
    item.rule ??= decodeRule(this.#withCounters(item), this.#decode);
    return item.rule;
  }

  /** The bytes as they will be, the counters as far as they are known now. */
  #withCounters(item: Exclude<Item, number>): Uint8Array {
    const { family } = this.snapshot;
    if ('zeroed' in item) {
      const entry = this.snapshot.entry(item.zeroed).slice();
      writeCounters(entry, family, zero);
      return entry;
    }
    if (item.countersOf === undefined) return item.entry;
    const entry = item.entry.slice();
    const counted = viewOf(this.snapshot.entry(item.countersOf));
    writeCounters(entry, family, readCounters(counted, family));
    return entry;
  }

  bytes(item: Item): Uint8Array {
    if (typeof item === 'number') return this.snapshot.entry(item);
    return 'zeroed' in item ? this.snapshot.entry(item.zeroed) : item.entry;
  }

  /** A new rule, encoded; `options` are for its messages. */
  make(init: RuleInit | Rule, options: EncodeOptions, countersOf?: number): NewRule {
    return { entry: encodeRule(init, options), init, countersOf };
  }

  /** Puts rules in the place of `removed` ones. */
  splice(chain: ChainState, at: number, removed: number, added: readonly Item[]): Item[] {
    const items = this.items(chain);
    if (at === items.length) {
      for (const item of added) {
        this.#refer(item, 1);
        items.push(item);
      }
      return [];
    }
    const gone = items.slice(at, at + removed);
    if (this.references.size > 0) for (const item of gone) this.#refer(item, -1);
    for (const item of added) this.#refer(item, 1);
    if (added.length < 1000) {
      items.splice(at, removed, ...added);
    } else {
      chain.items = items.slice(0, at).concat(added, items.slice(at + removed));
    }
    return gone;
  }

  #refer(item: Item, by: 1 | -1): void {
    const name = this.jumpOf(item);
    if (name === undefined) return;
    this.references.set(name, (this.references.get(name) ?? 0) + by);
  }

  /** The chain that a rule jumps or goes to. */
  jumpOf(item: Item): string | undefined {
    if (typeof item === 'object' && 'init' in item && item.init !== undefined) {
      const { target } = item.init;
      return target?.name === 'jump' || target?.name === 'goto' ? target.chain : undefined;
    }
    const name = chainOf(this.bytes(item), this.snapshot.family);
    if (name === undefined) return undefined;
    const isChain = typeof item === 'object' && 'entry' in item ? this.chains : this.#baseChains;
    return isChain.has(name) ? name : undefined;
  }

  addChain(name: string): ChainState {
    const state: ChainState = {
      name,
      hook: 0,
      policy: undefined,
      counters: undefined,
      first: 0,
      count: 0,
      items: [],
    };
    this.chains.set(name, state);
    return state;
  }

  removeChain(name: string): void {
    this.chains.delete(name);
  }

  /** Renames a chain and redirects every jump to it; all of these rules keep their counters. */
  renameChain(from: ChainState, name: string): void {
    const old = from.name;
    this.items(from);
    // While the old name is still that of a chain: else no rule would be seen to jump to it.
    if (this.references.has(old)) this.#redirectAll(old, name);
    this.chains.delete(old);
    from.name = name;
    this.chains.set(name, from);
    if (!this.references.has(old)) return;
    this.references.set(name, (this.references.get(name) ?? 0) + this.references.get(old)!);
    this.references.delete(old);
  }

  #redirectAll(old: string, name: string): void {
    for (const chain of this.chains.values()) {
      const length = this.length(chain);
      for (let index = 0; index < length; index++) {
        const item = chain.items === undefined ? chain.first + index : chain.items[index]!;
        if (this.jumpOf(item) === old) this.items(chain)[index] = this.#redirect(item, name);
      }
    }
  }

  #redirect(item: Item, name: string): NewRule {
    const entry = this.bytes(item).slice();
    const at = viewOf(entry).getUint16(targetOffset[this.snapshot.family], littleEndian);
    entry.fill(0, at + 2, at + 31);
    entry.set(textToBytes(name), at + 2);
    if (typeof item === 'number') return { entry, init: undefined, countersOf: item };
    if ('zeroed' in item) {
      writeCounters(entry, this.snapshot.family, zero);
      return { entry, init: undefined, countersOf: undefined };
    }
    // Encoded again from what it was made of, it would lead to the old name.
    const init =
      item.init === undefined
        ? undefined
        : {
            ...item.init,
            target: { ...item.init.target, chain: name } as RuleInit['target'],
          };
    return { entry, init, countersOf: item.countersOf };
  }

  /** Sets the counters of one rule to zero. */
  zeroRule(chain: ChainState, index: number): void {
    const items = this.items(chain);
    const item = items[index]!;
    if (typeof item === 'number') {
      items[index] = { zeroed: item };
    } else if ('entry' in item) {
      const entry = item.entry.slice();
      writeCounters(entry, this.snapshot.family, zero);
      items[index] = {
        entry,
        init: item.init && { ...item.init, counters: zero },
        countersOf: undefined,
      };
    }
  }

  /** Every new rule, with where it stands. */
  *newRules(): Generator<{ chain: ChainState; index: number; item: NewRule }> {
    for (const chain of this.chains.values()) {
      if (chain.items === undefined) continue;
      for (const [index, item] of chain.items.entries()) {
        if (typeof item === 'object' && 'entry' in item) yield { chain, index, item };
      }
    }
  }

  /** A rule that jumps to where nothing can jump, which no order of operations can make right. */
  dangling(): { chain: ChainState; index: number; item: NewRule; to: string } | undefined {
    for (const [to, count] of this.references) {
      const target = this.chains.get(to);
      if (count === 0 || (target !== undefined && target.hook === 0)) continue;
      for (const found of this.newRules()) {
        if (this.jumpOf(found.item) === to) return { ...found, to };
      }
    }
    return undefined;
  }

  /** @throws {RangeError} for such a rule */
  check(): void {
    const found = this.dangling();
    if (found === undefined) return;
    const { chain, index, to } = found;
    const path = `${chain.name}.rules[${index}].target.chain`;
    if (this.chains.has(to)) {
      throw badRange(path, 'a chain that is not built in (nothing can jump to those)', to);
    }
    throw badRange(path, `a chain of table ${this.snapshot.name}`, to);
  }

  /** The plan, or `undefined` when it would change nothing. */
  plan(): PlannedChain[] | undefined {
    const planned: PlannedChain[] = [];
    let changed = this.chains.size !== this.snapshot.chains.length;
    const before = new Map(this.snapshot.chains.map((chain) => [chain.name, chain]));
    for (const chain of this.chains.values()) {
      const { name, hook, policy, counters, first, count, items } = chain;
      const was = before.get(name);
      planned.push({ name, hook, policy, counters, rules: items ?? { first, count } });
      changed ||=
        was === undefined ||
        was.policy !== policy ||
        counters !== undefined ||
        (items !== undefined &&
          (items.length !== was.count || items.some((item, i) => item !== was.first + i)));
    }
    return changed ? planned : undefined;
  }
}

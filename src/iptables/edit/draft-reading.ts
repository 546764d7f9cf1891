// The table that an edit would make, as it would be read afterwards. Pure: no kernel has it.
import { createHash } from 'node:crypto';
import type { Counters, HeadDraft } from '../rule/head.js';
import { noCounters } from '../rule/head.js';
import { Rule } from '../rule/rule.js';
import type { NftPlace, RuleSource } from '../rule/source.js';
import { ChangedRule } from '../rule/source.js';
import type { Match, RuleContext, Target } from '../rule/types.js';
import type { ForeignChain, ReadChain, TableName, TableReading } from '../table/reading.js';
import type { Family } from '../text/addresses.js';
import { textToBytes } from '../text/encoding.js';
import type { ChainState, Item } from './change.js';
import type { EditState } from './state.js';

const noRules: readonly number[] = Object.freeze([]);

export const byName = (a: { readonly name: string }, b: { readonly name: string }) =>
  Buffer.compare(textToBytes(a.name), textToBytes(b.name));

/** Where a rule is now: in the table that was read, or as it was given. */
interface Place {
  readonly source: RuleSource;
  readonly index: number;
  readonly isNew: boolean;
}

/** The rules after the edit, in the order of the chains. */
class DraftRules implements RuleSource {
  readonly context: RuleContext;
  readonly #state: EditState;
  readonly #items: readonly Item[];

  constructor(state: EditState, items: readonly Item[]) {
    this.context = state.base.rules.context;
    this.#state = state;
    this.#items = items;
  }

  #place(index: number): Place {
    const item = this.#items[index]!;
    if (typeof item === 'number') {
      return { source: this.#state.base.rules, index: item, isNew: false };
    }
    return { ...Rule.placeOf(this.#state.view(item)), isNew: 'given' in item };
  }

  head(index: number, into: HeadDraft): string | undefined {
    const { source, index: at } = this.#place(index);
    return source.head(at, into);
  }

  matches(index: number): readonly Match[] {
    const { source, index: at } = this.#place(index);
    return source.matches(at);
  }

  target(index: number): Target | undefined {
    const { source, index: at, isNew } = this.#place(index);
    const target = source.target(at);
    return isNew && target !== undefined ? this.#state.base.kept(target) : target;
  }

  counters(index: number): Readonly<Counters> {
    const { source, index: at } = this.#place(index);
    return source.counters(at);
  }

  key(index: number): string {
    const { source, index: at } = this.#place(index);
    return source.key(at);
  }

  line(index: number): number | undefined {
    const { source, index: at } = this.#place(index);
    return source.line?.(at);
  }

  /** A new rule has no number yet. But if iptables has no words for it, its text tells its expressions. */
  nft(index: number): NftPlace | undefined {
    const { source, index: at, isNew } = this.#place(index);
    const place = source.nft?.(at);
    return isNew && place?.foreign === undefined ? undefined : place;
  }
}

export class DraftReading implements TableReading {
  readonly name: TableName;
  readonly family: Family;
  readonly registered: boolean;
  readonly chains: readonly ReadChain[];
  readonly ruleCount: number;
  readonly foreign: readonly ForeignChain[];
  readonly sets: ReadonlyMap<number, string>;
  readonly rules: RuleSource;
  readonly #state: EditState;
  readonly #items: readonly Item[];
  #fingerprint: string | undefined;
  #gone: ReadonlyMap<string, string> | undefined;

  constructor(state: EditState) {
    const { base } = state;
    this.#state = state;
    this.name = base.name;
    this.family = base.family;
    this.foreign = base.foreign;
    this.sets = base.sets;
    this.registered = base.registered || state.isChanged;
    const counted = new Map(base.chains.map(({ name, counters }) => [name, counters]));
    const items: Item[] = [];
    this.chains = chainsInOrder(state).map((chain) => {
      const first = items.length;
      const count = state.length(chain);
      for (let index = 0; index < count; index++) items.push(state.item(chain, index));
      const { name, builtin, policy, was } = chain;
      const counters = chain.counters ?? counted.get(was ?? '') ?? noCounters;
      const references = state.references.get(name) ?? 0;
      return { name, builtin, policy, first, count, references, unread: false, counters };
    });
    this.ruleCount = items.length;
    this.#items = items;
    this.rules = new DraftRules(state, items);
  }

  /** Made at the access, because it needs the key of every rule. */
  get fingerprint(): string {
    if (this.#fingerprint === undefined) {
      const hash = createHash('sha256');
      for (const { name, policy, first, count } of this.chains) {
        hash.update(JSON.stringify([name, policy, count]));
        for (let index = first; index < first + count; index++) hash.update(this.rules.key(index));
      }
      this.#fingerprint = hash.digest('hex').slice(0, 32);
    }
    return this.#fingerprint;
  }

  /** Where the rule comes from: its place in the table that was read, or a new or changed rule. */
  item(index: number): Item {
    return this.#items[index]!;
  }

  takes(): boolean {
    return false;
  }

  kept(target: Target): Target {
    return this.#state.base.kept(target);
  }

  /**
   * The key of a rule of the table before the edit, if it is the same rule. So a key costs little, and a rule that was
   * taken out and is given again is no other one.
   */
  content(index: number, chain?: string): string {
    if (chain !== undefined) {
      return new ChangedRule(this.rules, index, { counters: noCounters, chain }).key();
    }
    const { base } = this.#state;
    const item = this.item(index);
    if (typeof item === 'number') return base.content(item);
    if ('base' in item) return base.content(item.base, item.chain);
    const { given } = item;
    const written = base.written('rule' in given ? given.rule : given.checked);
    if (written.length > 0 && item.chain === undefined) return base.content(written[0]!);
    const key = this.rules.key(index);
    this.#gone ??= this.#goneByKey();
    return this.#gone.get(key) ?? `new ${key}`;
  }

  /** The rules that the edit took out: by what they mean, their keys in the table before it. */
  #goneByKey(): ReadonlyMap<string, string> {
    const { base } = this.#state;
    const stays = new Set(
      this.#items.map((item) => (typeof item === 'number' || 'given' in item ? item : item.base)),
    );
    const gone = new Map<string, string>();
    for (let index = 0; index < base.ruleCount; index++) {
      if (!stays.has(index)) gone.set(base.rules.key(index), base.content(index));
    }
    return gone;
  }

  identity(): undefined {
    return undefined;
  }

  leadsTo(index: number): string | undefined {
    return this.#state.jumpOf(this.item(index));
  }

  written(): readonly number[] {
    return noRules;
  }

  sameCounters(index: number, other: TableReading, otherIndex: number): boolean {
    const [a, b] = [this.rules.counters(index), other.rules.counters(otherIndex)];
    return a.packets === b.packets && a.bytes === b.bytes;
  }
}

/** As a reading has them: the built-in chains, then the others by name. */
function chainsInOrder({ chains }: EditState): ChainState[] {
  const all = [...chains.values()];
  const others = all.filter((chain) => !chain.builtin).sort(byName);
  return [...all.filter((chain) => chain.builtin), ...others];
}

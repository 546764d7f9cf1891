// The change of a table → the operations that make it so in nf_tables. Only what changed is sent: rules that stay are
// not touched, so they keep their counters and the state of their matches. Writes no bytes of messages.
import type {
  Around,
  ChainState,
  ChangedItem,
  Item,
  ItemCounters,
  NewItem,
  TableDraft,
} from '../edit/change.js';
import { initOf } from '../edit/change.js';
import type { Counters } from '../rule/head.js';
import { Rule } from '../rule/rule.js';
import { ChangedRule, type RuleSource } from '../rule/source.js';
import type { Policy } from '../table/reading.js';
import { refused } from '../text/refused.js';
import { type Encoding, encodeGiven } from '../xtables/encode-change.js';
import type { PortableEntry } from '../xtables/entry.js';
import { redirected } from '../xtables/rule-bytes.js';
import { type NftImage, NftRules } from './image.js';

/** A rule as it goes to the kernel: an entry, or the expressions that the kernel sent. */
export type Content =
  | { readonly entry: PortableEntry }
  | { readonly expressions: Uint8Array; readonly userData: Uint8Array };

/** Where a rule goes in its chain: at its end, at its beginning, before a rule that stays, or in the place of one. */
export type Place =
  | 'append'
  | 'prepend'
  | { readonly before: bigint }
  | { readonly replace: bigint };

export type Operation =
  | { readonly do: 'table' }
  | {
      readonly do: 'base';
      readonly chain: string;
      readonly policy: Policy;
      readonly counters: Readonly<Counters> | undefined;
    }
  | { readonly do: 'chain'; readonly chain: string }
  | { readonly do: 'rename'; readonly chain: string; readonly handle: bigint; readonly to: string }
  | {
      readonly do: 'policy';
      readonly chain: string;
      readonly policy: Policy | undefined;
      readonly counters: Readonly<Counters> | undefined;
    }
  | { readonly do: 'deleteChain'; readonly chain: string }
  | { readonly do: 'flush'; readonly chain: string }
  | { readonly do: 'deleteRule'; readonly chain: string; readonly handle: bigint }
  | {
      readonly do: 'rule';
      readonly chain: string;
      readonly place: Place;
      readonly content: Content;
      /** Absent: those that the expressions have. */
      readonly counters: Readonly<Counters> | undefined;
      /** Its place after the edit, for messages. Of a chain that was not read, the place among the new rules. */
      readonly index: number;
      /** The name of its chain after the edit. */
      readonly within: string;
    };

/** A rule as it was read, with all that no entry says. */
export function rawContent(image: NftImage, index: number): Content {
  return { expressions: image.expressions(index), userData: image.userData(index) };
}

/**
 * Which chains keep their rules in the kernel, perhaps under a new name, and which are replaced by new chains. Costs
 * nothing for the chains that keep their names: a table may have ten thousand.
 */
class Renames {
  /** The kernel's name of each chain that goes on under a new name, by that name. */
  readonly #names = new Map<string, string>();
  readonly #recreated = new Set<string>();

  constructor({ base, chains }: TableDraft) {
    const renamed = [...chains.values()].filter(
      ({ name, was }) => was !== undefined && was !== name,
    );
    if (renamed.length === 0) return;
    const before = new Set(base.chains.map(({ name }) => name));
    const taken = new Set(chains.keys());
    for (const { name, was } of renamed) {
      // The kernel takes a new name only if no chain has it before the commit, and gives an old name free only at
      // the commit. In any other case a new chain replaces the old one, with the same rules.
      if (before.has(name) || taken.has(was!)) this.#recreated.add(name);
      else this.#names.set(name, was!);
    }
  }

  /** The name by which the kernel knows the chain until the commit; `undefined` for a new one. */
  kernelName({ name, was }: ChainState): string | undefined {
    return this.#recreated.has(name) ? undefined : was;
  }

  /** The name until the commit of the chain that has this name after it. */
  before(name: string): string {
    return this.#names.get(name) ?? name;
  }

  /** Whether a jump that was read must be written again to lead to the chain that now has this name. */
  isRecreated(name: string): boolean {
    return this.#recreated.has(name);
  }

  /** The names of the chains that go on under a new name, until the commit. */
  get renamed(): Iterable<string> {
    return this.#names.values();
  }
}

/** Indexes of the longest sequence that rises: those that keep their places. */
function rising(values: readonly (number | undefined)[]): Set<number> {
  const tails: number[] = [];
  const before: (number | undefined)[] = [];
  values.forEach((value, index) => {
    if (value === undefined) return;
    let [low, high] = [0, tails.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (values[tails[middle]!]! < value) low = middle + 1;
      else high = middle;
    }
    before[index] = tails[low - 1];
    tails[low] = index;
  });
  const kept = new Set<number>();
  for (let at = tails.at(-1); at !== undefined; at = before[at]) kept.add(at);
  return kept;
}

/** Whether anything but the name of a chain may be another one. */
function isTouched({ builtin, counters, items, around }: ChainState): boolean {
  return builtin || counters !== undefined || items !== undefined || around !== undefined;
}

/** How many rules at the beginning and at the end of a chain are those that were read there. */
function untouched(items: readonly Item[], first: number, count: number) {
  const most = Math.min(items.length, count);
  let head = 0;
  while (head < most && items[head] === first + head) head++;
  let tail = 0;
  while (tail < most - head && items[items.length - 1 - tail] === first + count - 1 - tail) tail++;
  return { head, tail };
}

interface Written {
  readonly content: Content;
  readonly counters: Readonly<Counters> | undefined;
}

class Planner {
  readonly #change: TableDraft;
  readonly #base: NftImage;
  readonly #encoding: Encoding;
  readonly #renames: Renames;
  #places: ReadonlyMap<string, number> | undefined;

  constructor(change: TableDraft, base: NftImage, encoding: Encoding) {
    this.#change = change;
    this.#base = base;
    this.#encoding = encoding;
    this.#renames = new Renames(change);
  }

  plan(): Operation[] {
    const change = this.#change;
    const base = this.#base;
    const first: Operation[] = [];
    const deletions: Operation[] = [];
    const renames: Operation[] = [];
    const creations: Operation[] = [];
    const additions: Operation[] = [];
    for (const chain of change.chains.values()) {
      const was = this.#renames.kernelName(chain);
      if (was === chain.name && !isTouched(chain)) continue;
      if (was === undefined) {
        creations.push({ do: 'chain', chain: chain.name });
      } else {
        const at = this.#placeOf(was);
        if (base.chains[at]!.absent) {
          if (!this.#isNeeded(chain, at)) continue;
          const { policy = 'ACCEPT', counters } = chain;
          first.push({ do: 'base', chain: was, policy, counters });
        } else {
          if (was !== chain.name) {
            renames.push({
              do: 'rename',
              chain: was,
              handle: base.chainHandle(at),
              to: chain.name,
            });
          }
          const policy = chain.policy === base.chains[at]!.policy ? undefined : chain.policy;
          if (policy !== undefined || chain.counters !== undefined) {
            creations.push({ do: 'policy', chain: was, policy, counters: chain.counters });
          }
        }
      }
      this.#rules(chain, was, deletions, additions);
    }
    const renamed = new Set(this.#renames.renamed);
    const goesOn = (name: string) => {
      const chain = change.chains.get(name);
      return renamed.has(name) || (chain !== undefined && this.#renames.kernelName(chain) === name);
    };
    const gone = base.chains.filter(({ name, builtin }) => !builtin && !goesOn(name));
    for (const { name, count } of gone) if (count > 0) deletions.push({ do: 'flush', chain: name });
    for (const { name } of gone) deletions.push({ do: 'deleteChain', chain: name });
    const table: Operation[] = base.registered ? [] : [{ do: 'table' }];
    // A chain that goes gives its name free. A rule can lead to a chain that was made before it.
    return [...table, ...first, ...deletions, ...renames, ...creations, ...additions];
  }

  /** The place of a chain among those that were read. */
  #placeOf(name: string): number {
    this.#places ??= new Map(this.#base.chains.map((chain, index) => [chain.name, index]));
    return this.#places.get(name)!;
  }

  /** Whether the edit needs a base chain that nf_tables does not have yet. */
  #isNeeded(chain: ChainState, at: number): boolean {
    const { policy } = this.#base.chains[at]!;
    return (
      (chain.items?.length ?? 0) > 0 || chain.policy !== policy || chain.counters !== undefined
    );
  }

  #rules(
    chain: ChainState,
    was: string | undefined,
    deletions: Operation[],
    additions: Operation[],
  ): void {
    const { first, count, items, unread, around } = chain;
    if (unread) {
      if (around !== undefined) this.#around(chain.name, around, additions);
      return;
    }
    if (items === undefined && was !== undefined) return;
    const all = items ?? Array.from({ length: count }, (_, index) => first + index);
    // Most edits leave the beginning and the end of a chain alone. Only what is between is compared.
    const { head, tail } = was === undefined ? { head: 0, tail: 0 } : untouched(all, first, count);
    const list = all.slice(head, all.length - tail);
    const [begin, end] = [first + head, first + count - tail];
    /** The rule that an item was, if it can stay in its chain. */
    const places = list.map((item) => {
      const index = typeof item === 'number' ? item : this.#staying(item);
      const isHere = was !== undefined && index !== undefined && index >= begin && index < end;
      return isHere ? index : undefined;
    });
    const kept = rising(places);
    if (was !== undefined) {
      if (kept.size + head + tail === 0) {
        if (count > 0) deletions.push({ do: 'flush', chain: was });
      } else if (kept.size < end - begin) {
        const stay = new Set(Array.from(kept, (index) => places[index]!));
        for (let index = begin; index < end; index++) {
          if (stay.has(index)) continue;
          deletions.push({ do: 'deleteRule', chain: was, handle: this.#base.handle(index) });
        }
      }
    }
    /** For each item, the handle of the first rule after it that stays. */
    const next: (bigint | undefined)[] = [];
    let handle = tail === 0 ? undefined : this.#base.handle(end);
    for (let index = list.length - 1; index >= 0; index--) {
      next[index] = handle;
      if (kept.has(index)) handle = this.#base.handle(places[index]!);
    }
    const name = was ?? chain.name;
    list.forEach((item, index) => {
      const before = next[index];
      const stays = kept.has(index);
      if (stays && !this.#isChanged(item)) return;
      const place: Place = stays
        ? { replace: this.#base.handle(places[index]!) }
        : before === undefined
          ? 'append'
          : { before };
      const { content, counters } = this.#written(item);
      additions.push({
        do: 'rule',
        chain: name,
        place,
        content,
        counters,
        index: head + index,
        within: chain.name,
      });
    });
  }

  /** New rules before and behind those of a chain that was not read. Such a chain keeps its name. */
  #around(chain: string, { before, after }: Around, additions: Operation[]): void {
    const add = (item: NewItem, place: Place, index: number) =>
      additions.push({ do: 'rule', chain, place, ...this.#written(item), index, within: chain });
    // Each goes before all that are there, so the last one comes first.
    for (let index = before.length - 1; index >= 0; index--) add(before[index]!, 'prepend', index);
    after.forEach((item, index) => {
      add(item, 'append', before.length + index);
    });
  }

  /**
   * The index of the rule that was read and is changed here, if it can stay. A rule cannot stay if it leads to a chain
   * that is made anew: the kernel does not delete a chain while a rule leads to it. And the new chain must be there
   * before a rule can lead to it.
   */
  #staying(item: ChangedItem | NewItem): number | undefined {
    if (!('base' in item)) return undefined;
    const { base, chain } = item;
    return chain !== undefined && this.#renames.isRecreated(chain) ? undefined : base;
  }

  /** Whether a rule that stays in its place is another one now. */
  #isChanged(item: Item): boolean {
    if (typeof item === 'number') return false;
    if (!('base' in item)) return true;
    const { base, counters } = item;
    if ('of' in counters) return counters.of !== base;
    const now = this.#base.rules.counters(base);
    // Counters that are zero already need no new rule.
    return now.packets !== counters.packets || now.bytes !== counters.bytes;
  }

  #written(item: Item): Written {
    if (typeof item === 'number')
      return { content: rawContent(this.#base, item), counters: undefined };
    return 'base' in item ? this.#changed(item) : this.#added(item);
  }

  #countersOf(counters: ItemCounters): Readonly<Counters> {
    return 'of' in counters ? this.#base.rules.counters(counters.of) : counters;
  }

  #changed({ base, chain, counters }: ChangedItem): Written {
    // Until the commit a renamed chain has its old name, as the rule has it.
    if (chain === undefined || !this.#renames.isRecreated(chain)) {
      const isOwn = 'of' in counters && counters.of === base;
      const content = rawContent(this.#base, base);
      return { content, counters: isOwn ? undefined : this.#countersOf(counters) };
    }
    if (!this.#base.rules.isWhole(base)) {
      const more = `a rule that leads to it is more than iptables can say (${this.#base.note(base)})`;
      throw refused(`chain ${chain}`, `it cannot have this name: ${more}`);
    }
    const entry = this.#leading(this.#base.rules.entry(base), chain);
    return { content: { entry }, counters: this.#countersOf(counters) };
  }

  /** The entry of a rule that jumps, for the kernel, which does not know new names of chains yet. */
  #leading(entry: PortableEntry, chain: string): PortableEntry {
    return redirected(entry, this.#base.family, this.#renames.before(chain));
  }

  #added(item: NewItem): Written {
    const { given, chain } = item;
    const counters = item.counters === undefined ? undefined : this.#countersOf(item.counters);
    if (!('rule' in given)) {
      return { content: this.#entryOf(item), counters: counters ?? given.checked.counters };
    }
    const { source, index } = Rule.placeOf(given.rule);
    const own = source.counters(index);
    const raw = chain === undefined ? this.#rawOf(source, index) : undefined;
    if (raw === undefined) return { content: this.#entryOf(item), counters: counters ?? own };
    // The expressions of a rule have its counters, unless these were changed since.
    return {
      content: raw,
      counters: counters ?? (source instanceof ChangedRule ? own : undefined),
    };
  }

  /** A rule of nf_tables that is given back as it was read, with all that no entry says. */
  #rawOf(source: RuleSource, index: number): Content | undefined {
    if (source instanceof ChangedRule) {
      return source.chain === undefined ? this.#rawOf(source.source, source.index) : undefined;
    }
    if (!(source instanceof NftRules)) return undefined;
    // A jump may lead to a chain that has another name until the commit.
    const target = source.target(index);
    const leads = target?.name === 'jump' || target?.name === 'goto';
    if (leads && this.#renames.before(target.chain) !== target.chain) return undefined;
    return rawContent(source.image, index);
  }

  #entryOf(item: NewItem): Content {
    const entry = encodeGiven(item, this.#base, this.#encoding);
    const to = item.chain ?? leadsTo(item);
    return { entry: to === undefined ? entry : this.#leading(entry, to) };
  }
}

/** The chain that a new rule jumps or goes to. */
function leadsTo(item: NewItem): string | undefined {
  const { target } = initOf(item);
  return target?.name === 'jump' || target?.name === 'goto' ? target.chain : undefined;
}

/**
 * What the edit changes, in an order in which the kernel takes it. `base` is the reading of the change, or a later one
 * of the same table, which has newer counters.
 */
export function operationsOf(change: TableDraft, base: NftImage, encoding: Encoding): Operation[] {
  return new Planner(change, base, encoding).plan();
}

/** The names of the chains until the commit, for the rules that lead to them. */
export function chainNames(change: TableDraft): string[] {
  const renames = new Renames(change);
  return Array.from(change.chains.values(), (chain) => renames.kernelName(chain) ?? chain.name);
}

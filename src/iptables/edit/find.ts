// Finds rules of a chain by what they mean. Looks for the same bytes, and then at the rules one after the other, or in an
// index if there is much to find. Reads rules; changes none.
import { isNot } from '../extensions/define.js';
import { emptyHead, type ReadHead, sameHead } from '../rule/head.js';
import { type Rule, ruleKey } from '../rule/rule.js';
import type { TableReading } from '../table/reading.js';
import type { ChainState, Item, NewItem } from './change.js';

/** What it reads of an edit. */
export interface Viewed {
  readonly base: TableReading;
  /** The number of rules of a chain. */
  length(chain: ChainState): number;
  item(chain: ChainState, index: number): Item;
  view(item: Item): Rule;
}

/** How often one looks into a chain until an index pays. */
const fewLookups = 3;
/** If an edit changes more rules of a chain at once, its index is made anew when it is needed. */
const fewChanges = 1000;

const part = (value: unknown) => (isNot(value) ? `!${String(value.not)}` : String(value ?? ''));

/** Equal for two heads if they mean the same. */
function headKey({ protocol, src, dst, in: input, out, fragment }: ReadHead): string {
  const [from, to] = [input === '+' ? '' : part(input), out === '+' ? '' : part(out)];
  const proto = protocol === 'all' ? '' : part(protocol);
  return `${proto}\0${part(src)}\0${part(dst)}\0${from}\0${to}\0${part(fragment)}`;
}

/** The rules of a chain with one head. Their keys are made when one of these rules is looked for. */
interface Bucket {
  items: Item[];
  byKey: Map<string, Item[]> | undefined;
}

/** The rules of one chain by their heads, and then by their keys: most rules need no key, which costs much more. */
class RuleIndex {
  readonly #edit: Viewed;
  readonly #buckets = new Map<string, Bucket>();
  readonly #head = emptyHead();

  constructor(edit: Viewed, chain: ChainState) {
    this.#edit = edit;
    const length = edit.length(chain);
    for (let index = 0; index < length; index++) this.add(edit.item(chain, index));
  }

  #headKey(item: Item): string {
    if (typeof item !== 'number') return headKey(this.#edit.view(item));
    this.#edit.base.rules.head(item, this.#head);
    return headKey(this.#head);
  }

  #keyOf(item: Item): string {
    if (typeof item === 'number') return this.#edit.base.rules.key(item);
    return ruleKey(this.#edit.view(item));
  }

  add(item: Item): void {
    const key = this.#headKey(item);
    const bucket = this.#buckets.get(key);
    if (bucket === undefined) {
      this.#buckets.set(key, { items: [item], byKey: undefined });
      return;
    }
    bucket.items.push(item);
    if (bucket.byKey !== undefined) this.#put(bucket.byKey, item);
  }

  remove(item: Item): void {
    const bucket = this.#buckets.get(this.#headKey(item));
    if (bucket === undefined) return;
    const others = (items: readonly Item[]) => items.filter((each) => each !== item);
    bucket.items = others(bucket.items);
    if (bucket.byKey === undefined) return;
    const key = this.#keyOf(item);
    bucket.byKey.set(key, others(bucket.byKey.get(key) ?? []));
  }

  #put(byKey: Map<string, Item[]>, item: Item): void {
    const key = this.#keyOf(item);
    const known = byKey.get(key);
    if (known === undefined) byKey.set(key, [item]);
    else known.push(item);
  }

  /** The rules that mean the same, in no order. */
  same(wanted: Rule): readonly Item[] {
    const bucket = this.#buckets.get(headKey(wanted));
    if (bucket === undefined) return [];
    if (bucket.byKey === undefined) {
      bucket.byKey = new Map();
      for (const item of bucket.items) this.#put(bucket.byKey, item);
    }
    return bucket.byKey.get(ruleKey(wanted)) ?? [];
  }
}

/** Finds rules in the chains of one edit. */
export class RuleFinder {
  readonly #edit: Viewed;
  readonly #lookups = new WeakMap<ChainState, number>();
  readonly #indexes = new WeakMap<ChainState, RuleIndex>();

  constructor(edit: Viewed) {
    this.#edit = edit;
  }

  /** The index of the first rule of a chain that means the same, or -1. */
  find(chain: ChainState, wanted: Rule): number {
    const index = this.#indexOf(chain);
    if (index === undefined) return this.#scan(chain, wanted);
    const places = index.same(wanted).map((item) => placeOf(item, chain));
    return places.length === 0 ? -1 : Math.min(...places);
  }

  /** Whether a chain has a rule that means the same. Most are found by their bytes. */
  has(chain: ChainState, wanted: NewItem): boolean {
    const { given } = wanted;
    const written = this.#edit.base.written('rule' in given ? given.rule : given.checked);
    if (written.some((rule) => isIn(rule, chain))) return true;
    const rule = this.#edit.view(wanted);
    const index = this.#indexOf(chain);
    return index === undefined ? this.#scan(chain, rule) >= 0 : index.same(rule).length > 0;
  }

  /** Some rules of a chain are others now. */
  changed(chain: ChainState, gone: readonly Item[], added: readonly Item[]): void {
    const index = this.#indexes.get(chain);
    if (index === undefined) return;
    if (gone.length + added.length > fewChanges) {
      this.forget(chain);
      return;
    }
    for (const item of gone) index.remove(item);
    for (const item of added) index.add(item);
  }

  /** Any rules of a chain may be others now. */
  forget(chain: ChainState): void {
    this.#indexes.delete(chain);
  }

  #indexOf(chain: ChainState): RuleIndex | undefined {
    let index = this.#indexes.get(chain);
    if (index !== undefined) return index;
    const lookups = this.#lookups.get(chain) ?? 0;
    this.#lookups.set(chain, lookups + 1);
    if (lookups < fewLookups) return undefined;
    index = new RuleIndex(this.#edit, chain);
    this.#indexes.set(chain, index);
    return index;
  }

  #scan(chain: ChainState, wanted: Rule): number {
    const edit = this.#edit;
    const length = edit.length(chain);
    const key = ruleKey(wanted);
    const head = emptyHead();
    for (let index = 0; index < length; index++) {
      // Compares addresses, interfaces and protocol first. Most rules differ in these, and then need no more decoding.
      const found = edit.item(chain, index);
      if (typeof found === 'number') {
        edit.base.rules.head(found, head);
        if (!sameHead(head, wanted)) continue;
      }
      if (ruleKey(edit.view(found)) === key) return index;
    }
    return -1;
  }
}

/** Whether a rule of the reading is in a chain. */
function isIn(rule: number, { items, first, count }: ChainState): boolean {
  if (items !== undefined) return items.includes(rule);
  return rule >= first && rule < first + count;
}

function placeOf(item: Item, { items, first }: ChainState): number {
  return items === undefined ? (item as number) - first : items.indexOf(item);
}

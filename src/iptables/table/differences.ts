// What differs between two states of a table: the net difference. Rules are compared by their content, without
// counters. Pure.
import type { Counters } from '../rule/head.js';
import { align } from './align.js';
import type { Difference } from './change.js';
import type { KnownChain, KnownForeign, KnownRule, TableState } from './table-state.js';

/** The last counters of rules that are gone. */
export type LastCounters = (rule: KnownRule) => Readonly<Counters> | undefined;

const unknown: LastCounters = () => undefined;

/** Old names of chains, and the new ones. */
type Renames = ReadonlyMap<string, string>;

export function differences(
  before: TableState,
  after: TableState,
  counters: LastCounters = unknown,
): Difference[] {
  const found: Difference[] = [];
  if (after.registered && !before.registered) found.push({ type: 'tableAdded' });
  const renames = findRenames(before, after);
  const wasNamed = new Map([...renames].map(([was, chain]) => [chain, was]));
  for (const [was, chain] of renames) found.push({ type: 'chainRenamed', chain, was });
  const pairs: { name: string; then: KnownChain | undefined; now: KnownChain | undefined }[] = [];
  for (const [name, now] of after.chains) {
    const then = before.chains.get(wasNamed.get(name) ?? name);
    if (then === undefined) found.push({ type: 'chainAdded', chain: name });
    pairs.push({ name, then, now });
  }
  for (const [name, then] of before.chains) {
    if (after.chains.has(name) || renames.has(name)) continue;
    pairs.push({ name, then, now: undefined });
  }
  const keys = new Keys(renames);
  for (const { name, then, now } of pairs) {
    found.push(...ruleDifferences(name, then?.rules ?? [], now?.rules ?? [], keys, counters));
    const [was, policy] = [then?.policy, now?.policy];
    if (was !== undefined && policy !== undefined && was !== policy) {
      found.push({ type: 'policyChanged', chain: name, policy, was });
    }
  }
  for (const { name, now } of pairs) {
    if (now === undefined) found.push({ type: 'chainDeleted', chain: name });
  }
  foreignDifferences(before, after, found);
  if (before.registered && !after.registered) found.push({ type: 'tableDeleted' });
  return found;
}

/** Keys of rules: equal for rules that are the same, if the renamed chains are taken for the same. */
class Keys {
  readonly renames: Renames;
  /** Rules that lead to these are not compared by their bytes, because some of them still have the old name. */
  readonly #named: Set<string>;

  constructor(renames: Renames) {
    this.renames = renames;
    this.#named = new Set(renames.values());
  }

  /** The bytes of this rule may have an old name. */
  note(rule: KnownRule): void {
    if (rule.isRenamed) this.#named.add(rule.leadsTo!);
  }

  leadsTo(rule: KnownRule, isOld: boolean): string | undefined {
    const name = rule.leadsTo;
    return name !== undefined && isOld ? (this.renames.get(name) ?? name) : name;
  }

  of(rule: KnownRule, isOld: boolean): string {
    if (this.#named.size === 0) return rule.content;
    const name = this.leadsTo(rule, isOld);
    return name !== undefined && this.#named.has(name)
      ? `means ${rule.meaning(name)}`
      : rule.content;
  }

  /** Whether it is one rule, which has not changed. */
  isOne(then: KnownRule, now: KnownRule): boolean {
    if (then === now) return this.renames.size === 0 || this.#leadsToSame(then, now);
    return then.identity === now.identity && this.#leadsToSame(then, now);
  }

  #leadsToSame(then: KnownRule, now: KnownRule): boolean {
    return this.leadsTo(then, true) === this.leadsTo(now, false);
  }
}

function* ruleDifferences(
  chain: string,
  then: readonly KnownRule[],
  now: readonly KnownRule[],
  keys: Keys,
  counters: LastCounters,
): Generator<Difference> {
  if (then === now && keys.renames.size === 0) return;
  // What has stayed at both ends need not be looked at.
  let head = 0;
  while (head < then.length && head < now.length && keys.isOne(then[head]!, now[head]!)) head++;
  let [endThen, endNow] = [then.length, now.length];
  while (endThen > head && endNow > head && keys.isOne(then[endThen - 1]!, now[endNow - 1]!)) {
    endThen--;
    endNow--;
  }
  const [old, fresh] = [then.slice(head, endThen), now.slice(head, endNow)];
  for (const rule of [...old, ...fresh]) keys.note(rule);
  const [forth, back] = align(
    old.map((rule) => keys.of(rule, true)),
    fresh.map((rule) => keys.of(rule, false)),
  );
  for (let i = old.length - 1; i >= 0; i--) {
    if (forth[i] !== undefined) continue;
    // Chains were renamed before.
    const to = keys.renames.get(old[i]!.leadsTo ?? '');
    const gone = to === undefined ? old[i]! : old[i]!.leadingTo(to);
    yield { type: 'ruleDeleted', chain, index: head + i, rule: gone.rule(counters(old[i]!)) };
  }
  for (let i = 0; i < fresh.length; i++) {
    if (back[i] !== undefined) continue;
    yield { type: 'ruleAdded', chain, index: head + i, rule: fresh[i]!.rule() };
  }
}

function foreignDifferences(before: TableState, after: TableState, found: Difference[]): void {
  for (const [chain, was] of before.foreign) {
    const now = after.foreign.get(chain);
    if (now === undefined) found.push({ type: 'foreignDeleted', chain, foreign: was.chain });
  }
  for (const [chain, now] of after.foreign) {
    const was = before.foreign.get(chain);
    if (was === undefined) found.push({ type: 'foreignAdded', chain, foreign: now.chain });
    else if (changed(was, now)) {
      found.push({ type: 'foreignChanged', chain, foreign: now.chain });
    }
  }
}

const changed = (was: KnownForeign, now: KnownForeign) =>
  (now.rules !== undefined && now.rules !== was.rules) ||
  JSON.stringify(was.chain) !== JSON.stringify(now.chain);

/**
 * Chains that have another name. Where it is not known which chain is which, a chain that is gone and a new one with the
 * same rules are one, if there is no other choice: with it the rules that lead to them are the same again.
 */
function findRenames(before: TableState, after: TableState): Map<string, string> {
  const gone = [...before.chains.values()].filter(({ name }) => !after.chains.has(name));
  const fresh = [...after.chains.values()].filter(({ name }) => !before.chains.has(name));
  const found = new Map<string, string>();
  if (gone.length === 0 || fresh.length === 0) return found;
  const byIdentity = new Map(fresh.map((chain) => [chain.identity, chain]));
  for (const { name, identity } of gone) {
    const now = byIdentity.get(identity);
    if (now !== undefined) found.set(name, now.name);
  }
  const taken = new Set(found.values());
  const left = gone.filter(({ name, builtin }) => !builtin && !found.has(name));
  const [old, young] = [
    formsOf(left, before),
    formsOf(
      fresh.filter(({ name, builtin }) => !builtin && !taken.has(name)),
      after,
    ),
  ];
  for (const [form, names] of old) {
    const others = young.get(form);
    if (names.length === 1 && others?.length === 1) found.set(names[0]!, others[0]!);
  }
  return found;
}

/** The names of chains by what they hold. Leaves out those that have no rules and to which none leads. */
function formsOf(chains: readonly KnownChain[], state: TableState): Map<string, string[]> {
  const forms = new Map<string, string[]>();
  for (const { name, rules } of chains) {
    let form = rules.map((rule) => rule.content).join('\n');
    if (rules.length === 0) {
      const references = countReferences(name, state);
      if (references === 0) continue;
      form = `${references} rules lead to it`;
    }
    const known = forms.get(form);
    if (known === undefined) forms.set(form, [name]);
    else known.push(name);
  }
  return forms;
}

function countReferences(name: string, { chains }: TableState): number {
  let count = 0;
  for (const { rules } of chains.values()) {
    for (const rule of rules) if (rule.leadsTo === name) count++;
  }
  return count;
}

// The change of a legacy table → the plan for native code.
import type { ChangedItem, Item, NewItem, TableDraft } from '../edit/change.js';
import { noCounters } from '../rule/head.js';
import { type Encoding, encodeGiven, withCounters } from '../xtables/encode-change.js';
import { redirected } from '../xtables/rule-bytes.js';
import type { PlannedChain, PlannedRule } from './plan.js';
import type { Snapshot } from './snapshot.js';

function planned(item: Item, base: Snapshot, encoding: Encoding): PlannedRule {
  if (typeof item === 'number') return item;
  return 'base' in item ? changed(item, base) : added(item, base, encoding);
}

function changed({ base: index, chain, counters }: ChangedItem, base: Snapshot): PlannedRule {
  if (chain === undefined && counters === noCounters) return { zeroed: index };
  const bytes = base.entry(index);
  const entry = chain === undefined ? bytes : redirected(bytes, base.family, chain);
  if ('of' in counters) return { entry, countersOf: counters.of };
  return { entry: withCounters(entry, counters, base.family) };
}

function added(item: NewItem, base: Snapshot, encoding: Encoding): PlannedRule {
  const { chain, counters } = item;
  let entry = encodeGiven(item, base, encoding);
  if (chain !== undefined) entry = redirected(entry, base.family, chain);
  if (counters === undefined) return { entry };
  if ('of' in counters) return { entry, countersOf: counters.of };
  return { entry: withCounters(entry, counters, base.family) };
}

export function planOf(change: TableDraft, base: Snapshot, encoding: Encoding): PlannedChain[] {
  const hooks = new Map(base.chains.map(({ name, hook }) => [name, hook]));
  return Array.from(
    change.chains.values(),
    ({ name, was, policy, counters, items, first, count }) => ({
      name,
      hook: was === undefined ? 0 : hooks.get(was)!,
      policy,
      counters,
      rules: items?.map((item) => planned(item, base, encoding)) ?? { first, count },
    }),
  );
}

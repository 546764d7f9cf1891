// The change of a legacy table → the plan for native code. Writes the bytes of each new or changed rule.
import type { ChangedItem, Item, NewItem, TableChange } from '../edit/change.js';

import type { MaxRevision } from '../extensions/registry.js';
import { checkRule } from '../rule/check.js';
import type { Counters } from '../rule/head.js';
import { noCounters } from '../rule/head.js';
import { Rule } from '../rule/rule.js';
import type { SetNames } from '../text/host-names.js';
import { systemNames } from '../text/host-names.js';
import { type PortableEntry, writeCounters } from '../xtables/entry.js';
import type { NewEntry } from '../xtables/revisions.js';
import { bytesOf, encodeChecked, redirected } from '../xtables/rule-bytes.js';
import type { PlannedChain, PlannedRule } from './plan.js';
import type { Snapshot } from './snapshot.js';

/** What the bytes of new rules depend on. */
export interface Encoding {
  readonly sets: SetNames;
  /** Given if the kernel does not have the newest revision of an extension. */
  readonly maxRevision?: MaxRevision | undefined;
}

/** The bytes of a new rule, as it was given. */
export function encodeGiven(
  { given }: NewItem,
  { family, name: table }: Snapshot,
  { sets, maxRevision }: Encoding,
): PortableEntry {
  if ('rule' in given) {
    const { source, index } = Rule.placeOf(given.rule);
    return bytesOf(source, index)!;
  }
  const context = { family, names: systemNames, sets };
  if (maxRevision === undefined) return encodeChecked(given.checked, context);
  const checked = checkRule(given.init, { family, table, sets, maxRevision });
  return encodeChecked(checked, context);
}

/** The bytes with other counters. Native code puts in the counters of a rule of the reading, at the commit. */
function withCounters(
  entry: PortableEntry,
  counters: Readonly<Counters>,
  family: Snapshot['family'],
) {
  const own = entry.slice();
  writeCounters(own, family, counters);
  return own;
}

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

export function planOf(change: TableChange, base: Snapshot, encoding: Encoding): PlannedChain[] {
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

/** The new rules and their bytes. */
export function newEntries(change: TableChange, base: Snapshot, encoding: Encoding): NewEntry[] {
  return Array.from(change.newRules(), ({ item }) => ({
    item,
    entry: encodeGiven(item, base, encoding),
  }));
}

// The bytes of the new rules of a change.
import type { NewItem, TableDraft } from '../edit/change.js';

import type { MaxRevision } from '../extensions/registry.js';
import { checkRule } from '../rule/check.js';
import type { Counters } from '../rule/head.js';
import { Rule } from '../rule/rule.js';
import type { SetNames } from '../text/host-names.js';
import { systemNames } from '../text/host-names.js';
import { type PortableEntry, writeCounters } from './entry.js';
import type { TableImage } from './image.js';
import type { NewEntry } from './revisions.js';
import { bytesOf, encodeChecked } from './rule-bytes.js';

/** What the bytes of new rules depend on. */
export interface Encoding {
  readonly sets: SetNames;
  /** Given if the kernel does not have the newest revision of an extension. */
  readonly maxRevision?: MaxRevision | undefined;
}

/** The bytes of a new rule, as it was given. */
export function encodeGiven(
  { given }: NewItem,
  { family, name: table }: TableImage,
  { sets, maxRevision }: Encoding,
): PortableEntry {
  if ('rule' in given) {
    const { source, index } = Rule.placeOf(given.rule);
    const bytes = bytesOf(source, index);
    if (bytes === undefined) throw new TypeError('a rule that no entry says');
    return bytes;
  }
  const context = { family, names: systemNames, sets };
  if (maxRevision === undefined) return encodeChecked(given.checked, context);
  const checked = checkRule(given.init, { family, table, sets, maxRevision });
  return encodeChecked(checked, context);
}

/** The bytes with other counters. */
export function withCounters(
  entry: PortableEntry,
  counters: Readonly<Counters>,
  family: TableImage['family'],
) {
  const own = entry.slice();
  writeCounters(own, family, counters);
  return own;
}

/** Whether a new rule is one that was read and whose entry does not say all of it. */
export function isForeign({ given }: NewItem): boolean {
  if (!('rule' in given)) return false;
  const { source, index } = Rule.placeOf(given.rule);
  return bytesOf(source, index) === undefined;
}

/** The new rules and their bytes. */
export function newEntries(change: TableDraft, base: TableImage, encoding: Encoding): NewEntry[] {
  return Array.from(change.newRules(), ({ item }) => item)
    .filter((item) => !isForeign(item))
    .map((item) => ({ item, entry: encodeGiven(item, base, encoding) }));
}

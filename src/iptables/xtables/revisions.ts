// Which of the extensions and revisions of new rules the kernel has.
import { unsupported } from '../../errors.js';
import type { Binding, Handle } from '../../native/binding.js';
import type { Session } from '../../native/session.js';
import { blame } from '../edit/blame.js';
import type { NewItem } from '../edit/change.js';
import type { Kind } from '../extensions/define.js';
import { registry } from '../extensions/index.js';
import type { MaxRevision } from '../extensions/registry.js';
import type { Family } from '../text/addresses.js';
import { toolOf } from '../text/family.js';
import { type ExtensionBytes, type PortableEntry, splitEntry } from './entry.js';

/** A match or target of some revision. */
export interface Used {
  readonly kind: Kind;
  readonly name: string;
  readonly revision: number;
}

/** The extensions of some rules, each once. */
function extensionsOf(family: Family, entries: Iterable<PortableEntry>): Used[] {
  const used = new Map<string, Used>();
  const add = (kind: Kind, { name, revision }: ExtensionBytes) => {
    used.set(`${kind} ${name} ${revision}`, { kind, name, revision });
  };
  for (const entry of entries) {
    const { matches, target } = splitEntry(entry, family);
    for (const match of matches) add('match', match);
    // A standard target has the name of a chain or no name. The kernel needs no extension for it.
    if (registry.has(family, 'target', target.name) || target.payload.length !== 8) {
      add('target', target);
    }
  }
  return [...used.values()];
}

/** Says which of these the kernel has. */
export type Probe = (used: readonly Used[]) => Promise<boolean[]>;

/** Asks the kernel by one function of the addon. */
export function probeWith(
  session: Session,
  ask: (
    binding: Binding,
    handle: Handle,
    queries: readonly { name: string; revision: number; target: boolean }[],
  ) => Promise<boolean[]>,
): Probe {
  return async (used) => {
    if (used.length === 0) return [];
    const queries = used.map(({ kind, name, revision }) => {
      return { name, revision, target: kind === 'target' };
    });
    return session.run('iptables extension probe', undefined, (binding, handle) =>
      ask(binding, handle, queries),
    );
  };
}

/** Every extension has one of these revisions, or none. A kernel without it would load modules for each that is asked. */
const lowest = [0, 1, 2, 3];
const others = Array.from({ length: 256 - lowest.length }, (_, index) => index + lowest.length);

/** The highest revision in which the kernel has a match or target. `false`: it has none. */
export async function highestRevision(
  probe: Probe,
  kind: Kind,
  name: string,
): Promise<number | false> {
  const ask = (revisions: readonly number[]) =>
    probe(revisions.map((revision) => ({ kind, name, revision })));
  const low = await ask(lowest);
  if (!low.includes(true)) return false;
  return [...low, ...(await ask(others))].lastIndexOf(true);
}

function uses(entry: PortableEntry, family: Family, { kind, name, revision }: Used): boolean {
  const { matches, target } = splitEntry(entry, family);
  const all = kind === 'match' ? matches : [target];
  return all.some((each) => each.name === name && each.revision === revision);
}

/** A new rule and its bytes. */
export interface NewEntry {
  readonly item: NewItem;
  readonly entry: PortableEntry;
}

/**
 * The newest revisions that the kernel takes, for extensions whose revision it does not take. `undefined`: it takes
 * all of them.
 * @throws {UnsupportedError} for an extension that it takes in no revision
 */
export async function olderRevisions(
  probe: Probe,
  family: Family,
  rules: readonly NewEntry[],
): Promise<MaxRevision | undefined> {
  const used = extensionsOf(
    family,
    rules.map(({ entry }) => entry),
  );
  const present = await probe(used);
  const missing = used.filter((_, i) => !present[i]);
  if (missing.length === 0) return undefined;
  const limits = new Map<string, number>();
  for (const each of missing) {
    const { kind, name, revision } = each;
    // The bytes of a caller cannot be written in another revision.
    const typed = registry.find(family, kind, name, revision) !== undefined;
    const older = (typed ? registry.revisions(family, kind, name) : [])
      .map((other) => other.revision)
      .filter((other) => other < revision);
    const candidates = older.map((other) => ({ kind, name, revision: other }));
    const found = await probe(candidates);
    const best = older.find((_, i) => found[i]);
    if (best === undefined) throw lacking(each, family, rules);
    limits.set(`${kind} ${name}`, best);
  }
  return (kind, name) => limits.get(`${kind} ${name}`);
}

function lacking(used: Used, family: Family, rules: readonly NewEntry[]): Error {
  const { kind, name, revision } = used;
  const guilty = new Set<NewItem>();
  for (const { item, entry } of rules) if (uses(entry, family, used)) guilty.add(item);
  const error = unsupported(
    `${toolOf(family)} commit`,
    `the kernel has no ${kind} ${name} of revision ${revision}`,
    'its module is missing or the kernel was built without it',
  );
  return blame(error, (item) => guilty.has(item));
}

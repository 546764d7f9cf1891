// Taking an edit back: from the table before, the table after it and the table now, the table that
// somebody who only undoes this edit would make. Pure: reads three snapshots, changes an edit's state.
import type { ChainState, EditState, Item } from './edit-state.js';
import { chainKeys, RulePool } from './rule-pool.js';
import type { Snapshot } from './snapshot.js';

const same = (a: readonly string[], b: readonly string[]) =>
  a.length === b.length && a.every((key, index) => key === b[index]);

/**
 * The rules of a chain without the edit: what the edit added goes, what it took away comes back behind
 * the rule that it stood behind, and what others did since stays.
 */
export function undoRules(
  before: readonly string[],
  after: readonly string[],
  now: readonly string[],
): string[] {
  if (same(now, after)) return [...before];
  if (same(before, after)) return [...now];
  const surplus = counts(after, before);
  const result = now.filter((key) => {
    const left = surplus.get(key) ?? 0;
    if (left > 0) surplus.set(key, left - 1);
    return left <= 0;
  });
  const missing = counts(before, after);
  before.forEach((key, index) => {
    const left = missing.get(key) ?? 0;
    if (left <= 0) return;
    missing.set(key, left - 1);
    let at = 0;
    for (let i = index - 1; i >= 0 && at === 0; i--) at = result.lastIndexOf(before[i]!) + 1;
    result.splice(at, 0, key);
  });
  return result;
}

/** How many more of each key the first list has than the second. */
function counts(more: readonly string[], less: readonly string[]): Map<string, number> {
  const found = new Map<string, number>();
  for (const key of more) found.set(key, (found.get(key) ?? 0) + 1);
  for (const key of less) found.set(key, (found.get(key) ?? 0) - 1);
  return found;
}

/**
 * Turns `state`, which begins as the table now, into the table without the edit.
 * Returns whether others had changed the table since.
 */
export function undoEdit(state: EditState, before: Snapshot, after: Snapshot): boolean {
  const now = state.snapshot;
  const merged = now.fingerprint !== after.fingerprint;
  const byName = (snapshot: Snapshot) =>
    new Map(snapshot.chains.map((chain) => [chain.name, chain]));
  const [was, is, then] = [byName(before), byName(after), byName(now)];
  const old = new RulePool(before);

  // The chains first: rules may jump to each of them.
  const wanted: { chain: ChainState; keys: string[] }[] = [];
  for (const name of new Set([...was.keys(), ...then.keys()])) {
    const made = is.has(name) && !was.has(name);
    const keys = undoRules(
      chainKeys(before, was.get(name)),
      chainKeys(after, is.get(name)),
      chainKeys(now, then.get(name)),
    );
    // A chain that the edit made goes, unless somebody else uses it by now.
    const foreign =
      keys.length > 0 || (then.get(name)?.references ?? 0) > (is.get(name)?.references ?? 0);
    if (made && !foreign) continue;
    // One that others deleted since stays away, unless it was the edit that did.
    if (!then.has(name) && is.has(name)) continue;
    wanted.push({ chain: state.chains.get(name) ?? state.addChain(name), keys });
  }
  const pool = new RulePool(now);
  const taken = wanted.map(({ chain, keys }) => keys.map((key) => pool.take(key, chain.name)));
  wanted.forEach(({ chain, keys }, i) => {
    const items = keys.map((key, k): Item => {
      // The same rule in another chain still has the counters.
      const index = taken[i]![k] ?? pool.take(key);
      if (index !== undefined) return index;
      const was = old.take(key, chain.name) ?? old.take(key);
      return { entry: before.entry(was!), init: undefined, countersOf: undefined };
    });
    state.splice(chain, 0, state.length(chain), items);
  });
  for (const chain of state.chains.values()) {
    if (wanted.some((each) => each.chain === chain)) continue;
    state.splice(chain, 0, state.length(chain), []);
    state.removeChain(chain.name);
  }
  for (const { name, policy } of before.chains) {
    const chain = state.chains.get(name);
    if (chain === undefined || policy === is.get(name)?.policy) continue;
    if (chain.policy === is.get(name)?.policy) chain.policy = policy;
  }
  return merged;
}

// From an edit's state to the kernel: sets and revisions resolved, the plan written, one commit, and an
// error that says which rule the kernel cannot take.
import { AF_INET, AF_INET6, type Family } from '../constants.js';
import { NetfilterError, unsupported } from '../errors.js';
import type { Session } from '../native/session.js';
import type { RawCommit } from '../native/xtables-binding.js';
import { usesSets } from './chain-edit.js';
import type { EditState, NewRule } from './edit-state.js';
import { type ExtensionBytes, splitEntry } from './entry.js';
import type { Kind } from './extensions/define.js';
import { refused } from './extensions/define.js';
import { registry } from './extensions/index.js';
import type { MaxRevision } from './extensions/registry.js';
import type { SetNames } from './host-names.js';
import { writePlan } from './plan.js';
import { encodeRule } from './rule.js';
import { Snapshot } from './snapshot.js';

export const familyNumber = (family: Family) => (family === 'ipv6' ? AF_INET6 : AF_INET);

/** NFPROTO_* of a set that may stand in the rules of a family; 0: a set without addresses. */
const setFamilies = { ipv4: 2, ipv6: 10 };

export async function readSnapshot(
  session: Session,
  family: Family,
  table: string,
  signal?: AbortSignal,
): Promise<Snapshot> {
  const tool = family === 'ipv6' ? 'ip6tables' : 'iptables';
  const buffer = await session.run(`${tool} read ${table}`, signal, (binding, handle) =>
    binding.xtRead(handle, familyNumber(family), table),
  );
  // Reading cannot be cut short; whoever has given up meanwhile is told so all the same.
  signal?.throwIfAborted();
  return new Snapshot(buffer);
}

/** Encodes a new rule again; what was copied from the kernel stays as it is. */
function encodeAgain(
  state: EditState,
  item: NewRule,
  sets: SetNames,
  maxRevision?: MaxRevision,
): void {
  if (item.init === undefined) return;
  const { family, name: table } = state.snapshot;
  const options = maxRevision === undefined ? { sets } : { sets, maxRevision };
  const entry = encodeRule(item.init, { family, table, ...options });
  (item as { entry: Uint8Array }).entry = entry;
}

/** Asks the kernel for the sets that new rules name. */
export async function resolveSets(
  session: Session,
  names: readonly string[],
  family: Family,
): Promise<Map<string, number>> {
  const indexes = new Map<string, number>();
  if (names.length === 0) return indexes;
  const found = await session.run('ipset lookup', undefined, (binding, handle) =>
    binding.xtSets(handle, names),
  );
  names.forEach((name, i) => {
    const id = found[i];
    if (!id) throw refused(`set ${name}`, 'the kernel has no set of that name');
    if (id.family !== 0 && id.family !== setFamilies[family]) {
      const other = family === 'ipv4' ? 'IPv6' : 'IPv4';
      throw refused(`set ${name}`, `it holds ${other} addresses, the rule is for ${family}`);
    }
    indexes.set(name, id.index);
  });
  return indexes;
}

interface Used {
  kind: Kind;
  name: string;
  revision: number;
}

/** The extensions of some rules, each once. */
function extensionsOf(family: Family, rules: Iterable<NewRule>): Used[] {
  const used = new Map<string, Used>();
  const add = (kind: Kind, { name, revision }: ExtensionBytes) => {
    used.set(`${kind} ${name} ${revision}`, { kind, name, revision });
  };
  for (const { entry } of rules) {
    const { matches, target } = splitEntry(entry, family);
    for (const match of matches) add('match', match);
    // A standard target has the name of a chain or of nothing: the kernel knows those itself.
    if (registry.has(family, 'target', target.name) || target.payload.length !== 8) {
      add('target', target);
    }
  }
  return [...used.values()];
}

/** Which of these the kernel has. */
async function probe(session: Session, family: Family, used: readonly Used[]): Promise<boolean[]> {
  return session.run('iptables extension probe', undefined, (binding, handle) =>
    binding.xtRevisions(
      handle,
      familyNumber(family),
      used.map(({ kind, name, revision }) => ({ name, revision, target: kind === 'target' })),
    ),
  );
}

/**
 * The newest revisions that the kernel takes, for extensions that it does not take as they were written.
 * Throws where it takes none.
 */
export async function olderRevisions(
  family: Family,
  used: readonly Used[],
  has: (used: readonly Used[]) => Promise<boolean[]>,
): Promise<MaxRevision | undefined> {
  const present = await has(used);
  const missing = used.filter((_, i) => !present[i]);
  if (missing.length === 0) return undefined;
  const limits = new Map<string, number>();
  for (const { kind, name, revision } of missing) {
    // Bytes that the caller gave cannot be written in another revision.
    const typed = registry.find(family, kind, name, revision) !== undefined;
    const older = (typed ? registry.revisions(family, kind, name) : [])
      .map((each) => each.revision)
      .filter((each) => each < revision);
    const found = await has(older.map((each) => ({ kind, name, revision: each })));
    const best = older.find((_, i) => found[i]);
    if (best === undefined) {
      throw unsupported(
        `${family === 'ipv6' ? 'ip6tables' : 'iptables'} commit`,
        `the kernel has no ${kind} ${name} of revision ${revision}`,
        'its module is missing or the kernel was built without it',
      );
    }
    limits.set(`${kind} ${name}`, best);
  }
  return (kind, name) => limits.get(`${kind} ${name}`);
}

/** errno of a kernel that lacks an extension (ENOENT) or its revision (EPROTOTYPE, EPROTONOSUPPORT). */
const lacking = new Set(['ENOENT', 'EPROTOTYPE', 'EPROTONOSUPPORT']);

/**
 * Commits what an edit made. `undefined`: there was nothing to do. Outcome 2 means that the table is
 * another one by now. Never throws after the commit has happened.
 */
export async function commitEdit(
  session: Session,
  state: EditState,
): Promise<RawCommit | undefined> {
  const { snapshot } = state;
  const { family } = snapshot;
  state.check();
  const chains = state.plan();
  if (chains === undefined) return undefined;
  const rules = () => Array.from(state.newRules(), ({ item }) => item);
  const names = state.sets.unresolved;
  let sets: SetNames = state.sets;
  if (names.length > 0) {
    sets = state.sets.resolved(await resolveSets(session, names, family));
    for (const item of rules()) {
      if (item.init !== undefined && usesSets(item.init)) encodeAgain(state, item, sets);
    }
  }
  const tool = family === 'ipv6' ? 'ip6tables' : 'iptables';
  const commit = () =>
    session.run(`${tool} commit ${snapshot.name}`, undefined, (binding, handle) =>
      binding.xtCommit(handle, writePlan(snapshot, chains), snapshot.bytes),
    );
  try {
    return await commit();
  } catch (error) {
    if (!(error instanceof NetfilterError) || !lacking.has(error.code)) throw error;
    const older = await olderRevisions(family, extensionsOf(family, rules()), (used) =>
      used.length === 0 ? Promise.resolve([]) : probe(session, family, used),
    );
    if (older === undefined) throw error;
    for (const item of rules()) encodeAgain(state, item, sets, older);
    return await commit();
  }
}

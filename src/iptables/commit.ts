// From an edit's state to the kernel: sets and revisions resolved, the plan written, one commit, and an
// error that says which rule the kernel cannot take.
import { AF_INET, AF_INET6, type Family } from '../constants.js';
import { bounded, fromNative, NetfilterError, quoted, unsupported } from '../errors.js';
import type { Session } from '../native/session.js';
import type { RawCommit } from '../native/xtables-binding.js';
import { blame, objectsOf } from './blame.js';
import { usesSets } from './chain-edit.js';
import type { EditState, NewRule } from './edit-state.js';
import { type ExtensionBytes, splitEntry } from './entry.js';
import type { Kind } from './extensions/define.js';
import { refused } from './extensions/define.js';
import { registry } from './extensions/index.js';
import type { MaxRevision } from './extensions/registry.js';
import type { SetNames } from './host-names.js';
import { writePlan } from './plan.js';
import { Rule } from './rule.js';
import { encodeRule } from './rule-bytes.js';
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
  // Reading cannot be cut short; a caller that has given up meanwhile is told so all the same.
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
    const reason = !id
      ? 'the kernel has no set of that name'
      : id.family !== 0 && id.family !== setFamilies[family]
        ? `it holds ${family === 'ipv4' ? 'IPv6' : 'IPv4'} addresses, the rule is for ${family}`
        : undefined;
    if (!id || reason !== undefined) {
      throw blame(refused(`set ${quoted(name)}`, reason!), ({ init }) => namesSet(init, name));
    }
    indexes.set(name, id.index);
  });
  return indexes;
}

/** Whether a rule names that set. */
function namesSet(init: NewRule['init'], name: string): boolean {
  let found = false;
  const look: SetNames = {
    indexOf(each) {
      found ||= each === name;
      return 0;
    },
    nameOf: () => undefined,
  };
  const { family } = Rule.isRule(init) ? init : { family: undefined };
  if (init === undefined || !usesSets(init)) return false;
  for (const each of family === undefined ? both : [family]) {
    try {
      encodeRule(Rule.isRule(init) ? init.with() : init, { family: each, sets: look });
    } catch {
      // not a rule of this family
    }
  }
  return found;
}

const both: readonly Family[] = ['ipv4', 'ipv6'];

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
      throw blame(
        unsupported(
          `${family === 'ipv6' ? 'ip6tables' : 'iptables'} commit`,
          `the kernel has no ${kind} ${name} of revision ${revision}`,
          'its module is missing or the kernel was built without it',
        ),
        ({ entry }) => {
          const { matches, target } = splitEntry(entry, family);
          const all = kind === 'match' ? matches : [target];
          return all.some((each) => each.name === name && each.revision === revision);
        },
      );
    }
    limits.set(`${kind} ${name}`, best);
  }
  return (kind, name) => limits.get(`${kind} ${name}`);
}

/** Throws where the kernel lacks an extension that new rules use, which a commit would say. */
export async function requireExtensions(session: Session, state: EditState): Promise<void> {
  const { family } = state.snapshot;
  const used = extensionsOf(
    family,
    Array.from(state.newRules(), ({ item }) => item),
  );
  if (used.length === 0) return;
  await olderRevisions(family, used, (some) =>
    some.length === 0 ? Promise.resolve([]) : probe(session, family, some),
  );
}

/** Whether the kernel has a target of that name, in any revision. */
export async function kernelHasTarget(
  session: Session,
  family: Family,
  name: string,
): Promise<boolean> {
  const [has] = await probe(session, family, [{ kind: 'target', name, revision: 0 }]);
  return has === true;
}

/** The kernel's ENOENT, where it knows all extensions: what a rule names is not there. */
function objectMissing(error: NetfilterError, state: EditState): NetfilterError {
  const naming = [...state.newRules()].filter(({ item }) => objectsOf(item).length > 0);
  if (naming.length === 0) return error;
  const some = naming.slice(0, 8).map(({ chain, index, item }) => {
    return `${objectsOf(item).join(' or ')} (rule ${index} of chain ${chain.name})`;
  });
  const more =
    naming.length > some.length ? ` or what ${naming.length - some.length} others name` : '';
  const detail = bounded(`there is no such object: ${some.join(', or ')}${more}`);
  const failure = { kind: 'xtables', errno: 2, operation: error.operation, detail } as const;
  const items = new Set(naming.map(({ item }) => item));
  return blame(fromNative(failure, error), (item) => items.size === 1 && items.has(item));
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
    if (older === undefined) throw error.code === 'ENOENT' ? objectMissing(error, state) : error;
    for (const item of rules()) encodeAgain(state, item, sets, older);
    return await commit();
  }
}

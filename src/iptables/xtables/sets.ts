// IP sets that rules name. Rules hold the index of a set, which only the kernel knows.
import { quoted } from '../../errors.js';
import type { Session } from '../../native/session.js';
import { blame } from '../edit/blame.js';
import type { NewItem } from '../edit/change.js';
import { usesSets } from '../rule/check.js';
import type { Family } from '../text/addresses.js';
import type { SetNames } from '../text/host-names.js';
import { systemNames } from '../text/host-names.js';
import { refused } from '../text/refused.js';
import { encodeChecked } from './rule-bytes.js';

/** NFPROTO_* of the sets that rules of a family may name; 0: a set without addresses. */
const setFamilies = { ipv4: 2, ipv6: 10 };

/** The sets that a new rule names. */
function setsOf({ given }: NewItem, family: Family): Set<string> {
  const found = new Set<string>();
  if (!('checked' in given) || !usesSets(given.init)) return found;
  const indexOf = (name: string) => {
    found.add(name);
    return 0;
  };
  const sets = { indexOf, nameOf: () => undefined };
  encodeChecked(given.checked, { family, names: systemNames, sets });
  return found;
}

/**
 * Asks the kernel for the sets that new rules name.
 * @throws {RangeError} if there is no set of that name, or it is of the other family
 */
export async function resolveSets(
  session: Session,
  family: Family,
  rules: readonly NewItem[],
): Promise<SetNames> {
  const names = [...new Set(rules.flatMap((rule) => [...setsOf(rule, family)]))];
  const indexes = new Map<string, number>();
  const resolved: SetNames = {
    indexOf: (name) => indexes.get(name),
    nameOf: () => undefined,
  };
  if (names.length === 0) return resolved;
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
      const error = refused(`set ${quoted(name)}`, reason!);
      throw blame(error, (rule) => setsOf(rule, family).has(name));
    }
    indexes.set(name, id.index);
  });
  return resolved;
}

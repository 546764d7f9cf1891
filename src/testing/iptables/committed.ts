// The table that an edit wants, made of the rules that the table has and of new ones. Finds what the kernel would refuse:
// chains that jump in a loop. Pure.
import { fromNative, type NetfilterError } from '../../errors.js';
import type { ChainState, Item, ItemCounters, TableDraft } from '../../iptables/edit/change.js';
import { checkRule } from '../../iptables/rule/check.js';
import type { Counters } from '../../iptables/rule/head.js';
import type { TypedRule } from '../../iptables/rule/source.js';
import type { RuleOptions } from '../../iptables/rule/types.js';
import { type KnownChain, KnownRule } from '../../iptables/table/table-state.js';
import { type TypedChain, TypedReading } from '../../iptables/table/typed-reading.js';
import { textToBytes } from '../../iptables/text/encoding.js';
import { operationOn } from '../../iptables/text/family.js';
import { SetTable } from '../../iptables/text/sets.js';
import type { StoredTable } from './rule-store.js';

/** A loop of jumps: nf_tables follows them, and stops where they are too deep. */
const emlink = 31;
/** NFT_JUMP_STACK_SIZE: so many chains may follow each other. */
const deepest = 16;

type Rules = readonly TypedRule[];

function countersOf(counters: ItemCounters, base: Rules): Readonly<Counters> {
  return 'of' in counters ? base[counters.of]!.checked.counters : counters;
}

/** A rule with other counters, and with the new name of the chain that it leads to. */
function changed(
  { checked }: TypedRule,
  counters: Readonly<Counters>,
  chain: string | undefined,
): TypedRule {
  const { target } = checked;
  const leads = chain !== undefined && target !== undefined && 'isGoto' in target;
  return { checked: { ...checked, counters, target: leads ? { ...target, chain } : target } };
}

function typedRule(item: Item, base: Rules, options: RuleOptions): TypedRule {
  if (typeof item === 'number') return base[item]!;
  if ('base' in item) {
    return changed(base[item.base]!, countersOf(item.counters, base), item.chain);
  }
  const { given, counters, chain } = item;
  const own = 'rule' in given ? given.rule.counters : given.checked.counters;
  const checked = 'rule' in given ? checkRule(given.rule.with(), options) : given.checked;
  return changed({ checked }, counters ? countersOf(counters, base) : own, chain);
}

/** The rules of a chain, as the edit has put them. */
const itemsOf = ({ items, first, count }: Readonly<ChainState>): readonly Item[] =>
  items ?? Array.from({ length: count }, (_, i) => first + i);

const byName = (a: Readonly<ChainState>, b: Readonly<ChainState>) =>
  Buffer.compare(textToBytes(a.name), textToBytes(b.name));

/** The rule in the state that is followed: the same object as before, where the edit has left it alone. */
function knownRule(item: Item, index: number, reading: TypedReading, before: readonly KnownRule[]) {
  if (typeof item === 'number') return before[item]!;
  if (!('base' in item)) return new KnownRule(reading, index, 0n);
  const was = before[item.base]!;
  return item.chain === undefined
    ? new KnownRule(reading, index, 0n, was)
    : was.leadingTo(item.chain);
}

/** The new table. */
export function tableAfter(draft: TableDraft, stored: StoredTable): StoredTable {
  const { family, name: table } = stored;
  const base = stored.chains.flatMap(({ rules }) => rules);
  const known = [...stored.state.chains.values()].flatMap(({ rules }) => rules);
  const options = { family, table, sets: new SetTable(new Map()), path: 'rule' };
  const all = [...draft.chains.values()];
  const others = all.filter(({ builtin }) => !builtin).sort(byName);
  const ordered = [...all.filter(({ builtin }) => builtin), ...others];
  const old = new Map(stored.chains.map((chain) => [chain.name, chain]));
  const chains = ordered.map((chain): TypedChain => {
    const { name, builtin, policy, was } = chain;
    const counters = chain.counters ?? (was === undefined ? undefined : old.get(was)?.counters);
    const rules = itemsOf(chain).map((item) => typedRule(item, base, options));
    return { name, builtin, policy, counters, rules };
  });
  const reading = new TypedReading(table, family, chains, true);
  const states = ordered.map((chain, at): [string, KnownChain] => {
    const { name, builtin, policy, was } = chain;
    const { first } = reading.chains[at]!;
    const rules = itemsOf(chain).map((item, i) => knownRule(item, first + i, reading, known));
    const identity = (was && stored.state.chains.get(was)?.identity) || {};
    return [name, { name, builtin, policy, handle: 0n, identity, rules }];
  });
  const state = { registered: true, chains: new Map(states), foreign: new Map() };
  return { family, name: table, chains, reading, state };
}

/** The chain that a rule leads to. */
function leadsTo({ checked: { target } }: TypedRule, chains: ReadonlySet<string>) {
  if (target === undefined || !('isGoto' in target)) return undefined;
  return chains.has(target.chain) ? target.chain : undefined;
}

/**
 * What the kernel says of a table in which packets would jump in a loop, or through too many chains; `undefined`: it takes
 * it. Chains that no built-in chain leads to may do so.
 */
export function loopIn(
  draft: TableDraft,
  chains: readonly TypedChain[],
): NetfilterError | undefined {
  const byName = new Map(chains.map((chain) => [chain.name, chain]));
  const names = new Set(byName.keys());
  /** The depth at which a chain was looked at: deeper, it has to be looked at again. */
  const depths = new Map<string, number>();
  const walk = (name: string, path: readonly string[]): [string, number] | undefined => {
    if ((depths.get(name) ?? -1) >= path.length) return undefined;
    depths.set(name, path.length);
    const through = [...path, name];
    for (const [index, rule] of byName.get(name)!.rules.entries()) {
      const to = leadsTo(rule, names);
      if (to === undefined) continue;
      if (through.includes(to) || through.length >= deepest) return [name, index];
      const found = walk(to, through);
      if (found !== undefined) return found;
    }
    return undefined;
  };
  for (const { name, builtin } of chains) {
    const found = builtin ? walk(name, []) : undefined;
    if (found === undefined) continue;
    const detail = `rule ${found[1]} of chain ${found[0]}: chains jump in a loop, or through more chains one after the other than the kernel takes`;
    const operation = operationOn('commit', [draft.base]);
    return fromNative({ kind: 'xtables', errno: emlink, operation, detail });
  }
  return undefined;
}

/** Whether two tables have the same chains, rules and counters. */
export function isSame(a: StoredTable, b: StoredTable): boolean {
  if (a.reading.registered !== b.reading.registered) return false;
  if (a.reading.fingerprint !== b.reading.fingerprint) return false;
  const counters = ({ chains }: StoredTable) =>
    chains.flatMap((chain) => [
      chain.counters,
      ...chain.rules.map(({ checked }) => checked.counters),
    ]);
  const others = counters(b);
  return counters(a).every((one, i) => {
    const [packets, bytes] = [one?.packets ?? 0n, one?.bytes ?? 0n];
    return packets === (others[i]?.packets ?? 0n) && bytes === (others[i]?.bytes ?? 0n);
  });
}

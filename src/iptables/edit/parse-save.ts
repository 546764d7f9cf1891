// Turns a text for iptables-restore into tables, without a kernel: carries out its lines on empty tables. Pure.
import { familyAt, optionsAt } from '../../checks.js';
import { badType } from '../../errors.js';
import type { TypedRule } from '../rule/source.js';
import { builtinChains } from '../table/builtin-chains.js';
import type { TableName } from '../table/reading.js';
import { Table } from '../table/table.js';
import { type TypedChain, TypedReading } from '../table/typed-reading.js';
import type { Family } from '../text/addresses.js';
import { culprit } from './blame.js';
import type { ChainState, Item } from './change.js';
import { byName } from './draft-reading.js';
import { perform } from './perform.js';
import { located, readSave, type Section } from './restore-text.js';
import { beginEdit } from './table-edit.js';

/** How to read a text for iptables-restore. */
export interface ParseSaveOptions {
  /** `'ipv6'` for a text of ip6tables. Default `'ipv4'`. */
  family?: Family | undefined;
}

/** The built-in chains of a table. In a table of another module they are the chains that have a policy in the text. */
function chainsOf(name: TableName, sections: readonly Section[]): string[] {
  if (Object.hasOwn(builtinChains, name)) return [...builtinChains[name]!];
  const found = new Set<string>();
  for (const { table, steps } of sections) {
    for (const { work } of table === name ? steps : []) {
      if (work.do === 'chain' && work.policy !== undefined) found.add(work.chain);
    }
  }
  return [...found];
}

/** A rule of a text. It is always new in its table. */
function typedRule(item: Item): TypedRule {
  if (typeof item !== 'object' || !('given' in item) || !('checked' in item.given)) {
    throw new TypeError('a rule of a text was read from a table');
  }
  const { chain, counters, given, line } = item;
  const checked = { ...given.checked };
  if (counters !== undefined && !('of' in counters)) checked.counters = counters;
  if (chain !== undefined && checked.target !== undefined && 'isGoto' in checked.target) {
    checked.target = { ...checked.target, chain };
  }
  return { checked, line: line?.number };
}

function typedChain({ name, builtin, policy, counters, items }: ChainState): TypedChain {
  return { name, builtin, policy, counters, rules: (items ?? []).map(typedRule) };
}

/**
 * The tables that a text for iptables-restore makes, in the order of the text: a restore of the text would replace
 * the tables of the kernel by these. Every rule knows its line (`rule.line`). Counters are taken from the text if it
 * has them. Pure: needs no kernel and no privileges. Does not check whether the kernel has the extensions, sets and
 * helpers that rules name.
 *
 * Give a file as the bytes that it holds: this keeps bytes that are not UTF-8.
 * @throws {RangeError | TypeError} for everything that `restore()` refuses; names the line
 * @example
 * import { parseSave } from 'conntrack';
 * const tables = parseSave('*filter\n:INPUT DROP [0:0]\n-A INPUT -i lo -j ACCEPT\nCOMMIT\n');
 * for (const table of tables) {
 *   for (const rule of table.chain('INPUT').rules) console.log(rule.line, String(rule)); // 3 '-i lo -j ACCEPT'
 * }
 */
export function parseSave(text: string | Uint8Array, options: ParseSaveOptions = {}): Table[] {
  if (typeof text !== 'string' && !(text instanceof Uint8Array)) {
    throw badType('text', 'a string or a Uint8Array', text);
  }
  const given = optionsAt(options, 'options', new Set(['family']));
  const family = given.family === undefined ? 'ipv4' : familyAt(given.family, 'options.family');
  return Array.from(readingsOf(text, family), ([name, chains]) => {
    return new Table(new TypedReading(name, family, chains));
  });
}

/** The chains of each table that a text makes, by the name of the table. */
export function readingsOf(
  text: string | Uint8Array,
  family: Family,
): Map<TableName, readonly TypedChain[]> {
  const sections = readSave(text, family);
  const tables = new Map<TableName, ReturnType<typeof beginEdit>>();
  for (const section of sections) {
    const { table } = section;
    let begun = tables.get(table);
    if (begun === undefined) {
      const chains = chainsOf(table, sections).map((name): TypedChain => {
        return { name, builtin: true, policy: 'ACCEPT', rules: [] };
      });
      begun = beginEdit(new TypedReading(table, family, chains));
      tables.set(table, begun);
    }
    try {
      perform(section, { ...begun, noflush: false });
    } catch (error) {
      const line = culprit(error, begun.state)?.line ?? section.line;
      throw located(line, error);
    }
  }
  const found = new Map<TableName, readonly TypedChain[]>();
  for (const [name, { state }] of tables) {
    const chains = [...state.chains.values()];
    const own = chains.filter((chain) => chain.builtin);
    const others = chains.filter((chain) => !chain.builtin).sort(byName);
    found.set(name, [...own, ...others].map(typedChain));
  }
  return found;
}

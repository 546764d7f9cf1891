// Carries out the lines of a text for iptables-restore on a table that is being edited. Does not ask the kernel.
import { badRange, quoted } from '../../errors.js';
import { usesSets } from '../rule/check.js';
import type { Wanted } from '../table/reading.js';
import { refused } from '../text/refused.js';
import { blame } from './blame.js';
import type { ChainState, NewItem } from './change.js';
import { initOf, newItem } from './change.js';
import type { Prepared, Section, Work } from './restore-text.js';
import { at } from './restore-text.js';
import type { EditState } from './state.js';
import type { TableEdit } from './table-edit.js';

/** A table, and its state after the lines so far. */
export interface Target {
  readonly edit: TableEdit;
  readonly state: EditState;
  readonly noflush: boolean;
}

/** Makes a rule of the text a rule of the edit. Notes the sets that the rule names. */
function itemOf({ init, checked, line }: Prepared, { state }: Target): NewItem {
  return usesSets(init) ? { ...state.make(init, 'rule'), line } : newItem({ init, checked }, line);
}

function addRules(work: Work & { do: 'rules' }, target: Target): void {
  const { state } = target;
  const { word, index = 1 } = work.command;
  const chain = state.chain(work.chain);
  const items = work.rules.map((rule) => itemOf(rule, target));
  if (work.command.letter === 'A') {
    state.append(chain, items);
    return;
  }
  // All go to the same place, as iptables does it. So the last one comes first.
  items.reverse();
  const isInsert = work.command.letter === 'I';
  if (isInsert && index === 1) {
    state.prepend(chain, items);
    return;
  }
  const length = state.length(chain);
  if (index > length + (isInsert ? 1 : 0)) throw noRule(word, index, chain, length);
  state.splice(chain, index - 1, isInsert ? 0 : 1, items);
}

function noRule(word: string, index: number, chain: ChainState, length: number): RangeError {
  return badRange(`${word} ${chain.name}`, `a number in a chain of ${length} rules`, index);
}

function findRules(work: Work & { do: 'rules' }, { edit }: Target): void {
  const { word, letter } = work.command;
  const chain = edit.chain(work.chain);
  for (const { init } of work.rules) {
    const found = letter === 'D' ? chain.delete(init) : chain.has(init);
    if (!found) throw refused(`${word} ${work.chain}`, 'there is no such rule');
  }
}

function command(work: Work & { do: 'command' }, target: Target): void {
  const { edit, state } = target;
  const { letter, word, chain, index, argument } = work.command;
  if (index !== undefined && (letter === 'D' || letter === 'Z')) {
    const found = state.chain(chain!);
    const length = state.length(found);
    if (index > length) throw noRule(word, index, found, length);
    if (letter === 'D') edit.chain(chain!).delete(index - 1);
    else edit.chain(chain!).zero(index - 1);
  } else if (letter === 'Z') {
    if (chain === undefined) edit.zero();
    else edit.chain(chain).zero();
  } else if (letter === 'N') {
    edit.newChain(chain!);
  } else if (letter === 'E') {
    edit.renameChain(chain!, argument!);
  } else if (letter === 'P') {
    setPolicy(work, target);
  } else if (letter === 'F') {
    for (const name of chain === undefined ? edit.chains : [chain]) edit.chain(name).flush();
  } else if (chain !== undefined) {
    edit.deleteChain(chain);
  } else {
    for (const name of edit.chains) if (!edit.chain(name).builtin) edit.deleteChain(name);
  }
}

function setPolicy({ command, counters }: Work & { do: 'command' }, { edit }: Target): void {
  const { word, argument } = command;
  if (argument !== 'ACCEPT' && argument !== 'DROP') {
    throw refused(word, `${quoted(argument!)} is no policy`);
  }
  edit.chain(command.chain!).policy(argument, counters);
}

function declareChain(
  { chain: name, policy, counters }: Work & { do: 'chain' },
  { edit, state, noflush }: Target,
): void {
  const path = `:${name}`;
  const chain = state.chains.get(name);
  if (chain === undefined) {
    if (policy !== undefined) {
      throw refused(path, `table ${edit.name} has no built-in chain of that name`);
    }
    state.addChain(name);
  } else if (!chain.builtin) {
    if (policy !== undefined) throw refused(path, 'only a built-in chain has a policy');
    if (!noflush) throw refused(path, 'the chain is in the text already');
    edit.chain(name).flush();
  } else if (policy !== undefined) {
    // Takes DROP in the table nat too, which -P refuses: the kernel may hold it, and then iptables-save writes it.
    chain.policy = policy;
    chain.counters = counters;
  }
}

function step(work: Work, target: Target): void {
  if (work.do === 'chain') declareChain(work, target);
  else if (work.do === 'command') command(work, target);
  else if ('AIR'.includes(work.command.letter)) addRules(work, target);
  else findRules(work, target);
}

/** For a refusal, the name of the missing chain. The kernel may have a target of that name. */
export const nowhere = new WeakMap<object, string>();

/** The chains whose rules these lines change or look at, if they do not empty the table first. */
export function chainsNeeded(lines: readonly Work[]): Wanted {
  const chains = new Set<string>();
  for (const work of lines) {
    if (work.do === 'chain') {
      // A chain that is not built in is emptied.
      if (work.policy === undefined) chains.add(work.chain);
      continue;
    }
    const { letter, chain, index = 1 } = work.command;
    const adds = letter === 'A' || (letter === 'I' && index === 1);
    if (adds || letter === 'P' || letter === 'N') continue;
    // What leads to a chain that is deleted or renamed can be in any chain.
    if (chain === undefined || letter === 'X' || letter === 'E') return 'all';
    chains.add(work.do === 'rules' ? work.chain : chain);
  }
  return chains;
}

/** Carries out the lines of a section. Empties the table first, unless it must stay. */
export function perform(section: Section, target: Target): void {
  const { edit, state, noflush } = target;
  if (!noflush) edit.clear();
  for (const { line, work } of section.steps) at(line, () => step(work, target));
  const found = state.dangling();
  if (found === undefined || found.item.line === undefined) return;
  const { item, to } = found;
  const word = initOf(item).target?.name === 'goto' ? '-g' : '-j';
  const reason = state.chains.has(to)
    ? 'it is a built-in chain, no rule can jump to it'
    : `table ${edit.name} has no such chain`;
  const error = blame(refused(`${word} ${to}`, reason), (each) => each === item);
  if (word === '-j' && !state.chains.has(to)) nowhere.set(error, to);
  throw error;
}

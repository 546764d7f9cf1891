// iptables-restore's text: read into commands, all of it checked before anything is changed, then one
// commit for each table. Knows the lines, not how a rule is written.
import type { Family } from '../constants.js';
import { NetfilterError } from '../errors.js';
import type { Session } from '../native/session.js';
import { prepareRule } from './chain-edit.js';
import { readSnapshot, resolveSets } from './commit.js';
import { beginEdit, type TableEdit } from './edit.js';
import { editLocked } from './edit-run.js';
import type { EditState } from './edit-state.js';
import { refused } from './extensions/define.js';
import { type LockOptions, withLock } from './lock.js';
import type { Counters, RuleInit } from './rule.js';
import { parseRules } from './rule-text.js';
import { splitRestoreLine, splitWords } from './rule-words.js';
import { breathe } from './save.js';

export interface RestoreOptions {
  /** Take over the counters that stand in the text. Without it all counters begin at zero. */
  counters?: boolean;
  /** Keep what is in the tables: chains of the text are emptied, everything else stays. */
  noflush?: boolean;
  /** Check the text against the tables and change nothing. */
  test?: boolean;
}

/** Rules for the end of a chain (by far the most lines), or anything else. */
type Work = { append: string; rules: RuleInit[] } | ((table: TableEdit) => void);

/** One line of a section, or several that append to one chain, ready to be done. */
interface Step {
  line: number;
  work: Work;
}

interface Section {
  table: string;
  steps: Step[];
}

function at<T>(line: number, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw located(line, error);
  }
}

/** The same error, saying where it was. */
function located(line: number, error: unknown): unknown {
  if (!(error instanceof Error) || error instanceof NetfilterError) return error;
  const Kind =
    error instanceof TypeError ? TypeError : error instanceof RangeError ? RangeError : Error;
  return new Kind(`line ${line}: ${error.message}`, { cause: error });
}

/** Where a rule stands in its text. */
const lineOf = new WeakMap<object, number>();

const counted = /^\[(\d+):(\d+)\]$/;

function countersOf(word: string | undefined): Counters | undefined {
  const found = word === undefined ? null : counted.exec(word);
  return found === null ? undefined : { packets: BigInt(found[1]!), bytes: BigInt(found[2]!) };
}

/** `:CHAIN POLICY [packets:bytes]`, restore's do_restore. */
function chainStep(words: readonly string[], options: RestoreOptions): (table: TableEdit) => void {
  const [name, policy, count] = words;
  if (!name) throw refused(':', 'the name of a chain is missing');
  if (policy === undefined) throw refused(`:${name}`, 'the policy is missing');
  let counters: Counters = { packets: 0n, bytes: 0n };
  if (policy !== '-' && options.counters) {
    const given = countersOf(count);
    if (given === undefined) throw refused(`:${name}`, 'counters [packets:bytes] are missing');
    counters = given;
  }
  if (policy !== '-' && policy !== 'ACCEPT' && policy !== 'DROP') {
    throw refused(`:${name}`, `${policy} is no policy`);
  }
  return (table) => {
    if (!table.has(name)) {
      if (policy !== '-')
        throw refused(`:${name}`, `table ${table.name} has no built-in chain of that name`);
      table.newChain(name);
      return;
    }
    const chain = table.chain(name);
    if (!chain.builtin) {
      if (policy !== '-') throw refused(`:${name}`, 'only a built-in chain has a policy');
      if (options.noflush) chain.flush();
      else throw refused(`:${name}`, 'the chain is in the text already');
    } else if (policy !== '-') {
      chain.policy(policy, counters);
    }
  };
}

/** Commands on rules. */
function ruleStep(
  line: string,
  number: number,
  table: string,
  family: Family,
  options: RestoreOptions,
): Work | undefined {
  const found = splitRestoreLine(line);
  if (found === undefined) return undefined;
  const { command, chain, index } = found;
  if (command === 'delete' && index !== undefined && found.rule === '') {
    return (edit) => void edit.chain(chain).delete(index - 1);
  }
  const place = { family, table, sets: anySets };
  const { counters } = found;
  const rules = parseRules(found.rule, place).map((rule): RuleInit => {
    return options.counters && counters !== undefined ? { ...rule, counters } : rule;
  });
  for (const rule of rules) {
    prepareRule(rule, place, chain);
    lineOf.set(rule, number);
  }
  switch (command) {
    case 'append':
      return { append: chain, rules };
    case 'insert':
      // Each at the same place, as iptables does it: the last one comes to stand first.
      return (edit) => {
        for (const rule of rules) edit.chain(chain).insert(rule, (index ?? 1) - 1);
      };
    case 'replace':
      if (rules.length !== 1) throw refused('-R', `the text means ${rules.length} rules`);
      return (edit) => void edit.chain(chain).replace(index! - 1, rules[0]!);
    case 'delete':
      return (edit) => {
        for (const rule of rules) {
          if (!edit.chain(chain).delete(rule))
            throw refused(`-D ${chain}`, 'there is no such rule');
        }
      };
    case 'check':
      return (edit) => {
        for (const rule of rules) {
          if (!edit.chain(chain).has(rule)) throw refused(`-C ${chain}`, 'there is no such rule');
        }
      };
  }
}

/** What a rule's sets are is asked when it is committed. */
const anySets = { indexOf: () => 0, nameOf: () => undefined };

/** Commands on chains. */
function tableStep(line: string): (table: TableEdit) => void {
  const [command, ...words] = splitWords(line);
  const exactly = (count: number) => {
    if (words.length !== count)
      throw refused(`${command}`, `takes ${count} words, not ${words.length}`);
  };
  const [first, second] = words;
  switch (command) {
    case '-N':
    case '--new-chain':
      exactly(1);
      return (table) => void table.newChain(first!);
    case '-X':
    case '--delete-chain':
      if (first !== undefined) {
        exactly(1);
        return (table) => table.deleteChain(first);
      }
      return (table) => {
        for (const name of table.chains) {
          if (!table.chain(name).builtin) table.deleteChain(name);
        }
      };
    case '-F':
    case '--flush':
      if (first !== undefined) {
        exactly(1);
        return (table) => void table.chain(first).flush();
      }
      return (table) => {
        for (const name of table.chains) table.chain(name).flush();
      };
    case '-Z':
    case '--zero': {
      if (first === undefined) return (table) => table.zero();
      if (second === undefined) return (table) => void table.chain(first).zero();
      exactly(2);
      if (!/^[1-9]\d*$/.test(second)) throw refused('-Z', `${second} is not the number of a rule`);
      return (table) => void table.chain(first).zero(Number(second) - 1);
    }
    case '-P':
    case '--policy':
      exactly(2);
      if (second !== 'ACCEPT' && second !== 'DROP') throw refused('-P', `${second} is no policy`);
      return (table) => void table.chain(first!).policy(second);
    case '-E':
    case '--rename-chain':
      exactly(2);
      return (table) => void table.renameChain(first!, second!);
    default:
      throw refused(`${command}`, 'no command that may stand in such a text');
  }
}

/** Reads the whole text; every rule in it is checked. */
export async function parseRestore(
  text: string,
  family: Family,
  options: RestoreOptions,
): Promise<Section[]> {
  const sections: Section[] = [];
  let section: Section | undefined;
  let number = 0;
  for (const line of text.split('\n')) {
    number++;
    if (number % 128 === 0) await breathe();
    const trimmed = line.trim();
    if (trimmed === '' || trimmed.startsWith('#')) continue;
    if (trimmed === 'COMMIT') {
      if (section === undefined) throw refused(`line ${number}`, 'COMMIT without a table');
      sections.push(section);
      section = undefined;
    } else if (trimmed.startsWith('*')) {
      if (section !== undefined) throw refused(`line ${number}`, 'COMMIT is missing before it');
      const table = trimmed.slice(1).trim();
      if (!/^\S{1,31}$/.test(table))
        throw refused(`line ${number}`, 'the name of a table is missing');
      section = { table, steps: [] };
    } else if (section === undefined) {
      throw refused(`line ${number}`, 'a table (*filter …) must come first');
    } else {
      const { table, steps } = section;
      const work = at(number, () =>
        trimmed.startsWith(':')
          ? chainStep(trimmed.slice(1).split(/\s+/), options)
          : (ruleStep(trimmed, number, table, family, options) ?? tableStep(trimmed)),
      );
      const last = steps.at(-1)?.work;
      if (
        'append' in work &&
        last !== undefined &&
        'append' in last &&
        last.append === work.append
      ) {
        last.rules.push(...work.rules);
      } else {
        steps.push({ line: number, work });
      }
    }
  }
  if (section !== undefined) throw refused(`line ${number}`, 'COMMIT is missing at the end');
  return sections;
}

/** Does a section's lines, beginning with an empty table unless that is to stay. */
function perform(
  section: Section,
  table: TableEdit,
  state: EditState,
  options: RestoreOptions,
): void {
  if (!options.noflush) table.clear();
  for (const { line, work } of section.steps) {
    at(line, () => {
      if ('append' in work) table.chain(work.append).appendAll(work.rules);
      else work(table);
    });
  }
  const init = state.dangling()?.item.init;
  const line = init && lineOf.get(init);
  if (line !== undefined) at(line, () => state.check());
}

/** Does every section on the tables as they are, and changes nothing. */
async function rehearse(
  session: Session,
  family: Family,
  sections: readonly Section[],
  options: RestoreOptions,
): Promise<void> {
  const tables = new Map<string, ReturnType<typeof beginEdit>>();
  for (const section of sections) {
    let begun = tables.get(section.table);
    if (begun === undefined) {
      begun = beginEdit(await readSnapshot(session, family, section.table));
      tables.set(section.table, begun);
    }
    perform(section, begun.edit, begun.state, options);
    await resolveSets(session, begun.state.sets.unresolved, family);
  }
}

/**
 * Puts the text into the kernel: one commit for each table, in the order of the text. Nothing is
 * committed unless all of the text is right. Returns the tables whose new rules are in place without
 * their counters.
 */
export async function restoreText(
  session: Session,
  family: Family,
  text: string,
  options: RestoreOptions,
  lock: LockOptions,
): Promise<string[]> {
  const sections = await parseRestore(text, family, options);
  return withLock(session, lock, async () => {
    if (options.test || sections.length > 1) await rehearse(session, family, sections, options);
    const countersLost: string[] = [];
    if (options.test) return countersLost;
    const committed: string[] = [];
    for (const section of sections) {
      const { table } = section;
      try {
        const done = await editLocked({ session, family, table, lock }, (edit, state) =>
          perform(section, edit, state, options),
        );
        if (done.countersLost) countersLost.push(table);
        committed.push(table);
      } catch (error) {
        if (error instanceof Error && committed.length > 0) {
          error.message += ` (committed before: ${committed.join(', ')})`;
        }
        throw error;
      }
    }
    return countersLost;
  });
}

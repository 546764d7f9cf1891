// restore(): what a text wants is done on the tables as they are, and committed, one commit for each table.
// Every refusal names the line. What the text says is restore-text.ts.
import type { Family } from '../constants.js';
import { badRange, NetfilterError, quoted } from '../errors.js';
import type { Session } from '../native/session.js';
import { blame, culprit } from './blame.js';
import { kernelHasTarget, readSnapshot, requireExtensions, resolveSets } from './commit.js';
import { beginEdit, type TableEdit } from './edit.js';
import { editLocked } from './edit-run.js';
import type { ChainState, EditState, NewRule } from './edit-state.js';
import { refused } from './extensions/define.js';
import { type LockOptions, withLock } from './lock.js';
import {
  at,
  located,
  type Prepared,
  readRestore,
  type Section,
  type Work,
} from './restore-text.js';

export interface RestoreOptions {
  /** Take over the counters that stand in the text. Without it all counters begin at zero. */
  counters?: boolean;
  /** Keep what is in the tables: chains of the text are emptied, everything else stays. */
  noflush?: boolean;
  /** Check the text against the tables and what the kernel has, and change nothing. */
  test?: boolean;
}

/** A table, and what the text makes of it. */
interface Target {
  readonly edit: TableEdit;
  readonly state: EditState;
  readonly noflush: boolean;
}

/** A rule of the text as a rule of the edit. */
function itemOf({ entry, init, namesSets, line }: Prepared, { state }: Target): NewRule {
  if (!namesSets) return { entry, init, countersOf: undefined, line };
  const { family, name: table } = state.snapshot;
  return { ...state.make(init, { family, table, sets: state.sets, path: 'rule' }), line };
}

function addRules(work: Work & { do: 'rules' }, target: Target): void {
  const { state } = target;
  const { word, index = 1 } = work.command;
  const chain = state.chain(work.chain);
  const length = state.length(chain);
  if (work.command.letter === 'A') {
    state.splice(
      chain,
      length,
      0,
      work.rules.map((rule) => itemOf(rule, target)),
    );
    return;
  }
  const isInsert = work.command.letter === 'I';
  if (index > length + (isInsert ? 1 : 0)) throw noRule(word, index, chain, length);
  // Each at the same place, as iptables does it: the last one comes to stand first.
  const items = work.rules.map((rule) => itemOf(rule, target)).reverse();
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
  } else if (chain.hook === 0) {
    if (policy !== undefined) throw refused(path, 'only a built-in chain has a policy');
    if (!noflush) throw refused(path, 'the chain is in the text already');
    edit.chain(name).flush();
  } else if (policy !== undefined) {
    // Also DROP in the table nat, which -P refuses: the kernel may hold it, and then it is saved.
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

/** Where a rule leads that leads to nothing: it may be that a target is meant, which the kernel has. */
const nowhere = new WeakMap<object, string>();

/** Does a section's lines, beginning with an empty table unless that is to stay. */
function perform(section: Section, target: Target): void {
  const { edit, state, noflush } = target;
  if (!noflush) edit.clear();
  for (const { line, work } of section.steps) at(line, () => step(work, target));
  const found = state.dangling();
  if (found === undefined || found.item.line === undefined) return;
  const { item, to } = found;
  const word = item.init?.target?.name === 'goto' ? '-g' : '-j';
  const reason = state.chains.has(to)
    ? 'it is a built-in chain, nothing can go there'
    : `table ${edit.name} has no such chain`;
  const error = blame(refused(`${word} ${to}`, reason), (each) => each === item);
  if (word === '-j' && !state.chains.has(to)) nowhere.set(error, to);
  throw error;
}

/** The error with the line that it is about, and whether the kernel knows a target that nobody else does. */
async function explained(
  session: Session,
  family: Family,
  section: Section,
  state: EditState | undefined,
  error: unknown,
): Promise<unknown> {
  if (!(error instanceof Error)) return error;
  const line =
    (state && culprit(error, state)?.line) ?? (isRefusal(error) ? section.line : undefined);
  const to = nowhere.get(error);
  if (to !== undefined) {
    const has = await kernelHasTarget(session, family, to).catch(() => false);
    error.message += has
      ? ', and this package no such target; the kernel has one (its bytes can be given by --raw-payload)'
      : ', and neither this package nor the kernel has a target of that name';
  }
  return line === undefined ? error : located(line, error);
}

/** Whether the kernel took offence at what the text says: not at who asks, or when, or for how much. */
function isRefusal(error: Error): boolean {
  if (error instanceof TypeError || error instanceof RangeError) return true;
  return error instanceof NetfilterError && refusals.has(error.code);
}

const refusals = new Set([
  ...['EINVAL', 'ENOENT', 'ELOOP', 'EEXIST', 'ENOTSUP', 'EOPNOTSUPP', 'ERANGE', 'E2BIG', 'EMLINK'],
  ...['ENOPROTOOPT', 'EPROTOTYPE', 'EPROTONOSUPPORT', 'ERR_NETFILTER_UNSUPPORTED'],
]);

class Restore {
  readonly #session: Session;
  readonly #family: Family;
  readonly #options: RestoreOptions;

  constructor(session: Session, family: Family, options: RestoreOptions) {
    this.#session = session;
    this.#family = family;
    this.#options = options;
  }

  #perform(section: Section, edit: TableEdit, state: EditState): void {
    perform(section, { edit, state, noflush: this.#options.noflush === true });
  }

  /** Does every section on the tables as they are, and changes nothing. */
  async rehearse(sections: readonly Section[]): Promise<void> {
    const session = this.#session;
    const tables = new Map<string, ReturnType<typeof beginEdit>>();
    for (const section of sections) {
      let begun = tables.get(section.table);
      try {
        if (begun === undefined) {
          begun = beginEdit(await readSnapshot(session, this.#family, section.table));
          tables.set(section.table, begun);
        }
        const { state, edit } = begun;
        this.#perform(section, edit, state);
        await resolveSets(session, state.sets.unresolved, this.#family);
        await requireExtensions(session, state);
      } catch (error) {
        throw await explained(session, this.#family, section, begun?.state, error);
      }
    }
  }

  /** Commits one section; whether its counters were lost. */
  async commit(section: Section, lock: LockOptions): Promise<boolean> {
    const session = this.#session;
    const run = { session, family: this.#family, table: section.table, lock };
    let last: EditState | undefined;
    try {
      const done = await editLocked(run, (edit, state) => {
        last = state;
        this.#perform(section, edit, state);
      });
      return done.countersLost;
    } catch (error) {
      if (lock.signal?.aborted && error === lock.signal.reason) throw error;
      throw await explained(session, this.#family, section, last, error);
    }
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
  text: string | Uint8Array,
  options: RestoreOptions,
  lock: LockOptions,
): Promise<string[]> {
  const sections = await readRestore(text, family, options.counters === true);
  const restore = new Restore(session, family, options);
  return withLock(session, lock, async () => {
    if (options.test || sections.length > 1) await restore.rehearse(sections);
    const countersLost: string[] = [];
    if (options.test) return countersLost;
    const committed: string[] = [];
    for (const section of sections) {
      try {
        if (await restore.commit(section, lock)) countersLost.push(section.table);
        committed.push(section.table);
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

// The text of iptables-restore → the work for each table. Reads and checks every line and every rule before the
// kernel is asked. Changes nothing.
import type { Family } from '../../constants.js';
import { quoted } from '../../errors.js';
import type { ParsedRule, RuleSpec } from '../rule/address-lists.js';
import { countRules, expand, expandSlowly } from '../rule/address-lists.js';
import type { CheckedRule } from '../rule/check.js';
import { sizeOf } from '../rule/check.js';
import type { Command } from '../rule/command.js';
import type { Counters } from '../rule/head.js';
import type { ParseOptions } from '../rule/parser.js';
import { RuleParser } from '../rule/parser.js';
import type { RuleInit } from '../rule/types.js';
import { isVerdict, maxNameLength } from '../rule/types.js';
import type { Policy } from '../table/table.js';
import { textToBytes } from '../text/encoding.js';
import { systemNames } from '../text/host-names.js';
import { breathe } from '../text/pauses.js';
import { refused } from '../text/refused.js';
import { linesOf, splitWords } from '../text/words.js';
import type { Line } from './change.js';
import { checkPlace } from './place.js';

/** A rule of the text, ready to be put into a table. */
export interface Prepared {
  readonly init: RuleInit;
  readonly checked: CheckedRule;
  readonly line: Line;
}

/** What a line does. */
export type Work =
  | { readonly do: 'rules'; readonly command: Command; readonly chain: string; rules: Prepared[] }
  | { readonly do: 'command'; readonly command: Command; readonly counters: Counters | undefined }
  | {
      readonly do: 'chain';
      readonly chain: string;
      readonly policy: Policy | undefined;
      readonly counters: Counters;
    };

/** One line, or several that append to one chain. */
export interface Step {
  readonly line: Line;
  readonly work: Work;
}

export interface Section {
  readonly table: string;
  /** The line with `*`. */
  readonly line: Line;
  readonly steps: Step[];
}

/** Errors that already name a line. */
const told = new WeakSet<object>();

/** The same error. Its message then names the line. */
export function located(line: Line, error: unknown): unknown {
  if (!(error instanceof Error) || told.has(error)) return error;
  told.add(error);
  const { message, stack } = error;
  error.message = `line ${line.number}: ${message}; the line: ${quoted(line.text, 160)}`;
  if (stack?.includes(message)) error.stack = stack.replace(message, () => error.message);
  return error;
}

export function at<T>(line: Line, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw located(line, error);
  }
}

/** The kernel's XT_MAX_TABLE_SIZE, in bytes: no table of rules can be larger. */
const largestTable = 512 * 1024 * 1024;
/** How many lines, or rules of one line, are read before others may run. */
const stretch = 128;

/** What happens to the counters in the text; `taken`: policies must have them. */
type Counting = 'taken' | 'if given' | 'ignored';

const wholeCounters = /^\[(\d{1,20}):(\d{1,20})\]$/;
const leadingCounters = /^\[([^:\]]*):([^\]]*)\]/;

function counters(packets: string, bytes: string): Counters {
  return { packets: BigInt(packets), bytes: BigInt(bytes) };
}

/** `:CHAIN POLICY [packets:bytes]`, as in iptables-restore. Such a line cannot have quotes. */
function chainLine(text: string, counting: Counting): Work {
  const [name = '', policy, count = ''] = text.split(/[ \t]+/);
  if (name === '') throw refused(':', 'the name of a chain is missing');
  const path = `:${name}`;
  if (textToBytes(name).length > maxNameLength) {
    throw refused(path, `the name of a chain has at most ${maxNameLength} bytes`);
  }
  // -j could not name such a chain.
  if (/[\v\f\r\0]/.test(name)) throw refused(path, 'a chain name holds no white space');
  if (isVerdict(name)) throw refused(path, 'it is a verdict');
  if (policy === undefined) throw refused(path, 'the policy is missing');
  if (policy === '-') return { do: 'chain', chain: name, policy: undefined, counters: none };
  if (policy !== 'ACCEPT' && policy !== 'DROP') {
    throw refused(path, `${quoted(policy)} is no policy`);
  }
  if (counting === 'ignored' || (counting === 'if given' && count === '')) {
    return { do: 'chain', chain: name, policy, counters: none };
  }
  const found = wholeCounters.exec(count);
  if (found === null) throw refused(path, 'counters [packets:bytes] are missing');
  return { do: 'chain', chain: name, policy, counters: counters(found[1]!, found[2]!) };
}

const none: Counters = { packets: 0n, bytes: 0n };

/** Accepts every set. The kernel is asked for sets when the text is put in place. */
const anySets = { indexOf: () => 0, nameOf: () => undefined };

/** Reads the lines of one text. */
class RestoreReader {
  readonly #family: Family;
  readonly #counting: Counting;
  readonly sections: Section[] = [];
  #section: Section | undefined;
  /** Chains that the text has declared for the table. They may have the name of a target. */
  #chains = new Set<string>();
  #bytes = 0;
  #parsing: ParseOptions & { names: typeof systemNames };

  constructor(family: Family, counting: Counting) {
    this.#family = family;
    this.#counting = counting;
    this.#parsing = this.#options('');
  }

  #options(table: string): ParseOptions & { names: typeof systemNames } {
    const chains = this.#chains;
    return {
      family: this.#family,
      table,
      sets: anySets,
      names: systemNames,
      isChain: (name) => chains.has(name),
    };
  }

  /** Reads a line. Returns the rest of the work if it is long; that pauses at each step. */
  line(line: Line): Iterable<void> | undefined {
    const { text } = line;
    if (text === '' || text.startsWith('#')) return undefined;
    if (text === 'COMMIT') {
      if (this.#section === undefined) throw new RangeError('COMMIT without a table');
      this.sections.push(this.#section);
      this.#section = undefined;
      return undefined;
    }
    if (text.startsWith('*')) {
      this.#begin(line);
      return undefined;
    }
    if (this.#section === undefined) throw new RangeError('a table (*filter …) must come first');
    if (!text.startsWith(':')) return this.#command(line, this.#section);
    const work = chainLine(text.slice(1), this.#counting);
    if (work.do === 'chain') this.#chains.add(work.chain);
    this.#section.steps.push({ line, work });
    return undefined;
  }

  end(line: Line): void {
    if (this.#section !== undefined)
      throw located(line, new RangeError('COMMIT is missing at the end'));
  }

  #begin(line: Line): void {
    if (this.#section !== undefined) throw new RangeError('COMMIT is missing before this table');
    const table = line.text.slice(1).trim();
    if (!/^\S{1,31}$/.test(table)) throw new RangeError('the name of a table is missing');
    this.#section = { table, line, steps: [] };
    this.#chains = new Set();
    this.#bytes = 0;
    this.#parsing = this.#options(table);
  }

  #command(line: Line, section: Section): Iterable<void> | undefined {
    let { text } = line;
    if (text.includes('\0')) throw refused('line', 'must not have a NUL byte');
    let given: Counters | undefined;
    if (text.startsWith('[')) {
      const found = leadingCounters.exec(text);
      if (found === null) throw refused('[', 'counters are written [packets:bytes]');
      text = text.slice(found[0].length);
      if (this.#counting !== 'ignored') {
        if (!wholeCounters.test(found[0]))
          throw refused('[', 'counters are written [packets:bytes]');
        given = counters(found[1]!, found[2]!);
      }
    }
    const parsed = new RuleParser(splitWords(text), this.#parsing).parseLine(given);
    const { command, rule } = parsed;
    if (command === undefined) return undefined;
    if (rule === undefined) {
      // The line is for the other family: its rule is not added, but every other command is carried out.
      if (
        'ACIR'.includes(command.letter) ||
        (command.letter === 'D' && command.index === undefined)
      )
        return undefined;
      section.steps.push({ line, work: { do: 'command', command, counters: parsed.counters } });
      return undefined;
    }
    const count = countRules(rule);
    if (command.letter === 'R' && count !== 1) {
      throw refused(command.word, `the text means ${count} rules, but only one is replaced`);
    }
    const rules = this.#rules(section, line, command);
    if (count > stretch) return this.#many(rule, line, rules, command.chain!);
    for (const each of expand(rule)) this.#add(each, line, rules, command.chain!);
    return undefined;
  }

  *#many(spec: RuleSpec, line: Line, rules: Prepared[], chain: string): Generator<void> {
    for (const each of expandSlowly(spec)) {
      if (each === undefined) yield;
      else at(line, () => this.#add(each, line, rules, chain));
    }
  }

  /** The list for the rules of a line. Rules that are appended join the rules of the line before. */
  #rules({ steps }: Section, line: Line, command: Command): Prepared[] {
    const last = steps.at(-1)?.work;
    const chain = command.chain!;
    if (
      command.letter === 'A' &&
      last?.do === 'rules' &&
      last.command.letter === 'A' &&
      last.chain === chain
    ) {
      return last.rules;
    }
    const work: Work = { do: 'rules', command, chain, rules: [] };
    steps.push({ line, work });
    return work.rules;
  }

  #add({ init, checked }: ParsedRule, line: Line, rules: Prepared[], chain: string): void {
    checkPlace(init, chain, this.#parsing.table, 'rule');
    this.#bytes += sizeOf(checked, this.#family);
    if (this.#bytes > largestTable) {
      throw refused('rule', `a table holds at most ${largestTable} bytes of rules`);
    }
    rules.push({ init, checked, line });
  }
}

/** Reads the whole text and checks every rule in it, with pauses. */
function* reading(
  text: string | Uint8Array,
  family: Family,
  counting: Counting,
): Generator<void, Section[]> {
  const reader = new RestoreReader(family, counting);
  let line: Line = { number: 0, text: '' };
  for (const each of linesOf(text)) {
    line = { number: line.number + 1, text: each };
    try {
      const long = reader.line(line);
      if (long !== undefined) yield* long;
    } catch (error) {
      throw located(line, error);
    }
    if (line.number % stretch === 0) yield;
  }
  reader.end(line);
  return reader.sections;
}

/** Reads the whole text at once. */
export function readSave(text: string | Uint8Array, family: Family): Section[] {
  const steps = reading(text, family, 'if given');
  for (;;) {
    const { done, value } = steps.next();
    if (done) return value;
  }
}

/** The same, while others may run. */
export async function readRestore(
  text: string | Uint8Array,
  family: Family,
  takesCounters: boolean,
): Promise<Section[]> {
  const steps = reading(text, family, takesCounters ? 'taken' : 'ignored');
  for (;;) {
    const { done, value } = steps.next();
    if (done) return value;
    await breathe();
  }
}

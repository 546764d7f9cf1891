// The commands of a line of iptables-restore (-A, -I, -P …): which words belong to them, as iptables 1.8.9 reads
// them. Knows no rules and no tables.

import { quoted } from '../../errors.js';
import { wholeNumber } from '../text/addresses.js';
import { refused } from '../text/refused.js';

/** The commands that a text for iptables-restore may have. */
export type CommandLetter = 'A' | 'C' | 'D' | 'I' | 'R' | 'F' | 'Z' | 'N' | 'X' | 'E' | 'P';

export interface Command {
  readonly letter: CommandLetter;
  /** As it was written, for messages. */
  readonly word: string;
  /** Absent: all chains (`-F`, `-Z`, `-X`). */
  readonly chain: string | undefined;
  /** 1-based, as text counts. */
  readonly index: number | undefined;
  /** The new name of `-E`, the policy of `-P`. */
  readonly argument: string | undefined;
}

/** The words around a command. */
export interface CommandWords {
  /** The rest of the same word: `-AINPUT`, `--append=INPUT`. */
  readonly attached: string | undefined;
  next(): string | undefined;
  /** The next word, without taking it. */
  peek(): string | undefined;
}

const withChain = 'ACDIRNEP';
const perhapsChain = 'FZX';
/** Options that take the rest of their word as the argument, as getopt does. */
export const takesAttached = `${withChain}${perhapsChain}LStMhwW`;

const elsewhere: Record<string, string> = {
  L: 'it only prints',
  S: 'it only prints',
  h: 'it only prints',
  V: 'it only prints',
  t: 'the table is that of the line with *',
  w: 'waiting for the lock is an option of the call',
  W: 'waiting for the lock is an option of the call',
  M: 'no other program is run',
  n: 'it says how to print',
  x: 'it says how to print',
  '0': 'it says how to print',
};

/** Reads a command and the words that belong to it. Refuses a second command. */
export function readCommand(
  letter: string,
  word: string,
  words: CommandWords,
  before: Command | undefined,
): Command {
  const has = Object.hasOwn(elsewhere, letter) ? elsewhere[letter] : undefined;
  if (has !== undefined) throw refused(word, `not allowed in such a text: ${has}`);
  if (before !== undefined) throw refused(word, `cannot be used together with ${before.word}`);
  // xs_has_arg() of iptables.
  const further = () => {
    const next = words.peek();
    return next === undefined || next.startsWith('-') || next.startsWith('!')
      ? undefined
      : words.next();
  };
  let chain = words.attached;
  if (chain === undefined) chain = withChain.includes(letter) ? words.next() : further();
  if (chain === undefined && withChain.includes(letter)) throw refused(word, 'needs a chain');
  let index: number | undefined;
  let argument: string | undefined;
  if ('DIRZ'.includes(letter)) {
    const given = further();
    if (given !== undefined) index = ruleNumber(given, word);
    else if (letter === 'R') throw refused(word, 'needs the number of a rule');
  } else if (letter === 'E' || letter === 'P') {
    argument = further();
    const what = letter === 'E' ? 'a new name' : 'a policy';
    if (argument === undefined) throw refused(word, `needs a chain and ${what}`);
  }
  return { letter: letter as CommandLetter, word, chain, index, argument };
}

function ruleNumber(text: string, word: string): number {
  const number = wholeNumber(text, 0x7fffffff);
  if (number === undefined || number < 1) {
    throw refused(word, `${quoted(text)} is not the number of a rule; text counts rules from 1`);
  }
  return number;
}

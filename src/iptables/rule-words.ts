// The words of a rule's text: quoting as iptables-restore reads and iptables-save writes it, and
// the parts of a line of a save file. Knows no option and no table.

/** Splits as iptables-restore does: blanks between words, double quotes, backslash inside them. */
export function splitWords(text: string): string[] {
  if (!text.includes('"')) return text.split(/[ \t\n]+/).filter((word) => word !== '');
  const words: string[] = [];
  let word = '';
  let quoted = false;
  let escaped = false;
  for (const character of text) {
    if (quoted) {
      if (escaped) {
        word += character;
        escaped = false;
      } else if (character === '\\') {
        escaped = true;
      } else if (character === '"') {
        quoted = false;
        words.push(word); // a closing quote ends the word, also an empty one
        word = '';
      } else {
        word += character;
      }
    } else if (character === '"') {
      quoted = true;
    } else if (character === ' ' || character === '\t' || character === '\n') {
      if (word !== '') words.push(word);
      word = '';
    } else {
      word += character;
    }
  }
  if (quoted) throw new RangeError(`rule: a double quote is not closed in ${JSON.stringify(text)}`);
  if (word !== '') words.push(word);
  return words;
}

/** One argument as iptables-save writes it. */
export function quote(text: string): string {
  if (/^[A-Za-z0-9_-]+$/.test(text)) return text;
  return `"${text.replace(/["\\']/g, '\\$&')}"`;
}

/** A line of a save file that is a command on a rule. */
export interface RestoreLine {
  /** `[packets:bytes]` before the command. */
  counters?: { packets: bigint; bytes: bigint };
  command: 'append' | 'insert' | 'delete' | 'replace' | 'check';
  chain: string;
  /** 1-based, as text counts; `insert` without one means 1, `delete` may have one instead of a rule. */
  index?: number;
  /** What is left: the text of the rule. */
  rule: string;
}

const commands: Record<string, RestoreLine['command']> = {
  '-A': 'append',
  '--append': 'append',
  '-I': 'insert',
  '--insert': 'insert',
  '-D': 'delete',
  '--delete': 'delete',
  '-R': 'replace',
  '--replace': 'replace',
  '-C': 'check',
  '--check': 'check',
};

/**
 * Splits `[1:2] -A FORWARD -j ACCEPT`, the command being its first word (as iptables-save writes it
 * and every generator does). Answers `undefined` where the line is no command on a rule.
 */
export function splitRestoreLine(line: string): RestoreLine | undefined {
  const counted = /^\s*\[(\d+):(\d+)\]\s*(.*)$/s.exec(line);
  const rest = counted === null ? line.trim() : counted[3]!.trim();
  const [first = ''] = rest.split(/\s/, 1);
  const command = Object.hasOwn(commands, first) ? commands[first] : undefined;
  if (command === undefined) {
    if (counted === null) return undefined;
    throw new RangeError(`line: counters without a command on a rule in ${JSON.stringify(line)}`);
  }
  const [chain, afterChain] = takeWord(rest.slice(first.length));
  if (chain === undefined) throw new RangeError(`line: ${first} needs a chain`);
  const found: RestoreLine = { command, chain, rule: afterChain.trim() };
  if (counted !== null)
    found.counters = { packets: BigInt(counted[1]!), bytes: BigInt(counted[2]!) };
  if (command === 'insert' || command === 'delete' || command === 'replace') {
    const [word, after] = takeWord(afterChain);
    if (word !== undefined && /^\d+$/.test(word)) {
      found.index = Number(word);
      found.rule = after.trim();
      if (found.index < 1) throw new RangeError(`line: ${first} counts rules from 1, got ${word}`);
    } else if (command === 'replace') {
      throw new RangeError(`line: ${first} ${chain} needs the number of a rule`);
    }
  }
  return found;
}

/** The first word (quoted or not) and the text after it. */
function takeWord(text: string): [string | undefined, string] {
  const match = /^\s*(?:"((?:[^"\\]|\\.)*)"|([^\s"]+))/s.exec(text);
  if (match === null) return [undefined, text];
  const word = match[2] ?? match[1]!.replace(/\\(.)/gs, '$1');
  return [word, text.slice(match[0].length)];
}

// The words of a rule's text, with the quoting that iptables-restore reads and iptables-save writes, and the lines of
// such a text. Knows no option and no table.

import { quoted } from '../../errors.js';
import { textAt } from './encoding.js';
import { refused } from './refused.js';

const blank = 0x20;
const tab = 0x09;
const newline = 0x0a;
const carriageReturn = 0x0d;
const doubleQuote = 0x22;

/** Splits as iptables-restore does: blanks between words, double quotes, a backslash inside double quotes. */
export function splitWords(text: string): string[] {
  return text.includes('"') ? wordsWithQuotes(text) : plainWords(text);
}

function plainWords(text: string): string[] {
  const words: string[] = [];
  let from = -1;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    const between = code === blank || code === tab || code === newline;
    if (!between) {
      if (from < 0) from = at;
    } else if (from >= 0) {
      words.push(text.slice(from, at));
      from = -1;
    }
  }
  if (from >= 0) words.push(text.slice(from));
  return words;
}

function wordsWithQuotes(text: string): string[] {
  const words: string[] = [];
  let word = '';
  for (let at = 0; at < text.length; ) {
    const code = text.charCodeAt(at);
    if (code === doubleQuote) {
      const end = closingQuote(text, at + 1);
      const inside = text.slice(at + 1, end);
      // A closing quote ends the word, even an empty one.
      words.push(word + (inside.includes('\\') ? inside.replace(/\\(.)/gs, '$1') : inside));
      word = '';
      at = end + 1;
    } else if (code === blank || code === tab || code === newline) {
      if (word !== '') words.push(word);
      word = '';
      at++;
    } else {
      const from = at++;
      while (at < text.length && !endsPlain(text.charCodeAt(at))) at++;
      word += text.slice(from, at);
    }
  }
  if (word !== '') words.push(word);
  return words;
}

function endsPlain(code: number): boolean {
  return code === blank || code === doubleQuote || code === tab || code === newline;
}

function closingQuote(text: string, from: number): number {
  for (let at = from; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === doubleQuote) return at;
    if (code === 0x5c) at++;
  }
  throw refused('rule', `a double quote is not closed in ${quoted(text)}`);
}

/** One argument as iptables-save writes it. */
export function quote(text: string): string {
  if (/^[A-Za-z0-9_-]+$/.test(text)) return text;
  return `"${text.replace(/["\\']/g, '\\$&')}"`;
}

/**
 * One argument that iptables-save writes without quotes. Puts it in quotes if it would be read as something else;
 * iptables-save does not.
 */
export function bare(text: string): string {
  if (/^[^ \t\n\v\f\r"]+$/.test(text)) return text;
  return `"${text.replace(/["\\]/g, '\\$&')}"`;
}

/** The text between `from` and `to` without blanks at its ends, and without the CR of a CRLF. */
function trimmed(text: string, from: number, to: number): string {
  let [start, end] = [from, to];
  while (start < end && isBlank(text.charCodeAt(start))) start++;
  while (end > start && isBlank(text.charCodeAt(end - 1))) end--;
  return text.slice(start, end);
}

function isBlank(code: number): boolean {
  return code === blank || code === tab || code === carriageReturn;
}

/**
 * The lines of a text, without blanks at their ends. Bytes that are not UTF-8 become the lone surrogates
 * that `textToBytes` turns back.
 */
export function* linesOf(text: string | Uint8Array): Generator<string> {
  if (typeof text === 'string') {
    for (let from = 0; from <= text.length; ) {
      const found = text.indexOf('\n', from);
      const end = found < 0 ? text.length : found;
      yield trimmed(text, from, end);
      from = end + 1;
    }
    return;
  }
  const bytes = Buffer.from(text.buffer, text.byteOffset, text.length);
  for (let from = 0; from <= bytes.length; ) {
    const found = bytes.indexOf(newline, from);
    const end = found < 0 ? bytes.length : found;
    const line = textAt(bytes, from, end);
    yield trimmed(line, 0, line.length);
    from = end + 1;
  }
}

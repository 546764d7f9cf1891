// Match string: a pattern in the packet's bytes (struct xt_string_info revision 1).

import { badRange, badType } from '../../errors.js';
import { bytesToText, textToBytes } from '../text/encoding.js';
import { refused } from '../text/refused.js';
import type { Known, Not, Place, Store, ValueType } from './define.js';
import { both, match } from './define.js';
import { given, number } from './number-values.js';
import { bit, bytesOf, fixedString, flagBit, mapped, u8, u16 } from './stores.js';
import { oneOf } from './text-values.js';

export interface StringMatch extends Known {
  readonly name: 'string';
  /**
   * The pattern, 1…128 bytes of any value. Bytes that are not UTF-8 are lone surrogates U+DC80…U+DCFF. Text has
   * `--hex-string` if a byte cannot be printed.
   */
  readonly string: Not<string>;
  /** Boyer-Moore or Knuth-Morris-Pratt. Boyer-Moore misses patterns that cross fragments of a packet. */
  readonly algo: 'bm' | 'kmp';
  /** Where the search begins, in bytes from the start of the IP header; 0 unless given. */
  readonly from?: number;
  /** Where it ends; 65535 unless given. */
  readonly to?: number;
  /** Letters match in upper and lower case. */
  readonly icase?: true;
}

const maxPattern = 128;

function checkPattern(bytes: Uint8Array, at: Place, text: string): string {
  if (bytes.length === 0 || bytes.length > maxPattern) {
    throw badRange(at.path, `a pattern of 1…${maxPattern} bytes`, text);
  }
  return bytesToText(bytes);
}

/**
 * The argument of --hex-string: plain text with |hex digits| in it. A blank may be between pairs or after the first
 * bar. A backslash makes the next character plain. A bar directly after a closing bar is a plain character, as
 * iptables reads it. (iptables 1.8.9 reads at most 127 bytes in this way, although it writes 128.)
 */
function readHexString(text: string, at: Place): string {
  const source = textToBytes(text);
  const bad = (reason: string) => refused(at.path, `${reason} in ${JSON.stringify(text)}`);
  const [bar, backslash, blank] = [0x7c, 0x5c, 0x20];
  const pattern: number[] = [];
  let hex = false;
  for (let index = 0; index < source.length; ) {
    if (!hex && source[index] === backslash) {
      if (index + 1 >= source.length) throw bad('nothing follows the backslash');
      pattern.push(source[index + 1]!);
      index += 2;
      continue;
    }
    if (source[index] === bar) {
      hex = !hex;
      if (hex) while (source[index + 1] === blank) index++;
      index++;
      if (index >= source.length) break;
    }
    if (!hex) {
      pattern.push(source[index]!);
      index++;
      continue;
    }
    const pair = String.fromCharCode(...source.subarray(index, index + 2));
    if (!/^[0-9a-fA-F]{2}$/.test(pair)) throw bad(`${JSON.stringify(pair)} are no two hex digits`);
    if (index + 2 >= source.length) throw bad('no bar ends the hex digits');
    pattern.push(Number.parseInt(pair, 16));
    index += source[index + 2] === blank ? 3 : 2;
  }
  return checkPattern(Uint8Array.from(pattern), at, text);
}

const pattern: ValueType<string> = {
  arity: 1,
  check(value, at) {
    if (typeof value !== 'string') throw badType(at.path, 'a string', value);
    return checkPattern(textToBytes(value), at, value);
  },
  parse: (text, at) => checkPattern(textToBytes(text), at, text),
  print: (value) => `"${value.replace(/["\\]/g, '\\$&')}"`,
};

const patternStore: Store<string> = {
  read(payload, cx) {
    const length = u8(148).read(payload, cx)!;
    return length > maxPattern ? undefined : bytesToText(bytesOf(payload, 20, length));
  },
  write(payload, value, cx) {
    const bytes = textToBytes(value);
    bytesOf(payload, 20, maxPattern).set(bytes);
    u8(148).write(payload, bytes.length, cx);
  },
};

export const string = match<StringMatch>({
  name: 'string',
  revision: 1,
  families: both,
  size: 160,
  userSize: 152,
  fields: {
    string: {
      options: ['string'],
      type: pattern,
      store: patternStore,
      invert: bit(149, 1),
      required: true,
      print(value, not, cx) {
        const bytes = textToBytes(value);
        const plain = bytes.every((byte) => byte >= 0x20 && byte <= 0x7e);
        const bang = not ? '! ' : '';
        // For old parsers, a backslash at the end would escape the closing quote.
        if (plain && !value.endsWith('\\')) return `${bang}--string ${pattern.print(value, cx)}`;
        return `${bang}--hex-string "|${Buffer.from(bytes).toString('hex')}|"`;
      },
    },
    algo: {
      options: ['algo'],
      type: oneOf(['bm', 'kmp']),
      // Other values make the extension raw: they could not be checked.
      store: mapped(
        fixedString(4, 16),
        (name) => (name === 'bm' || name === 'kmp' ? name : undefined),
        (name) => name,
      ),
      required: true,
    },
    from: { options: ['from'], type: number(65535), store: u16(0), default: 0 },
    to: { options: ['to'], type: number(65535), store: u16(2), default: 65535 },
    icase: { options: ['icase'], type: given, store: flagBit(149, 2) },
  },
  spellings: [
    {
      option: 'hex-string',
      invertible: true,
      field: 'string',
      excludes: ['string'],
      parse: (text, at) => readHexString(text, at),
    },
  ],
  check(value, at) {
    // string_mt_check() in xt_string.c.
    if ((value.from ?? 0) > (value.to ?? 65535)) throw refused(at.path, 'from is greater than to');
  },
});

// Strings that iptables prints without quotes, although they may have any characters. Not an extension.
import type { ValueType } from './define.js';
import { string } from './text-values.js';

/**
 * A name that iptables-save prints without quotes. If it has white space or a double quote, that reads back as
 * something else. So this puts such names in quotes.
 */
export function bareWord(max: number): ValueType<string> {
  return string({ max, min: 1, bare: true });
}

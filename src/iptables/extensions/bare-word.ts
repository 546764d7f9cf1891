// Strings that iptables prints without quotes although they may hold anything. Not an extension.
import type { ValueType } from './define.js';
import { string } from './text-values.js';

/**
 * A name that iptables-save prints as it is. With white space or a double quote in it that reads back as
 * something else: such names are printed in quotes here.
 */
export function bareWord(max: number): ValueType<string> {
  return string({ max, min: 1, bare: true });
}

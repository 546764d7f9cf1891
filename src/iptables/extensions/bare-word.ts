// Strings that iptables prints without quotes although they may hold anything. Not an extension.
import type { ValueType } from './define.js';
import { string } from './values.js';

/**
 * A name that is printed as it is. White space and double quotes are refused: iptables takes them, but
 * what iptables-save then writes reads back as something else.
 */
export function bareWord(max: number): ValueType<string> {
  return string({
    max,
    min: 1,
    bare: true,
    unless: (text) =>
      /[\s"]/.test(text) ? 'neither white space nor a double quote can stand in it' : undefined,
  });
}

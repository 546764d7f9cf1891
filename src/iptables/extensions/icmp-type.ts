// The value of the matches icmp and icmp6: a type with a code or a range of codes. Not an extension itself.

import { badRange, badType } from '../../errors.js';
import { wholeNumber } from '../text/addresses.js';
import { refused } from '../text/refused.js';
import type { Not, Store, ValueType } from './define.js';
import { isNot } from './define.js';
import { integer, rangeOf } from './number-values.js';
import type { Range } from './stores.js';
import { pair, u8 } from './stores.js';

/** A type with any code, or with one code (the kernel can also hold a range of codes). */
export type IcmpType = number | { readonly type: number; readonly code: number | Range };

/** Names in text: a type, or a type and a code. */
export type IcmpNames = Readonly<Record<string, readonly [type: number, code?: number]>>;

const anyCode: Range = { from: 0, to: 255 };

export const icmpStore: Store<IcmpType> = {
  read(payload, cx) {
    const type = u8(0).read(payload, cx)!;
    const code = pair(u8(1), u8(2)).read(payload, cx)!;
    const any = typeof code !== 'number' && code.from === anyCode.from && code.to === anyCode.to;
    return any ? type : { type, code };
  },
  write(payload, value, cx) {
    u8(0).write(payload, typeof value === 'number' ? value : value.type, cx);
    const code = typeof value === 'number' ? anyCode : value.code;
    pair(u8(1), u8(2)).write(payload, code, cx);
  },
};

/** Whether there is a range of codes. iptables has no text for it, and shows the first code. */
export function hasCodeRange(given: Not<IcmpType>): boolean {
  const value = isNot(given) ? given.not : given;
  return typeof value === 'object' && typeof value.code === 'object';
}

/** Reads names by any unambiguous beginning, in upper or lower case. */
export function icmpType(names: IcmpNames, what: string): ValueType<IcmpType> {
  return {
    arity: 1,
    check(value, at) {
      if (typeof value === 'number') return integer(value, at, 0, 255);
      if (typeof value !== 'object' || value === null || isNot(value)) {
        throw badType(at.path, 'a number or { type, code }', value);
      }
      const { type, code } = value as { type: unknown; code: unknown };
      const in8 = (given: unknown, key: string) =>
        integer(given, { ...at, path: `${at.path}.${key}` }, 0, 255);
      const low = in8(type, 'type');
      if (typeof code === 'number') return { type: low, code: in8(code, 'code') };
      const ends = rangeOf(code, { ...at, path: `${at.path}.code` }, 'a number');
      const from = in8(ends.from, 'code.from');
      const to = in8(ends.to, 'code.to');
      if (from > to) throw refused(`${at.path}.code`, 'the range is reversed');
      if (from === 0 && to === 255) return low;
      return { type: low, code: from === to ? from : { from, to } };
    },
    parse(text, at) {
      const lower = text.toLowerCase();
      const found = Object.keys(names).filter((name) => name.toLowerCase().startsWith(lower));
      if (found.length > 1) throw refused(at.path, `ambiguous ${what}: ${found.join(', ')}`);
      const named = found[0] === undefined ? undefined : names[found[0]];
      if (named !== undefined) {
        const [type, code] = named;
        return code === undefined ? type : { type, code };
      }
      const [typeText, codeText] = splitOnce(text);
      const type = wholeNumber(typeText, 255);
      const code = codeText === undefined ? undefined : wholeNumber(codeText, 255);
      if (type === undefined || (codeText !== undefined && code === undefined)) {
        throw badRange(at.path, `an ${what} by name, or type[/code] in 0…255`, text);
      }
      return code === undefined ? type : { type, code };
    },
    print(value) {
      if (typeof value === 'number') return String(value);
      return `${value.type}/${typeof value.code === 'number' ? value.code : value.code.from}`;
    },
  };
}

function splitOnce(text: string): [string, string | undefined] {
  const cut = text.indexOf('/');
  return cut < 0 ? [text, undefined] : [text.slice(0, cut), text.slice(cut + 1)];
}

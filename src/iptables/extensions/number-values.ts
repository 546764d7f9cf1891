// Values of rule options that are numbers, and options without a value: what is allowed, how text is read and
// printed, as iptables 1.8.9 does it. Does not know the place of a value in bytes.

import { fieldsAt } from '../../checks.js';
import { badRange, badType } from '../../errors.js';
import { leadingNumber, wholeNumber } from '../text/addresses.js';
import { refused } from '../text/refused.js';
import type { ArgumentPlace, Place, ValueType } from './define.js';
import type { Masked, Range } from './stores.js';

export function integer(value: unknown, at: Place, min: number, max: number): number {
  if (typeof value !== 'number') throw badType(at.path, 'a number', value);
  if (!Number.isInteger(value) || value < min || value > max) {
    throw badRange(at.path, `an integer in ${min}…${max}`, value);
  }
  return value;
}

/** A field that is given or not: an option without an argument. */
export const given: ValueType<true> = {
  arity: 0,
  check(value, at) {
    if (value !== true) throw badType(at.path, 'true (leave it out for false)', value);
    return true;
  },
  parse: () => true,
  print: () => '',
};

/** An integer, read as C does (decimal, 0x…, 0…). */
export function number(
  max: number,
  min = 0,
  print: (n: number) => string = String,
): ValueType<number> {
  return {
    arity: 1,
    check: (value, at) => integer(value, at, min, max),
    parse(text, at) {
      const value = wholeNumber(text, max);
      if (value === undefined || value < min) {
        throw badRange(at.path, `a number in ${min}…${max}`, text);
      }
      return value;
    },
    print,
  };
}

/** A big integer, or its decimal digits, which JSON has instead. */
export function bigintAt(value: unknown, path: string, expected = 'a bigint'): bigint {
  if (typeof value === 'bigint') return value;
  if (typeof value !== 'string' || !/^\d{1,20}$/.test(value)) throw badType(path, expected, value);
  return BigInt(value);
}

/** A 64-bit integer. */
export function bigNumber(max = 0xffff_ffff_ffff_ffffn, min = 0n): ValueType<bigint> {
  return {
    arity: 1,
    check(given, at) {
      const value = bigintAt(given, at.path);
      if (value < min || value > max) throw badRange(at.path, `an integer in ${min}…${max}`, value);
      return value;
    },
    parse(text, at) {
      const value = leadingNumber(text);
      if (value === undefined || value.rest !== '' || value.value > max || value.value < min) {
        throw badRange(at.path, `a number in ${min}…${max}`, text);
      }
      return value.value;
    },
    print: String,
  };
}

export interface RangeOptions {
  max: number;
  min?: number;
  /** Between the two ends: `:` unless given. */
  separator?: string;
  /** One end may be left out in text. Then it is 0 or `max` (`:80`, `1024:`). */
  open?: boolean;
  /** Reads one part of the text; a number as C reads it unless given. */
  read?: (text: string, at: ArgumentPlace) => number | undefined;
  /** For messages. */
  what?: string;
  /**
   * Also takes a range from high to low, which matches nothing. For some options iptables 1.8.9 takes, saves and
   * restores it, and real dumps have it.
   */
  reversed?: boolean;
  /** The word for one value in messages: `a port`; `a number` unless given. */
  one?: string;
}

/** `n` or `{ from, to }`. */
export function range(options: RangeOptions): ValueType<number | Range> {
  const { max, min = 0, separator = ':', open = true, reversed = false } = options;
  const what = options.what ?? `a number in ${min}…${max} or two with ${separator} between`;
  const read = options.read ?? ((text: string) => wholeNumber(text, max));
  return {
    arity: 1,
    check(value, at) {
      if (typeof value === 'number') return integer(value, at, min, max);
      const ends = rangeOf(value, at, options.one ?? 'a number');
      const low = integer(ends.from, { ...at, path: `${at.path}.from` }, min, max);
      const high = integer(ends.to, { ...at, path: `${at.path}.to` }, min, max);
      return ordered(low, high, at, reversed);
    },
    parse(text, at) {
      const cut = text.indexOf(separator);
      const end = (part: string, missing: number) => {
        const value = part === '' && open && cut >= 0 ? missing : read(part, at);
        if (value === undefined || value < min || value > max) throw badRange(at.path, what, text);
        return value;
      };
      if (cut < 0) return end(text, 0);
      const low = end(text.slice(0, cut), 0);
      const high = end(text.slice(cut + 1), max);
      return ordered(low, high, at, reversed);
    },
    print: (value) => printRange(value, separator),
  };
}

/** A range, or one number if both ends are equal. */
export function ordered(from: number, to: number, at: Place, reversed = false): number | Range {
  if (from > to && !reversed) throw refused(at.path, `the range ${from}…${to} is reversed`);
  return from === to ? from : { from, to };
}

export function printRange<T extends number | string | bigint>(
  value: T | Range<T>,
  separator: string,
): string {
  return typeof value === 'object' ? `${value.from}${separator}${value.to}` : String(value);
}

const rangeFields = new Set(['from', 'to']);

/** The ends of `{ from, to }`, not checked yet. An array would be a list, which is not allowed here. */
export function rangeOf(value: unknown, at: Place, one: string): Range<unknown> {
  if (Array.isArray(value)) {
    throw badType(at.path, `${one} or { from, to } (a list is not allowed here)`, value);
  }
  const { from, to } = fieldsAt(value, at.path, rangeFields, `${one} or { from, to }`);
  return { from, to };
}

/** A two-element array, or a type error. */
export function two(value: unknown, at: Place, expected: string): [unknown, unknown] {
  if (!Array.isArray(value) || value.length !== 2) throw badType(at.path, expected, value);
  return [value[0], value[1]];
}

/**
 * A port: a number as C reads it, else a service. `protocol` is the protocol of the service. `decimalOnly` is for
 * extensions that read only decimal numbers (iptables resolves these with getaddrinfo).
 */
export function readPort(
  text: string,
  at: ArgumentPlace,
  protocol?: string,
  decimalOnly = false,
): number | undefined {
  const value = decimalOnly
    ? /^\d+$/.test(text)
      ? Number(text)
      : undefined
    : wholeNumber(text, 0xffffffff);
  if (value !== undefined) return value <= 65535 ? value : undefined;
  return at.names.servicePort(text, protocol);
}

/** `22`; in text also a service name of any protocol. */
export const onePort: ValueType<number> = {
  ...number(65535),
  parse(text, at) {
    const value = readPort(text, at, undefined, true);
    if (value === undefined) throw badRange(at.path, 'a port, 0…65535, or a service', text);
    return value;
  },
};

/** `22`, `{ from: 22, to: 80 }`; in text also service names of `protocol`. */
export function ports(
  protocol?: string,
  decimalOnly = false,
  reversed = false,
): ValueType<number | Range> {
  return range({
    max: 65535,
    reversed,
    one: 'a port',
    read: (text, at) => readPort(text, at, protocol, decimalOnly),
    what: 'a port, a service name or a range of ports',
  });
}

const hex = (value: number) => `0x${value.toString(16)}`;

/** A 32-bit mark: a number, or `{ value, mask }`. */
export function mark(print: 'short' | 'with mask' = 'short'): ValueType<Masked> {
  return {
    arity: 1,
    check(value, at) {
      if (typeof value === 'number') return integer(value, at, 0, 0xffffffff);
      if (typeof value !== 'object' || value === null || !('value' in value && 'mask' in value)) {
        throw badType(at.path, 'a number or { value, mask }', value);
      }
      const bits = integer(value.value, { ...at, path: `${at.path}.value` }, 0, 0xffffffff);
      const mask = integer(value.mask, { ...at, path: `${at.path}.mask` }, 0, 0xffffffff);
      return mask === 0xffffffff ? bits : { value: bits, mask };
    },
    parse: (text, at) => readMark(text, at.path),
    print(value) {
      if (typeof value !== 'number') return `${hex(value.value)}/${hex(value.mask)}`;
      return print === 'short' ? hex(value) : `${hex(value)}/0xffffffff`;
    },
  };
}

/** `value[/mask]`. */
export function readMark(text: string, path: string): Masked {
  const expected = 'a 32-bit number, or value/mask';
  const [value, mask, more] = text.split('/');
  const bits = wholeNumber(value!, 0xffffffff);
  const bitmask = mask === undefined ? 0xffffffff : wholeNumber(mask, 0xffffffff);
  if (bits === undefined || bitmask === undefined || more !== undefined) {
    throw badRange(path, expected, text);
  }
  return bitmask === 0xffffffff ? bits : { value: bits, mask: bitmask };
}

/** A 32-bit number printed in hexadecimal. */
export const hexNumber = (max = 0xffffffff): ValueType<number> => number(max, 0, hex);

/** The protocol as a name or number. */
export const protocol: ValueType<number | string> = {
  arity: 1,
  check(value, at) {
    if (typeof value === 'number') return integer(value, at, 0, 255);
    if (typeof value !== 'string') throw badType(at.path, 'a protocol name or number', value);
    if (at.names.protocolNumber(value) === undefined) {
      throw badRange(at.path, 'a protocol known to this host, or a number in 0…255', value);
    }
    return value;
  },
  parse(text, at) {
    const value = wholeNumber(text, 255) ?? at.names.protocolNumber(text);
    if (value === undefined) throw badRange(at.path, 'a protocol name or number', text);
    return value;
  },
  print: String,
};

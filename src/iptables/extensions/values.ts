// Kinds of values of rule options: what is allowed, how text is read and printed, as iptables 1.8.9
// does it. Knows nothing of where a value lies in bytes.

import { fieldsAt } from '../../checks.js';
import { badRange, badType } from '../../errors.js';
import type { Family } from '../text/addresses.js';
import {
  applyMask,
  formatAddress,
  formatMask,
  leadingNumber,
  maskPrefix,
  parseAddress,
  parseIpv4,
  parseIpv6,
  parseMask,
  prefixMask,
  unmapped,
  wholeNumber,
} from '../text/addresses.js';
import { bytesToText, hasLoneSurrogates, textToBytes } from '../text/encoding.js';
import { refused } from '../text/refused.js';
import { bare, quote } from '../text/words.js';
import type { ArgumentPlace, Place, ValueType } from './define.js';

import type { Masked, Range } from './stores.js';

export function integer(value: unknown, at: Place, min: number, max: number): number {
  if (typeof value !== 'number') throw badType(at.path, 'a number', value);
  if (!Number.isInteger(value) || value < min || value > max) {
    throw badRange(at.path, `an integer in ${min}…${max}`, value);
  }
  return value;
}

/** A field that is only there or not: an option without argument. */
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

/** A big integer, or its decimal digits, as which it comes through JSON. */
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
  /** One end may be left out in text: 0 and `max` then (`:80`, `1024:`). */
  open?: boolean;
  /** One part of the text; a number of C unless given. */
  read?: (text: string, at: ArgumentPlace) => number | undefined;
  /** For messages. */
  what?: string;
  /**
   * Taken from high to low as well, as iptables 1.8.9 takes, saves and restores it for some options:
   * such a range matches nothing, and real dumps have it.
   */
  reversed?: boolean;
  /** Of a typed value that is no number: `a port`; `a number` unless given. */
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

/** One number where both ends are the same. */
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

/** The ends of `{ from, to }`, not looked at yet. An array would be a list, and no list can stand there. */
export function rangeOf(value: unknown, at: Place, one: string): Range<unknown> {
  if (Array.isArray(value)) {
    throw badType(at.path, `${one} or { from, to } (a list cannot stand here)`, value);
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
 * A port: a number of C, else a service. `protocol` chooses whose services count, and may be the
 * rule's own (`'rule'`). Extensions whose numbers are decimal only (those that upstream resolves
 * with getaddrinfo) say so.
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

/** `22`, `{ from: 22, to: 80 }`; text also service names of `protocol`. */
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

export interface StringOptions {
  /** Bytes (UTF-8) that fit. */
  max: number;
  min?: number;
  /** What iptables does with a longer text: refuses it, or cuts it (LOG's prefix, measured). */
  longer?: 'refuse' | 'cut';
  /** Refuses further texts: answers the reason. */
  unless?: (text: string) => string | undefined;
  /** iptables-save prints it without quotes, whatever it holds: here only where that reads back. */
  bare?: boolean;
}

/** A string that ends in NUL in the payload. Printed in quotes where iptables does so. */
export function string(options: StringOptions): ValueType<string> {
  const { max, min = 0 } = options;
  const check = (value: unknown, path: string): string => {
    if (typeof value !== 'string') throw badType(path, 'a string', value);
    const length = textToBytes(value).length;
    if (length < min || length > max) {
      throw badRange(path, `a string of ${min}…${max} bytes`, value);
    }
    if (value.includes('\0')) throw refused(path, 'a NUL byte cannot stand in it');
    // A save file could not be read back, and the next line would be taken for a command.
    if (value.includes('\n')) throw refused(path, 'a line break cannot stand in it');
    if (hasLoneSurrogates(value)) {
      throw refused(path, 'half of a surrogate pair cannot stand in it');
    }
    const reason = options.unless?.(value);
    if (reason !== undefined) throw refused(path, reason);
    return value;
  };
  return {
    arity: 1,
    check: (value, at) => check(value, at.path),
    parse(text, at) {
      if (options.longer !== 'cut') return check(text, at.path);
      const bytes = textToBytes(text);
      return check(bytes.length > max ? bytesToText(bytes.subarray(0, max)) : text, at.path);
    },
    print: (value) => (options.bare ? bare(value) : quote(value)),
  };
}

/** One of some names. In text iptables compares most of them without regard to case. */
export function oneOf<const N extends string>(
  names: readonly N[],
  options: { anyCase?: boolean; also?: Readonly<Record<string, N>>; prefix?: boolean } = {},
): ValueType<N> {
  const fold = (text: string) => (options.anyCase ? text.toLowerCase() : text);
  const spelled = new Map<string, N>(names.map((name) => [fold(name), name]));
  for (const [text, name] of Object.entries(options.also ?? {})) spelled.set(fold(text), name);
  return {
    arity: 1,
    check(value, at) {
      if (typeof value !== 'string') throw badType(at.path, 'a string', value);
      const name = names.find((each) => each === value);
      if (name === undefined) throw badRange(at.path, `one of ${names.join(', ')}`, value);
      return name;
    },
    parse(text, at) {
      const folded = fold(text);
      let name = spelled.get(folded);
      if (name === undefined && options.prefix) {
        name = [...spelled].find(([each]) => each.startsWith(folded))?.[1];
      }
      if (name === undefined)
        throw badRange(at.path, `one of ${[...spelled.keys()].join(', ')}`, text);
      return name;
    },
    print: (name) => name,
  };
}

/** Some of some names: text with commas. The canonical order is that of `names`, without doubles. */
export function namesOf<const N extends string>(
  names: readonly N[],
  options: {
    anyCase?: boolean;
    /** Names that stand for several. */
    groups?: Readonly<Record<string, readonly N[]>>;
    /** Empty parts (`a,`) are skipped instead of refused. */
    lenient?: boolean;
    /** Any beginning of a name will do; the first that fits counts. */
    prefix?: boolean;
    /** May the list be empty? */
    empty?: boolean;
    print?: (value: readonly N[]) => string;
  } = {},
): ValueType<readonly N[]> {
  const fold = (text: string) => (options.anyCase ? text.toLowerCase() : text);
  const order = (chosen: ReadonlySet<N>) => names.filter((name) => chosen.has(name));
  return {
    arity: 1,
    check(value, at) {
      if (!Array.isArray(value)) throw badType(at.path, 'an array of names', value);
      if (value.length === 0 && !options.empty) {
        throw badRange(at.path, `some of ${names.join(', ')}`, value);
      }
      for (const [index, name] of value.entries()) {
        const path = `${at.path}[${index}]`;
        if (typeof name !== 'string') throw badType(path, 'a string', name);
        if (!names.includes(name as N)) throw badRange(path, `one of ${names.join(', ')}`, name);
      }
      return order(new Set(value as N[]));
    },
    parse(text, at) {
      const chosen = new Set<N>();
      for (const part of text.split(',')) {
        if (part === '' && options.lenient) continue;
        const fits = (name: string) =>
          options.prefix
            ? part !== '' && fold(name).startsWith(fold(part))
            : fold(name) === fold(part);
        const group = Object.entries(options.groups ?? {}).find(([name]) => fits(name));
        const name = names.find(fits);
        if (group !== undefined) for (const each of group[1]) chosen.add(each);
        else if (name !== undefined) chosen.add(name);
        else throw badRange(at.path, `some of ${names.join(', ')}, with commas between`, part);
      }
      return order(chosen);
    },
    print: options.print ?? ((value) => value.join(',')),
  };
}

export interface Network {
  readonly address: Uint8Array;
  readonly mask: Uint8Array;
}

/** `10.0.0.1`, `10.0.0.0/8`, `10.0.0.0/255.0.255.0` of one family; host bits are cut. */
export function parseNetwork(given: string, family: Family): Network | undefined {
  const text = family === 'ipv4' ? unmapped(given) : given;
  const cut = text.indexOf('/');
  const address = parseAddress(cut < 0 ? text : text.slice(0, cut), family);
  const full = prefixMask(family === 'ipv4' ? 32 : 128, family);
  const mask = cut < 0 ? full : parseMask(text.slice(cut + 1), family);
  if (address === undefined || mask === undefined) return undefined;
  return { address: applyMask(address, mask), mask };
}

/** The canonical form in a typed rule: no mask for one host. */
export function formatNetwork(network: Network): string {
  const address = formatAddress(network.address);
  const full = maskPrefix(network.mask) === network.mask.length * 8;
  return full ? address : `${address}/${formatMask(network.mask)}`;
}

const familyWord = { ipv4: 'an IPv4', ipv6: 'an IPv6' } as const;

/** An address without mask. Names are not resolved: the message says so. */
export const address: ValueType<string> = {
  arity: 1,
  check(value, at) {
    if (typeof value !== 'string') throw badType(at.path, 'a string', value);
    const bytes = parseAddress(at.family === 'ipv4' ? unmapped(value) : value, at.family);
    if (bytes === undefined) throw notAddress(value, at, 'address');
    return formatAddress(bytes);
  },
  parse: (text, at) => address.check(text, at),
  print: (value) => value,
};

export function notAddress(value: string, at: Place, what: string): RangeError {
  return badRange(at.path, `${familyWord[at.family]} ${what} (host names are not resolved)`, value);
}

/** One address or the two ends of a range, `-` between in text. */
export const addressRange: ValueType<string | Range<string>> = {
  arity: 1,
  check(value, at) {
    if (typeof value === 'string') return address.check(value, at);
    const { from, to } = rangeOf(value, at, 'an address');
    const low = address.check(from, { ...at, path: `${at.path}.from` });
    const high = address.check(to, { ...at, path: `${at.path}.to` });
    return low === high ? low : { from: low, to: high };
  },
  parse(text, at) {
    const cut = text.indexOf('-');
    if (cut < 0) return address.check(text, at);
    return addressRange.check({ from: text.slice(0, cut), to: text.slice(cut + 1) }, at);
  },
  print: (value) => printRange(value, '-'),
};

/**
 * An address with a prefix length, as options of extensions take it. iptables 1.8.9 silently reads
 * a mask that is no prefix as one host here (measured); that is refused instead.
 */
export const network: ValueType<string> = {
  arity: 1,
  check(value, at) {
    if (typeof value !== 'string') throw badType(at.path, 'a string', value);
    const parsed = parseNetwork(value, at.family);
    if (parsed === undefined) throw notAddress(value, at, 'address or network');
    if (maskPrefix(parsed.mask) === undefined)
      throw refused(at.path, `the mask of ${value} is no prefix`);
    return formatNetwork(parsed);
  },
  parse: (text, at) => network.check(text, at),
  print: (value) => value,
};

/** The bytes of a typed address, which a check has let through. */
export function addressBytes(text: string): Uint8Array {
  return (parseIpv4(text) ?? parseIpv6(text))!;
}

/** An Ethernet address; text takes one or two digits between colons. */
export const mac: ValueType<string> = {
  arity: 1,
  check(value, at) {
    if (typeof value !== 'string') throw badType(at.path, 'a string', value);
    const parts = value.split(':');
    if (parts.length !== 6 || !parts.every((part) => /^[0-9a-fA-F]{1,2}$/.test(part))) {
      throw badRange(at.path, 'an Ethernet address like 00:11:22:33:44:55', value);
    }
    return parts.map((part) => part.toLowerCase().padStart(2, '0')).join(':');
  },
  parse: (text, at) => mac.check(text, at),
  print: (value) => value,
};

/** The protocols, by name where the host has one. */
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

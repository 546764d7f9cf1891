// Values of rule options that are strings or names: what is allowed, how text is read and printed, as iptables 1.8.9
// does it. Does not know the place of a value in bytes.

import { badRange, badType } from '../../errors.js';
import { bytesToText, hasLoneSurrogates, textToBytes } from '../text/encoding.js';
import { refused } from '../text/refused.js';
import { bare, quote } from '../text/words.js';
import type { ValueType } from './define.js';

export interface StringOptions {
  /** The most bytes (UTF-8). */
  max: number;
  min?: number;
  /** How iptables handles a longer text: it refuses it, or cuts it (LOG's prefix, measured). */
  longer?: 'refuse' | 'cut';
  /** Refuses more texts: returns the reason. */
  unless?: (text: string) => string | undefined;
  /** iptables-save always prints it without quotes. This package does so only if that reads back. */
  bare?: boolean;
}

/** A string that ends with a NUL in the payload. Printed in quotes if iptables does so. */
export function string(options: StringOptions): ValueType<string> {
  const { max, min = 0 } = options;
  const check = (value: unknown, path: string): string => {
    if (typeof value !== 'string') throw badType(path, 'a string', value);
    const length = textToBytes(value).length;
    if (length < min || length > max) {
      throw badRange(path, `a string of ${min}…${max} bytes`, value);
    }
    if (value.includes('\0')) throw refused(path, 'must not have a NUL byte');
    // A saved text could not be read back: the next line would look like a command.
    if (value.includes('\n')) throw refused(path, 'must not have a line break');
    if (hasLoneSurrogates(value)) {
      throw refused(path, 'must not have half of a surrogate pair');
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

/** One of several names. In text iptables takes most of them in upper and lower case. */
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

/** A list of names, in text with commas. The canonical list has the order of `names`, and no name twice. */
export function namesOf<const N extends string>(
  names: readonly N[],
  options: {
    anyCase?: boolean;
    /** Names that mean several names. */
    groups?: Readonly<Record<string, readonly N[]>>;
    /** Empty parts (`a,`) are skipped instead of refused. */
    lenient?: boolean;
    /** Any beginning of a name is enough; the first name that fits counts. */
    prefix?: boolean;
    /** Whether the list may be empty. */
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

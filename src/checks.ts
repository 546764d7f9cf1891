// Checks of argument values that several parts share. Each names the path of the field it refuses.
//
// What comes from outside is read once: objects and lists are copied (`fieldsAt`, `optionsAt`, `listAt`), and
// the copy is what is checked and used. A field may be a getter, or be changed between two reads.
import {
  type Family,
  type Protocol,
  protocolNumbers,
  type StatusName,
  statusBits,
} from './constants.js';
import { badRange, badType, quoted, shown } from './errors.js';

export type Fields = Record<string, unknown>;

/** The path of a field; as a function where making it for every good value would cost. */
export type Path = string | (() => string);

/** The text of a path and of what follows it: only for messages. */
export function pathText(path: Path, rest = ''): string {
  return (typeof path === 'string' ? path : path()) + rest;
}

/** A plain object; anything else is a TypeError. */
export function objectAt(value: unknown, path: string): Fields {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw badType(path, 'an object', value);
  }
  return value as Fields;
}

const none: ReadonlySet<string> = new Set();
const ours = new Set<object>();

/** Makes the objects of a class of this package plain: all that they are is in their own fields. */
export function takeAsPlain(prototype: object): void {
  ours.add(prototype);
}

/** What a prototype of plain objects is: that of this realm, none, or that of another realm (node:vm). */
function isPlain(prototype: object | null): boolean {
  if (prototype === null || prototype === Object.prototype || ours.has(prototype)) return true;
  return Object.getPrototypeOf(prototype) === null && Object.hasOwn(prototype, 'isPrototypeOf');
}

/** The error for an object of a class: its fields may be getters of the prototype, which nothing here would see. */
function notPlain(path: Path, expected: string, value: object): TypeError {
  const name = shown(value);
  const isOfOtherCopy = [...ours].some((prototype) => name === `a ${prototype.constructor.name}`);
  const copy = isOfOtherCopy
    ? ', or made by this copy of the package: structuredClone() makes the one of another copy plain'
    : '';
  return badType(pathText(path), `${expected} (a plain one, of no class${copy})`, value);
}

/** The names of the fields of an object; of a Proxy, what it says once. */
function namesAt(value: object, path: Path, expected: string): string[] {
  let names: string[];
  let hidden: string | undefined;
  let plain: boolean;
  try {
    plain = isPlain(Object.getPrototypeOf(value));
    names = Object.keys(value);
    const all = Object.getOwnPropertyNames(value);
    if (all.length !== names.length) hidden = all.find((name) => !names.includes(name));
  } catch {
    throw new TypeError(`${pathText(path)}: is a Proxy that does not behave as an object`);
  }
  if (!plain) throw notPlain(path, expected, value);
  if (hidden !== undefined) {
    throw new TypeError(
      `${pathText(path, `.${quotedName(hidden)}`)}: is not enumerable, and would not be looked at`,
    );
  }
  return names;
}

const quotedName = (name: string) => (/^[\w$]{1,40}$/.test(name) ? name : quoted(name, 40));

function isArrayAt(value: unknown, path: Path): value is unknown[] {
  try {
    return Array.isArray(value);
  } catch {
    throw new TypeError(`${pathText(path)}: is a Proxy that was revoked`);
  }
}

function noSuchField(path: Path, name: string, allowed: ReadonlySet<string>): TypeError {
  return new TypeError(
    `${pathText(path, `.${quotedName(name)}`)}: there is no such field (there are: ${[...allowed].join(', ')})`,
  );
}

/** The refusal of a field that is there without a value. */
export function isUndefined(path: Path, name: string): TypeError {
  return new TypeError(
    `${pathText(path, `.${quotedName(name)}`)}: is undefined; leave the field out, or give it a value`,
  );
}

function plainAt(value: unknown, path: Path, expected: string): object {
  if (typeof value !== 'object' || value === null || isArrayAt(value, path)) {
    throw badType(pathText(path), expected, value);
  }
  return value;
}

function copyFields(
  given: unknown,
  path: Path,
  allowed: ReadonlySet<string> | 'any',
  expected: string,
  unset: (name: string) => boolean,
): Fields {
  const value = plainAt(given, path, expected);
  // Without a prototype: what others have put on Object.prototype is no field.
  const copy: Fields = Object.create(null);
  for (const name of namesAt(value, path, expected)) {
    if (allowed !== 'any' && !allowed.has(name)) throw noSuchField(path, name, allowed);
    const field = (value as Fields)[name];
    if (field !== undefined) copy[name] = field;
    else if (!unset(name)) {
      throw isUndefined(path, name);
    }
  }
  return copy;
}

/**
 * A copy of the fields of a plain object, each read once. Refused are fields that do not exist (a misspelt one
 * would be ignored), fields that are `undefined` (a setting that is missing would widen what is touched) but
 * for those that may be, which are then not there, and objects of a class.
 */
export function fieldsAt(
  value: unknown,
  path: Path,
  allowed: ReadonlySet<string>,
  expected = 'an object',
  mayBeUndefined: ReadonlySet<string> = none,
): Fields {
  return copyFields(value, path, allowed, expected, (name) => mayBeUndefined.has(name));
}

/**
 * As `fieldsAt`, for the options of every call: a field that is `undefined` counts as left out, except those of
 * `never`. These choose what is touched or reported (a namespace, a filter, tables): a choice that is missing
 * must not become "all".
 */
export function optionsAt(
  value: unknown,
  path: Path,
  allowed: ReadonlySet<string>,
  never: readonly string[] = [],
): Fields {
  return copyFields(value, path, allowed, 'an object', (name) => !never.includes(name));
}

/**
 * As `fieldsAt`, for what is read a million times a second: fields that are `undefined` are kept, and names are
 * for the caller to check.
 */
export function shallowCopyAt(given: unknown, path: Path, expected: string): Fields {
  const value = plainAt(given, path, expected);
  let plain: boolean;
  try {
    plain = isPlain(Object.getPrototypeOf(value));
  } catch {
    throw new TypeError(`${pathText(path)}: is a Proxy that does not behave as an object`);
  }
  if (!plain) throw notPlain(path, expected, value);
  return { ...value };
}

/** The fields of a plain object whose names the caller chooses, each read once. */
export function entriesAt(given: unknown, path: Path): [name: string, value: unknown][] {
  const value = plainAt(given, path, 'an object');
  return namesAt(value, path, 'an object').map((name) => [name, (value as Fields)[name]]);
}

/** Elements that a list may have: what is longer would block the thread for seconds. */
const longestList = 2 ** 24;

/** A copy of an array, each element read once. An array with holes is refused, as what only looks like one. */
export function listAt(value: unknown, path: Path, expected = 'an array'): unknown[] {
  if (!isArrayAt(value, path)) throw badType(pathText(path), expected, value);
  const length: unknown = value.length;
  if (typeof length !== 'number' || !(length <= longestList)) {
    throw badRange(pathText(path, '.length'), `at most ${longestList}`, length);
  }
  const copy: unknown[] = [];
  for (let i = 0; i < length; i++) {
    if (!Object.hasOwn(value, i)) {
      throw new TypeError(`${pathText(path, `[${i}]`)}: is missing: the array has a hole`);
    }
    copy.push(value[i]);
  }
  return copy;
}

/** Objects in objects: what is given here is flat, and a circle has no end. */
const deepest = 16;

/**
 * A copy of a value with everything in it: plain objects, arrays and bytes, each field read once. Refused is
 * what `fieldsAt` and `listAt` refuse, but for fields that do not exist: the caller, who knows them, looks at the copy.
 */
export function copyAt(value: unknown, path: Path, expected = 'an object', depth = 0): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (value instanceof Uint8Array) return Uint8Array.from(value);
  if (depth >= deepest)
    throw badRange(pathText(path), `at most ${deepest} objects in another`, value);
  if (isArrayAt(value, path)) {
    const list = listAt(value, path);
    for (let i = 0; i < list.length; i++) {
      list[i] = copyAt(list[i], () => pathText(path, `[${i}]`), expected, depth + 1);
    }
    return list;
  }
  const copy = copyFields(value, path, 'any', expected, () => false);
  for (const name of Object.keys(copy)) {
    copy[name] = copyAt(copy[name], () => pathText(path, `.${name}`), expected, depth + 1);
  }
  return copy;
}

/** One value or an array of them, as a list; `many` tells which, for the paths in messages. */
export function oneOrMoreAt(value: unknown, path: Path): { list: unknown[]; many: boolean } {
  const many = isArrayAt(value, path);
  return { list: many ? listAt(value, path) : [value], many };
}

/** Something to iterate over. */
export function iterableAt<T>(value: Iterable<T>, path: string, of: string): Iterable<T> {
  const iterable = value as { [Symbol.iterator]?: unknown } | null | undefined;
  if (typeof iterable?.[Symbol.iterator] !== 'function') {
    throw badType(path, `an iterable of ${of}`, value);
  }
  return value;
}

/** Refuses fields that do not exist: a misspelt one would otherwise be ignored. */
export function onlyFields(value: Fields, allowed: ReadonlySet<string>, path: string): void {
  for (const key of Object.keys(value)) {
    if (!allowed.has(key)) throw noSuchField(path, key, allowed);
  }
}

export function integerAt(value: unknown, path: string, from: number, to: number): number {
  if (typeof value !== 'number') throw badType(path, `an integer from ${from} to ${to}`, value);
  if (!Number.isInteger(value) || value < from || value > to) {
    throw badRange(path, `an integer from ${from} to ${to}`, value);
  }
  return value;
}

export const u8At = (value: unknown, path: string) => integerAt(value, path, 0, 0xff);
export const u16At = (value: unknown, path: string) => integerAt(value, path, 0, 0xffff);
export const u32At = (value: unknown, path: string) => integerAt(value, path, 0, 0xffffffff);

/** A number of 64 bits: a bigint, or what JSON has of one (`jsonSafe`). */
export function u64At(value: unknown, path: Path): bigint {
  let number = value;
  if (typeof value === 'number' && Number.isSafeInteger(value)) number = BigInt(value);
  else if (typeof value === 'string' && /^\d{1,20}$/.test(value)) number = BigInt(value);
  const expected = 'an unsigned 64-bit value: a bigint, a whole number or its digits';
  if (typeof number !== 'bigint') {
    throw (typeof value === 'number' ? badRange : badType)(pathText(path), expected, value);
  }
  if (number < 0n || number >= 1n << 64n) throw badRange(pathText(path), expected, value);
  return number;
}

export function booleanAt(value: unknown, path: string): boolean {
  if (typeof value !== 'boolean') throw badType(path, 'a boolean', value);
  return value;
}

export function stringAt(value: unknown, path: string, maxBytes: number): string {
  if (typeof value !== 'string') throw badType(path, 'a string', value);
  if (value.includes('\0')) throw badRange(path, 'a string without NUL', value);
  if (Buffer.byteLength(value) > maxBytes) {
    throw badRange(path, `a string of at most ${maxBytes} bytes`, value);
  }
  return value;
}

export function oneOf<T extends string>(value: unknown, path: string, choices: readonly T[]): T {
  if (typeof value !== 'string') throw badType(path, `one of ${choices.join(', ')}`, value);
  if (!choices.includes(value as T)) throw badRange(path, `one of ${choices.join(', ')}`, value);
  return value as T;
}

export function familyAt(value: unknown, path: string): Family {
  return oneOf(value, path, ['ipv4', 'ipv6']);
}

const protocols: ReadonlyMap<unknown, number> = new Map(Object.entries(protocolNumbers));

/** The number of a protocol given by name or number. */
export function protocolAt(value: unknown, path: Path): number {
  const known = protocols.get(value);
  if (known !== undefined) return known;
  const at = pathText(path);
  if (typeof value === 'number') return u8At(value, at);
  if (typeof value !== 'string') throw badType(at, 'a protocol name or number', value);
  throw badRange(at, `a number or one of ${[...protocols.keys()].join(', ')}`, value);
}

export type { Protocol };

const statusByName: ReadonlyMap<unknown, number> = new Map(Object.entries(statusBits));

/** The bits of one status name or several. */
export function statusAt(value: unknown, path: Path): number {
  const { list: names, many } = oneOrMoreAt(value, path);
  let bits = 0;
  for (let i = 0; i < names.length; i++) {
    const bit = statusByName.get(names[i]);
    if (bit === undefined) {
      const at = pathText(path, many ? `[${i}]` : '');
      oneOf(names[i], at, [...statusByName.keys()] as StatusName[]); // throws
      continue;
    }
    bits |= bit;
  }
  return bits >>> 0;
}

/** An AbortSignal or nothing. */
export function signalAt(value: unknown, path: string): AbortSignal | undefined {
  if (value === undefined) return undefined;
  if (!(value instanceof AbortSignal)) throw badType(path, 'an AbortSignal', value);
  return value;
}

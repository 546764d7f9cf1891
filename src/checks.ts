// Checks of argument values that several parts share. Each names the path of the field it refuses.
import {
  type Family,
  type Protocol,
  protocolNumbers,
  type StatusName,
  statusBits,
} from './constants.js';
import { badRange, badType } from './errors.js';

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
    if (!allowed.has(key)) {
      throw new TypeError(
        `${path}.${key}: there is no such field (there are: ${[...allowed].join(', ')})`,
      );
    }
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
  const names: readonly unknown[] = Array.isArray(value) ? value : [value];
  let bits = 0;
  for (let i = 0; i < names.length; i++) {
    const bit = statusByName.get(names[i]);
    if (bit === undefined) {
      const at = pathText(path, Array.isArray(value) ? `[${i}]` : '');
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

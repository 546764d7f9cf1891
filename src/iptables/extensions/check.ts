// Checks the typed form of one extension, as its description says. Knows no bytes and no text.
import { refused, refusedType } from '../text/refused.js';
import type { AnyField, Extension, Place, Typed } from './define.js';
import { hasProtocol, isNot, onlyNot } from './define.js';

function checkField(field: AnyField, given: unknown, at: Place): unknown {
  if (!isNot(given)) return checkValue(field, given, at);
  if (field.invert === undefined) throw refused(at.path, 'cannot be negated');
  const inner = { ...at, path: `${at.path}.not` };
  onlyNot(given, at);
  return { not: checkValue(field, given.not, inner) };
}

/** Checks a value, and that the check has read all of it. Parts that it did not read would be lost. */
function checkValue(field: AnyField, given: unknown, at: Place): unknown {
  if (typeof given !== 'object' || given === null) return field.type.check(given, at);
  const looks: Look[] = [];
  const checked = field.type.check(watched(given, '', looks), at);
  for (const { value, rest, read } of looks) {
    const lost = Object.keys(value).find((key) => !read.has(key));
    if (lost === undefined) continue;
    throw refusedType(
      `${at.path}${rest}.${lost}`,
      'there is no such field, or it is not allowed with the others',
    );
  }
  return checked;
}

/** An object in a value, and which of its fields were read. */
interface Look {
  value: object;
  rest: string;
  read: Set<PropertyKey>;
}

function watched(value: unknown, rest: string, looks: Look[]): unknown {
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return value;
  if (Array.isArray(value)) {
    return value.map((each, index) => watched(each, `${rest}[${index}]`, looks));
  }
  const read = new Set<PropertyKey>();
  looks.push({ value, rest, read });
  const inner: Record<PropertyKey, unknown> = {};
  for (const [key, each] of Object.entries(value)) {
    inner[key] = watched(each, `${rest}.${key}`, looks);
  }
  return new Proxy(inner, {
    get(target, key) {
      read.add(key);
      return target[key];
    },
  });
}

/** The name of a field in messages: its path, or its option if the rule is text. */
export type Naming = (field: string | undefined) => string;

/** The place of a field. Its name is made only for a message. One object serves all fields of a part. */
class FieldPlace implements Place {
  readonly family: Place['family'];
  readonly names: Place['names'];
  readonly sets: Place['sets'];
  readonly protocol: number;
  readonly protocolInverted: boolean;
  readonly #naming: Naming;
  key: string | undefined;

  constructor(place: Place, naming: Naming) {
    this.family = place.family;
    this.names = place.names;
    this.sets = place.sets;
    this.protocol = place.protocol;
    this.protocolInverted = place.protocolInverted;
    this.#naming = naming;
  }

  get path(): string {
    return this.#naming(this.key);
  }
}

/** Checks a typed form. Returns the canonical one. */
export function check(
  extension: Extension,
  given: Readonly<Record<string, unknown>>,
  place: Place,
  naming: Naming,
): Typed {
  const typed: Typed = { name: extension.name };
  const at = new FieldPlace(place, naming);
  const keys = Object.keys(given);
  for (let i = 0; i < keys.length; i++) {
    const key = keys[i]!;
    if (key === 'name' || key === 'revision') continue;
    if (!hasField(extension, key)) throw noField(extension, key, naming);
  }
  const { fields } = extension;
  for (let i = 0; i < fields.length; i++) {
    const field = fields[i]!;
    const value = given[field.key];
    if (value === undefined) {
      if (field.required) throw refused(naming(field.key), `${extension.name} needs it`);
      continue;
    }
    if (field.excludes !== undefined || field.requires !== undefined) {
      checkCompany(field, given, naming);
    }
    at.key = field.key;
    typed[field.key] = checkField(field, value, at);
  }
  at.key = undefined;
  if (extension.protocols !== undefined) checkProtocol(extension, at);
  extension.check?.(typed, at);
  return typed;
}

function hasField({ fields }: Extension, key: string): boolean {
  for (let i = 0; i < fields.length; i++) if (fields[i]!.key === key) return true;
  return false;
}

function noField(extension: Extension, key: string, naming: Naming): TypeError {
  const known = extension.fields.map((field) => field.key).join(', ') || 'none';
  return refusedType(
    naming(key),
    `${extension.name} revision ${extension.revision} has no such field; its fields: ${known}`,
  );
}

/** Checks the fields that a field excludes or requires. */
function checkCompany(
  field: AnyField,
  given: Readonly<Record<string, unknown>>,
  naming: Naming,
): void {
  for (const other of field.excludes ?? []) {
    if (given[other] !== undefined) {
      throw refused(naming(field.key), `cannot be used together with ${naming(other)}`);
    }
  }
  for (const other of field.requires ?? []) {
    if (given[other] === undefined) throw refused(naming(field.key), `needs ${naming(other)}`);
  }
}

// As xt_check_match() and xt_check_target() do: some extensions need a protocol.
function checkProtocol(extension: Extension, at: Place): void {
  const allowed = extension.protocols!;
  if (hasProtocol(at, allowed)) return;
  const names = allowed.map((number) => at.names.protocolName(number) ?? number).join(', ');
  throw refused(at.path, `the kernel takes ${extension.name} only in a rule with -p ${names}`);
}

// Bytes ↔ typed form ↔ text of one extension, driven by its description. Knows the machinery of
// fields only: which extensions there are is registry.ts's, whole rules are rule.ts's.
import { refused, refusedType } from '../text/refused.js';
import type { AnyField, Codec, Extension, Place, UnknownExtension } from './define.js';
import { hasProtocol, isNot, onlyNot, unknownProtocol } from './define.js';
import { scratch } from './stores.js';

/** A typed extension as the machinery sees it. */
export type Typed = { readonly name: string } & Record<string, unknown>;

/** Small values of fields: numbers, strings, arrays and plain objects of them. */
export function same(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true;
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false;
  const keys = Object.keys(a);
  return (
    Array.isArray(a) === Array.isArray(b) &&
    keys.length === Object.keys(b).length &&
    keys.every((key) => same((a as Typed)[key], (b as Typed)[key]))
  );
}

function deepFreeze<T>(value: T): T {
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return value;
  for (const key in value) {
    const inner = value[key];
    if (typeof inner === 'object') deepFreeze(inner);
  }
  return Object.freeze(value);
}

function readFields(extension: Extension, payload: DataView, cx: Codec, newest: boolean): Typed {
  const typed: Typed = { name: extension.name };
  if (!newest) typed.revision = extension.revision;
  for (const field of extension.fields) {
    if (field.present !== undefined && !field.present.read(payload, cx)) continue;
    const value = field.store.read(payload, cx);
    if (value === undefined) continue;
    if (field.invert?.read(payload, cx)) {
      typed[field.key] = { not: value };
    } else if (field.default === undefined || field.shown || !same(value, field.default)) {
      typed[field.key] = value;
    }
  }
  return typed;
}

/** Writes a checked typed form over a zeroed payload. */
export function writeFields(
  extension: Extension,
  typed: Typed,
  payload: DataView,
  cx: Codec,
): void {
  extension.always?.(payload, cx);
  const { fields } = extension;
  for (let i = 0; i < fields.length; i++) {
    const field = fields[i]!;
    const given = typed[field.key];
    if (given === undefined) {
      if (field.default !== undefined) field.store.write(payload, field.default, cx);
      continue;
    }
    const not = isNot(given);
    field.store.write(payload, not ? given.not : given, cx);
    field.present?.write(payload, true, cx);
    if (not) field.invert?.write(payload, true, cx);
  }
}

/** Clears what stands behind the NUL of fixed strings: the kernel may keep old bytes there. */
function cleanStrings(extension: Extension, payload: Uint8Array): void {
  for (const field of extension.fields) {
    for (const [at, length] of field.store.strings ?? []) {
      const text = payload.subarray(at, at + length);
      const end = text.indexOf(0);
      if (end >= 0) text.fill(0, end);
    }
  }
}

/** The payload as it counts in comparisons: what the kernel looks at, strings up to their NUL. */
export function comparable(extension: Extension, payload: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(payload.subarray(0, extension.userSize));
  cleanStrings(extension, bytes);
  extension.clean?.(bytes);
  return bytes;
}

function equalBytes(a: Uint8Array, b: Uint8Array, length: number): boolean {
  for (let at = 0; at < length; at++) if (a[at] !== b[at]) return false;
  return true;
}

export const maxSize = scratch.size;
const outputView = new DataView(scratch.output.buffer);
/** By their length: a store that reads beyond its extension fails, as it does in a payload. */
const inputViews = new Map<number, DataView>();

function inputView(size: number): DataView {
  let view = inputViews.get(size);
  if (view === undefined) {
    view = new DataView(scratch.input.buffer, 0, size);
    inputViews.set(size, view);
  }
  return view;
}

/** Reads a payload; the raw form where the description does not reproduce the bytes. */
export function decode(
  extension: Extension,
  payload: Uint8Array,
  cx: Codec,
  newest: boolean,
): Typed | UnknownExtension {
  const bytes = Buffer.from(payload.buffer, payload.byteOffset, payload.length);
  return decodeAt(extension, bytes, 0, bytes.length, cx, newest);
}

/** @internal The same for a payload that lies between other bytes. */
export function decodeAt(
  extension: Extension,
  bytes: Buffer,
  from: number,
  to: number,
  cx: Codec,
  newest: boolean,
): Typed | UnknownExtension {
  const { size, userSize } = extension;
  const raw = (warning: string): UnknownExtension => {
    const data = new Uint8Array(bytes.subarray(from, to)); // a copy: slice() of a Buffer is none
    const { name, revision } = extension;
    return Object.freeze({ name: 'raw', extension: name, revision, data, warning });
  };
  if (to - from !== size) return raw(`payload of ${to - from} bytes, not ${size}`);
  const { input, output } = scratch;
  bytes.copy(input, 0, from, to);
  output.fill(0, 0, size);
  let typed: Typed;
  try {
    typed = readFields(extension, inputView(size), cx, newest);
    writeFields(extension, typed, outputView, cx);
  } catch (error) {
    return raw(`cannot be read: ${error instanceof Error ? error.message : String(error)}`);
  }
  const missing = missingField(extension, typed);
  if (missing !== undefined) return raw(`cannot be read: no ${missing}`);
  if (output.compare(input, 0, userSize, 0, userSize) !== 0) {
    const written = comparable(extension, output.subarray(0, size));
    if (!equalBytes(written, comparable(extension, input.subarray(0, size)), userSize)) {
      return raw('does not round-trip');
    }
  }
  const refusal = refusalOf(extension, typed, cx);
  if (refusal !== undefined) return raw(`holds what no text can say: ${refusal}`);
  return deepFreeze(typed);
}

/** A typed form as it is read again once it was written: `60/minute` becomes `1/second`. */
export function settled(
  extension: Extension,
  typed: Typed,
  cx: Codec,
  newest: boolean,
): Typed | UnknownExtension {
  const bytes = Buffer.alloc(extension.size);
  writeFields(extension, typed, new DataView(bytes.buffer, bytes.byteOffset, bytes.length), cx);
  return decodeAt(extension, bytes, 0, bytes.length, cx, newest);
}

const fieldName: Naming = (field) => field ?? 'it';

/** Why what was read could not be written again: a table can hold more than iptables takes. */
function refusalOf(extension: Extension, typed: Typed, cx: Codec): string | undefined {
  const { family, names, sets } = cx;
  const protocol = unknownProtocol;
  try {
    const place = { family, names, sets, path: '', protocol, protocolInverted: false };
    check(extension, typed, place, fieldName);
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

function missingField(extension: Extension, typed: Typed): string | undefined {
  for (const field of extension.fields) {
    if (field.required && typed[field.key] === undefined) return field.key;
  }
  return undefined;
}

function checkField(field: AnyField, given: unknown, at: Place): unknown {
  if (!isNot(given)) return checkValue(field, given, at);
  if (field.invert === undefined) throw refused(at.path, 'cannot be negated');
  const inner = { ...at, path: `${at.path}.not` };
  onlyNot(given, at);
  return { not: checkValue(field, given.not, inner) };
}

/** Checks a value, and that its check has looked at all of it: what it did not read would be lost. */
function checkValue(field: AnyField, given: unknown, at: Place): unknown {
  if (typeof given !== 'object' || given === null) return field.type.check(given, at);
  const looks: Look[] = [];
  const checked = field.type.check(watched(given, '', looks), at);
  for (const { value, rest, read } of looks) {
    const lost = Object.keys(value).find((key) => !read.has(key));
    if (lost === undefined) continue;
    throw refusedType(
      `${at.path}${rest}.${lost}`,
      'there is no such field, or not beside the others',
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

/** How a field is called in messages: by its path, or by its option where text is being read. */
export type Naming = (field: string | undefined) => string;

/** The place of a field: what it is called is put together only for a message. One serves all fields of a part. */
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

/** Checks a typed form and answers the canonical one. */
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

/** What may not, and what must stand beside a field. */
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

// xt_check_match() and xt_check_target(): an extension bound to a protocol.
function checkProtocol(extension: Extension, at: Place): void {
  const allowed = extension.protocols!;
  if (hasProtocol(at, allowed)) return;
  const names = allowed.map((number) => at.names.protocolName(number) ?? number).join(', ');
  throw refused(at.path, `the kernel takes ${extension.name} only in a rule with -p ${names}`);
}

/** The text of an extension: ` -m name --option …` or ` -j NAME --option …`. */
export function print(extension: Extension, typed: Typed, cx: Codec): string {
  const lead = extension.kind === 'match' ? ' -m ' : ' -j ';
  if (extension.unsaid?.(typed, cx))
    return `${lead}${extension.name}${rawText(extension, typed, cx)}`;
  const { alias } = extension;
  if (alias !== undefined && Object.entries(alias.preset).every(([k, v]) => same(typed[k], v))) {
    return `${lead}${alias.name}${alias.print(typed, cx)}`;
  }
  const text = extension.print?.(typed, cx) ?? printFields(extension, typed, cx);
  return `${lead}${extension.name}${text}`;
}

/** The bytes as text: what `--raw-payload` takes. */
export function rawText(extension: Extension, typed: Typed, cx: Codec): string {
  const payload = new Uint8Array(extension.size);
  writeFields(extension, typed, new DataView(payload.buffer), cx);
  return ` --raw-payload ${extension.revision}:${Buffer.from(payload).toString('hex')}`;
}

/** Field after field, in the order of the description. */
export function printFields(
  extension: Pick<Extension, 'fields'>,
  typed: Readonly<Record<string, unknown>>,
  cx: Codec,
): string {
  let text = '';
  for (const field of extension.fields) {
    const given = typed[field.key];
    if (given === undefined) continue;
    const not = isNot(given);
    const value = not ? given.not : given;
    if (field.print !== undefined) {
      const own = field.print(value, not, cx, typed);
      if (own !== '') text += ` ${own}`;
      continue;
    }
    const option = field.options?.[0];
    if (option === undefined) continue;
    // Negated, a default says that nothing matches; iptables-save 1.8.9 loses that, later ones do not.
    if (!not && field.default !== undefined && same(value, field.default)) continue;
    text += `${not ? ' !' : ''} --${option}`;
    if (field.type.arity === 1) text += ` ${field.type.print(value, cx)}`;
  }
  return text;
}

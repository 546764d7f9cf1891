// Bytes ↔ typed form of one extension, as its description says. registry.ts knows which extensions exist.
import { check, type Naming } from './check.js';
import type { Codec, Extension, Typed, UnknownExtension } from './define.js';
import { isNot, unknownProtocol } from './define.js';
import { scratch } from './stores.js';

/** Whether two values of fields are equal: numbers, strings, arrays and plain objects of them. */
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

/** Writes a checked typed form into a zeroed payload. */
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

/** Clears the bytes after the NUL of fixed strings: the kernel may keep old bytes there. */
function cleanStrings(extension: Extension, payload: Uint8Array): void {
  for (const field of extension.fields) {
    for (const [at, length] of field.store.strings ?? []) {
      const text = payload.subarray(at, at + length);
      const end = text.indexOf(0);
      if (end >= 0) text.fill(0, end);
    }
  }
}

/** The payload for comparisons: only the bytes that the kernel looks at, strings up to their NUL. */
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
/** By their length. So a store that reads beyond its extension fails, as it does in a payload. */
const inputViews = new Map<number, DataView>();

function inputView(size: number): DataView {
  let view = inputViews.get(size);
  if (view === undefined) {
    view = new DataView(scratch.input.buffer, 0, size);
    inputViews.set(size, view);
  }
  return view;
}

/** Reads a payload. Returns the raw form if the description does not reproduce the bytes. */
export function decode(
  extension: Extension,
  payload: Uint8Array,
  cx: Codec,
  newest: boolean,
): Typed | UnknownExtension {
  const bytes = Buffer.from(payload.buffer, payload.byteOffset, payload.length);
  return decodeAt(extension, bytes, 0, bytes.length, cx, newest);
}

/** @internal The same, for a payload inside other bytes. */
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
    const data = new Uint8Array(bytes.subarray(from, to)); // a copy: slice() of a Buffer does not make one
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
  if (refusal !== undefined) return raw(`no text can express it: ${refusal}`);
  return deepFreeze(typed);
}

/** A typed form as it will be after it was written and read back: `60/minute` becomes `1/second`. */
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

/** Why a payload that was read could not be written again: a table can hold more than iptables takes. */
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

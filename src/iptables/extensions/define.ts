// The parts of an extension: fields with a text form, a place in the payload and a type. The file of an extension
// needs only this, stores.ts and the files of values. Has no list of extensions.

import type { Family } from '../text/addresses.js';
import type { HostNames, SetNames } from '../text/host-names.js';
import { refusedType } from '../text/refused.js';

/** A value that may be negated: iptables' `! --option value` is `{ not: value }`. */
export type Not<T> = T | Negated<T>;

/** A value that must not be. No other field is allowed beside `not`. */
export interface Negated<T> {
  /** The value that must not be. */
  readonly not: T;
}

/** The field that every known match and target has, beside its own fields. */
export interface Known {
  /**
   * The revision of the kernel's extension. An extension that was read has it if it is not the newest one that the
   * package knows. Give it to encode an older one.
   */
  readonly revision?: number;
}

/** An extension, revision or payload that the package does not know: kept byte for byte. */
export interface UnknownExtension {
  /** Tells it from the extensions that the package knows. */
  readonly name: 'raw';
  /** The kernel's name of the extension, at most 28 bytes. */
  readonly extension: string;
  /** The revision of the extension, 0 to 255. */
  readonly revision: number;
  /** The payload as the kernel gave it, without the 32-byte header. */
  readonly data: Uint8Array;
  /** The reason why it is raw: `unknown revision 9`, `payload of 12 bytes, not 8`, `does not round-trip` … */
  readonly warning?: string;
}

/** A typed extension, for code that handles all extensions. */
export type Typed = { readonly name: string } & Record<string, unknown>;

/** What a codec may use beside the bytes. */
export interface Codec {
  readonly family: Family;
  readonly names: HostNames;
  readonly sets?: SetNames | undefined;
}

/** The place of a value, for messages, and for checks that depend on the rule's protocol. */
export interface Place extends Codec {
  /** `rule.matches[0].sport` or `-m tcp --sport`. */
  readonly path: string;
  /**
   * The rule's protocol number. 0 if it has none so far: iptables looks only at the options before. `unknownProtocol`
   * if bytes are read without their rule. `hasProtocol` compares it.
   */
  readonly protocol: number;
  /** `! -p`. */
  readonly protocolInverted: boolean;
}

/** For bytes that the kernel took: the rule has the protocol that the kernel requires. */
export const unknownProtocol = -1;

/** Whether the rule has `-p` with one of these. */
export function hasProtocol(at: Place, protocols: readonly number[]): boolean {
  if (at.protocol === unknownProtocol) return true;
  return !at.protocolInverted && protocols.includes(at.protocol);
}

/** The place of an option's argument. */
export interface ArgumentPlace extends Place {
  /** `--sport`, as it was written. */
  readonly option: string;
  /** A `!` came before the option. */
  readonly inverted: boolean;
  /** By field, the option that has set it, for the message about a second one. */
  readonly setBy: Record<string, string>;
  /** Takes the next word of the rule, for options with a second argument. */
  more(): string | undefined;
  /** The next word, without taking it, for options whose argument may be missing. */
  peek(): string | undefined;
}

/** One kind of value: checks it, reads it from text and prints it. */
export interface ValueType<T> {
  /** 0: an option without argument. */
  readonly arity: 0 | 1;
  /** Refuses a value that is not allowed, with `at.path`. Returns the canonical value. */
  check(value: unknown, at: Place): T;
  parse(text: string, at: ArgumentPlace): T;
  print(value: T, cx: Codec): string;
}

/** The place of a value in the payload. `read` returns `undefined` if the value is absent. */
export interface Store<T> {
  read(payload: DataView, cx: Codec): T | undefined;
  write(payload: DataView, value: T, cx: Codec): void;
  /** Fixed strings `[offset, length]`: bytes after their NUL are ignored. */
  readonly strings?: readonly (readonly [offset: number, length: number])[];
}

type Plain<X> = Exclude<X, undefined | { readonly not: unknown }>;
type HasNot<X> = [Extract<X, { readonly not: unknown }>] extends [never] ? false : true;

/** One field of the typed extension. */
export type Field<T, Negatable extends boolean = boolean> = {
  /**
   * Its options without the dashes. The first one is printed. Absent if another field's option or a spelling sets it.
   */
  readonly options?: readonly string[];
  readonly type: ValueType<T>;
  readonly store: Store<T>;
  /** The bit that says that the field is given. Without it `store.read` and `default` decide. */
  readonly present?: Store<boolean>;
  /** The value in the payload if the field is not given. Such a value is not printed. */
  readonly default?: T;
  /** The typed form shows the default, although it is not printed (limit's burst 5). */
  readonly shown?: true;
  readonly required?: true;
  /** Fields that are not allowed together with this one. */
  readonly excludes?: readonly string[];
  /** Fields that this one requires. */
  readonly requires?: readonly string[];
  /** The whole text of the field, instead of `--option value`. Empty: not printed. */
  readonly print?: (
    value: T,
    not: boolean,
    cx: Codec,
    typed: Readonly<Record<string, unknown>>,
  ) => string;
} & (Negatable extends true
  ? { /** The bit that negates it. */ readonly invert: Store<boolean> }
  : { readonly invert?: undefined });

/** Another way to write fields in text, which is never printed: `--set-mark`, `--syn`. */
export interface Spelling<V> {
  readonly option: string;
  readonly also?: readonly string[];
  readonly arity?: 0 | 1;
  readonly invertible?: true;
  readonly repeat?: true;
  /** The field that it sets. Refused if the field already has a value. */
  readonly field?: keyof V & string;
  /** Options (without dashes) that are not allowed together with it. */
  readonly excludes?: readonly string[];
  /** Returns the value of `field`. Without `field`, changes the draft itself. */
  parse(text: string, at: ArgumentPlace, draft: Draft<V>): unknown;
}

/** The values of the options so far. May have temporary properties, which `finish` removes. */
export type Draft<V> = { -readonly [K in keyof V]?: V[K] } & Record<string, unknown>;

type Own<V> = Omit<V, 'name' | keyof Known>;
type Fields<V> = {
  readonly [K in keyof Own<V> & string]-?: Field<Plain<Own<V>[K]>, HasNot<Own<V>[K]>>;
};

/** Another name that the same kernel extension has in text: `state` is conntrack with one bit. */
export interface Alias<V> {
  readonly name: string;
  /** The fields that the alias sets in the typed form. A typed form with these fields is printed as the alias. */
  readonly preset: Partial<V>;
  readonly spellings: readonly Spelling<V>[];
  print(value: V, cx: Codec): string;
  /** Runs after all options. Checks required ones, and combinations. */
  finish?(draft: Draft<V>, at: Place): void;
}

/** One name and revision in the kernel, for the families that share its payload. */
export interface Definition<V extends { readonly name: string }> {
  readonly name: V['name'];
  readonly revision: number;
  readonly families: readonly Family[];
  /** Bytes of the payload without the 32-byte header, a multiple of 8 as the kernel requires. */
  readonly size: number;
  /** The first part, which users see. The rest belongs to the kernel. `size` unless given. */
  readonly userSize?: number;
  /** The rule must have `-p` with one of these, not negated: xt_check_match() in the kernel. */
  readonly protocols?: readonly number[];
  /** The only tables in which the kernel accepts it. */
  readonly tables?: readonly string[];
  /** The payload has indexes of sets. Its meaning depends on the host, so it is not remembered. */
  readonly namesSets?: true;
  /** Other names of this match for `-m`. */
  readonly moduleNames?: readonly string[];
  readonly fields: Fields<V>;
  readonly spellings?: readonly Spelling<V>[];
  readonly alias?: Alias<V>;
  /** Writes the bytes that depend on no field. */
  always?(payload: DataView, cx: Codec): void;
  /** Clears the bytes that the kernel does not look at, in a copy of the payload for comparisons. */
  clean?(payload: Uint8Array): void;
  /** Turns the values of the options into the typed form (text only). */
  finish?(draft: Draft<V>, at: Place): void;
  /**
   * The form for comparing rules, for different values that mean the same to the kernel: a mask of all bits of an
   * address, or no mask.
   */
  meaning?(value: V, cx: Pick<Codec, 'family'>): V;
  /** Whether options cannot express all of it. Then it is printed as `--raw-payload`. */
  unsaid?(value: V, cx: Pick<Codec, 'family'>): boolean;
  /** Refuses wrong combinations of fields, with `refused(at.path, …)`. For text and for typed forms. */
  check?(value: V, at: Place): void;
  /** The options as printed, instead of field after field. */
  print?(value: V, cx: Codec): string;
}

/** What an extension is: a condition of a rule, or what the rule does. */
export type Kind = 'match' | 'target';

/** A definition with its kind. Only the types of the lists need `V`. */
export interface Extension<V extends { readonly name: string } = { readonly name: string }>
  extends Omit<
    Definition<V>,
    'fields' | 'spellings' | 'alias' | 'finish' | 'check' | 'print' | 'meaning' | 'unsaid'
  > {
  readonly kind: Kind;
  readonly userSize: number;
  readonly fields: readonly AnyField[];
  readonly spellings: readonly Spelling<Record<string, unknown>>[];
  readonly alias: Alias<Record<string, unknown>> | undefined;
  readonly finish: ((draft: Draft<Record<string, unknown>>, at: Place) => void) | undefined;
  readonly check: ((value: Record<string, unknown>, at: Place) => void) | undefined;
  readonly print: ((value: Record<string, unknown>, cx: Codec) => string) | undefined;
  readonly meaning:
    | ((value: Record<string, unknown>, cx: Pick<Codec, 'family'>) => Record<string, unknown>)
    | undefined;
  readonly unsaid:
    | ((value: Record<string, unknown>, cx: Pick<Codec, 'family'>) => boolean)
    | undefined;
  /** Has no value: it only carries the type. */
  readonly shape?: V;
}

export type AnyField = Omit<Field<unknown>, 'invert'> & {
  readonly key: string;
  readonly invert?: Store<boolean> | undefined;
};

function extension<V extends { readonly name: string }>(
  kind: Kind,
  definition: Definition<V>,
): Extension<V> {
  const fields = Object.entries(definition.fields).map(
    ([key, field]) => ({ ...(field as object), key }) as AnyField,
  );
  return {
    ...definition,
    kind,
    userSize: definition.userSize ?? definition.size,
    fields,
    // Shared code handles drafts and values by field name. Only the definition above has exact types.
    spellings: (definition.spellings ?? []) as Extension['spellings'],
    alias: definition.alias as Extension['alias'],
    finish: definition.finish as Extension['finish'],
    check: definition.check as Extension['check'],
    print: definition.print as Extension['print'],
    meaning: definition.meaning as Extension['meaning'],
    unsaid: definition.unsaid as Extension['unsaid'],
  };
}

/** Describes a match. `V` is its public type: every field of it must be described. */
export function match<V extends { readonly name: string }>(
  definition: Definition<V>,
): Extension<V> {
  return extension('match', definition);
}

/** Describes a target. */
export function target<V extends { readonly name: string }>(
  definition: Definition<V>,
): Extension<V> {
  return extension('target', definition);
}

export const both: readonly Family[] = ['ipv4', 'ipv6'];
export const ipv4: readonly Family[] = ['ipv4'];
export const ipv6: readonly Family[] = ['ipv6'];

export function isNot(value: unknown): value is { readonly not: unknown } {
  return typeof value === 'object' && value !== null && 'not' in value;
}

/** Refuses other fields beside `not`. */
export function onlyNot(given: object, at: { path: string }): void {
  const other = Object.keys(given).find((key) => key !== 'not');
  if (other !== undefined) throw refusedType(`${at.path}.${other}`, 'there is no such field');
}

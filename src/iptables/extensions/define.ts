// What an extension is made of: fields with a text form, a place in the payload and a type. The
// file that describes one extension needs only this, stores.ts and the files of values. Holds no list.

import type { Family } from '../text/addresses.js';
import type { HostNames, SetNames } from '../text/host-names.js';
import { refusedType } from '../text/refused.js';

/** A value that may be negated: iptables' `! --option value` is `{ not: value }`. */
export type Not<T> = T | Negated<T>;

/** A value that must not be. Nothing stands beside `not`. */
export interface Negated<T> {
  /** The value that must not be. */
  readonly not: T;
}

/** What every known match and target has beside its own fields. */
export interface Known {
  /**
   * The revision of the kernel's extension. Set on what was read when it is not the newest one that
   * the package knows; give it to encode an older one.
   */
  readonly revision?: number;
}

/** An extension, revision or payload that the package does not know: kept byte for byte. */
export interface UnknownExtension {
  /** Tells it from what the package knows. */
  readonly name: 'raw';
  /** The kernel's name of it, at most 28 bytes. */
  readonly extension: string;
  /** The revision of the extension, 0 to 255. */
  readonly revision: number;
  /** The payload as the kernel gave it, without the 32-byte header. */
  readonly data: Uint8Array;
  /** Why it is raw: `unknown revision 9`, `payload of 12 bytes, not 8`, `does not round-trip` … */
  readonly warning?: string;
}

/** A typed extension as the machinery sees it. */
export type Typed = { readonly name: string } & Record<string, unknown>;

/** What a codec may look at outside the bytes. */
export interface Codec {
  readonly family: Family;
  readonly names: HostNames;
  readonly sets?: SetNames | undefined;
}

/** Where a value stands: for messages, and for checks that depend on the rule's protocol. */
export interface Place extends Codec {
  /** `rule.matches[0].sport` or `-m tcp --sport`. */
  readonly path: string;
  /**
   * The rule's protocol number, 0 where it has none (yet: iptables looks at what came before), and
   * `unknownProtocol` where bytes are looked at without their rule. `hasProtocol` compares it.
   */
  readonly protocol: number;
  /** `! -p`. */
  readonly protocolInverted: boolean;
}

/** Of bytes that the kernel took: what it asks of the rule's protocol is fulfilled. */
export const unknownProtocol = -1;

/** Does the rule say `-p` one of these? */
export function hasProtocol(at: Place, protocols: readonly number[]): boolean {
  if (at.protocol === unknownProtocol) return true;
  return !at.protocolInverted && protocols.includes(at.protocol);
}

/** Where an option's argument stands. */
export interface ArgumentPlace extends Place {
  /** `--sport`, as it was written. */
  readonly option: string;
  /** A `!` came before the option. */
  readonly inverted: boolean;
  /** Which option has set which field so far, for the message of a second one. */
  readonly setBy: Record<string, string>;
  /** Takes the next word of the rule: for options with a second argument. */
  more(): string | undefined;
  /** The next word, left where it is: for options whose argument may be missing. */
  peek(): string | undefined;
}

/** One kind of value: what is allowed, how it is read from text and printed. */
export interface ValueType<T> {
  /** 0: an option without argument. */
  readonly arity: 0 | 1;
  /** Refuses what is not allowed, with `at.path`; answers the canonical value. */
  check(value: unknown, at: Place): T;
  parse(text: string, at: ArgumentPlace): T;
  print(value: T, cx: Codec): string;
}

/** Where a value lies in the payload. `read` answers `undefined` for absent. */
export interface Store<T> {
  read(payload: DataView, cx: Codec): T | undefined;
  write(payload: DataView, value: T, cx: Codec): void;
  /** Fixed strings `[offset, length]`: bytes after their NUL do not count as content. */
  readonly strings?: readonly (readonly [offset: number, length: number])[];
}

type Plain<X> = Exclude<X, undefined | { readonly not: unknown }>;
type HasNot<X> = [Extract<X, { readonly not: unknown }>] extends [never] ? false : true;

/** One field of the typed extension. */
export type Field<T, Negatable extends boolean = boolean> = {
  /**
   * Its options without the dashes; the first is the one that is printed. Absent where another
   * field's option or a spelling sets it.
   */
  readonly options?: readonly string[];
  readonly type: ValueType<T>;
  readonly store: Store<T>;
  /** The bit that says that the field is given. Without it `store.read` and `default` decide. */
  readonly present?: Store<boolean>;
  /** What the payload holds where the field is not given; such a value is not printed. */
  readonly default?: T;
  /** The default is shown in the typed form although it is not printed (limit's burst 5). */
  readonly shown?: true;
  readonly required?: true;
  /** Fields that may not stand beside this one. */
  readonly excludes?: readonly string[];
  /** Fields that must stand beside this one. */
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

/** A further way to write fields in text, which is never printed: `--set-mark`, `--syn`. */
export interface Spelling<V> {
  readonly option: string;
  readonly also?: readonly string[];
  readonly arity?: 0 | 1;
  readonly invertible?: true;
  readonly repeat?: true;
  /** The field that it gives a value to: refused where that field already has one. */
  readonly field?: keyof V & string;
  /** Options (without dashes) that cannot stand beside it. */
  readonly excludes?: readonly string[];
  /** Answers the value of `field`, or changes the draft itself where there is no `field`. */
  parse(text: string, at: ArgumentPlace, draft: Draft<V>): unknown;
}

/** What the options have said so far; may hold scratch properties that `finish` removes. */
export type Draft<V> = { -readonly [K in keyof V]?: V[K] } & Record<string, unknown>;

type Own<V> = Omit<V, 'name' | keyof Known>;
type Fields<V> = {
  readonly [K in keyof Own<V> & string]-?: Field<Plain<Own<V>[K]>, HasNot<Own<V>[K]>>;
};

/** Another name that the same kernel extension has in text: `state` is conntrack with one bit. */
export interface Alias<V> {
  readonly name: string;
  /** What the alias sets in the typed form; its presence is also what selects it for printing. */
  readonly preset: Partial<V>;
  readonly spellings: readonly Spelling<V>[];
  print(value: V, cx: Codec): string;
  /** After all options: mandatory ones, combinations. */
  finish?(draft: Draft<V>, at: Place): void;
}

/** One (name, revision) of the kernel for the families that share its payload. */
export interface Definition<V extends { readonly name: string }> {
  readonly name: V['name'];
  readonly revision: number;
  readonly families: readonly Family[];
  /** Payload bytes without the 32-byte header, padded to 8 as the kernel wants it. */
  readonly size: number;
  /** The leading part that users see; the rest is the kernel's own. `size` unless given. */
  readonly userSize?: number;
  /** The rule must say `-p` one of these, not inverted: xt_check_match() in the kernel. */
  readonly protocols?: readonly number[];
  /** The only tables in which the kernel accepts it. */
  readonly tables?: readonly string[];
  /** Holds set indexes: what it means depends on the host, so nothing of it is kept. */
  readonly namesSets?: true;
  /** Other names for `-m` that mean this one. */
  readonly moduleNames?: readonly string[];
  readonly fields: Fields<V>;
  readonly spellings?: readonly Spelling<V>[];
  readonly alias?: Alias<V>;
  /** Bytes that do not depend on any field. */
  always?(payload: DataView, cx: Codec): void;
  /** Clears, in a copy of the payload, what the kernel does not look at: it never counts. */
  clean?(payload: Uint8Array): void;
  /** Turns what the options said into the typed form (text only). */
  finish?(draft: Draft<V>, at: Place): void;
  /**
   * The form by which rules are compared, for values that differ and say the same to the kernel: all
   * bits of an address as a mask, or no mask.
   */
  meaning?(value: V, cx: Pick<Codec, 'family'>): V;
  /** Whether no option says all of it: it is printed as `--raw-payload` then. */
  unsaid?(value: V, cx: Pick<Codec, 'family'>): boolean;
  /** What fields may not say together; throws `refused(at.path, …)`. Text and typed form alike. */
  check?(value: V, at: Place): void;
  /** The options as printed, instead of field after field. */
  print?(value: V, cx: Codec): string;
}

/** What an extension is: a condition of a rule, or what the rule does. */
export type Kind = 'match' | 'target';

/** A definition with its kind; `V` lives on only in the type of the lists. */
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
  /** Carries the type only. */
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
    // The machinery handles drafts and values by field name; the definition above is what is typed.
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

/** Nothing stands beside `not`. */
export function onlyNot(given: object, at: { path: string }): void {
  const other = Object.keys(given).find((key) => key !== 'not');
  if (other !== undefined) throw refusedType(`${at.path}.${other}`, 'there is no such field');
}

// One rule: its typed form, its bytes (the portable form of an entry: see PortableEntry) and the way
// between them. Pure: no kernel, no table. Text is rule-text.ts, layouts are entry.ts.
import { badRange, badType } from '../errors.js';
import type { Counters, ExtensionBytes, RuleHead } from './entry.js';
import {
  checkHead,
  joinEntry,
  layouts,
  printHead,
  protocolOf,
  readCounters,
  readHead,
  splitEntry,
  viewOf,
  writeCounters,
  writeHead,
} from './entry.js';
import type { Naming, Typed } from './extensions/codec.js';
import { check, decode, print, writeFields } from './extensions/codec.js';
import type { Extension, Kind, Place, UnknownExtension } from './extensions/define.js';
import { refused } from './extensions/define.js';
import type { KnownMatch, KnownTarget } from './extensions/index.js';
import { registry } from './extensions/index.js';
import type { MaxRevision } from './extensions/registry.js';
import { littleEndian, textToBytes } from './extensions/stores.js';
import type { HostNames, SetNames } from './host-names.js';
import { systemNames } from './host-names.js';
import type { Family } from './ip-text.js';

export type { Counters } from './entry.js';
export type { Not, UnknownExtension } from './extensions/define.js';
export type { Family } from './ip-text.js';

/** A verdict: the rule ends the walk (RETURN: the walk of this chain). */
export interface VerdictTarget {
  readonly name: 'ACCEPT' | 'DROP' | 'QUEUE' | 'RETURN';
  readonly data?: undefined;
}
/** `-j CHAIN`: to a chain of the same table, and back at its end. */
export interface JumpTarget {
  readonly name: 'jump';
  readonly chain: string;
  readonly data?: undefined;
}
/** `-g CHAIN`: the same without coming back here. */
export interface GotoTarget {
  readonly name: 'goto';
  readonly chain: string;
  readonly data?: undefined;
}

/** A condition of a rule, told apart by `name`; the raw form is the one with `data`. */
export type Match = KnownMatch | UnknownExtension;
/** What a rule does, told apart by `name`; the raw form is the one with `data`. */
export type Target = VerdictTarget | JumpTarget | GotoTarget | KnownTarget | UnknownExtension;

/** A rule as it is given. What is left out matches anything; no target: the rule only counts. */
export interface RuleInit extends RuleHead {
  /** In this order in the rule. */
  readonly matches?: readonly Match[] | undefined;
  readonly target?: Target | undefined;
  /** Where the counters begin; zero unless given. */
  readonly counters?: Readonly<Counters> | undefined;
}

/**
 * The bytes of one rule: an `ipt_entry` or `ip6t_entry` of a 64-bit kernel with matches, target and
 * counters, except that a standard target's header holds the verdict or the chain by name (`""`: no
 * target) and its verdict is 0.
 */
export type PortableEntry = Uint8Array;

export interface DecodeOptions {
  family?: Family;
  names?: HostNames;
  sets?: SetNames | undefined;
  /** Tells a jump from an unknown target of the same size. Without it a guess by size is made. */
  isChain?: (name: string) => boolean;
}

export interface EncodeOptions {
  family?: Family;
  names?: HostNames;
  sets?: SetNames | undefined;
  /** What the kernel takes; without it the newest revision that the package knows is written. */
  maxRevision?: MaxRevision;
  /** Refuses extensions that the kernel takes only in other tables. */
  table?: string;
  /** Begins the paths in messages; `rule` unless given. */
  path?: string;
}

const verdicts = ['ACCEPT', 'DROP', 'QUEUE', 'RETURN'] as const;
const noTarget = '';
/** XT_EXTENSION_MAXNAMELEN less its NUL. */
export const maxNameLength = 28;

function isVerdict(name: string): name is (typeof verdicts)[number] {
  return (verdicts as readonly string[]).includes(name);
}

interface Parts {
  readonly matches: readonly Match[];
  readonly target: Target | undefined;
}

/** An immutable rule. Everything is decoded when it is first asked for. */
export class Rule implements RuleInit {
  readonly family: Family;
  /** The bytes of the rule. Never change them: they are what is written back. */
  readonly raw: PortableEntry;
  readonly #options: DecodeOptions & { names: HostNames };
  #head: RuleHead | undefined;
  #parts: Parts | undefined;

  /** Use `decodeRule`. Throws where the sizes in the bytes do not fit together. */
  constructor(raw: PortableEntry, options: DecodeOptions = {}) {
    this.raw = raw;
    this.family = options.family ?? 'ipv4';
    this.#options = { names: systemNames, ...options };
    const { size, nextOffset } = layouts[this.family];
    if (raw.length < size || viewOf(raw).getUint16(nextOffset, littleEndian) !== raw.length) {
      throw new RangeError(`entry: ${raw.length} bytes are not one ${this.family} rule`);
    }
  }

  get #read(): Parts {
    let parts = this.#parts;
    if (parts === undefined) {
      parts = readParts(this.raw, { ...this.#options, family: this.family });
      this.#parts = parts;
    }
    return parts;
  }

  get #headFields(): RuleHead {
    this.#head ??= readHead(this.raw, this.family, this.#options.names);
    return this.#head;
  }

  get protocol(): RuleHead['protocol'] {
    return this.#headFields.protocol;
  }
  get src(): RuleHead['src'] {
    return this.#headFields.src;
  }
  get dst(): RuleHead['dst'] {
    return this.#headFields.dst;
  }
  get in(): RuleHead['in'] {
    return this.#headFields.in;
  }
  get out(): RuleHead['out'] {
    return this.#headFields.out;
  }
  get fragment(): RuleHead['fragment'] {
    return this.#headFields.fragment;
  }
  get matches(): readonly Match[] {
    return this.#read.matches;
  }
  get target(): Target | undefined {
    return this.#read.target;
  }
  get counters(): Counters {
    return readCounters(this.raw, this.family);
  }

  /** What of this rule stays raw or would not be written back as it is, and why. Mostly empty. */
  get warnings(): readonly string[] {
    const found: string[] = [];
    for (const each of [...this.matches, this.target]) {
      if (each?.data !== undefined) {
        found.push(`${each.name} revision ${each.revision}: ${each.warning ?? 'raw'}`);
      }
    }
    const { size, counters } = layouts[this.family];
    const head = new Uint8Array(size);
    const isGoto = this.target?.name === 'goto' && this.target.data === undefined;
    writeHead(head, this.family, this.#headFields, this.#options.names, isGoto);
    const till = layouts[this.family].flags + 2;
    if (head.some((byte, at) => at < till && at < counters && byte !== this.raw[at])) {
      found.push('the part before the matches holds more than iptables can say');
    }
    return found;
  }

  /** A copy of the plain typed form, for an edited rule: `rule.with({ target: { name: 'DROP' } })`. */
  with(change: RuleInit = {}): RuleInit {
    const { matches, target, counters } = this;
    return { ...this.#headFields, matches, target, counters, ...change };
  }

  /** The text of the rule as iptables-save writes it, from the first option on. */
  toString(): string {
    return printRule(this.#headFields, this.matches, this.target, {
      family: this.family,
      ...this.#options,
    });
  }

  /** The typed form; counters and payloads as strings, which JSON can hold. */
  toJSON(): Record<string, unknown> {
    const { packets, bytes } = this.counters;
    const plain = (each: Match | Target | undefined) =>
      each?.data === undefined ? each : { ...each, data: hex(each.data) };
    return {
      ...this.#headFields,
      matches: this.matches.map(plain),
      target: plain(this.target),
      counters: { packets: String(packets), bytes: String(bytes) },
      text: this.toString(),
    };
  }
}

export function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('hex');
}

/** The rule that an entry's portable bytes hold. */
export function decodeRule(raw: PortableEntry, options: DecodeOptions = {}): Rule {
  return new Rule(raw, options);
}

type ReadOptions = DecodeOptions & { names: HostNames; family: Family };

// Payloads repeat from rule to rule. What depends on the host (sets) is never kept.
const decoded = new WeakMap<Extension, Record<Family, Map<string, Typed>>>();
const decodedLimit = 4096;

function readExtension(kind: Kind, bytes: ExtensionBytes, options: ReadOptions) {
  const { family } = options;
  const extension = registry.find(family, kind, bytes.name, bytes.revision);
  if (extension === undefined) {
    const known = registry.newest(family, kind, bytes.name) !== undefined;
    const unknown: UnknownExtension = {
      name: bytes.name,
      revision: bytes.revision,
      data: bytes.payload.slice(),
      warning: known ? `unknown revision ${bytes.revision}` : `unknown ${kind}`,
    };
    return unknown;
  }
  const newest = registry.newest(family, kind, bytes.name) === extension;
  if (extension.namesSets) return decode(extension, bytes.payload, options, newest);
  let caches = decoded.get(extension);
  if (caches === undefined) {
    caches = { ipv4: new Map(), ipv6: new Map() };
    decoded.set(extension, caches);
  }
  const cache = caches[family];
  const { payload } = bytes;
  const key = Buffer.from(payload.buffer, payload.byteOffset, payload.length).toString('latin1');
  const known = cache.get(key);
  if (known !== undefined) return known;
  const typed = decode(extension, payload, options, newest);
  if (!('data' in typed)) {
    if (cache.size >= decodedLimit) cache.clear();
    cache.set(key, typed as Typed);
  }
  return typed;
}

function readTarget(
  bytes: ExtensionBytes,
  raw: Uint8Array,
  options: ReadOptions,
): Target | undefined {
  const { family, isChain } = options;
  const { name, revision, payload } = bytes;
  const standard = payload.length === 8 && revision === 0;
  const chain = standard && isChain !== undefined && isChain(name);
  if (standard && !chain) {
    if (name === noTarget) return undefined;
    if (isVerdict(name)) return Object.freeze({ name });
  }
  const isExtension =
    !chain && (registry.has(family, 'target', name) || !standard || isChain !== undefined);
  if (isExtension || payload.some((byte) => byte !== 0)) {
    return readExtension('target', bytes, options) as Target;
  }
  const layout = layouts[family];
  const isGoto = (raw[layout.flags]! & layout.goto) !== 0;
  return Object.freeze({ name: isGoto ? 'goto' : 'jump', chain: name } as JumpTarget | GotoTarget);
}

function readParts(raw: Uint8Array, options: ReadOptions): Parts {
  const { matches, target } = splitEntry(raw, options.family);
  return {
    matches: Object.freeze(matches.map((each) => readExtension('match', each, options) as Match)),
    target: readTarget(target, raw, options),
  };
}

/** The text of a rule's parts, without a blank in front. */
export function printRule(
  head: RuleHead,
  matches: readonly Match[],
  target: Target | undefined,
  cx: { family: Family; names: HostNames; sets?: SetNames | undefined },
): string {
  let text = printHead(head);
  const each = (kind: Kind, given: Match | Target) => {
    if (given.data !== undefined) {
      const lead = kind === 'match' ? '-m' : '-j';
      return ` ${lead} ${given.name} --raw-payload ${given.revision}:${hex(given.data)}`;
    }
    const extension = extensionFor(kind, given as Typed, cx.family, undefined, () => given.name);
    return print(extension, given as Typed, cx);
  };
  for (const match of matches) text += each('match', match);
  if (target !== undefined) {
    if (target.data === undefined && target.name === 'jump') text += ` -j ${target.chain}`;
    else if (target.data === undefined && target.name === 'goto') text += ` -g ${target.chain}`;
    else if (isVerdict(target.name)) text += ` -j ${target.name}`;
    else text += each('target', target);
  }
  return text.slice(1);
}

function extensionFor(
  kind: Kind,
  given: Typed,
  family: Family,
  max: MaxRevision | undefined,
  naming: Naming,
): Extension {
  if (typeof given.name !== 'string')
    throw badType(`${naming(undefined)}.name`, 'a string', given.name);
  const { revision } = given;
  const found =
    revision === undefined
      ? registry.newest(family, kind, given.name, max)
      : registry.find(family, kind, given.name, revision as number);
  if (found !== undefined) return found;
  const known = registry.revisions(family, kind, given.name).map((each) => each.revision);
  const path = naming(undefined);
  if (known.length === 0) {
    throw badRange(`${path}.name`, `a ${kind} of ${family} known to the package`, given.name);
  }
  throw badRange(
    `${path}.revision`,
    `one of ${known.join(', ')}`,
    revision ?? max?.(kind, given.name),
  );
}

/** How messages call the parts of a rule; text has its own. */
export interface RuleNaming {
  path: string;
  part(kind: Kind, index: number, given: Typed): Naming;
}

function typedNaming(path: string): RuleNaming {
  return {
    path,
    part: (kind, index) => (field) => {
      const base = kind === 'match' ? `${path}.matches[${index}]` : `${path}.target`;
      return field === undefined ? base : `${base}.${field}`;
    },
  };
}

/** A rule after every check, ready to be written. */
export interface CheckedRule {
  head: RuleHead;
  matches: (UnknownExtension | { extension: Extension; typed: Typed })[];
  target: undefined | { chain: string; isGoto: boolean } | CheckedRule['matches'][number];
  counters: Counters;
}

function checkRaw(given: UnknownExtension, path: string): UnknownExtension {
  const { name, revision, data } = given;
  if (typeof name !== 'string') throw badType(`${path}.name`, 'a string', name);
  const length = textToBytes(name).length;
  if (length === 0 || length > maxNameLength || name.includes('\0')) {
    throw badRange(`${path}.name`, `a name of 1…${maxNameLength} bytes`, name);
  }
  if (!Number.isInteger(revision) || revision < 0 || revision > 255) {
    throw badRange(`${path}.revision`, 'an integer in 0…255', revision);
  }
  if (!(data instanceof Uint8Array)) throw badType(`${path}.data`, 'a Uint8Array', data);
  if (data.length % 8 !== 0) throw badRange(`${path}.data`, 'a multiple of 8 bytes', data.length);
  return given;
}

/** A name that `-j` takes for a chain. The CLI's rules; libiptc itself would take more. */
export function checkChainName(name: unknown, path: string): string {
  if (typeof name !== 'string') throw badType(path, 'a string', name);
  const length = textToBytes(name).length;
  if (length < 1 || length > maxNameLength) {
    throw badRange(path, `a chain name of 1…${maxNameLength} bytes`, name);
  }
  if (/[\s\0]/.test(name)) throw refused(path, 'a chain name holds no white space');
  if (name.startsWith('-') || name.startsWith('!')) {
    throw refused(path, `a chain name does not begin with ${name[0]}`);
  }
  return name;
}

function checkPart(
  kind: Kind,
  given: Match | Target,
  naming: Naming,
  place: Place,
  options: EncodeOptions,
): CheckedRule['matches'][number] {
  if (typeof given !== 'object' || given === null)
    throw badType(naming(undefined), 'an object', given);
  if (given.data !== undefined) return checkRaw(given as UnknownExtension, naming(undefined));
  const typed = given as Typed;
  const extension = extensionFor(kind, typed, place.family, options.maxRevision, naming);
  if (
    extension.tables &&
    options.table !== undefined &&
    !extension.tables.includes(options.table)
  ) {
    throw refused(
      naming(undefined),
      `the kernel takes ${given.name} only in the table ${extension.tables.join(', ')}`,
    );
  }
  return { extension, typed: check(extension, typed, place, naming) };
}

/** Checks a whole rule without writing it. */
export function checkRule(
  given: RuleInit,
  options: EncodeOptions = {},
  naming: RuleNaming = typedNaming(options.path ?? 'rule'),
): CheckedRule {
  const { path } = naming;
  if (typeof given !== 'object' || given === null) throw badType(path, 'a rule', given);
  const family = options.family ?? 'ipv4';
  const names = options.names ?? systemNames;
  const base = { family, names, sets: options.sets, path, protocol: 0, protocolInverted: false };
  const head = checkHead(given, base);
  const { number, inverted } = protocolOf(head, names);
  const place: Place = { ...base, protocol: number, protocolInverted: inverted };
  for (const key of Object.keys(given)) {
    if (!ruleKeys.has(key) && !(given instanceof Rule)) {
      throw new TypeError(
        `${path}.${key}: a rule has no such field; its fields: ${[...ruleKeys].join(', ')}`,
      );
    }
  }
  if (given.matches !== undefined && !Array.isArray(given.matches)) {
    throw badType(`${path}.matches`, 'an array of matches', given.matches);
  }
  const matches = (given.matches ?? []).map((each, index) =>
    checkPart('match', each, naming.part('match', index, each as Typed), place, options),
  );
  return {
    head,
    matches,
    target: checkTarget(given.target, naming, place, options),
    counters: checkCounters(given.counters, path),
  };
}

const ruleKeys = new Set([
  'protocol',
  'src',
  'dst',
  'in',
  'out',
  'fragment',
  'matches',
  'target',
  'counters',
]);

function checkTarget(
  given: Target | undefined,
  names: RuleNaming,
  place: Place,
  options: EncodeOptions,
): CheckedRule['target'] {
  if (given === undefined) return undefined;
  const naming = names.part('target', 0, given as Typed);
  if (typeof given === 'object' && given !== null && given.data === undefined) {
    const path = naming(undefined);
    if (given.name === 'jump' || given.name === 'goto') {
      const chain = checkChainName((given as JumpTarget).chain, naming('chain'));
      if (isVerdict(chain)) throw refused(naming('chain'), `${chain} is not a chain`);
      if (registry.has(place.family, 'target', chain)) {
        throw refused(naming('chain'), `${chain} is a target, no chain can have its name`);
      }
      onlyKeys(given, ['chain'], path);
      return { chain, isGoto: given.name === 'goto' };
    }
    if (isVerdict(given.name)) {
      onlyKeys(given, [], path);
      return { chain: given.name, isGoto: false };
    }
  }
  return checkPart('target', given, naming, place, options);
}

function onlyKeys(given: object, allowed: readonly string[], path: string): void {
  for (const key of Object.keys(given)) {
    if (key === 'name' || key === 'data' || allowed.includes(key)) continue;
    throw new TypeError(`${path}.${key}: no such field here`);
  }
}

function checkCounters(given: unknown, path: string): Counters {
  if (given === undefined) return { packets: 0n, bytes: 0n };
  if (typeof given !== 'object' || given === null) {
    throw badType(`${path}.counters`, '{ packets, bytes }', given);
  }
  const { packets, bytes } = given as Counters;
  for (const [key, value] of [
    ['packets', packets],
    ['bytes', bytes],
  ] as const) {
    if (typeof value !== 'bigint') throw badType(`${path}.counters.${key}`, 'a bigint', value);
    if (value < 0n || value > 0xffff_ffff_ffff_ffffn) {
      throw badRange(`${path}.counters.${key}`, 'an unsigned 64-bit number', value);
    }
  }
  return { packets, bytes };
}

/** The portable bytes of a rule. A `Rule` of the same family is answered as it was read. */
export function encodeRule(given: RuleInit | Rule, options: EncodeOptions = {}): PortableEntry {
  const family = options.family ?? (given instanceof Rule ? given.family : 'ipv4');
  if (given instanceof Rule && given.family === family) return given.raw;
  const names = options.names ?? systemNames;
  const cx = { family, names, sets: options.sets };
  const checked = checkRule(given, { ...options, family });
  const part = (each: CheckedRule['matches'][number]): ExtensionBytes => {
    if ('data' in each) return { name: each.name, revision: each.revision, payload: each.data };
    const { extension, typed } = each;
    const payload = new Uint8Array(extension.size);
    writeFields(extension, typed, viewOf(payload), cx);
    return { name: extension.name, revision: extension.revision, payload };
  };
  const { target } = checked;
  const standard = (name: string) => ({ name, revision: 0, payload: new Uint8Array(8) });
  const isGoto = target !== undefined && 'isGoto' in target && target.isGoto;
  const entry = joinEntry(
    family,
    checked.matches.map(part),
    target === undefined
      ? standard(noTarget)
      : 'isGoto' in target
        ? standard(target.chain)
        : part(target),
  );
  writeHead(entry, family, checked.head, names, isGoto);
  writeCounters(entry, family, checked.counters);
  return entry;
}

const keyOf = new WeakMap<Rule, string>();

/**
 * What two rules have in common exactly when they say the same: typed values where the package knows
 * the extension (whatever its revision), bytes where not. Counters do not count. Unlike iptables'
 * `-D` and `-C` it compares all of helper and connlabel.
 */
export function ruleKey(rule: Rule): string {
  const known = keyOf.get(rule);
  if (known !== undefined) return known;
  const { family, raw, matches, target } = rule;
  // Addresses, interfaces, protocol, flags: the bytes before nfcache, which the kernel ignores.
  const head = raw.subarray(0, layouts[family].invflags + 1);
  const parts = [...matches, target].map((each) => {
    if (each?.data !== undefined) return [each.name, each.revision, hex(each.data)];
    if (each === undefined) return null;
    return { ...each, revision: undefined };
  });
  const key = `${family} ${hex(head)} ${JSON.stringify(parts, (_, value) =>
    typeof value === 'bigint' ? `${value}n` : value,
  )}`;
  keyOf.set(rule, key);
  return key;
}

/** Do two rules say the same? Counters do not count. */
export function sameRule(a: Rule, b: Rule): boolean {
  return ruleKey(a) === ruleKey(b);
}

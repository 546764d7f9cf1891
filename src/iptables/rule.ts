// One rule: its typed form, its bytes (the portable form of an entry: see PortableEntry) and the way
// between them. Pure: no kernel, no table. Text is rule-text.ts, layouts are entry.ts.
import type { Counters, PartBytes, RuleHead } from './entry.js';
import {
  joinEntry,
  layouts,
  printHead,
  readCounters,
  readHead,
  readUint16,
  writeCounters,
  writeHead,
} from './entry.js';
import type { Typed } from './extensions/codec.js';
import { print, writeFields } from './extensions/codec.js';
import type { Kind } from './extensions/define.js';
import type { HostNames, SetNames } from './host-names.js';
import { systemNames } from './host-names.js';
import type { Family } from './ip-text.js';
import type { CheckedRule } from './rule-check.js';
import { checkRule, extensionFor } from './rule-check.js';
import type { RuleHome } from './rule-home.js';
import { EntryHome } from './rule-home.js';
import type { ReadOptions } from './rule-read.js';
import type {
  DecodeOptions,
  EncodeOptions,
  Match,
  PortableEntry,
  RuleInit,
  Target,
} from './rule-types.js';
import { isVerdict, noTarget } from './rule-types.js';

export type { Counters } from './entry.js';
export type { Not, UnknownExtension } from './extensions/define.js';
export type { Family } from './ip-text.js';
export type * from './rule-types.js';

/**
 * An immutable rule. Everything is decoded when it is first asked for. Compare rules with `sameRule()`:
 * they have no properties of their own that a deep comparison could see.
 */
export class Rule implements RuleInit {
  // A rule of a table is a place in it and nothing more: there may be very many.
  readonly #home: RuleHome;
  readonly #index: number;
  #raw: PortableEntry | undefined;
  #head: RuleHead | undefined;

  /** @internal Use `decodeRule`. */
  constructor(home: RuleHome, index: number) {
    this.#home = home;
    this.#index = index;
  }

  get family(): Family {
    return this.#home.options.family;
  }

  /** The bytes of the rule. Never change them: they are what is written back. */
  get raw(): PortableEntry {
    this.#raw ??= this.#home.raw(this.#index);
    return this.#raw;
  }

  get #names(): HostNames {
    return this.#home.options.names;
  }

  get #headFields(): RuleHead {
    this.#head ??= readHead(this.raw, this.family, this.#names);
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
    return this.#home.matches(this.#index);
  }
  get target(): Target | undefined {
    return this.#home.target(this.#index);
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
    writeHead(head, this.family, this.#headFields, this.#names, isGoto);
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
    return printRule(this.#headFields, this.matches, this.target, this.#home.options);
  }

  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return `Rule { ${this.toString()} }`;
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

/** The rule that an entry's portable bytes hold. Throws where it is not one entry. */
export function decodeRule(raw: PortableEntry, options: DecodeOptions = {}): Rule {
  const all = readOptions(options);
  const { size, nextOffset } = layouts[all.family];
  if (raw.length < size || readUint16(raw, nextOffset) !== raw.length) {
    throw new RangeError(`entry: ${raw.length} bytes are not one ${all.family} rule`);
  }
  return new Rule(new EntryHome(raw, all), 0);
}

/** The options, filled in. */
export function readOptions(options: DecodeOptions): ReadOptions {
  const { family = 'ipv4', names = systemNames, sets, isChain } = options;
  return isChain === undefined ? { family, names, sets } : { family, names, sets, isChain };
}

export function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('hex');
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

/** The portable bytes of a rule. A `Rule` of the same family is answered as it was read. */
export function encodeRule(given: RuleInit | Rule, options: EncodeOptions = {}): PortableEntry {
  const family = options.family ?? (given instanceof Rule ? given.family : 'ipv4');
  if (given instanceof Rule && given.family === family) return given.raw;
  const checked = checkRule(given, { ...options, family });
  return encodeChecked(checked, { ...options, family });
}

/** The bytes of a rule that checkRule() has let through with the same options. */
export function encodeChecked(checked: CheckedRule, options: EncodeOptions): PortableEntry {
  const { family = 'ipv4', names = systemNames, sets } = options;
  const cx = { family, names, sets };
  const part = (each: CheckedRule['matches'][number]): PartBytes => {
    if ('data' in each) {
      const { name, revision, data } = each;
      const write = ({ buffer, byteOffset }: DataView) =>
        new Uint8Array(buffer).set(data, byteOffset);
      return { name, revision, size: data.length, write };
    }
    const { extension, typed } = each;
    const { name, revision, size } = extension;
    return { name, revision, size, write: (to) => writeFields(extension, typed, to, cx) };
  };
  const { target } = checked;
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

/** A verdict or a jump: its name says it all. */
const standard = (name: string): PartBytes => ({ name, revision: 0, size: 8, write() {} });

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

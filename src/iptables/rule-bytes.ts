// What a rule is in bytes (the portable form of an entry: see PortableEntry), in text and in meaning, from
// its typed form and back. Pure: no kernel, no table. Text is read by rule-text.ts, layouts are entry.ts.
import { badType } from '../errors.js';
import type { PartBytes, RuleHead } from './entry.js';
import {
  checkEntry,
  headMeaning,
  joinEntry,
  layouts,
  printHead,
  readUint16,
  writeCounters,
  writeHead,
} from './entry.js';
import type { Typed } from './extensions/codec.js';
import { print, writeFields } from './extensions/codec.js';
import type { Kind } from './extensions/define.js';
import { isNot } from './extensions/define.js';
import type { HostNames, SetNames } from './host-names.js';
import { systemNames } from './host-names.js';
import type { Family } from './ip-text.js';
import { parseIpv6 } from './ip-text.js';
import { Rule } from './rule.js';
import type { CheckedRule } from './rule-check.js';
import { checkRule, extensionFor, meaningOf, takeRule } from './rule-check.js';
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
import { bare } from './rule-words.js';

/**
 * One rule of each shape: which of the fields that may be absent it has. From the first few V8 learns how
 * many fields to make room for: these have no more than nearly all rules have.
 */
export function ruleShapes(): Rule[] {
  const { in: input, inMask, out, outMask, proto, flags, frag } = layouts.ipv4;
  const options = readOptions({});
  const shapes = [0b1000111, ...Array.from({ length: 128 }, (_, shape) => shape)];
  return shapes.map((shape) => {
    const bytes = joinEntry('ipv4', [], standard(shape & 64 ? 'ACCEPT' : noTarget));
    if (shape & 1) bytes[proto] = 6;
    if (shape & 2) bytes.fill(0xff, 8, 12);
    if (shape & 4) bytes.fill(0xff, 12, 16);
    if (shape & 8) bytes[input] = bytes[inMask] = 0xff;
    if (shape & 16) bytes[out] = bytes[outMask] = 0xff;
    if (shape & 32) bytes[flags] = frag;
    return new Rule(new EntryHome(bytes, options), 0);
  });
}

/** A rule that a caller gives: one that was read, or a copy of what stands in an object, all of it checked by name. */
export function givenRule(given: RuleInit | Rule, path: string): RuleInit | Rule {
  if (Rule.isRule(given)) return given;
  if (!(given instanceof Rule)) return takeRule(given, path);
  // A copy that took over the prototype (lodash) says what its own fields say. Without the fields that every rule has
  // it is no copy: it would match everything.
  const isCopy =
    Object.getPrototypeOf(given) === Rule.prototype &&
    Object.hasOwn(given, 'matches') &&
    Object.hasOwn(given, 'counters');
  if (!isCopy) throw badType(path, 'a rule, or a whole copy of one', given);
  return takeRule({ ...(given as RuleInit) }, path);
}

/** A plain value without big integers and bytes, which JSON does not have. */
export function jsonForm(value: unknown): unknown {
  if (typeof value === 'bigint') return String(value);
  if (typeof value !== 'object' || value === null) return value;
  if (value instanceof Uint8Array) return hex(value);
  if (value instanceof Rule) return value.toJSON();
  if (Array.isArray(value)) return value.map(jsonForm);
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, jsonForm(each)]));
}

/** The rule that an entry's portable bytes hold. Throws where it is not one entry. */
export function decodeRule(raw: PortableEntry, options: DecodeOptions = {}): Rule {
  const all = readOptions(options);
  const { size, nextOffset } = layouts[all.family];
  if (raw.length < size || readUint16(raw, nextOffset) !== raw.length) {
    throw new RangeError(`entry: ${raw.length} bytes are not one ${all.family} rule`);
  }
  checkEntry(raw, all.family);
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
    if (given.name === 'raw') {
      const lead = kind === 'match' ? '-m' : '-j';
      return ` ${lead} ${bare(given.extension)} --raw-payload ${given.revision}:${hex(given.data)}`;
    }
    const extension = extensionFor(kind, given as Typed, cx.family, undefined, () => given.name);
    return print(extension, given as Typed, cx);
  };
  for (const match of matches) text += each('match', match);
  if (target !== undefined) {
    if (target.name === 'jump') text += ` -j ${bare(target.chain)}`;
    else if (target.name === 'goto') text += ` -g ${bare(target.chain)}`;
    else if (isVerdict(target.name)) text += ` -j ${target.name}`;
    else text += each('target', target);
  }
  return text.slice(1);
}

/** The portable bytes of a rule. A `Rule` of the same family is answered as it was read. */
export function encodeRule(given: RuleInit | Rule, options: EncodeOptions = {}): PortableEntry {
  const isRule = Rule.isRule(given);
  const family = options.family ?? (isRule ? given.family : 'ipv4');
  if (isRule && given.family === family) return given.raw;
  const checked = checkRule(given, { ...options, family });
  return encodeChecked(checked, { ...options, family });
}

/** The family of a typed rule: that of its addresses, else IPv4, if IPv4 takes it. */
export function familyOf(rule: RuleInit, path = 'rule'): Family {
  for (const given of [rule.src, rule.dst]) {
    const text = isNot(given) ? given.not : given;
    if (typeof text === 'string' && parseIpv6(text.split('/')[0]!) !== undefined) return 'ipv6';
  }
  try {
    checkRule(rule, { family: 'ipv4', path });
    return 'ipv4';
  } catch (error) {
    // icmp6, REJECT with icmp6-…, addresses inside matches: only IPv6 takes them.
    try {
      checkRule(rule, { family: 'ipv6', path });
      return 'ipv6';
    } catch {
      throw error;
    }
  }
}

/** The rule that the fields of a copy say, as it would be read from a table. */
export function readCopy(copy: RuleInit): Rule {
  const init = givenRule(copy, 'rule');
  const all = { family: familyOf(init) };
  return decodeRule(encodeRule(init, all), all);
}

/** The bytes of a rule that checkRule() has let through with the same options. */
export function encodeChecked(checked: CheckedRule, options: EncodeOptions): PortableEntry {
  const { family = 'ipv4', names = systemNames, sets } = options;
  const cx = { family, names, sets };
  const part = (each: CheckedRule['matches'][number]): PartBytes => {
    if ('data' in each) {
      const { extension: name, revision, data } = each;
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
  const isGoto = target?.name === 'goto';
  const head = headMeaning(raw, family, isGoto);
  const parts = [...matches, target].map((each, index) => {
    if (each?.name === 'raw') return ['raw', each.extension, each.revision, hex(each.data)];
    if (each === undefined) return null;
    const kind = index < matches.length ? 'match' : 'target';
    return { ...meaningOf(kind, each, family), revision: undefined };
  });
  const key = `${family} ${hex(head)} ${JSON.stringify(parts, (_, value) =>
    typeof value === 'bigint' ? `${value}n` : value,
  )}`;
  keyOf.set(rule, key);
  return key;
}

/** Whether the part before the matches holds what no field of a rule says. */
export function headHoldsMore(rule: Rule): boolean {
  const { raw, family, context } = rule;
  const { size, counters, flags } = layouts[family];
  const head = new Uint8Array(size);
  writeHead(head, family, rule, context.names, rule.target?.name === 'goto');
  const till = Math.min(flags + 2, counters);
  return head.some((byte, at) => at < till && byte !== raw[at]);
}

// A rule ↔ its bytes, the portable form of an entry (entry.ts). Pure: no kernel, no table.
import { writeFields } from '../extensions/codec.js';
import type { CheckedRule } from '../rule/check.js';
import { checkRule } from '../rule/check.js';
import type { RuleInit } from '../rule/rule.js';
import { Rule } from '../rule/rule.js';
import { ChangedRule, type RuleSource } from '../rule/source.js';
import type { RuleContext, RuleOptions } from '../rule/types.js';
import { textToBytes } from '../text/encoding.js';
import { systemNames } from '../text/host-names.js';
import type { PartBytes, PortableEntry } from './entry.js';
import {
  checkEntry,
  extensionHeader,
  joinEntry,
  layouts,
  noTarget,
  readUint16,
  writeCounters,
} from './entry.js';
import type { EntryContext } from './extension-bytes.js';
import { writeHead } from './head-bytes.js';
import { EntryRules, SingleEntry } from './rule-sources.js';

/** The rule in the portable bytes of an entry. Throws if the bytes are not exactly one entry. */
export function decodeRule(raw: PortableEntry, options: Partial<EntryContext> = {}): Rule {
  const { family = 'ipv4', names = systemNames, sets, isChain } = options;
  const { size, nextOffset } = layouts[family];
  if (raw.length < size || readUint16(raw, nextOffset) !== raw.length) {
    throw new RangeError(`entry: ${raw.length} bytes are not one ${family} rule`);
  }
  checkEntry(raw, family);
  return Rule.at(new SingleEntry(raw, { family, names, sets, isChain }), 0);
}

/** The bytes of a rule that checkRule() accepted with the same options. */
export function encodeChecked(checked: CheckedRule, context: RuleContext): PortableEntry {
  const { family, names } = context;
  const part = (each: CheckedRule['matches'][number]): PartBytes => {
    if ('data' in each) {
      const { extension: name, revision, data } = each;
      const write = ({ buffer, byteOffset }: DataView) =>
        new Uint8Array(buffer).set(data, byteOffset);
      return { name, revision, size: data.length, write };
    }
    const { extension, typed } = each;
    const { name, revision, size } = extension;
    return { name, revision, size, write: (to) => writeFields(extension, typed, to, context) };
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

/** A verdict or a jump. Its name is everything. */
const standard = (name: string): PartBytes => ({ name, revision: 0, size: 8, write() {} });

/** The bytes of a rule that was read from bytes, with its present values. May return the original bytes. */
export function bytesOf(source: RuleSource, index: number): PortableEntry | undefined {
  if (source instanceof EntryRules) return source.isWhole(index) ? source.entry(index) : undefined;
  if (!(source instanceof ChangedRule)) return undefined;
  const bytes = bytesOf(source.source, source.index);
  if (bytes === undefined) return undefined;
  const { context, chain } = source;
  const entry = chain === undefined ? bytes.slice() : redirected(bytes, context.family, chain);
  writeCounters(entry, context.family, source.counters());
  return entry;
}

export function liesInBytes(source: RuleSource, index: number): boolean {
  if (source instanceof ChangedRule) return liesInBytes(source.source, source.index);
  return source instanceof EntryRules && source.isWhole(index);
}

/** The same rule, but it leads to another chain. */
export function redirected(
  bytes: PortableEntry,
  family: RuleContext['family'],
  chain: string,
): PortableEntry {
  const entry = bytes.slice();
  const { name, nameLength } = extensionHeader;
  const at = readUint16(entry, layouts[family].targetOffset) + name;
  entry.fill(0, at, at + nameLength);
  entry.set(textToBytes(chain), at);
  return entry;
}

/** The portable bytes of a rule. A rule that was read from bytes of the same family is returned as it was read. */
export function encodeRule(given: RuleInit | Rule, options: RuleOptions = {}): PortableEntry {
  const isRule = Rule.isRule(given);
  const { names = systemNames, sets, family = isRule ? given.family : 'ipv4' } = options;
  if (isRule && given.family === family) {
    const { source, index } = Rule.placeOf(given);
    const bytes = bytesOf(source, index);
    if (bytes !== undefined) return bytes;
  }
  return encodeChecked(checkRule(given, { ...options, family }), { family, names, sets });
}

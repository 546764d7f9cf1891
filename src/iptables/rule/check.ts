// Checks a whole typed rule before anything is written. Every refusal names the field, or the option if the rule came
// as text. Writes no bytes.

import { copyAt, type Fields, fieldsAt, onlyFields } from '../../checks.js';
import { badRange, badType } from '../../errors.js';
import type { Naming } from '../extensions/check.js';
import { check } from '../extensions/check.js';
import type { Extension, Kind, Place, Typed, UnknownExtension } from '../extensions/define.js';
import { isNot } from '../extensions/define.js';
import { registry } from '../extensions/index.js';
import { bigintAt } from '../extensions/number-values.js';
import type { MaxRevision } from '../extensions/registry.js';

import type { Family } from '../text/addresses.js';
import { parseIpv6 } from '../text/addresses.js';
import { textToBytes } from '../text/encoding.js';
import { systemNames } from '../text/host-names.js';
import { refused } from '../text/refused.js';
import type { Counters, RuleHead } from './head.js';
import { checkHead, noCounters, protocolOf } from './head.js';
import type { JumpTarget, Match, RuleInit, RuleOptions, Target } from './types.js';
import { isVerdict, maxNameLength } from './types.js';

/** The description by which a typed extension is written and printed. */
export function extensionFor(
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

/** The names of a rule's parts in messages. Rules from text have other names. */
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
  counters: Readonly<Counters>;
}

const rawKeys = new Set(['name', 'extension', 'revision', 'data', 'warning']);

function checkRaw(given: UnknownExtension, path: string): UnknownExtension {
  onlyFields(given as unknown as Fields, rawKeys, path);
  const { extension, revision } = given;
  if (typeof extension !== 'string') throw badType(`${path}.extension`, 'a string', extension);
  const length = textToBytes(extension).length;
  if (length === 0 || length > maxNameLength || extension.includes('\0')) {
    throw badRange(`${path}.extension`, `a name of 1…${maxNameLength} bytes`, extension);
  }
  if (!Number.isInteger(revision) || revision < 0 || revision > 255) {
    throw badRange(`${path}.revision`, 'an integer in 0…255', revision);
  }
  const data = bytesAt(given.data, `${path}.data`);
  if (data.length % 8 !== 0) throw badRange(`${path}.data`, 'a multiple of 8 bytes', data.length);
  return { name: 'raw', extension, revision, data };
}

/** Bytes, or their hexadecimal digits, which JSON has instead. */
function bytesAt(given: unknown, path: string): Uint8Array {
  if (given instanceof Uint8Array) return given;
  if (typeof given !== 'string' || !/^(?:[0-9a-f]{2})*$/i.test(given)) {
    throw badType(path, 'a Uint8Array, or its bytes in hexadecimal', given);
  }
  return Uint8Array.from(Buffer.from(given, 'hex'));
}

// Nearly all names look so.
const plainName = /^[A-Za-z0-9_.][A-Za-z0-9_.-]{0,27}$/;

/** A name that `-j` takes for a chain. These are the rules of the iptables command; libiptc takes more names. */
export function checkChainName(name: unknown, path: string): string {
  if (typeof name !== 'string') throw badType(path, 'a string', name);
  if (plainName.test(name)) return name;
  const length = textToBytes(name).length;
  if (length < 1 || length > maxNameLength) {
    throw badRange(path, `a chain name of 1…${maxNameLength} bytes`, name);
  }
  if (/[ \t\n\v\f\r\0]/.test(name)) throw refused(path, 'a chain name holds no white space');
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
  options: RuleOptions,
): CheckedRule['matches'][number] {
  if (typeof given !== 'object' || given === null)
    throw badType(naming(undefined), 'an object', given);
  if (given.name === 'raw') return checkRaw(given, naming(undefined));
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

/** The family of a typed rule: that of its addresses; without addresses IPv4, if IPv4 takes the rule. */
export function familyOf(rule: RuleInit, path = 'rule'): Family {
  for (const given of [rule.src, rule.dst]) {
    const text = isNot(given) ? given.not : given;
    if (typeof text === 'string' && parseIpv6(text.split('/')[0]!) !== undefined) return 'ipv6';
  }
  try {
    checkRule(rule, { family: 'ipv4', path });
    return 'ipv4';
  } catch (error) {
    // Only IPv6 takes icmp6, REJECT with icmp6-…, and IPv6 addresses inside matches.
    try {
      checkRule(rule, { family: 'ipv6', path });
      return 'ipv6';
    } catch {
      throw error;
    }
  }
}

/** Checks a rule that takeRule() has copied, or that this package made. Does not write it. */
export function checkRule(
  given: RuleInit,
  options: RuleOptions = {},
  naming: RuleNaming = typedNaming(options.path ?? 'rule'),
): CheckedRule {
  const { path } = naming;
  const family = options.family ?? 'ipv4';
  const names = options.names ?? systemNames;
  const base = { family, names, sets: options.sets, path, protocol: 0, protocolInverted: false };
  checkKeys(given, path);
  const head = checkHead(given, base);
  const { number, inverted } = protocolOf(head, names);
  const place: Place = { ...base, protocol: number, protocolInverted: inverted };
  if (given.matches !== undefined && !Array.isArray(given.matches)) {
    throw badType(`${path}.matches`, 'an array of matches', given.matches);
  }
  const matches = (given.matches ?? []).map((each, index) =>
    checkPart('match', each, naming.part('match', index, each as Typed), place, options),
  );
  const checked = {
    head,
    matches,
    target: checkTarget(given.target, naming, place, options),
    counters: checkCounters(given.counters, `${path}.counters`),
  };
  const size = sizeOf(checked, family);
  if (size > largestRule) {
    throw refused(path, `its ${size} bytes do not fit in an entry (${largestRule})`);
  }
  return checked;
}

/** The kernel keeps the size of a rule in 16 bits. */
const largestRule = 0xffff;
/** An ipt_entry or ip6t_entry, and the header of a match or target. */
const headSize = { ipv4: 112, ipv6: 168 };
const headerSize = 32;

/** The bytes that a rule takes in the kernel. */
export function sizeOf(
  { matches, target }: Pick<CheckedRule, 'matches' | 'target'>,
  family: Family,
): number {
  let size = headSize[family] + headerSize;
  size += target === undefined || 'isGoto' in target ? 8 : payloadSize(target);
  for (const match of matches) size += headerSize + payloadSize(match);
  return size;
}

function payloadSize(part: CheckedRule['matches'][number]): number {
  return 'data' in part ? part.data.length : part.extension.size;
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

function checkKeys(given: RuleInit & { inexact?: unknown }, path: string): void {
  if (given.inexact !== undefined) {
    throw new TypeError(
      `${path}.inexact: the rule that this is a copy of holds ${String(given.inexact)}, and the copy does not have that; use the rule itself, or leave out inexact and say what the new rule must match`,
    );
  }
  onlyFields(given as Fields, ruleKeys, path);
}

/**
 * Copies a rule of the caller with everything in it, and reads each field once. Only the copy is checked, used and
 * kept. Refuses `undefined`, unknown fields and objects of a class: with these the rule would match more.
 */
export function takeRule(given: unknown, path: string): RuleInit {
  if (typeof given !== 'object' || given === null || Array.isArray(given)) {
    throw badType(path, 'a rule', given);
  }
  const copy = copyAt(given, path, 'a rule') as RuleInit;
  checkKeys(copy, path);
  return copy;
}

function checkTarget(
  given: Target | undefined,
  names: RuleNaming,
  place: Place,
  options: RuleOptions,
): CheckedRule['target'] {
  if (given === undefined) return undefined;
  const naming = names.part('target', 0, given as Typed);
  if (typeof given === 'object' && given !== null) {
    const path = naming(undefined);
    if (given.name === 'jump' || given.name === 'goto') {
      const { chain } = given as JumpTarget;
      const isChain = options.isChain?.(chain) === true;
      if (!isChain) checkChainName(chain, naming('chain'));
      if (isVerdict(chain)) throw refused(naming('chain'), `${chain} is not a chain`);
      if (!isChain && registry.has(place.family, 'target', chain)) {
        throw refused(naming('chain'), `${chain} is a target, no chain can have its name`);
      }
      onlyFields(given as unknown as Fields, jumpKeys, path);
      return { chain, isGoto: given.name === 'goto' };
    }
    if (isVerdict(given.name)) {
      onlyFields(given as unknown as Fields, verdictKeys, path);
      return { chain: given.name, isGoto: false };
    }
  }
  return checkPart('target', given, naming, place, options);
}

const jumpKeys = new Set(['name', 'chain']);
const verdictKeys = new Set(['name']);

const counterKeys = new Set(['packets', 'bytes']);

/** The counters of a rule or a policy; JSON has them as text. */
export function checkCounters(given: unknown, path: string): Readonly<Counters> {
  if (given === undefined) return noCounters;
  const { packets, bytes } = fieldsAt(given, path, counterKeys, '{ packets, bytes }');
  return {
    packets: checkCounter(packets, `${path}.packets`),
    bytes: checkCounter(bytes, `${path}.bytes`),
  };
}

function checkCounter(given: unknown, path: string): bigint {
  const value = bigintAt(given, path);
  if (value < 0n || value > 0xffff_ffff_ffff_ffffn) {
    throw badRange(path, 'an unsigned 64-bit number', value);
  }
  return value;
}

/** Whether a rule names sets of the kernel. Then it holds their indexes. */
export function usesSets(init: RuleInit): boolean {
  return init.target?.name === 'SET' || (init.matches ?? []).some((match) => match.name === 'set');
}

/** The same for a rule after its checks. */
export function namesSets({ matches, target }: CheckedRule): boolean {
  const isOf = (part: CheckedRule['target'], name: string) =>
    part !== undefined && 'extension' in part && nameOf(part.extension) === name;
  return isOf(target, 'SET') || matches.some((match) => isOf(match, 'set'));
}

const nameOf = (extension: string | Extension) =>
  typeof extension === 'string' ? extension : extension.name;

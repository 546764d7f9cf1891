// Checks of a whole typed rule, before anything is written: every refusal names the field, or the option
// where the rule came as text. Writes no bytes.
import { badRange, badType } from '../errors.js';
import type { Counters, RuleHead } from './entry.js';
import { checkHead, protocolOf } from './entry.js';
import type { Naming, Typed } from './extensions/codec.js';
import { check } from './extensions/codec.js';
import type { Extension, Kind, Place, UnknownExtension } from './extensions/define.js';
import { refused } from './extensions/define.js';
import { registry } from './extensions/index.js';
import type { MaxRevision } from './extensions/registry.js';
import { textToBytes } from './extensions/stores.js';
import { systemNames } from './host-names.js';
import type { Family } from './ip-text.js';
import type { EncodeOptions, JumpTarget, Match, RuleInit, Target } from './rule-types.js';
import { isVerdict, maxNameLength } from './rule-types.js';

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

// What nearly all are called.
const plainName = /^[A-Za-z0-9_.][A-Za-z0-9_.-]{0,27}$/;

/** A name that `-j` takes for a chain. The CLI's rules; libiptc itself would take more. */
export function checkChainName(name: unknown, path: string): string {
  if (typeof name !== 'string') throw badType(path, 'a string', name);
  if (plainName.test(name)) return name;
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
  // A `Rule` has further properties; in what a person writes they are mistakes.
  if (Object.getPrototypeOf(given) === Object.prototype) checkKeys(given, path);
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

function checkKeys(given: RuleInit, path: string): void {
  for (const key of Object.keys(given)) {
    if (!ruleKeys.has(key)) {
      throw new TypeError(
        `${path}.${key}: a rule has no such field; its fields: ${[...ruleKeys].join(', ')}`,
      );
    }
  }
}

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
  checkCounter(packets, `${path}.counters.packets`);
  checkCounter(bytes, `${path}.counters.bytes`);
  return { packets, bytes };
}

function checkCounter(value: unknown, path: string): void {
  if (typeof value !== 'bigint') throw badType(path, 'a bigint', value);
  if (value < 0n || value > 0xffff_ffff_ffff_ffffn) {
    throw badRange(path, 'an unsigned 64-bit number', value);
  }
}

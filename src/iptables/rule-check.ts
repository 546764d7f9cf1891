// Checks of a whole typed rule, before anything is written: every refusal names the field, or the option
// where the rule came as text. Writes no bytes.
import { copyAt, type Fields, fieldsAt, onlyFields } from '../checks.js';
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
import { bigintAt } from './extensions/values.js';
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

/** The form by which an extension is compared. */
export function meaningOf(
  kind: Kind,
  each: { readonly name: string; readonly revision?: number | undefined },
  family: Family,
): object {
  const { name, revision } = each;
  const extension =
    revision === undefined
      ? registry.newest(family, kind, name)
      : registry.find(family, kind, name, revision);
  return extension?.meaning?.({ ...each }, { family }) ?? each;
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

/** Bytes, or their hexadecimal digits, as which they come through JSON. */
function bytesAt(given: unknown, path: string): Uint8Array {
  if (given instanceof Uint8Array) return given;
  if (typeof given !== 'string' || !/^(?:[0-9a-f]{2})*$/i.test(given)) {
    throw badType(path, 'a Uint8Array, or its bytes in hexadecimal', given);
  }
  return Uint8Array.from(Buffer.from(given, 'hex'));
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
  options: EncodeOptions,
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

/** Checks a rule that takeRule() has copied, or that was made here, without writing it. */
export function checkRule(
  given: RuleInit,
  options: EncodeOptions = {},
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
  return {
    head,
    matches,
    target: checkTarget(given.target, naming, place, options),
    counters: checkCounters(given.counters, `${path}.counters`),
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

function checkKeys(given: RuleInit & { inexact?: unknown }, path: string): void {
  if (given.inexact !== undefined) {
    throw new TypeError(
      `${path}.inexact: the rule that this is a copy of holds ${String(given.inexact)}, which the copy has not; use the rule itself, or say anew what it shall match`,
    );
  }
  onlyFields(given as Fields, ruleKeys, path);
}

/**
 * A copy of a rule from outside with everything in it, each field read once: it is what is checked, used
 * and kept. Refuses `undefined`, unknown fields and objects of a class, which would all widen it.
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
  options: EncodeOptions,
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

const zero: Counters = { packets: 0n, bytes: 0n };
const counterKeys = new Set(['packets', 'bytes']);

/** The counters of a rule or a policy; JSON has them as text. */
export function checkCounters(given: unknown, path: string): Counters {
  if (given === undefined) return zero;
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

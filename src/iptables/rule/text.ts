// iptables syntax ↔ typed rules. Pure: needs no kernel and no privileges, and reads only the host's files of names.
// text/words.ts splits the words, parser.ts gives them a meaning.

import { familyAt, optionsAt, stringAt } from '../../checks.js';
import { badType } from '../../errors.js';
import type { Family } from '../text/addresses.js';
import type { HostNames, SetNames } from '../text/host-names.js';
import { systemNames } from '../text/host-names.js';
import { refused, within } from '../text/refused.js';
import { SetTable } from '../text/sets.js';
import { splitWords } from '../text/words.js';
import type { ParsedRule } from './address-lists.js';
import { expand } from './address-lists.js';
import { familyOf } from './check.js';
import type { ParseOptions } from './parser.js';
import { RuleParser } from './parser.js';
import type { RuleInit, RuleInput, RuleOptions } from './rule.js';
import { givenRule, makeRule, Rule, ruleKey } from './rule.js';
import { TypedRules } from './source.js';

export type { ParseOptions } from './parser.js';

const parseFields: readonly (keyof ParseOptions)[] = [
  ...(['family', 'names', 'sets', 'maxRevision', 'table', 'isChain'] as const),
];
const parseNames: ReadonlySet<string> = new Set(parseFields);
const formatNames: ReadonlySet<string> = new Set<keyof RuleOptions>([...parseFields, 'path']);

/** Takes the options of a call, each read once; `optionsAt` leaves out those that are `undefined`. */
function ruleOptions(given: unknown, names: ReadonlySet<string>): RuleOptions {
  const fields = optionsAt(given, 'options', names);
  const checks: Record<string, (value: unknown, path: string) => unknown> = {
    family: familyAt,
    names: (value, path) => methodsAt(value, path, nameMethods),
    sets: (value, path) => methodsAt(value, path, setMethods),
    maxRevision: functionAt,
    table: (value, path) => stringAt(value, path, maxTableBytes),
    isChain: functionAt,
    path: (value, path) => stringAt(value, path, maxPathBytes),
  };
  const taken: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(fields)) {
    taken[name] = checks[name]!(value, `options.${name}`);
  }
  return taken;
}

/** XT_TABLE_MAXNAMELEN without its NUL. */
const maxTableBytes = 31;
/** A path is the beginning of messages. A longer one is not readable. */
const maxPathBytes = 256;

// Objects of all keys. If somebody adds a method to an interface and not here, this does not compile.
const nameMethods = Object.keys({
  protocolNumber: true,
  protocolName: true,
  servicePort: true,
  userId: true,
  groupId: true,
  connlabel: true,
  connlabelName: true,
  realm: true,
  realmName: true,
  deviceGroup: true,
  deviceGroupName: true,
} satisfies Record<keyof HostNames, true>);
const setMethods = Object.keys({ indexOf: true, nameOf: true } satisfies Record<
  keyof SetNames,
  true
>);

function methodsAt(value: unknown, path: string, methods: readonly string[]): unknown {
  if (typeof value !== 'object' || value === null) throw badType(path, 'an object', value);
  for (const name of methods)
    functionAt((value as Record<string, unknown>)[name], `${path}.${name}`);
  return value;
}

function functionAt(value: unknown, path: string): unknown {
  if (typeof value !== 'function') throw badType(path, 'a function', value);
  return value;
}

/**
 * Every rule that a text means: lists of addresses (`-s a,b -d c,d`) make one rule for each pair, in iptables' order.
 * Refuses what iptables 1.8.9 refuses, and names the option. Does not resolve host names. `-A CHAIN` and the like are
 * not part of a rule.
 * @throws {RangeError} with the option and the reason
 * @throws {TypeError} if `text` is not a string, or an option does not exist or has the wrong type
 * @example
 * import { parseRules } from 'conntrack';
 * console.log(parseRules('-s 10.0.0.1,10.0.0.2 -j DROP').length);
 */
export function parseRules(text: string, options: ParseOptions = {}): RuleInit[] {
  return parseChecked(text, ruleOptions(options, parseNames)).map(({ init }) => init);
}

/** The same, with the result of the checks of each rule. */
export function parseChecked(text: string, options: ParseOptions): ParsedRule[] {
  if (typeof text !== 'string') throw badType('rule', 'a string', text);
  if (text.includes('\0')) throw refused('rule', 'must not have a NUL byte');
  return expand(
    new RuleParser(splitWords(text), { ...options, names: options.names ?? systemNames }).parse(),
  );
}

/**
 * The only rule that a text means; see `parseRules` for texts with lists.
 * @throws {RangeError} with the option and the reason, and if the text means several rules
 * @throws {TypeError} if `text` is not a string, or an option does not exist or has the wrong type
 * @example
 * import { parseRule } from 'conntrack';
 * const rule = parseRule('-p tcp --dport 22 -m conntrack --ctstate NEW -j DROP');
 * for (const match of rule.matches ?? []) {
 *   if (match.name === 'conntrack') console.log(match.ctstate);
 * }
 */
export function parseRule(text: string, options: ParseOptions = {}): RuleInit {
  const rules = parseRules(text, options);
  if (rules.length !== 1) {
    throw refused('rule', `the list of addresses makes ${rules.length} rules: use parseRules()`);
  }
  return rules[0]!;
}

/**
 * The text of a rule as iptables-save 1.8.9 writes it, from the first option on. The family of a typed
 * rule is that of its addresses, else IPv4, unless `family` says so.
 * @throws {TypeError | RangeError} with the path of the field, and for an unknown option
 * @example
 * import { formatRule } from 'conntrack';
 * const text = formatRule({ protocol: 'tcp', matches: [{ name: 'tcp', dport: 22 }], target: { name: 'DROP' } });
 * console.log(text);
 */
export function formatRule(rule: RuleInit | Rule, options: RuleOptions = {}): string {
  const taken = ruleOptions(options, formatNames);
  const given = givenRule(rule, taken.path ?? 'rule');
  if (Rule.isRule(given)) return given.toString();
  // As it would be read back. This shows what iptables would store (60/minute becomes 1/sec).
  return makeRule(given, taken).toString();
}

/** A rule that a caller gives to compare, in each family that it can be in. */
class Compared {
  readonly #given: string | RuleInit | Rule;
  readonly #path: string;

  constructor(given: RuleInput, path: string) {
    this.#given = typeof given === 'string' ? given : givenRule(given, path);
    this.#path = path;
  }

  get read(): Rule | undefined {
    return Rule.isRule(this.#given) ? this.#given : undefined;
  }

  /** The rule in a family; `undefined` if it cannot be there. */
  in(family: Family, sets: SetNames): Rule | undefined {
    const { read } = this;
    if (read !== undefined) return read.family === family ? read : undefined;
    try {
      return this.#made(family, sets);
    } catch {
      return undefined;
    }
  }

  /** @throws why no family takes it */
  check(sets: SetNames, likely: Family): void {
    if (this.read !== undefined) return;
    const given = this.#given;
    if (typeof given !== 'string') {
      this.#made(familyOf(given as RuleInit, this.#path), sets);
      return;
    }
    const other = likely === 'ipv4' ? 'ipv6' : 'ipv4';
    if (this.in(other, sets) === undefined) this.#made(likely, sets);
  }

  #made(family: Family, sets: SetNames): Rule {
    const given = this.#given;
    const path = this.#path;
    if (typeof given !== 'string') return makeRule(given as RuleInit, { family, path, sets });
    return within(path, () => {
      const rules = parseChecked(given, { family, sets });
      if (rules.length !== 1) throw refused('rule', `it means ${rules.length} rules`);
      return Rule.at(new TypedRules(rules, { family, names: systemNames, sets }), 0);
    });
  }
}

/**
 * Whether two rules mean the same, without their counters. Each is an object, a rule that was read or a copy of one, or
 * iptables syntax. If one of them was read, they are compared in its family, else in IPv4 if both can be there, else in
 * IPv6. Rules that no family can both have are not the same.
 * @throws {TypeError | RangeError} for a value that is not a rule, and for a text that means several; the message begins
 *   with the path of the field (from `a` or `b`)
 * @example
 * import { sameRule } from 'conntrack';
 * const rule = { protocol: 'tcp', matches: [{ name: 'tcp', dport: 22 }], target: { name: 'DROP' } } as const;
 * console.log(sameRule(rule, '-p tcp --dport ssh -j DROP')); // true
 */
export function sameRule(a: RuleInput, b: RuleInput): boolean {
  const [left, right] = [new Compared(a, 'a'), new Compared(b, 'b')];
  const read = left.read ?? right.read;
  // One set of IP sets for both: its name names a set, and no kernel is asked for the index.
  const sets = (read && Rule.placeOf(read).source.context.sets) ?? new SetTable(new Map());
  for (const family of ['ipv4', 'ipv6'] as const) {
    const [one, two] = [left.in(family, sets), right.in(family, sets)];
    if (one !== undefined && two !== undefined) return ruleKey(one) === ruleKey(two);
  }
  for (const each of [left, right]) each.check(sets, read?.family ?? 'ipv4');
  return false;
}

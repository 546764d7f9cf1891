// The words of one rule → its typed form, with the order of evaluation, the abbreviations and the refusals of
// iptables 1.8.9 (getopt_long, whose options become more when -m and -j load extensions).

import { badRange, quoted } from '../../errors.js';
import type { Kind, Not, Place, UnknownExtension } from '../extensions/define.js';
import { registry } from '../extensions/index.js';
import { checkInterface } from '../extensions/interfaces.js';
import type { Named } from '../extensions/registry.js';
import type { Family } from '../text/addresses.js';
import { wholeNumber } from '../text/addresses.js';
import type { HostNames } from '../text/host-names.js';
import { refused } from '../text/refused.js';
import type { Addresses, RuleSpec } from './address-lists.js';
import { checkChainName, checkRule } from './check.js';
import type { Command } from './command.js';
import { readCommand, takesAttached } from './command.js';
import type { Counters, RuleHead } from './head.js';
import { Loaded } from './loaded.js';
import { inRule, isOption, type Meaning, OptionTable, withArgument } from './option-table.js';
import type { Match, RuleInit, RuleOptions, Target } from './types.js';
import { maxNameLength } from './types.js';

/** How a rule is read from text. */
export type ParseOptions = Omit<RuleOptions, 'path'>;

/** A line of a text for iptables-restore, which has a command among its words. */
export interface ParsedLine {
  /** Absent if the line is for the other family and says this before its command. */
  readonly command: Command | undefined;
  /** The rule of the command; none if the line is for the other family, or the command is about chains. */
  readonly rule: RuleSpec | undefined;
  /** The counters of `-c`. */
  readonly counters: Counters | undefined;
}

/** The parser of one rule's words; used once. */
export class RuleParser {
  readonly #words: readonly string[];
  #at = 0;
  readonly #family: Family;
  readonly #options: ParseOptions & { names: HostNames };
  readonly #table = new OptionTable();
  readonly #matches: (Loaded | UnknownExtension)[] = [];
  #target: Loaded | UnknownExtension | Target | undefined;
  #targetSeen = false;
  #inverted = false;
  #protocolText: string | undefined;
  #implicitLoaded = false;
  readonly #head: { -readonly [K in keyof RuleHead]: RuleHead[K] } = {};
  #sources: Addresses | undefined;
  #destinations: Addresses | undefined;
  #counters: Counters | undefined;
  /** Whether the words may have a command. */
  #isLine = false;
  #command: Command | undefined;
  #otherFamily = false;

  constructor(words: readonly string[], options: ParseOptions & { names: HostNames }) {
    this.#words = words;
    this.#options = options;
    this.#family = options.family ?? 'ipv4';
  }

  /** The words are a rule. */
  parse(): RuleSpec {
    this.#read();
    return this.#finish();
  }

  /**
   * The words are a line for iptables-restore, with the command anywhere among them. `counters`: those before the
   * line.
   */
  parseLine(counters?: Counters): ParsedLine {
    this.#isLine = true;
    this.#counters = counters;
    this.#read();
    const command = this.#command;
    // The words before it count: iptables executes a command on chains, and forgets the rule.
    if (this.#otherFamily) return { command, rule: undefined, counters: this.#counters };
    if (command === undefined) throw refused('line', 'a command is missing');
    const { letter, word, index } = command;
    const isRule = 'ACIR'.includes(letter) || (letter === 'D' && index === undefined);
    if (this.#counters !== undefined && !'AIRP'.includes(letter)) {
      throw refused(word, 'has no counters');
    }
    if (!isRule && this.#saysRule()) throw refused(word, 'cannot be used together with a rule');
    const rule = isRule ? this.#finish() : undefined;
    return { command, rule, counters: this.#counters };
  }

  #read(): void {
    for (let word = this.#next(); word !== undefined; word = this.#next()) {
      this.#word(word);
      if (this.#otherFamily) return;
    }
    if (this.#inverted) throw refused('rule: !', 'nothing to negate follows');
  }

  #saysRule(): boolean {
    const addresses = this.#sources ?? this.#destinations;
    if (addresses !== undefined || this.#targetSeen || this.#matches.length > 0) return true;
    return this.#protocolText !== undefined || Object.keys(this.#head).length > 0;
  }

  #next(): string | undefined {
    return this.#words[this.#at++];
  }

  #word(word: string): void {
    if (word === '!') {
      if (this.#inverted) throw refused('rule: !', 'twice in a row');
      this.#inverted = true;
    } else if (word === '--') {
      if (this.#at < this.#words.length) {
        throw refused('rule: --', `there is no place for ${quoted(this.#words[this.#at]!)}`);
      }
    } else if (word.startsWith('--')) {
      const cut = word.indexOf('=');
      this.#long(cut < 0 ? word : word.slice(0, cut), cut < 0 ? undefined : word.slice(cut + 1));
    } else if (word.startsWith('-') && word.length > 1) {
      this.#cluster(word);
    } else {
      throw refused('rule', `no option takes ${quoted(word)}`);
    }
  }

  /** Short options: `-s x`, and those that may be written together (`-fi eth0`, `-mtcp`). */
  #cluster(word: string): void {
    for (let at = 1; at < word.length; at++) {
      const letter = word[at]!;
      const rest = word.slice(at + 1);
      const attaches = 'mgc'.includes(letter) || (this.#isLine && takesAttached.includes(letter));
      if (attaches || rest === '') {
        this.#base(letter, `-${letter}`, rest === '' ? undefined : rest);
        return;
      }
      if (withArgument.has(letter)) {
        throw refused(`rule: -${letter}`, `a blank is needed between it and ${rest}`);
      }
      this.#base(letter, `-${letter}`, undefined);
      if (this.#otherFamily) return;
    }
  }

  #long(word: string, attached: string | undefined): void {
    const meaning = this.#table.lookUp(word.slice(2));
    if (meaning === undefined || 'ambiguous' in meaning) {
      if (this.#loadImplicit()) {
        this.#long(word, attached);
        return;
      }
      if (meaning === undefined) throw refused(`rule: ${word}`, this.#unknownReason());
      throw refused(`rule: ${word}`, `ambiguous: ${meaning.ambiguous.join(', ')}`);
    }
    if (meaning.base !== undefined) {
      const takes = withArgument.has(meaning.base) || takesAttached.includes(meaning.base);
      if (attached !== undefined && !takes) throw refused(`rule: ${word}`, 'takes no argument');
      this.#base(meaning.base, word, attached);
      return;
    }
    this.#extensionOption(meaning, word, attached);
  }

  #unknownReason(): string {
    const loaded = this.#matches.map((each) => `-m ${each.name}`);
    if (this.#target !== undefined) loaded.push(`-j ${this.#target.name}`);
    return `not an option of a rule${loaded.length ? ` nor of ${loaded.join(', ')}` : ''} (options of a match come after its -m)`;
  }

  /** `-p tcp --dport`: an unknown option loads the match of the protocol, once. */
  #loadImplicit(): boolean {
    if (this.#protocolText === undefined || this.#implicitLoaded) return false;
    const number = wholeNumber(this.#protocolText, 255);
    const name =
      number === undefined ? this.#protocolText : this.#options.names.protocolName(number);
    const named =
      name === undefined
        ? undefined
        : registry.named(this.#family, 'match', name, this.#options.maxRevision);
    if (named === undefined) return false;
    this.#implicitLoaded = true;
    this.#load('match', name!, named);
    return true;
  }

  #load(kind: Kind, name: string, named: Named): Loaded {
    const loaded = new Loaded(kind, name, named);
    this.#table.add(named, kind);
    if (kind === 'match') this.#matches.push(loaded);
    else this.#target = loaded;
    return loaded;
  }

  /** The match or target of an option. If several matches have the name, it is the latest. */
  #instance({ owner, kind }: Meaning): Loaded {
    if (kind === 'target') return this.#target as Loaded;
    for (let i = this.#matches.length - 1; i > 0; i--) {
      const each = this.#matches[i]!;
      if (each instanceof Loaded && each.owner === owner) return each;
    }
    // An option has a meaning only after its match was loaded. The loop has seen all other matches, so this is it.
    return this.#matches[0] as Loaded;
  }

  #extensionOption(meaning: Meaning, word: string, attached: string | undefined): void {
    const inverted = this.#inverted;
    this.#inverted = false;
    const around = { next: () => this.#next(), peek: () => this.#words[this.#at] };
    const words = { word, attached, inverted, ...around };
    this.#instance(meaning).apply(meaning.option!, words, (path) => this.#place(path));
  }

  #place(path: string): Place {
    const { protocol } = this.#head;
    const plain = typeof protocol === 'object' ? protocol.not : protocol;
    const number = typeof plain === 'string' ? this.#options.names.protocolNumber(plain) : plain;
    return {
      family: this.#family,
      names: this.#options.names,
      sets: this.#options.sets,
      path,
      protocol: number ?? 0,
      protocolInverted: typeof protocol === 'object',
    };
  }

  #base(letter: string, word: string, attached: string | undefined): void {
    const path = `rule: ${word}`;
    if (!inRule.has(letter)) {
      if (!isOption(letter)) throw refused(path, this.#unknownReason());
      if (!this.#isLine) throw refused(path, 'is not part of a rule');
      this.#commandOption(letter, word, attached);
      return;
    }
    const text = withArgument.has(letter) ? (attached ?? this.#next()) : '';
    if (text === undefined) throw refused(path, 'needs an argument');
    const inverted = this.#inverted;
    this.#inverted = false;
    if (inverted && 'jmgc46'.includes(letter)) throw refused(path, 'cannot be negated');
    switch (letter) {
      case 's':
        if (this.#sources) throw refused(path, 'can only be used once');
        this.#sources = this.#addresses(text, path, inverted);
        break;
      case 'd':
        if (this.#destinations) throw refused(path, 'can only be used once');
        this.#destinations = this.#addresses(text, path, inverted);
        break;
      case 'p':
        this.#protocol(text, path, inverted);
        break;
      case 'i':
        this.#once('in', path);
        this.#head.in = not(checkInterface(text, this.#place(path)), inverted);
        break;
      case 'o':
        this.#once('out', path);
        this.#head.out = not(checkInterface(text, this.#place(path)), inverted);
        break;
      case 'f':
        if (this.#family === 'ipv6') throw refused(path, 'IPv6 has -m frag instead');
        this.#once('fragment', path);
        this.#head.fragment = not(true as const, inverted);
        break;
      case 'm':
        this.#match(text, path);
        break;
      case 'j':
      case 'g':
        this.#jump(letter, text, path);
        break;
      case 'c':
        this.#setCounters(text, path);
        break;
      default:
        if ((letter === '4') === (this.#family === 'ipv4')) return;
        if (!this.#isLine) throw refused(path, `this is an ${this.#family} rule`);
        this.#otherFamily = true;
    }
  }

  /** Options that are not part of a rule: the command, and what iptables allows beside it. */
  #commandOption(letter: string, word: string, attached: string | undefined): void {
    if (this.#inverted) throw refused(word, 'cannot be negated');
    if (letter === 'v') return; // it only makes iptables print
    const words = { attached, next: () => this.#next(), peek: () => this.#words[this.#at] };
    this.#command = readCommand(letter, word, words, this.#command);
  }

  #once(key: keyof RuleHead, path: string): void {
    if (this.#head[key] !== undefined) throw refused(path, 'can only be used once');
  }

  #protocol(text: string, path: string, inverted: boolean): void {
    if (this.#protocolText !== undefined) throw refused(path, 'can only be used once');
    const name = text.toLowerCase();
    const number = wholeNumber(name, 255) ?? this.#options.names.protocolNumber(name);
    if (number === undefined) throw badRange(path, 'a protocol known to this host, or 0…255', text);
    if (number === 0 && inverted) throw refused(path, 'a rule for no protocol would never match');
    this.#protocolText = name;
    if (number === 0) {
      if (this.#family === 'ipv6') this.#head.protocol = 'all';
      return;
    }
    this.#head.protocol = not(this.#options.names.protocolName(number) ?? number, inverted);
  }

  #addresses(text: string, path: string, inverted: boolean): Addresses {
    return { parts: text.includes(',') ? text.split(',') : [text], inverted, path };
  }

  #match(name: string, path: string): void {
    const raw = this.#raw(name, path);
    if (raw !== undefined) {
      this.#matches.push(raw);
      return;
    }
    const named = registry.named(this.#family, 'match', name, this.#options.maxRevision);
    if (named === undefined) throw badRange(path, `a match of ${this.#family}`, name);
    this.#load('match', name, named);
  }

  #jump(letter: 'j' | 'g', name: string, path: string): void {
    if (this.#targetSeen) throw refused(path, 'a rule has only one -j or -g');
    this.#targetSeen = true;
    const raw = letter === 'j' ? this.#raw(name, path) : undefined;
    if (raw !== undefined) {
      this.#target = raw;
      return;
    }
    if (!this.#options.isChain?.(name)) checkChainName(name, path);
    if (letter === 'j' && /^(ACCEPT|DROP|QUEUE|RETURN)$/.test(name)) {
      this.#target = { name: name as 'ACCEPT' };
      return;
    }
    const named = this.#options.isChain?.(name)
      ? undefined
      : registry.named(this.#family, 'target', name, this.#options.maxRevision);
    if (letter === 'j' && named !== undefined) this.#load('target', name, named);
    else
      this.#target = letter === 'j' ? { name: 'jump', chain: name } : { name: 'goto', chain: name };
  }

  /** `--raw-payload REVISION:HEX`, this package's own way to write an extension that has no other text. */
  #raw(name: string, path: string): UnknownExtension | undefined {
    if (this.#words[this.#at] !== '--raw-payload') return undefined;
    this.#at++;
    const word = this.#next() ?? '';
    const found = /^(\d{1,3}):((?:[0-9a-f]{16})*)$/.exec(word);
    if (found === null || name.length === 0 || name.length > maxNameLength) {
      throw badRange(`${path} ${name} --raw-payload`, 'revision:hex, a multiple of 8 bytes', word);
    }
    const data = Uint8Array.from(Buffer.from(found[2]!, 'hex'));
    return { name: 'raw', extension: name, revision: Number(found[1]), data };
  }

  #setCounters(text: string, path: string): void {
    if (this.#counters !== undefined) throw refused(path, 'can only be used once');
    const cut = text.indexOf(',');
    const second = cut < 0 ? this.#next() : text.slice(cut + 1);
    if (second === undefined) throw refused(path, 'needs a packet and a byte counter');
    const number = (part: string) => {
      if (!/^\d{1,20}$/.test(part)) throw badRange(path, 'a counter', part);
      return BigInt(part);
    };
    this.#counters = {
      packets: number(cut < 0 ? text : text.slice(0, cut)),
      bytes: number(second),
    };
  }

  #finish(): RuleSpec {
    const matches = this.#matches.map((each) => this.#typed(each) as Match);
    const target = this.#target && (this.#typed(this.#target) as Target);
    const part = (kind: Kind, index: number) => {
      const each = kind === 'match' ? this.#matches[index] : this.#target;
      if (each instanceof Loaded) return (field: string | undefined) => each.fieldName(field);
      return () => (kind === 'match' ? '-m …' : wordsOf(target));
    };
    const base: { -readonly [K in keyof RuleInit]: RuleInit[K] } = this.#head;
    if (matches.length > 0) base.matches = matches;
    if (target !== undefined) base.target = target;
    if (this.#counters !== undefined) base.counters = this.#counters;
    const checked = checkRule(base, this.#options, { path: 'rule', part });
    return {
      family: this.#family,
      base,
      checked,
      sources: this.#sources,
      destinations: this.#destinations,
    };
  }

  #typed(each: Loaded | Match | Target): unknown {
    return each instanceof Loaded ? each.finish(this.#place(each.lead)) : each;
  }
}

/** The option of a target that is not an extension. */
function wordsOf(target: Target | undefined): string {
  if (target?.name === 'jump') return `-j ${target.chain}`;
  if (target?.name === 'goto') return `-g ${target.chain}`;
  return `-j ${target === undefined || target.name === 'raw' ? '…' : target.name}`;
}

function not<T>(value: T, inverted: boolean): Not<T> {
  return inverted ? { not: value } : value;
}

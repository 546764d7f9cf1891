// The words of one rule → its typed form, with the order of evaluation, the abbreviations and the
// refusals of iptables 1.8.9 (getopt_long with options that grow as -m and -j load extensions).

import { badRange, quoted } from '../../errors.js';
import type { Typed } from '../extensions/codec.js';
import type {
  ArgumentPlace,
  Draft,
  Kind,
  Not,
  Place,
  UnknownExtension,
} from '../extensions/define.js';
import { registry } from '../extensions/index.js';
import { checkInterface } from '../extensions/interfaces.js';
import type { Option } from '../extensions/options.js';
import { optionsOf } from '../extensions/options.js';
import type { MaxRevision, Named } from '../extensions/registry.js';
import type { Family } from '../text/addresses.js';
import { wholeNumber } from '../text/addresses.js';
import type { HostNames, SetNames } from '../text/host-names.js';
import { refused } from '../text/refused.js';
import type { Addresses, RuleSpec } from './address-lists.js';
import { checkChainName, checkRule } from './check.js';
import type { Command } from './command.js';
import { readCommand, takesAttached } from './command.js';
import type { Counters, RuleHead } from './head.js';
import type { Match, RuleInit, Target } from './types.js';
import { maxNameLength } from './types.js';

export interface ParseOptions {
  /** `ipv4` unless given. */
  family?: Family;
  names?: HostNames;
  sets?: SetNames | undefined;
  maxRevision?: MaxRevision;
  table?: string;
  /** Tells a chain that has the name of a target, which iptables-restore lets be made, from the target. */
  isChain?: (name: string) => boolean;
}

/** iptables' own options: long name → the short one; the ones of a rule first. */
const ruleOptions: Record<string, string> = {
  source: 's',
  destination: 'd',
  src: 's',
  dst: 'd',
  protocol: 'p',
  'in-interface': 'i',
  jump: 'j',
  match: 'm',
  'out-interface': 'o',
  fragments: 'f',
  'set-counters': 'c',
  goto: 'g',
  ipv4: '4',
  ipv6: '6',
};
const otherOptions: Record<string, string> = {
  append: 'A',
  delete: 'D',
  check: 'C',
  insert: 'I',
  replace: 'R',
  list: 'L',
  'list-rules': 'S',
  flush: 'F',
  zero: 'Z',
  'new-chain': 'N',
  'delete-chain': 'X',
  'rename-chain': 'E',
  policy: 'P',
  table: 't',
  numeric: 'n',
  verbose: 'v',
  wait: 'w',
  'wait-interval': 'W',
  exact: 'x',
  version: 'V',
  help: 'h',
  'line-numbers': '0',
  modprobe: 'M',
};
const baseOptions = new Map(Object.entries({ ...ruleOptions, ...otherOptions }));
const withArgument = new Set(['s', 'd', 'p', 'i', 'o', 'j', 'm', 'g', 'c']);
const inRule = new Set(Object.values(ruleOptions));

/** One `-m` or the `-j` of the rule. */
interface Loaded {
  kind: Kind;
  /** As the text called it. */
  name: string;
  named: Named;
  draft: Draft<Record<string, unknown>>;
  /** Options given so far, by their first name, as written. */
  used: Map<string, string>;
  /** Fields, and the options that set them. */
  setBy: Record<string, string>;
}

/** What a long option can mean at some point of the text. */
interface Meaning {
  base?: string;
  option?: Option;
  /** Whose option it is: a match of that name (its latest instance), or the target. */
  owner?: string;
  kind?: Kind;
}

/** A line of a text for iptables-restore, which has a command among its words. */
export interface ParsedLine {
  /** Absent where the line is for the other family and says so before its command. */
  readonly command: Command | undefined;
  /** What the command is about; none where it is for the other family, or about chains. */
  readonly rule: RuleSpec | undefined;
  /** What `-c` said. */
  readonly counters: Counters | undefined;
}

/** The options of one extension, by name. */
interface Meanings {
  readonly owner: string;
  readonly kind: Kind;
  readonly byName: ReadonlyMap<string, Meaning>;
}

const meaningsOf = new WeakMap<object, Meanings>();

/** Whose options `-m name` or `-j NAME` adds. */
const ownerOf = ({ alias, extension }: Named) => (alias ?? extension).name;

/** The options that `-m name` or `-j NAME` adds. */
function meaningsFor({ extension, alias }: Named, kind: Kind): Meanings {
  const source = alias ?? extension;
  let meanings = meaningsOf.get(source);
  if (meanings === undefined) {
    const owner = source.name;
    const byName = new Map<string, Meaning>();
    for (const option of optionsOf(source)) {
      for (const name of option.names) {
        if (!byName.has(name)) byName.set(name, { option, owner, kind });
      }
    }
    meanings = { owner, kind, byName };
    meaningsOf.set(source, meanings);
  }
  return meanings;
}

// The last parser and the parts of the last rules are kept for their shapes: V8 drops the code that it has made for
// a kind of object together with the last such object. A rule may have a million addresses: of these only the last
// parser keeps its own.
type Shapes = Pick<RuleSpec, 'base' | 'checked'> & { matches: unknown; target: unknown };
const keptRules = 64;
const kept: { last?: RuleParser; next: number; rules: Shapes[] } = { next: 0, rules: [] };

/** The parser of one rule's words; used once. */
export class RuleParser {
  readonly #words: readonly string[];
  #at = 0;
  readonly #family: Family;
  readonly #options: ParseOptions & { names: HostNames };
  /** Extension options, the latest loaded first, as libxtables merges them. */
  readonly #meanings: Meanings[] = [];
  #parsed: RuleSpec | undefined;
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
  /** Whether commands may stand among the words. */
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
    kept.last = this;
    this.#read();
    this.#parsed = this.#finish();
    return this.#parsed;
  }

  /**
   * The words are a line for iptables-restore, the command anywhere among them. `counters` are those that
   * stand before the line.
   */
  parseLine(counters?: Counters): ParsedLine {
    kept.last = this;
    this.#isLine = true;
    this.#counters = counters;
    this.#read();
    const command = this.#command;
    // What came before counts: iptables does what a command on chains says, and forgets the rule.
    if (this.#otherFamily) return { command, rule: undefined, counters: this.#counters };
    if (command === undefined) throw refused('line', 'a command is missing');
    const { letter, word, index } = command;
    const isRule = 'ACIR'.includes(letter) || (letter === 'D' && index === undefined);
    if (this.#counters !== undefined && !'AIRP'.includes(letter)) {
      throw refused(word, 'has no counters');
    }
    if (!isRule && this.#saysRule()) throw refused(word, 'no rule can stand beside it');
    this.#parsed = isRule ? this.#finish() : undefined;
    return { command, rule: this.#parsed, counters: this.#counters };
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
        throw refused(`rule: -${letter}`, `a blank must stand between it and ${rest}`);
      }
      this.#base(letter, `-${letter}`, undefined);
      if (this.#otherFamily) return;
    }
  }

  #long(word: string, attached: string | undefined): void {
    const meaning = this.#lookUp(word.slice(2));
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

  /** getopt_long: an exact name first, else the only thing that begins so. */
  #lookUp(name: string): Meaning | { ambiguous: string[] } | undefined {
    const base = baseOptions.get(name);
    if (base !== undefined) return { base };
    for (const { byName } of this.#meanings) {
      const exact = byName.get(name);
      if (exact !== undefined) return exact;
    }
    const found = new Map<unknown, [string, Meaning]>();
    for (const [each, letter] of baseOptions) {
      if (each.startsWith(name) && !found.has(letter)) found.set(letter, [each, { base: letter }]);
    }
    for (const { byName } of this.#meanings) {
      for (const [each, meaning] of byName) {
        if (each.startsWith(name) && !found.has(meaning.option))
          found.set(meaning.option, [each, meaning]);
      }
    }
    if (found.size === 0) return undefined;
    if (found.size > 1) return { ambiguous: [...found.values()].map(([each]) => `--${each}`) };
    return [...found.values()][0]![1];
  }

  /** `-p tcp --dport`: an option that nobody knows loads the match of the protocol, once. */
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
    const loaded: Loaded = { kind, name, named, draft: {}, used: new Map(), setBy: {} };
    const owner = ownerOf(named);
    // A second instance of a match adds no options: the first one's mean it from now on.
    const again = this.#meanings.some((each) => each.owner === owner && each.kind === kind);
    if (!again) this.#meanings.unshift(meaningsFor(named, kind));
    if (kind === 'match') this.#matches.push(loaded);
    else this.#target = loaded;
    return loaded;
  }

  #instance({ owner, kind }: Meaning): Loaded {
    if (kind === 'target') return this.#target as Loaded;
    for (let i = this.#matches.length - 1; i > 0; i--) {
      const each = this.#matches[i]!;
      if ('named' in each && ownerOf(each.named) === owner) return each;
    }
    // An option has a meaning only after its match was loaded: none of the later ones is it.
    return this.#matches[0] as Loaded;
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

  #extensionOption(meaning: Meaning, word: string, attached: string | undefined): void {
    const option = meaning.option!;
    const loaded = this.#instance(meaning);
    const path = `${loaded.kind === 'match' ? '-m' : '-j'} ${loaded.name} ${word}`;
    if (option.arity === 0 && attached !== undefined) throw refused(path, 'takes no argument');
    const text = option.arity === 0 ? '' : (attached ?? this.#next());
    if (text === undefined) throw refused(path, 'needs an argument');
    const inverted = this.#inverted;
    this.#inverted = false;
    if (inverted && !option.invertible) throw refused(path, 'cannot be negated');
    const id = option.names[0]!;
    if (loaded.used.has(id) && !option.repeat) throw refused(path, 'can only be used once');
    const others =
      loaded.used.size === 0 ? [] : optionsOf(loaded.named.alias ?? loaded.named.extension);
    for (const other of others) {
      const before = loaded.used.get(other.names[0]!);
      if (before === undefined || other === option) continue;
      const clash =
        option.excludes.some((each) => other.names.includes(each)) ||
        other.excludes.some((each) => option.names.includes(each));
      if (clash) throw refused(path, `cannot be used together with ${before}`);
    }
    loaded.used.set(id, word);
    const { family, names, sets, protocol, protocolInverted } = this.#place(path);
    const at: ArgumentPlace = {
      family,
      names,
      sets,
      path,
      protocol,
      protocolInverted,
      option: word,
      inverted,
      setBy: loaded.setBy,
      more: () => this.#next(),
      peek: () => this.#words[this.#at],
    };
    option.apply(loaded.draft, text, at);
  }

  #base(letter: string, word: string, attached: string | undefined): void {
    const path = `rule: ${word}`;
    if (!inRule.has(letter)) {
      const known = [...baseOptions.values()].includes(letter);
      if (!known) throw refused(path, this.#unknownReason());
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

  /** What is no part of a rule: the command, and what iptables takes beside it. */
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

  /** `--raw-payload REVISION:HEX`, this package's own way to write what it has no text for. */
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
    const loadedMatches: (Loaded | undefined)[] = [];
    const matches = this.#matches.map((each) => {
      loadedMatches.push('named' in each ? each : undefined);
      return 'named' in each ? (this.#typed(each) as unknown as Match) : each;
    });
    const targetLoaded =
      this.#target !== undefined && 'named' in this.#target ? this.#target : undefined;
    const target = (targetLoaded ? this.#typed(targetLoaded) : this.#target) as Target | undefined;
    const part = (kind: Kind, index: number) => {
      const loaded = kind === 'match' ? loadedMatches[index] : targetLoaded;
      const lead =
        kind === 'match'
          ? `-m ${loaded?.name ?? '…'}`
          : ((loaded && `-j ${loaded.name}`) ?? wordsOf(target));
      return (field: string | undefined) => {
        const options = loaded ? optionsOf(loaded.named.alias ?? loaded.named.extension) : [];
        const option = options.find((each) => each.field === field && field !== undefined);
        const used = option && loaded?.used.get(option.names[0]!);
        return option === undefined ? lead : `${lead} ${used ?? `--${option.names[0]}`}`;
      };
    };
    const base: { -readonly [K in keyof RuleInit]: RuleInit[K] } = this.#head;
    if (matches.length > 0) base.matches = matches;
    if (target !== undefined) base.target = target;
    if (this.#counters !== undefined) base.counters = this.#counters;
    const checked = checkRule(base, this.#options, { path: 'rule', part });
    kept.rules[kept.next] = { base, checked, matches: this.#matches, target: this.#target };
    kept.next = (kept.next + 1) % keptRules;
    return {
      family: this.#family,
      base,
      checked,
      sources: this.#sources,
      destinations: this.#destinations,
    };
  }

  #typed(loaded: Loaded): Typed {
    const { named, draft } = loaded;
    const at = this.#place(`${loaded.kind === 'match' ? '-m' : '-j'} ${loaded.name}`);
    if (named.alias !== undefined) named.alias.finish?.(draft, at);
    else named.extension.finish?.(draft, at);
    return { name: named.extension.name, ...named.alias?.preset, ...draft };
  }
}

/** The option of a target that is no extension. */
function wordsOf(target: Target | undefined): string {
  if (target?.name === 'jump') return `-j ${target.chain}`;
  if (target?.name === 'goto') return `-g ${target.chain}`;
  return `-j ${target === undefined || target.name === 'raw' ? '…' : target.name}`;
}

function not<T>(value: T, inverted: boolean): Not<T> {
  return inverted ? { not: value } : value;
}

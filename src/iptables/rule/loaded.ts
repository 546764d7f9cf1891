// One `-m` or `-j` of a rule's text, with the options that were read so far.
import type { ArgumentPlace, Draft, Kind, Place, Typed } from '../extensions/define.js';
import type { Option } from '../extensions/options.js';
import { optionsOf } from '../extensions/options.js';
import type { Named } from '../extensions/registry.js';
import { refused } from '../text/refused.js';
import { ownerOf } from './option-table.js';

/** The words around an option. */
export interface OptionWords {
  /** The option as it was written. */
  readonly word: string;
  /** The rest of the same word: `--dport=80`. */
  readonly attached: string | undefined;
  /** A `!` came before it. */
  readonly inverted: boolean;
  next(): string | undefined;
  /** The next word, without taking it. */
  peek(): string | undefined;
}

export class Loaded {
  readonly kind: Kind;
  /** The name in the text. */
  readonly name: string;
  readonly #named: Named;
  readonly #draft: Draft<Record<string, unknown>> = {};
  /** The options so far: their first names, and how they were written. */
  readonly #used = new Map<string, string>();
  /** Fields, and the options that set them. */
  readonly #setBy: Record<string, string> = {};

  constructor(kind: Kind, name: string, named: Named) {
    this.kind = kind;
    this.name = name;
    this.#named = named;
  }

  get owner(): string {
    return ownerOf(this.#named);
  }

  /** Its name in messages. */
  get lead(): string {
    return `${this.kind === 'match' ? '-m' : '-j'} ${this.name}`;
  }

  get #options(): readonly Option[] {
    return optionsOf(this.#named.alias ?? this.#named.extension);
  }

  /** The name of a field in messages: the option that has set it. */
  fieldName(field: string | undefined): string {
    const option = this.#options.find((each) => each.field === field && field !== undefined);
    if (option === undefined) return this.lead;
    return `${this.lead} ${this.#used.get(option.names[0]!) ?? `--${option.names[0]}`}`;
  }

  /** Takes an option and its argument. */
  apply(option: Option, words: OptionWords, placeAt: (path: string) => Place): void {
    const { word, attached, inverted } = words;
    const path = `${this.lead} ${word}`;
    if (option.arity === 0 && attached !== undefined) throw refused(path, 'takes no argument');
    const text = option.arity === 0 ? '' : (attached ?? words.next());
    if (text === undefined) throw refused(path, 'needs an argument');
    if (inverted && !option.invertible) throw refused(path, 'cannot be negated');
    this.#checkUse(option, path);
    this.#used.set(option.names[0]!, word);
    const { family, names, sets, protocol, protocolInverted } = placeAt(path);
    const at: ArgumentPlace = {
      family,
      names,
      sets,
      path,
      protocol,
      protocolInverted,
      option: word,
      inverted,
      setBy: this.#setBy,
      more: () => words.next(),
      peek: () => words.peek(),
    };
    option.apply(this.#draft, text, at);
  }

  /** Refuses an option that was given already, or that excludes another one. */
  #checkUse(option: Option, path: string): void {
    if (this.#used.size === 0) return;
    if (this.#used.has(option.names[0]!) && !option.repeat) {
      throw refused(path, 'can only be used once');
    }
    for (const other of this.#options) {
      const before = this.#used.get(other.names[0]!);
      if (before === undefined || other === option) continue;
      const clash =
        option.excludes.some((each) => other.names.includes(each)) ||
        other.excludes.some((each) => option.names.includes(each));
      if (clash) throw refused(path, `cannot be used together with ${before}`);
    }
  }

  /** The typed form of all options. */
  finish(at: Place): Typed {
    const { alias, extension } = this.#named;
    if (alias !== undefined) alias.finish?.(this.#draft, at);
    else extension.finish?.(this.#draft, at);
    return { name: extension.name, ...alias?.preset, ...this.#draft };
  }
}

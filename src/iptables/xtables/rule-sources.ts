// The bytes of rules: a single entry, or a whole table, whose rules share equal parts. Gives out typed parts.
import type { Counters, HeadDraft } from '../rule/head.js';
import { emptyHead } from '../rule/head.js';
import { meaningKey } from '../rule/key.js';
import { hex } from '../rule/print.js';
import type { RuleSource } from '../rule/source.js';
import type { Match, Target } from '../rule/types.js';
import { type PortableEntry, readCounters, viewOf } from './entry.js';
import { type EntryContext, hasRaw, readMatches, readTarget } from './extension-bytes.js';
import { headContent, readHead } from './head-bytes.js';

/** Rules that are bytes. */
export abstract class EntryRules implements RuleSource {
  readonly context: EntryContext;
  readonly #view: DataView;

  protected constructor(bytes: Uint8Array, context: EntryContext) {
    this.context = context;
    this.#view = viewOf(bytes);
  }

  /** Where a rule begins. */
  protected abstract offset(index: number): number;
  /** The bytes of a rule, as they are written back. */
  abstract entry(index: number): PortableEntry;
  /** Whether the bytes say all that the rule is. If not, nobody may write them. */
  isWhole(_index: number): boolean {
    return true;
  }
  abstract matches(index: number): readonly Match[];
  abstract target(index: number): Target | undefined;

  head(index: number, into: HeadDraft): string | undefined {
    const { family, names } = this.context;
    return readHead(this.#view, this.offset(index), family, names, into);
  }

  counters(index: number): Readonly<Counters> {
    return readCounters(this.#view, this.context.family, this.offset(index));
  }

  key(index: number): string {
    const { context } = this;
    const head = emptyHead();
    const inexact = this.head(index, head);
    const target = this.target(index);
    const rest = inexact === undefined ? undefined : this.rest(index, target);
    return meaningKey(head, this.matches(index), target, context, rest);
  }

  /** For the key of a rule: what its fields do not say. */
  protected rest(index: number, target: Target | undefined): string {
    return hex(headContent(this.entry(index), this.context.family, target?.name === 'goto'));
  }
}

/** A single entry. Its sizes must fit together. */
export class SingleEntry extends EntryRules {
  readonly #entry: PortableEntry;
  readonly #bytes: Buffer;
  #matches: readonly Match[] | undefined;
  #target: Target | null | undefined;

  constructor(entry: PortableEntry, context: EntryContext) {
    super(entry, context);
    this.#entry = entry;
    this.#bytes = Buffer.from(entry.buffer, entry.byteOffset, entry.length);
  }

  protected offset(): number {
    return 0;
  }
  entry(): PortableEntry {
    return this.#entry;
  }
  matches(): readonly Match[] {
    this.#matches ??= readMatches(this.#bytes, 0, this.context);
    return this.#matches;
  }
  target(): Target | undefined {
    if (this.#target === undefined) this.#target = readTarget(this.#bytes, 0, this.context) ?? null;
    return this.#target ?? undefined;
  }
}

/** The bytes of all rules of a table, and which parts of them are equal. */
export interface TableBytes {
  readonly bytes: Uint8Array;
  /**
   * Two numbers for each rule: one for its matches, one for its target. Rules with the same number have equal bytes
   * there. Numbers begin at 0, in the order of the rules.
   */
  readonly parts: Uint32Array;
  /** How many different lists of matches there are. */
  readonly matchLists: number;
  /** How many different targets there are. */
  readonly targets: number;
  /** Where the bytes of a rule begin. */
  offset(index: number): number;
  /** The portable bytes of a rule. This is a view: do not change it. */
  entry(index: number): PortableEntry;
}

/** The rules of a table. Decodes each different list of matches and each different target once. */
export class TableEntries extends EntryRules {
  readonly #bytes: Buffer;
  readonly #table: TableBytes;
  readonly #numbers: Uint32Array;
  /** By their numbers. */
  readonly #matches: (readonly Match[] | undefined)[];
  /** `null`: no target. */
  readonly #targets: (Target | null | undefined)[];
  /** By rule. Raw extensions have bytes that a caller can change, so two rules must not share them. */
  readonly #rawMatches = new Map<number, readonly Match[]>();
  readonly #rawTargets = new Map<number, Target>();

  constructor(table: TableBytes, context: EntryContext) {
    const { bytes } = table;
    super(bytes, context);
    this.#table = table;
    this.#numbers = table.parts;
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
    this.#matches = new Array(table.matchLists);
    this.#targets = new Array(table.targets);
  }

  protected offset(index: number): number {
    return this.#table.offset(index);
  }

  entry(index: number): PortableEntry {
    return this.#table.entry(index);
  }

  matches(index: number): readonly Match[] {
    return this.#matches[this.#numbers[2 * index]!] ?? this.#readMatches(index);
  }

  target(index: number): Target | undefined {
    const known = this.#targets[this.#numbers[2 * index + 1]!];
    return known === undefined ? this.#readTarget(index) : (known ?? undefined);
  }

  #readMatches(index: number): readonly Match[] {
    const own = this.#rawMatches.get(index);
    if (own !== undefined) return own;
    const matches = readMatches(this.#bytes, this.offset(index), this.context);
    if (matches.some(hasRaw)) this.#rawMatches.set(index, matches);
    else this.#matches[this.#numbers[2 * index]!] = matches;
    return matches;
  }

  #readTarget(index: number): Target | undefined {
    const own = this.#rawTargets.get(index);
    if (own !== undefined) return own;
    const target = readTarget(this.#bytes, this.offset(index), this.context);
    if (target !== undefined && hasRaw(target)) this.#rawTargets.set(index, target);
    else this.#targets[this.#numbers[2 * index + 1]!] = target ?? null;
    return target;
  }
}

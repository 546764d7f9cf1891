// Where the bytes of rules lie: one entry of its own, or a whole table, whose rules share what is the
// same in them. Hands out typed parts; knows nothing of what stands before the matches.
import { viewOf } from './entry.js';
import type { Parts, ReadOptions } from './rule-read.js';
import { hasRaw, readMatches, readParts, readTarget } from './rule-read.js';
import type { Match, PortableEntry, Target } from './rule-types.js';
import type { Snapshot } from './snapshot.js';

export interface RuleHome {
  readonly options: ReadOptions;
  /** Rules lie in these. */
  readonly bytes: Buffer;
  readonly view: DataView;
  /** Where a rule begins in them. */
  offset(index: number): number;
  raw(index: number): PortableEntry;
  matches(index: number): readonly Match[];
  target(index: number): Target | undefined;
}

/** One entry alone, whose sizes are known to fit together. */
export class EntryHome implements RuleHome {
  readonly options: ReadOptions;
  readonly bytes: Buffer;
  readonly view: DataView;
  readonly #entry: PortableEntry;
  #parts: Parts | undefined;

  constructor(entry: PortableEntry, options: ReadOptions) {
    this.options = options;
    this.bytes = Buffer.from(entry.buffer, entry.byteOffset, entry.length);
    this.view = viewOf(entry);
    this.#entry = entry;
  }

  offset(): number {
    return 0;
  }

  raw(): PortableEntry {
    return this.#entry;
  }
  matches(): readonly Match[] {
    this.#parts ??= readParts(this.#entry, this.options);
    return this.#parts.matches;
  }
  target(): Target | undefined {
    this.#parts ??= readParts(this.#entry, this.options);
    return this.#parts.target;
  }
}

/** The rules of a snapshot: each different list of matches, each different target is decoded once. */
export class SnapshotHome implements RuleHome {
  readonly options: ReadOptions;
  readonly bytes: Buffer;
  readonly view: DataView;
  readonly #snapshot: Snapshot;
  readonly #numbers: Uint32Array;
  /** By their numbers. */
  readonly #matches: (readonly Match[] | undefined)[];
  /** `null`: no target. */
  readonly #targets: (Target | null | undefined)[];
  /** By rule: raw extensions hold bytes that a caller can change, no two rules share those. */
  readonly #rawMatches = new Map<number, readonly Match[]>();
  readonly #rawTargets = new Map<number, Target>();

  constructor(snapshot: Snapshot, options: ReadOptions) {
    const { bytes } = snapshot;
    this.options = options;
    this.#snapshot = snapshot;
    this.#numbers = snapshot.parts;
    this.bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
    this.view = viewOf(bytes);
    this.#matches = new Array(snapshot.matchLists);
    this.#targets = new Array(snapshot.targets);
  }

  offset(index: number): number {
    return this.#snapshot.offset(index);
  }

  raw(index: number): PortableEntry {
    return this.#snapshot.entry(index);
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
    const matches = readMatches(this.bytes, this.#snapshot.offset(index), this.options);
    if (matches.some(hasRaw)) this.#rawMatches.set(index, matches);
    else this.#matches[this.#numbers[2 * index]!] = matches;
    return matches;
  }

  #readTarget(index: number): Target | undefined {
    const own = this.#rawTargets.get(index);
    if (own !== undefined) return own;
    const target = readTarget(this.bytes, this.#snapshot.offset(index), this.options);
    if (target !== undefined && hasRaw(target)) this.#rawTargets.set(index, target);
    else this.#targets[this.#numbers[2 * index + 1]!] = target ?? null;
    return target;
  }
}

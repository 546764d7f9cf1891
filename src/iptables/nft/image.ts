// A table of nf_tables as native code read it (native/core/nftables/snapshot.h): an image, and for each rule its place
// in nf_tables and what its entry does not say.
import { nftForeignChain, nftHeader, nftReading, nftRule } from '../../native/numbers.js';
import { littleEndian } from '../extensions/stores.js';
import type { HeadDraft } from '../rule/head.js';
import { hex } from '../rule/print.js';
import type { NftPlace } from '../rule/source.js';
import type { Target } from '../rule/types.js';
import type { ForeignChain, Wanted } from '../table/reading.js';
import { bytesToText } from '../text/encoding.js';
import type { EntryContext } from '../xtables/extension-bytes.js';
import { header, TableImage } from '../xtables/image.js';
import { TableEntries } from '../xtables/rule-sources.js';

const hooks = ['PREROUTING', 'INPUT', 'FORWARD', 'OUTPUT', 'POSTROUTING'];

const queue: Target = Object.freeze({ name: 'NFQUEUE', num: 0 });

export class NftImage extends TableImage {
  /** The number of the last commit before the reading, of anybody in this namespace. */
  readonly generation: number;
  override readonly foreign: readonly ForeignChain[];
  /** What was asked for. */
  readonly wanted: Wanted;
  protected readonly words: DataView;
  readonly #table: bigint;
  readonly #rulesAt: number;
  readonly #handlesAt: number;
  readonly #foreignAt: number;

  constructor(buffer: ArrayBuffer, wanted: Wanted = 'all') {
    super(buffer);
    this.wanted = wanted;
    const words = new DataView(buffer);
    const at = words.getUint32(header.own, littleEndian);
    this.words = words;
    this.generation = words.getUint32(at + nftHeader.generation, littleEndian);
    this.#table = words.getBigUint64(at + nftHeader.table, littleEndian);
    this.#rulesAt = words.getUint32(at + nftHeader.rules, littleEndian);
    this.#handlesAt = words.getUint32(at + nftHeader.handles, littleEndian);
    const chainsAt = words.getUint32(at + nftHeader.foreignChains, littleEndian);
    const count = words.getUint32(at + nftHeader.foreignCount, littleEndian);
    this.#foreignAt = chainsAt;
    this.foreign = Object.freeze(
      Array.from({ length: count }, (_, index) =>
        this.#foreignChain(chainsAt + index * nftForeignChain.bytes),
      ),
    );
  }

  /** A hook by its number, as iptables names it. */
  protected static hookName(hook: number): string | undefined {
    return hooks[hook];
  }

  protected slice(at: number): Uint8Array {
    const from = this.words.getUint32(at, littleEndian);
    return this.bytes.subarray(from, from + this.words.getUint32(at + 4, littleEndian));
  }

  #foreignChain(at: number): ForeignChain {
    const hook = this.words.getUint32(at + nftForeignChain.hook, littleEndian);
    const isBase = hook !== 0;
    return Object.freeze({
      name: bytesToText(this.slice(at + nftForeignChain.name)),
      hook: isBase ? hooks[hook - 1] : undefined,
      priority: isBase
        ? this.words.getInt32(at + nftForeignChain.priority, littleEndian)
        : undefined,
      type: isBase ? bytesToText(this.slice(at + nftForeignChain.type)) : undefined,
      rules: this.words.getUint32(at + nftForeignChain.rules, littleEndian),
    });
  }

  protected ruleAt(index: number): number {
    return this.#rulesAt + index * nftRule.bytes;
  }

  handle(index: number): bigint {
    return this.words.getBigUint64(this.ruleAt(index) + nftRule.handle, littleEndian);
  }

  reading(index: number): number {
    return this.words.getUint32(this.ruleAt(index) + nftRule.reading, littleEndian);
  }

  /**
   * Whether this is the same table with the same rules: each with the same handle. Of a chain that was not read, nobody
   * needs the rules.
   */
  isSame(other: NftImage): boolean {
    if (this.fingerprint !== other.fingerprint || this.ruleCount !== other.ruleCount) return false;
    if (this.chains.some((_, index) => this.chainHandle(index) !== other.chainHandle(index))) {
      return false;
    }
    for (let index = 0; index < this.ruleCount; index++) {
      if (this.handle(index) !== other.handle(index)) return false;
    }
    return true;
  }

  /** The number that names a chain in nf_tables. */
  chainHandle(index: number): bigint {
    return this.words.getBigUint64(this.#handlesAt + 8 * index, littleEndian);
  }

  /** The number of a foreign chain. */
  foreignHandle(index: number): bigint {
    const at = this.#foreignAt + index * nftForeignChain.bytes;
    return this.words.getBigUint64(at + nftForeignChain.handle, littleEndian);
  }

  /** The expressions of a rule as the kernel sent them. */
  expressions(index: number): Uint8Array {
    return this.slice(this.ruleAt(index) + nftRule.expressions);
  }

  /** What the program that made a rule keeps beside it. */
  userData(index: number): Uint8Array {
    return this.slice(this.ruleAt(index) + nftRule.userData);
  }

  /** What the entry of a rule does not say. For a foreign rule, the names of its expressions. */
  note(index: number): string {
    return bytesToText(this.slice(this.ruleAt(index) + nftRule.note));
  }

  /** The expressions of a rule that its entry does not say, as a hash. It leaves out what they have counted. */
  contentOf(index: number): string {
    const at = this.ruleAt(index) + nftRule.content;
    return hex(this.bytes.subarray(at, at + 16));
  }

  protected override makeRules(context: EntryContext): TableEntries {
    return new NftRules(this, context);
  }

  /** The verdict QUEUE becomes a target, and the range of NFLOG is left out (native/core/nftables/write_rule.cc). */
  override kept(target: Target): Target {
    if (target.name === 'QUEUE') return queue;
    if (target.name !== 'NFLOG' || target.range === undefined) return target;
    const { range, ...kept } = target;
    return Object.freeze(kept);
  }

  override identity(index: number): string {
    return `${this.#table} ${this.handle(index)}`;
  }

  override content(index: number, chain?: string): string {
    const content = super.content(index, chain);
    return this.reading(index) === nftReading.exact
      ? content
      : `${content} ${this.contentOf(index)}`;
  }
}

/** The rules of a table of nf_tables. */
export class NftRules extends TableEntries {
  readonly image: NftImage;

  constructor(image: NftImage, context: EntryContext) {
    super(image, context);
    this.image = image;
  }

  override isWhole(index: number): boolean {
    return this.image.reading(index) === nftReading.exact;
  }

  override head(index: number, into: HeadDraft): string | undefined {
    const inexact = super.head(index, into);
    const image = this.image;
    const reading = image.reading(index);
    if (reading === nftReading.exact) return inexact;
    const note = image.note(index);
    if (reading === nftReading.inexact) return note;
    return `expressions that iptables has no words for (${note}; rule ${image.handle(index)} of nf_tables)`;
  }

  protected override rest(index: number, target: Target | undefined): string {
    return this.isWhole(index) ? super.rest(index, target) : this.image.contentOf(index);
  }

  nft(index: number): NftPlace {
    const image = this.image;
    const isForeign = image.reading(index) === nftReading.foreign;
    return Object.freeze({
      handle: image.handle(index),
      foreign: isForeign ? Object.freeze(image.note(index).split(' ')) : undefined,
    });
  }
}

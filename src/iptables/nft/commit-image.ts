// What one commit of nf_tables did to a table, as native code gathered it (native/core/nftables/commit_events.h): its
// messages, and their rules.
import { nftEvent, nftEventFlag, nftHeader, nftReading, nftRule } from '../../native/numbers.js';
import { littleEndian } from '../extensions/stores.js';
import { isVerdict } from '../rule/types.js';
import type { ForeignChain } from '../table/reading.js';
import { bytesToText } from '../text/encoding.js';
import { extensionHeader, layouts, readUint16, standardSize } from '../xtables/entry.js';
import type { EntryContext } from '../xtables/extension-bytes.js';
import { header } from '../xtables/image.js';
import type { TableEntries } from '../xtables/rule-sources.js';
import { NftImage, NftRules } from './image.js';

/** One message, in the order in which the kernel sent them. */
export interface CommitEvent {
  /** One of `nftEventKind`. */
  readonly kind: number;
  /** The number of the rule or of the chain. */
  readonly handle: bigint;
  /** The number of the rule before a new one; 0n: it is the first or the last. */
  readonly before: bigint;
  /** The name of the chain. */
  readonly chain: string;
  /** The index of the rule in the image. */
  readonly rule: number;
  /** A rule that is added: after others. The kernel says it also of a rule that is replaced. */
  readonly appends: boolean;
  /** The message had the expressions of the rule. */
  readonly hasRule: boolean;
  /** The policy of the chain is DROP. */
  readonly drops: boolean;
  /** The chain, if it is not one of iptables. */
  readonly foreign: ForeignChain | undefined;
}

export class CommitImage extends NftImage {
  readonly events: readonly CommitEvent[];

  constructor(buffer: ArrayBuffer) {
    super(buffer);
    const own = this.words.getUint32(header.own, littleEndian);
    const at = this.words.getUint32(own + nftHeader.events, littleEndian);
    const count = this.words.getUint32(own + nftHeader.eventCount, littleEndian);
    this.events = Array.from({ length: count }, (_, i) => this.#event(at + i * nftEvent.bytes));
  }

  #event(at: number): CommitEvent {
    const word = (field: number) => this.words.getUint32(at + field, littleEndian);
    const flags = word(nftEvent.flags);
    const has = (flag: number) => (flags & flag) !== 0;
    return {
      kind: word(nftEvent.kind),
      handle: this.words.getBigUint64(at + nftEvent.handle, littleEndian),
      before: this.words.getBigUint64(at + nftEvent.before, littleEndian),
      chain: bytesToText(this.slice(at + nftEvent.chain)),
      rule: word(nftEvent.rule),
      appends: has(nftEventFlag.appends),
      hasRule: has(nftEventFlag.hasRule),
      drops: has(nftEventFlag.drops),
      foreign: has(nftEventFlag.foreign) ? this.#foreign(at) : undefined,
    };
  }

  #foreign(at: number): ForeignChain {
    const hook = this.words.getUint32(at + nftEvent.hook, littleEndian);
    const isBase = hook !== 0;
    return Object.freeze({
      name: bytesToText(this.slice(at + nftEvent.chain)),
      hook: isBase ? NftImage.hookName(hook - 1) : undefined,
      priority: isBase ? this.words.getInt32(at + nftEvent.priority, littleEndian) : undefined,
      type: isBase ? bytesToText(this.slice(at + nftEvent.type)) : undefined,
      rules: 0,
    });
  }

  /** Whether the rule is another one if there is a chain with the name of its target. */
  isUnsure(rule: number): boolean {
    return this.words.getUint32(this.ruleAt(rule) + nftRule.unsure, littleEndian) !== 0;
  }

  /** The name in the target of a rule that has the size of a jump. */
  jumpName(rule: number): string | undefined {
    const { bytes } = this;
    const at = this.offset(rule);
    const target = at + readUint16(bytes, at + layouts[this.family].targetOffset);
    const isStandard =
      readUint16(bytes, target) === standardSize && bytes[target + extensionHeader.revision] === 0;
    if (!isStandard || this.reading(rule) === nftReading.foreign) return undefined;
    const from = target + extensionHeader.name;
    const name = bytes.subarray(from, from + extensionHeader.nameLength);
    const end = name.indexOf(0);
    const text = bytesToText(end < 0 ? name : name.subarray(0, end));
    return text === '' || isVerdict(text) ? undefined : text;
  }

  protected override makeRules(context: EntryContext): TableEntries {
    // Every rule tells by itself whether it is a jump.
    const names = new Set<string>();
    for (let rule = 0; rule < this.ruleCount; rule++) {
      const name = this.isUnsure(rule) ? undefined : this.jumpName(rule);
      if (name !== undefined) names.add(name);
    }
    return new NftRules(this, { ...context, isChain: (name) => names.has(name) });
  }
}

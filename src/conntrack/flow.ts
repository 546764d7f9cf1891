// A flow: a view of one row of a batch. Values are read from the columns when they are asked for.
import {
  type Family,
  type Protocol,
  protocolName,
  type StatusName,
  stateNames,
  statusOf,
} from '../constants.js';
import * as rare from './attributes.js';
import { type ColumnStore, portColumns, type Side } from './column-store.js';
import { has } from './columns.js';
import { flowLine } from './flow-text.js';
import type {
  Endpoint,
  FlowDccp,
  FlowMaster,
  FlowObject,
  FlowSctp,
  FlowSide,
  FlowTcp,
  SeqAdj,
  Synproxy,
} from './flow-types.js';

class SideView implements FlowSide {
  readonly #store: ColumnStore;
  readonly #row: number;
  readonly #reply: boolean;

  constructor(store: ColumnStore, row: number, reply: boolean) {
    this.#store = store;
    this.#row = row;
    this.#reply = reply;
  }
  #has(bit: number): boolean {
    return (this.#store.column('presence')[this.#row]! & bit) !== 0;
  }
  #port(side: Side): number {
    return this.#store.column(portColumns[side])[this.#row]!;
  }
  get src(): string {
    return this.#store.addressText(this.#reply ? 2 : 0, this.#row);
  }
  get dst(): string {
    return this.#store.addressText(this.#reply ? 3 : 1, this.#row);
  }
  get srcPort(): number | undefined {
    return this.#has(this.#reply ? has.replyPorts : has.origPorts)
      ? this.#port(this.#reply ? 2 : 0)
      : undefined;
  }
  get dstPort(): number | undefined {
    return this.#has(this.#reply ? has.replyPorts : has.origPorts)
      ? this.#port(this.#reply ? 3 : 1)
      : undefined;
  }
  get icmpType(): number | undefined {
    return this.#has(this.#reply ? has.replyIcmp : has.origIcmp)
      ? this.#port(this.#reply ? 3 : 1) >> 8
      : undefined;
  }
  get icmpCode(): number | undefined {
    return this.#has(this.#reply ? has.replyIcmp : has.origIcmp)
      ? this.#port(this.#reply ? 3 : 1) & 0xff
      : undefined;
  }
  get icmpId(): number | undefined {
    return this.#has(this.#reply ? has.replyIcmp : has.origIcmp)
      ? this.#port(this.#reply ? 2 : 0)
      : undefined;
  }
  get zone(): number | undefined {
    if (!this.#has(this.#reply ? has.replyZone : has.origZone)) return undefined;
    const extra = this.#store.extraBytes(this.#row);
    return extra && rare.tupleZone(extra, this.#reply);
  }
  get packets(): bigint | undefined {
    if (!this.#has(this.#reply ? has.replyCounters : has.origCounters)) return undefined;
    return this.#store.column(this.#reply ? 'replyPackets' : 'origPackets')[this.#row];
  }
  get bytes(): bigint | undefined {
    if (!this.#has(this.#reply ? has.replyCounters : has.origCounters)) return undefined;
    return this.#store.column(this.#reply ? 'replyBytes' : 'origBytes')[this.#row];
  }
  toJSON(): FlowSide {
    const { src, dst, srcPort, dstPort, icmpType, icmpCode, icmpId } = this;
    const { zone, packets, bytes } = this;
    // What is undefined is left out, so that absent is absent in plain data too.
    const side: { -readonly [K in keyof FlowSide]: FlowSide[K] } = { src, dst };
    if (srcPort !== undefined) side.srcPort = srcPort;
    if (dstPort !== undefined) side.dstPort = dstPort;
    if (icmpType !== undefined) side.icmpType = icmpType;
    if (icmpCode !== undefined) side.icmpCode = icmpCode;
    if (icmpId !== undefined) side.icmpId = icmpId;
    if (zone !== undefined) side.zone = zone;
    if (packets !== undefined) side.packets = packets;
    if (bytes !== undefined) side.bytes = bytes;
    return side;
  }
}

// Presence bits of what few flows have.
const namedRareBits = has.helper | has.labels | has.secctx;
const seqAdjBits = has.origSeqAdj | has.replySeqAdj;
const rareBits = has.sctp | has.dccp | seqAdjBits | has.synproxy | has.master | has.unknown;

/**
 * One conntrack entry. A view of a row in its batch, which it keeps alive: `toObject()` detaches it,
 * `JSON.stringify` works, `String(flow)` is the line that `conntrack -L` prints. Fields are documented at
 * {@link FlowObject}.
 */
export class Flow {
  readonly #store: ColumnStore;
  readonly #row: number;

  /** @internal Flows come from batches. */
  constructor(store: ColumnStore, row: number) {
    this.#store = store;
    this.#row = row;
  }

  /** @internal The store and row, for building requests without going through text. */
  get source(): { store: ColumnStore; row: number } {
    return { store: this.#store, row: this.#row };
  }

  #has(bit: number): boolean {
    return (this.#store.column('presence')[this.#row]! & bit) !== 0;
  }
  #extra<T>(bit: number, read: (extra: Uint8Array) => T | undefined): T | undefined {
    if (!this.#has(bit)) return undefined;
    const extra = this.#store.extraBytes(this.#row);
    return extra && read(extra);
  }

  get id(): number {
    return this.#store.column('id')[this.#row]!;
  }
  get family(): Family {
    return this.#store.column('family')[this.#row] === 2 ? 'ipv4' : 'ipv6';
  }
  get protocolNumber(): number {
    return this.#store.column('protocol')[this.#row]!;
  }
  get protocol(): Protocol {
    return protocolName(this.protocolNumber);
  }
  get orig(): FlowSide {
    return new SideView(this.#store, this.#row, false);
  }
  get reply(): FlowSide {
    return new SideView(this.#store, this.#row, true);
  }
  get statusBits(): number {
    return this.#store.column('status')[this.#row]!;
  }
  get status(): readonly StatusName[] {
    return statusOf(this.statusBits);
  }
  get state(): string | undefined {
    if (!this.#has(has.state)) return undefined;
    const state = this.#store.column('state')[this.#row]!;
    return stateNames(this.protocolNumber)?.[state] ?? `STATE_${state}`;
  }
  get timeout(): number | undefined {
    return this.#has(has.timeout) ? this.#store.column('timeout')[this.#row] : undefined;
  }
  get mark(): number {
    return this.#store.column('mark')[this.#row]!;
  }
  get zone(): number {
    return this.#store.column('zone')[this.#row]!;
  }
  get use(): number | undefined {
    return this.#has(has.use) ? this.#store.column('use')[this.#row] : undefined;
  }
  get helper(): string | undefined {
    return this.#extra(has.helper, rare.helperName);
  }
  get labels(): readonly number[] | undefined {
    return this.#extra(has.labels, rare.labels);
  }
  get secctx(): string | undefined {
    return this.#extra(has.secctx, rare.secctx);
  }
  get start(): bigint | undefined {
    return this.#has(has.start) ? this.#store.column('start')[this.#row] : undefined;
  }
  get stop(): bigint | undefined {
    return this.#has(has.stop) ? this.#store.column('stop')[this.#row] : undefined;
  }
  get tcp(): FlowTcp | undefined {
    const store = this.#store;
    const row = this.#row;
    const wscale = this.#has(has.tcpWscale)
      ? { orig: store.column('tcpWscaleOrig')[row]!, reply: store.column('tcpWscaleReply')[row]! }
      : undefined;
    const flags = this.#has(has.tcpFlags)
      ? { orig: store.column('tcpFlagsOrig')[row]!, reply: store.column('tcpFlagsReply')[row]! }
      : undefined;
    if (wscale === undefined) return flags && { flags };
    return flags === undefined ? { wscale } : { wscale, flags };
  }
  get sctp(): FlowSctp | undefined {
    const vtag = this.#extra(has.sctp, rare.sctpVtags);
    return vtag && { vtag };
  }
  get dccp(): FlowDccp | undefined {
    return this.#extra(has.dccp, rare.dccp);
  }
  get seqAdj(): { orig?: SeqAdj; reply?: SeqAdj } | undefined {
    const orig = this.#extra(has.origSeqAdj, (extra) => rare.seqAdj(extra, rare.cta.seqAdjOrig));
    const reply = this.#extra(has.replySeqAdj, (extra) => rare.seqAdj(extra, rare.cta.seqAdjReply));
    if (orig === undefined && reply === undefined) return undefined;
    return { ...(orig && { orig }), ...(reply && { reply }) };
  }
  get synproxy(): Synproxy | undefined {
    return this.#extra(has.synproxy, rare.synproxy);
  }
  get master(): FlowMaster | undefined {
    return this.#extra(has.master, rare.master);
  }
  get unknown(): readonly { type: number; data: Uint8Array }[] | undefined {
    return this.#extra(has.unknown, rare.unknownAttributes);
  }

  get nat(): { src?: Endpoint; dst?: Endpoint } | undefined {
    const src = this.#translation(0, 3);
    const dst = this.#translation(1, 2);
    return src || dst ? { ...(src && { src }), ...(dst && { dst }) } : undefined;
  }

  /** Where `original` was translated to: `mirrored`, if the two differ in address or port. */
  #translation(original: Side, mirrored: Side): Endpoint | undefined {
    const store = this.#store;
    const row = this.#row;
    const ports = this.#has(has.origPorts) && this.#has(has.replyPorts);
    const port = store.column(portColumns[mirrored])[row]!;
    const icmp = original === 0 && this.#has(has.origIcmp) && this.#has(has.replyIcmp);
    // The id of ICMP is translated with the source, as a port is; it has no place in an Endpoint.
    const same = icmp
      ? this.orig.icmpId === this.reply.icmpId
      : !ports || port === store.column(portColumns[original])[row];
    if (same && store.sameAddress(original, mirrored, row)) return undefined;
    const address = store.addressText(mirrored, row);
    return ports ? { address, port } : { address };
  }

  /** Plain data that no longer refers to the batch; 64-bit values are `bigint`. */
  toObject(): FlowObject {
    // What is undefined is left out, so that absent is absent in plain data too. Nothing is set and then
    // deleted: engines keep such objects as hash tables, large and slow.
    const object: Omit<FlowObject, 'mark' | 'zone'> & Partial<FlowObject> = {
      id: this.id,
      family: this.family,
      protocol: this.protocol,
      protocolNumber: this.protocolNumber,
      orig: (this.orig as SideView).toJSON(),
      reply: (this.reply as SideView).toJSON(),
      status: this.status,
      statusBits: this.statusBits,
    };
    const { state, timeout, use, start, stop, nat, tcp } = this;
    if (state !== undefined) object.state = state;
    if (timeout !== undefined) object.timeout = timeout;
    object.mark = this.mark;
    object.zone = this.zone;
    if (use !== undefined) object.use = use;
    if (this.#has(namedRareBits)) {
      const { helper, labels, secctx } = this;
      if (helper !== undefined) object.helper = helper;
      if (labels !== undefined) object.labels = labels;
      if (secctx !== undefined) object.secctx = secctx;
    }
    if (start !== undefined) object.start = start;
    if (stop !== undefined) object.stop = stop;
    if (nat !== undefined) object.nat = nat;
    if (tcp !== undefined) object.tcp = tcp;
    if (this.#has(rareBits)) {
      const { sctp, dccp, seqAdj, synproxy, master, unknown } = this;
      if (sctp !== undefined) object.sctp = sctp;
      if (dccp !== undefined) object.dccp = dccp;
      if (seqAdj !== undefined) object.seqAdj = seqAdj;
      if (synproxy !== undefined) object.synproxy = synproxy;
      if (master !== undefined) object.master = master;
      if (unknown !== undefined) object.unknown = unknown;
    }
    if (this.#has(has.id)) return object as FlowObject;
    const { id: _, ...rest } = object;
    return rest as FlowObject;
  }

  /**
   * Plain data fit for JSON: 64-bit values are numbers where a number holds them exactly (counters,
   * in practice) and decimal strings where not (nanoseconds since the epoch).
   */
  toJSON(): unknown {
    return jsonSafe(this.toObject());
  }

  /** The line of `conntrack -L`. */
  toString(): string {
    return flowLine(this);
  }

  [Symbol.for('nodejs.util.inspect.custom')](): FlowObject {
    return this.toObject();
  }
}

function jsonSafe(value: unknown): unknown {
  if (typeof value === 'bigint') {
    return value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : value.toString();
  }
  if (value instanceof Uint8Array) return Buffer.from(value).toString('hex');
  if (Array.isArray(value)) return value.map(jsonSafe);
  if (typeof value === 'object' && value !== null) {
    return Object.fromEntries(Object.entries(value).map(([key, part]) => [key, jsonSafe(part)]));
  }
  return value;
}

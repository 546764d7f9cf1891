// A flow that was read: its fields as properties of its own, and its place in the batch that it came from.
import { takeAsPlain } from '../../checks.js';
import {
  AF_INET,
  type Family,
  type FlowState,
  type Protocol,
  protocolName,
  type StatusName,
  stateNames,
  statusOf,
} from '../../constants.js';
import { ipv4Text, ipv6Text } from '../columns/address-text.js';
import type { ColumnStore } from '../columns/column-store.js';
import { columnsOf } from '../columns/flow-columns.js';
import { has } from '../columns/schema.js';
import type { FlowDraft, FlowNat, FlowObject, FlowSide, FlowTcp } from './fields.js';
import { jsonSafe } from './json.js';
import { natOf, ReadSide, tcpBits, tcpOf } from './parts.js';
import { addRare, details, named } from './rare.js';
import { flowLine } from './text.js';

const stateName = (protocol: number, state: number): FlowState =>
  stateNames(protocol)?.[state] ?? `STATE_${state}`;

/** It has the fields of a {@link FlowObject}. */
export interface Flow extends Readonly<FlowObject> {}

/**
 * One conntrack entry, as it was when it was read. It behaves as the object that it looks like: spread,
 * `Object.assign`, `structuredClone`, comparison and `console.log` give its fields, and `{ ...flow, zone: 5 }` is
 * a `FlowInit`. What the kernel did not send is no property. `JSON.stringify` works, and `String(flow)` is the line
 * that `conntrack -L` prints. {@link FlowObject} documents the fields. A Flow keeps its batch in memory;
 * `toObject()` gives the same fields without the batch.
 */
// biome-ignore lint/suspicious/noUnsafeDeclarationMerging: addRare sets the fields that are not declared here
export class Flow {
  // What the constructor sets by name.
  /** CTA_ID — what `conntrack -L -o id` shows; the same for the life of the entry (kernel 5.3). */
  declare readonly id: number;
  /** The family of the addresses. */
  declare readonly family: Family;
  /** The protocol by name, or by its number where the package has no name for it. */
  declare readonly protocol: Protocol;
  /** The number of the protocol, 0 to 255. */
  declare readonly protocolNumber: number;
  /** The direction of the first packet. */
  declare readonly orig: FlowSide;
  /** The direction of the answers, as they arrive here: NAT shows in it. */
  declare readonly reply: FlowSide;
  /** Names of the set bits of `statusBits`. Frozen: flows with the same bits share it. */
  declare readonly status: readonly StatusName[];
  /** CTA_STATUS — `IPS_*` bits. */
  declare readonly statusBits: number;
  /** State of TCP, SCTP or DCCP as conntrack(8) prints it. */
  declare readonly state?: FlowState;
  /** Seconds until the flow expires; absent for offloaded flows. */
  declare readonly timeout?: number;
  /** The connmark; 0 where none was set. */
  declare readonly mark: number;
  /** The zone of both directions; 0 where the kernel sends none. */
  declare readonly zone: number;
  /** The kernel's reference count; absent in events. */
  declare readonly use?: number;
  /** When the flow was made, nanoseconds since the epoch; needs `nf_conntrack_timestamp` = 1. */
  declare readonly start?: bigint;
  /** When the flow ended, nanoseconds since the epoch. */
  declare readonly stop?: bigint;
  /** How the flow is translated, as its two tuples show it. */
  declare readonly nat?: FlowNat;
  /** TCP detail. Frozen: flows with the same values share it. */
  declare readonly tcp?: FlowTcp;

  readonly #store: ColumnStore;
  readonly #row: number;

  private constructor(store: ColumnStore, row: number) {
    this.#store = store;
    this.#row = row;
    const from = columnsOf(store);
    const presence = from.presence[row]!;
    const protocol = from.protocol[row]!;
    const status = from.status[row]!;
    // Most flows are not translated: the two addresses of their reply are the same, and so are the texts.
    const v6 = from.family[row] !== AF_INET;
    const a = from.origSrc[row]!;
    const b = from.origDst[row]!;
    const c = from.replySrc[row]!;
    const d = from.replyDst[row]!;
    const sameSrc = a === d || (v6 && store.sameAddress(0, 3, row));
    const sameDst = b === c || (v6 && store.sameAddress(1, 2, row));
    const src = v6 ? ipv6Text(store.addresses, a * 16) : ipv4Text(a);
    const dst = v6 ? ipv6Text(store.addresses, b * 16) : ipv4Text(b);
    const replySrc = sameDst ? dst : store.addressText(2, row);
    const replyDst = sameSrc ? src : store.addressText(3, row);
    // Whatever flows often have is set here, by name and in this order. A field that the constructor does not name
    // needs an array beside the object.
    if ((presence & has.id) !== 0) this.id = from.id[row]!;
    this.family = v6 ? 'ipv6' : 'ipv4';
    this.protocol = protocolName(protocol);
    this.protocolNumber = protocol;
    this.orig = new ReadSide(from, row, false, src, dst);
    this.reply = new ReadSide(from, row, true, replySrc, replyDst);
    this.status = statusOf(status);
    this.statusBits = status;
    if ((presence & has.state) !== 0) this.state = stateName(protocol, from.state[row]!);
    if ((presence & has.timeout) !== 0) this.timeout = from.timeout[row]!;
    this.mark = from.mark[row]!;
    this.zone = from.zone[row]!;
    if ((presence & has.use) !== 0) this.use = from.use[row]!;
    if ((presence & named.bits) !== 0 || named.more !== 0) addRare(this, named, from, row);
    if ((presence & has.start) !== 0) this.start = from.start[row]!;
    if ((presence & has.stop) !== 0) this.stop = from.stop[row]!;
    const nat = natOf(from, row, sameSrc, sameDst, this.reply);
    if (nat !== undefined) this.nat = nat;
    if ((presence & tcpBits) !== 0) this.tcp = tcpOf(from, row);
    if ((presence & details.bits) !== 0 || details.more !== 0) addRare(this, details, from, row);
  }

  /** @internal */
  static at(store: ColumnStore, row: number): Flow {
    return new Flow(store, row);
  }

  /** @internal Whether a value is a flow that was read. A copy of one is not, whatever its prototype. */
  static isFlow(value: unknown): value is Flow {
    return typeof value === 'object' && value !== null && #store in value;
  }

  /** @internal The store and the row, so that requests are made without text. */
  get source(): { store: ColumnStore; row: number } {
    return { store: this.#store, row: this.#row };
  }

  /** Plain data that does not refer to the batch; 64-bit values are `bigint`. */
  toObject(): FlowObject {
    const object: FlowDraft = { ...this };
    object.orig = { ...this.orig };
    object.reply = { ...this.reply };
    const { tcp } = this;
    if (tcp !== undefined) {
      const { wscale, flags, flagBits } = tcp;
      object.tcp = {
        ...(wscale && { wscale: { ...wscale } }),
        ...(flags && { flags: { ...flags } }),
        ...(flagBits && { flagBits: { ...flagBits } }),
      };
    }
    return object;
  }

  /**
   * Plain data for JSON. A 64-bit value is a number where a number holds it exactly (in practice, a counter), and
   * a decimal string elsewhere (nanoseconds since the epoch).
   */
  toJSON(): unknown {
    return jsonSafe(this.toObject());
  }

  /** The line of `conntrack -L`, or of `conntrack -E` for an event. What was not sent is not in it. */
  toString(): string {
    // A copy that has the prototype too (lodash makes such) has nothing but its fields.
    const presence = #store in this ? this.#store.column('presence')[this.#row]! : ~0;
    return flowLine(this, {
      mark: (presence & has.mark) !== 0,
      status: (presence & has.status) !== 0,
    });
  }

  [Symbol.for('nodejs.util.inspect.custom')](): FlowObject {
    return this.toObject();
  }
}

// A copy that has the prototype too is what its own fields say.
takeAsPlain(Flow.prototype);

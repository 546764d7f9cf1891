// A flow that was read: its fields as properties of its own, and the place in its batch that it came from.
import type { Family, Protocol, StatusName } from '../constants.js';
import type { ColumnStore } from './column-store.js';
import { has } from './columns.js';
import { readFields, type Writable } from './flow-fields.js';
import { jsonSafe } from './flow-json.js';
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

/**
 * One conntrack entry, as it was when it was read. It behaves as the object that it looks like: spread,
 * `Object.assign`, `structuredClone`, comparison and `console.log` give its fields, and `{ ...flow, zone: 5 }` is
 * a `FlowInit`. What the kernel did not send is no property. `JSON.stringify` works, `String(flow)` is the line
 * that `conntrack -L` prints. Fields are documented at {@link FlowObject}. It keeps its batch in memory;
 * `toObject()` detaches it.
 */
export class Flow {
  declare readonly id: number;
  declare readonly family: Family;
  declare readonly protocol: Protocol;
  declare readonly protocolNumber: number;
  declare readonly orig: FlowSide;
  declare readonly reply: FlowSide;
  /** Frozen: flows with the same bits share it. */
  declare readonly status: readonly StatusName[];
  declare readonly statusBits: number;
  declare readonly state?: string;
  declare readonly timeout?: number;
  declare readonly mark: number;
  declare readonly zone: number;
  declare readonly use?: number;
  declare readonly helper?: string;
  declare readonly labels?: readonly number[];
  declare readonly secctx?: string;
  declare readonly start?: bigint;
  declare readonly stop?: bigint;
  declare readonly nat?: { src?: Endpoint; dst?: Endpoint };
  declare readonly tcp?: FlowTcp;
  declare readonly sctp?: FlowSctp;
  declare readonly dccp?: FlowDccp;
  declare readonly seqAdj?: { orig?: SeqAdj; reply?: SeqAdj };
  declare readonly synproxy?: Synproxy;
  declare readonly master?: FlowMaster;
  declare readonly unknown?: readonly { type: number; data: Uint8Array }[];

  readonly #store: ColumnStore;
  readonly #row: number;

  /** @internal Flows come from batches. */
  constructor(store: ColumnStore, row: number) {
    this.#store = store;
    this.#row = row;
    readFields(this as unknown as Writable<FlowObject>, store, row);
  }

  /** @internal The store and row, for building requests without going through text. */
  get source(): { store: ColumnStore; row: number } {
    return { store: this.#store, row: this.#row };
  }

  /** Plain data that no longer refers to the batch; 64-bit values are `bigint`. */
  toObject(): FlowObject {
    const object: FlowObject = { ...this };
    object.orig = { ...this.orig };
    object.reply = { ...this.reply };
    return object;
  }

  /**
   * Plain data fit for JSON: 64-bit values are numbers where a number holds them exactly (counters,
   * in practice) and decimal strings where not (nanoseconds since the epoch).
   */
  toJSON(): unknown {
    return jsonSafe(this.toObject());
  }

  /** The line of `conntrack -L`, of an event that of `conntrack -E`: what was not sent is not in it. */
  toString(): string {
    const presence = this.#store.column('presence')[this.#row]!;
    return flowLine(this, {
      mark: (presence & has.mark) !== 0,
      status: (presence & has.status) !== 0,
    });
  }

  [Symbol.for('nodejs.util.inspect.custom')](): FlowObject {
    return this.toObject();
  }
}

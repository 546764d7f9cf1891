// The fields of a flow, read from the columns of its row. Absent is absent: no field is undefined.
import { takeAsPlain } from '../../checks.js';
import type { ColumnStore } from '../columns/column-store.js';
import { type ColumnArrays, has } from '../columns/schema.js';
import type { Endpoint, FlowObject, FlowSide, FlowTcp } from './fields.js';
import { jsonSafe } from './json.js';
import * as rare from './rare.js';

export type Writable<T> = { -readonly [K in keyof T]: T[K] };

/** One direction of a flow that was read. Its fields are properties of its own: `{ ...flow.orig }` has them. */
export class ReadSide implements FlowSide {
  declare readonly src: string;
  declare readonly dst: string;
  declare readonly srcPort?: number;
  declare readonly dstPort?: number;
  declare readonly icmpType?: number;
  declare readonly icmpCode?: number;
  declare readonly icmpId?: number;
  declare readonly zone?: number;
  declare readonly packets?: bigint;
  declare readonly bytes?: bigint;

  // All is set here, by name: fields that a class does not know from its constructor cost an array beside the object.
  constructor(from: FlowColumns, row: number, reply: boolean, src: string, dst: string) {
    const presence = from.presence[row]!;
    const bits = reply ? replyBits : origBits;
    this.src = src;
    this.dst = dst;
    const first = reply ? from.replySrcPort[row]! : from.origSrcPort[row]!;
    const second = reply ? from.replyDstPort[row]! : from.origDstPort[row]!;
    if ((presence & bits.ports) !== 0) {
      this.srcPort = first;
      this.dstPort = second;
    } else if ((presence & bits.icmp) !== 0) {
      this.icmpType = second >> 8;
      this.icmpCode = second & 0xff;
      this.icmpId = first;
    }
    if ((presence & bits.zone) !== 0) {
      const extra = from.store.extraBytes(row);
      const zone = extra && rare.tupleZone(extra, reply);
      if (zone !== undefined) this.zone = zone;
    }
    if ((presence & bits.counters) !== 0) {
      this.packets = reply ? from.replyPackets[row]! : from.origPackets[row]!;
      this.bytes = reply ? from.replyBytes[row]! : from.origBytes[row]!;
    }
  }

  /** For `JSON.stringify`: counters are numbers where a number holds them exactly, else decimal strings. */
  toJSON(): unknown {
    return jsonSafe({ ...this });
  }
}

takeAsPlain(ReadSide.prototype);

export const namedBits = has.helper | has.labels | has.secctx;
const seqAdjBits = has.origSeqAdj | has.replySeqAdj;
export const rareBits = has.sctp | has.dccp | seqAdjBits | has.synproxy | has.master | has.unknown;
export const tcpBits = has.tcpWscale | has.tcpFlags;
const bothPorts = has.origPorts | has.replyPorts;
const bothIcmp = has.origIcmp | has.replyIcmp;
const [origBits, replyBits] = [
  { ports: has.origPorts, icmp: has.origIcmp, zone: has.origZone, counters: has.origCounters },
  { ports: has.replyPorts, icmp: has.replyIcmp, zone: has.replyZone, counters: has.replyCounters },
] as const;

/** The columns that flows are read from, looked up once for all rows of a store. */
export class FlowColumns {
  readonly presence: ColumnArrays['presence'];
  readonly id: ColumnArrays['id'];
  readonly family: ColumnArrays['family'];
  readonly protocol: ColumnArrays['protocol'];
  readonly status: ColumnArrays['status'];
  readonly state: ColumnArrays['state'];
  readonly timeout: ColumnArrays['timeout'];
  readonly mark: ColumnArrays['mark'];
  readonly zone: ColumnArrays['zone'];
  readonly use: ColumnArrays['use'];
  readonly origSrc: ColumnArrays['origSrc'];
  readonly origDst: ColumnArrays['origDst'];
  readonly replySrc: ColumnArrays['replySrc'];
  readonly replyDst: ColumnArrays['replyDst'];
  readonly origSrcPort: ColumnArrays['origSrcPort'];
  readonly origDstPort: ColumnArrays['origDstPort'];
  readonly replySrcPort: ColumnArrays['replySrcPort'];
  readonly replyDstPort: ColumnArrays['replyDstPort'];
  // Columns that few batches have are made when a row has them.
  #origPackets: ColumnArrays['origPackets'] | undefined;
  #origBytes: ColumnArrays['origBytes'] | undefined;
  #replyPackets: ColumnArrays['replyPackets'] | undefined;
  #replyBytes: ColumnArrays['replyBytes'] | undefined;
  #start: ColumnArrays['start'] | undefined;
  #stop: ColumnArrays['stop'] | undefined;
  #type: ColumnArrays['type'] | undefined;
  #nsid: ColumnArrays['nsid'] | undefined;
  #timestampEvent: ColumnArrays['timestampEvent'] | undefined;

  constructor(readonly store: ColumnStore) {
    this.presence = store.column('presence');
    this.id = store.column('id');
    this.family = store.column('family');
    this.protocol = store.column('protocol');
    this.status = store.column('status');
    this.state = store.column('state');
    this.timeout = store.column('timeout');
    this.mark = store.column('mark');
    this.zone = store.column('zone');
    this.use = store.column('use');
    this.origSrc = store.column('origSrc');
    this.origDst = store.column('origDst');
    this.replySrc = store.column('replySrc');
    this.replyDst = store.column('replyDst');
    this.origSrcPort = store.column('origSrcPort');
    this.origDstPort = store.column('origDstPort');
    this.replySrcPort = store.column('replySrcPort');
    this.replyDstPort = store.column('replyDstPort');
  }

  get origPackets(): ColumnArrays['origPackets'] {
    this.#origPackets ??= this.store.column('origPackets');
    return this.#origPackets;
  }
  get origBytes(): ColumnArrays['origBytes'] {
    this.#origBytes ??= this.store.column('origBytes');
    return this.#origBytes;
  }
  get replyPackets(): ColumnArrays['replyPackets'] {
    this.#replyPackets ??= this.store.column('replyPackets');
    return this.#replyPackets;
  }
  get replyBytes(): ColumnArrays['replyBytes'] {
    this.#replyBytes ??= this.store.column('replyBytes');
    return this.#replyBytes;
  }
  get start(): ColumnArrays['start'] {
    this.#start ??= this.store.column('start');
    return this.#start;
  }
  get stop(): ColumnArrays['stop'] {
    this.#stop ??= this.store.column('stop');
    return this.#stop;
  }
  get type(): ColumnArrays['type'] {
    this.#type ??= this.store.column('type');
    return this.#type;
  }
  get nsid(): ColumnArrays['nsid'] {
    this.#nsid ??= this.store.column('nsid');
    return this.#nsid;
  }
  get timestampEvent(): ColumnArrays['timestampEvent'] {
    this.#timestampEvent ??= this.store.column('timestampEvent');
    return this.#timestampEvent;
  }
}

export function columnsOf(store: ColumnStore): FlowColumns {
  store.flowColumns ??= new FlowColumns(store);
  return store.flowColumns;
}

/** How a flow is translated: where the reply differs from what `orig` mirrored would be. */
export function natOf(
  from: FlowColumns,
  row: number,
  sameSrc: boolean,
  sameDst: boolean,
  reply: FlowSide,
): FlowObject['nat'] {
  const presence = from.presence[row]!;
  const ports = (presence & bothPorts) === bothPorts;
  // The id of ICMP is translated with the source, as a port is; it has no place in an Endpoint.
  const sameSrcPort =
    (presence & bothIcmp) === bothIcmp
      ? from.origSrcPort[row] === from.replySrcPort[row]
      : !ports || from.replyDstPort[row] === from.origSrcPort[row];
  const sameDstPort = !ports || from.replySrcPort[row] === from.origDstPort[row];
  const srcIsKept = sameSrcPort && sameSrc;
  const dstIsKept = sameDstPort && sameDst;
  if (srcIsKept && dstIsKept) return undefined;
  const end = (address: string, port: number): Endpoint =>
    ports ? { address, port } : { address };
  const src = end(reply.dst, from.replyDstPort[row]!);
  const dst = end(reply.src, from.replySrcPort[row]!);
  // Not by spreading, which costs more than all the rest of a flow.
  if (srcIsKept) return { dst };
  return dstIsKept ? { src } : { src, dst };
}

/** By the values: few differ, and three objects less for each flow are a third of its memory. */
const tcpCache = new Map<number, FlowTcp>();

/** Frozen: flows with the same values share it. */
export function tcpOf(from: FlowColumns, row: number): FlowTcp {
  const { store } = from;
  const presence = from.presence[row]!;
  const hasScale = (presence & has.tcpWscale) !== 0;
  const hasFlags = (presence & has.tcpFlags) !== 0;
  const scaleOrig = hasScale ? store.column('tcpWscaleOrig')[row]! : 0;
  const scaleReply = hasScale ? store.column('tcpWscaleReply')[row]! : 0;
  const flagsOrig = hasFlags ? store.column('tcpFlagsOrig')[row]! : 0;
  const flagsReply = hasFlags ? store.column('tcpFlagsReply')[row]! : 0;
  const parts = (hasScale ? 1 : 0) | (hasFlags ? 2 : 0);
  const key = (((parts * 256 + scaleOrig) * 256 + scaleReply) * 256 + flagsOrig) * 256 + flagsReply;
  let tcp = tcpCache.get(key);
  if (tcp === undefined) {
    const wscale = hasScale && Object.freeze({ orig: scaleOrig, reply: scaleReply });
    const flags = hasFlags && Object.freeze({ orig: flagsOrig, reply: flagsReply });
    tcp = Object.freeze({ ...(wscale && { wscale }), ...(flags && { flags }) });
    if (tcpCache.size < 256) tcpCache.set(key, tcp);
  }
  return tcp;
}

export function addNamed(flow: Writable<FlowObject>, from: FlowColumns, row: number): void {
  const presence = from.presence[row]!;
  const extra = from.store.extraBytes(row);
  if (extra === undefined) return;
  const helper = (presence & has.helper) !== 0 ? rare.helperName(extra) : undefined;
  const labels = (presence & has.labels) !== 0 ? rare.labels(extra) : undefined;
  const secctx = (presence & has.secctx) !== 0 ? rare.secctx(extra) : undefined;
  if (helper !== undefined) flow.helper = helper;
  if (labels !== undefined) flow.labels = labels;
  if (secctx !== undefined) flow.secctx = secctx;
}

export function addRare(flow: Writable<FlowObject>, from: FlowColumns, row: number): void {
  const presence = from.presence[row]!;
  const extra = from.store.extraBytes(row);
  if (extra === undefined) return;
  const read = <T>(bit: number, reader: (extra: Uint8Array) => T | undefined) =>
    (presence & bit) !== 0 ? reader(extra) : undefined;
  const vtag = read(has.sctp, rare.sctpVtags);
  const dccp = read(has.dccp, rare.dccp);
  const orig = read(has.origSeqAdj, (bytes) => rare.seqAdj(bytes, rare.cta.seqAdjOrig));
  const reply = read(has.replySeqAdj, (bytes) => rare.seqAdj(bytes, rare.cta.seqAdjReply));
  const synproxy = read(has.synproxy, rare.synproxy);
  const master = read(has.master, rare.master);
  const unknown = read(has.unknown, rare.unknownAttributes);
  if (vtag !== undefined) flow.sctp = { vtag };
  if (dccp !== undefined) flow.dccp = dccp;
  if (orig !== undefined || reply !== undefined) {
    flow.seqAdj = { ...(orig && { orig }), ...(reply && { reply }) };
  }
  if (synproxy !== undefined) flow.synproxy = synproxy;
  if (master !== undefined) flow.master = master;
  if (unknown !== undefined) flow.unknown = unknown;
}

// The fields of a flow, read from the columns of its row. Absent is absent: no field is undefined.
import { takeAsPlain } from '../checks.js';
import { protocolName, stateNames, statusOf } from '../constants.js';
import * as rare from './attributes.js';
import { addressColumns, type ColumnStore, portColumns, type Side } from './column-store.js';
import { type ColumnArrays, has } from './columns.js';
import { jsonSafe } from './flow-json.js';
import type { Endpoint, FlowObject, FlowSide } from './flow-types.js';

export type Writable<T> = { -readonly [K in keyof T]: T[K] };

/** One direction of a flow that was read. Its fields are properties of its own: `{ ...flow.orig }` has them. */
export class ReadSide implements FlowSide {
  readonly src: string;
  readonly dst: string;
  declare readonly srcPort?: number;
  declare readonly dstPort?: number;
  declare readonly icmpType?: number;
  declare readonly icmpCode?: number;
  declare readonly icmpId?: number;
  declare readonly zone?: number;
  declare readonly packets?: bigint;
  declare readonly bytes?: bigint;

  constructor(src: string, dst: string) {
    this.src = src;
    this.dst = dst;
  }

  /** For `JSON.stringify`: counters are numbers where a number holds them exactly, else decimal strings. */
  toJSON(): unknown {
    return jsonSafe({ ...this });
  }
}

takeAsPlain(ReadSide.prototype);

const namedRareBits = has.helper | has.labels | has.secctx;
const seqAdjBits = has.origSeqAdj | has.replySeqAdj;
const rareBits = has.sctp | has.dccp | seqAdjBits | has.synproxy | has.master | has.unknown;
const tcpBits = has.tcpWscale | has.tcpFlags;
const bothPorts = has.origPorts | has.replyPorts;
const bothIcmp = has.origIcmp | has.replyIcmp;
const sideBits = [
  { ports: has.origPorts, icmp: has.origIcmp, zone: has.origZone, counters: has.origCounters },
  { ports: has.replyPorts, icmp: has.replyIcmp, zone: has.replyZone, counters: has.replyCounters },
] as const;

type Wide = 'origPackets' | 'origBytes' | 'replyPackets' | 'replyBytes' | 'start' | 'stop';

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
  readonly addresses: readonly Uint32Array[];
  readonly ports: readonly Uint16Array[];

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
    this.addresses = addressColumns.map((name) => store.column(name));
    this.ports = portColumns.map((name) => store.column(name));
  }

  wide(name: Wide, row: number): bigint {
    return this.store.column(name)[row]!;
  }
}

function columnsOf(store: ColumnStore): FlowColumns {
  store.flowColumns ??= new FlowColumns(store);
  return store.flowColumns;
}

function addToSide(side: Writable<ReadSide>, from: FlowColumns, row: number, direction: 0 | 1) {
  const presence = from.presence[row]!;
  const bits = sideBits[direction];
  const first = from.ports[direction * 2]![row]!;
  const second = from.ports[direction * 2 + 1]![row]!;
  if ((presence & bits.ports) !== 0) {
    side.srcPort = first;
    side.dstPort = second;
  } else if ((presence & bits.icmp) !== 0) {
    side.icmpType = second >> 8;
    side.icmpCode = second & 0xff;
    side.icmpId = first;
  }
  if ((presence & bits.zone) !== 0) {
    const extra = from.store.extraBytes(row);
    const zone = extra && rare.tupleZone(extra, direction === 1);
    if (zone !== undefined) side.zone = zone;
  }
  if ((presence & bits.counters) !== 0) {
    side.packets = from.wide(direction === 0 ? 'origPackets' : 'replyPackets', row);
    side.bytes = from.wide(direction === 0 ? 'origBytes' : 'replyBytes', row);
  }
}

/** Where `original` was translated to: `mirrored`, if the two differ in address or port. */
function translation(
  from: FlowColumns,
  row: number,
  original: Side,
  mirrored: Side,
  address: string,
  sameAddress: boolean,
): Endpoint | undefined {
  const presence = from.presence[row]!;
  const ports = (presence & bothPorts) === bothPorts;
  const port = from.ports[mirrored]![row]!;
  // The id of ICMP is translated with the source, as a port is; it has no place in an Endpoint.
  const icmp = original === 0 && (presence & bothIcmp) === bothIcmp;
  const same = icmp
    ? from.ports[0]![row] === from.ports[2]![row]
    : !ports || port === from.ports[original]![row];
  if (same && sameAddress) return undefined;
  return ports ? { address, port } : { address };
}

/** Sets the fields of the flow in a row, in the order in which `toObject()` has them. */
export function readFields(flow: Writable<FlowObject>, store: ColumnStore, row: number): void {
  const from = columnsOf(store);
  const presence = from.presence[row]!;
  const protocol = from.protocol[row]!;
  const src = store.addressText(0, row);
  const dst = store.addressText(1, row);
  // Most flows are not translated: their reply has the same two addresses.
  const sameSrc = store.sameAddress(0, 3, row);
  const sameDst = store.sameAddress(1, 2, row);
  const replySrc = sameDst ? dst : store.addressText(2, row);
  const replyDst = sameSrc ? src : store.addressText(3, row);
  const orig = new ReadSide(src, dst);
  const reply = new ReadSide(replySrc, replyDst);
  addToSide(orig, from, row, 0);
  addToSide(reply, from, row, 1);
  if ((presence & has.id) !== 0) flow.id = from.id[row]!;
  flow.family = from.family[row] === 2 ? 'ipv4' : 'ipv6';
  flow.protocol = protocolName(protocol);
  flow.protocolNumber = protocol;
  flow.orig = orig;
  flow.reply = reply;
  flow.status = statusOf(from.status[row]!);
  flow.statusBits = from.status[row]!;
  if ((presence & has.state) !== 0) {
    const state = from.state[row]!;
    flow.state = stateNames(protocol)?.[state] ?? `STATE_${state}`;
  }
  if ((presence & has.timeout) !== 0) flow.timeout = from.timeout[row]!;
  flow.mark = from.mark[row]!;
  flow.zone = from.zone[row]!;
  if ((presence & has.use) !== 0) flow.use = from.use[row]!;
  const extra = (presence & (namedRareBits | rareBits)) !== 0 ? store.extraBytes(row) : undefined;
  if (extra !== undefined && (presence & namedRareBits) !== 0) readNamed(flow, presence, extra);
  if ((presence & has.start) !== 0) flow.start = from.wide('start', row);
  if ((presence & has.stop) !== 0) flow.stop = from.wide('stop', row);
  const natSrc = translation(from, row, 0, 3, replyDst, sameSrc);
  const natDst = translation(from, row, 1, 2, replySrc, sameDst);
  if (natSrc !== undefined || natDst !== undefined) {
    // Not by spreading, which costs more than all the rest of a flow.
    if (natSrc === undefined) flow.nat = { dst: natDst! };
    else flow.nat = natDst === undefined ? { src: natSrc } : { src: natSrc, dst: natDst };
  }
  if ((presence & tcpBits) !== 0) flow.tcp = tcpOf(store, presence, row);
  if (extra !== undefined && (presence & rareBits) !== 0) readRare(flow, presence, extra);
}

function tcpOf(store: ColumnStore, presence: number, row: number): NonNullable<FlowObject['tcp']> {
  const wscale =
    (presence & has.tcpWscale) !== 0
      ? { orig: store.column('tcpWscaleOrig')[row]!, reply: store.column('tcpWscaleReply')[row]! }
      : undefined;
  if ((presence & has.tcpFlags) === 0) return { wscale: wscale! };
  const flags = {
    orig: store.column('tcpFlagsOrig')[row]!,
    reply: store.column('tcpFlagsReply')[row]!,
  };
  return wscale === undefined ? { flags } : { wscale, flags };
}

function readNamed(flow: Writable<FlowObject>, presence: number, extra: Uint8Array): void {
  const helper = (presence & has.helper) !== 0 ? rare.helperName(extra) : undefined;
  const labels = (presence & has.labels) !== 0 ? rare.labels(extra) : undefined;
  const secctx = (presence & has.secctx) !== 0 ? rare.secctx(extra) : undefined;
  if (helper !== undefined) flow.helper = helper;
  if (labels !== undefined) flow.labels = labels;
  if (secctx !== undefined) flow.secctx = secctx;
}

function readRare(flow: Writable<FlowObject>, presence: number, extra: Uint8Array): void {
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

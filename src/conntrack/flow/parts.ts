// The parts of a flow that are objects, made of the columns of its row: its two directions, its translation, and its
// TCP detail. A field without a value is no property.
import { takeAsPlain } from '../../checks.js';
import { tcpFlagsOf } from '../../constants.js';
import type { FlowColumns } from '../columns/flow-columns.js';
import { has } from '../columns/schema.js';
import type { Endpoint, FlowNat, FlowSide, FlowTcp } from './fields.js';
import { jsonSafe } from './json.js';
import { tupleZone } from './rare.js';

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

  // Every field is set here by name. One that the constructor does not name needs an array beside the object.
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
      const zone = extra && tupleZone(extra, reply);
      if (zone !== undefined) this.zone = zone;
    }
    if ((presence & bits.counters) !== 0) {
      this.packets = reply ? from.replyPackets[row]! : from.origPackets[row]!;
      this.bytes = reply ? from.replyBytes[row]! : from.origBytes[row]!;
    }
  }

  /** For `JSON.stringify`: a counter is a number where a number holds it exactly, else a decimal string. */
  toJSON(): unknown {
    return jsonSafe({ ...this });
  }
}

takeAsPlain(ReadSide.prototype);

export const tcpBits = has.tcpWscale | has.tcpFlags;
const bothPorts = has.origPorts | has.replyPorts;
const bothIcmp = has.origIcmp | has.replyIcmp;
const [origBits, replyBits] = [
  { ports: has.origPorts, icmp: has.origIcmp, zone: has.origZone, counters: has.origCounters },
  { ports: has.replyPorts, icmp: has.replyIcmp, zone: has.replyZone, counters: has.replyCounters },
] as const;

/** How a flow is translated: where its reply differs from the mirror of `orig`. */
export function natOf(
  from: FlowColumns,
  row: number,
  sameSrc: boolean,
  sameDst: boolean,
  reply: FlowSide,
): FlowNat | undefined {
  const presence = from.presence[row]!;
  const ports = (presence & bothPorts) === bothPorts;
  // The id of ICMP is translated with the source, as a port is. An Endpoint has no place for it.
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
  // No spreading: it costs more than all the rest of a flow.
  if (srcIsKept) return { dst };
  return dstIsKept ? { src } : { src, dst };
}

/** By their values. Few are different, and three objects fewer save a third of the memory of a flow. */
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
    tcp = Object.freeze({
      ...(wscale && { wscale }),
      ...(hasFlags && {
        flags: Object.freeze({ orig: tcpFlagsOf(flagsOrig), reply: tcpFlagsOf(flagsReply) }),
        flagBits: Object.freeze({ orig: flagsOrig, reply: flagsReply }),
      }),
    });
    if (tcpCache.size < 256) tcpCache.set(key, tcp);
  }
  return tcp;
}

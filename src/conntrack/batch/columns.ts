// What the columns of a batch mean, for those who read them themselves. Their layout is columns/schema.ts, generated from
// native code. A column or bit that is new there shows here by inheritance, and the check of the documentation asks
// for its meaning.
import { type ColumnArrays, has, hasMore } from '../columns/schema.js';

/**
 * The columns of a batch as typed arrays, one value for each flow. Each is made when it is first read. A value that
 * the kernel did not send is 0: the bits of `presence` tell which these are.
 */
export interface Columns extends ColumnArrays {
  /** What the kernel sent of each flow: bits of {@link presenceBits}. */
  readonly presence: Uint32Array;
  /** CTA_ID. */
  readonly id: Uint32Array;
  /** CTA_STATUS: `IPS_*` bits. */
  readonly status: Uint32Array;
  /** CTA_TIMEOUT: seconds left. */
  readonly timeout: Uint32Array;
  /** CTA_MARK: the connmark. */
  readonly mark: Uint32Array;
  /** CTA_USE: the reference count. */
  readonly use: Uint32Array;
  /** Source addresses of the original direction: IPv4 as a number, of IPv6 the index in `addresses6`. */
  readonly origSrc: Uint32Array;
  /** Destination addresses of the original direction, as `origSrc`. */
  readonly origDst: Uint32Array;
  /** Source addresses of the reply direction, as `origSrc`. */
  readonly replySrc: Uint32Array;
  /** Destination addresses of the reply direction, as `origSrc`. */
  readonly replyDst: Uint32Array;
  /** Source ports of the original direction; of ICMP the id. */
  readonly origSrcPort: Uint16Array;
  /** Destination ports of the original direction; of ICMP `type << 8 | code`. */
  readonly origDstPort: Uint16Array;
  /** Source ports of the reply direction; of ICMP the id. */
  readonly replySrcPort: Uint16Array;
  /** Destination ports of the reply direction; of ICMP `type << 8 | code`. */
  readonly replyDstPort: Uint16Array;
  /** CTA_ZONE: the zone of both directions. */
  readonly zone: Uint16Array;
  /** The family: 2 is IPv4 (AF_INET), 10 is IPv6 (AF_INET6). */
  readonly family: Uint8Array;
  /** The number of the protocol. */
  readonly protocol: Uint8Array;
  /** The number of the state of TCP, SCTP or DCCP. */
  readonly state: Uint8Array;
  /** TCP window scales of the original direction. */
  readonly tcpWscaleOrig: Uint8Array;
  /** TCP window scales of the reply direction. */
  readonly tcpWscaleReply: Uint8Array;
  /** IP_CT_TCP_FLAG_* bits of the original direction. */
  readonly tcpFlagsOrig: Uint8Array;
  /** IP_CT_TCP_FLAG_* bits of the reply direction. */
  readonly tcpFlagsReply: Uint8Array;
  /** Packets of the original direction. */
  readonly origPackets: BigUint64Array;
  /** Bytes of the original direction. */
  readonly origBytes: BigUint64Array;
  /** Packets of the reply direction. */
  readonly replyPackets: BigUint64Array;
  /** Bytes of the reply direction. */
  readonly replyBytes: BigUint64Array;
  /** CTA_TIMESTAMP_START: nanoseconds since the epoch. */
  readonly start: BigUint64Array;
  /** CTA_TIMESTAMP_STOP: nanoseconds since the epoch. */
  readonly stop: BigUint64Array;
  /** Of events: their types, by number in {@link eventTypeNames}. 0 in dumps. */
  readonly type: Uint8Array;
  /** Of events: the id of the flow's network namespace; -1 for the stream's own. */
  readonly nsid: Int32Array;
  /** Of events: the port id of the netlink socket whose request caused it; 0 is the kernel itself. */
  readonly portid: Uint32Array;
  /** Of events: whether a request of this process caused it. 0 is no, 1 is yes, 2 is not known. */
  readonly own: Uint8Array;
  /** CTA_TIMESTAMP_EVENT of events: nanoseconds since the epoch. */
  readonly timestampEvent: BigUint64Array;
  /** What else the kernel sent: bits of {@link presenceMoreBits}. 0 in most batches. */
  readonly presenceMore: Uint32Array;
  /** 16 bytes per IPv6 address. The address columns of an IPv6 row hold indexes of it. */
  readonly addresses6: Uint8Array;
}

/** The bits of the column `presence`. A bit is set where the kernel sent that part of a flow. */
export interface PresenceBits extends Readonly<Record<keyof typeof has, number>> {
  /** `id` was sent. */
  readonly id: 0x1;
  /** `status` was sent. */
  readonly status: 0x2;
  /** `timeout` was sent: it is not of an offloaded flow, nor in a `destroy` event. */
  readonly timeout: 0x4;
  /** `mark` was sent. In events it is sent only where it is not 0. */
  readonly mark: 0x8;
  /** `use` was sent: never in events. */
  readonly use: 0x10;
  /** `zone` was sent: where it is not 0. */
  readonly zone: 0x20;
  /** `state` was sent. */
  readonly state: 0x40;
  /** The original tuple was sent. */
  readonly orig: 0x80;
  /** The reply tuple was sent. */
  readonly reply: 0x100;
  /** The original tuple has ports. */
  readonly origPorts: 0x200;
  /** The reply tuple has ports. */
  readonly replyPorts: 0x400;
  /** The original tuple has the fields of ICMP in the port columns. */
  readonly origIcmp: 0x800;
  /** The reply tuple has the fields of ICMP in the port columns. */
  readonly replyIcmp: 0x1000;
  /** Packets and bytes of the original direction were sent. */
  readonly origCounters: 0x2000;
  /** Packets and bytes of the reply direction were sent. */
  readonly replyCounters: 0x4000;
  /** `start` was sent. */
  readonly start: 0x8000;
  /** `stop` was sent. */
  readonly stop: 0x10000;
  /** TCP window scales were sent. */
  readonly tcpWscale: 0x20000;
  /** TCP flags were sent. */
  readonly tcpFlags: 0x40000;
  /** The original direction has a zone of its own. */
  readonly origZone: 0x80000;
  /** The reply direction has a zone of its own. */
  readonly replyZone: 0x100000;
  /** Labels were sent. They have no column. */
  readonly labels: 0x200000;
  /** A helper was sent. It has no column. */
  readonly helper: 0x400000;
  /** A security context was sent. It has no column. */
  readonly secctx: 0x800000;
  /** Sequence adjustment of the original direction was sent. It has no column. */
  readonly origSeqAdj: 0x1000000;
  /** Sequence adjustment of the reply direction was sent. It has no column. */
  readonly replySeqAdj: 0x2000000;
  /** The state of a proxied handshake was sent. It has no column. */
  readonly synproxy: 0x4000000;
  /** The tuple of the master was sent. It has no column. */
  readonly master: 0x8000000;
  /** SCTP detail was sent. It has no column. */
  readonly sctp: 0x10000000;
  /** DCCP detail was sent. It has no column. */
  readonly dccp: 0x20000000;
  /** `timestampEvent` was sent. */
  readonly timestampEvent: 0x40000000;
  /** Attributes were sent that the package has no name for. They have no column. */
  readonly unknown: 0x80000000;
}

/** The bits of the column `presence`, by what the kernel sent. */
export const presenceBits: PresenceBits = has;

/** The bits of the column `presenceMore`, which goes on where `presence` is full. */
export interface PresenceMoreBits extends Readonly<Record<keyof typeof hasMore, number>> {
  /** Data of a helper was sent (CTA_HELP_INFO). It has no column. */
  readonly helperInfo: 0x1;
}

/** The bits of the column `presenceMore`, by what the kernel sent. */
export const presenceMoreBits: PresenceMoreBits = hasMore;

// What a flow is: the types of its fields, and what writing does with each of them. This is the one list of the
// fields of a flow. A field that only one half of it has does not compile.
import type { Family, FlowState, Protocol, StatusName, TcpFlagName } from '../../constants.js';

/** An address with or without a port. */
export interface Endpoint {
  /** The address as text. */
  readonly address: string;
  /** The port, 0 to 65535; for GRE, the key. Absent for protocols without ports. */
  readonly port?: number;
}

/** A value for each direction of a flow. */
export interface BothDirections<T> {
  /** Of the original direction: that of the flow's first packet. */
  readonly orig: T;
  /** Of the reply direction. */
  readonly reply: T;
}

/** One direction of a flow. */
export interface FlowSide {
  /** Source address as text. */
  readonly src: string;
  /** Destination address as text. */
  readonly dst: string;
  /** Source port of TCP, UDP, UDPLITE, SCTP and DCCP; the source key of GRE. */
  readonly srcPort?: number | undefined;
  /** Destination port of TCP, UDP, UDPLITE, SCTP and DCCP; the destination key of GRE. */
  readonly dstPort?: number | undefined;
  /** CTA_PROTO_ICMP_TYPE, CTA_PROTO_ICMPV6_TYPE — the type of ICMP and ICMPv6, 0 to 255: 8 is an echo request. */
  readonly icmpType?: number | undefined;
  /** CTA_PROTO_ICMP_CODE, CTA_PROTO_ICMPV6_CODE — the code of ICMP and ICMPv6, 0 to 255. */
  readonly icmpCode?: number | undefined;
  /** CTA_PROTO_ICMP_ID, CTA_PROTO_ICMPV6_ID — the id of ICMP and ICMPv6 queries, 0 to 65535. */
  readonly icmpId?: number | undefined;
  /** CTA_TUPLE_ZONE — the zone of this direction alone (kernel 4.3). */
  readonly zone?: number | undefined;
  /** CTA_COUNTERS_PACKETS — absent unless `nf_conntrack_acct` was 1 when the flow was made. */
  readonly packets?: bigint | undefined;
  /** CTA_COUNTERS_BYTES — bytes of the IP packets; absent as `packets` is. */
  readonly bytes?: bigint | undefined;
}

/** TCP detail of CTA_PROTOINFO_TCP. */
export interface FlowTcp {
  /** CTA_PROTOINFO_TCP_WSCALE_* — window scale by direction, 0 to 14 (RFC 7323). */
  readonly wscale?: BothDirections<number>;
  /** CTA_PROTOINFO_TCP_FLAGS_* — names of the set flags by direction. */
  readonly flags?: BothDirections<readonly TcpFlagName[]>;
  /** CTA_PROTOINFO_TCP_FLAGS_* — the same as IP_CT_TCP_FLAG_* bits (nf_conntrack_tcp.h). */
  readonly flagBits?: BothDirections<number>;
}

/** SCTP detail of CTA_PROTOINFO_SCTP. */
export interface FlowSctp {
  /** CTA_PROTOINFO_SCTP_VTAG_* — verification tags, of 32 bits. */
  readonly vtag: BothDirections<number>;
}

/** DCCP detail of CTA_PROTOINFO_DCCP (tracking of DCCP was removed in kernel 6.17). */
export interface FlowDccp {
  /** CT_DCCP_ROLE_*: 0 client, 1 server. */
  readonly role: number;
  /** CTA_PROTOINFO_DCCP_HANDSHAKE_SEQ — the sequence number of the handshake. */
  readonly handshakeSeq?: bigint;
}

/** CTA_SEQ_ADJ_* — TCP sequence adjustment of one direction. */
export interface SeqAdj {
  /** CTA_SEQADJ_CORRECTION_POS — the sequence number from which on `offsetAfter` counts. */
  readonly correctionPos: number;
  /** CTA_SEQADJ_OFFSET_BEFORE — bytes that are added to sequence numbers before that place; signed. */
  readonly offsetBefore: number;
  /** CTA_SEQADJ_OFFSET_AFTER — bytes that are added to sequence numbers after that place; signed. */
  readonly offsetAfter: number;
}

/** Sequence adjustment of the directions that have one. */
export interface FlowSeqAdj {
  /** CTA_SEQ_ADJ_ORIG — of the original direction. */
  readonly orig?: SeqAdj;
  /** CTA_SEQ_ADJ_REPLY — of the reply direction. */
  readonly reply?: SeqAdj;
}

/** The ends of a flow that are translated. */
export interface FlowNat {
  /** What the source became: the destination of the reply. */
  readonly src?: Endpoint;
  /** What the destination became: the source of the reply. */
  readonly dst?: Endpoint;
}

/** An attribute of a flow that the package has no name for. */
export interface UnknownAttribute {
  /** Its number (`CTA_*`), without the flags of netlink. */
  readonly type: number;
  /** Its payload as the kernel sent it. */
  readonly data: Uint8Array;
}

/**
 * CTA_SYNPROXY — state of a proxied handshake (kernel 4.16). Absent when all of it is 0. It is 0 in every flow that
 * was made over netlink.
 */
export interface Synproxy {
  /** CTA_SYNPROXY_ISN — the initial sequence number that the client was given. */
  readonly isn: number;
  /** CTA_SYNPROXY_ITS — the initial time stamp. */
  readonly its: number;
  /** CTA_SYNPROXY_TSOFF — what is added to time stamps. */
  readonly tsoff: number;
}

/** CTA_TUPLE_MASTER — the original tuple of the flow that expected this one. */
export interface FlowMaster {
  /** The protocol by name, or by its number where the package has no name for it. */
  readonly protocol: Protocol;
  /** Source address as text. */
  readonly src: string;
  /** Destination address as text. */
  readonly dst: string;
  /** Source port. Absent for protocols without ports. */
  readonly srcPort?: number;
  /** Destination port. Absent for protocols without ports. */
  readonly dstPort?: number;
}

/** A flow as plain data: what `toArray()` and `toObject()` give, and what `create` takes back. */
export interface FlowObject {
  /**
   * CTA_ID — the number that `conntrack -L -o id` shows. It means nothing by itself, and stays the same for the
   * life of the entry (kernel 5.3).
   */
  readonly id?: number;
  /** The family of the addresses. */
  readonly family: Family;
  /** The protocol by name, or by its number where the package has no name for it. */
  readonly protocol: Protocol;
  /** CTA_PROTO_NUM — the number of the protocol, 0 to 255. */
  readonly protocolNumber: number;
  /** CTA_TUPLE_ORIG — the direction of the first packet. */
  readonly orig: FlowSide;
  /** CTA_TUPLE_REPLY — the direction of the answers, as they arrive here: NAT shows in it. */
  readonly reply: FlowSide;
  /** Names of the set bits of CTA_STATUS. */
  readonly status: readonly StatusName[];
  /** CTA_STATUS — `IPS_*` bits. */
  readonly statusBits: number;
  /** TCP, SCTP or DCCP state as conntrack(8) prints it. */
  readonly state?: FlowState;
  /** CTA_TIMEOUT — seconds left; absent for offloaded flows. */
  readonly timeout?: number;
  /** CTA_MARK — connmark, 0 where none was set. */
  readonly mark: number;
  /** CTA_ZONE — 0 where the kernel sends none. */
  readonly zone: number;
  /** CTA_USE — reference count. */
  readonly use?: number;
  /** CTA_HELP_NAME — name of the helper. */
  readonly helper?: string;
  /** CTA_LABELS — numbers of the set labels. */
  readonly labels?: readonly number[];
  /** CTA_SECCTX_NAME — security context. */
  readonly secctx?: string;
  /** CTA_TIMESTAMP_START — nanoseconds since the epoch; needs `nf_conntrack_timestamp` = 1. */
  readonly start?: bigint;
  /** CTA_TIMESTAMP_STOP — nanoseconds since the epoch, of ended flows. */
  readonly stop?: bigint;
  /** How the flow is translated, as its two tuples show it: addresses, ports and ICMP ids. */
  readonly nat?: FlowNat;
  /** CTA_PROTOINFO_TCP — of TCP: window scales and flags. */
  readonly tcp?: FlowTcp;
  /** CTA_PROTOINFO_SCTP — of SCTP: verification tags. */
  readonly sctp?: FlowSctp;
  /** CTA_PROTOINFO_DCCP — of DCCP: role and handshake. */
  readonly dccp?: FlowDccp;
  /** CTA_SEQ_ADJ_* — what a helper or NAT adds to TCP sequence numbers. */
  readonly seqAdj?: FlowSeqAdj;
  /** CTA_SYNPROXY — state of a proxied handshake (kernel 4.16). */
  readonly synproxy?: Synproxy;
  /** CTA_TUPLE_MASTER — the original tuple of the flow that expected this one. */
  readonly master?: FlowMaster;
  /** Attributes of a newer kernel that the package has no name for. */
  readonly unknown?: readonly UnknownAttribute[];
}

/** A flow that is being put together. */
export type FlowDraft = { -readonly [Name in keyof FlowObject]: FlowObject[Name] };

/**
 * What writing does with a field of a flow.
 * `'key'`: it says which flow is meant.
 * `'create'`: only a new flow takes it.
 * `'both'`: a new flow and a change take it, each in a form of its own.
 * `'state'`: a new flow and a change take it in the same form (see `FlowWritable`).
 * `'read'`: the kernel alone sets it. It may be there, so that a flow that was read can be written.
 */
type FieldUse = 'key' | 'create' | 'both' | 'state' | 'read';

const fieldUse: Readonly<Record<keyof FlowObject, FieldUse>> = {
  family: 'key',
  protocol: 'key',
  orig: 'key',
  reply: 'key',
  zone: 'key',
  mark: 'both',
  status: 'both',
  labels: 'both',
  nat: 'create',
  master: 'create',
  timeout: 'state',
  state: 'state',
  helper: 'state',
  tcp: 'state',
  sctp: 'state',
  dccp: 'state',
  seqAdj: 'state',
  synproxy: 'state',
  id: 'read',
  protocolNumber: 'read',
  statusBits: 'read',
  use: 'read',
  secctx: 'read',
  start: 'read',
  stop: 'read',
  unknown: 'read',
};

/** The names of all fields of a flow. */
export const flowFields = Object.keys(fieldUse) as (keyof FlowObject)[];

/** The names of the fields with one of these uses. */
export const fieldsFor = (...uses: FieldUse[]): (keyof FlowObject)[] =>
  flowFields.filter((name) => uses.includes(fieldUse[name]));

// What a flow is: the types of its fields, and what writing does with each of them. This is the one list of the
// fields of a flow. A field that only one half of it has does not compile.
import type { Family, Protocol, StatusName } from '../../constants.js';

/** An address with or without a port. */
export interface Endpoint {
  address: string;
  port?: number;
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
  /** ICMP and ICMPv6 only. */
  readonly icmpType?: number | undefined;
  readonly icmpCode?: number | undefined;
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
  /** CTA_PROTOINFO_TCP_WSCALE_* — window scale by direction. */
  readonly wscale?: { readonly orig: number; readonly reply: number };
  /** CTA_PROTOINFO_TCP_FLAGS_* — IP_CT_TCP_FLAG_* bits by direction (nf_conntrack_tcp.h). */
  readonly flags?: { readonly orig: number; readonly reply: number };
}

/** SCTP detail of CTA_PROTOINFO_SCTP. */
export interface FlowSctp {
  /** CTA_PROTOINFO_SCTP_VTAG_* — verification tags. */
  readonly vtag: { readonly orig: number; readonly reply: number };
}

/** DCCP detail of CTA_PROTOINFO_DCCP (tracking of DCCP was removed in kernel 6.17). */
export interface FlowDccp {
  /** CT_DCCP_ROLE_*: 0 client, 1 server. */
  readonly role: number;
  readonly handshakeSeq?: bigint;
}

/** CTA_SEQ_ADJ_* — TCP sequence adjustment of one direction. */
export interface SeqAdj {
  readonly correctionPos: number;
  readonly offsetBefore: number;
  readonly offsetAfter: number;
}

/**
 * CTA_SYNPROXY — state of a proxied handshake (kernel 4.16). Absent when all of it is 0. It is 0 in every flow that
 * was made over netlink.
 */
export interface Synproxy {
  readonly isn: number;
  readonly its: number;
  readonly tsoff: number;
}

/** CTA_TUPLE_MASTER — the original tuple of the flow that expected this one. */
export interface FlowMaster {
  readonly protocol: Protocol;
  readonly src: string;
  readonly dst: string;
  readonly srcPort?: number;
  readonly dstPort?: number;
}

/** A flow as plain data: what `toArray()` and `toObject()` give, and what `create` takes back. */
export interface FlowObject {
  /**
   * CTA_ID — the number that `conntrack -L -o id` shows. It means nothing by itself, and stays the same for the
   * life of the entry (kernel 5.3).
   */
  id?: number;
  family: Family;
  protocol: Protocol;
  protocolNumber: number;
  orig: FlowSide;
  reply: FlowSide;
  /** Names of the set bits of CTA_STATUS. */
  status: readonly StatusName[];
  /** CTA_STATUS — `IPS_*` bits. */
  statusBits: number;
  /** TCP, SCTP or DCCP state as conntrack(8) prints it. */
  state?: string;
  /** CTA_TIMEOUT — seconds left; absent for offloaded flows. */
  timeout?: number;
  /** CTA_MARK — connmark, 0 where none was set. */
  mark: number;
  /** CTA_ZONE — 0 where the kernel sends none. */
  zone: number;
  /** CTA_USE — reference count. */
  use?: number;
  /** CTA_HELP_NAME — name of the helper. */
  helper?: string;
  /** CTA_LABELS — numbers of the set labels. */
  labels?: readonly number[];
  /** CTA_SECCTX_NAME — security context. */
  secctx?: string;
  /** CTA_TIMESTAMP_START — nanoseconds since the epoch; needs `nf_conntrack_timestamp` = 1. */
  start?: bigint;
  /** CTA_TIMESTAMP_STOP — nanoseconds since the epoch, of ended flows. */
  stop?: bigint;
  /** How the flow is translated, as its two tuples show it: addresses, ports and ICMP ids. */
  nat?: { src?: Endpoint; dst?: Endpoint };
  tcp?: FlowTcp;
  sctp?: FlowSctp;
  dccp?: FlowDccp;
  seqAdj?: { orig?: SeqAdj; reply?: SeqAdj };
  synproxy?: Synproxy;
  master?: FlowMaster;
  /** Attributes of a newer kernel that the package has no name for. */
  unknown?: readonly { type: number; data: Uint8Array }[];
}

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

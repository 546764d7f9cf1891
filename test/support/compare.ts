// A flow of the package in the form of the oracles, so that the same comparison works with each of them. It uses only
// the public fields of a flow.
import type { Flow, FlowObject, FlowSide } from '../../src/index.js';
import type { OracleFlow, OracleSide } from './conntrack-oracle.js';
import type { NfctAttributes } from './nfct-oracle.js';

/** `JSON.stringify` with sorted keys and bigints: equal texts mean equal values. */
export function canonical(value: unknown): string {
  return JSON.stringify(value, (_, part) => {
    if (typeof part === 'bigint') return `${part}n`;
    if (part instanceof Uint8Array) return Buffer.from(part).toString('hex');
    if (typeof part !== 'object' || part === null || Array.isArray(part)) return part;
    return Object.fromEntries(
      Object.entries(part as object)
        .filter(([, field]) => field !== undefined)
        .sort(([a], [b]) => (a < b ? -1 : 1)),
    );
  });
}

/** The identity of a flow. The kernel's id alone is a hash of 32 bits, and two flows can have the same. */
export function identity(flow: {
  id?: number | undefined;
  protocol?: unknown;
  protocolNumber?: number;
  zone?: number | undefined;
  orig: { src: string; dst: string; srcPort?: number | undefined; icmpId?: number | undefined };
}): string {
  const { id, protocol, protocolNumber, zone, orig } = flow;
  const { src, dst, srcPort, icmpId } = orig;
  return [id, protocolNumber ?? protocol, zone ?? 0, src, dst, srcPort ?? icmpId].join(' ');
}

function present<T extends object>(value: Record<string, unknown>): T {
  return Object.fromEntries(Object.entries(value).filter(([, field]) => field !== undefined)) as T;
}

// Protocols for which libnetfilter_conntrack has a name (proto2str of its internal.h).
const printedNames: Record<number, string> = {
  ...{ 1: 'icmp', 6: 'tcp', 17: 'udp', 33: 'dccp', 47: 'gre', 58: 'icmpv6', 132: 'sctp' },
  136: 'udplite',
};

function oracleSide(side: FlowSide): OracleSide {
  const { src, dst, srcPort, dstPort, icmpType, icmpCode, icmpId, zone, packets, bytes } = side;
  return present<OracleSide>({
    ...{ src, dst, srcPort, dstPort, icmpType, icmpCode, icmpId, zone, packets, bytes },
  });
}

/** ctime(3) without its newline, in the local time zone. */
export function ctime(nanoseconds: bigint): string {
  const date = new Date(Number(nanoseconds / 1_000_000_000n) * 1000);
  const days = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'];
  const months = 'Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec'.split(' ');
  const two = (number: number) => String(number).padStart(2, '0');
  const time = [date.getHours(), date.getMinutes(), date.getSeconds()].map(two).join(':');
  const day = String(date.getDate()).padStart(2, ' ');
  return `${days[date.getDay()]} ${months[date.getMonth()]} ${day} ${time} ${date.getFullYear()}`;
}

/** The flow as conntrack(8) prints it with `-o id,extended,ktimestamp,labels`, without its delta-time. */
export function oracleFlow(flow: Flow): OracleFlow {
  const flags: string[] = [];
  const status = flow.status;
  if (!status.includes('seen_reply')) flags.push('UNREPLIED');
  if (status.includes('hw_offload')) flags.push('HW_OFFLOAD');
  else if (status.includes('offload')) flags.push('OFFLOAD');
  else if (status.includes('assured')) flags.push('ASSURED');
  return present<OracleFlow>({
    family: flow.family,
    protocol: flow.protocolNumber,
    protocolName: printedNames[flow.protocolNumber] ?? 'unknown',
    timeout: flow.timeout,
    state: flow.state,
    orig: oracleSide(flow.orig),
    reply: oracleSide(flow.reply),
    flags,
    mark: flow.mark,
    zone: flow.zone === 0 ? undefined : flow.zone,
    use: flow.use,
    id: flow.id,
    helper: flow.helper,
    labels: flow.labels === undefined ? undefined : [...flow.labels],
    secctx: flow.secctx,
    start: flow.start === undefined ? undefined : ctime(flow.start),
    stop: flow.stop === undefined ? undefined : ctime(flow.stop),
  });
}

const tcpStates =
  'NONE SYN_SENT SYN_RECV ESTABLISHED FIN_WAIT CLOSE_WAIT LAST_ACK TIME_WAIT CLOSE SYN_SENT2'.split(
    ' ',
  );
const sctpStates =
  'NONE CLOSED COOKIE_WAIT COOKIE_ECHOED ESTABLISHED SHUTDOWN_SENT SHUTDOWN_RECD SHUTDOWN_ACK_SENT HEARTBEAT_SENT HEARTBEAT_ACKED'.split(
    ' ',
  );

const dccpStates =
  'NONE REQUEST RESPOND PARTOPEN OPEN CLOSEREQ CLOSING TIMEWAIT IGNORE INVALID'.split(' ');

function sideAttributes(
  side: FlowSide,
  direction: 'orig' | 'repl',
  flow: FlowObject,
): Record<string, unknown> {
  const ip = flow.family === 'ipv4' ? 'ipv4' : 'ipv6';
  return {
    [`${direction}_${ip}_src`]: side.src,
    [`${direction}_${ip}_dst`]: side.dst,
    [`${direction}_port_src`]: side.srcPort,
    [`${direction}_port_dst`]: side.dstPort,
    [`${direction}_l3proto`]: flow.family === 'ipv4' ? 2 : 10,
    [`${direction}_l4proto`]: flow.protocolNumber,
    [`${direction}_zone`]: side.zone,
    [`${direction}_counter_packets`]: side.packets,
    [`${direction}_counter_bytes`]: side.bytes,
  };
}

/**
 * The flow as attributes of libnetfilter_conntrack. The library has the ICMP numbers of only the original direction.
 * It shows empty synproxy values, and derives no values.
 */
export function nfctAttributes(flow: FlowObject): NfctAttributes {
  const { tcp, sctp, dccp, seqAdj, synproxy, master } = flow;
  const states = { 6: tcpStates, 132: sctpStates, 33: dccpStates }[flow.protocolNumber] ?? [];
  const state = flow.state === undefined ? undefined : states.indexOf(flow.state);
  const ip = flow.family === 'ipv4' ? 'ipv4' : 'ipv6';
  const adjust = (direction: 'orig' | 'repl', side: 'orig' | 'reply') => ({
    [`${direction}_nat_seq_correction_pos`]: seqAdj?.[side]?.correctionPos,
    [`${direction}_nat_seq_offset_before`]: unsigned(seqAdj?.[side]?.offsetBefore),
    [`${direction}_nat_seq_offset_after`]: unsigned(seqAdj?.[side]?.offsetAfter),
  });
  return present<NfctAttributes>({
    ...sideAttributes(flow.orig, 'orig', flow),
    ...sideAttributes(flow.reply, 'repl', flow),
    icmp_type: flow.orig.icmpType,
    icmp_code: flow.orig.icmpCode,
    icmp_id: flow.orig.icmpId,
    tcp_state: flow.protocolNumber === 6 ? state : undefined,
    tcp_flags_orig: tcp?.flagBits?.orig,
    tcp_flags_repl: tcp?.flagBits?.reply,
    tcp_wscale_orig: tcp?.wscale?.orig,
    tcp_wscale_repl: tcp?.wscale?.reply,
    sctp_state: flow.protocolNumber === 132 ? state : undefined,
    dccp_state: flow.protocolNumber === 33 ? state : undefined,
    dccp_role: dccp?.role,
    dccp_handshake_seq: dccp?.handshakeSeq,
    sctp_vtag_orig: sctp?.vtag.orig,
    sctp_vtag_repl: sctp?.vtag.reply,
    timeout: flow.timeout,
    mark: flow.mark,
    use: flow.use,
    id: flow.id,
    status: flow.statusBits,
    zone: flow.zone === 0 ? undefined : flow.zone,
    helper_name: flow.helper,
    connlabels: flow.labels,
    secctx: flow.secctx,
    timestamp_start: flow.start,
    timestamp_stop: flow.stop,
    ...adjust('orig', 'orig'),
    ...adjust('repl', 'reply'),
    synproxy_isn: synproxy?.isn,
    synproxy_its: synproxy?.its,
    synproxy_tsoff: synproxy?.tsoff,
    [`master_${ip}_src`]: master?.src,
    [`master_${ip}_dst`]: master?.dst,
    master_port_src: master?.srcPort,
    master_port_dst: master?.dstPort,
    master_l3proto: master === undefined ? undefined : flow.family === 'ipv4' ? 2 : 10,
    master_l4proto: master === undefined ? undefined : masterNumber(master.protocol),
  });
}

function unsigned(offset: number | undefined): number | undefined {
  return offset === undefined ? undefined : offset >>> 0;
}

function masterNumber(protocol: string | number): number {
  if (typeof protocol === 'number') return protocol;
  return ({ tcp: 6, udp: 17, sctp: 132, gre: 47, udplite: 136, dccp: 33 } as const)[
    protocol as 'tcp'
  ];
}

/**
 * The library's attributes, without meaningless ones. Masks of flags have a meaning only in a write. For flows made
 * over netlink the kernel sends synproxy values of 0 even if there are none.
 */
export function meaningful(attributes: NfctAttributes): NfctAttributes {
  const { tcp_mask_orig, tcp_mask_repl, synproxy_isn, synproxy_its, synproxy_tsoff, ...rest } =
    attributes;
  if ((tcp_mask_orig ?? 0) !== 0 || (tcp_mask_repl ?? 0) !== 0) throw new Error('a mask was sent');
  if (!synproxy_isn && !synproxy_its && !synproxy_tsoff) return rest;
  return present<NfctAttributes>({ ...rest, synproxy_isn, synproxy_its, synproxy_tsoff });
}

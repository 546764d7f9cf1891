// Names and numbers of the kernel that several parts share: families, protocols, status bits and
// protocol states. Pure data; sources are the uapi headers named at each table.

/** `'ipv4'` (AF_INET, 2) or `'ipv6'` (AF_INET6, 10). */
export type Family = 'ipv4' | 'ipv6';

export const AF_INET = 2;
export const AF_INET6 = 10;

/** Protocols that the package knows by name (linux/in.h); any other is its number. */
export const protocolNumbers = {
  icmp: 1,
  igmp: 2,
  tcp: 6,
  udp: 17,
  dccp: 33,
  gre: 47,
  esp: 50,
  ah: 51,
  icmpv6: 58,
  sctp: 132,
  udplite: 136,
} as const;

/** The name of a protocol, as `IPPROTO_*` of linux/in.h in lower case. */
export type ProtocolName = keyof typeof protocolNumbers;

/** A protocol by name, or by its number (0–255) where the package has no name for it. */
export type Protocol = ProtocolName | number;

// An array and not a Map: every flow that is read asks.
const protocolNames = Array.from({ length: 256 }, (_, number): Protocol => number);
for (const [name, number] of Object.entries(protocolNumbers)) {
  protocolNames[number] = name as ProtocolName;
}

/** `'tcp'` for 6; the number itself where there is no name. */
export function protocolName(number: number): Protocol {
  return protocolNames[number] ?? number;
}

/** Protocols whose tuples have ports (GRE: its keys) in the kernel's table. */
export function protocolHasPorts(number: number): boolean {
  switch (number) {
    case 6:
    case 17:
    case 33:
    case 47:
    case 132:
    case 136:
      return true;
    default:
      return false;
  }
}

/**
 * Whether a tuple of this protocol is to have ports. DCCP has been tracked by its number alone since kernel
 * 6.17 (fd72f265bb00), which sends and takes no ports for it: there they may be left out.
 */
export function tupleHasPorts(
  protocol: number,
  side: { srcPort?: unknown; dstPort?: unknown },
): boolean {
  const bare = side.srcPort === undefined && side.dstPort === undefined;
  return protocolHasPorts(protocol) && !(bare && protocol === protocolNumbers.dccp);
}

export function protocolIsIcmp(number: number): boolean {
  return number === 1 || number === 58;
}

/** `IPS_*` bits by position (linux/netfilter/nf_conntrack_common.h). */
export const statusNames = [
  'expected',
  'seen_reply',
  'assured',
  'confirmed',
  'src_nat',
  'dst_nat',
  'seq_adjust',
  'src_nat_done',
  'dst_nat_done',
  'dying',
  'fixed_timeout',
  'template',
  'nat_clash',
  'helper',
  'offload',
  'hw_offload',
] as const;

/**
 * A status bit of a flow, named as the kernel's `IPS_` constant is, in lower case. `'seen_reply'`: packets came in both
 * directions. `'assured'`: a full table does not make room by this flow. `'dying'`: the flow has ended.
 */
export type StatusName = (typeof statusNames)[number];

export const statusBits: Readonly<Record<StatusName, number>> = Object.fromEntries(
  statusNames.map((name, bit) => [name, 2 ** bit]),
) as Record<StatusName, number>;

/** `TCP_CONNTRACK_*` by number, as conntrack(8) prints them (nf_conntrack_tcp.h). */
export const tcpStates = [
  'NONE',
  'SYN_SENT',
  'SYN_RECV',
  'ESTABLISHED',
  'FIN_WAIT',
  'CLOSE_WAIT',
  'LAST_ACK',
  'TIME_WAIT',
  'CLOSE',
  'SYN_SENT2',
] as const;

/** `SCTP_CONNTRACK_*` by number (nf_conntrack_sctp.h). */
export const sctpStates = [
  'NONE',
  'CLOSED',
  'COOKIE_WAIT',
  'COOKIE_ECHOED',
  'ESTABLISHED',
  'SHUTDOWN_SENT',
  'SHUTDOWN_RECD',
  'SHUTDOWN_ACK_SENT',
  'HEARTBEAT_SENT',
  'HEARTBEAT_ACKED',
] as const;

/** `CT_DCCP_*` by number (nf_conntrack_dccp.h; tracking of DCCP was removed in kernel 6.17). */
export const dccpStates = [
  'NONE',
  'REQUEST',
  'RESPOND',
  'PARTOPEN',
  'OPEN',
  'CLOSEREQ',
  'CLOSING',
  'TIMEWAIT',
  'IGNORE',
  'INVALID',
] as const;

/** A state of a TCP flow (`TCP_CONNTRACK_*`). */
export type TcpState = (typeof tcpStates)[number];
/** A state of an SCTP flow (`SCTP_CONNTRACK_*`). */
export type SctpState = (typeof sctpStates)[number];
/** A state of a DCCP flow (`CT_DCCP_*`). Kernels since 6.17 track no states of DCCP. */
export type DccpState = (typeof dccpStates)[number];
/** The name of a state, as conntrack(8) prints it. Protocols share some of the names. */
export type StateName = TcpState | SctpState | DccpState;
/** The state of a flow that was read: `'STATE_12'` is number 12, for which the package has no name. */
export type FlowState = StateName | `STATE_${number}`;
/**
 * A state to look for or to set. `'LISTEN'` is the old name of TCP's SYN_SENT2. A state without a name (`'STATE_12'`),
 * which a flow that was read may have, is refused.
 */
export type WantedState = FlowState | 'LISTEN';

/** The names of the states of a protocol by number; undefined for a protocol without states. */
export function stateNames(protocol: number): readonly StateName[] | undefined {
  if (protocol === protocolNumbers.tcp) return tcpStates;
  if (protocol === protocolNumbers.sctp) return sctpStates;
  if (protocol === protocolNumbers.dccp) return dccpStates;
  return undefined;
}

/** Names of states that an older kernel had: conntrack(8) takes `LISTEN` for what is SYN_SENT2 since 2.6.31. */
export const stateAliases: ReadonlyMap<unknown, StateName> = new Map([['LISTEN', 'SYN_SENT2']]);

/** Every state by name, as a mask of state numbers per protocol: a name may be a state of several. */
export const statesByName: ReadonlyMap<string, { tcp: number; sctp: number; dccp: number }> =
  (() => {
    const masks = new Map<string, { tcp: number; sctp: number; dccp: number }>();
    const kinds = [
      ['tcp', tcpStates],
      ['sctp', sctpStates],
      ['dccp', dccpStates],
    ] as const;
    for (const [protocol, states] of kinds) {
      states.forEach((name, number) => {
        const mask = masks.get(name) ?? { tcp: 0, sctp: 0, dccp: 0 };
        mask[protocol] |= 2 ** number;
        masks.set(name, mask);
      });
    }
    return masks;
  })();

/**
 * TCP flags of the kernel's tracker in the order of their bits (IP_CT_TCP_FLAG_* and their like,
 * linux/netfilter/nf_conntrack_tcp.h).
 */
export const tcpFlagNames = [
  ...(['window_scale', 'sack_perm', 'close_init', 'be_liberal'] as const),
  ...(['data_unacknowledged', 'maxack_set', 'challenge_ack', 'simultaneous_open'] as const),
] as const;

/**
 * The name of a TCP flag of a flow: `IP_CT_TCP_FLAG_*` of linux/netfilter/nf_conntrack_tcp.h in lower case.
 * `be_liberal`: segments outside the window are not INVALID.
 */
export type TcpFlagName = (typeof tcpFlagNames)[number];

/** The bit of each TCP flag. */
export const tcpFlagBits = Object.fromEntries(
  tcpFlagNames.map((name, bit) => [name, 2 ** bit]),
) as Readonly<Record<TcpFlagName, number>>;

const tcpFlagLists = Array.from({ length: 256 }, (_, bits) =>
  Object.freeze(tcpFlagNames.filter((_, bit) => (bits >>> bit) & 1)),
);

/** Names of the set bits, frozen: flows share them. */
export function tcpFlagsOf(bits: number): readonly TcpFlagName[] {
  return tcpFlagLists[bits]!;
}

// A table has a dozen different status words.
const statusCache = new Map<number, readonly StatusName[]>();

/** Names of the set status bits, frozen: flows share them. Bits without a name are left out. */
export function statusOf(bits: number): readonly StatusName[] {
  let names = statusCache.get(bits);
  if (names === undefined) {
    names = Object.freeze(statusNames.filter((_, bit) => (bits >>> bit) & 1));
    if (statusCache.size < 256) statusCache.set(bits, names);
  }
  return names;
}

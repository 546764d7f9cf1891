// The timeout of a flow that was read without one: the kernel sends none for an offloaded flow
// (nf_conntrack_netlink.c, ctnetlink_dump_info). These are the kernel's own defaults, in seconds, by protocol and
// state.
import { protocolNumbers, statusBits } from '../../constants.js';

/** nf_conntrack_proto_tcp.c, tcp_timeouts: by the number of the state. */
const tcp = [120, 120, 60, 432_000, 120, 60, 30, 120, 10, 120];
/** nf_conntrack_proto_sctp.c, sctp_timeouts. */
const sctp = [10, 10, 3, 3, 210, 3, 3, 3, 30, 210];
/** nf_conntrack_proto_dccp.c of the kernels that have it (before 6.17). */
const dccp = [240, 240, 480, 480, 43_200, 64, 64, 240, 240, 240];
/** nf_conntrack_proto_udp.c and nf_conntrack_proto_gre.c: before an answer, and after it. */
const pairs = new Map<number, readonly [number, number]>([
  [protocolNumbers.udp, [30, 120]],
  [protocolNumbers.udplite, [30, 120]],
  [protocolNumbers.gre, [30, 180]],
]);
const icmp = 30;
const generic = 600;
const established = { tcp: 3, sctp: 4, dccp: 4 } as const;

/** Whether the kernel has handed a flow to a flow table. It does so with TCP only when it is established. */
export const offloaded = (status: number): boolean =>
  (status & (statusBits.offload | statusBits.hw_offload)) !== 0;

/** The kernel's default for a flow with this protocol, this state (if it has one) and these status bits. */
export function defaultTimeout(
  protocol: number,
  state: number | undefined,
  status: number,
): number {
  // A flow that is offloaded or assured has been answered.
  const answered =
    offloaded(status) || (status & (statusBits.assured | statusBits.seen_reply)) !== 0;
  const byState = (timeouts: readonly number[], full: number) =>
    timeouts[state ?? (answered ? full : 1)] ?? generic;
  if (protocol === protocolNumbers.tcp) return byState(tcp, established.tcp);
  if (protocol === protocolNumbers.sctp) return byState(sctp, established.sctp);
  if (protocol === protocolNumbers.dccp) return byState(dccp, established.dccp);
  if (protocol === protocolNumbers.icmp || protocol === protocolNumbers.icmpv6) return icmp;
  const pair = pairs.get(protocol);
  return pair === undefined ? generic : pair[answered ? 1 : 0];
}

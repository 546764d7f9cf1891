// libnetfilter_conntrack's parser as an oracle, in a child process, because it ends its process on a malformed
// attribute. See c/nfct-oracle.c. `oracleOf` converts its answer to the form of conntrack-oracle.ts, so that the same
// comparison works for both.
import { spawnSync } from 'node:child_process';
import { cProgram } from './c-program.js';
import type { OracleFlow, OracleSide } from './conntrack-oracle.js';
import { Netns } from './netns.js';
import { run } from './process.js';

/** Attributes with the library's names (ATTR_… in lower case). Unset attributes are absent. */
export type NfctAttributes = Partial<
  Record<NfctNumber, number> &
    Record<NfctBig, bigint> &
    Record<NfctText, string> & {
      /** Bit numbers. */
      connlabels: number[];
    }
>;

type Direction = 'orig' | 'repl';
type NfctNumber =
  | `${Direction}_${'port_src' | 'port_dst' | 'l3proto' | 'l4proto' | 'zone'}`
  | `${Direction}_nat_seq_${'correction_pos' | 'offset_before' | 'offset_after'}`
  | `tcp_${'flags' | 'mask' | 'wscale'}_${Direction}`
  | `sctp_vtag_${Direction}`
  | `icmp_${'type' | 'code' | 'id'}`
  | `master_${'port_src' | 'port_dst' | 'l3proto' | 'l4proto'}`
  | `synproxy_${'isn' | 'its' | 'tsoff'}`
  | `${'tcp' | 'sctp' | 'dccp'}_state`
  | 'dccp_role'
  | 'snat_port'
  | 'dnat_port'
  | 'timeout'
  | 'mark'
  | 'secmark'
  | 'use'
  | 'id'
  | 'status'
  | 'zone';
type NfctBig =
  | `${Direction}_counter_${'packets' | 'bytes'}`
  | 'dccp_handshake_seq'
  | 'timestamp_start'
  | 'timestamp_stop';
type NfctText =
  | `${Direction | 'master'}_ipv${4 | 6}_${'src' | 'dst'}`
  | `${'snat' | 'dnat'}_ipv${4 | 6}`
  | 'helper_name'
  | 'secctx';

export interface NfctMessage {
  /** Whether the library accepted the message. */
  parsed: boolean;
  /** nlmsg_type and nlmsg_flags. */
  type: number;
  flags: number;
  attributes: NfctAttributes;
  /** The whole message in hex, nlmsghdr included (`raw: true`). */
  raw?: string;
}

const program = () => cProgram('nfct-oracle', { libraries: ['netfilter_conntrack', 'mnl'] });

const big = /^(.*_counter_.*|timestamp_.*|dccp_handshake_seq)$/;

function readMessage(line: string): NfctMessage {
  return JSON.parse(line, (key, value) =>
    big.test(key) ? BigInt(value as string) : value,
  ) as NfctMessage;
}

const readLines = (text: string) => text.split('\n').filter(Boolean).map(readMessage);

/** Dumps the table. With `raw` it also returns the parsed bytes. */
export function nfctDump(
  options: { family?: 'ipv4' | 'ipv6'; raw?: boolean; netns?: Netns } = {},
): NfctMessage[] {
  const words = [program()];
  if (options.family !== undefined) words.push('--family', options.family === 'ipv4' ? '4' : '6');
  if (options.raw) words.push('--raw');
  return readLines(run((options.netns ?? Netns.current).argv(words)));
}

/**
 * Parses whole messages in hex, nlmsghdr included. `survived` is false if the library ended its process. Then
 * `messages` has the messages before.
 */
export function nfctParse(hex: readonly string[]): {
  messages: NfctMessage[];
  survived: boolean;
} {
  const result = spawnSync(program(), ['--hex'], {
    input: hex.map((line) => `${line}\n`).join(''),
    encoding: 'utf8',
    maxBuffer: 1 << 30,
  });
  if (result.error !== undefined) throw result.error;
  return { messages: readLines(result.stdout), survived: result.status === 0 };
}

// The names that libnetfilter_conntrack prints (snprintf_default.c, proto names and states).
const protocolNames: Record<number, string> = {
  1: 'icmp',
  6: 'tcp',
  17: 'udp',
  33: 'dccp',
  47: 'gre',
  58: 'icmpv6',
  132: 'sctp',
  136: 'udplite',
};
const tcpStates =
  'NONE SYN_SENT SYN_RECV ESTABLISHED FIN_WAIT CLOSE_WAIT LAST_ACK TIME_WAIT CLOSE SYN_SENT2'.split(
    ' ',
  );
const sctpStates =
  'NONE CLOSED COOKIE_WAIT COOKIE_ECHOED ESTABLISHED SHUTDOWN_SENT SHUTDOWN_RECD SHUTDOWN_ACK_SENT HEARTBEAT_SENT HEARTBEAT_ACKED'.split(
    ' ',
  );
const IPS_SEEN_REPLY = 1 << 1;
const IPS_ASSURED = 1 << 2;
const IPS_OFFLOAD = 1 << 14;
const IPS_HW_OFFLOAD = 1 << 15;

function optional<T extends object>(values: { [K in keyof T]: T[K] | undefined }): T {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as T;
}

function side(a: NfctAttributes, direction: Direction): OracleSide {
  return optional<OracleSide>({
    src: (a[`${direction}_ipv4_src`] ?? a[`${direction}_ipv6_src`])!,
    dst: (a[`${direction}_ipv4_dst`] ?? a[`${direction}_ipv6_dst`])!,
    srcPort: a[`${direction}_port_src`],
    dstPort: a[`${direction}_port_dst`],
    zone: a[`${direction}_zone`],
    packets: a[`${direction}_counter_packets`],
    bytes: a[`${direction}_counter_bytes`],
  });
}

/**
 * The message in the form of conntrack-oracle.ts, without times. The library keeps the ICMP type, code and id of only
 * the original direction, so `reply` has none.
 */
export function oracleOf(message: NfctMessage): OracleFlow {
  const a = message.attributes;
  const status = a.status ?? 0;
  const flags: string[] = [];
  if ((status & IPS_SEEN_REPLY) === 0) flags.push('UNREPLIED');
  if ((status & IPS_HW_OFFLOAD) !== 0) flags.push('HW_OFFLOAD');
  else if ((status & IPS_OFFLOAD) !== 0) flags.push('OFFLOAD');
  else if ((status & IPS_ASSURED) !== 0) flags.push('ASSURED');
  const state =
    a.tcp_state === undefined
      ? a.sctp_state === undefined
        ? undefined
        : sctpStates[a.sctp_state]
      : tcpStates[a.tcp_state];
  return optional<OracleFlow>({
    family: a.orig_l3proto === 10 ? 'ipv6' : 'ipv4',
    protocol: a.orig_l4proto!,
    protocolName: protocolNames[a.orig_l4proto!] ?? 'unknown',
    timeout: a.timeout,
    state,
    orig: optional<OracleSide>({
      ...side(a, 'orig'),
      icmpType: a.icmp_type,
      icmpCode: a.icmp_code,
      icmpId: a.icmp_id,
    }),
    reply: side(a, 'repl'),
    flags,
    mark: a.mark,
    zone: a.zone,
    use: a.use,
    id: a.id,
    helper: a.helper_name,
    labels: a.connlabels,
    secctx: a.secctx,
    secmark: a.secmark,
    start: undefined,
    stop: undefined,
    deltaTime: undefined,
    portid: undefined,
    progname: undefined,
  });
}

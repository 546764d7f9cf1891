// The limits, switches and timeouts of the table: the sysctls under net.netfilter, with types. They are read and
// written as the network namespace of a session shows them.

import { fieldsAt, objectAt } from '../../checks.js';
import { badRange, badType, fromNative, type NativeFailure } from '../../errors.js';
import type { NamespaceFiles } from './namespace-files.js';

/** Timeouts of TCP in seconds, `nf_conntrack_tcp_timeout_*`. */
export interface TcpTimeouts {
  /** A SYN was sent. Default 120. */
  readonly synSent?: number;
  /** The SYN was answered. Default 60. */
  readonly synRecv?: number;
  /** The connection is established. Default 432000, five days. */
  readonly established?: number;
  /** One side has sent a FIN. Default 120. */
  readonly finWait?: number;
  /** That FIN was acknowledged. Default 60. */
  readonly closeWait?: number;
  /** The other side has sent a FIN too. Default 30. */
  readonly lastAck?: number;
  /** Both sides have ended, and late segments may come. Default 120. */
  readonly timeWait?: number;
  /** The connection was reset. Default 10. */
  readonly close?: number;
  /** At most this long after `tcp.maxRetrans` retransmissions without an answer. Default 300. */
  readonly maxRetrans?: number;
  /** At most this long while sent data is not acknowledged. Default 300. */
  readonly unacknowledged?: number;
}

/** Timeouts in seconds of protocols that know only whether there was an answer. */
export interface ReplyTimeouts {
  /** Packets came in one direction only. */
  readonly unreplied?: number;
  /** Packets came in both directions. */
  readonly replied?: number;
}

/** Timeouts of SCTP in seconds, `nf_conntrack_sctp_timeout_*`. */
export interface SctpTimeouts {
  /** State CLOSED. */
  readonly closed?: number;
  /** State COOKIE_WAIT: an INIT was sent. */
  readonly cookieWait?: number;
  /** State COOKIE_ECHOED: the cookie was sent back. */
  readonly cookieEchoed?: number;
  /** State ESTABLISHED. */
  readonly established?: number;
  /** State SHUTDOWN_SENT: the client ends the association. */
  readonly shutdownSent?: number;
  /** State SHUTDOWN_RECD: the server ends the association. */
  readonly shutdownRecd?: number;
  /** State SHUTDOWN_ACK_SENT: the end was acknowledged. */
  readonly shutdownAckSent?: number;
  /** State HEARTBEAT_SENT: a further path of an association was probed. */
  readonly heartbeatSent?: number;
}

/** Timeouts of DCCP in seconds, `nf_conntrack_dccp_timeout_*`. Kernels since 6.17 have none. */
export interface DccpTimeouts {
  /** State REQUEST: the client has asked for a connection. */
  readonly request?: number;
  /** State RESPOND: the server has answered. */
  readonly respond?: number;
  /** State PARTOPEN: the client has acknowledged that. */
  readonly partopen?: number;
  /** State OPEN. */
  readonly open?: number;
  /** State CLOSEREQ: the server wants to end. */
  readonly closereq?: number;
  /** State CLOSING: one side ends. */
  readonly closing?: number;
  /** State TIMEWAIT: late packets may come. */
  readonly timewait?: number;
}

/** Timeouts in seconds by protocol and state. A timeout that this kernel does not have is absent. */
export interface ConntrackTimeouts {
  /** nf_conntrack_generic_timeout — protocols without a tracker of their own. */
  readonly generic?: number;
  /** nf_conntrack_icmp_timeout. */
  readonly icmp?: number;
  /** nf_conntrack_icmpv6_timeout. */
  readonly icmpv6?: number;
  /** TCP by state. */
  readonly tcp: TcpTimeouts;
  /** nf_conntrack_udp_timeout and nf_conntrack_udp_timeout_stream. */
  readonly udp: ReplyTimeouts;
  /** nf_conntrack_gre_timeout and nf_conntrack_gre_timeout_stream. */
  readonly gre: ReplyTimeouts;
  /** SCTP by state. */
  readonly sctp: SctpTimeouts;
  /** DCCP by state. */
  readonly dccp: DccpTimeouts;
}

/** How the tracking of TCP judges packets. */
export interface TcpSettings {
  /** nf_conntrack_tcp_loose — pick up established connections. */
  readonly loose?: boolean;
  /** nf_conntrack_tcp_be_liberal — only RST out of window is invalid. */
  readonly beLiberal?: boolean;
  /** nf_conntrack_tcp_ignore_invalid_rst — a RST out of window is no reason to call it invalid (5.14). */
  readonly ignoreInvalidRst?: boolean;
  /** nf_conntrack_tcp_max_retrans — retransmissions without an answer before the shorter timeout counts (0–255). */
  readonly maxRetrans?: number;
}

/** `net.netfilter.nf_conntrack_*`. What this kernel does not have is absent. */
export interface ConntrackSettings {
  /** nf_conntrack_max — entries that each namespace may have. Writable in the initial namespace only. */
  readonly max?: number;
  /** nf_conntrack_buckets — size of the hash table, shared by all namespaces; as `max`. */
  readonly buckets?: number;
  /** nf_conntrack_expect_max — expectations; as `max`. */
  readonly expectMax?: number;
  /** nf_conntrack_acct — count packets and bytes of flows made from now on. */
  readonly acct?: boolean;
  /** nf_conntrack_timestamp — record start and stop of flows made from now on. */
  readonly timestamp?: boolean;
  /**
   * nf_conntrack_events — 0: no events; 1: for every flow made from now on; 2 (default since 5.19): only
   * for flows made while something listens.
   */
  readonly events?: number;
  /** nf_conntrack_checksum — packets with bad checksums are invalid. */
  readonly checksum?: boolean;
  /** nf_conntrack_log_invalid — 0, a protocol number, or 255 for all. */
  readonly logInvalid?: number;
  /** How the tracking of TCP judges packets. */
  readonly tcp: TcpSettings;
  /** Seconds after which a flow without packets expires. */
  readonly timeouts: ConntrackTimeouts;
}

/** Every part optional, at every depth. */
export type DeepPartial<T> = T extends object ? { [K in keyof T]?: DeepPartial<T[K]> } : T;

type Kind = 'number' | 'boolean' | 'events' | 'u8';

const tcpTimeouts = {
  synSent: 'syn_sent',
  synRecv: 'syn_recv',
  established: 'established',
  finWait: 'fin_wait',
  closeWait: 'close_wait',
  lastAck: 'last_ack',
  timeWait: 'time_wait',
  close: 'close',
  maxRetrans: 'max_retrans',
  unacknowledged: 'unacknowledged',
};
const sctpTimeouts = {
  closed: 'closed',
  cookieWait: 'cookie_wait',
  cookieEchoed: 'cookie_echoed',
  established: 'established',
  shutdownSent: 'shutdown_sent',
  shutdownRecd: 'shutdown_recd',
  shutdownAckSent: 'shutdown_ack_sent',
  heartbeatSent: 'heartbeat_sent',
};
const dccpTimeouts = ['request', 'respond', 'partopen', 'open', 'closereq', 'closing', 'timewait'];

/** The path in ConntrackSettings, the sysctl without its prefix, and the kind of value. */
const table: readonly [path: string, sysctl: string, kind: Kind][] = [
  ['max', 'max', 'number'],
  ['buckets', 'buckets', 'number'],
  ['expectMax', 'expect_max', 'number'],
  ['acct', 'acct', 'boolean'],
  ['timestamp', 'timestamp', 'boolean'],
  ['events', 'events', 'events'],
  ['checksum', 'checksum', 'boolean'],
  ['logInvalid', 'log_invalid', 'u8'],
  ['tcp.loose', 'tcp_loose', 'boolean'],
  ['tcp.beLiberal', 'tcp_be_liberal', 'boolean'],
  ['tcp.ignoreInvalidRst', 'tcp_ignore_invalid_rst', 'boolean'],
  ['tcp.maxRetrans', 'tcp_max_retrans', 'u8'],
  ['timeouts.generic', 'generic_timeout', 'number'],
  ['timeouts.icmp', 'icmp_timeout', 'number'],
  ['timeouts.icmpv6', 'icmpv6_timeout', 'number'],
  ['timeouts.udp.unreplied', 'udp_timeout', 'number'],
  ['timeouts.udp.replied', 'udp_timeout_stream', 'number'],
  ['timeouts.gre.unreplied', 'gre_timeout', 'number'],
  ['timeouts.gre.replied', 'gre_timeout_stream', 'number'],
  ...Object.entries(tcpTimeouts).map(
    ([name, sysctl]) =>
      [`timeouts.tcp.${name}`, `tcp_timeout_${sysctl}`, 'number'] as [string, string, Kind],
  ),
  ...Object.entries(sctpTimeouts).map(
    ([name, sysctl]) =>
      [`timeouts.sctp.${name}`, `sctp_timeout_${sysctl}`, 'number'] as [string, string, Kind],
  ),
  ...dccpTimeouts.map(
    (name) => [`timeouts.dccp.${name}`, `dccp_timeout_${name}`, 'number'] as [string, string, Kind],
  ),
];

const file = (sysctl: string) => `/proc/sys/net/netfilter/nf_conntrack_${sysctl}`;

export async function readSettings(files: NamespaceFiles): Promise<ConntrackSettings> {
  const operation = 'conntrack settings';
  const contents = await files.read(
    table.map(([, sysctl]) => file(sysctl)),
    operation,
  );
  const settings = {
    tcp: {},
    timeouts: { tcp: {}, udp: {}, gre: {}, sctp: {}, dccp: {} },
  };
  let found = 0;
  contents.forEach((content, i) => {
    const [path, , kind] = table[i]!;
    if (typeof content !== 'string') {
      // ENOENT: this kernel has no such setting. Any other error fails the whole call.
      if (content.errno !== 2) throw fromNative(content);
      return;
    }
    found++;
    const parts = path.split('.');
    const last = parts.pop()!;
    let place = settings as Record<string, unknown>;
    for (const part of parts) place = place[part] as Record<string, unknown>;
    const number = Number(content.trim());
    place[last] = kind === 'boolean' ? number !== 0 : number;
  });
  if (found === 0) {
    throw fromNative({
      errno: 2,
      operation,
      detail: '/proc/sys/net/netfilter: nf_conntrack is not loaded, or /proc/sys is not mounted',
    });
  }
  return settings;
}

function textOf(value: unknown, kind: Kind, path: string): string {
  if (kind === 'boolean') {
    if (typeof value !== 'boolean') throw badType(path, 'a boolean', value);
    return value ? '1' : '0';
  }
  const highest = { number: 0x7fffffff, events: 2, u8: 255 }[kind];
  if (typeof value !== 'number') throw badType(path, `an integer from 0 to ${highest}`, value);
  if (!Number.isInteger(value) || value < 0 || value > highest) {
    throw badRange(path, `an integer from 0 to ${highest}`, value);
  }
  return String(value);
}

/** The leaves of a change: path and value. Objects that are no branch of the settings are refused. */
function* leaves(change: unknown, path: string): Generator<[string, unknown]> {
  const where = path === '' ? 'change' : `change.${path}`;
  // Every name is allowed here. writeSettings refuses a name that is no setting.
  const names = new Set(Object.keys(objectAt(change, where)));
  for (const [key, value] of Object.entries<unknown>(fieldsAt(change, where, names))) {
    const at = path === '' ? key : `${path}.${key}`;
    const branch = table.some(([known]) => known.startsWith(`${at}.`));
    if (branch) yield* leaves(value, at);
    else yield [at, value];
  }
}

/** Whether a file has the value already that would be written. Any number but 0 is `true`. */
function says(content: string | NativeFailure | undefined, text: string, kind: Kind): boolean {
  if (typeof content !== 'string' || content.trim() === '') return false;
  const number = Number(content.trim());
  return kind === 'boolean' ? (number !== 0) === (text === '1') : number === Number(text);
}

/**
 * Writes a change. Everything is checked before anything is written. A value that is there already is not written
 * again (some settings are read-only in every namespace but the first). When the kernel refuses a write, the ones
 * before it are undone, as far as the kernel allows that.
 */
export async function writeSettings(files: NamespaceFiles, change: unknown): Promise<void> {
  const operation = 'conntrack configure';
  const writes = [...leaves(change, '')].map(([path, value]) => {
    const entry = table.find(([known]) => known === path);
    if (entry === undefined) throw new TypeError(`change.${path}: there is no such setting`);
    const [, sysctl, kind] = entry;
    return { path: file(sysctl), kind, text: textOf(value, kind, `change.${path}`) };
  });
  const before = await files.read(
    writes.map(({ path }) => path),
    operation,
  );
  const done: number[] = [];
  for (const [i, { path, kind, text }] of writes.entries()) {
    if (says(before[i], text, kind)) continue;
    try {
      await files.write(path, text, operation);
      done.push(i);
    } catch (error) {
      for (const undo of done.reverse()) {
        const old = before[undo];
        // The caller hears of the first refusal.
        if (typeof old === 'string')
          await files.write(writes[undo]!.path, old.trim(), operation).catch(() => {});
      }
      throw error;
    }
  }
}

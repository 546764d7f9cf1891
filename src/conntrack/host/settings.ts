// The limits, switches and timeouts of the table: the sysctls under net.netfilter, with types. They are read and
// written as the network namespace of a session shows them.

import { fieldsAt, objectAt } from '../../checks.js';
import { badRange, badType, fromNative, type NativeFailure } from '../../errors.js';
import type { NamespaceFiles } from './namespace-files.js';

/** Timeouts in seconds by protocol and state. A timeout that this kernel does not have is absent. */
export interface ConntrackTimeouts {
  /** Protocols without a tracker of their own. */
  generic?: number;
  icmp?: number;
  icmpv6?: number;
  tcp: {
    synSent?: number;
    synRecv?: number;
    established?: number;
    finWait?: number;
    closeWait?: number;
    lastAck?: number;
    timeWait?: number;
    close?: number;
    maxRetrans?: number;
    unacknowledged?: number;
  };
  udp: { unreplied?: number; replied?: number };
  gre: { unreplied?: number; replied?: number };
  sctp: {
    closed?: number;
    cookieWait?: number;
    cookieEchoed?: number;
    established?: number;
    shutdownSent?: number;
    shutdownRecd?: number;
    shutdownAckSent?: number;
    heartbeatSent?: number;
  };
  dccp: {
    request?: number;
    respond?: number;
    partopen?: number;
    open?: number;
    closereq?: number;
    closing?: number;
    timewait?: number;
  };
}

/** `net.netfilter.nf_conntrack_*`. What this kernel does not have is absent. */
export interface ConntrackSettings {
  /** nf_conntrack_max — entries that each namespace may have. Writable in the initial namespace only. */
  max?: number;
  /** nf_conntrack_buckets — size of the hash table, shared by all namespaces; as `max`. */
  buckets?: number;
  /** nf_conntrack_expect_max — expectations; as `max`. */
  expectMax?: number;
  /** nf_conntrack_acct — count packets and bytes of flows made from now on. */
  acct?: boolean;
  /** nf_conntrack_timestamp — record start and stop of flows made from now on. */
  timestamp?: boolean;
  /**
   * nf_conntrack_events — 0: no events; 1: for every flow made from now on; 2 (default since 5.19): only
   * for flows made while something listens.
   */
  events?: number;
  /** nf_conntrack_checksum — packets with bad checksums are invalid. */
  checksum?: boolean;
  /** nf_conntrack_log_invalid — 0, a protocol number, or 255 for all. */
  logInvalid?: number;
  tcp: {
    /** nf_conntrack_tcp_loose — pick up established connections. */
    loose?: boolean;
    /** nf_conntrack_tcp_be_liberal — only RST out of window is invalid. */
    beLiberal?: boolean;
    /** nf_conntrack_tcp_ignore_invalid_rst (5.14). */
    ignoreInvalidRst?: boolean;
    /** nf_conntrack_tcp_max_retrans. */
    maxRetrans?: number;
  };
  timeouts: ConntrackTimeouts;
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
const table: [path: string, sysctl: string, kind: Kind][] = [
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
  return settings as ConntrackSettings;
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

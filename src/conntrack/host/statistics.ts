// The kernel's counters about its table, per CPU and in total: by netlink where permitted, else from
// /proc, which needs no privilege.
import type { NativeFailure, NetfilterError } from '../../errors.js';
import type { Session } from '../../native/session.js';
import { namespaceFiles } from './namespace-files.js';

/**
 * Counters of one CPU since the namespace was made, 32 bits each, that wrap (linux/netfilter/nf_conntrack_common.h:
 * struct ip_conntrack_stat). What moves each is what nf_conntrack_core.c does in Linux 6.18; none counts new
 * or ended flows of packets: for these, see `events()`.
 */
export interface ConntrackCounters {
  /**
   * Tuples that NAT tried for a new flow and found taken (nf_conntrack_tuple_taken). Lookups for packets
   * are not counted since Linux 4.9.
   */
  found: number;
  /**
   * Packets that no flow could be found or made for (state INVALID): a malformed header, a TCP segment out
   * of its window or without its connection. A packet that a host sends to itself passes two hooks, and
   * counts at each.
   */
  invalid: number;
  /**
   * Entries that were made by netlink: `create()`, conntrack(8), conntrackd (nf_conntrack_hash_check_insert).
   * Those of packets are not counted since Linux 4.9.
   */
  insert: number;
  /**
   * Entries that a first packet could not put into the table, so that it was dropped: the tuple was taken and
   * the clash not resolved (also in `drop`), or the hash chain too long (also in `chainToolong`).
   */
  insertFailed: number;
  /**
   * Packets that conntrack dropped: the table was full and no entry could give way, a clash could not be
   * resolved, or a helper's change of the sequence numbers failed.
   */
  drop: number;
  /** Entries that were evicted to make room in a full table: those not ASSURED only (early_drop). */
  earlyDrop: number;
  /**
   * ICMP and ICMPv6 errors that could not be taken for one of a known flow: malformed, with a bad checksum, or
   * about a flow that is not tracked (nf_conntrack_proto_icmp.c; `icmp_error` in /proc).
   */
  error: number;
  /** Lookups that started over because the hash table was resized, or changed under them. */
  searchRestart: number;
  /** Clashes of two packets that made the same new flow at once, of which both went on. */
  clashResolve: number;
  /** Entries, of packets and of netlink, that were refused because their hash chain was too long (Linux 5.15). */
  chainToolong: number;
}

export interface ConntrackStats {
  /** Entries in this namespace now. */
  entries: number;
  /** nf_conntrack_max; absent where the kernel does not tell (before 4.18). */
  max?: number;
  cpus: (ConntrackCounters & { cpu: number })[];
  total: ConntrackCounters;
}

/** CTA_STATS_* numbers and the column of /proc/net/stat/nf_conntrack with the same counter. */
const counters: [name: keyof ConntrackCounters, attribute: number, column: string][] = [
  ['found', 2, 'found'],
  ['invalid', 4, 'invalid'],
  ['insert', 8, 'insert'],
  ['insertFailed', 9, 'insert_failed'],
  ['drop', 10, 'drop'],
  ['earlyDrop', 11, 'early_drop'],
  ['error', 12, 'icmp_error'],
  ['searchRestart', 13, 'search_restart'],
  ['clashResolve', 14, 'clashres'],
  ['chainToolong', 15, 'chainlength'],
];

function none(): ConntrackCounters {
  return Object.fromEntries(counters.map(([name]) => [name, 0])) as unknown as ConntrackCounters;
}

function withTotal(cpus: ConntrackStats['cpus']): Pick<ConntrackStats, 'cpus' | 'total'> {
  const total = none();
  for (const cpu of cpus) for (const [name] of counters) total[name] += cpu[name];
  return { cpus, total };
}

export function statsFromNetlink(cpus: { cpu: number; counters: number[] }[]) {
  return withTotal(
    cpus.map((raw) => {
      const cpu = { cpu: raw.cpu, ...none() };
      for (const [name, attribute] of counters) cpu[name] = raw.counters[attribute] ?? 0;
      return cpu;
    }),
  );
}

/** /proc/net/stat/nf_conntrack: a line of column names, then a line of hexadecimal numbers per CPU. */
export function statsFromProc(text: string) {
  const [head = '', ...lines] = text.split('\n').filter((line) => line.trim() !== '');
  const columns = head.trim().split(/\s+/);
  return withTotal(
    lines.map((line, number) => {
      const values = line.trim().split(/\s+/);
      const cpu = { cpu: number, ...none() };
      for (const [name, , column] of counters) {
        const at = columns.indexOf(column);
        if (at >= 0) cpu[name] = Number.parseInt(values[at] ?? '0', 16);
      }
      return cpu;
    }),
  );
}

const procStats = '/proc/thread-self/net/stat/nf_conntrack';
const procCount = '/proc/sys/net/netfilter/nf_conntrack_count';
const procMax = '/proc/sys/net/netfilter/nf_conntrack_max';

/** A sysctl's number, or undefined when it could not be read. */
function sysctlNumber(content: string | NativeFailure | undefined): number | undefined {
  return typeof content === 'string' ? Number(content.trim()) : undefined;
}

/** Without CAP_NET_ADMIN every netlink request is EPERM, but anyone may read the numbers in /proc. */
async function unprivileged(session: Session, error: unknown, path: string): Promise<string> {
  if ((error as NetfilterError).code !== 'EPERM') throw error;
  const [content] = await namespaceFiles(session).read([path], 'conntrack count');
  if (typeof content !== 'string') throw error;
  return content;
}

/** The number of entries, and the most that there may be. */
export async function readCounts(session: Session): Promise<{ entries: number; max?: number }> {
  try {
    return await session.run('conntrack count', undefined, (binding, handle) =>
      binding.ctCount(handle),
    );
  } catch (error) {
    const entries = Number((await unprivileged(session, error, procCount)).trim());
    const [max] = await namespaceFiles(session).read([procMax], 'conntrack count');
    const limit = sysctlNumber(max);
    return { entries, ...(limit !== undefined && { max: limit }) };
  }
}

export async function readStats(session: Session): Promise<ConntrackStats> {
  const counts = await readCounts(session);
  try {
    const cpus = await session.run('conntrack stats', undefined, (binding, handle) =>
      binding.ctCpuStats(handle),
    );
    return { ...counts, ...statsFromNetlink(cpus) };
  } catch (error) {
    const text = await unprivileged(session, error, procStats);
    return { ...counts, ...statsFromProc(text) };
  }
}

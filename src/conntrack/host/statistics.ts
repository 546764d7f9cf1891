// The kernel's counters of its table, per CPU and in total: by netlink where that is permitted, else from /proc,
// which needs no privilege.
import type { NativeFailure, NetfilterError } from '../../errors.js';
import type { Session } from '../../native/session.js';
import { namespaceFiles } from './namespace-files.js';

/**
 * Counters of one CPU since the namespace was made (linux/netfilter/nf_conntrack_common.h: struct
 * ip_conntrack_stat). Each has 32 bits, and wraps. Their meaning here is that of nf_conntrack_core.c in Linux 6.18.
 * None counts the flows that packets make or end: for these, see `events()`.
 */
export interface ConntrackCounters {
  /**
   * Tuples that NAT tried for a new flow and found taken (nf_conntrack_tuple_taken). Lookups for packets
   * are not counted since Linux 4.9.
   */
  readonly found: number;
  /**
   * Packets for which no flow could be found or made (state INVALID): a malformed header, a TCP segment out of
   * its window or without its connection. A packet that a host sends to itself passes two hooks, and counts at
   * each.
   */
  readonly invalid: number;
  /**
   * Entries that were made by netlink: `create()`, conntrack(8), conntrackd (nf_conntrack_hash_check_insert).
   * Entries that packets made are not counted since Linux 4.9.
   */
  readonly insert: number;
  /**
   * First packets that could not put their entry into the table, and were dropped: the tuple was taken and the
   * clash was not resolved (also in `drop`), or the hash chain was too long (also in `chainToolong`).
   */
  readonly insertFailed: number;
  /**
   * Packets that conntrack dropped: the table was full and no entry could give way, a clash could not be
   * resolved, or a helper's change of the sequence numbers failed.
   */
  readonly drop: number;
  /** Entries that had to make room in a full table; none of them was ASSURED (early_drop). */
  readonly earlyDrop: number;
  /**
   * ICMP and ICMPv6 errors that belong to no known flow: malformed, with a bad checksum, or about a flow that is
   * not tracked (nf_conntrack_proto_icmp.c; `icmp_error` in /proc).
   */
  readonly error: number;
  /** Lookups that started over because the hash table was resized, or changed under them. */
  readonly searchRestart: number;
  /** Clashes of two packets that made the same new flow at once, and both went on. */
  readonly clashResolve: number;
  /** Entries of packets and of netlink that were refused: their hash chain was too long (Linux 5.15). */
  readonly chainToolong: number;
}

/** The counters of one CPU. */
export interface CpuCounters extends ConntrackCounters {
  /** The number of the CPU, from 0. */
  readonly cpu: number;
}

/** The size of the table, and what the kernel has counted. */
export interface ConntrackStats {
  /** Entries in this namespace now. */
  readonly entries: number;
  /** nf_conntrack_max; absent where the kernel does not tell it (before 4.18). */
  readonly max?: number;
  /** The counters of each CPU. */
  readonly cpus: readonly CpuCounters[];
  /** The sums of all CPUs. */
  readonly total: ConntrackCounters;
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

type Counting = Record<keyof ConntrackCounters, number>;

function none(): Counting {
  return Object.fromEntries(counters.map(([name]) => [name, 0])) as Counting;
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

// The kernel's counters about its table, per CPU and in total: by netlink where permitted, else from
// /proc, which needs no privilege.
import type { NativeFailure } from '../errors.js';

/** Counters since boot (linux/netfilter/nf_conntrack_common.h, struct ip_conntrack_stat). */
export interface ConntrackCounters {
  /** Lookups that found an entry (only counted for NAT and clashes on recent kernels). */
  found: number;
  /** Packets that could not be tracked. */
  invalid: number;
  /** Entries inserted. */
  insert: number;
  /** Entries that could not be inserted, the tuple being taken. */
  insertFailed: number;
  /** Packets dropped because no entry could be allocated: the table was full. */
  drop: number;
  /** Entries evicted to make room in a full table. */
  earlyDrop: number;
  /** Malformed packets. */
  error: number;
  /** Lookups that had to start over while the table was resized. */
  searchRestart: number;
  /** Clashes of two packets of one new flow that were resolved. */
  clashResolve: number;
  /** Entries not inserted because their hash chain was too long (5.15). */
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

export const procStats = '/proc/thread-self/net/stat/nf_conntrack';
export const procCount = '/proc/sys/net/netfilter/nf_conntrack_count';
export const procMax = '/proc/sys/net/netfilter/nf_conntrack_max';

/** A sysctl's number, or undefined when it could not be read. */
export function sysctlNumber(content: string | NativeFailure | undefined): number | undefined {
  return typeof content === 'string' ? Number(content.trim()) : undefined;
}

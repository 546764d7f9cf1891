// What the kernel has counted of expectations, per CPU and in total: by netlink where that is permitted, else from
// /proc, which needs no privilege.
import type { NetfilterError } from '../../errors.js';
import type { Session } from '../../native/session.js';
import { namespaceFiles } from '../host/namespace-files.js';

/**
 * Counters of one CPU since the namespace was made (struct ip_conntrack_stat, nf_conntrack_expect.c). Each has 32 bits,
 * and wraps.
 */
export interface ExpectationCounters {
  /** CTA_STATS_EXP_NEW — flows that had been expected and came (init_conntrack in nf_conntrack_core.c). */
  readonly new: number;
  /** CTA_STATS_EXP_CREATE — expectations that were made, by helpers and by netlink. */
  readonly create: number;
  /** CTA_STATS_EXP_DELETE — expectations that have gone: met, expired, deleted, or with their master. */
  readonly delete: number;
}

/** The counters of one CPU. */
export interface CpuExpectationCounters extends ExpectationCounters {
  /** The number of the CPU, from 0. */
  readonly cpu: number;
}

/** What the kernel has counted of expectations. */
export interface ExpectationStats {
  /** Expectations in this namespace now: those that were made and have not gone. */
  readonly entries: number;
  /** The counters of each CPU. */
  readonly cpus: readonly CpuExpectationCounters[];
  /** The sums of all CPUs. */
  readonly total: ExpectationCounters;
}

const names = ['new', 'create', 'delete'] as const;

const operation = 'conntrack expectation stats';
const procStats = '/proc/thread-self/net/stat/nf_conntrack';

function withTotal(cpus: readonly CpuExpectationCounters[]): ExpectationStats {
  const total = { new: 0, create: 0, delete: 0 };
  for (const cpu of cpus) for (const name of names) total[name] += cpu[name];
  // The counters of each CPU wrap at 32 bits, and so does their difference. An expectation that goes while they are read
  // can make it negative for a moment.
  const entries = Math.max(0, (total.create - total.delete) | 0);
  return { entries, cpus, total };
}

export function fromNetlink(cpus: readonly { cpu: number; counters: number[] }[]) {
  return withTotal(
    cpus.map((raw) => {
      const value = (attribute: number) => raw.counters[attribute] ?? 0;
      return { cpu: raw.cpu, new: value(1), create: value(2), delete: value(3) };
    }),
  );
}

/** A line of column names, then a line of hexadecimal numbers per CPU. */
export function fromProc(text: string): ExpectationStats {
  const [head = '', ...lines] = text.split('\n').filter((line) => line.trim() !== '');
  const columns = head.trim().split(/\s+/);
  return withTotal(
    lines.map((line, cpu) => {
      const values = line.trim().split(/\s+/);
      const value = (column: string) => Number.parseInt(values[columns.indexOf(column)] ?? '0', 16);
      return {
        cpu,
        new: value('expect_new'),
        create: value('expect_create'),
        delete: value('expect_delete'),
      };
    }),
  );
}

export async function readExpectationStats(session: Session): Promise<ExpectationStats> {
  try {
    return fromNetlink(
      await session.run(operation, undefined, (binding, handle) => binding.ctExpectStats(handle)),
    );
  } catch (error) {
    // Without CAP_NET_ADMIN every netlink request is EPERM, but anyone may read the numbers in /proc.
    if ((error as NetfilterError).code !== 'EPERM') throw error;
    const [content] = await namespaceFiles(session).read([procStats], operation);
    if (typeof content !== 'string') throw error;
    return fromProc(content);
  }
}

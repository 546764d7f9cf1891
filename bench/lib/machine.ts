// Describes the machine of a measurement.
import { readFileSync } from 'node:fs';
import { cpus, release, totalmem } from 'node:os';

export interface Machine {
  cpu: string;
  cores: number;
  memoryBytes: number;
  kernel: string;
  arch: string;
  node: string;
  /** Of the whole machine, during the run. */
  nfConntrackBuckets: number | undefined;
  /** The load average of the minute before the run: other work makes results worthless. */
  loadBefore: number;
  date: string;
}

function number(path: string): number | undefined {
  try {
    return Number.parseFloat(readFileSync(path, 'utf8'));
  } catch {
    return undefined;
  }
}

export function machine(): Machine {
  const cores = cpus();
  return {
    cpu: cores[0]?.model.trim() ?? 'unknown',
    cores: cores.length,
    memoryBytes: totalmem(),
    kernel: release(),
    arch: process.arch,
    node: process.version,
    nfConntrackBuckets: number('/proc/sys/net/netfilter/nf_conntrack_buckets'),
    loadBefore: number('/proc/loadavg') ?? 0,
    date: new Date().toISOString(),
  };
}

export function describeMachine(m: Machine): string {
  return [
    `${m.cpu}, ${m.cores} cores, ${(m.memoryBytes / 2 ** 30).toFixed(0)} GiB, ${m.arch}`,
    `Linux ${m.kernel}, Node ${m.node}`,
    `nf_conntrack_buckets ${m.nfConntrackBuckets ?? 'unknown'}, load before ${m.loadBefore}`,
  ].join('; ');
}

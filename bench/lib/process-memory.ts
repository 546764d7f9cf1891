// Resident memory of this process as the kernel counts it.
import { readFileSync, writeFileSync } from 'node:fs';

export interface Memory {
  /** Bytes in memory now (VmRSS). */
  resident: number;
  /** The most since `resetPeak` (VmHWM). */
  peak: number;
}

export function memory(): Memory {
  const status = readFileSync('/proc/self/status', 'utf8');
  const bytes = (name: string) =>
    Number(new RegExp(`^${name}:\\s*(\\d+) kB$`, 'm').exec(status)?.[1] ?? Number.NaN) * 1024;
  return { resident: bytes('VmRSS'), peak: bytes('VmHWM') };
}

/** Sets the peak back; returns what is resident now. */
export function resetPeak(): number {
  writeFileSync('/proc/self/clear_refs', '5');
  return memory().resident;
}

// Where a laboratory keeps its rules: NAT, zones and others that a test needs and does not test. It is the backend of
// the run if TEST_BACKEND names one. Otherwise it is nf_tables, and the legacy tables where the kernel or the machine
// does not have the other. Tests of one backend name its programs themselves.
import { spawnSync } from 'node:child_process';

export type LabBackend = 'auto' | 'legacy' | 'nft';

/** What `Iptables.open` gets. */
export const labBackend: LabBackend =
  process.env.TEST_BACKEND === 'legacy' || process.env.TEST_BACKEND === 'nft'
    ? process.env.TEST_BACKEND
    : 'auto';

let found: 'legacy' | 'nft' | undefined;

/** The program of iptables for rules of a laboratory. */
export function labProgram(tool: 'iptables' | 'ip6tables'): string {
  found ??= labBackend === 'auto' ? look() : labBackend;
  return `${tool}-${found}`;
}

/** A list makes no table. It fails where the kernel has no nf_tables, and where the program is missing. */
function look(): 'legacy' | 'nft' {
  return spawnSync('iptables-nft', ['-S']).status === 0 ? 'nft' : 'legacy';
}

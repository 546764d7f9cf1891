// Shared by the children of the lifetime tests: the package, and flows to create.
import { readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

export const load = () => import(process.env.PACKAGE);
/** The addon that the package loads. */
export const loadBinding = () =>
  createRequire(import.meta.url)(
    process.env.CONNTRACK_ADDON ||
      fileURLToPath(new URL('../build/Release/conntrack.node', process.env.PACKAGE)),
  );

/** Flow number `i` of a network, to be created. */
export const flow = (i, network = 11) => ({
  protocol: 'udp',
  timeout: 600,
  orig: {
    src: `${network}.${(i >> 16) & 255}.${(i >> 8) & 255}.${i & 255}`,
    dst: '192.0.2.1',
    srcPort: 1000,
    dstPort: 2000,
  },
});
export const flows = (count, network) => Array.from({ length: count }, (_, i) => flow(i, network));

/** How many threads the addon has. Idle threads end after half a second. */
export function threads() {
  return readdirSync('/proc/self/task').filter((id) => {
    try {
      return /^(conntrack|ct|xt)-/.test(readFileSync(`/proc/self/task/${id}/comm`, 'utf8'));
    } catch {
      return false; // it has ended
    }
  }).length;
}

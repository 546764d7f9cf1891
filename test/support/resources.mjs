// The threads, descriptors and memory of this process, from /proc. Tests and their children use it.
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

/** Descriptors of the kinds that the addon opens, by their targets. libuv's eventfds count too. */
export function descriptors() {
  const found = [];
  for (const fd of readdirSync('/proc/self/fd')) {
    let target;
    try {
      target = readlinkSync(`/proc/self/fd/${fd}`);
    } catch {
      continue; // the one that readdir used
    }
    if (/^(socket:|anon_inode:\[eventfd\]|net:|.*\/ns\/net)/.test(target)) {
      found.push(`${fd} ${target}`);
    }
  }
  return found;
}

/** Names of the addon's threads. */
export function threads() {
  return readdirSync('/proc/self/task').flatMap((tid) => {
    try {
      const name = readFileSync(`/proc/self/task/${tid}/comm`, 'utf8').trim();
      return name.startsWith('conntrack-') ? [name] : [];
    } catch {
      return []; // it has just ended
    }
  });
}

/** Resident memory in MiB. */
export function residentMiB() {
  return process.memoryUsage.rss() / 2 ** 20;
}

/**
 * Waits until a condition is true. Throws if it never is. Collects garbage meanwhile if node was started with
 * --expose-gc.
 */
export async function eventually(what, holds) {
  for (let round = 0; !holds(); round++) {
    if (round === 2000) throw new Error(`still not true: ${what}`);
    globalThis.gc?.();
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

// Naming a network namespace: by name, path or pid. Pure but for one look at the file system.
import { existsSync } from 'node:fs';
import { badRange, badType } from './errors.js';

/** The file that names the namespace. */
export function netnsPath(netns: unknown, path = 'options.netns'): string {
  if (typeof netns === 'number') {
    if (!Number.isInteger(netns) || netns < 1 || netns > 0x7fffffff) {
      throw badRange(path, 'the pid of a process', netns);
    }
    return `/proc/${netns}/ns/net`;
  }
  if (typeof netns !== 'string') throw badType(path, 'a name, a path or a pid', netns);
  if (netns === '' || netns.includes('\0') || netns === '.' || netns === '..') {
    throw badRange(path, 'the name of a network namespace, or a path', netns);
  }
  if (netns.includes('/')) return netns;
  // `ip netns` keeps names in /run/netns; /var/run is the same place on all but very old systems.
  const old = `/var/run/netns/${netns}`;
  const usual = `/run/netns/${netns}`;
  return !existsSync(usual) && existsSync(old) ? old : usual;
}

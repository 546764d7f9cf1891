// A pids cgroup for one test, of version 1 or 2, if this process may create one.
import { mkdirSync, readFileSync, rmdirSync } from 'node:fs';
import { join } from 'node:path';

export interface Cgroup extends Disposable {
  readonly folder: string;
}

/** Where the hierarchy with the controller `pids` is mounted. */
function hierarchy(): string | undefined {
  for (const line of readFileSync('/proc/mounts', 'utf8').split('\n')) {
    const [, place, type, flags = ''] = line.split(' ');
    if (place === undefined) continue;
    if (type === 'cgroup' && flags.split(',').includes('pids')) return place;
    if (type !== 'cgroup2') continue;
    try {
      const words = readFileSync(join(place, 'cgroup.subtree_control'), 'utf8').trim().split(' ');
      if (words.includes('pids')) return place;
    } catch {
      // Not visible from here.
    }
  }
  return undefined;
}

/** A new cgroup, or the reason why there is none. It must be empty at its disposal. */
export function pidsCgroup(): Cgroup | { missing: string } {
  const place = hierarchy();
  if (place === undefined) return { missing: 'no cgroup hierarchy with the controller pids' };
  const folder = join(place, `conntrack-test-${process.pid}`);
  try {
    mkdirSync(folder);
    readFileSync(join(folder, 'pids.current'));
  } catch (error) {
    return { missing: `no cgroup can be made in ${place}: ${(error as Error).message}` };
  }
  return { folder, [Symbol.dispose]: () => rmdirSync(folder) };
}

// namespaces(): the network namespaces that this process can name or reach, and their ids here.
import { readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs';
import type { Binding, Handle } from '../../native/binding.js';
import { call } from '../../native/load.js';
import { noNamespaceFile } from '../../native/numbers.js';

/** A network namespace that this process can name or reach. */
export interface NamespaceInfo {
  /** Its name under /run/netns, where it has one: what `netns` options take. */
  readonly name?: string;
  /**
   * A file that names it: in /run/netns, in another place where it is mounted (container engines have their
   * own), or `/proc/PID/ns/net` of one of its processes. `netns` options take it too.
   */
  readonly path: string;
  /** What tells namespaces apart: the number in `net:[4026531840]`. */
  readonly inode: number;
  /**
   * Its id in the namespace of this process: `event.nsid` of streams with `allNamespaces`. Absent where it has
   * none. No stream hears its events then (`ip netns set NAME auto` gives it an id).
   */
  readonly nsid?: number;
  /** This process is in it. It has no id in itself, and its events are heard all the same. */
  readonly current: boolean;
}

const folder = '/run/netns';

/** The mounts of namespaces: `… 0:4 net:[4026532208] /run/docker/netns/x rw shared:5 - nsfs nsfs rw`. */
function mounted(): string[] {
  const paths: string[] = [];
  for (const line of readFileSync('/proc/self/mountinfo', 'utf8').split('\n')) {
    const [, , , root, place] = line.split(' ');
    if (!root?.startsWith('net:[') || place === undefined) continue;
    // Blanks and the like are written as `\\040`.
    paths.push(
      place.replace(/\\([0-7]{3})/g, (_, octal) => String.fromCharCode(Number.parseInt(octal, 8))),
    );
  }
  return paths;
}

/** The number and the file of the namespace of every process that this one may look at. */
function* ofProcesses(): Generator<[inode: number, path: string]> {
  for (const pid of readdirSync('/proc')) {
    if (!/^\d+$/.test(pid)) continue;
    const path = `/proc/${pid}/ns/net`;
    try {
      const inode = /^net:\[(\d+)\]$/.exec(readlinkSync(path))?.[1];
      if (inode !== undefined) yield [Number(inode), path];
    } catch {
      // It has ended, or belongs to another user (PTRACE_MODE_READ).
    }
  }
}

function inodeOf(path: string): number | undefined {
  try {
    return statSync(path).ino;
  } catch {
    return undefined;
  }
}

/**
 * The namespaces, with their ids in the namespace of `handle`, or of this process. That one is the `current` one.
 */
export function findNamespaces(binding: Binding, handle: Handle | null): NamespaceInfo[] {
  const found = new Map<number, { name?: string; path: string }>();
  const names = mounted().filter((path) => inodeOf(path) !== undefined);
  // A name comes before another place; names come in the order of their letters.
  const isName = (path: string) => path.startsWith(`${folder}/`);
  names.sort((a, b) => Number(isName(b)) - Number(isName(a)) || (a < b ? -1 : 1));
  for (const path of names) {
    const inode = inodeOf(path);
    if (inode === undefined || found.has(inode)) continue;
    found.set(inode, isName(path) ? { name: path.slice(folder.length + 1), path } : { path });
  }
  for (const [inode, path] of ofProcesses()) {
    if (!found.has(inode)) found.set(inode, { path });
  }
  const entries = [...found];
  const { own, ids } = binding.netnsIds(
    handle,
    entries.map(([, { path }]) => path),
  );
  return entries.flatMap(([inode, place], index) => {
    const nsid = ids[index]!;
    // Its last process has ended in the meantime.
    if (nsid === noNamespaceFile) return [];
    const current = BigInt(inode) === own;
    return [{ ...place, inode, ...(nsid >= 0 && !current && { nsid }), current }];
  });
}

/**
 * The network namespaces that this process can name or reach: those that are mounted somewhere, as `ip netns`
 * and container engines do, and those of processes that it may look at (processes of other users only with
 * CAP_SYS_PTRACE). `events({ allNamespaces: true })` hears those that have an id here. A namespace is not found
 * when only a socket, a device, or a thread that is not the first of its process keeps it alive.
 * @throws {UnsupportedError} `ERR_NETFILTER_UNSUPPORTED_PLATFORM` elsewhere than on Linux
 * @throws {NetfilterError} `ERR_NETFILTER_ADDON` where the addon cannot be loaded
 * @example
 * import { namespaces } from 'conntrack';
 * for (const { name, path, nsid } of await namespaces()) console.log(name ?? path, nsid);
 */
export async function namespaces(): Promise<NamespaceInfo[]> {
  return call((binding) => findNamespaces(binding, null));
}

/** One sentence on the namespaces that a stream with `allNamespaces` cannot hear; undefined when it hears all. */
export function unheardHint(all: readonly NamespaceInfo[]): string | undefined {
  const unheard = all.filter(({ nsid, current }) => nsid === undefined && !current);
  if (unheard.length === 0) return undefined;
  const shown = unheard.slice(0, 5).map(({ name, path }) => name ?? path);
  const more = unheard.length > shown.length ? ` and ${unheard.length - shown.length} more` : '';
  return (
    `of ${unheard.length} network namespaces without an id here no event is heard: ${shown.join(', ')}${more}; ` +
    '`ip netns set NAME auto` gives one an id, namespaces() lists them all'
  );
}

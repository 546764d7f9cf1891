// Whether a process receives events of netfilter, as /proc shows it.
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

const NETLINK_NETFILTER = 12;

/**
 * Whether one of its sockets has joined groups of netfilter. Its port id can be any number, so the inode identifies it.
 */
export function isListening(pid: number): boolean {
  let sockets: Set<string | undefined>;
  let listing: string;
  try {
    const links = readdirSync(`/proc/${pid}/fd`).map((fd) => readlinkSync(`/proc/${pid}/fd/${fd}`));
    sockets = new Set(links.map((link) => /^socket:\[(\d+)\]$/.exec(link)?.[1]));
    listing = readFileSync(`/proc/${pid}/net/netlink`, 'utf8');
  } catch {
    return false; // not started yet, or a descriptor closed while we looked
  }
  return listing.split('\n').some((line) => {
    const columns = line.trim().split(/\s+/);
    return (
      Number(columns[1]) === NETLINK_NETFILTER &&
      /[1-9a-f]/.test(columns[3] ?? '0') &&
      sockets.has(columns.at(-1))
    );
  });
}

// Names that the host gives to numbers: protocols, services, users, groups, connlabels, realms, device groups. Reads
// the files that iptables reads, each at its first use. Never asks DNS or NSS modules.
import { readFileSync } from 'node:fs';

/** Names of the host. Every look-up is synchronous and answers `undefined` for a name or number that is not listed. */
export interface HostNames {
  /** `tcp` → 6. The names that iptables has built in come first, then `/etc/protocols`. */
  protocolNumber(name: string): number | undefined;
  /** 6 → `tcp`. */
  protocolName(number: number): string | undefined;
  /** `ssh` → 22, from `/etc/services`; with `protocol` only that protocol's services. */
  servicePort(name: string, protocol?: string): number | undefined;
  /** `root` → 0, from `/etc/passwd`. */
  userId(name: string): number | undefined;
  /** `root` → 0, from `/etc/group`. */
  groupId(name: string): number | undefined;
  /** The bit of a connlabel, from `/etc/xtables/connlabel.conf`. */
  connlabel(name: string): number | undefined;
  /** The name of a connlabel, by its bit. */
  connlabelName(bit: number): string | undefined;
  /** A routing realm, from `/etc/iproute2/rt_realms`. */
  realm(name: string): number | undefined;
  /** The name of a routing realm. */
  realmName(id: number): string | undefined;
  /** A device group, from `/etc/iproute2/group`. */
  deviceGroup(name: string): number | undefined;
  /** The name of a device group. */
  deviceGroupName(id: number): string | undefined;
}

/** Sets of the kernel (ipset): rules hold their index. The caller gives them, and asks the kernel for them. */
export interface SetNames {
  /** The kernel's index of the set with this name; `undefined`: there is none. */
  indexOf(name: string): number | undefined;
  /** The name of the set with this index; `undefined`: there is none. */
  nameOf(index: number): string | undefined;
}

// The table of libxtables. It searches this table before the host's file. The order decides which name a number gets;
// IPPROTO_ICMPV6 is printed `ipv6-icmp`, IPPROTO_MH by the host's file (measured).
const builtinNumbers: Record<string, number> = {
  tcp: 6,
  sctp: 132,
  udp: 17,
  udplite: 136,
  icmp: 1,
  icmpv6: 58,
  'ipv6-icmp': 58,
  esp: 50,
  ah: 51,
  'ipv6-mh': 135,
  mh: 135,
  all: 0,
};

type Pairs = { byName: Map<string, number>; byNumber: Map<number, string> };

/** Lines of `number name` (iproute2, connlabel.conf) or `name number` (protocols). */
function pairs(text: string | undefined, order: 'number first' | 'name first'): Pairs {
  const byName = new Map<string, number>();
  const byNumber = new Map<number, string>();
  for (const line of (text ?? '').split('\n')) {
    const words = line.replace(/#.*/, '').trim().split(/\s+/);
    const [first, second, ...aliases] = words;
    if (first === undefined || second === undefined) continue;
    const number = Number(order === 'number first' ? first : second);
    const name = order === 'number first' ? second : first;
    if (!Number.isInteger(number) || number < 0) continue;
    if (!byName.has(name)) byName.set(name, number);
    if (!byNumber.has(number)) byNumber.set(number, name);
    if (order === 'number first') continue;
    for (const alias of aliases) if (!byName.has(alias)) byName.set(alias, number);
  }
  return { byName, byNumber };
}

/**
 * connlabel.conf as libnetfilter_conntrack reads it: it skips other names than those of letters, digits, `-` and
 * blanks, and names and bits that it knows already (measured).
 */
function labels(text: string | undefined): Pairs {
  const byName = new Map<string, number>();
  const byNumber = new Map<number, string>();
  for (const line of (text ?? '').split('\n')) {
    const found =
      /^\s*(0x[0-9a-fA-F]+|\d+)\s+([A-Za-z0-9-](?:[A-Za-z0-9 -]*[A-Za-z0-9-])?)\s*$/.exec(line);
    if (found === null) continue;
    const bit = Number(found[1]);
    const name = found[2]!;
    if (byName.has(name) || byNumber.has(bit)) continue;
    byName.set(name, bit);
    byNumber.set(bit, name);
  }
  return { byName, byNumber };
}

/** `name:x:id:…` of passwd and group. */
function ids(text: string | undefined): Map<string, number> {
  const found = new Map<string, number>();
  for (const line of (text ?? '').split('\n')) {
    const [name, , id] = line.split(':');
    if (name && id && /^\d+$/.test(id) && !found.has(name)) found.set(name, Number(id));
  }
  return found;
}

function services(text: string | undefined): Map<string, number> {
  const found = new Map<string, number>();
  const add = (name: string, port: number) => {
    if (!found.has(name)) found.set(name, port);
  };
  for (const line of (text ?? '').split('\n')) {
    const [name, portProtocol, ...aliases] = line.replace(/#.*/, '').trim().split(/\s+/);
    const match = /^(\d+)\/(\S+)$/.exec(portProtocol ?? '');
    if (!name || !match) continue;
    for (const each of [name, ...aliases]) {
      add(`${each}/${match[2]}`, Number(match[1]));
      add(each, Number(match[1]));
    }
  }
  return found;
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined; // a host without the file has only numbers
  }
}

/** Names from files read with `read` (which answers `undefined` for a file that is not there). */
export function hostNames(read: (path: string) => string | undefined = readText): HostNames {
  const lazy = <T>(make: () => T) => {
    let value: T | undefined;
    return () => {
      value ??= make();
      return value;
    };
  };
  const protocols = lazy(() => pairs(read('/etc/protocols'), 'name first'));
  const ports = lazy(() => services(read('/etc/services')));
  const users = lazy(() => ids(read('/etc/passwd')));
  const groups = lazy(() => ids(read('/etc/group')));
  const connlabels = lazy(() => labels(read('/etc/xtables/connlabel.conf')));
  const realms = lazy(() => pairs(read('/etc/iproute2/rt_realms'), 'number first'));
  const deviceGroups = lazy(() => pairs(read('/etc/iproute2/group'), 'number first'));
  const builtinNames = new Map<number, string>();
  for (const [name, number] of Object.entries(builtinNumbers)) {
    if (number !== 0 && number !== 135) builtinNames.set(number, name);
  }
  return {
    protocolNumber: (name) =>
      Object.hasOwn(builtinNumbers, name) ? builtinNumbers[name] : protocols().byName.get(name),
    protocolName: (number) =>
      builtinNames.get(number) ??
      protocols().byNumber.get(number) ??
      (number === 135 ? 'mh' : undefined),
    servicePort: (name, protocol) =>
      ports().get(protocol === undefined ? name : `${name}/${protocol}`),
    userId: (name) => users().get(name),
    groupId: (name) => groups().get(name),
    connlabel: (name) => connlabels().byName.get(name),
    connlabelName: (bit) => connlabels().byNumber.get(bit),
    realm: (name) => realms().byName.get(name),
    realmName: (id) => realms().byNumber.get(id),
    deviceGroup: (name) => deviceGroups().byName.get(name),
    deviceGroupName: (id) => deviceGroups().byNumber.get(id),
  };
}

/** The names of this host. */
export const systemNames: HostNames = hostNames();

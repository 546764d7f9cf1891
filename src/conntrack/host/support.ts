// support(): what works here and why not, without throwing and without privileges.
import { readFileSync, realpathSync } from 'node:fs';
import { libraryPackages } from '../../errors.js';
import { call } from '../../native/load.js';
import { type NatState, natState, type TrackingState, trackingState } from './tracking.js';

/** A system library that the package loads when it is needed. */
export interface LibrarySupport {
  soname: string;
  /** Loaded, with every symbol that is used. */
  usable: boolean;
  /** The file that was found. */
  path?: string;
  /** The version that the name of the file has. */
  version?: string;
  /** Symbols that this release lacks. */
  missing: string[];
  /** What needs it. */
  for: string;
  /** Why it is not usable. */
  reason?: string;
  /** What to install. */
  packages?: string;
}

export interface Support {
  /** Whether the platform is Linux and the addon loads; nothing works otherwise. */
  usable: boolean;
  /** Why not. */
  reason?: string;
  platform: string;
  /** Kernel release, `6.1.0-18-amd64`. */
  kernel: string;
  libraries: LibrarySupport[];
  privileges: {
    /** CAP_NET_ADMIN in the effective set: reading and changing flows. */
    netAdmin: boolean;
    /** CAP_NET_RAW: reading and changing iptables tables. */
    netRaw: boolean;
    /** CAP_SYS_ADMIN: entering other network namespaces. */
    sysAdmin: boolean;
  };
  conntrack: {
    /** The kernel has nf_conntrack, with its sysctls visible. */
    available: boolean;
    /** Counters are kept for new flows (`nf_conntrack_acct`). */
    acct?: boolean;
    /** Start and stop times are kept for new flows (`nf_conntrack_timestamp`). */
    timestamp?: boolean;
    /** `nf_conntrack_events`: 0 none, 1 all, 2 only flows made while something listens. */
    events?: number;
    /** Whether packets are tracked in this process's network namespace. */
    tracking: TrackingState;
    /** Whether NAT is registered in this process's network namespace. */
    nat: NatState;
    /** Kernel features by the release that brought them. */
    features: {
      /** 5.8 — dumps filtered by tuple in the kernel. */
      tupleFilter: boolean;
      /** 5.15 — dumps filtered by status in the kernel. */
      statusFilter: boolean;
      /** 6.8 — dumps filtered by zone in the kernel. */
      zoneFilter: boolean;
      /** 6.12 — filtered flush in the kernel. Before, each flow is deleted by a request of its own. */
      filteredFlush: boolean;
      /** 6.14 — time stamps on events. */
      eventTimestamp: boolean;
    };
  };
}

const libraryUse: Record<string, string> = {
  'libnetfilter_conntrack.so.3': 'creating and changing flows and expectations',
  'libip4tc.so.2': 'iptables (IPv4)',
  'libip6tc.so.2': 'iptables (IPv6)',
};

function sysctl(name: string): number | undefined {
  try {
    return Number(readFileSync(`/proc/sys/net/netfilter/nf_conntrack_${name}`, 'utf8').trim());
  } catch {
    return undefined;
  }
}

/** The file behind the link `libx.so.3`: its name has the whole version. */
function resolveLink(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path;
  }
}

function capabilities(): bigint {
  try {
    const status = readFileSync('/proc/self/status', 'utf8');
    return BigInt(`0x${/^CapEff:\s*([0-9a-f]+)/m.exec(status)?.[1] ?? '0'}`);
  } catch {
    return 0n;
  }
}

/** Kernel release. `node:os` is loaded at its first use: nothing else needs it. */
const release = () => process.getBuiltinModule('node:os').release();

function kernelAtLeast(major: number, minor: number): boolean {
  const [have = 0, haveMinor = 0] = release().split('.').map(Number);
  return have > major || (have === major && haveMinor >= minor);
}

const notLookedAt = (): NatState => ({
  state: 'unknown',
  ipv4: 'unknown',
  ipv6: 'unknown',
  source: 'rules',
  reasons: ['not looked at'],
});

/** What works on this system, and why not. Never throws; needs no privilege. */
export function support(): Support {
  const result: Support = {
    usable: false,
    platform: process.platform,
    kernel: process.platform === 'linux' ? release() : '',
    libraries: [],
    privileges: { netAdmin: false, netRaw: false, sysAdmin: false },
    conntrack: {
      available: false,
      tracking: { ...notLookedAt(), bridge: 'unknown' },
      nat: notLookedAt(),
      features: {
        tupleFilter: false,
        statusFilter: false,
        zoneFilter: false,
        filteredFlush: false,
        eventTimestamp: false,
      },
    },
  };
  if (process.platform !== 'linux') {
    result.reason = `netfilter is Linux only, this is ${process.platform}`;
    return result;
  }
  const effective = capabilities();
  const has = (bit: bigint) => ((effective >> bit) & 1n) === 1n;
  result.privileges = { netAdmin: has(12n), netRaw: has(13n), sysAdmin: has(21n) };
  const { conntrack } = result;
  conntrack.available = sysctl('count') !== undefined;
  const [acct, timestamp, events] = [sysctl('acct'), sysctl('timestamp'), sysctl('events')];
  if (acct !== undefined) conntrack.acct = acct !== 0;
  if (timestamp !== undefined) conntrack.timestamp = timestamp !== 0;
  if (events !== undefined) conntrack.events = events;
  conntrack.features = {
    tupleFilter: kernelAtLeast(5, 8),
    statusFilter: kernelAtLeast(5, 15),
    zoneFilter: kernelAtLeast(6, 8),
    filteredFlush: kernelAtLeast(6, 12),
    eventTimestamp: kernelAtLeast(6, 14),
  };
  try {
    call((binding) => {
      result.libraries = binding.libraries().map(describeLibrary);
      const report = binding.trackingSync();
      conntrack.tracking = trackingState(report);
      conntrack.nat = natState(report);
    });
    result.usable = true;
  } catch (error) {
    result.reason = error instanceof Error ? error.message : String(error);
  }
  return result;
}

function describeLibrary(raw: {
  soname: string;
  found: boolean;
  path: string;
  error: string;
  missing: string[];
}): LibrarySupport {
  const usable = raw.found && raw.missing.length === 0;
  const library: LibrarySupport = {
    soname: raw.soname,
    usable,
    missing: raw.missing,
    for: libraryUse[raw.soname] ?? '',
  };
  if (raw.found) library.path = raw.path;
  const version = /\.so\.([\d.]+)$/.exec(resolveLink(raw.path))?.[1];
  if (version) library.version = version;
  if (!usable) {
    library.reason = raw.found ? `lacks ${raw.missing.join(', ')}` : raw.error;
    const packages = libraryPackages[raw.soname];
    if (packages) library.packages = packages;
  }
  return library;
}

// support(): what works here and why not, without throwing and without privileges.
import { readFileSync, realpathSync } from 'node:fs';
import { libraryPackages } from '../../errors.js';
import { call } from '../../native/load.js';
import { type RuntimeSupport, runtimeSupport } from './runtime.js';
import { type NatState, natState, type TrackingState, trackingState } from './tracking.js';

/** A system library that the package loads when it is needed. */
export interface LibrarySupport {
  /** The name that it is loaded by: `libnetfilter_conntrack.so.3`. */
  readonly soname: string;
  /** Loaded, with every symbol that is used. */
  readonly usable: boolean;
  /** The file that was found. */
  readonly path?: string;
  /** The version that the name of the file has. */
  readonly version?: string;
  /** Symbols that this release lacks. */
  readonly missing: readonly string[];
  /** What needs it. */
  readonly for: string;
  /** Why it is not usable. */
  readonly reason?: string;
  /** What to install. */
  readonly packages?: string;
}

/** Capabilities in the effective set of this process. */
export interface PrivilegeSupport {
  /** CAP_NET_ADMIN: reading and changing flows and rules. */
  readonly netAdmin: boolean;
  /** CAP_NET_RAW: changing legacy tables of iptables. */
  readonly netRaw: boolean;
  /** CAP_SYS_ADMIN: entering other network namespaces. */
  readonly sysAdmin: boolean;
}

/** Kernel features by the release that brought them. Distributions may have brought them to older releases. */
export interface KernelFeatures {
  /** 5.8 — dumps filtered by tuple in the kernel. */
  readonly tupleFilter: boolean;
  /** 5.15 — dumps filtered by status in the kernel. */
  readonly statusFilter: boolean;
  /** 6.8 — dumps filtered by zone in the kernel. */
  readonly zoneFilter: boolean;
  /** 6.12 — filtered flush in the kernel. Before, each flow is deleted by a request of its own. */
  readonly filteredFlush: boolean;
  /** 6.14 — time stamps on events. */
  readonly eventTimestamp: boolean;
}

/** What the kernel does in this process's network namespace. */
export interface ConntrackSupport {
  /** The kernel has nf_conntrack, with its sysctls visible. */
  readonly available: boolean;
  /** Counters are kept for new flows (`nf_conntrack_acct`). */
  readonly acct?: boolean;
  /** Start and stop times are kept for new flows (`nf_conntrack_timestamp`). */
  readonly timestamp?: boolean;
  /** `nf_conntrack_events`: 0 none, 1 all, 2 only flows made while something listens. */
  readonly events?: number;
  /** Whether packets are tracked in this process's network namespace. */
  readonly tracking: TrackingState;
  /** Whether NAT is registered in this process's network namespace. */
  readonly nat: NatState;
  /** Kernel features by the release that brought them. */
  readonly features: KernelFeatures;
}

/** What works on a system, and why not. */
export interface Support {
  /** Whether the platform is Linux and the addon loads; nothing works otherwise. */
  readonly usable: boolean;
  /** Why not. */
  readonly reason?: string;
  /** The platform, as `process.platform` has it. */
  readonly platform: string;
  /** Kernel release, `6.1.0-18-amd64`; empty elsewhere than on Linux, and where the runtime does not tell. */
  readonly kernel: string;
  /** The JavaScript runtime, and what it keeps from the package. */
  readonly runtime: RuntimeSupport;
  /** The system libraries that the package loads when they are needed. */
  readonly libraries: readonly LibrarySupport[];
  /** What this process may do. */
  readonly privileges: PrivilegeSupport;
  /** What the kernel does. */
  readonly conntrack: ConntrackSupport;
}

/** A report that is being put together. */
type Draft<T> = { -readonly [Name in keyof T]: T[Name] };

const libraryUse: Record<string, string> = {
  'libnetfilter_conntrack.so.3': 'creating and changing flows and expectations',
  'libip4tc.so.2': 'changing legacy tables of iptables (IPv4)',
  'libip6tc.so.2': 'changing legacy tables of iptables (IPv6)',
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

/** Kernel release: empty if the runtime does not tell. `node:os` is loaded at its first use: nothing else needs it. */
function release(): string {
  try {
    return process.getBuiltinModule('node:os').release();
  } catch {
    return '';
  }
}

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

/**
 * What works on this system, and why not. Never throws; needs no privilege.
 * @example
 * import { support } from 'conntrack';
 * const { usable, reason, kernel, privileges } = support();
 * console.log(usable ? `Linux ${kernel}` : reason, privileges.netAdmin);
 */
export function support(): Support {
  const result: Draft<Omit<Support, 'conntrack'>> & { conntrack: Draft<ConntrackSupport> } = {
    usable: false,
    platform: process.platform,
    kernel: process.platform === 'linux' ? release() : '',
    runtime: runtimeSupport(),
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
  const library: Draft<LibrarySupport> = {
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

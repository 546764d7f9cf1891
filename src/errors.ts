// The error classes of the package and the table from errno to a hint a person can act on.
// The only place that makes an error out of what native code reports; knows nothing of sockets.

import { describeErrno } from './errno.js';

/** What native code reports of a failure: data only, no message. */
export interface NativeFailure {
  /** Positive errno, 0 where no system call failed (`detail` then says what happened). */
  errno: number;
  /** What was being done, in netfilter's words: `conntrack dump`, `iptables commit` … */
  operation: string;
  /**
   * Which class of errors.ts it becomes: `netlink` by default. `cancelled` says that a signal or close() ended the
   * operation; Session.ended makes the error of it.
   */
  kind?: 'netlink' | 'xtables' | 'lock' | 'library' | 'unsupported' | 'cancelled';
  /** The kernel's extended-ack text, a library's message, a name: whatever makes it precise. */
  detail?: string;
}

/** What an error is made of. */
export interface NetfilterErrorOptions {
  /** `'EPERM'`, `'ENOENT'` … or one of the package's own `ERR_NETFILTER_*` codes. */
  readonly code: string;
  /** What was being done: `conntrack dump`. */
  readonly operation: string;
  /** Negative errno; left out where no system call failed. */
  readonly errno?: number | undefined;
  /** The kernel's or the library's own words. */
  readonly detail?: string | undefined;
  /** What a person can do about it. */
  readonly hint?: string | undefined;
  /** The error behind it. */
  readonly cause?: unknown;
}

/** Base of every error that the package makes itself (bad arguments are `TypeError`/`RangeError`). */
export class NetfilterError extends Error {
  /** The name of its class. */
  override readonly name: string = 'NetfilterError';
  /** `'EPERM'`, `'ENOENT'` … or one of the package's own `ERR_NETFILTER_*` codes. */
  readonly code: string;
  /** Negative errno, as Node's own errors have it; `undefined` where no system call failed. */
  readonly errno: number | undefined;
  /** What was being done: `conntrack dump`, `iptables commit filter` … */
  readonly operation: string;
  /** The kernel's or the library's own words. */
  readonly detail: string | undefined;
  /** What a person can do about it. */
  readonly hint: string | undefined;

  /** For tests of programs that handle such errors: the package makes its own. */
  constructor(message: string, options: NetfilterErrorOptions) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = options.code;
    this.errno = options.errno;
    this.operation = options.operation;
    this.detail = options.detail;
    this.hint = options.hint;
  }
}

/** The kernel refused a netlink request. */
export class NetlinkError extends NetfilterError {
  /** The name of its class. */
  override readonly name: string = 'NetlinkError';
}

/** An iptables table could not be read or committed. */
export class XtablesError extends NetfilterError {
  /** The name of its class. */
  override readonly name: string = 'XtablesError';
}

/** The xtables lock could not be taken in time. */
export class XtablesLockError extends XtablesError {
  /** The name of its class. */
  override readonly name: string = 'XtablesLockError';
}

/** A system library is missing or too old; `hint` names the distribution's package. */
export class LibraryError extends NetfilterError {
  /** The name of its class. */
  override readonly name: string = 'LibraryError';
}

/** This platform, kernel or build cannot do it. */
export class UnsupportedError extends NetfilterError {
  /** The name of its class. */
  override readonly name: string = 'UnsupportedError';
}

/** What a program can test for of what an edit cannot do. */
export type TableErrorCode =
  | 'ERR_NETFILTER_NO_CHAIN'
  | 'ERR_NETFILTER_CHAIN_EXISTS'
  | 'ERR_NETFILTER_CHAIN_NOT_EMPTY'
  | 'ERR_NETFILTER_CHAIN_REFERENCED'
  | 'ERR_NETFILTER_CHAIN_BUILTIN'
  | 'ERR_NETFILTER_CHAIN_NAME'
  | 'ERR_NETFILTER_NO_RULE';

/** A table does not allow it, as it is now: no such chain, one that is not empty … `code` says which. */
export class TableError extends RangeError {
  /** The name of its class. */
  override readonly name: string = 'TableError';
  /** What the table does not allow. */
  readonly code: TableErrorCode;

  /** @internal */
  constructor(code: TableErrorCode, message: string) {
    super(message);
    this.code = code;
  }
}

/** The handle was closed, before or while the operation ran. */
export class ClosedError extends NetfilterError {
  /** The name of its class. */
  override readonly name: string = 'ClosedError';
}

type HintRule = { errno: string; operation?: RegExp; hint: string };

// First match wins. Facts: nfnetlink.c (EPERM for every request without CAP_NET_ADMIN), af_netlink.c
// (EBUSY, ENOBUFS), nf_conntrack_netlink.c (EINVAL, EBUSY, EOPNOTSUPP on create and update), libiptc.
const hints: HintRule[] = [
  ...['EACCES', 'EPERM', 'EROFS'].map((errno) => ({
    errno,
    operation: /conntrack configure/,
    hint: 'max, buckets and expectMax can be changed in the initial network namespace only; the others need CAP_NET_ADMIN in the namespace and /proc/sys mounted writable',
  })),
  {
    errno: 'EPERM',
    operation: /namespace/,
    hint: 'entering a network namespace needs CAP_SYS_ADMIN in the user namespace that owns it',
  },
  {
    errno: 'EPERM',
    operation: /^(ip6?tables|ipset)/,
    hint: 'needs CAP_NET_ADMIN and CAP_NET_RAW in the user namespace of this network namespace (run as root, or setcap cap_net_admin,cap_net_raw+ep on the node binary)',
  },
  {
    errno: 'EPERM',
    operation: /update/,
    hint: 'needs CAP_NET_ADMIN in this network namespace; an entry whose timeout is fixed (FIXED_TIMEOUT) also refuses a new timeout',
  },
  {
    errno: 'EPERM',
    hint: 'needs CAP_NET_ADMIN in this network namespace (sudo, or setcap cap_net_admin+ep on the node binary)',
  },
  {
    errno: 'EACCES',
    operation: /^iptables lock/,
    hint: 'this user may not open the lock file: let it be read (chmod a+r is enough), or set XTABLES_LOCKFILE to a file that this user and every other writer of these tables lock',
  },
  {
    errno: 'EACCES',
    operation: /^ip6?tables tables/,
    hint: "the list of legacy tables is open to root of the network namespace only (or with CAP_DAC_READ_SEARCH): name the tables, as in read('filter') or save({ tables: ['filter'] })",
  },
  {
    errno: 'EACCES',
    hint: 'the file is not accessible to this user; run as root or with the capability that the operation needs',
  },
  {
    errno: 'ENOBUFS',
    hint: 'the receive buffer was too small: raise `receiveBuffer` (above net.core.rmem_max it needs CAP_NET_ADMIN in the initial user namespace)',
  },
  {
    errno: 'EEXIST',
    operation: /expectation/,
    hint: 'an expectation that covers this tuple is there already',
  },
  {
    errno: 'ENOENT',
    operation: /expectation create/,
    hint: 'the master flow is not in the table (in the zone of `master`)',
  },
  {
    errno: 'EOPNOTSUPP',
    operation: /expectation create/,
    hint: 'the master flow has no room for a helper (give it one when it is made), or the kernel has no helper of that name for its protocol',
  },
  {
    errno: 'ESHUTDOWN',
    operation: /expectation create/,
    hint: 'the master flow has no helper',
  },
  {
    errno: 'EINVAL',
    operation: /expectation create/,
    hint: 'the helper has no policy of that class, or the kernel has no function of that name',
  },
  {
    errno: 'EMFILE',
    operation: /expectation create/,
    hint: 'the helper allows no more expectations of this class for one flow, or nf_conntrack_expect_max is reached',
  },
  {
    errno: 'EBUSY',
    operation: /expectation create/,
    hint: 'it clashes with an expectation of another flow',
  },
  {
    errno: 'EEXIST',
    operation: /conntrack (create|upsert)/,
    hint: 'a flow with the original or the reply tuple is already in the table: upsert() or update() change one with the original tuple; a reply tuple that another flow has (a port that is translated to twice) must be another one',
  },
  {
    errno: 'EINVAL',
    operation: /conntrack (create|upsert)/,
    hint: 'a new flow needs both tuples with the same protocol and a timeout, and one zone: of both directions or of one of them, not two that differ; a value may also be one that this kernel does not know',
  },
  {
    errno: 'EBUSY',
    operation: /conntrack (update|upsert|create)/,
    hint: 'the kernel does not let these status bits be changed (expected, confirmed, dying; seen_reply and assured cannot be cleared), nor one helper be swapped for another',
  },
  {
    errno: 'EOPNOTSUPP',
    operation: /conntrack create/,
    hint: 'the kernel has no helper of that name for this protocol (load its module: nf_conntrack_ftp …), or was built without what the detail names',
  },
  {
    errno: 'EOPNOTSUPP',
    operation: /conntrack (update|upsert)/,
    hint: 'NAT, the master tuple and a helper can only be set when a flow is created; so can what the detail names, where the flow has no room for it',
  },
  {
    errno: 'ENOSPC',
    operation: /conntrack/,
    hint: 'the flow has no room for labels: a rule that uses connlabel must be loaded before the flow is created',
  },
  { errno: 'ETIME', hint: 'the flow is dying' },
  {
    errno: 'ENOMEM',
    operation: /conntrack (create|upsert)/,
    hint: 'the table may be full: see settings().max and count()',
  },
  {
    errno: 'ENOENT',
    operation: /conntrack (create|upsert)/,
    hint: 'the flow that `master` names is not in the table, or not in this zone',
  },
  {
    errno: 'ENOENT',
    operation: /namespace/,
    hint: 'no such network namespace: give a name under /run/netns, a path, or the pid of a living process',
  },
  {
    errno: 'ENOENT',
    operation: /^ip6?tables commit/,
    hint: 'what a rule names must be there before the rule: load the helper (modprobe nf_conntrack_…), make the timeout policy or the accounting object (nfct add timeout, nfacct add), the cgroup or the pinned program',
  },
  {
    errno: 'ENOENT',
    operation: /^ip6?tables read/,
    hint: 'the kernel has no such legacy table, or was built without legacy iptables; the rules of this host may live in nf_tables (iptables-nft)',
  },
  {
    errno: 'ETIMEDOUT',
    operation: /^iptables lock/,
    hint: 'raise `lockTimeout`, or end what holds the lock',
  },
  {
    errno: 'EINVAL',
    operation: /^iptables lock/,
    hint: 'set XTABLES_LOCKFILE to a regular file (iptables itself uses /run/xtables.lock), and to the same one for every program that writes rules',
  },
  {
    errno: 'ETIMEDOUT',
    operation: /^(conntrack|nf_tables|ipset|tracking)/,
    hint: 'the kernel did not answer within 10 seconds; whether a change was made has to be read',
  },
  {
    errno: 'EPROTONOSUPPORT',
    hint: 'this kernel has no netfilter netlink: load nf_conntrack_netlink (modprobe nf_conntrack_netlink) or build it in',
  },
];

export function hintFor(code: string, operation: string): string | undefined {
  for (const rule of hints) {
    if (rule.errno === code && (rule.operation === undefined || rule.operation.test(operation))) {
      return rule.hint;
    }
  }
  return undefined;
}

/** One line: `conntrack dump: EPERM: operation not permitted (detail); hint`. */
function line(operation: string, code: string, text: string, detail?: string, hint?: string) {
  const why = detail ? `${text} (${detail})` : text;
  return `${operation}: ${code}: ${why}${hint ? `; ${hint}` : ''}`;
}

/** Makes the typed error for what native code reported. */
export function fromNative(failure: NativeFailure, cause?: unknown): NetfilterError {
  const { operation, detail } = failure;
  if (failure.kind === 'library') {
    return libraryError(operation, detail ?? 'a system library', cause);
  }
  if (failure.kind === 'unsupported') return unsupported(operation, detail ?? 'not supported here');
  const { code, text } =
    failure.errno === 0
      ? { code: 'ERR_NETFILTER_PROTOCOL', text: 'unexpected answer' }
      : describeErrno(failure.errno);
  const hint = hintFor(code, operation);
  const options = {
    code,
    operation,
    errno: failure.errno === 0 ? undefined : -failure.errno,
    detail,
    hint,
    cause,
  };
  const message = line(operation, code, text, detail, hint);
  if (failure.kind === 'xtables') return new XtablesError(message, options);
  if (failure.kind === 'lock') return new XtablesLockError(message, options);
  return new NetlinkError(message, options);
}

export function closedError(operation: string): ClosedError {
  return new ClosedError(`${operation}: ERR_NETFILTER_CLOSED: the handle is closed`, {
    code: 'ERR_NETFILTER_CLOSED',
    operation,
  });
}

/** Another writer, one that takes no xtables lock, kept changing the table under an edit. */
export function tableChanged(operation: string, attempts: number): XtablesError {
  const code = 'ERR_NETFILTER_TABLE_CHANGED';
  const text = `the table was changed by another writer, ${attempts} times in a row`;
  const hint =
    'that writer does not take the xtables lock (or another file: XTABLES_LOCKFILE); repeat the edit when it is quiet';
  return new XtablesError(line(operation, code, text, undefined, hint), { code, operation, hint });
}

/** confirm() came after the old table had been put back. */
export function tableReverted(operation: string): XtablesError {
  const code = 'ERR_NETFILTER_REVERTED';
  const text = 'the edit was not confirmed in time and has been reverted';
  return new XtablesError(line(operation, code, text), { code, operation });
}

/** Something of a table that no text for iptables-restore can say. */
export function noText(operation: string, detail: string): XtablesError {
  const code = 'ERR_NETFILTER_NO_TEXT';
  const text = 'what the table holds cannot be written so that it reads back the same';
  const hint = 'delete or rename it in an edit, or name the other tables in `tables`';
  return new XtablesError(line(operation, code, text, detail, hint), {
    code,
    operation,
    detail,
    hint,
  });
}

/** The distributions' names for the packages that hold each library. */
export const libraryPackages: Record<string, string> = {
  'libnetfilter_conntrack.so.3':
    'Debian: libnetfilter-conntrack3; Fedora: libnetfilter_conntrack; Alpine: libnetfilter_conntrack',
  'libip4tc.so.2': 'Debian: libip4tc2; Fedora: iptables-legacy-libs; Alpine: libip4tc',
  'libip6tc.so.2': 'Debian: libip6tc2; Fedora: iptables-legacy-libs; Alpine: libip6tc',
};

export function libraryError(operation: string, detail: string, cause?: unknown): LibraryError {
  const name = Object.keys(libraryPackages).find((soname) => detail.includes(soname));
  const hint = name === undefined ? undefined : `install ${libraryPackages[name]}`;
  return new LibraryError(
    line(operation, 'ERR_NETFILTER_LIBRARY', 'a system library is missing', detail, hint),
    { code: 'ERR_NETFILTER_LIBRARY', operation, detail, hint, cause },
  );
}

/**
 * The rules of a namespace are in the other backend of iptables: the legacy tables, which would have been
 * read or changed, are not those in use.
 */
export function otherBackend(operation: string, reasons: readonly string[]): UnsupportedError {
  const code = 'ERR_NETFILTER_OTHER_BACKEND';
  const detail = reasons.join('; ');
  const text = 'the rules of this network namespace live in nf_tables';
  const hint =
    "open with { backend: 'legacy' } to work on the legacy tables all the same; packets pass both";
  return new UnsupportedError(line(operation, code, text, detail, hint), {
    code,
    operation,
    detail,
    hint,
  });
}

export function unsupported(operation: string, detail: string, hint?: string): UnsupportedError {
  const code =
    detail === 'platform' ? 'ERR_NETFILTER_UNSUPPORTED_PLATFORM' : 'ERR_NETFILTER_UNSUPPORTED';
  const text =
    detail === 'platform'
      ? `netfilter is Linux only, this is ${process.platform}`
      : 'not supported';
  return new UnsupportedError(
    line(operation, code, text, detail === 'platform' ? undefined : detail, hint),
    { code, operation, detail, hint },
  );
}

/** A bad argument's type: names the path of the field. */
export function badType(path: string, expected: string, actual: unknown): TypeError {
  return new TypeError(`${bounded(path)}: expected ${bounded(expected)}, got ${shown(actual)}`);
}

/** A bad argument's value: names the path of the field. */
export function badRange(path: string, expected: string, actual: unknown): RangeError {
  return new RangeError(`${bounded(path)}: expected ${bounded(expected)}, got ${shown(actual)}`);
}

/** Characters of an input that a message repeats. */
const quotedLength = 80;

/** Text from outside as a message shows it: in double quotes, and of what is long only the begin. */
export function quoted(text: string, most = quotedLength): string {
  if (text.length <= most) return JSON.stringify(text);
  return `${JSON.stringify(text.slice(0, most))}… (${text.length} characters)`;
}

/** Characters of a part of a message that may hold words of the input. */
const boundedLength = 600;

/** Part of a message into which words from outside were put: of what is long only the begin. */
export function bounded(text: string): string {
  if (text.length <= boundedLength) return text;
  return `${text.slice(0, boundedLength)}… (${text.length} characters)`;
}

/** Any value in a few words: what it is, without running code of the caller. */
export function shown(value: unknown): string {
  if (typeof value === 'string') return quoted(value);
  if (typeof value === 'bigint') {
    const large = BigInt.asIntN(256, value) !== value;
    return large ? 'a bigint of more than 256 bits' : `${value}n`;
  }
  if (typeof value === 'function') return 'a function';
  if (typeof value === 'symbol') return 'a symbol';
  if (value === null || typeof value !== 'object') return String(value);
  try {
    if (Array.isArray(value)) return `an array of ${value.length}`;
    const prototype = Object.getPrototypeOf(value);
    if (prototype === null || prototype === Object.prototype) return 'an object';
    const made = Object.getOwnPropertyDescriptor(prototype, 'constructor')?.value;
    const name = typeof made === 'function' && Object.getOwnPropertyDescriptor(made, 'name')?.value;
    return typeof name === 'string' && /^\w{1,40}$/.test(name) ? `a ${name}` : 'an object';
  } catch {
    return 'an object'; // a Proxy whose traps throw
  }
}

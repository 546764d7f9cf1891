// The error classes of the package. The only place that makes an error out of what native code reports; knows nothing
// of sockets.

import { describeErrno } from './errno.js';
import { hintFor } from './hints.js';

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
  | 'ERR_NETFILTER_NO_RULE'
  | 'ERR_NETFILTER_NOT_UNDOABLE';

/** A table does not allow it, as it is now: no such chain, one that is not empty … `code` says which. */
export class TableError extends RangeError {
  /** The name of its class. */
  override readonly name: string = 'TableError';
  /** What the table does not allow. */
  readonly code: TableErrorCode;

  /** For tests of programs that handle such errors: the package makes its own. */
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
  const hint = hintFor(code, operation, failure.detail);
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

/** Another writer, one that no lock keeps away, kept changing the table under an edit. */
export function tableChanged(operation: string, attempts: number, hint: string): XtablesError {
  const code = 'ERR_NETFILTER_TABLE_CHANGED';
  const text = `the table was changed by another writer, ${attempts} times in a row`;
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

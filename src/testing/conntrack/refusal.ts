// Refusals in the numbers of Linux, as native code reports them.
import type { NativeFailure } from '../../errors.js';

export const errno = {
  ...{ EPERM: 1, ENOENT: 2, ENOMEM: 12, EBUSY: 16, EEXIST: 17, EINVAL: 22, EMFILE: 24, ENOSPC: 28 },
  ...{ EOPNOTSUPP: 95, ESHUTDOWN: 108 },
} as const;

/** What a request came to: 0 for done. */
export interface Answer {
  readonly errno: number;
  readonly detail?: string;
}

export const done: Answer = { errno: 0 };

/** Throws a refusal. */
export function refuse(operation: string, { errno: number, detail }: Answer): never {
  const failure: NativeFailure = {
    errno: number,
    operation,
    ...(detail !== undefined && { detail }),
  };
  throw failure;
}

/** What a table in memory does not do. */
export function unsupportedHere(operation: string, what: string): never {
  const failure: NativeFailure = {
    ...{ errno: 0, kind: 'unsupported', operation },
    detail: `conntrack/testing: ${what}`,
  };
  throw failure;
}

// Failures that a test asks for: which operation fails next, and how. Knows no operation.
import type { NativeFailure } from '../errors.js';

interface Fault {
  readonly errno: number;
  readonly detail: string | undefined;
  left: number;
}

export class Faults {
  readonly #faults = new Map<string, Fault[]>();

  /** The next `times` of these operations fail. Returns what takes that back. */
  add(operation: string, errno: number, times: number, detail: string | undefined): () => void {
    const fault: Fault = { errno, detail, left: times };
    const faults = this.#faults.get(operation) ?? [];
    this.#faults.set(operation, faults);
    faults.push(fault);
    return () => {
      fault.left = 0;
    };
  }

  /** The failure of this operation, if it is to fail. */
  next(operation: string): NativeFailure | undefined {
    const faults = this.#faults.get(operation) ?? [];
    const fault = faults.find(({ left }) => left > 0);
    if (fault === undefined) return undefined;
    fault.left--;
    const { errno, detail } = fault;
    const kind = /^ip6?tables /.test(operation) ? ('xtables' as const) : ('netlink' as const);
    return { errno, kind, operation, ...(detail !== undefined && { detail }) };
  }

  /** Throws it. */
  check(operation: string): void {
    const failure = this.next(operation);
    if (failure !== undefined) throw failure;
  }
}

// An edit that takes itself back unless it is confirmed in time: for callers that may lock
// themselves out by it. Knows the timer and who may still decide; how to take back is revert.ts.
import { tableReverted } from '../../errors.js';

/** What became of an edit with `revertAfter`. */
export type EditFate =
  | {
      /** The edit stays. */
      readonly kind: 'confirmed';
    }
  | {
      /** The old table is back. */
      readonly kind: 'reverted';
      /** Others had changed the table meanwhile: their changes are still there. */
      readonly merged: boolean;
    };

/** @internal What a PendingEdit needs of its maker. */
export interface Reverter {
  operation: string;
  /** Puts the old table back; returns whether others had changed it meanwhile. */
  revert(): Promise<boolean>;
  /** Told when the fate is known, or when it is known to be unknown. */
  settled(): void;
}

/** Tries to put the table back before it gives up, and the pause between them. */
const tries = 10;
const pauseMs = 1000;

/** An edit that is in place, and that is taken back after a while unless `confirm()` is called. */
export class PendingEdit<T> {
  /** What the edit function returned. */
  readonly value: T;
  /** When the old table comes back. */
  readonly deadline: Date;
  /**
   * How it ended. Rejects when the old table could not be put back (after ten tries; a process warning
   * says so as well).
   */
  readonly fate: Promise<EditFate>;
  readonly #reverter: Reverter;
  readonly #timer: NodeJS.Timeout;
  #settle!: (fate: EditFate | Promise<EditFate>) => void;
  #state: 'pending' | 'confirmed' | 'reverting' = 'pending';

  /** @internal */
  constructor(value: T, delayMs: number, reverter: Reverter) {
    this.value = value;
    this.deadline = new Date(Date.now() + delayMs);
    this.#reverter = reverter;
    this.fate = new Promise((resolve) => {
      this.#settle = resolve;
    });
    // Nobody has to look at it.
    this.fate.catch(() => {});
    // Holds the process: it must not end by itself while it owes the old table.
    this.#timer = setTimeout(() => void this.revert().catch(() => {}), delayMs);
  }

  /**
   * Keeps the edit.
   * @throws {XtablesError} `ERR_NETFILTER_REVERTED` when it has been taken back, or is being so
   */
  confirm(): void {
    if (this.#state === 'reverting') throw tableReverted(this.#reverter.operation);
    if (this.#state === 'confirmed') return;
    this.#state = 'confirmed';
    clearTimeout(this.#timer);
    this.#settle({ kind: 'confirmed' });
    this.#reverter.settled();
  }

  /**
   * Takes the edit back now. Does nothing to one that was confirmed.
   * @throws {XtablesError | XtablesLockError} when the old table could not be put back in ten tries
   */
  revert(): Promise<EditFate> {
    if (this.#state !== 'pending') return this.fate;
    this.#state = 'reverting';
    clearTimeout(this.#timer);
    this.#settle(this.#revert());
    return this.fate;
  }

  async #revert(): Promise<EditFate> {
    try {
      for (let left = tries; ; left--) {
        try {
          return { kind: 'reverted', merged: await this.#reverter.revert() };
        } catch (error) {
          if (left === 1) {
            process.emitWarning(
              `${this.#reverter.operation}: the edit was not confirmed, and the old table could not be put back: ${String(error)}`,
              { code: 'NETFILTER_NOT_REVERTED' },
            );
            throw error;
          }
          await new Promise((resolve) => setTimeout(resolve, pauseMs));
        }
      }
    } finally {
      this.#reverter.settled();
    }
  }
}

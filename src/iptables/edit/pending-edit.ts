// An edit that is taken back unless it is confirmed in time, for callers that could lock themselves out with it.
// Knows the timer, and whether the caller can still decide. undo.ts knows how to take an edit back.
import { tableReverted } from '../../errors.js';

/** How an edit with `revertAfter` ended. */
export type EditFate =
  | {
      /** The edit stays. */
      readonly kind: 'confirmed';
    }
  | {
      /** The old table is back. */
      readonly kind: 'reverted';
      /** Others had changed the table meanwhile. Their changes are still there. */
      readonly merged: boolean;
    };

/** @internal What a PendingEdit needs from its maker. */
export interface Reverter {
  operation: string;
  /** Puts the old table back; returns whether others had changed it meanwhile. */
  revert(): Promise<boolean>;
  /** Called when the fate is known, or when it will stay unknown. */
  settled(): void;
}

/** How often it tries to put the table back, and the pause between two tries. */
const tries = 10;
const pauseMs = 1000;

/** An edit that is in place, and is taken back after a time unless `confirm()` is called. */
export class PendingEdit<T> {
  /** What the edit function returned. */
  readonly value: T;
  /** When the old table comes back. */
  readonly deadline: Date;
  /**
   * How the edit ended. Rejects if the old table could not be put back in ten tries. Then there is a process warning,
   * too.
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
    // The caller need not look at it.
    this.fate.catch(() => {});
    // The timer keeps the process alive: the process must not end by itself before the old table is back.
    this.#timer = setTimeout(() => void this.revert().catch(() => {}), delayMs);
  }

  /**
   * Keeps the edit.
   * @throws {XtablesError} `ERR_NETFILTER_REVERTED` if it was taken back, or is being taken back
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
   * Takes the edit back now. Does nothing if it was confirmed.
   * @throws {XtablesError | XtablesLockError} if the old table could not be put back in ten tries
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

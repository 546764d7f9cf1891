// What the calls for many flows have in common: their options, their failures, and the order of their work: a chunk is
// prepared while the kernel works on the chunk before. Knows no socket.
import { optionsAt, signalAt } from '../../checks.js';
import { badType, fromNative, NetfilterError } from '../../errors.js';
import type { RawOutcome } from '../../native/binding.js';

/** Why nothing was done with one of many flows: the kernel refused it, or it was wrong (this error has no `code`). */
export type ManyError =
  | NetfilterError
  | ((TypeError | RangeError) & {
      /** A flow that is wrong has none. */
      readonly code?: undefined;
      /** A flow that is wrong has none: the message names the field. */
      readonly hint?: undefined;
    });

/** One of many flows that could not be made, changed or deleted. */
export interface ManyFailure {
  /** Its place in the input, from 0. */
  readonly index: number;
  /** Why. */
  readonly error: ManyError;
}

/** What a call for many flows says of those with which nothing was done. */
export interface ManyResult {
  /** How many of the flows were not there: there is none with the tuple, or it is another than the one meant. */
  readonly absent: number;
  /** The places of these in the input, from 0, in order. */
  readonly absentIndexes: readonly number[];
  /**
   * In the order of the input: the flows that the kernel refused (a {@link NetfilterError}), and what names no flow (a
   * `TypeError` or `RangeError` that names the field).
   */
  readonly failed: readonly ManyFailure[];
}

/** Options of the calls for many flows: `createMany`, `upsertMany`, `updateMany` and `deleteMany`. */
export interface ManyOptions<Progress> {
  /**
   * Ends the operation early: no further chunk of 4,096 flows is sent, and the promise rejects with the signal's
   * reason when the kernel has answered for the chunk under way. What was done stays, and `progress` has said how
   * much.
   */
  signal?: AbortSignal | undefined;
  /**
   * Called whenever the kernel has answered for a chunk, with the sums so far, also for the last chunk before a
   * rejection.
   */
  progress?: ((done: Progress) => void) | undefined;
}

export const errnos = { eperm: 1, enoent: 2, eexist: 17 } as const;

export function manyOptions<Progress>(options: unknown): ManyOptions<Progress> {
  const fields = optionsAt(options, 'options', new Set(['signal', 'progress']));
  const { progress } = fields;
  if (progress !== undefined && typeof progress !== 'function') {
    throw badType('options.progress', 'a function', progress);
  }
  return {
    signal: signalAt(fields.signal, 'options.signal'),
    progress: progress as ManyOptions<Progress>['progress'],
  };
}

/** The error of one item of a batch. */
export function outcomeError(operation: string, outcome: RawOutcome, index: number) {
  const detail = outcome.texts[index];
  return fromNative({ errno: outcome.codes[index]!, operation, ...(detail && { detail }) });
}

/** The failures of one call. */
export class Failures {
  readonly list: ManyFailure[] = [];

  add(index: number, error: ManyError): void {
    this.list.push({ index, error });
  }
  /** Notes what is wrong about one flow. An error of any other kind ends everything. */
  refused(index: number, error: unknown): void {
    const told =
      error instanceof NetfilterError || error instanceof TypeError || error instanceof RangeError;
    if (!told) throw error;
    this.add(index, error);
  }
  /** In the order of the input. */
  sorted(): readonly ManyFailure[] {
    return this.list.sort((a, b) => a.index - b.index);
  }
}

/** Sends each chunk when the kernel has answered for the one before. Meanwhile the next is prepared. */
export async function inChunks<Chunk>(
  chunks: Iterable<Chunk>,
  send: (chunk: Chunk) => Promise<void>,
  signal: AbortSignal | undefined,
): Promise<void> {
  let sent: Promise<void> | undefined;
  try {
    signal?.throwIfAborted();
    for (const chunk of chunks) {
      await sent;
      signal?.throwIfAborted();
      sent = send(chunk);
      sent.catch(() => {});
      await new Promise(setImmediate);
    }
    await sent;
  } catch (error) {
    // When the caller hears of the error, nothing is under way any more.
    await sent?.catch(() => {});
    throw error;
  }
}

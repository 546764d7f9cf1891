// Creating many flows: a chunk is packed while the kernel works on the chunk before. Each flow has an outcome. Knows
// packing and order, no socket.
import { type Fields, iterableAt, optionsAt, signalAt } from '../../checks.js';
import type { Family } from '../../constants.js';
import { badType, fromNative, NetfilterError } from '../../errors.js';
import type { RawOutcome } from '../../native/binding.js';
import type { Flow } from '../flow/flow.js';
import { FieldPacker } from '../input/field-packer.js';
import { type FlowInit, takeRow } from '../input/init.js';
import { packFlowInit } from '../input/pack-init.js';

/** Why a flow was not made: the kernel refused it, or it was wrong (this error has no `code`). */
export type CreateError =
  | NetfilterError
  | ((TypeError | RangeError) & {
      /** A flow that is wrong has none. */
      readonly code?: undefined;
      /** A flow that is wrong has none: the message names the field. */
      readonly hint?: undefined;
    });

/** A flow that `createMany` did not make. */
export interface CreateFailure {
  /** Its place in the input, from 0. */
  readonly index: number;
  /** Why it was not made. */
  readonly error: CreateError;
}

/** What `createMany` did: how many flows it made, and which it did not make, by their place in the input. */
export interface CreateResult {
  /** How many flows were made. */
  readonly created: number;
  /**
   * In the order of the input: the flows that the kernel refused (a {@link NetfilterError}), and those that
   * were not sent because they are wrong (a `TypeError` or `RangeError` that names the field).
   */
  readonly failed: readonly CreateFailure[];
  /** What a person should know: that nothing translates flows with `nat` yet. Absent where there is nothing to say. */
  readonly hints?: readonly string[];
}

/** How far a `createMany` is. */
export interface CreateProgress {
  /** Flows made so far. */
  readonly created: number;
  /** Flows that were not made so far. */
  readonly failed: number;
}

/** Options of `createMany`. */
export interface CreateManyOptions {
  /**
   * Ends the operation early: no further chunk of 4,096 flows is sent, and the promise rejects with the signal's
   * reason when the kernel has answered for the chunk under way. What was made stays, and `progress` has said how
   * much.
   */
  signal?: AbortSignal | undefined;
  /**
   * Called whenever the kernel has answered for a chunk, with the sums so far, also for the last chunk before a
   * rejection.
   */
  progress?: ((done: CreateProgress) => void) | undefined;
}

/** Sends packed flows to be created. */
type Write = (packed: Uint8Array) => Promise<RawOutcome>;

/** Flows of a chunk: the JS thread is busy with it for a few milliseconds at most. */
const chunk = 4096;
const eperm = 1;
const enoent = 2;

/** The error of one item of a batch. */
export function outcomeError(operation: string, outcome: RawOutcome, index: number) {
  const detail = outcome.texts[index];
  return fromNative({ errno: outcome.codes[index]!, operation, ...(detail && { detail }) });
}

const createError = (outcome: RawOutcome, index: number) =>
  outcomeError('conntrack create', outcome, index);

export function createManyOptions(options: unknown): CreateManyOptions {
  const fields = optionsAt(options, 'options', new Set(['signal', 'progress']));
  const { progress } = fields;
  if (progress !== undefined && typeof progress !== 'function') {
    throw badType('options.progress', 'a function', progress);
  }
  return {
    signal: signalAt(fields.signal, 'options.signal'),
    progress: progress as CreateManyOptions['progress'],
  };
}

class Creation {
  /** Families of the flows that the kernel should translate. */
  readonly translated = new Set<Family>();
  readonly result: { created: number; failed: CreateFailure[] } = { created: 0, failed: [] };
  readonly #write: Write;
  readonly #options: CreateManyOptions;
  // The two take turns: the chunk of one is sent while the other is filled.
  #packer = new FieldPacker();
  #other = new FieldPacker();
  #indexes: number[] = [];
  readonly #single = new FieldPacker();
  #withMaster: { index: number; bytes: Uint8Array }[] = [];
  #index = 0;
  // Called only where something is wrong: most flows need no path.
  readonly #path = () => `flows[${this.#index}]`;
  #sent: Promise<void> | undefined;

  constructor(write: Write, options: CreateManyOptions) {
    this.#write = write;
    this.#options = options;
  }

  async run(flows: Iterable<FlowInit | Flow>): Promise<CreateResult> {
    const { result } = this;
    try {
      this.#options.signal?.throwIfAborted();
      for (const flow of flows) {
        const fields = this.#take(flow);
        if (fields?.master !== undefined) {
          if (this.#pack(this.#single, fields)) {
            this.#withMaster.push({ index: this.#index, bytes: this.#single.take() });
          }
        } else if (fields !== undefined && this.#pack(this.#packer, fields)) {
          this.#indexes.push(this.#index);
        }
        this.#index++;
        if (this.#packer.count === chunk) await this.#pass();
      }
      if (this.#packer.count > 0) await this.#pass();
      await this.#sent;
      await this.#createWithMaster();
    } catch (error) {
      // When the caller hears of the error, nothing is under way any more.
      await this.#sent?.catch(() => {});
      throw error;
    }
    result.failed.sort((a, b) => a.index - b.index);
    return result;
  }

  /** The fields of a flow; undefined for what is no flow. */
  #take(flow: unknown): Fields | undefined {
    try {
      return takeRow(flow, this.#path);
    } catch (error) {
      this.#refused(error);
      return undefined;
    }
  }

  /** Notes an error of the present flow. An error of any other kind ends everything. */
  #refused(error: unknown): void {
    const told =
      error instanceof NetfilterError || error instanceof TypeError || error instanceof RangeError;
    if (!told) throw error;
    this.result.failed.push({ index: this.#index, error });
  }

  /** False for a flow that cannot be written. */
  #pack(packer: FieldPacker, fields: Fields): boolean {
    const mark = packer.mark();
    try {
      const family = packFlowInit(packer, fields, this.#path, true);
      if (family !== undefined) this.translated.add(family);
      return true;
    } catch (error) {
      packer.rewind(mark);
      this.#refused(error);
      return false;
    }
  }

  /** Sends the chunk when the kernel has answered for the one before. */
  async #pass(): Promise<void> {
    await this.#sent;
    this.#options.signal?.throwIfAborted();
    const indexes = this.#indexes;
    this.#sent = this.#send(this.#packer.packed, (i) => indexes[i]!);
    this.#sent.catch(() => {});
    this.#indexes = [];
    [this.#packer, this.#other] = [this.#other, this.#packer];
    this.#packer.reset();
    // While the kernel works on one chunk, the next one is packed.
    await new Promise(setImmediate);
  }

  async #send(packed: Uint8Array, place: (i: number) => number): Promise<void> {
    const { result } = this;
    const outcome = await this.#write(packed);
    const { codes } = outcome;
    let forbidden: NetfilterError | undefined;
    for (let i = 0; i < codes.length; i++) {
      // This is not about one flow: without the capability none can be made.
      if (codes[i] === eperm) forbidden ??= createError(outcome, i);
      else if (codes[i] === 0) result.created++;
      else result.failed.push({ index: place(i), error: createError(outcome, i) });
    }
    this.#tell();
    if (forbidden !== undefined) throw forbidden;
  }

  #tell(): void {
    const { created, failed } = this.result;
    this.#options.progress?.({ created, failed: failed.length });
  }

  /**
   * The kernel takes a flow with a master only when the master is there (ENOENT if not). So these flows come after
   * all others. A master may have a master: what was refused is sent again, as long as that gets any flow in.
   */
  async #createWithMaster(): Promise<void> {
    const { result } = this;
    for (let waiting = this.#withMaster; waiting.length > 0; ) {
      const orphans: { index: number; bytes: Uint8Array; error: NetfilterError }[] = [];
      for (let at = 0; at < waiting.length; at += chunk) {
        this.#options.signal?.throwIfAborted();
        const part = waiting.slice(at, at + chunk);
        const outcome = await this.#write(Buffer.concat(part.map(({ bytes }) => bytes)));
        let forbidden: NetfilterError | undefined;
        outcome.codes.forEach((code, i) => {
          if (code === 0) {
            result.created++;
            return;
          }
          const error = createError(outcome, i);
          if (code === eperm) forbidden ??= error;
          else if (code === enoent) orphans.push({ ...part[i]!, error });
          else result.failed.push({ index: part[i]!.index, error });
        });
        this.#tell();
        if (forbidden !== undefined) throw forbidden;
      }
      if (orphans.length === waiting.length) {
        for (const { index, error } of orphans) result.failed.push({ index, error });
        this.#tell();
        return;
      }
      waiting = orphans;
    }
  }
}

export async function createMany(
  write: Write,
  flows: Iterable<FlowInit | Flow>,
  options: CreateManyOptions,
  natHint: (families: ReadonlySet<Family>) => Promise<string | undefined>,
): Promise<CreateResult> {
  const creation = new Creation(write, options);
  const result = await creation.run(iterableAt(flows, 'flows', 'flows'));
  if (creation.translated.size === 0 || result.created === 0) return result;
  const hint = await natHint(creation.translated);
  return hint === undefined ? result : { ...result, hints: [hint] };
}

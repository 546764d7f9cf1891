// Creating many flows, or creating some and changing those that are there. Each flow has an outcome. Knows order, no
// socket.
import { iterableAt } from '../../checks.js';
import type { Family } from '../../constants.js';
import type { NetfilterError } from '../../errors.js';
import type { RawOutcome } from '../../native/binding.js';
import type { Flow } from '../flow/flow.js';
import type { FlowInit } from '../input/init.js';
import { chunkSize } from '../lookup/tuple-chunks.js';
import { type FlowChunk, FlowChunks, packedFlows, type Waiting } from './flow-chunks.js';
import {
  errnos,
  Failures,
  inChunks,
  type ManyFailure,
  type ManyOptions,
  outcomeError,
} from './many.js';

/** What `createMany` did: how many flows it made, and which it did not make, by their place in the input. */
export interface CreateResult {
  /** How many flows were made. */
  readonly created: number;
  /**
   * In the order of the input: the flows that the kernel refused (a {@link NetfilterError}), and those that
   * were not sent because they are wrong (a `TypeError` or `RangeError` that names the field).
   */
  readonly failed: readonly ManyFailure[];
  /** What a person should know: that nothing translates flows with `nat` yet. Absent where there is nothing to say. */
  readonly hints?: readonly string[];
}

/** What `upsertMany` did: as a {@link CreateResult}, with the flows that were there. */
export interface UpsertResult extends CreateResult {
  /** How many flows were there, and are now as they were given. */
  readonly updated: number;
}

/** How far a `createMany` is. */
export interface CreateProgress {
  /** Flows made so far. */
  readonly created: number;
  /** Flows that were not made so far. */
  readonly failed: number;
}

/** How far an `upsertMany` is. */
export interface UpsertProgress extends CreateProgress {
  /** Flows that were there, and were changed so far. */
  readonly updated: number;
}

/** Options of `createMany`. */
export type CreateManyOptions = ManyOptions<CreateProgress>;
/** Options of `upsertMany`. */
export type UpsertManyOptions = ManyOptions<UpsertProgress>;

/** Sends packed flows to be created, or changes of flows that are there. */
export type Write = (packed: Uint8Array, verb: 'create' | 'update') => Promise<RawOutcome>;

/** How often a flow is tried that is there when it is made, and gone when it is changed. */
const attempts = 4;

class Creation {
  readonly failures = new Failures();
  readonly chunks: FlowChunks;
  created = 0;
  updated = 0;
  readonly #write: Write;
  readonly #upserts: boolean;
  readonly #options: UpsertManyOptions;

  constructor(write: Write, upserts: boolean, options: UpsertManyOptions, native: boolean) {
    this.chunks = new FlowChunks(native, (index, error) => this.failures.refused(index, error));
    this.#write = write;
    this.#upserts = upserts;
    this.#options = options;
  }

  async run(flows: Iterable<FlowInit | Flow>): Promise<void> {
    const send = async (chunk: FlowChunk) => {
      await this.#send(chunk, false);
      this.#tell();
    };
    await inChunks(this.chunks.of(flows), send, this.#options.signal);
    await this.#sendWaiting(this.chunks.waiting);
  }

  #tell(): void {
    const { created, updated, failures } = this;
    this.#options.progress?.({ created, updated, failed: failures.list.length });
  }

  #error(outcome: RawOutcome, i: number): NetfilterError {
    return outcomeError(this.#upserts ? 'conntrack upsert' : 'conntrack create', outcome, i);
  }

  /** Ends everything: this is not about one flow. Without the capability none can be made. */
  #forbid(outcome: RawOutcome): void {
    const index = outcome.codes.indexOf(errnos.eperm);
    if (index < 0) return;
    this.#tell();
    throw this.#error(outcome, index);
  }

  /** Makes the flows of a chunk. With `masters` it gives the flows whose master is not there: place and error. */
  async #send(chunk: FlowChunk, masters: boolean): Promise<[place: number, NetfilterError][]> {
    const orphans: [place: number, NetfilterError][] = [];
    let { packed } = chunk;
    let places: readonly number[] | undefined; // undefined: all of the chunk
    for (let attempt = 1; ; attempt++) {
      const outcome = await this.#write(packed, 'create');
      const { codes } = outcome;
      const there: number[] = [];
      for (let i = 0; i < codes.length; i++) {
        const place = places === undefined ? i : places[i]!;
        const code = codes[i]!;
        if (code === 0) this.created++;
        else if (code === errnos.eexist && this.#upserts && attempt < attempts) there.push(place);
        else if (code === errnos.enoent && masters) orphans.push([place, this.#error(outcome, i)]);
        else if (code !== errnos.eperm) {
          this.failures.add(chunk.indexes[place]!, this.#error(outcome, i));
        }
      }
      this.#forbid(outcome);
      if (there.length === 0) return orphans;
      const gone = await this.#change(chunk, there);
      if (gone.size === 0) return orphans;
      const rest = [...packedFlows(chunk.packed)].filter((_, place) => gone.has(place));
      packed = Buffer.concat(rest);
      places = [...gone].sort((a, b) => a - b);
    }
  }

  /** Changes flows that are there. Gives the places of those that are gone by now. */
  async #change(chunk: FlowChunk, there: readonly number[]): Promise<Set<number>> {
    const gone = new Set<number>();
    const { packed, places } = chunk.changes(there);
    if (places.length === 0) return gone;
    const outcome = await this.#write(packed, 'update');
    outcome.codes.forEach((code, i) => {
      const place = places[i]!;
      if (code === 0) this.updated++;
      else if (code === errnos.enoent) gone.add(place);
      else this.failures.add(chunk.indexes[place]!, this.#error(outcome, i));
    });
    return gone;
  }

  /**
   * The kernel takes a flow with a master only when the master is there (ENOENT if not). So these flows come after
   * all others. A master may have a master: what was refused is sent again, as long as that gets any flow in.
   */
  async #sendWaiting(all: readonly Waiting[]): Promise<void> {
    for (let waiting = all; waiting.length > 0; ) {
      const orphans: (Waiting & { error: NetfilterError })[] = [];
      for (let at = 0; at < waiting.length; at += chunkSize) {
        this.#options.signal?.throwIfAborted();
        const part = waiting.slice(at, at + chunkSize);
        for (const [place, error] of await this.#send(this.chunks.waitingChunk(part), true)) {
          orphans.push({ ...part[place]!, error });
        }
        this.#tell();
      }
      if (orphans.length === waiting.length) {
        for (const { index, error } of orphans) this.failures.add(index, error);
        this.#tell();
        return;
      }
      waiting = orphans;
    }
  }
}

type NatHintOf = (families: ReadonlySet<Family>) => Promise<string | undefined>;

/** The hints of a call that made flows. */
async function hintsOf(creation: Creation, natHint: NatHintOf): Promise<{ hints?: string[] }> {
  const { translated } = creation.chunks;
  if (translated.size === 0 || creation.created === 0) return {};
  const hint = await natHint(translated);
  return hint === undefined ? {} : { hints: [hint] };
}

/** `native`: native code may pack the rows of batches. */
export async function createMany(
  write: Write,
  flows: Iterable<FlowInit | Flow>,
  { signal, progress }: CreateManyOptions,
  natHint: NatHintOf,
  native = true,
): Promise<CreateResult> {
  const tell = progress && (({ created, failed }: UpsertProgress) => progress({ created, failed }));
  const creation = new Creation(write, false, { signal, progress: tell }, native);
  await creation.run(iterableAt(flows, 'flows', 'flows'));
  const { created, failures } = creation;
  return { created, failed: failures.sorted(), ...(await hintsOf(creation, natHint)) };
}

export async function upsertMany(
  write: Write,
  flows: Iterable<FlowInit | Flow>,
  options: UpsertManyOptions,
  natHint: NatHintOf,
  native = true,
): Promise<UpsertResult> {
  const creation = new Creation(write, true, options, native);
  await creation.run(iterableAt(flows, 'flows', 'flows'));
  const { created, updated, failures } = creation;
  return { created, updated, failed: failures.sorted(), ...(await hintsOf(creation, natHint)) };
}

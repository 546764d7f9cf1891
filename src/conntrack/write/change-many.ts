// Deleting and changing many flows that the caller names. Each has an outcome. Knows order, and the sums.
import { type Fields, iterableAt } from '../../checks.js';
import { protocolNumbers } from '../../constants.js';
import type { NetfilterError } from '../../errors.js';
import type { RawOutcome } from '../../native/binding.js';
import { packedTuple } from '../../native/numbers.js';
import type { Session } from '../../native/session.js';
import type { Flow } from '../flow/flow.js';
import { FieldPacker } from '../input/field-packer.js';
import type { TupleInit } from '../input/tuple.js';
import { type TupleChunk, tupleChunks } from '../lookup/tuple-chunks.js';
import { type FlowChange, packTaken, takeChange } from './change.js';
import {
  errnos,
  Failures,
  inChunks,
  type ManyOptions,
  type ManyResult,
  manyOptions,
  outcomeError,
} from './many.js';

/** What `deleteMany` did. */
export interface DeleteManyResult extends ManyResult {
  /** How many flows were deleted. */
  readonly deleted: number;
}

/** What `updateMany` did. */
export interface UpdateManyResult extends ManyResult {
  /** How many flows were changed. */
  readonly updated: number;
}

/** How far a `deleteMany` is. */
export interface DeleteProgress {
  /** Flows deleted so far. */
  readonly deleted: number;
  /** Flows so far that were not there. */
  readonly absent: number;
  /** Flows so far that were not deleted. */
  readonly failed: number;
}

/** How far an `updateMany` is. */
export interface UpdateProgress {
  /** Flows changed so far. */
  readonly updated: number;
  /** Flows so far that were not there. */
  readonly absent: number;
  /** Flows so far that were not changed. */
  readonly failed: number;
}

/** Options of `deleteMany`. */
export type DeleteManyOptions = ManyOptions<DeleteProgress>;
/** Options of `updateMany`. */
export type UpdateManyOptions = ManyOptions<UpdateProgress>;

/** The outcomes of the flows of one call. */
class Outcomes {
  readonly failures = new Failures();
  readonly absent: number[] = [];
  done = 0;
  readonly #operation: string;

  constructor(operation: string) {
    this.#operation = operation;
  }

  /** Takes the outcomes of a chunk. Gives the error that is about no single flow, if there is one. */
  take(
    outcome: RawOutcome,
    { indexes }: Pick<TupleChunk, 'indexes'>,
    forbidding: boolean,
  ): NetfilterError | undefined {
    const { codes } = outcome;
    let forbidden: NetfilterError | undefined;
    for (let i = 0; i < codes.length; i++) {
      const code = codes[i]!;
      if (code === 0) this.done++;
      else if (code === errnos.enoent) this.absent.push(indexes[i]!);
      else {
        const error = outcomeError(this.#operation, outcome, i);
        if (code === errnos.eperm && forbidding) forbidden ??= error;
        else this.failures.add(indexes[i]!, error);
      }
    }
    return forbidden;
  }

  get counts(): { absent: number; failed: number } {
    return { absent: this.absent.length, failed: this.failures.list.length };
  }

  get result(): ManyResult {
    const absentIndexes = this.absent.sort((a, b) => a - b);
    return { absent: absentIndexes.length, absentIndexes, failed: this.failures.sorted() };
  }
}

export async function deleteMany(
  session: Session,
  flows: Iterable<Flow | TupleInit>,
  options: unknown,
): Promise<DeleteManyResult> {
  const operation = 'conntrack delete';
  const { signal, progress } = manyOptions<DeleteProgress>(options);
  const outcomes = new Outcomes(operation);
  const refused = (index: number, error: unknown) => outcomes.failures.refused(index, error);
  const send = async (chunk: TupleChunk) => {
    const outcome = await session.run(operation, undefined, (binding, handle) =>
      binding.ctDelete(handle, chunk.packed),
    );
    // Without the capability no flow can be deleted.
    const forbidden = outcomes.take(outcome, chunk, true);
    progress?.({ deleted: outcomes.done, ...outcomes.counts });
    if (forbidden !== undefined) throw forbidden;
  };
  const input = iterableAt(flows, 'flows', 'tuples or Flows');
  await inChunks(tupleChunks(session, input, 'flows', refused), send, signal);
  return { deleted: outcomes.done, ...outcomes.result };
}

export async function updateMany(
  session: Session,
  flows: Iterable<Flow | TupleInit>,
  change: FlowChange,
  options: unknown,
): Promise<UpdateManyResult> {
  const operation = 'conntrack update';
  const packed = new PackedChange(change);
  const { signal, progress } = manyOptions<UpdateProgress>(options);
  const outcomes = new Outcomes(operation);
  const refused = (index: number, error: unknown) => outcomes.failures.refused(index, error);
  const send = async (chunk: TupleChunk) => {
    for (const { fields, ...part } of packed.partsOf(chunk, refused)) {
      const outcome = await session.run(operation, undefined, (binding, handle) =>
        binding.ctUpdateMany(handle, part.packed, fields),
      );
      // Native code has found out that EPERM is about one flow, whose timeout is fixed.
      outcomes.take(outcome, part, false);
    }
    progress?.({ updated: outcomes.done, ...outcomes.counts });
  };
  const input = iterableAt(flows, 'flows', 'tuples or Flows');
  await inChunks(tupleChunks(session, input, 'flows', refused), send, signal);
  return { updated: outcomes.done, ...outcomes.result };
}

/** Tuples of a chunk, and the change for them. */
interface Part extends TupleChunk {
  readonly fields: Uint8Array;
}

/** The parts of a change that belong to one protocol, and where they can belong. */
const bound = new Map<string, readonly number[]>([
  ['tcp', [protocolNumbers.tcp]],
  ['sctp', [protocolNumbers.sctp]],
  ['dccp', [protocolNumbers.dccp]],
  ['state', [protocolNumbers.tcp, protocolNumbers.sctp, protocolNumbers.dccp]],
]);

/** A change for flows of any protocol. What it has of one protocol is refused for the flows of others. */
class PackedChange {
  readonly #change: Fields;
  /** For all protocols; undefined: the change has a part that belongs to one. */
  readonly #fields: Uint8Array | undefined;
  readonly #byProtocol = new Map<number, Uint8Array>();
  readonly #misfits = new Map<number, unknown>();

  constructor(change: FlowChange) {
    this.#change = takeChange(change, 'change');
    const name = [...bound.keys()].find((one) => one in this.#change);
    if (name === undefined) {
      this.#fields = this.#pack(undefined);
      return;
    }
    // It must be right for some protocol. Otherwise it is refused before anything is sent.
    const protocols = bound.get(name)!;
    const errors: unknown[] = [];
    for (const protocol of protocols) {
      try {
        this.#byProtocol.set(protocol, this.#pack(protocol));
      } catch (error) {
        errors.push(error);
      }
    }
    if (errors.length === protocols.length) throw errors[0];
  }

  #pack(protocol: number | undefined): Uint8Array {
    const packer = new FieldPacker();
    packTaken(packer, this.#change, protocol, 'change');
    return packer.take();
  }

  /** The chunk, or a part of it for each protocol. The flows that the change does not fit are refused. */
  partsOf(chunk: TupleChunk, refused: (index: number, error: unknown) => void): Part[] {
    const { packed, indexes } = chunk;
    if (this.#fields !== undefined) return [{ packed, indexes, fields: this.#fields }];
    const parts = new Map<number, { tuples: Uint8Array[]; indexes: number[] }>();
    for (let i = 0; i < indexes.length; i++) {
      const tuple = packed.subarray(i * packedTuple.bytes, (i + 1) * packedTuple.bytes);
      const protocol = tuple[packedTuple.protocol]!;
      if (!this.#byProtocol.has(protocol)) {
        refused(indexes[i]!, this.#misfit(protocol));
        continue;
      }
      let part = parts.get(protocol);
      if (part === undefined) {
        part = { tuples: [], indexes: [] };
        parts.set(protocol, part);
      }
      part.tuples.push(tuple);
      part.indexes.push(indexes[i]!);
    }
    return Array.from(parts, ([protocol, part]) => ({
      ...{ packed: Buffer.concat(part.tuples), indexes: part.indexes },
      fields: this.#byProtocol.get(protocol)!,
    }));
  }

  /** Why the change does not fit flows of a protocol. Flows of one protocol share the error. */
  #misfit(protocol: number): unknown {
    let why = this.#misfits.get(protocol);
    if (why !== undefined) return why;
    try {
      this.#pack(protocol);
    } catch (error) {
      why = error;
      this.#misfits.set(protocol, why);
    }
    return why;
  }
}

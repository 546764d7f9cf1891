// Lookups of flows in one table: one, one on the JS thread, or many at once.
import { iterableAt, optionsAt, signalAt } from '../../checks.js';
import type { Session } from '../../native/session.js';
import { FlowBatch } from '../batch/flow-batch.js';
import { readFlows } from '../batch/read-flows.js';
import { LookupArena } from '../columns/lookup-arena.js';
import { Flow } from '../flow/flow.js';
import type { TupleInit } from '../input/tuple.js';
import { getMany, type TupleList } from './get-many.js';
import { packRowTuples, tableFor } from './tuple-chunks.js';
import { isMeant, TuplePacker } from './tuple-packer.js';

const operation = 'conntrack get';

/** Options of `getMany`. */
export interface GetManyOptions {
  /** Ends the operation early, when the kernel has answered for the chunk under way. */
  signal?: AbortSignal | undefined;
}

export class Lookups {
  readonly #session: Session;
  #arena = new LookupArena();
  #arenaTable = '';
  readonly #tuple = new TuplePacker(1);
  readonly #extra = new Uint8Array(8192);

  constructor(session: Session) {
    this.#session = session;
  }

  async get(tuple: TupleInit | Flow): Promise<Flow | undefined> {
    const [flow] = await this.#lookUp(this.#list([tuple], () => 'tuple'));
    return flow;
  }

  getSync(tuple: TupleInit | Flow): Flow | undefined {
    this.#tuple.reset().add(tuple, 'tuple', tableFor(this.#session, tuple));
    const table = this.#session.table(operation);
    let arena = this.#arena;
    if (arena.next === LookupArena.capacity || table !== this.#arenaTable) {
      arena = new LookupArena(table);
      this.#arena = arena;
      this.#arenaTable = table;
    }
    const row = arena.next;
    const found = this.#session.sync(operation, (binding, handle) =>
      binding.ctGetSync(
        handle,
        this.#tuple.bytes,
        arena.bytes,
        LookupArena.capacity,
        row,
        this.#extra,
      ),
    );
    if (found < 0) return undefined;
    if (found > 0) arena.setExtra(row, this.#extra.slice(0, found));
    arena.next++;
    const flow = Flow.at(arena.store, row);
    return isMeant(flow, this.#tuple.bytes, 0) ? flow : undefined;
  }

  async getMany(
    tuples: Iterable<TupleInit | Flow>,
    options: unknown,
  ): Promise<(Flow | undefined)[]> {
    const list =
      this.#batch(tuples) ?? this.#list([...iterableAt(tuples, 'tuples', 'tuples or Flows')]);
    const fields = optionsAt(options, 'options', new Set(['signal']));
    const signal = signalAt(fields.signal, 'options.signal');
    return this.#lookUp(list, signal);
  }

  /** The flows of a batch; undefined for what is none. */
  #batch(tuples: unknown): TupleList | undefined {
    const store = this.#session.isNative ? FlowBatch.storeOf(tuples) : undefined;
    if (store === undefined) return undefined;
    const pack = (from: number, to: number) => packRowTuples(this.#session, store, from, to);
    return { length: store.rows, pack };
  }

  #list(
    tuples: readonly (TupleInit | Flow)[],
    pathOf = (index: number) => `tuples[${index}]`,
  ): TupleList {
    const pack = (from: number, to: number) => {
      const packer = new TuplePacker(to - from);
      for (let index = from; index < to; index++) {
        const tuple = tuples[index]!;
        packer.add(tuple, () => pathOf(index), tableFor(this.#session, tuple));
      }
      return packer.bytes;
    };
    return { length: tuples.length, pack };
  }

  #lookUp(tuples: TupleList, signal?: AbortSignal): Promise<(Flow | undefined)[]> {
    const lookUp = (packed: Uint8Array) =>
      readFlows(this.#session, operation, undefined, (binding, handle) =>
        binding.ctGet(handle, packed),
      );
    return getMany(lookUp, tuples, signal);
  }
}

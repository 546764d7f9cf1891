// Flows to write as packed fields, some thousand at a time. Those of a batch are packed by native code, from its columns;
// the few rows that it leaves, and flows of any other input, are checked and packed one by one. Knows no order and no
// socket.
import type { Fields } from '../../checks.js';
import { AF_INET, type Family } from '../../constants.js';
import type { RawPackedRows } from '../../native/binding.js';
import { call } from '../../native/load.js';
import { rowFlag } from '../../native/numbers.js';
import { FlowBatch } from '../batch/flow-batch.js';
import type { ColumnStore } from '../columns/column-store.js';
import { has } from '../columns/schema.js';
import { Flow } from '../flow/flow.js';
import { defaultTimeout } from '../input/default-timeout.js';
import { FieldPacker } from '../input/field-packer.js';
import { type FlowInit, takeRow } from '../input/init.js';
import { packFlowInit } from '../input/pack-init.js';
import { chunkSize } from '../lookup/tuple-chunks.js';
import { packUpsertChange } from './upsert.js';

/** Packed new flows. */
export interface FlowChunk {
  readonly packed: Uint8Array;
  /** The place of each in the input. */
  readonly indexes: ArrayLike<number>;
  /**
   * What makes the flows at these places of the chunk of flows that are there. A flow whose change cannot be packed is
   * left out, and `refused` hears of it.
   */
  changes(places: readonly number[]): Changes;
}

/** Packed changes of flows that are there, each with its tuple. */
export interface Changes {
  readonly packed: Uint8Array;
  /** The place of each in the chunk. */
  readonly places: readonly number[];
}

/** A flow that has a master, and is made after all others. */
export interface Waiting {
  readonly index: number;
  readonly bytes: Uint8Array;
  /** Appends the change. */
  readonly change: (packer: FieldPacker) => void;
}

/** The packed flows one by one: each begins with its size. */
export function* packedFlows(packed: Uint8Array): Generator<Uint8Array, void> {
  const sizes = new Uint32Array(1);
  const raw = new Uint8Array(sizes.buffer);
  for (let at = 0; at < packed.length; ) {
    raw.set(packed.subarray(at, at + 4));
    const end = at + 4 + sizes[0]!;
    yield packed.subarray(at, end);
    at = end;
  }
}

export class FlowChunks {
  /** Families of the flows that the kernel should translate. */
  readonly translated = new Set<Family>();
  /** The flows that have a master, when the chunks have been taken. */
  readonly waiting: Waiting[] = [];
  readonly #refused: (index: number, error: unknown) => void;
  // The two take turns: the chunk of one is under way while the other is filled.
  #packer = new FieldPacker();
  #other = new FieldPacker();
  readonly #single = new FieldPacker();
  #index = 0;
  // Called only where something is wrong: most flows need no path.
  readonly #path = () => `flows[${this.#index}]`;

  readonly #native: boolean;

  /** `native`: native code may pack rows of batches. */
  constructor(native: boolean, refused: (index: number, error: unknown) => void) {
    this.#native = native;
    this.#refused = refused;
  }

  of(flows: Iterable<FlowInit | Flow>): Generator<FlowChunk, void> {
    const store = this.#native ? FlowBatch.storeOf(flows) : undefined;
    return store === undefined ? this.#plain(flows) : this.#rows(store);
  }

  /** The packer for the next chunk. */
  #next(): FieldPacker {
    [this.#packer, this.#other] = [this.#other, this.#packer];
    this.#packer.reset();
    return this.#packer;
  }

  /** Notes an error of one flow. */
  #wrong(index: number, error: unknown): void {
    this.#refused(index, error);
  }

  /** The fields of a flow; undefined for what is no flow. */
  #take(flow: unknown): Fields | undefined {
    try {
      return takeRow(flow, this.#path);
    } catch (error) {
      this.#wrong(this.#index, error);
      return undefined;
    }
  }

  /** Packs a flow, or puts it aside because it has a master. False for a flow that cannot be written. */
  #pack(packer: FieldPacker, fields: Fields): boolean {
    const to = fields.master === undefined ? packer : this.#single;
    const mark = to.mark();
    try {
      const family = packFlowInit(to, fields, this.#path, true);
      if (family !== undefined) this.translated.add(family);
    } catch (error) {
      to.rewind(mark);
      this.#wrong(this.#index, error);
      return false;
    }
    if (to === packer) return true;
    const index = this.#index;
    const path = `flows[${index}]`;
    const change = (into: FieldPacker) => packUpsertChange(into, fields, path);
    this.waiting.push({ index, bytes: to.take(), change });
    return false;
  }

  /** Packs changes one by one. One that cannot be packed is left out. */
  #changes(
    places: readonly number[],
    indexes: ArrayLike<number>,
    pack: (packer: FieldPacker, place: number) => void,
  ): Changes {
    const packer = new FieldPacker();
    const packed = places.filter((place) => {
      const mark = packer.mark();
      try {
        pack(packer, place);
        return true;
      } catch (error) {
        packer.rewind(mark);
        this.#wrong(indexes[place]!, error);
        return false;
      }
    });
    return { packed: packer.packed, places: packed };
  }

  *#plain(flows: Iterable<FlowInit | Flow>): Generator<FlowChunk, void> {
    let packer = this.#next();
    let all: Fields[] = [];
    let indexes: number[] = [];
    const chunk = (): FlowChunk => {
      const [fields, own] = [all, indexes];
      const change = (into: FieldPacker, place: number) =>
        packUpsertChange(into, fields[place]!, `flows[${own[place]!}]`);
      return {
        ...{ packed: packer.packed, indexes },
        changes: (places) => this.#changes(places, own, change),
      };
    };
    for (const flow of flows) {
      const fields = this.#take(flow);
      if (fields !== undefined && this.#pack(packer, fields)) {
        all.push(fields);
        indexes.push(this.#index);
      }
      this.#index++;
      if (packer.count < chunkSize) continue;
      yield chunk();
      packer = this.#next();
      all = [];
      indexes = [];
    }
    if (packer.count > 0) yield chunk();
  }

  *#rows(store: ColumnStore): Generator<FlowChunk, void> {
    for (let from = 0; from < store.rows; from += chunkSize) {
      const chunk = this.#rowChunk(store, from, Math.min(store.rows, from + chunkSize));
      if (chunk.indexes.length > 0) yield chunk;
    }
  }

  #rowChunk(store: ColumnStore, from: number, to: number): FlowChunk {
    const rows = store.rowNumbers(from, to);
    const packer = this.#next();
    const indexes: number[] = [];
    let whole: Uint8Array | undefined;
    for (let at = 0; at < rows.length; at++) {
      const part = call((binding) => binding.ctPackRows(store.memory, rows, at, false));
      const masters = this.#takePart(store, from + at, part, indexes);
      // Mostly native code packs the whole chunk. Then its bytes are not copied.
      if (!masters && part.flags.length === rows.length) whole = part.packed;
      else if (!masters) packer.append(part.packed, part.flags.length);
      else this.#divide(store, from + at, rows.subarray(at), part, packer);
      at = part.next;
      if (at === rows.length) break;
      this.#index = from + at;
      const fields = this.#take(flowAt(store, from + at));
      if (fields !== undefined && this.#pack(packer, fields)) indexes.push(from + at);
    }
    return {
      ...{ packed: whole ?? packer.packed, indexes },
      changes: (places) => this.#rowChanges(store, rows, from, indexes, places),
    };
  }

  /**
   * Takes the rows that native code packed, `first` is the index of the first of them: what is missing in their bytes,
   * and their indexes. Gives whether some have masters: these are not among the indexes.
   */
  #takePart(
    store: ColumnStore,
    first: number,
    { packed, flags, untimed }: RawPackedRows,
    indexes: number[],
  ): boolean {
    let masters = false;
    let timed = 0;
    for (let i = 0; i < flags.length; i++) {
      const flag = flags[i]!;
      if ((flag & rowFlag.hasMaster) === 0) indexes.push(first + i);
      else masters = true;
      if (flag === 0) continue;
      const { store: base, row } = store.place(first + i);
      if ((flag & rowFlag.translated) !== 0) {
        this.translated.add(base.column('family')[row] === AF_INET ? 'ipv4' : 'ipv6');
      }
      if ((flag & rowFlag.untimed) !== 0) setTimeoutOf(base, row, packed, untimed[timed++]!);
    }
    return masters;
  }

  /** Appends flows, and puts those aside that have masters. */
  #divide(
    store: ColumnStore,
    first: number,
    rows: Uint32Array,
    { packed, flags }: RawPackedRows,
    packer: FieldPacker,
  ): void {
    let i = 0;
    for (const bytes of packedFlows(packed)) {
      const index = first + i;
      const row = rows.slice(i, i + 1);
      if ((flags[i++]! & rowFlag.hasMaster) === 0) {
        packer.append(bytes, 1);
        continue;
      }
      const change = (into: FieldPacker) =>
        packRowChanges(store, row, [index], into, (_, error) => {
          throw error;
        });
      this.waiting.push({ index, bytes: bytes.slice(), change });
    }
  }

  #rowChanges(
    store: ColumnStore,
    rows: Uint32Array,
    from: number,
    indexes: readonly number[],
    places: readonly number[],
  ): Changes {
    const packer = new FieldPacker();
    const lost = new Set<number>();
    const wanted = places.map((place) => indexes[place]!);
    const chosen = new Uint32Array(wanted.length);
    for (let i = 0; i < chosen.length; i++) chosen[i] = rows[wanted[i]! - from]!;
    packRowChanges(store, chosen, wanted, packer, (index, error) => {
      this.#wrong(index, error);
      lost.add(index);
    });
    const packed = lost.size === 0 ? places : places.filter((place) => !lost.has(indexes[place]!));
    return { packed: packer.packed, places: packed };
  }

  /** Flows with masters as a chunk. */
  waitingChunk(part: readonly Waiting[]): FlowChunk {
    const indexes = part.map(({ index }) => index);
    return {
      ...{ packed: Buffer.concat(part.map(({ bytes }) => bytes)), indexes },
      changes: (places) =>
        this.#changes(places, indexes, (into, place) => part[place]!.change(into)),
    };
  }
}

function flowAt(store: ColumnStore, index: number): Flow {
  const place = store.place(index);
  return Flow.at(place.store, place.row);
}

/** Puts in the kernel's default where a row has no timeout. */
function setTimeoutOf(store: ColumnStore, row: number, packed: Uint8Array, at: number): void {
  const hasState = (store.column('presence')[row]! & has.state) !== 0;
  const state = hasState ? store.column('state')[row]! : undefined;
  const status = store.column('status')[row]!;
  const seconds = Uint32Array.of(defaultTimeout(store.column('protocol')[row]!, state, status));
  packed.set(new Uint8Array(seconds.buffer), at);
}

/** Packs what makes flows that are there as the rows are. */
function packRowChanges(
  store: ColumnStore,
  rows: Uint32Array,
  indexes: readonly number[],
  packer: FieldPacker,
  refused: (index: number, error: unknown) => void,
): void {
  for (let at = 0; at < rows.length; at++) {
    const part = call((binding) => binding.ctPackRows(store.memory, rows, at, true));
    packer.append(part.packed, part.flags.length);
    at = part.next;
    if (at === rows.length) break;
    const index = indexes[at]!;
    const mark = packer.mark();
    try {
      const path = `flows[${index}]`;
      packUpsertChange(packer, takeRow(flowAt(store, index), path), path);
    } catch (error) {
      packer.rewind(mark);
      refused(index, error);
    }
  }
}

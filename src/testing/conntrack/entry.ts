// A flow in memory, and the fields of a request as they are packed for native code (schema/fields.h).
import { littleEndian } from '../../conntrack/columns/netlink-attributes.js';
import { field } from '../../conntrack/columns/schema.js';
import type { SeqAdj, Synproxy } from '../../conntrack/flow/fields.js';
import type { Tuple, Zone } from './tuple.js';

/** A value for the original direction, and one for the reply. */
export type Pair<T> = readonly [orig: T, reply: T];

export interface Counters {
  readonly packets: bigint;
  readonly bytes: bigint;
}

/** A flow. What a field holds is replaced and never changed, so a shallow copy of an entry stays as it is. */
export interface Entry {
  readonly family: 2 | 10;
  readonly protocol: number;
  readonly orig: Tuple;
  readonly reply: Tuple;
  readonly zone: Zone;
  readonly id: number;
  status: number;
  /** Milliseconds of the table's clock. */
  expires: number;
  readonly made: number;
  mark: number;
  /** Of TCP and SCTP. */
  state: number;
  flags: Pair<number>;
  scales: Pair<number>;
  tags: Pair<number>;
  /** `undefined`: no room for a helper. `''`: room, and none. */
  helper: string | undefined;
  /** A bitmap of 16 bytes; `undefined`: no room. */
  labels: Uint8Array | undefined;
  /** `undefined`: no room. */
  seqAdj: Pair<SeqAdj> | undefined;
  synproxy: Synproxy | undefined;
  master: Entry | undefined;
  counters: Pair<Counters> | undefined;
  /** Nanoseconds since the epoch. */
  readonly start: bigint | undefined;
  stop: bigint | undefined;
  /** Whether it tells events. */
  readonly reports: boolean;
}

/** A bitmap in which no label is set. */
export const noLabels = new Uint8Array(16);

/** The packed fields of one flow, from `begin` to `end` of bytes that stay as they are. */
export class Fields {
  readonly #view: DataView;
  readonly #begin: number;
  readonly #end: number;

  constructor(view: DataView, begin: number, end: number) {
    this.#view = view;
    this.#begin = begin;
    this.#end = end;
  }

  /** The fields of a change: a copy, because the caller uses its memory again. */
  static of(bytes: Uint8Array): Fields {
    return new Fields(new DataView(new Uint8Array(bytes).buffer), 0, bytes.length);
  }

  /** Where a field begins, with its size before it; -1: it is not given. */
  #find(name: keyof typeof field): number {
    const wanted = field[name];
    for (let at = this.#begin; at + 4 <= this.#end; ) {
      if (this.#view.getUint16(at + 2, littleEndian) === wanted) return at;
      at += 4 + ((this.#view.getUint16(at, littleEndian) + 3) & ~3);
    }
    return -1;
  }

  has(...names: (keyof typeof field)[]): boolean {
    return names.some((name) => this.#find(name) >= 0);
  }

  bytes(name: keyof typeof field): Uint8Array | undefined {
    const at = this.#find(name);
    if (at < 0) return undefined;
    const size = this.#view.getUint16(at, littleEndian);
    return new Uint8Array(this.#view.buffer, at + 4, size);
  }

  /** A number of 1, 2 or 4 bytes. */
  number(name: keyof typeof field): number | undefined {
    const at = this.#find(name);
    if (at < 0) return undefined;
    const size = this.#view.getUint16(at, littleEndian);
    if (size === 1) return this.#view.getUint8(at + 4);
    return size === 2
      ? this.#view.getUint16(at + 4, littleEndian)
      : this.#view.getUint32(at + 4, littleEndian);
  }

  /** Numbers of 32 bits. */
  words(name: keyof typeof field): number[] | undefined {
    const bytes = this.bytes(name);
    return bytes && [...new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4)];
  }

  /** A number for each direction, where both are given. */
  pair(orig: keyof typeof field, reply: keyof typeof field): Pair<number> | undefined {
    const pair = [this.number(orig), this.number(reply)];
    return pair.includes(undefined) ? undefined : (pair as unknown as Pair<number>);
  }

  text(name: keyof typeof field): string | undefined {
    const bytes = this.bytes(name);
    return bytes && Buffer.from(bytes).toString();
  }
}

/** The packed flows of a request: each has its size before it. They are copied. */
export function* packedFlows(packed: Uint8Array): Generator<Fields> {
  const view = new DataView(new Uint8Array(packed).buffer);
  for (let at = 0; at < packed.length; ) {
    const size = view.getUint32(at, littleEndian);
    at += 4 + size;
    yield new Fields(view, at - size, at);
  }
}

// The typed contract of the addon. Nothing outside src/conntrack, src/iptables and this folder sees it.
// Functions throw or reject with a `NativeFailure`, which src/errors.ts turns into an error.
import type { NativeFailure } from '../errors.js';
import type { kernelFilterState, list, ownWanted, writeVerb } from './numbers.js';
import type { XtablesBinding } from './xtables-binding.js';

/** One of the numbers of an enum. */
type ValueOf<Numbers> = Numbers[keyof Numbers];

declare const brand: unique symbol;
export type Handle = { readonly [brand]: 'handle' };
export type CancelCell = { readonly [brand]: 'cancel' };
export type DumpStream = { readonly [brand]: 'dump stream' };
export type NativeEventStream = { readonly [brand]: 'event stream' };

/** Columns as native code hands them over; layout in src/conntrack/columns/schema.ts. */
export interface RawBatch {
  rows: number;
  /** Rows that the arena has room for: what column offsets are computed with. */
  capacity: number;
  /** Rows for which the kernel sent no counters. */
  withoutCounters: number;
  arena: ArrayBuffer | undefined;
  /** 16 bytes per IPv6 address. */
  addresses: ArrayBuffer | undefined;
  /** Pairs of uint32: row, offset into `extra`. */
  extraIndex: ArrayBuffer | undefined;
  /** Rare attributes as the kernel sent them, a zero word after each row's last. */
  extra: ArrayBuffer | undefined;
  /** Which table it was read from (`ctTable`); put there by the function that asked for it. */
  table?: string;
  /** The rows are events: the column `nsid` says which are of another namespace. */
  events?: boolean;
}

/** The memory of a batch, for native code that reads rows of it. */
export interface RawRows {
  arena: Uint8Array;
  /** Rows that the arena has room for. */
  capacity: number;
  addresses: Uint8Array;
  /** Pairs: a row, and an offset into `extra`. */
  extraIndex: Uint32Array;
  extra: Uint8Array;
  /** The rows are events: the column `nsid` says which are of another namespace. */
  events: boolean;
}

/** Rows that were packed, up to the first that native code leaves to its caller. */
export interface RawPackedRows {
  /** Per row its size, then its fields. */
  packed: Uint8Array;
  /** Per row bits of `rowFlag`. */
  flags: Uint8Array;
  /** Per row with `rowFlag.untimed`: where in `packed` the seconds go. */
  untimed: Uint32Array;
  /** The place of the first row that was not packed, or the number of all rows. */
  next: number;
}

export interface RawDumpStats {
  messages: number;
  undecodable: number;
  rejected: number;
  duplicates: number;
  /** Bits of `kernelFilterUse`. */
  kernelFilter: number;
  sockets: number;
}

export interface RawDump {
  batch: RawBatch;
  stats: RawDumpStats;
  split: string;
}

export interface RawDumpBatch {
  batch: RawBatch;
  stats: RawDumpStats;
}

export interface RawDumpOptions {
  filter: Uint32Array;
  list: ValueOf<typeof list>;
  zeroCounters: boolean;
  /** Sockets; 0: decide by the table. */
  parallel: number;
}

export interface RawLookup {
  batch: RawBatch;
  /** The row of each tuple in the batch, `absent` where there is no such flow. */
  rows: Int32Array;
  undecodable: number;
}

export interface RawOutcome {
  /** errno per item, 0: done. */
  codes: Int32Array;
  /** The kernel's extended-ack text by index, where there is one. */
  texts: Record<number, string>;
}

export interface RawBulk {
  stats: RawDumpStats;
  done: number;
  refused: number;
  /** It did not come to its end: the rest says how far it came. */
  cancelled: boolean;
  refusal?: NativeFailure;
  batch?: RawBatch;
}

export interface RawEventOptions {
  filter: Uint32Array;
  /** Bits of `eventKind`. */
  kinds: number;
  /** Events of expectations, not of flows. */
  expectations: boolean;
  receiveBuffer: number;
  maxEvents: number;
  reliable: boolean;
  allNamespaces: boolean;
  own: ValueOf<typeof ownWanted>;
}

/** A run of events, and what was lost after its last one. */
export interface RawSegment {
  events: number;
  /** Of flows. */
  batch?: RawBatch;
  /** Of expectations: per event a `messageHeader`, the payload, padding to 4. */
  messages?: ArrayBuffer | undefined;
  lost?: number;
  source?: 'kernel' | 'queue';
}

export interface RawEventStats {
  /** Events for the consumer. Where each of them is now, the one who pulls knows: event-source.ts. */
  kept: number;
  filtered: number;
  undecodable: number;
  lostInKernel: number;
  lostInQueue: number;
  receiveBuffer: number;
  kernelFilter: ValueOf<typeof kernelFilterState>;
  kernelFilterErrno: number;
  /** -1: not readable. */
  eventsSysctl: number;
  entries: number;
}

export interface RawLibrary {
  soname: string;
  found: boolean;
  path: string;
  error: string;
  missing: string[];
}

/** Whether hooks of one use are registered in a namespace, by family, and what says so. */
export interface RawHookReport {
  ipv4: RawVerdict;
  ipv6: RawVerdict;
  bridge: RawVerdict;
  found: string[];
}
export type RawVerdict = 'active' | 'none' | 'unknown';

/** Whether a namespace tracks and translates: asked of the kernel, or read from the rules. */
export interface RawTrackingReport {
  source: 'hooks' | 'rules';
  tracking: RawHookReport;
  nat: RawHookReport;
  /** What could not be looked at, and why. */
  unknown: string[];
}

export interface Binding extends XtablesBinding {
  ctOpen(netns: string | null, receiveBuffer: number | null): Handle;
  ctClose(handle: Handle): void;
  /** What tells the handle's table from every other that exists at the same time. */
  ctTable(handle: Handle): string;
  cancelCell(): CancelCell;
  cancel(cell: CancelCell): void;

  ctDump(handle: Handle, cell: CancelCell, options: RawDumpOptions): Promise<RawDump>;
  ctDumpStream(
    handle: Handle,
    cell: CancelCell,
    options: RawDumpOptions,
    batchSize: number,
  ): DumpStream;
  /** null: the dump has ended. A value, not a promise, when one was ready. */
  ctDumpNext(stream: DumpStream): RawDumpBatch | null | Promise<RawDumpBatch | null>;
  ctGet(handle: Handle, tuples: Uint8Array): Promise<RawLookup>;
  ctGetAndZero(handle: Handle, tuples: Uint8Array): Promise<RawLookup>;
  ctGetSync(
    handle: Handle,
    tuple: Uint8Array,
    arena: Uint8Array,
    capacity: number,
    row: number,
    extra: Uint8Array,
  ): number;
  ctCount(handle: Handle): Promise<{ entries: number; max?: number }>;
  ctCpuStats(handle: Handle): Promise<{ cpu: number; counters: number[] }[]>;
  ctExpectStats(handle: Handle): Promise<{ cpu: number; counters: number[] }[]>;

  /** `own`: the rows are of the table that is asked, and mean flows with their ids. */
  ctPackTuples(memory: RawRows, rows: Uint32Array, own: boolean): Uint8Array;
  /** From the place `from` on. `change`: as changes of flows that are there, not as new flows. */
  ctPackRows(memory: RawRows, rows: Uint32Array, from: number, change: boolean): RawPackedRows;
  ctWrite(handle: Handle, verb: ValueOf<typeof writeVerb>, packed: Uint8Array): Promise<RawOutcome>;
  /** False: there is no such flow, or it is another than the one meant. */
  ctUpdate(handle: Handle, tuple: Uint8Array, fields: Uint8Array): Promise<boolean>;
  /** One change of many flows. */
  ctUpdateMany(handle: Handle, tuples: Uint8Array, fields: Uint8Array): Promise<RawOutcome>;
  ctDelete(handle: Handle, tuples: Uint8Array): Promise<RawOutcome>;
  ctDeleteWhere(
    handle: Handle,
    cell: CancelCell,
    filter: Uint32Array,
    returning: boolean,
  ): Promise<RawBulk>;
  ctUpdateWhere(
    handle: Handle,
    cell: CancelCell,
    filter: Uint32Array,
    fields: Uint8Array,
  ): Promise<RawBulk>;
  ctFlush(handle: Handle, cell: CancelCell, filter: Uint32Array | null): Promise<RawBulk>;

  ctEventsOpen(handle: Handle, options: RawEventOptions): NativeEventStream;
  /** null: the stream has ended. A value, not a promise, when one was ready. */
  ctEventsNext(stream: NativeEventStream): RawSegment | null | Promise<RawSegment | null>;
  /** Settles when the socket is closed. `drain`: what has been received can still be taken. */
  ctEventsClose(stream: NativeEventStream, drain: boolean): Promise<void>;
  ctEventsHold(stream: NativeEventStream, wanted: boolean): void;
  ctEventsStats(stream: NativeEventStream): RawEventStats;

  /** Messages as in `RawSegment.messages`; undefined: none. */
  ctExpectList(handle: Handle, master: Uint8Array | null): Promise<ArrayBuffer | undefined>;
  ctExpectGet(handle: Handle, tuple: Uint8Array): Promise<ArrayBuffer | undefined>;
  ctExpectCreate(handle: Handle, expectation: Uint8Array): Promise<void>;
  ctExpectDelete(handle: Handle, tuple: Uint8Array): Promise<boolean>;
  ctExpectFlush(handle: Handle, helper: string | null): Promise<void>;

  nsReadFiles(
    handle: Handle,
    paths: readonly string[],
    operation: string,
  ): Promise<(string | NativeFailure)[]>;
  nsWriteFile(handle: Handle, path: string, text: string, operation: string): Promise<void>;
  ctTracking(handle: Handle): Promise<RawTrackingReport>;
  trackingSync(): RawTrackingReport;
  /** `own` is the inode of the namespace of the handle, or of this process; an id of -1 is none. */
  netnsIds(handle: Handle | null, paths: string[]): { own: bigint; ids: number[] };
  libraries(): RawLibrary[];
}

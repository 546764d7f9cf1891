// What is different between two batches: which flows came, which went, and which fields of the others changed. It
// works on columns, without an object for each flow.
import { listAt, oneOf, optionsAt } from '../../checks.js';
import { badRange } from '../../errors.js';
import type { ColumnName, ColumnStore } from '../columns/column-store.js';
import { columnsOf } from '../columns/flow-columns.js';
import { runEnd } from '../columns/pieces.js';
import { columnLayout, has } from '../columns/schema.js';
import type { FlowObject } from '../flow/fields.js';
import { rareReader, tupleZone } from '../flow/rare.js';
import { matchTuples } from './same-flow.js';

/** A part of a flow that `FlowBatch.diff` compares, by its name in {@link FlowObject}. `counters`: of both directions. */
export type DiffField =
  | 'reply'
  | 'status'
  | 'state'
  | 'timeout'
  | 'mark'
  | 'use'
  | 'counters'
  | 'start'
  | 'stop'
  | 'tcp'
  | 'helper'
  | 'labels'
  | 'secctx'
  | 'sctp'
  | 'dccp'
  | 'seqAdj'
  | 'synproxy'
  | 'master';

interface Compared {
  /** Bits of `presence`: whether a row has these attributes is compared too. */
  readonly presence: number;
  readonly columns: readonly ColumnName[];
  /** What is no column: bits of the rows that have it, and what reads it. */
  readonly rare?: { readonly bits: number; readonly read: ReadRare };
}
type ReadRare = (extra: Uint8Array, store: ColumnStore, row: number) => unknown;

const rarely = (name: keyof FlowObject, bits: number): Compared => {
  const read = rareReader(name);
  return {
    presence: bits,
    columns: [],
    rare: { bits, read: (extra, store, row) => read(extra, columnsOf(store), row) },
  };
};

const compared: Readonly<Record<DiffField, Compared>> = {
  reply: {
    presence: has.reply | has.replyPorts | has.replyIcmp | has.replyZone,
    columns: ['replySrcPort', 'replyDstPort'],
    rare: { bits: has.replyZone, read: (extra) => tupleZone(extra, true) },
  },
  status: { presence: 0, columns: ['status'] },
  state: { presence: has.state, columns: ['state'] },
  timeout: { presence: has.timeout, columns: ['timeout'] },
  // A mark that was not sent is 0.
  mark: { presence: 0, columns: ['mark'] },
  use: { presence: has.use, columns: ['use'] },
  counters: {
    presence: has.origCounters | has.replyCounters,
    columns: ['origPackets', 'origBytes', 'replyPackets', 'replyBytes'],
  },
  start: { presence: has.start, columns: ['start'] },
  stop: { presence: has.stop, columns: ['stop'] },
  tcp: {
    presence: has.tcpWscale | has.tcpFlags,
    columns: ['tcpWscaleOrig', 'tcpWscaleReply', 'tcpFlagsOrig', 'tcpFlagsReply'],
  },
  helper: rarely('helper', has.helper),
  labels: rarely('labels', has.labels),
  secctx: rarely('secctx', has.secctx),
  sctp: rarely('sctp', has.sctp),
  dccp: rarely('dccp', has.dccp),
  seqAdj: rarely('seqAdj', has.origSeqAdj | has.replySeqAdj),
  synproxy: rarely('synproxy', has.synproxy),
  master: rarely('master', has.master),
};

export const diffNames = Object.keys(compared) as readonly DiffField[];
/** They change with every packet, or with every second. */
const restless = new Set<DiffField>(['timeout', 'use', 'counters']);

/** The bit of each field in `changed.fields` of a diff. */
export const diffBits: Readonly<Record<DiffField, number>> = Object.fromEntries(
  diffNames.map((name, i) => [name, 2 ** i]),
) as Record<DiffField, number>;

/** What `FlowBatch.diff` is to compare. */
export interface DiffOptions {
  /**
   * The fields that make a flow a changed one. Default: all but `timeout`, `use` and `counters`, which change all the
   * time.
   */
  fields?: readonly DiffField[] | undefined;
}

/** The fields that are compared. */
export function diffFields(options: unknown): readonly DiffField[] {
  const { fields } = optionsAt(options, 'options', new Set(['fields']));
  if (fields === undefined) return diffNames.filter((name) => !restless.has(name));
  const list = listAt(fields, 'options.fields', 'an array of fields');
  if (list.length === 0) throw badRange('options.fields', 'at least one field', 'none');
  return list.map((name, i) => oneOf(name, `options.fields[${i}]`, diffNames));
}

/** Rows of two stores. Those of `changed` belong together by their index. */
export interface RowDiff {
  readonly added: Uint32Array;
  readonly removed: Uint32Array;
  readonly changed: {
    readonly before: Uint32Array;
    readonly after: Uint32Array;
    /** Bits of {@link diffBits}. */
    readonly fields: Uint32Array;
  };
  readonly unchanged: number;
}

export function diffRows(
  before: ColumnStore,
  after: ColumnStore,
  fields: readonly DiffField[],
): RowDiff {
  const { pairs, added, removed } = matchTuples(before, after);
  const [left, right] = pairs;
  const bits = new Uint32Array(left.length);
  for (const name of fields) markField(before, after, pairs, bits, name);
  let count = 0;
  for (let i = 0; i < bits.length; i++) if (bits[i] !== 0) count++;
  const changed = {
    before: new Uint32Array(count),
    after: new Uint32Array(count),
    fields: new Uint32Array(count),
  };
  for (let i = 0, at = 0; i < bits.length; i++) {
    if (bits[i] === 0) continue;
    changed.before[at] = left[i]!;
    changed.after[at] = right[i]!;
    changed.fields[at++] = bits[i]!;
  }
  return { added, removed, changed, unchanged: bits.length - count };
}

type Pairs = readonly [Uint32Array, Uint32Array];

/** Sets the bit of a field where its two rows differ. */
function markField(
  before: ColumnStore,
  after: ColumnStore,
  [left, right]: Pairs,
  bits: Uint32Array,
  name: DiffField,
): void {
  const { presence, columns, rare } = compared[name];
  const bit = diffBits[name];
  const [a, b] = [before.column('presence'), after.column('presence')];
  if (presence !== 0) {
    for (let i = 0; i < bits.length; i++) {
      if (((a[left[i]!]! ^ b[right[i]!]!) & presence) !== 0) bits[i]! |= bit;
    }
  }
  for (const column of columns) markColumn(before, after, [left, right], bits, column, bit);
  if (name === 'reply') markAddresses(before, after, [left, right], bits, bit);
  if (rare === undefined) return;
  for (let i = 0; i < bits.length; i++) {
    const [x, y] = [left[i]!, right[i]!];
    if ((bits[i]! & bit) !== 0 || (a[x]! & b[y]! & rare.bits) === 0) continue;
    const [mine, other] = [before.extraBytes(x), after.extraBytes(y)];
    if (mine === undefined || other === undefined || sameRun(mine, other)) continue;
    if (!sameValue(rare.read(mine, before, x), rare.read(other, after, y))) bits[i]! |= bit;
  }
}

function markColumn(
  before: ColumnStore,
  after: ColumnStore,
  [left, right]: Pairs,
  bits: Uint32Array,
  name: ColumnName,
  bit: number,
): void {
  if (!before.stores(name) && !after.stores(name)) return;
  const [a, b] = [before.column(name), after.column(name)];
  if (columnLayout[name].size === 8) {
    // As pairs of words, so that no bigint is made.
    const x = new Uint32Array(a.buffer, a.byteOffset, a.length * 2);
    const y = new Uint32Array(b.buffer, b.byteOffset, b.length * 2);
    for (let i = 0; i < bits.length; i++) {
      const [from, to] = [left[i]! * 2, right[i]! * 2];
      if (x[from] !== y[to] || x[from + 1] !== y[to + 1]) bits[i]! |= bit;
    }
    return;
  }
  for (let i = 0; i < bits.length; i++) if (a[left[i]!] !== b[right[i]!]) bits[i]! |= bit;
}

/** The addresses of the reply. Those of IPv6 are compared where they are. */
function markAddresses(
  before: ColumnStore,
  after: ColumnStore,
  [left, right]: Pairs,
  bits: Uint32Array,
  bit: number,
): void {
  const family = before.column('family');
  for (const side of [2, 3] as const) {
    const name = side === 2 ? 'replySrc' : 'replyDst';
    const [a, b] = [before.column(name), after.column(name)];
    for (let i = 0; i < bits.length; i++) {
      const [x, y] = [left[i]!, right[i]!];
      const same =
        family[x] === 2
          ? a[x] === b[y]
          : sameBytes(before.addresses, a[x]! * 16, after.addresses, b[y]! * 16, 16);
      if (!same) bits[i]! |= bit;
    }
  }
}

function sameBytes(a: Uint8Array, from: number, b: Uint8Array, to: number, size: number): boolean {
  for (let i = 0; i < size; i++) if (a[from + i] !== b[to + i]) return false;
  return true;
}

/** Whether two runs of attributes are the same up to the end of the first. */
function sameRun(a: Uint8Array, b: Uint8Array): boolean {
  const end = runEnd(new DataView(a.buffer, a.byteOffset, a.byteLength), 0);
  return end > 0 && end <= b.length && sameBytes(a, 0, b, 0, end);
}

/** Plain values, and objects and arrays of them. */
function sameValue(a: unknown, b: unknown): boolean {
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return a === b;
  const [x, y] = [Object.entries(a), Object.entries(b)];
  return (
    x.length === y.length &&
    x.every(([name, value]) => sameValue(value, (b as Record<string, unknown>)[name]))
  );
}

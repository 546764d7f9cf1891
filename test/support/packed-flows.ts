// What createMany and upsertMany send for flows, as text to compare: from the columns of a batch, or from objects.
import { TuplePacker, tupleBytes } from '../../src/conntrack/lookup/tuple-packer.js';
import { FlowChunks, packedFlows } from '../../src/conntrack/write/flow-chunks.js';
import { FlowBatch, type FlowInit } from '../../src/index.js';
import { addon } from '../../src/native/load.js';
import { assert } from './harness.js';

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');
const each = (packed: Uint8Array) => Array.from(packedFlows(packed), hex);

export interface Packed {
  /** Per flow: its index, the new flow, and the change of one that is there. */
  readonly flows: (readonly [index: number, created: string, change: string | undefined])[];
  /** Those that have a master. */
  readonly waiting: (readonly [index: number, created: string, change: string | undefined])[];
  readonly refused: (readonly [index: number, message: string])[];
  readonly translated: string[];
}

/** What is sent for the flows. */
export function packed(input: Iterable<FlowInit>): Packed {
  const refused: [number, string][] = [];
  const chunks = new FlowChunks(true, (index, error) => refused.push([index, String(error)]));
  const flows: Packed['flows'] = [];
  const waiting: Packed['waiting'] = [];
  const take = (
    { packed, indexes, changes }: ReturnType<FlowChunks['waitingChunk']>,
    to: Packed['flows'],
  ) => {
    const places = Array.from(indexes, (_, place) => place);
    const change = changes(places);
    const changeAt = new Map(each(change.packed).map((text, i) => [change.places[i]!, text]));
    assert.is(changeAt.size, change.places.length);
    each(packed).forEach((created, place) => {
      to.push([indexes[place]!, created, changeAt.get(place)]);
    });
    assert.is(to.at(-1)?.[0], indexes[indexes.length - 1]);
  };
  for (const chunk of chunks.of(input)) take(chunk, flows);
  if (chunks.waiting.length > 0) take(chunks.waitingChunk(chunks.waiting), waiting);
  return { flows, waiting, refused, translated: [...chunks.translated].sort() };
}

/** Fails unless the batch gives the same bytes as its objects. Gives how many of its flows native code packed. */
export function samePacked(batch: FlowBatch): number {
  const [ours, theirs] = [packed(batch), packed(batch.toArray())];
  for (const name of ['flows', 'waiting', 'refused', 'translated'] as const) {
    assert.is(ours[name].length, theirs[name].length, name);
    for (const [i, one] of theirs[name].entries()) assert.equal(ours[name][i], one, name);
  }
  const store = FlowBatch.storeOf(batch)!;
  const rows = store.rowNumbers(0, store.rows);
  const alone = (row: number, change: boolean) =>
    addon().ctPackRows(store.memory, rows.subarray(row, row + 1), 0, change).next;
  let native = 0;
  for (let row = 0; row < rows.length; row++) {
    const created = alone(row, false);
    // What can be made can be changed. (Not the other way round: a key of GRE, for example.)
    assert.ok(alone(row, true) >= created);
    native += created;
  }
  return native;
}

/** Fails unless native code packs the tuples of a batch as they are packed of its flows. */
export function sameTuples(batch: FlowBatch): void {
  const store = FlowBatch.storeOf(batch)!;
  const rows = store.rowNumbers(0, store.rows);
  for (const own of [true, false]) {
    const table = own ? (store.table ?? 'none') : 'another';
    const packer = new TuplePacker(batch.length);
    for (const flow of batch) packer.add(flow, 'flow', table);
    const ours = addon().ctPackTuples(store.memory, rows, own && store.table !== undefined);
    assert.is(ours.length, batch.length * tupleBytes);
    for (let row = 0; row < batch.length; row++) {
      const at = [row * tupleBytes, (row + 1) * tupleBytes] as const;
      assert.is(
        hex(ours.subarray(...at)),
        hex(packer.bytes.subarray(...at)),
        String(batch.at(row)),
      );
    }
  }
}

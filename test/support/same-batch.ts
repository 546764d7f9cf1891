// Two batches with the same flows: every field, text and column is compared, and what is computed on columns.
import type { FlowBatch, GroupKey, Measure } from '../../src/index.js';
import { canonical } from './compare.js';
import { assert } from './harness.js';

const groups: (GroupKey | GroupKey[])[] = [
  ...['origSrc', 'state', 'helper', 'replyDstPort', 'status'].map((name) => name as GroupKey),
  ['family', 'protocol', 'zone', 'mark'],
];
const measures: Measure[] = ['bytes', 'packets', 'origBytes', 'replyPackets', 'timeout', 'use'];

/** The values of all columns. IPv6 addresses are in a place of their own: the flows tell which they are. */
function columnsOf(batch: FlowBatch): Record<string, unknown[]> {
  const { addresses6, ...columns } = batch.columns;
  const v6 = (row: number) => batch.columns.family[row] === 10;
  return Object.fromEntries(
    Object.entries(columns).map(([name, column]) => [
      name,
      Array.from(column as ArrayLike<unknown>, (value, row) =>
        /(Src|Dst)$/.test(name) && v6(row) ? 0 : value,
      ),
    ]),
  );
}

/** The values of an Arrow table. */
function arrowOf(batch: FlowBatch): unknown {
  const table = batch.toArrow<{
    schema: { fields: { name: string }[] };
    getChild(name: string): Iterable<unknown>;
  }>();
  return table.schema.fields.map(({ name }) => [name, [...table.getChild(name)].map(String)]);
}

/** Fails where the batches differ. `columns: false`: they may differ in presence and the like. */
export function sameBatch(made: FlowBatch, expected: FlowBatch, { columns = true } = {}): void {
  assert.is(made.length, expected.length);
  for (let row = 0; row < expected.length; row++) {
    const [ours, theirs] = [made.at(row)!, expected.at(row)!];
    assert.is(canonical(ours.toObject()), canonical(theirs.toObject()));
    // The seconds of delta-time go on between two texts.
    const text = (line: string) => line.replace(/delta-time=\d+/, '');
    assert.is(text(String(ours)), text(String(theirs)));
  }
  assert.is(JSON.stringify(made), JSON.stringify(expected));
  for (const keys of groups) {
    const asked = { flows: 'count', bytes: { sum: 'bytes' }, most: { max: 'timeout' } } as const;
    assert.equal(made.groupBy(keys, asked), expected.groupBy(keys, asked), String(keys));
  }
  const ids = (batch: FlowBatch) => Array.from(batch, ({ id }) => id);
  for (const measure of measures) {
    assert.is(made.sum(measure), expected.sum(measure), measure);
    assert.equal(ids(made.top(9, measure)), ids(expected.top(9, measure)), measure);
  }
  for (const filter of [
    { protocol: 'tcp' },
    { family: 'ipv6', status: 'assured', dstPort: { from: 1, to: 60_000 } },
    { nat: 'any' },
    { helper: 'ftp' },
    { label: 1 },
    { orig: { zone: 7 } },
  ] as const) {
    assert.equal(ids(made.filter(filter)), ids(expected.filter(filter)), JSON.stringify(filter));
  }
  assert.equal(ids(made.slice(3, -2).slice(1)), ids(expected.slice(3, -2).slice(1)));
  if (!columns) return;
  assert.equal(columnsOf(made), columnsOf(expected));
  assert.equal(arrowOf(made), arrowOf(expected));
}

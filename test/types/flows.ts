// The types of flows, groups, filters and writes. This file is compiled and never run: with a wrong type it does not
// compile. The test of the tarball compiles it against the declarations that users have.
import {
  type Aggregate,
  type BatchStats,
  ChangedFlows,
  type ConntrackSettings,
  type ConntrackStats,
  conntrack,
  type DeleteManyResult,
  type DeleteProgress,
  type DiffField,
  diffBits,
  type Family,
  type Flow,
  FlowBatch,
  type FlowFilter,
  type FlowInit,
  type FlowObject,
  type FlowState,
  type GroupKey,
  type ManyFailure,
  type ManyResult,
  type Measure,
  type Protocol,
  support,
  type TcpFlagName,
  type TupleInit,
  type UpsertResult,
} from 'conntrack';
import type { Equal, Is } from './equal.js';

declare const batch: FlowBatch;
declare const flow: Flow;
declare const text: string;
declare const signal: AbortSignal | undefined;

/** Keys have the types of their values. */
const [byAddress] = batch.groupBy('origSrc');
if (byAddress !== undefined) {
  const source: string = byAddress.origSrc;
  const count: number = byAddress.count;
  void [source, count];
  // @ts-expect-error: results are read-only
  byAddress.origSrc = source;
}
const [byMany] = batch.groupBy(['family', 'protocol', 'state', 'origDstPort', 'mark'], {
  flows: 'count',
  bytes: { sum: 'bytes' },
  uses: { sum: 'use' },
  oldest: { min: 'start' },
  shortest: { min: 'timeout' },
  mark_: { max: 'mark' },
});
type Many = NonNullable<typeof byMany>;
export const groups: [
  Is<Equal<Many['family'], Family>>,
  Is<Equal<Many['protocol'], Protocol>>,
  Is<Equal<Many['state'], FlowState | undefined>>,
  Is<Equal<Many['origDstPort'], number | undefined>>,
  Is<Equal<Many['mark'], number>>,
  Is<Equal<Many['flows'], number>>,
  Is<Equal<Many['bytes'], bigint>>,
  Is<Equal<Many['uses'], number>>,
  Is<Equal<Many['oldest'], bigint | undefined>>,
  Is<Equal<Many['shortest'], number | undefined>>,
  Is<Equal<Many['mark_'], number>>,
] = [true, true, true, true, true, true, true, true, true, true, true];

const bytes: bigint = batch.sum('bytes');
const marks: number = batch.sum('mark');
declare const anyMeasure: Measure;
const either: number | bigint = batch.sum(anyMeasure);
void [bytes, marks, either];
// @ts-expect-error: a counter is a bigint
const lossy: number = batch.sum('bytes');
void lossy;
// @ts-expect-error: no such key
batch.groupBy('source');
// @ts-expect-error: no such measure
batch.groupBy('origSrc', { ports: { sum: 'port' } });
const keys: readonly GroupKey[] = ['origSrc'];
const aggregates: Readonly<Record<string, Aggregate>> = { flows: 'count' };
batch.groupBy(keys, aggregates);
batch.top(10, 'packets');

/** Flows are read-only, and their states are a union. */
const state: FlowState | undefined = flow.state;
switch (state) {
  case 'ESTABLISHED':
  case 'SHUTDOWN_SENT':
  case 'STATE_12':
    break;
  // @ts-expect-error: no protocol has this state
  case 'OPENED':
    break;
}
// @ts-expect-error: results are read-only
flow.mark = 1;
// @ts-expect-error: results are read-only
flow.status.push('assured');
for (const object of batch.toArray()) {
  // @ts-expect-error: results are read-only
  object.orig.src = '10.0.0.1';
  // @ts-expect-error: results are read-only
  object.timeout = 5;
}

/** A flow that was read can be written. */
declare const object: FlowObject;
const asRead: FlowInit = object;
const tuple = { src: '10.0.0.1', dst: '10.0.0.2', srcPort: 1, dstPort: 2 };
/** A batch is made of flows in every form, and of new flows with counters. */
export const made: FlowBatch = FlowBatch.of([
  ...[flow, object, asRead, { ...flow, zone: 5 }],
  {
    protocol: 'udp',
    ...tuple,
    orig: { packets: 1, bytes: '60' },
    reply: { packets: 1n, bytes: 2 },
  },
  { protocol: 'udp', orig: { ...tuple, packets: 1, bytes: 60 }, start: 5n, id: 7, use: 1 },
]);
FlowBatch.of(made);
// @ts-expect-error: every flow has a protocol
FlowBatch.of([tuple]);
// @ts-expect-error: there is no such field
FlowBatch.of([{ protocol: 'udp', ...tuple, colour: 1 }]);
// @ts-expect-error: a list, not one flow
FlowBatch.of(flow);
const changed: FlowInit = { ...object, zone: 5 };
void [asRead, changed, conntrack.createMany(batch), conntrack.createMany(batch.toArray())];

/** Many flows at once: a batch, or anything that gives flows. */
export async function many(): Promise<void> {
  const some = batch.filter(({ mark }) => mark === 0);
  const deleted: DeleteManyResult = await conntrack.deleteMany(some, {
    progress: (done: DeleteProgress) => void (done.deleted + done.absent + done.failed),
    signal: undefined,
  });
  const results: ManyResult[] = [deleted, await conntrack.updateMany([flow, side], { mark: 1 })];
  const { created, updated, failed, hints }: UpsertResult = await conntrack.upsertMany(
    new Set([asRead]),
    { progress: ({ created, updated }) => void (created + updated) },
  );
  const first: ManyFailure | undefined = results[0]?.failed[0] ?? failed[0];
  const code: string | undefined = first?.error.code;
  void [created, updated, hints?.length, code, deleted.absentIndexes.length];
  await conntrack.upsertMany(batch);
  await conntrack.updateMany(batch.slice(0, 5), { timeout: 60 });
  await conntrack.getMany(batch);
  // @ts-expect-error: a list, not one flow
  await conntrack.deleteMany(flow);
  // @ts-expect-error: the change is missing
  await conntrack.updateMany(batch);
  // @ts-expect-error: a tuple is no flow to create, but a batch of events is one of flows
  await conntrack.upsertMany([{ src: '10.0.0.1' }]);
  // @ts-expect-error: results are not changed by the caller
  deleted.deleted = 1;
}

/** A field may not be undefined if that would match or change too much. Other fields may. */
const side: TupleInit = {
  protocol: 'tcp',
  src: text,
  dst: text,
  srcPort: undefined,
  zone: undefined,
};
const named: TupleInit = {
  protocol: 6,
  orig: undefined,
  reply: { src: text, dst: text },
  id: undefined,
};
void [side, named];
const list: readonly string[] = ['10.0.0.0/8'];
const ports = [80, { from: 1000, to: 2000 }] as const;
const labels: readonly number[] = [2, 3];
const filter: FlowFilter = { protocol: ['tcp', 17], src: list, dstPort: ports, state: ['LISTEN'] };
filter.mark = { value: 1, mask: 3 };
filter.any = [{ host: list, not: { label: { any: [1], none: labels } } }, { port: ports }];
filter.not = { label: 3 };
// @ts-expect-error a filter, not a list of filters
filter.not = [{ label: 3 }];
// @ts-expect-error a list of filters
filter.any = { label: 3 };
void filter;
// @ts-expect-error: undefined would match more
export const wider: FlowFilter = { src: undefined };
// @ts-expect-error: no protocol has this state
export const noState: FlowFilter = { state: 'OPENED' };
// @ts-expect-error: a range is { from, to }
export const noRange: FlowFilter = { dstPort: '80-90' };
// @ts-expect-error: undefined would change nothing
void conntrack.update(flow, { mark: undefined });
void conntrack.dump(undefined, {
  signal,
  parallel: undefined,
  list: undefined,
  zeroCounters: undefined,
});
void conntrack.getMany([flow], { signal });

/** The return type depends on `returning`. */
const number: Promise<number> = conntrack.deleteWhere(
  { mark: 1 },
  { signal, returning: undefined },
);
const flows: Promise<FlowBatch> = conntrack.deleteWhere({ mark: 1 }, { returning: true });
declare const returning: boolean;
const unsure: Promise<number | FlowBatch> = conntrack.deleteWhere({ mark: 1 }, { returning });
void [number, flows, unsure];

/** Reports are read-only. */
declare const stats: BatchStats & ConntrackStats & ConntrackSettings;
// @ts-expect-error: results are read-only
stats.kernelFilter.push('mark');
// @ts-expect-error: results are read-only
stats.total.drop = 0;
// @ts-expect-error: results are read-only
stats.timeouts.tcp.established = 5;
// @ts-expect-error: results are read-only
support().privileges.netAdmin = true;
void conntrack.configure({ acct: true, timeouts: { tcp: { established: 3600 } } });

// @ts-expect-error: batches are made by dumps
new FlowBatch(0, {});

/** Differences and bytes. */
export function differences(bytes: Uint8Array): void {
  const diff = FlowBatch.diff(batch, FlowBatch.from(bytes), { fields: ['mark', 'counters'] });
  const names: readonly DiffField[] = diff.changed.fieldsAt(0);
  const bits: number = (diff.changed.fields[0] ?? 0) & diffBits.mark;
  const saved: Uint8Array = FlowBatch.concat(
    diff.added,
    diff.removed,
    diff.changed.after,
  ).toBytes();
  // @ts-expect-error: there is no such field
  FlowBatch.diff(batch, batch, { fields: ['colour'] });
  // @ts-expect-error: flows are no batch
  FlowBatch.concat([flow]);
  // @ts-expect-error: text is no bytes
  FlowBatch.from(text);
  // @ts-expect-error: it is made by diff
  new ChangedFlows(batch, batch, diff.changed.fields);
  void [names, bits, saved];
}

/** TCP flags have names. A change can set some and leave the others. */
export function flags(): void {
  const names: readonly TcpFlagName[] = flow.tcp?.flags?.orig ?? [];
  const bits: number = flow.tcp?.flagBits?.reply ?? 0;
  void conntrack.update(flow, { tcp: { flags: { orig: { set: 'be_liberal' }, reply: names } } });
  const init: FlowInit = { ...tuple, protocol: 'tcp', tcp: { flags: { orig: names } } };
  void conntrack.create(flow.toObject());
  // @ts-expect-error: there is no such flag
  void conntrack.update(flow, { tcp: { flags: { orig: 'liberal' } } });
  // @ts-expect-error: a new flow has no flags to clear
  init.tcp = { flags: { orig: { clear: 'be_liberal' } } };
  void [bits, init];
}

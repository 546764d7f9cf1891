// Asks questions about the flows of the table. The flows are a batch in columns, or an array of plain objects,
// as other libraries return and as toArray() makes. The argument is `columns` or `objects`. A request is the
// number of a question.
import { deserialize, serialize } from 'node:v8';
import { conntrack, FlowBatch, type FlowObject } from '../../src/index.js';
import { timedSync } from '../lib/contest.js';
import { serve } from '../lib/contestant.js';

interface Question {
  columns: (batch: FlowBatch) => unknown;
  objects: (flows: readonly FlowObject[]) => unknown;
}

const bytesOf = (flow: FlowObject) => (flow.orig.bytes ?? 0n) + (flow.reply.bytes ?? 0n);

interface PortGroup {
  origDstPort: number | undefined;
  flows: number;
  bytes: bigint;
}

function groupByPort(flows: readonly FlowObject[]): PortGroup[] {
  const groups = new Map<number | undefined, PortGroup>();
  for (const flow of flows) {
    const port = flow.orig.dstPort;
    let group = groups.get(port);
    if (group === undefined) {
      group = { origDstPort: port, flows: 0, bytes: 0n };
      groups.set(port, group);
    }
    group.flows++;
    group.bytes += bytesOf(flow);
  }
  return [...groups.values()];
}

const mostFirst = (a: FlowObject, b: FlowObject) => {
  const difference = bytesOf(b) - bytesOf(a);
  return difference > 0n ? 1 : difference < 0n ? -1 : 0;
};

const nameOf = ({ protocol, orig, zone }: FlowObject) =>
  `${protocol} ${orig.src} ${orig.srcPort} ${orig.dst} ${orig.dstPort} ${zone}`;

/** How many flows have changed and how many have not. */
function compare(before: readonly FlowObject[], after: readonly FlowObject[]): number[] {
  const known = new Map(before.map((flow) => [nameOf(flow), flow]));
  let changed = 0;
  for (const flow of after) {
    const old = known.get(nameOf(flow));
    if (
      old === undefined ||
      old.statusBits !== flow.statusBits ||
      old.state !== flow.state ||
      old.mark !== flow.mark ||
      old.reply.src !== flow.reply.src ||
      old.reply.dst !== flow.reply.dst ||
      old.start !== flow.start
    ) {
      changed++;
    }
  }
  return [changed, after.length - changed];
}

/** In the order of bench/columns.ts. */
const questions: Question[] = [
  {
    columns: (batch) => batch.sum('bytes'),
    objects: (flows) => flows.reduce((sum, flow) => sum + bytesOf(flow), 0n),
  },
  {
    columns: (batch) => batch.filter({ protocol: 'udp', dstPort: 5353 }).length,
    objects: (flows) =>
      flows.filter((flow) => flow.protocol === 'udp' && flow.orig.dstPort === 5353).length,
  },
  {
    columns: (batch) => batch.groupBy('origDstPort', { flows: 'count', bytes: { sum: 'bytes' } }),
    objects: groupByPort,
  },
  {
    columns: (batch) => Array.from(batch.top(20, 'bytes'), (flow) => flow.id),
    objects: (flows) =>
      flows
        .slice()
        .sort(mostFirst)
        .slice(0, 20)
        .map((flow) => flow.id),
  },
  {
    columns: (batch) => {
      const { changed, unchanged } = FlowBatch.diff(batch, batch);
      return [changed.length, unchanged];
    },
    objects: (flows) => compare(flows, flows),
  },
  {
    columns: (batch) => FlowBatch.from(batch.toBytes()).length,
    objects: (flows) => (deserialize(serialize(flows)) as FlowObject[]).length,
  },
];

/** How often one turn asks its question: one answer can take less time than the clock can measure. */
const times = 5;

const batch = await conntrack.dump();
const objects = process.argv[2] === 'objects' ? batch.toArray() : undefined;

await serve<number>((number) => {
  const question = questions[number]!;
  const ask = () => (objects ? question.objects(objects) : question.columns(batch));
  let answer: unknown;
  const { value, cpu } = timedSync(() => {
    for (let i = 0; i < times; i++) answer = ask();
  });
  const text = JSON.stringify(answer, (_, part) => (typeof part === 'bigint' ? `${part}` : part));
  return { ns: value / times, cpu_ns: cpu! / times, answer: text };
});

// Questions to a batch of flows, in columns, against the same over an array of plain objects, which is
// what other libraries give and what toArray() makes. Both run in this process on the same flows, made by
// real packets so that they have counters.
import { conntrack, type FlowBatch, type FlowObject } from '../src/index.js';
import { Netns } from '../test/support/netns.js';
import { runBaseline } from './lib/baseline.js';
import { type Bench, type BenchContext, million } from './lib/bench.js';
import { contest, timedSync } from './lib/contest.js';

interface Question {
  what: string;
  columns: { command: string; ask: (batch: FlowBatch) => unknown };
  objects: { command: string; ask: (flows: readonly FlowObject[]) => unknown };
}

const bytesOf = (flow: FlowObject) => (flow.orig.bytes ?? 0n) + (flow.reply.bytes ?? 0n);

function groupByPort(flows: readonly FlowObject[]) {
  const groups = new Map<
    number | undefined,
    { origDstPort?: number; flows: number; bytes: bigint }
  >();
  for (const flow of flows) {
    const port = flow.orig.dstPort;
    let group = groups.get(port);
    if (group === undefined) {
      group = { ...(port !== undefined && { origDstPort: port }), flows: 0, bytes: 0n };
      groups.set(port, group);
    }
    group.flows++;
    group.bytes += bytesOf(flow);
  }
  return [...groups.values()];
}

const compareBytes = (a: FlowObject, b: FlowObject) => {
  const difference = bytesOf(b) - bytesOf(a);
  return difference > 0n ? 1 : difference < 0n ? -1 : 0;
};

const questions: Question[] = [
  {
    what: 'sum of the bytes of all flows',
    columns: { command: "batch.sum('bytes')", ask: (batch) => batch.sum('bytes') },
    objects: {
      command: 'flows.reduce((sum, flow) => sum + bytesOf(flow), 0n)',
      ask: (flows) => flows.reduce((sum, flow) => sum + bytesOf(flow), 0n),
    },
  },
  {
    what: 'flows to one port of a thousand',
    columns: {
      command: "batch.filter({ protocol: 'udp', dstPort: 5353 })",
      ask: (batch) => batch.filter({ protocol: 'udp', dstPort: 5353 }).length,
    },
    objects: {
      command: "flows.filter((flow) => flow.protocol === 'udp' && flow.orig.dstPort === 5353)",
      ask: (flows) =>
        flows.filter((flow) => flow.protocol === 'udp' && flow.orig.dstPort === 5353).length,
    },
  },
  {
    what: 'flows and bytes by destination port',
    columns: {
      command: "batch.groupBy('origDstPort', { flows: 'count', bytes: { sum: 'bytes' } })",
      ask: (batch) => {
        const groups = batch.groupBy('origDstPort', { flows: 'count', bytes: { sum: 'bytes' } });
        return groups.map(({ origDstPort, flows, bytes }) => [origDstPort, flows, String(bytes)]);
      },
    },
    objects: {
      command: 'a Map of groups, filled by a loop',
      ask: (flows) =>
        groupByPort(flows).map((group) => [group.origDstPort, group.flows, String(group.bytes)]),
    },
  },
  {
    what: 'the 20 flows with the most bytes',
    columns: {
      command: "batch.top(20, 'bytes')",
      ask: (batch) =>
        Array.from(batch.top(20, 'bytes'), (flow) => String(bytesOf(flow.toObject()))),
    },
    objects: {
      command: 'a copy of the array, sorted, its first 20',
      ask: (flows) =>
        flows
          .slice()
          .sort(compareBytes)
          .slice(0, 20)
          .map((flow) => String(bytesOf(flow))),
    },
  },
];

async function withTraffic(context: BenchContext, size: number): Promise<FlowBatch> {
  const netns = Netns.current;
  netns.conntrackSysctls({ acct: 1 });
  netns.setSysctl('net.netfilter.nf_conntrack_udp_timeout', 86_400);
  context.say(`${size.toLocaleString('en-US')} flows by packets`);
  runBaseline('flow_traffic', '--count', size, '--to', '127.0.0.1');
  const batch = await conntrack.dump();
  if (batch.length !== size) throw new Error(`${batch.length} flows of ${size}`);
  return batch;
}

async function ask(context: BenchContext, size: number): Promise<void> {
  const batch = await withTraffic(context, size);
  const objects = batch.toArray();
  for (const { what, columns, objects: plain } of questions) {
    const answers = [columns.ask(batch), plain.ask(objects)].map((answer) =>
      JSON.stringify(answer, (_, value) => (typeof value === 'bigint' ? String(value) : value)),
    );
    if (answers[0] !== answers[1]) throw new Error(`${what}: the answers differ`);
    const values = await contest(
      {
        columns: () => timedSync(() => columns.ask(batch)),
        objects: () => timedSync(() => plain.ask(objects)),
      },
      { rounds: Math.max(context.rounds, 9), warmUp: 6 },
    );
    context.report({
      what,
      size,
      contestants: [
        { name: 'columns', command: columns.command, unit: 'ns', ...values.columns },
        { name: 'array of objects', command: plain.command, unit: 'ns', ...values.objects },
      ],
      compare: { a: 'columns', b: 'array of objects', inverse: true },
      bar: { text: '≥ 10 × faster', kind: 'at least', limit: 10, size: million },
    });
  }
  await conntrack.flush();
}

export const bench: Bench = {
  name: 'columns',
  about: 'sum, filter, groupBy and top over columns and over objects',
  async run(context) {
    const netns = Netns.current;
    netns.tracking();
    // The packets go round the loopback and end there, with no answer.
    netns.iptables('-A', 'INPUT', '-p', 'udp', '-j', 'DROP');
    for (const size of context.sizes) await ask(context, size);
  },
};

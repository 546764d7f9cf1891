// Questions to a million flows in columns, against the same questions to an array of plain objects. Each has
// its own process, so that neither pays for the heap of the other. Real packets make the flows, so that they
// have counters.
import { conntrack } from '../src/index.js';
import { Netns } from '../test/support/netns.js';
import { runBaseline } from './lib/baseline.js';
import { type Bench, type BenchContext, million } from './lib/bench.js';
import { contest, type Taken } from './lib/contest.js';
import { Contestant } from './lib/contestant.js';

/** In the order of bench/contestants/columns.ts. */
const questions = [
  {
    what: 'sum of the bytes of all flows',
    columns: "batch.sum('bytes')",
    objects: 'flows.reduce((sum, flow) => sum + bytesOf(flow), 0n)',
  },
  {
    what: 'flows to one port of a thousand',
    columns: "batch.filter({ protocol: 'udp', dstPort: 5353 })",
    objects: "flows.filter((flow) => flow.protocol === 'udp' && flow.orig.dstPort === 5353)",
  },
  {
    what: 'flows and bytes by destination port',
    columns: "batch.groupBy('origDstPort', { flows: 'count', bytes: { sum: 'bytes' } })",
    objects: 'a loop over the flows that fills a Map of groups',
  },
  {
    what: 'the 20 flows with the most bytes',
    columns: "batch.top(20, 'bytes')",
    objects: 'flows.slice().sort(mostBytesFirst).slice(0, 20)',
  },
  {
    what: 'the difference of two tables',
    columns: 'FlowBatch.diff(batch, batch)',
    objects: 'a Map of the flows by the text of their tuples, and a comparison of each',
  },
  {
    what: 'flows to bytes and back',
    columns: 'FlowBatch.from(batch.toBytes())',
    objects: 'v8.deserialize(v8.serialize(flows))',
  },
];

interface Answer {
  ns: number;
  cpu_ns: number;
  answer: string;
}

function makeTraffic(context: BenchContext, size: number): void {
  context.say(`${size.toLocaleString('en-US')} flows by packets`);
  const { count } = runBaseline('flow_traffic', '--count', size, '--to', '127.0.0.1');
  if (count !== size || Netns.current.flowCount() < size) {
    throw new Error(`${Netns.current.flowCount()} flows of ${size}`);
  }
}

async function askBoth(context: BenchContext, size: number): Promise<void> {
  await using columns = await Contestant.start('columns', 'columns');
  await using objects = await Contestant.start('columns', 'objects');
  for (const [number, question] of questions.entries()) {
    const answers = new Set<string>();
    const turn = (contestant: Contestant) => async (): Promise<Taken> => {
      const { ns, cpu_ns, answer } = await contestant.ask<Answer>(number);
      answers.add(answer);
      return { value: ns, cpu: cpu_ns };
    };
    const values = await contest(
      { columns: turn(columns), objects: turn(objects) },
      { rounds: Math.max(context.rounds, 9), warmUp: 4 },
    );
    if (answers.size !== 1) throw new Error(`${question.what}: the answers differ`);
    context.report({
      what: question.what,
      size,
      contestants: [
        { name: 'columns', command: question.columns, unit: 'ns', ...values.columns },
        { name: 'array of objects', command: question.objects, unit: 'ns', ...values.objects },
      ],
      compare: { a: 'columns', b: 'array of objects', inverse: true },
      bar: { text: '≥ 10 × faster', kind: 'at least', limit: 10, size: million },
    });
  }
}

export const bench: Bench = {
  name: 'columns',
  about: 'sum, filter, groupBy and top over columns and over objects',
  async run(context) {
    const netns = Netns.current;
    netns.conntrackSysctls({ acct: 1 });
    netns.setSysctl('net.netfilter.nf_conntrack_udp_timeout', 86_400);
    netns.tracking();
    // The packets go through the loopback and are dropped there, without an answer.
    netns.iptables('-A', 'INPUT', '-p', 'udp', '-j', 'DROP');
    for (const size of context.sizes) {
      makeTraffic(context, size);
      await askBoth(context, size);
      await conntrack.flush();
    }
  },
};

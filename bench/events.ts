// events(): a storm of new flows against a C reader that uses libnetfilter_conntrack, and how long a lone
// event takes from the kernel to JavaScript.
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { conntrack } from '../src/index.js';
import { baseline, runBaseline, shown } from './lib/baseline.js';
import type { Bench, BenchContext } from './lib/bench.js';
import { contest, type Taken, type Turn } from './lib/contest.js';
import { quantile } from './lib/result.js';

const storm = 500_000;
/** Flows at a time: what a namespace may hold by default. */
const part = 100_000;

async function make(): Promise<void> {
  for (let from = 0; from < storm; from += part) {
    const args = ['--count', String(part), '--from', String(from), '--profile', 'tcp4'];
    await new Promise<void>((resolve, reject) => {
      const maker = spawn(baseline('event_maker'), args, { stdio: 'ignore' });
      maker.on('close', (code) => (code === 0 ? resolve() : reject(new Error(`maker: ${code}`))));
    });
    await conntrack.flush();
  }
}

/** CPU of this process while every event of a storm is handed to a consumer. */
async function consume(say: (text: string) => void): Promise<Taken> {
  const stream = conntrack.events({ types: ['new'] });
  const before = process.cpuUsage();
  let seen = 0;
  let lost = 0;
  const made = make();
  for await (const event of stream) {
    if (event.type === 'overrun') lost += event.lost;
    else seen++;
    if (seen + lost === storm) break;
  }
  const { user, system } = process.cpuUsage(before);
  await made;
  if (lost > 0) say(`lost ${lost} of ${storm}`);
  return { value: (user + system) * 1000 };
}

/** The same of a C reader: its callback counts. */
async function cReader(): Promise<Taken> {
  const args = [
    '--mode',
    'nfct',
    '--count',
    String(storm),
    '--buffer',
    String(32 << 20),
    '--no-enobufs',
  ];
  const reader = spawn(baseline('event_reader'), args, { stdio: ['pipe', 'pipe', 'inherit'] });
  const lines = createInterface({ input: reader.stdout });
  let last = '';
  const ready = new Promise<void>((resolve) => {
    lines.on('line', (line) => {
      last = line;
      if (line.includes('ready')) resolve();
    });
  });
  const ended = new Promise((resolve) => reader.on('close', resolve));
  await ready;
  await make();
  await ended;
  return { value: (JSON.parse(last) as { cpu_ns: number }).cpu_ns };
}

async function latency(context: BenchContext): Promise<void> {
  const rounds = 1000;
  const took: number[] = [];
  await using stream = conntrack.events({ types: ['new'] });
  const events = stream[Symbol.asyncIterator]();
  const flow = (port: number) => ({
    ...({ protocol: 'udp', src: '10.3.0.1', dst: '10.3.0.2', dstPort: 9, timeout: 600 } as const),
    srcPort: port,
  });
  for (let i = 0; i < rounds; i++) {
    const next = events.next();
    const began = process.hrtime.bigint();
    const made = conntrack.create(flow(1024 + i));
    await next;
    took.push(Number(process.hrtime.bigint() - began));
    await made;
  }
  await conntrack.flush();
  for (const [name, level, bar] of [
    ['p50', 0.5, 200_000],
    ['p99', 0.99, 1_000_000],
  ] as const) {
    const value = quantile(took, level);
    context.report({
      what: `a lone event, ${name}, from the call that makes the flow to the consumer`,
      contestants: [{ name, command: 'create(), then next()', unit: 'ns', values: [value] }],
      measure: { name, unit: 'ns', value },
      bar: { text: `≤ ${bar / 1e6} ms`, kind: 'at most', limit: bar },
    });
  }
}

const ours = 'events(), every event to a consumer';
const theirs = 'C, libnetfilter_conntrack';

export const bench: Bench = {
  name: 'events',
  about: 'events(): storm and latency',
  async run(context) {
    runBaseline('event_maker', '--count', 64, '--delete');
    const turns: Record<string, Turn> = { [ours]: () => consume(context.say), [theirs]: cReader };
    const values = await contest(turns, { rounds: context.rounds, warmUp: 1 });
    const command = shown('event_reader', '--mode', 'nfct');
    context.report({
      what: 'CPU of a storm of new flows',
      size: storm,
      contestants: [
        {
          name: ours,
          command: 'for await (const event of conntrack.events(…))',
          unit: 'ns',
          ...values[ours]!,
        },
        { name: theirs, command, unit: 'ns', ...values[theirs]! },
      ],
      compare: { a: ours, b: theirs },
      bar: { text: '≤ 1.5 × a C reader', kind: 'at most', limit: 1.5 },
    });
    await latency(context);
    await conntrack.close();
  },
};

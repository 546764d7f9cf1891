// Event streams: a storm of new flows read by a JavaScript consumer with default options, against a C reader
// on libnetfilter_conntrack; the latency of a lone event; a consumer that does not read.
import { readFileSync } from 'node:fs';
import { conntrack } from '../src/index.js';
import { Child } from '../test/support/process.js';
import type { Finished, Way } from './contestants/events.js';
import { baseline, runBaseline, shown } from './lib/baseline.js';
import type { Bench, BenchContext } from './lib/bench.js';
import { contest, type Taken } from './lib/contest.js';
import { Contestant } from './lib/contestant.js';
import { installed } from './lib/peers.js';
import { median, quantile } from './lib/result.js';

const stormSize = 500_000;
/** The size of the buffer that the C reader asks for, in bytes. The kernel doubles it. */
const cBuffer = 2 << 20;

/** Makes `count` flows at full speed. */
function storm(count: number): void {
  const { created } = runBaseline('event_maker', '--count', count);
  if (created !== count) throw new Error(`event_maker made ${created} of ${count}`);
}

async function ourStorm(contestant: Contestant, way: Way, count: number): Promise<Finished> {
  await contestant.ask({ open: way });
  storm(count);
  return contestant.ask<Finished>({ finish: count });
}

interface ReaderReport {
  received: number;
  drops: number;
  cpu_ns: number;
}

async function cStorm(count: number): Promise<ReaderReport> {
  const args = ['--mode', 'nfct', '--count', String(count), '--buffer', String(cBuffer)];
  await using reader = Child.start([baseline('event_reader'), ...args]);
  await reader.line(/^ready$/);
  storm(count);
  return JSON.parse((await reader.finish()).at(-1)!) as ReaderReport;
}

/**
 * Waits until a process of this namespace has joined a netfilter group: conntrack(8) does not say when it
 * listens. Nothing else listens at that time.
 */
async function listening(): Promise<void> {
  for (;;) {
    const sockets = readFileSync('/proc/self/net/netlink', 'utf8').split('\n').slice(1);
    // sk Eth Pid Groups …: protocol 12 is NETLINK_NETFILTER.
    const found = sockets.some((line) => {
      const [, protocol, , groups] = line.trim().split(/\s+/);
      return protocol === '12' && Number.parseInt(groups ?? '0', 16) !== 0;
    });
    if (found) return;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** How many events of a storm `conntrack -E` shows. */
async function peerStorm(count: number): Promise<number> {
  await using peer = Child.start(['sh', '-c', 'conntrack -E -e NEW 2>/dev/null | wc -l']);
  await listening();
  storm(count);
  // It ends by itself when it has lost events. Otherwise it gets a signal.
  await new Promise((resolve) => setTimeout(resolve, 1000));
  const pids = readFileSync(`/proc/${peer.pid}/task/${peer.pid}/children`, 'utf8').trim();
  // The signal comes after the search: wc ends as soon as conntrack does.
  const running = pids
    .split(' ')
    .filter(Boolean)
    .find((pid) => readFileSync(`/proc/${pid}/comm`, 'utf8').trim() === 'conntrack');
  if (running !== undefined) process.kill(Number(running), 'SIGTERM');
  const [seen] = await peer.finish();
  return Number(seen);
}

async function storms(context: BenchContext, count: number): Promise<void> {
  context.say(`storm of ${count.toLocaleString('en-US')} events`);
  await using contestant = await Contestant.start('events');
  const lost = { each: [] as number[], batches: [] as number[], c: [] as number[] };
  const cpu = (value: number): Taken => ({ value, cpu: value });
  const ours = (way: 'each' | 'batches') => async () => {
    const { received, lostInKernel, lostInQueue, cpu_ns } = await ourStorm(contestant, way, count);
    if (received + lostInKernel + lostInQueue !== count) {
      throw new Error(`${received} events and ${lostInKernel + lostInQueue} lost are not ${count}`);
    }
    lost[way].push(lostInKernel + lostInQueue);
    return cpu(cpu_ns);
  };
  const values = await contest(
    {
      each: ours('each'),
      batches: ours('batches'),
      c: async () => {
        const report = await cStorm(count);
        lost.c.push(report.drops);
        return cpu(report.cpu_ns);
      },
    },
    { rounds: context.rounds, before: () => conntrack.flush() },
  );
  await conntrack.flush();
  const each = 'each event';
  const command = 'for await (const event of conntrack.events())';
  const reader = shown('event_reader', '--mode', 'nfct', '--buffer', cBuffer);
  context.report({
    what: 'storm of new flows, processor time of the reader',
    size: count,
    contestants: [
      { name: each, command, unit: 'ns', ...values.each },
      {
        name: 'batches',
        command: 'for await (const batch of conntrack.events().batches())',
        unit: 'ns',
        ...values.batches,
      },
      { name: 'C libnetfilter_conntrack', command: reader, unit: 'ns', ...values.c },
    ],
    compare: { a: each, b: 'C libnetfilter_conntrack' },
    bar: { text: '≤ 0.8 × the C reader', kind: 'at most', limit: 0.8, size: stormSize },
  });
  const peer = installed('conntrack') ? [await peerStorm(count)] : [];
  await conntrack.flush();
  context.report({
    what: 'storm of new flows, events lost',
    size: count,
    contestants: [
      { name: each, command, unit: 'count', values: lost.each.slice(1) },
      { name: 'batches', command: '… .batches()', unit: 'count', values: lost.batches.slice(1) },
      { name: 'C, 2 MiB asked for', command: reader, unit: 'count', values: lost.c.slice(1) },
      ...(peer.length > 0
        ? [
            {
              name: 'conntrack -E',
              command: 'conntrack -E -e NEW | wc -l',
              unit: 'count' as const,
              values: peer.map((seen) => count - seen),
            },
          ]
        : []),
    ],
    measure: { name: 'lost', unit: 'count', value: Math.max(...lost.each, ...lost.batches) },
    bar: { text: '0 lost', kind: 'at most', limit: 0, size: stormSize },
  });
}

const loneEvents = 1000;

async function latency(context: BenchContext): Promise<void> {
  context.say('latency of lone events');
  await using contestant = await Contestant.start('events');
  const ours: number[][] = [];
  const c = { p50: [] as number[], p99: [] as number[] };
  await contest(
    {
      ours: async () => {
        await contestant.ask({ open: 'each' });
        const { sent_ns } = runBaseline('event_maker', '--count', loneEvents, '--rest', 1000);
        const { arrivals } = await contestant.ask<Finished>({ finish: loneEvents });
        const times = arrivals.map((time, i) => time - (sent_ns as number[])[i]!);
        ours.push(times);
        return median(times);
      },
      c: () => {
        const report = runBaseline('event_reader', '--mode', 'latency', '--count', loneEvents);
        c.p50.push(report.p50_ns as number);
        c.p99.push(report.p99_ns as number);
        return report.p50_ns as number;
      },
    },
    { rounds: context.rounds, before: () => conntrack.flush() },
  );
  await conntrack.flush();
  for (const [name, part, limit, text] of [
    ['p50', 0.5, 100_000, 'p50 ≤ 0.1 ms'],
    ['p99', 0.99, 500_000, 'p99 ≤ 0.5 ms'],
  ] as const) {
    const values = ours.slice(1).map((times) => quantile(times, part));
    context.report({
      what: `latency of a lone event, ${name}`,
      contestants: [
        {
          name: 'kernel to JavaScript',
          command: 'for await (const event of conntrack.events())',
          unit: 'ns',
          values,
        },
        {
          name: 'kernel to C thread',
          command: shown('event_reader', '--mode', 'latency', '--count', loneEvents),
          unit: 'ns',
          values: c[name].slice(1),
        },
      ],
      measure: { name, unit: 'ns', value: median(values) },
      bar: { text, kind: 'at most', limit },
      notes: ['begins before the request that makes the flow is sent, so it includes this request'],
    });
  }
}

async function slow(context: BenchContext, count: number): Promise<void> {
  context.say('a consumer that does not read');
  const maxEvents = 10_000;
  const off: number[] = [];
  const peaks: number[] = [];
  for (let round = 0; round < context.rounds; round++) {
    await using contestant = await Contestant.start('events');
    await conntrack.flush();
    await contestant.ask({ open: 'slow', maxEvents });
    storm(count);
    const done = await contestant.ask<Finished>({ finish: count });
    const accounted = done.received + done.lostInKernel + done.lostInQueue;
    off.push(Math.abs(count - accounted));
    peaks.push(done.peakBytes);
    if (done.received > maxEvents + 2 * 16_384) {
      throw new Error(`${done.received} events were kept, with room for ${maxEvents}`);
    }
  }
  await conntrack.flush();
  context.report({
    what: `a consumer that reads only after the storm, queue.maxEvents ${maxEvents}`,
    size: count,
    contestants: [
      {
        name: 'memory that it took',
        command: `conntrack.events({ queue: { maxEvents: ${maxEvents} } })`,
        unit: 'bytes',
        values: peaks,
      },
    ],
    measure: {
      name: 'events neither received nor counted as lost',
      unit: 'count',
      value: Math.max(...off),
    },
    bar: { text: 'received + lost = produced', kind: 'at most', limit: 0 },
  });
}

export const bench: Bench = {
  name: 'events',
  about: 'storm, latency, a slow consumer',
  async run(context) {
    const count = Math.min(stormSize, context.sizes.at(-1)!);
    await storms(context, count);
    await latency(context);
    await slow(context, Math.min(200_000, count));
  },
};

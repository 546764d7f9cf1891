// Memory and the JS thread: what a dump adds to a process, what dumpBatches() needs at most, how long the
// event loop stands still during a dump, and whether memory grows over thousands of operations.
import { conntrack } from '../src/index.js';
import { Netns } from '../test/support/netns.js';
import type { LeakSample } from './contestants/leak.js';
import type { MemoryTaken, StallTaken } from './contestants/memory.js';
import { type Bench, type BenchContext, million } from './lib/bench.js';
import { Contestant } from './lib/contestant.js';
import { installed } from './lib/peers.js';
import { type Contestant as Measured, median } from './lib/result.js';
import { eachSize, fillTable } from './lib/table.js';

const mebibyte = 2 ** 20;

/** Asks a fresh process once. */
async function fresh<Answer>(request: object): Promise<Answer> {
  await using contestant = await Contestant.start('memory');
  // Awaited here, because the contestant ends with this block.
  return await contestant.ask<Answer>(request);
}

async function memoryOf(
  work: 'dump' | 'batches' | 'parse',
  rounds: number,
  size: number,
): Promise<{ peak: number[]; held: number[] }> {
  const peak: number[] = [];
  const held: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const taken = await fresh<MemoryTaken>({ memory: work });
    if (taken.rows !== size) throw new Error(`${work} saw ${taken.rows} of ${size} flows`);
    peak.push(taken.peakBytes);
    held.push(taken.heldBytes);
  }
  return { peak, held };
}

async function memoryTaken(context: BenchContext, size: number): Promise<void> {
  const { rounds } = context;
  const dump = await memoryOf('dump', rounds, size);
  const batches = await memoryOf('batches', rounds, size);
  const bytes = (name: string, command: string, values: number[]): Measured => ({
    ...{ name, command, unit: 'bytes', values },
  });
  const contestants = [
    bytes('dump(), at the highest', 'await conntrack.dump()', dump.peak),
    bytes('dump(), batch held', 'await conntrack.dump()', dump.held),
    bytes('dumpBatches()', 'for await (… of conntrack.dumpBatches())', batches.peak),
  ];
  if (installed('conntrack')) {
    const parsed = await memoryOf('parse', 1, size);
    contestants.push(
      bytes('Node, spawn and parse', 'spawn conntrack -L, a pattern per line', parsed.peak),
    );
  }
  context.report({
    what: 'what a dump adds to the process, at the highest',
    size,
    contestants,
    measure: { name: 'dump()', unit: 'bytes', value: median(dump.peak) },
    bar: { text: '≤ 64 MB', kind: 'at most', limit: 64e6, size: million },
  });
  context.report({
    what: 'what dumpBatches() adds to the process, at the highest',
    size,
    contestants: contestants.slice(2, 3),
    measure: { name: 'dumpBatches()', unit: 'bytes', value: median(batches.peak) },
    bar: { text: '≤ 16 MB', kind: 'at most', limit: 16e6 },
  });
}

async function stall(context: BenchContext, size: number): Promise<void> {
  const during: StallTaken[] = [];
  const idle: StallTaken[] = [];
  for (let round = 0; round < context.rounds; round++) {
    during.push(await fresh<StallTaken>({ stall: 'dump' }));
    idle.push(await fresh<StallTaken>({ stall: Math.ceil(during.at(-1)!.ns / 1e6) }));
  }
  const longest = during.map((taken) => taken.longestNs);
  context.report({
    what: 'longest standstill of the JS thread during a dump',
    size,
    contestants: [
      {
        name: 'during dump()',
        command: 'setImmediate again and again',
        unit: 'ns',
        values: longest,
      },
      {
        name: 'during dump(), perf_hooks',
        command: 'monitorEventLoopDelay({ resolution: 1 })',
        unit: 'ns',
        values: during.map((taken) => taken.delayNs),
      },
      {
        name: 'as long without a dump',
        command: 'setImmediate again and again',
        unit: 'ns',
        values: idle.map((taken) => taken.longestNs),
      },
    ],
    measure: { name: 'longest standstill', unit: 'ns', value: median(longest) },
    bar: { text: '≤ 4 ms', kind: 'at most', limit: 4e6, size: million },
  });
}

const leakRounds = 1200;
const leakSamples = 24;
const leakFlows = 2000;

async function leaks(context: BenchContext): Promise<void> {
  context.say(`${leakRounds} rounds of everything`);
  Netns.current.conntrackSysctls({ events: 1, acct: 1, timestamp: 1 });
  fillTable(leakFlows);
  await using contestant = await Contestant.start('leak');
  const samples: LeakSample[] = [];
  for (let i = 0; i < leakSamples; i++) {
    samples.push(await contestant.ask<LeakSample>(leakRounds / leakSamples));
  }
  await conntrack.flush();
  // In the first third, caches, pools and compiled code still grow to their size.
  const rest = samples.slice(leakSamples / 3);
  const half = rest.length / 2;
  const grown = (part: keyof LeakSample) =>
    median(rest.slice(half).map((s) => s[part])) - median(rest.slice(0, half).map((s) => s[part]));
  const operations = leakRounds * 14;
  context.report({
    what: `resident memory over ${operations.toLocaleString('en-US')} dumps, streams, changes and edits`,
    contestants: [
      {
        name: 'resident, from sample to sample',
        command: `${leakSamples} samples, ${leakRounds / leakSamples} rounds each`,
        unit: 'bytes',
        values: samples.map((sample) => sample.residentBytes),
      },
    ],
    measure: {
      name: 'growth from the middle third to the last',
      unit: 'bytes',
      value: grown('residentBytes'),
    },
    bar: { text: 'flat: ≤ 2 MiB', kind: 'at most', limit: 2 * mebibyte },
    notes: [
      `JavaScript heap ${(grown('heapBytes') / 1024).toFixed(0)} KiB, external memory ${(grown('externalBytes') / 1024).toFixed(0)} KiB, descriptors ${grown('descriptors')}, threads ${grown('threads')}`,
      `samples in MiB: ${samples.map((s) => (s.residentBytes / mebibyte).toFixed(0)).join(' ')}`,
    ],
  });
}

export const bench: Bench = {
  name: 'memory',
  about: 'memory of a dump, standstill of the JS thread, growth over time',
  async run(context) {
    await eachSize(context, async (size) => {
      await memoryTaken(context, size);
      await stall(context, size);
    });
    await leaks(context);
  },
};

// createMany(), upsertMany(), updateMany(), deleteMany(), update(), updateWhere(), and deleteWhere() with and without the
// flows returned, against C programs that do the same in batches. Flows to create, and those that the caller names,
// are made or read before the clock starts, on both sides. A dump that finds the flows of a filter is part of the time,
// on both sides.
import { conntrack, type Flow, type FlowInit, type TupleInit } from '../src/index.js';
import { Netns } from '../test/support/netns.js';
import { type BaselineName, runBaseline, shown, taken } from './lib/baseline.js';
import type { Bench, BenchContext } from './lib/bench.js';
import { contest, timed } from './lib/contest.js';
import { fillTable } from './lib/table.js';

const everyFlow = { family: 'ipv4' } as const;

/** The flows of the table as a caller would write them. */
async function flowInits(): Promise<FlowInit[]> {
  const batch = await conntrack.dump();
  return Array.from(batch, (flow) => {
    const { src, dst, srcPort, dstPort } = flow.orig;
    const { protocol, timeout, state, mark, status } = flow;
    return {
      protocol,
      orig: { src, dst, srcPort, dstPort },
      timeout: timeout!,
      ...(state !== undefined && { state }),
      ...(mark !== 0 && { mark }),
      status,
    };
  });
}

function expect(what: string, got: number, wanted: number): void {
  if (got !== wanted) throw new Error(`${what}: ${got} instead of ${wanted}`);
}

interface Pair {
  what: string;
  size: number;
  ours: string;
  work: () => Promise<number>;
  program: BaselineName;
  args: readonly (string | number)[];
  before: () => void | Promise<void>;
  /** The name of the C program in the results; `C, batched` by default. */
  peer?: string;
  barred?: boolean;
  notes?: string[];
}

async function pair(context: BenchContext, p: Pair): Promise<void> {
  const { peer = 'C, batched' } = p;
  const values = await contest(
    {
      ours: () => timed(async () => expect(p.ours, await p.work(), p.size)),
      c: () => {
        const report = runBaseline(p.program, ...p.args);
        expect(p.program, report.count, p.size);
        return taken(report);
      },
    },
    { rounds: context.rounds, before: p.before },
  );
  context.report({
    what: p.what,
    size: p.size,
    contestants: [
      { name: 'conntrack', command: p.ours, unit: 'ns', ...values.ours },
      { name: peer, command: shown(p.program, ...p.args), unit: 'ns', ...values.c },
    ],
    compare: { a: 'conntrack', b: peer, inverse: true },
    ...(p.barred !== false && {
      bar: { text: '≥ 0.75 × batched C', kind: 'at least', limit: 0.75 },
    }),
    ...(p.notes && { notes: p.notes }),
  });
}

async function refill(size: number): Promise<void> {
  await conntrack.flush();
  fillTable(size);
}

async function creating(context: BenchContext, size: number): Promise<void> {
  await refill(size);
  const inits = await flowInits();
  const batch = await conntrack.dump();
  const plain = batch.toArray();
  const common = { size, program: 'create_batch', before: () => conntrack.flush() } as const;
  await pair(context, {
    ...common,
    what: 'createMany()',
    ours: 'await conntrack.createMany(flows)',
    work: async () => (await conntrack.createMany(inits)).created,
    args: ['--count', size],
  });
  await pair(context, {
    ...common,
    what: 'createMany() of a batch',
    ours: 'await conntrack.createMany(batch)',
    work: async () => (await conntrack.createMany(batch)).created,
    args: ['--count', size],
  });
  await pair(context, {
    ...common,
    what: 'createMany() of what toArray() gave',
    ours: 'await conntrack.createMany(batch.toArray())',
    work: async () => (await conntrack.createMany(plain)).created,
    args: ['--count', size],
    barred: false,
    notes: ['the objects have every field of the flow, and every field is checked'],
  });
}

/** upsertMany(): where no flow is there, and where every flow is. */
async function upserting(context: BenchContext, size: number): Promise<void> {
  await refill(size);
  const inits = await flowInits();
  const batch = await conntrack.dump();
  const common = { size, program: 'upsert_batch', args: ['--count', size] } as const;
  for (const there of [false, true]) {
    const where = there ? 'all are there' : 'none is there';
    const before = there ? () => {} : () => conntrack.flush();
    const done = there ? 'updated' : 'created';
    for (const [name, flows] of [
      ['batch', batch],
      ['flows', inits],
    ] as const) {
      await pair(context, {
        ...{ ...common, before, what: `upsertMany() of ${name}, ${where}` },
        ours: `await conntrack.upsertMany(${name})`,
        work: async () => (await conntrack.upsertMany(flows))[done],
      });
    }
  }
}

/** What the caller names: a batch, or its tuples. */
async function naming(context: BenchContext, size: number): Promise<void> {
  await refill(size);
  let batch = await conntrack.dump();
  const tuples = Array.from(batch, ({ protocol, orig: { src, dst, srcPort, dstPort } }) => {
    return { protocol, src, dst, srcPort, dstPort } as TupleInit;
  });
  const updating = {
    ...{ size, program: 'update_batch' as const, args: ['--count', size] },
    ...{ before: () => {}, peer: 'C, batched, by tuple', barred: false },
  };
  await pair(context, {
    ...updating,
    what: 'updateMany() of tuples',
    ours: 'await conntrack.updateMany(tuples, { mark: 42 })',
    work: async () => (await conntrack.updateMany(tuples, { mark: 42 })).updated,
  });
  await pair(context, {
    ...updating,
    what: 'updateMany() of a batch',
    ours: 'await conntrack.updateMany(batch, { mark: 42 })',
    work: async () => (await conntrack.updateMany(batch, { mark: 42 })).updated,
    notes: ['reads each flow before it writes: another flow may have the tuple by now; C does not'],
  });
  // The ids of new flows are others: the batch is read again.
  const deleting = {
    ...{ size, program: 'delete_batch' as const, args: ['--count', size] },
    before: async () => {
      await refill(size);
      batch = await conntrack.dump();
    },
  } as const;
  await pair(context, {
    ...deleting,
    what: 'deleteMany() of a batch',
    ours: 'await conntrack.deleteMany(batch)',
    work: async () => (await conntrack.deleteMany(batch)).deleted,
  });
  await pair(context, {
    ...deleting,
    what: 'deleteMany() of tuples',
    ours: 'await conntrack.deleteMany(tuples)',
    work: async () => (await conntrack.deleteMany(tuples)).deleted,
    barred: false,
  });
}

/** update() of one flow after the other, as in a program that decides for each flow. */
async function updating(context: BenchContext, size: number): Promise<void> {
  await refill(size);
  const flows = [...(await conntrack.dump())].slice(0, 10_000);
  const common = {
    size: flows.length,
    program: 'update_batch',
    args: ['--count', flows.length, '--batch', 1],
    peer: 'C, one by one',
    before: () => {},
    barred: false,
  } as const;
  const each = (update: (flow: Flow) => Promise<boolean>) => async () => {
    let updated = 0;
    for (const flow of flows) if (await update(flow)) updated++;
    return updated;
  };
  await pair(context, {
    ...common,
    what: 'update() of tuples, one by one',
    ours: 'for (…) await conntrack.update({ protocol, orig }, { mark: 42 })',
    work: each(({ protocol, orig: { src, dst, srcPort, dstPort } }) => {
      const tuple = { protocol, src, dst, srcPort, dstPort } as TupleInit;
      return conntrack.update(tuple, { mark: 42 });
    }),
  });
  await pair(context, {
    ...common,
    what: 'update() of flows that were read, one by one',
    ours: 'for (…) await conntrack.update(flow, { mark: 42 })',
    work: each((flow) => conntrack.update(flow, { mark: 42 })),
    notes: ['reads each flow before it writes: another flow may have the tuple by now; C does not'],
  });
  await pair(context, {
    ...common,
    what: 'update() of flows that were read, all at once',
    ours: 'await Promise.all(flows.map((flow) => conntrack.update(flow, { mark: 42 })))',
    work: async () => {
      const done = await Promise.all(flows.map((flow) => conntrack.update(flow, { mark: 42 })));
      return done.filter(Boolean).length;
    },
  });
}

async function changing(context: BenchContext, size: number): Promise<void> {
  await refill(size);
  await pair(context, {
    what: 'updateWhere()',
    size,
    ours: "await conntrack.updateWhere({ family: 'ipv4' }, { mark: 42 })",
    work: () => conntrack.updateWhere(everyFlow, { mark: 42 }),
    program: 'update_batch',
    args: ['--dump-first'],
    before: () => {},
  });
  await pair(context, {
    what: 'deleteWhere()',
    size,
    ours: "await conntrack.deleteWhere({ family: 'ipv4' })",
    work: () => conntrack.deleteWhere(everyFlow),
    program: 'delete_batch',
    args: ['--dump-first'],
    before: () => refill(size),
  });
  const returning = {
    size,
    ours: "await conntrack.deleteWhere({ family: 'ipv4' }, { returning: true })",
    work: async () => (await conntrack.deleteWhere(everyFlow, { returning: true })).length,
    program: 'delete_batch',
    before: () => refill(size),
  } as const;
  // With 1 every entry reports its end. Without these reports the C program cannot return the deleted flows.
  await Netns.current.withSysctl('net.netfilter.nf_conntrack_events', 1, () =>
    pair(context, {
      ...returning,
      what: 'deleteWhere(), returning (nf_conntrack_events 1)',
      args: ['--dump-first', '--echo'],
    }),
  );
  await pair(context, {
    ...returning,
    what: 'deleteWhere(), returning, entries without events',
    args: ['--dump-first'],
    barred: false,
    notes: ['the C program deletes and returns nothing: these entries do not report their end'],
  });
}

export const bench: Bench = {
  name: 'change',
  about:
    'createMany(), upsertMany(), updateMany(), deleteMany(), update(), updateWhere(), deleteWhere()',
  async run(context) {
    for (const size of context.sizes) {
      context.say(`${size.toLocaleString('en-US')} flows`);
      await creating(context, size);
      await upserting(context, size);
      await naming(context, size);
      await updating(context, size);
      await changing(context, size);
      await conntrack.flush();
    }
  },
};

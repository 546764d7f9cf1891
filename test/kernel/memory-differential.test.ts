// A table in memory against that of the kernel: the same requests, one after the other. The answers, the refusals, the
// flows and the events must be the same, but for ids, times and the memory's own counts.
import {
  Conntrack,
  type ConntrackEvent,
  type EventStream,
  type FlowChange,
  type FlowFilter,
  type FlowInit,
  type FlowObject,
  NetfilterError,
  type TupleInit,
} from '../../src/index.js';
import { MemoryKernel } from '../../src/testing/testing.js';
import { canonical } from '../support/compare.js';
import { filterMatches, refusesRightly } from '../support/filter-oracle.js';
import { randomFilter } from '../support/flow-filters.js';
import { assert, suite } from '../support/harness.js';
import { Netns } from '../support/netns.js';
import { fill, useLabels } from '../support/populate.js';
import { Random } from '../support/random.js';

const test = suite('memory and kernel');

/** Both tables, with the same settings. */
async function both(labels = true) {
  const netns = Netns.create();
  if (labels) useLabels(netns);
  netns.translation();
  const kernel = Conntrack.open({ netns: netns.path });
  const memory = new MemoryKernel({ labels });
  const tables = [kernel, memory.conntrack] as const;
  for (const table of tables) {
    await table.configure({ acct: true, timestamp: true, events: 1 });
  }
  return {
    tables,
    netns,
    async [Symbol.asyncDispose]() {
      await kernel.close();
      netns[Symbol.dispose]();
    },
  };
}

/** What is the same in both tables. In the kernel up to a minute may have passed: all timeouts are full hundreds. */
function lasting(flow: FlowObject): string {
  const { id, use, start, stop, timeout, master, ...rest } = flow;
  const times = { start: start !== undefined, stop: stop !== undefined, master };
  return canonical({ ...rest, ...times, timeout: timeout && Math.ceil(timeout / 100) });
}

const image = (event: ConntrackEvent): string =>
  event.type === 'overrun'
    ? canonical(event)
    : `${event.type} ${'timestamp' in event} ${'duration' in event} ${lasting(event.flow.toObject())}`;

async function read(stream: EventStream): Promise<string[]> {
  await stream.close({ drain: true });
  const seen: string[] = [];
  for await (const event of stream) seen.push(image(event));
  return seen;
}

/** What only one of two lists has. */
const differences = (ours: string[], theirs: string[]) => [
  ...ours.filter((one) => !theirs.includes(one)).map((one) => `memory: ${one}`),
  ...theirs.filter((one) => !ours.includes(one)).map((one) => `kernel: ${one}`),
];

/** The value, or the refusal. */
const told = (work: () => Promise<unknown>) =>
  work().then(
    (value) => canonical(value ?? null),
    (error: unknown) => {
      if (!(error instanceof NetfilterError)) throw error;
      const { code, operation, detail, hint } = error;
      return canonical({ code, operation, detail, hint });
    },
  );

const random = new Random(77);
const protocols = ['tcp', 'udp', 'sctp', 'icmp', 'gre', 'esp', 'udplite'] as const;
// A value of few, so that requests meet each other's flows.
const address = (v6: boolean) => `${v6 ? 'fd00::' : '10.0.0.'}${1 + random.below(3)}`;

function randomTuple(): TupleInit {
  const protocol = random.pick(protocols);
  const v6 = protocol !== 'icmp' && random.below(3) === 0;
  const side: TupleInit['orig'] = { src: address(v6), dst: address(v6) };
  if (protocol === 'icmp') Object.assign(side, { icmpType: 8, icmpCode: 0, icmpId: 7 });
  else if (protocol !== 'esp') {
    Object.assign(side, { srcPort: 1 + random.below(3), dstPort: 21 + random.below(2) });
  }
  const zone = random.below(4) === 0 ? 5 : 0;
  const directional = zone === 0 && random.below(5) === 0 ? { zone: 3 } : {};
  return { protocol, zone, orig: { ...side, ...directional } };
}

function randomInit(): FlowInit {
  const { protocol, orig, zone } = randomTuple();
  const init: FlowInit = { protocol, orig: orig!, zone, timeout: 600 + random.below(5) * 1000 };
  const v6 = orig!.src.includes(':');
  const may = (chance: number) => random.below(chance) === 0;
  if (may(2)) init.mark = random.below(4);
  if (may(3)) init.status = random.pick([['assured'], ['seen_reply', 'assured'], 'fixed_timeout']);
  if (may(3)) init.labels = [random.below(128), random.below(128)];
  // Where the kernel could choose a port or an id, it chooses by chance.
  const chooses = protocol !== 'gre' && protocol !== 'esp' && protocol !== 'icmp';
  const port = chooses ? { port: orig!.srcPort! } : {};
  const clashes = protocol === 'icmp' && (orig!.zone === 3 || orig!.src === orig!.dst);
  if (may(3) && !clashes) {
    init.nat = {
      src: { address: orig!.src.replace(/^10\.0|^fd00/, v6 ? 'fd01' : '10.1'), ...port },
    };
  } else if (may(6) && chooses) {
    init.nat = { src: { ...port }, dst: v6 ? 'fd00::8' : '10.0.0.8' };
  }
  if (protocol === 'tcp') {
    if (may(2)) init.state = random.pick(['SYN_SENT', 'ESTABLISHED', 'TIME_WAIT']);
    if (may(4)) init.tcp = { wscale: { orig: 3, reply: 4 } };
    if (may(3)) init.helper = random.pick(['ftp', 'irc', 'tftp', 'none-such']);
    if (may(6)) init.seqAdj = { orig: { correctionPos: 1, offsetBefore: -2, offsetAfter: 3 } };
    if (may(6)) init.synproxy = { isn: 1, its: 2, tsoff: 3 };
    const master = { protocol: 'tcp', src: '10.0.0.1', dst: '10.0.0.2' } as const;
    if (may(8) && !v6) init.master = { ...master, srcPort: 1, dstPort: 21 };
  }
  if (protocol === 'sctp' && may(2)) {
    Object.assign(init, { state: 'ESTABLISHED', sctp: { vtag: { orig: 1, reply: 2 } } });
  }
  return init;
}

function randomChange(protocol: unknown): FlowChange {
  const change: FlowChange = {};
  const may = (chance: number) => random.below(chance) === 0;
  if (may(2)) change.mark = may(2) ? random.below(9) : { value: random.below(9), mask: 6 };
  if (may(3)) change.status = random.pick(['assured', ['seen_reply'], 'fixed_timeout']);
  if (may(3)) change.labels = may(2) ? [random.below(128)] : { set: [3], clear: [4] };
  if (may(3)) change.timeout = 700 + random.below(5) * 1000;
  if (protocol === 'tcp') {
    if (may(3)) change.state = random.pick(['FIN_WAIT', 'CLOSE']);
    if (may(4)) change.helper = random.pick(['ftp', '', 'none-such', 'irc']);
    if (may(4)) {
      const flags = [
        { orig: ['be_liberal' as const] },
        { reply: { set: ['be_liberal' as const], clear: ['sack_perm' as const] } },
        { orig: ['window_scale' as const], reply: ['window_scale' as const, 'sack_perm' as const] },
      ];
      change.tcp = { flags: random.pick(flags) };
    }
    if (may(6)) change.seqAdj = { reply: { correctionPos: 1, offsetBefore: 2, offsetAfter: 3 } };
    if (may(6)) change.synproxy = { isn: 0, its: 5, tsoff: 0 };
  }
  return Object.keys(change).length === 0 ? { mark: 1 } : change;
}

type Step = (table: Conntrack) => Promise<unknown>;

function randomStep(): { run: Step; said: string } {
  const init = randomInit();
  const tuple = randomTuple();
  const change = randomChange(tuple.protocol);
  const filter: FlowFilter = random.pick([
    ...[{ protocol: 'tcp' }, { mark: 1 }, { zone: 5 }, { nat: 'src' }, { family: 'ipv6' }],
    { status: { all: ['assured'] } },
  ] as const);
  const said = canonical({ init, tuple, change, filter });
  const run = random.pick<Step>([
    (table) => table.create(init),
    (table) => table.create(init),
    (table) => table.create(init),
    (table) => table.upsert(init),
    (table) => table.update(tuple, change),
    (table) => table.update(tuple, change),
    (table) => table.delete(tuple),
    async (table) => (await table.get(tuple)) !== undefined,
    (table) => table.updateWhere(filter, { mark: { value: 8, mask: 8 } }),
    async (table) =>
      (await table.deleteWhere({ ...filter, mark: 2 }, { returning: true }))
        .toArray()
        .map(lasting)
        .sort(),
    async (table) => (await table.dump(filter)).toArray().map(lasting).sort(),
    (table) => table.count(),
  ]);
  return { run, said: `${run} ${said}` };
}

/** A refusal that chance seldom finds. */
const ftp = { protocol: 'tcp', src: '10.3.0.1', dst: '10.3.0.2', srcPort: 1, dstPort: 21 } as const;
const firstSteps: { run: Step; said: string }[] = [
  { run: (table) => table.create({ ...ftp, helper: 'ftp', timeout: 600 }), said: 'a helper' },
  { run: (table) => table.update(ftp, { helper: 'irc', mark: 3 }), said: 'another helper' },
];

for (const labels of [true, false]) {
  test(`1500 random requests, labels ${labels}`, async () => {
    await using world = await both(labels);
    const [kernel, memory] = world.tables;
    const streams = world.tables.map((table) => table.events());
    const answers = new Map<string, number>();
    for (let i = 0; i < 1500; i++) {
      const { run, said } = firstSteps[i] ?? randomStep();
      const expected = await told(() => run(kernel));
      assert.is(await told(() => run(memory)), expected, `step ${i}: ${said}`);
      const code = /"code":"(\w+)"/.exec(expected)?.[1] ?? 'done';
      answers.set(code, (answers.get(code) ?? 0) + 1);
      if (i % 50 === 0) {
        const [theirs, ours] = await Promise.all(
          world.tables.map(async (table) => (await table.dump()).toArray().map(lasting).sort()),
        );
        assert.equal(differences(ours!, theirs!), [], `after step ${i}`);
      }
    }
    for (const code of ['done', 'EEXIST', 'EOPNOTSUPP', 'EPERM', 'ENOENT', 'EBUSY']) {
      assert.ok((answers.get(code) ?? 0) > 0, `${code}: ${[...answers].join(' ')}`);
    }
    assert.ok(labels || answers.has('ENOSPC'));
    const [theirs, ours] = [await read(streams[0]!), await read(streams[1]!)];
    // What one request does to many flows, each table does in an order of its own.
    assert.equal(differences(ours, theirs), []);
    assert.is(ours.length, theirs.length);
    assert.ok(ours.length > 300, `${ours.length} events`);
    const counts = world.tables.map(async (table) => (await table.stats()).total.insert);
    const [inserted, ourInserted] = await Promise.all(counts);
    assert.is(ourInserted, inserted);
  });
}

test('dumps of many flows with random filters', async () => {
  await using world = await both();
  const [kernel, memory] = world.tables;
  fill({ count: 1280, seed: 21, labels: true, netns: world.netns });
  const whole = await kernel.dump();
  assert.equal((await memory.createMany(whole)).failed, []);
  const flows = whole.toArray();
  const counters = ({ timeout: _, ...rest }: FlowObject) => lasting(rest);
  let found = 0;
  for (let i = 0; i < 200; i++) {
    const filter = randomFilter(random, flows);
    const matching = flows.filter((flow) => filterMatches(flow, filter));
    if (refusesRightly(filter, matching)) continue;
    const [theirs, ours] = await Promise.all(
      world.tables.map(async (table) => (await table.dump(filter)).toArray().map(counters).sort()),
    );
    assert.equal(differences(ours!, theirs!), [], JSON.stringify(filter));
    assert.is(ours!.length, theirs!.length);
    const batches: string[] = [];
    for await (const batch of memory.dumpBatches(filter, { batchSize: 100 })) {
      assert.ok(batch.length > 0 && batch.length <= 100);
      batches.push(...batch.toArray().map(counters));
    }
    assert.equal(batches.sort(), theirs);
    if (theirs!.length > 0) found++;
  }
  assert.ok(found > 100, `${found} filters found something`);
});

test('the settings of a new namespace, but for the sizes of the machine', async () => {
  await using world = await both();
  const [theirs, ours] = await Promise.all(world.tables.map((table) => table.settings()));
  const { max: _max, buckets: _buckets, expectMax: _expectMax, ...kernel } = theirs!;
  const { max, buckets, expectMax, ...memory } = ours!;
  assert.equal(memory, kernel);
  assert.ok(max! > 0 && buckets! > 0 && expectMax! > 0);
  const changes = [
    { timeouts: { udp: { replied: 77 }, tcp: { close: 5 } }, tcp: { maxRetrans: 255 } },
    { events: 2, logInvalid: 17, checksum: false },
  ];
  for (const change of changes) {
    const [a, b] = await Promise.all(world.tables.map((table) => table.configure(change)));
    assert.equal(
      { ...b, max: 0, buckets: 0, expectMax: 0 },
      { ...a, max: 0, buckets: 0, expectMax: 0 },
    );
  }
  const names = ['timeouts.dccp.open', 'timeouts.tcp.none'];
  for (const name of names) {
    const [branch, protocol, leaf] = name.split('.') as [string, string, string];
    const change = { [branch]: { [protocol]: { [leaf]: 5 } } };
    const results = await Promise.all(
      world.tables.map((table) =>
        table.configure(change).then(
          () => 'done',
          (error: Error) => error.message,
        ),
      ),
    );
    assert.is(results[1], results[0]);
  }
});

test.run();

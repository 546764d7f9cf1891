// Changing flows: one by its name, many by a filter. Only the wanted fields change.
// Kernels: linux, memory
import {
  type FlowChange,
  type FlowFilter,
  type FlowInit,
  type FlowObject,
  NetlinkError,
  type TcpChange,
  type TcpFlagName,
  type TupleInit,
} from '../../src/index.js';
import { canonical, meaningful, nfctAttributes } from '../support/compare.js';
import { filterMatches, refusesRightly } from '../support/filter-oracle.js';
import { inOrder, splittingFilter, takenFilter } from '../support/flow-filters.js';
import { assert, suite, throws } from '../support/harness.js';
import { nfctDump } from '../support/nfct-oracle.js';
import { useLabels as useInKernel } from '../support/populate.js';
import { Random } from '../support/random.js';
import { conntrack, fill, memory, newTable, useLabels } from '../support/table.js';

const test = suite('update');

test.before(() => useLabels());

const tcp = {
  protocol: 'tcp',
  src: '10.1.0.1',
  dst: '192.0.2.1',
  srcPort: 1024,
  dstPort: 443,
} as const;
const sctp = { ...tcp, protocol: 'sctp' } as const;
const timeout = 3600;
const tcpFlags: readonly TcpFlagName[] = [
  ...(['window_scale', 'sack_perm', 'close_init', 'be_liberal'] as const),
  ...(['data_unacknowledged', 'maxack_set', 'challenge_ack', 'simultaneous_open'] as const),
];

/** The current flow. The library must agree. */
async function now(name: TupleInit = tcp): Promise<FlowObject> {
  const flow = (await conntrack.get(name))!.toObject();
  if (memory !== undefined) return flow;
  const theirs = nfctDump().find(({ attributes }) => attributes.id === flow.id)!;
  // A lookup itself holds a reference.
  const { timeout: _a, use: _c, ...library } = meaningful(theirs.attributes);
  const { timeout: _b, use: _d, ...ours } = nfctAttributes(flow);
  assert.is(canonical(ours), canonical(library));
  return flow;
}

const lasting = ({ timeout: _, use, ...rest }: FlowObject) => rest;

test('the mark: whole, and bits under a mask', async () => {
  await conntrack.flush();
  await conntrack.create({ ...tcp, timeout, mark: 0xf0f0 });
  const before = await now();
  assert.ok(await conntrack.update(tcp, { mark: 0xffffffff }));
  assert.is((await now()).mark, 0xffffffff);
  const steps: [{ value: number; mask: number }, number][] = [
    [{ value: 0, mask: 0xffff0000 }, 0x0000ffff],
    // Bits of the value outside the mask have no effect. The kernel alone would toggle them.
    [{ value: 0xffffff12, mask: 0xff }, 0x0000ff12],
    [{ value: 0x80000000, mask: 0x80000000 }, 0x8000ff12],
    [{ value: 0, mask: 0 }, 0x8000ff12],
  ];
  for (const [mark, expected] of steps) {
    assert.ok(await conntrack.update(tcp, { mark }));
    assert.is((await now()).mark, expected, JSON.stringify(mark));
  }
  assert.is(canonical(lasting({ ...(await now()), mark: 0xf0f0 })), canonical(lasting(before)));
});

test('timeout, state, flags and scales of TCP', async () => {
  await conntrack.flush();
  await conntrack.create({ ...tcp, timeout, state: 'SYN_SENT' });
  await conntrack.update(tcp, { timeout: 100_000 });
  assert.ok((await now()).timeout! > 99_000);
  await conntrack.update(tcp, { state: 'CLOSE_WAIT' });
  assert.is((await now()).state, 'CLOSE_WAIT');
  const flags = async () => (await now()).tcp;
  await conntrack.update(tcp, { tcp: { flagBits: { orig: 0x0a, reply: 0x08 } } });
  assert.equal((await flags())?.flagBits, { orig: 0x0a, reply: 0x08 });
  const names = { orig: ['sack_perm', 'be_liberal'], reply: ['be_liberal'] };
  assert.equal((await flags())?.flags, names);
  await conntrack.update(tcp, { tcp: { wscale: { orig: 3, reply: 14 } } });
  assert.equal((await now()).tcp, {
    flags: { orig: ['window_scale', ...names.orig], reply: ['window_scale', 'be_liberal'] },
    flagBits: { orig: 0x0b, reply: 0x09 },
    wscale: { orig: 3, reply: 14 },
  });
  assert.is((await now()).state, 'CLOSE_WAIT');
});

test('TCP flags: all of a direction, or some to set and some to clear; one direction alone', async () => {
  await conntrack.flush();
  await conntrack.create({
    ...{ ...tcp, timeout, state: 'ESTABLISHED' },
    tcp: { flags: { orig: ['window_scale', 'sack_perm'], reply: 'window_scale' } },
  });
  const bits = async () => Object.values((await now()).tcp!.flagBits!);
  assert.equal(await bits(), [0x03, 0x01]);
  const steps: [TcpChange['flags'], number, number][] = [
    [{ orig: { set: 'be_liberal' }, reply: { set: ['be_liberal'] } }, 0x0b, 0x09],
    [{ orig: { clear: ['sack_perm', 'maxack_set'], set: 'close_init' } }, 0x0d, 0x09],
    [{ reply: { clear: 'be_liberal' } }, 0x0d, 0x01],
    [{ reply: [] }, 0x0d, 0x00],
    [{ orig: 'be_liberal' }, 0x08, 0x00],
    [{ reply: tcpFlags }, 0x08, 0xff],
    [{ reply: { clear: tcpFlags } }, 0x08, 0x00],
  ];
  for (const [flags, orig, reply] of steps) {
    assert.ok(await conntrack.update(tcp, { tcp: { flags: flags! } }));
    assert.equal(await bits(), [orig, reply], JSON.stringify(flags));
  }
  assert.is(
    await conntrack.updateWhere(
      { protocol: 'tcp' },
      { tcp: { flags: { reply: { set: 'be_liberal' } } } },
    ),
    1,
  );
  assert.equal(await bits(), [0x08, 0x08]);

  // What was read is written again, as an object, as JSON, and by an upsert of what is there.
  const read = (await conntrack.get(tcp))!;
  for (const copy of [{ ...read }, read.toObject(), JSON.parse(JSON.stringify(read)) as FlowInit]) {
    const { id: _id, start: _start, ...init } = copy as FlowInit & { id?: number; start?: bigint };
    await conntrack.flush();
    assert.equal((await conntrack.createMany([init])).failed, []);
    assert.equal(await bits(), [0x08, 0x08]);
    await conntrack.update(tcp, { tcp: { flagBits: { orig: 0, reply: 0 } } });
    await conntrack.upsert(init);
    assert.equal(await bits(), [0x08, 0x08]);
  }
});

test('state and tags of SCTP', async () => {
  await conntrack.flush();
  const vtag = { orig: 1, reply: 2 };
  await conntrack.create({ ...sctp, timeout, state: 'COOKIE_WAIT', sctp: { vtag } });
  const next = { orig: 0xffffffff, reply: 0x80000000 };
  await conntrack.update(sctp, { state: 'ESTABLISHED', sctp: { vtag: next } });
  const flow = await now(sctp);
  assert.equal([flow.state, flow.sctp], ['ESTABLISHED', { vtag: next }]);
});

test('status: bits are added, and none is removed', async () => {
  await conntrack.flush();
  await conntrack.create({ ...tcp, timeout, nat: { src: '203.0.113.9' } });
  const first = (await now()).status;
  assert.ok(await conntrack.update(tcp, { status: 'seen_reply' }));
  assert.ok(await conntrack.update(tcp, { status: ['assured'] }));
  assert.equal((await now()).status, ['seen_reply', 'assured', ...first]);
  assert.ok(await conntrack.update(tcp, { status: ['seen_reply'], mark: 4 }));
  assert.is((await now()).mark, 4);
  assert.ok(await conntrack.update(tcp, { status: 'fixed_timeout' }));
  assert.equal((await now()).status, ['seen_reply', 'assured', ...first, 'fixed_timeout']);
  const error = await throws(NetlinkError, /^conntrack update: EPERM: .*FIXED_TIMEOUT/, () =>
    conntrack.update(tcp, { timeout: 5 }),
  );
  assert.is(error.code, 'EPERM');
});

test('labels: all replaced, or some set and some cleared', async () => {
  await conntrack.flush();
  await conntrack.create({ ...tcp, timeout, labels: [0, 64] });
  const steps: [NonNullable<FlowChange['labels']>, number[] | undefined][] = [
    [
      [1, 127],
      [1, 127],
    ],
    [{ set: [0, 33] }, [0, 1, 33, 127]],
    [{ clear: [1, 127] }, [0, 33]],
    [{ set: [5], clear: [0, 99] }, [5, 33]],
    [[], undefined],
  ];
  for (const [labels, expected] of steps) {
    assert.ok(await conntrack.update(tcp, { labels }));
    assert.equal((await now()).labels, expected, JSON.stringify(labels));
  }
});

test('sequence adjustment and synproxy', async () => {
  await conntrack.flush();
  await conntrack.create({ ...tcp, timeout });
  const seqAdj = { reply: { correctionPos: 9, offsetBefore: -9, offsetAfter: 9 } };
  await conntrack.update(tcp, { seqAdj });
  assert.equal((await now()).seqAdj?.reply, seqAdj.reply);
  const synproxy = { isn: 1, its: 0, tsoff: 0xffffffff };
  await conntrack.update(tcp, { synproxy });
  assert.equal((await now()).synproxy, synproxy);
});

test('a helper can be removed, not added or swapped', async () => {
  await conntrack.flush();
  await conntrack.create({ ...tcp, timeout, helper: 'ftp' });
  const swap = await throws(NetlinkError, /^conntrack update: EBUSY: /, () =>
    conntrack.update(tcp, { helper: 'irc' }),
  );
  assert.match(String(swap.hint), /helper/);
  assert.ok(await conntrack.update(tcp, { helper: 'ftp' }));
  assert.ok(await conntrack.update(tcp, { helper: '' }));
  assert.is((await now()).helper, undefined);
  await conntrack.flush();
  await conntrack.create({ ...tcp, timeout });
  await throws(NetlinkError, /^conntrack update: EOPNOTSUPP: .*when a flow is created/, () =>
    conntrack.update(tcp, { helper: 'ftp' }),
  );
});

test('a flow without room for labels says what was missing', async () => {
  using made = newTable();
  const { table: there, netns } = made;
  await there.create({ ...tcp, timeout });
  if (netns !== undefined) useInKernel(netns);
  for (const attempt of [
    () => there.update(tcp, { labels: [1] }),
    () => there.updateWhere({ protocol: 'tcp' }, { labels: { set: [1] } }),
  ]) {
    const error = await throws(NetlinkError, /^conntrack update: ENOSPC: /, attempt);
    assert.match(String(error.hint), /connlabel/);
  }
  assert.not(await there.update({ ...tcp, srcPort: 1 }, { labels: [1] }));
});

test('every kind of flow, named as a view, as data, by its tuple and by its reply', async () => {
  await conntrack.flush();
  await fill({ count: 512, seed: 41, labels: true });
  let mark = 1;
  for (const flow of await conntrack.dump()) {
    const { packets, bytes, ...reply } = flow.toObject().reply;
    const { protocol, zone, orig } = flow.toObject();
    for (const name of [
      flow,
      flow.toObject(),
      { protocol, zone, orig },
      { protocol, zone, reply },
    ]) {
      assert.ok(await conntrack.update(name, { mark }), canonical(flow.toObject()));
      assert.is((await conntrack.get(flow))?.mark, mark++);
    }
  }
});

test('a missing flow gives false', async () => {
  await conntrack.flush();
  await conntrack.create({ ...tcp, timeout, zone: 4 });
  const reply = { src: tcp.dst, dst: tcp.src, srcPort: 443, dstPort: 1024 };
  for (const name of [tcp, { ...tcp, zone: 5 }, sctp, { protocol: 'tcp', reply } as const]) {
    assert.not(await conntrack.update(name, { mark: 1 }));
    assert.not(await conntrack.update(name, { status: 'assured' }));
  }
  assert.is((await now({ ...tcp, zone: 4 })).mark, 0);
});

interface Case {
  change: FlowChange;
  /** A condition that all random filters get. */
  only?: FlowFilter;
  apply: (flow: FlowObject) => FlowObject;
}

const withStatus = (flow: FlowObject, bits: number): FlowObject => ({
  ...flow,
  statusBits: flow.statusBits | bits,
  status: [],
});

const cases: Case[] = [
  { change: { mark: 0xabcd }, apply: (flow) => ({ ...flow, mark: 0xabcd }) },
  {
    change: { mark: { value: 0xff, mask: 0x0f } },
    apply: (flow) => ({ ...flow, mark: ((flow.mark & ~0xf) | 0xf) >>> 0 }),
  },
  {
    change: { status: ['seen_reply', 'assured'] },
    apply: (flow) => withStatus(flow, 6),
  },
  {
    change: { labels: { set: [2], clear: [3, 70] }, mark: 1 },
    apply: (flow) => {
      const labels = new Set(flow.labels).add(2);
      labels.delete(3);
      labels.delete(70);
      return { ...flow, mark: 1, labels: [...labels].sort((a, b) => a - b) };
    },
  },
  {
    change: { state: 'LAST_ACK' },
    only: { protocol: 'tcp' },
    apply: (flow) => ({ ...flow, state: 'LAST_ACK' }),
  },
];

test('updateWhere changes only matching flows', async () => {
  await conntrack.flush();
  await fill({ count: 640, seed: 51, labels: true });
  const random = new Random(51);
  const image = (flow: FlowObject) => canonical({ ...lasting(flow), status: [] });
  let changed = 0;
  for (let round = 0; round < 25; round++) {
    const { change, only, apply } = cases[round % cases.length]!;
    const before = inOrder((await conntrack.dump()).toArray());
    const candidates = only ? before.filter((flow) => filterMatches(flow, only)) : before;
    // Every fourth filter may match all flows or none.
    const choose = round % 4 === 3 ? takenFilter : splittingFilter;
    const filter: FlowFilter = { ...choose(random, candidates), ...only };
    const matching = before.filter((flow) => filterMatches(flow, filter));
    const said = `${JSON.stringify(filter)} ${JSON.stringify(change)}`;
    if (refusesRightly(filter, before)) continue;
    const expected = before.map((flow) => image(filterMatches(flow, filter) ? apply(flow) : flow));
    const done = await conntrack.updateWhere(filter, change);
    assert.is(done, matching.length, said);
    const after = (await conntrack.dump()).toArray().map(image);
    assert.equal(after.sort(), expected.sort(), said);
    if (done > 0 && done < before.length) changed++;
  }
  assert.ok(changed >= 18, `${changed} of 25 split the table`);
});

test('updateWhere continues after a refusal, and says how many there were', async () => {
  await conntrack.flush();
  for (let port = 1; port <= 5; port++) {
    const status = port % 2 === 0 ? (['fixed_timeout'] as const) : [];
    await conntrack.create({ ...tcp, srcPort: port, timeout, status });
  }
  const error = await throws(NetlinkError, /^conntrack update: EPERM/, () =>
    conntrack.updateWhere({ protocol: 'tcp' }, { timeout: 90_000 }),
  );
  assert.match(String(error.detail), /^2 of 5 flows/);
  const long = (await conntrack.dump()).toArray().filter((flow) => flow.timeout! > 80_000);
  assert.is(long.length, 3);
});

test('a state for flows of more than one protocol is refused', async () => {
  await throws(TypeError, /change\.state: /, () =>
    conntrack.updateWhere({ protocol: ['tcp', 'sctp'] }, { state: 'ESTABLISHED' }),
  );
  await throws(TypeError, /change\.state: /, () =>
    conntrack.updateWhere({ zone: 0 }, { state: 'ESTABLISHED' }),
  );
});

test.run();

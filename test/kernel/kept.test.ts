// No wanted field is dropped silently: the flow has it, or the call reports it.
import {
  Conntrack,
  conntrack,
  type FlowInit,
  NetlinkError,
  type TupleInit,
} from '../../src/index.js';
import { assert, suite, throws } from '../support/harness.js';
import { Netns } from '../support/netns.js';

const test = suite('kept');
const tuple = {
  protocol: 'tcp',
  src: '10.1.0.1',
  dst: '192.0.2.1',
  srcPort: 1024,
  dstPort: 443,
} as const;
const timeout = 3600;

test('NAT where none is registered is reported: once per handle, and in the result of createMany', async () => {
  using netns = Netns.create();
  const warnings: string[] = [];
  const listen = (warning: Error & { code?: string }) => {
    if (warning.code === 'CONNTRACK_NAT_NOT_REGISTERED') warnings.push(warning.message);
  };
  process.on('warning', listen);
  // Node emits warnings one turn later.
  const told = async () => {
    await new Promise(setImmediate);
    return warnings.length;
  };
  const nat = { src: '203.0.113.9' };
  const make = (srcPort: number) => ({ ...tuple, srcPort, timeout, nat });
  try {
    await using there = Conntrack.open({ netns: netns.path });
    await there.create({ ...tuple, srcPort: 1, timeout });
    assert.is(await told(), 0);
    await there.create(make(2));
    assert.is(await told(), 1);
    assert.match(warnings[0]!, /^flows of ipv4 .*not translated until/);
    await there.upsert(make(3));
    assert.is(await told(), 1);
    await using second = Conntrack.open({ netns: netns.path });
    await second.upsert(make(4));
    assert.is(await told(), 2);
    const { created, hints } = await there.createMany([make(5), { ...tuple, srcPort: 6, timeout }]);
    assert.is(created, 2);
    assert.match(String(hints), /ipv4 .*not translated/);
    const plain = await there.createMany([{ ...tuple, srcPort: 7, timeout }]);
    assert.equal(plain, { created: 1, failed: [] });
    netns.translation();
    await using third = Conntrack.open({ netns: netns.path });
    await third.create(make(8));
    assert.equal(await third.createMany([make(9)]), { created: 1, failed: [] });
    assert.is(await told(), 2);
  } finally {
    process.off('warning', listen);
  }
});

test('labels without room for them: that flow is not created, the others are', async () => {
  using netns = Netns.create();
  await using there = Conntrack.open({ netns: netns.path });
  for (const make of ['create', 'upsert'] as const) {
    const error = await throws(NetlinkError, /ENOSPC/, () =>
      there[make]({ ...tuple, timeout, labels: [1, 70] }),
    );
    assert.match(String(error.hint), /connlabel/);
    assert.is((await there.dump()).length, 0);
  }
  const flows = Array.from({ length: 600 }, (_, n): FlowInit => {
    const labels = n % 3 === 0 ? [n % 128] : [];
    return { ...tuple, srcPort: n + 1, timeout, labels };
  });
  const { created, failed } = await there.createMany(flows);
  assert.is(created, 400);
  assert.equal(
    failed.map(({ index, error }) => [index, error.code]),
    Array.from({ length: 200 }, (_, n) => [n * 3, 'ENOSPC']),
  );
  const ports = Array.from((await there.dump()).columns.origSrcPort);
  assert.not(ports.some((port) => (port - 1) % 3 === 0));
  assert.is(ports.length, 400);
});

test('data for a helper that takes none, and a state for a protocol without a tracker', async () => {
  await conntrack.flush();
  await throws(NetlinkError, /EOPNOTSUPP.*helperInfo/, () =>
    conntrack.create({ ...tuple, timeout, helper: 'ftp', helperInfo: new Uint8Array(4) }),
  );
  assert.is((await conntrack.dump()).length, 0);
  await conntrack.create({ ...tuple, timeout, helper: 'ftp' });
  await throws(NetlinkError, /EOPNOTSUPP.*helperInfo/, () =>
    conntrack.update(tuple, { helper: 'ftp', helperInfo: new Uint8Array(4) }),
  );
  await throws(NetlinkError, /EOPNOTSUPP.*1 of 1 flows.*helperInfo/, () =>
    conntrack.updateWhere({ helper: 'ftp' }, { helper: 'ftp', helperInfo: new Uint8Array(4) }),
  );
});

test('window scales of a half-open connection', async () => {
  await conntrack.flush();
  const tcp = {
    wscale: { orig: 7, reply: 0 },
    flags: { orig: ['window_scale', 'sack_perm'], reply: [] },
    flagBits: { orig: 3, reply: 0 },
  } as const;
  await conntrack.create({ ...tuple, timeout, state: 'SYN_SENT', tcp });
  const made = (await conntrack.get(tuple))!;
  assert.equal(made.tcp, tcp);
  assert.is(made.state, 'SYN_SENT');
  await throws(RangeError, /^change\.tcp\.wscale: /, () => conntrack.update(tuple, { tcp }));
  // Created from the object that was read, the flow is equal: with create() and with createMany().
  const row = made.toObject();
  await conntrack.flush();
  assert.is((await conntrack.createMany([row])).created, 1);
  assert.equal((await conntrack.get(tuple))!.tcp, tcp);
  await conntrack.upsert(row);
});

test('a flow without a timeout, or with 0, lives as long as the kernel decides', async () => {
  await conntrack.flush();
  const assured = ['seen_reply', 'assured'] as const;
  const rows: [FlowInit, number][] = [
    [{ ...tuple, state: 'ESTABLISHED' }, 432_000],
    [{ ...tuple, srcPort: 1, state: 'TIME_WAIT' }, 120],
    [{ ...tuple, srcPort: 2, status: [...assured, 'offload'] }, 432_000],
    [{ ...tuple, srcPort: 3 }, 120],
    [{ ...tuple, protocol: 'udp' }, 30],
    [{ ...tuple, protocol: 'udp', srcPort: 1, status: assured }, 120],
    [{ protocol: 47, src: tuple.src, dst: tuple.dst, srcPort: 1, dstPort: 2 }, 30],
    [{ protocol: 'esp', src: tuple.src, dst: tuple.dst }, 600],
  ];
  const { created, failed } = await conntrack.createMany(rows.map(([row]) => row));
  assert.equal(failed, []);
  assert.is(created, rows.length);
  for (const [{ status: _, state: _s, ...name }, expected] of rows) {
    const flow = (await conntrack.get(name))!;
    assert.ok(flow.timeout! <= expected && flow.timeout! > expected - 25, String(flow));
  }
  assert.is((await conntrack.get({ ...tuple, srcPort: 2 }))?.state, 'ESTABLISHED');
  await throws(TypeError, /^flow\.timeout: /, () => conntrack.create({ ...tuple, srcPort: 9 }));
  const { timeout: _, ...read } = (await conntrack.get(tuple))!.toObject();
  await conntrack.delete(tuple);
  await conntrack.create(read);
  assert.ok((await conntrack.get(tuple))!.timeout! > 400_000);
});

test('every argument is read in the call', async () => {
  await conntrack.flush();
  const other = { ...tuple, srcPort: 2 };
  await conntrack.createMany([
    { ...tuple, timeout },
    { ...other, timeout },
  ]);
  const change = { mark: 1 };
  const target: TupleInit = { ...tuple };
  const first = conntrack.update(target, change);
  change.mark = 2;
  target.srcPort = 2;
  const second = conntrack.update(target, change);
  assert.equal(await Promise.all([first, second]), [true, true]);
  assert.is((await conntrack.get(tuple))?.mark, 1);
  assert.is((await conntrack.get(other))?.mark, 2);
  const init: FlowInit = { ...tuple, timeout, mark: 3 };
  const upserted = conntrack.upsert(init);
  init.mark = 4;
  init.srcPort = 2;
  await upserted;
  assert.is((await conntrack.get(tuple))?.mark, 3);
  assert.is((await conntrack.get(other))?.mark, 2);
});

test('createMany: a getter that throws an error of the package loses no other flow', async () => {
  await conntrack.flush();
  const bad = Object.defineProperty({ ...tuple, srcPort: 2, timeout }, 'mark', {
    enumerable: true,
    get() {
      throw new NetlinkError('mine', { code: 'EPERM', operation: 'mine' });
    },
  });
  const { created, failed } = await conntrack.createMany([
    { ...tuple, srcPort: 1, timeout },
    bad,
    { ...tuple, srcPort: 3, timeout },
  ]);
  assert.is(created, 2);
  assert.equal(
    failed.map(({ index }) => index),
    [1],
  );
  const ports = Array.from((await conntrack.dump()).columns.origSrcPort).sort();
  assert.equal(ports, [1, 3]);
});

test('createMany: after it rejects, it writes nothing', async () => {
  await conntrack.flush();
  function* flows() {
    for (let n = 1; n <= 8192; n++) yield { ...tuple, srcPort: n, timeout };
    throw new Error('mine');
  }
  const told: number[] = [];
  const progress = ({ created }: { created: number }) => told.push(created);
  await throws(Error, /^mine$/, () => conntrack.createMany(flows(), { progress }));
  assert.equal(told, [4096, 8192]);
  await conntrack.flush();
  assert.is(await conntrack.count(), 0);
});

test('exactly one chunk and two chunks, one flow more and one less', async () => {
  for (const count of [4095, 4096, 4097, 8191, 8192, 8193]) {
    await conntrack.flush();
    const tuples = Array.from({ length: count }, (_, n) => ({ ...tuple, srcPort: n }));
    const flows = tuples.map((each) => ({ ...each, timeout }));
    assert.equal(await conntrack.createMany(flows), { created: count, failed: [] });
    assert.is(await conntrack.count(), count);
    const found = await conntrack.getMany(tuples);
    assert.equal(
      found.map((flow) => flow?.orig.srcPort),
      tuples.map(({ srcPort }) => srcPort),
    );
  }
});

test('upsert of a flow in a zone', async () => {
  await conntrack.flush();
  const zoned = { ...tuple, zone: 5 };
  await conntrack.create({ ...tuple, timeout, mark: 1 });
  await conntrack.upsert({ ...zoned, timeout, mark: 2 });
  await conntrack.upsert({ ...zoned, timeout, mark: 3 });
  await conntrack.upsert((await conntrack.get(zoned))!);
  assert.is((await conntrack.get(tuple))?.mark, 1);
  assert.is((await conntrack.get(zoned))?.mark, 3);
});

test("'all', and a state without its protocol", async () => {
  assert.is(await conntrack.updateWhere('all', { mark: 9 }), 2);
  assert.is((await conntrack.dump({ mark: 9 })).length, 2);
  await throws(TypeError, /updateWhere\('all'/, () => conntrack.updateWhere({}, { mark: 1 }));
  await throws(TypeError, /call flush\(\)/, () => conntrack.deleteWhere({}));
  await throws(TypeError, /^change\.state: .*protocol: "tcp"/, () =>
    conntrack.updateWhere({ dstPort: 443 }, { state: 'CLOSE' }),
  );
});

test.run();

// Flows, changes, expectations and options are read once: the own fields of plain objects are copied, and the copy is
// checked and used. Fields that cannot be seen in this way are refused before anything is sent.
import {
  type BulkOptions,
  conntrack,
  type DeleteOptions,
  type DumpOptions,
  type EventOptions,
  type ExpectationInit,
  type FlowChange,
  type FlowInit,
  NetfilterError,
} from '../../src/index.js';
import { assert, suite, throws } from '../support/harness.js';

// The addon cannot be loaded in these tests, so a call that is not refused in time fails with another error.
process.env.CONNTRACK_ADDON = '/nonexistent/addon.node';

const test = suite('inputs');

const tuple = {
  protocol: 'tcp',
  src: '10.0.0.1',
  dst: '10.0.0.2',
  srcPort: 1,
  dstPort: 2,
} as const;
const { protocol, ...side } = tuple;
const signal = new AbortController().signal;

/** Asserts the error that comes only after all arguments were accepted. */
async function reached(call: () => unknown): Promise<void> {
  const error = await throws(NetfilterError, /load addon/, call);
  assert.is(error.code, 'ERR_NETFILTER_ADDON');
}

async function created(value: unknown): Promise<void> {
  const { failed } = await conntrack.createMany([value as FlowInit]);
  throw failed[0]?.error ?? new Error('created');
}

async function dumped(value: unknown): Promise<void> {
  for await (const _ of conntrack.dumpBatches(undefined, value as DumpOptions));
}

interface Input {
  path: string;
  good: Record<string, unknown>;
  call: (value: unknown) => unknown;
  /** Fields that may be undefined. */
  open?: readonly string[];
}

const flow = {
  ...{ protocol, orig: side, reply: { zone: 3 }, timeout: 60, mark: 1, state: 'ESTABLISHED' },
  ...{ status: ['assured'], labels: [1], nat: { src: { address: '10.0.0.9', port: 4 } } },
  ...{ tcp: { wscale: { orig: 1, reply: 2 } }, helper: 'ftp', helperInfo: new Uint8Array(4) },
  ...{ master: tuple, seqAdj: { orig: { correctionPos: 1, offsetBefore: 2, offsetAfter: 3 } } },
  synproxy: { isn: 1, its: 2, tsoff: 3 },
};
const change = {
  ...{ timeout: 60, mark: { value: 1, mask: 1 }, status: ['assured'], state: 'ESTABLISHED' },
  ...{ labels: { set: [1], clear: [2] }, tcp: { flagBits: { orig: 1, reply: 1 } }, helper: '' },
  seqAdj: { orig: { correctionPos: 1, offsetBefore: 2, offsetAfter: 3 } },
};
const expectation = {
  ...{ protocol, tuple: { src: '10.0.0.3', dst: '10.0.0.4', srcPort: 0, dstPort: 5 }, timeout: 9 },
  ...{ mask: { src: '255.255.255.255', srcPort: 0 }, master: tuple, flags: ['permanent'] },
  ...{ class: 0, helper: 'ftp', fn: 'nat-follow-master' },
  nat: { direction: 'orig', src: '10.0.0.5', srcPort: 5 },
};
const dump = { list: 'conntrack', zeroCounters: false, parallel: 1, signal };
const filter = { mark: 1 };
const optionsOf = (good: Record<string, unknown>, call: Input['call']): Input => ({
  ...{ path: 'options', good, call, open: Object.keys(good) },
});

const inputs: Record<string, Input> = {
  create: { path: 'flow', good: flow, call: (value) => conntrack.create(value as FlowInit) },
  upsert: { path: 'flow', good: flow, call: (value) => conntrack.upsert(value as FlowInit) },
  createMany: { path: 'flows[0]', good: flow, call: created },
  update: {
    ...{ path: 'change', good: change },
    call: (value) => conntrack.update(tuple, value as FlowChange),
  },
  updateMany: {
    ...{ path: 'change', good: change },
    call: (value) => conntrack.updateMany([tuple], value as FlowChange),
  },
  updateWhere: {
    ...{ path: 'change', good: change },
    call: (value) => conntrack.updateWhere({ protocol: 'tcp' }, value as FlowChange),
  },
  expectation: {
    ...{ path: 'expectation', good: expectation },
    call: (value) => conntrack.expectations.create(value as ExpectationInit),
  },
  dump: optionsOf(dump, (value) => conntrack.dump(undefined, value as DumpOptions)),
  dumpBatches: optionsOf({ list: 'conntrack', signal, batchSize: 5 }, dumped),
  deleteWhere: optionsOf({ returning: true, signal, progress: () => {} }, (value) =>
    conntrack.deleteWhere(filter, value as DeleteOptions),
  ),
  'updateWhere, options': optionsOf({ signal, progress: () => {} }, (value) =>
    conntrack.updateWhere(filter, { mark: 2 }, value as BulkOptions),
  ),
  flush: optionsOf({ signal, progress: () => {} }, (value) =>
    conntrack.flush(filter, value as BulkOptions),
  ),
  events: {
    path: 'options',
    good: {
      ...{ types: ['new'], filter, receiveBuffer: 4096, queue: { maxEvents: 5 }, reliable: false },
      ...{ allNamespaces: false, signal },
    },
    call: (value) => conntrack.events(value as EventOptions),
    // Without a type or a filter more events would come, so these must not be undefined.
    open: ['receiveBuffer', 'queue', 'reliable', 'allNamespaces', 'signal'],
  },
};

/** Replaces all fields, at every depth, by own getters that count. A second read gives a wrong value. */
function counting(value: unknown, reads: Map<string, number>, path = ''): unknown {
  const plain = typeof value === 'object' && value !== null;
  if (!plain || value instanceof Uint8Array || value instanceof AbortSignal) return value;
  const copy: object = Array.isArray(value) ? [] : {};
  for (const [name, inner] of Object.entries(value)) {
    const at = `${path}.${name}`;
    const good = counting(inner, reads, at);
    Object.defineProperty(copy, name, {
      enumerable: true,
      get() {
        reads.set(at, (reads.get(at) ?? 0) + 1);
        return reads.get(at) === 1 ? good : Symbol('second reading');
      },
    });
  }
  return copy;
}

for (const [name, { path, good, call, open = ['zone'] }] of Object.entries(inputs)) {
  test(`${name}: each field is read once, at every depth`, async () => {
    // The addon is loaded after all arguments were read.
    await reached(() => call(good));
    const reads = new Map<string, number>();
    await reached(() => call(counting(good, reads)));
    const twice = [...reads].filter(([, count]) => count !== 1);
    assert.equal(twice, []);
    assert.ok(Object.keys(good).every((field) => reads.has(`.${field}`)));
  });

  test(`${name}: undefined, unknown and inherited fields are refused`, async () => {
    const escaped = path.replace(/[[\]]/g, '\\$&');
    for (const field of Object.keys(good)) {
      const value = { ...good, [field]: undefined };
      if (open.includes(field)) await reached(() => call(value));
      else await throws(TypeError, new RegExp(`^${escaped}\\.${field}: `), () => call(value));
    }
    await throws(TypeError, new RegExp(`^${escaped}\\.marke: there is no such field`), () =>
      call({ ...good, marke: 1 }),
    );
    class Own {}
    for (const foreign of [Object.assign(new Own(), good), Object.create(good), new Map()]) {
      await throws(TypeError, new RegExp(`^${escaped}: expected .* of no class`), () =>
        call(foreign),
      );
    }
    await reached(() => call(Object.assign(Object.create(null), good)));
  });
}

test('parts of flows and expectations that have a class are refused', async () => {
  class Own {}
  const of = (value: object) => Object.assign(new Own(), value);
  for (const call of ['create', 'upsert', 'createMany', 'expectation'] as const) {
    const { good, path, call: run } = inputs[call]!;
    for (const [field, value] of Object.entries(good)) {
      if (typeof value !== 'object' || value === null || Array.isArray(value)) continue;
      if (value instanceof Uint8Array) continue;
      await throws(TypeError, new RegExp(`^${path.replace(/[[\]]/g, '\\$&')}\\.${field}: `), () =>
        run({ ...good, [field]: of(value) }),
      );
    }
  }
});

test('fields that are not part of the tuple may be undefined', async () => {
  const spare = { ...tuple, icmpType: undefined, zone: undefined };
  await reached(() => conntrack.create({ ...spare, timeout: 60 }));
  await reached(() => created({ ...spare, timeout: 60 }));
  await throws(TypeError, /^options\.master: is undefined/, () =>
    conntrack.expectations.list({ master: undefined as never }),
  );
});

test('status bits that only the kernel sets are refused unless another field makes it set them', async () => {
  const made = { ...tuple, timeout: 60 };
  const nat = { src: '10.0.0.9' };
  const bad: [FlowInit, RegExp][] = [
    [{ ...made, status: 'src_nat' }, /src_nat is set by the kernel alone, of a flow with nat\.src/],
    [{ ...made, status: ['assured', 'dst_nat'], nat }, /dst_nat .* nat\.dst/],
    [{ ...made, status: 'src_nat_done' }, /src_nat_done/],
    [{ ...made, status: 'expected' }, /expected .* a master/],
    [{ ...made, status: 'seq_adjust' }, /seq_adjust .* seqAdj/],
    [{ ...made, status: 'dying' }, /dying is set by the kernel alone$/],
    [{ ...made, status: 'template' }, /template/],
    [{ ...made, status: 'nat_clash' }, /nat_clash/],
  ];
  for (const [init, says] of bad) {
    for (const call of ['create', 'upsert'] as const) {
      const error = await throws(RangeError, /^flow\.status: /, () => conntrack[call](init));
      assert.match(error.message, says);
    }
    const error = await throws(RangeError, /^flows\[0\]\.status: /, () => created(init));
    assert.match(error.message, says);
  }
  await throws(RangeError, /^flow\.status: offload /, () =>
    conntrack.create({ ...made, status: 'offload' }),
  );
  await reached(() => created({ ...made, status: ['seen_reply', 'offload'] }));
  await reached(() => conntrack.create({ ...made, nat, status: ['src_nat', 'src_nat_done'] }));
  await reached(() => conntrack.create({ ...made, status: ['confirmed', 'fixed_timeout'] }));
  // A flow that was read also has the bits as a number.
  const row = { ...made, status: ['src_nat', 'offload'], statusBits: 16400 };
  await reached(() => conntrack.create(row as FlowInit));
});

test.run();

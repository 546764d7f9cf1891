// Batches in one, and the difference of two.
import { columnLayout } from '../../src/conntrack/columns/schema.js';
import {
  type DiffField,
  diffBits,
  EventBatch,
  FlowBatch,
  type FlowObject,
  type FlowSample,
} from '../../src/index.js';
import { canonical } from '../support/compare.js';
import { decodeMessages } from '../support/decode-program.js';
import { encodeFlow, makeFlows } from '../support/flow-messages.js';
import { assert, suite } from '../support/harness.js';
import { batch as madeBatch, noStats } from '../support/made-batch.js';
import { Random } from '../support/random.js';
import { sameBatch } from '../support/same-batch.js';

const test = suite('differences of batches');

const messages = (seed: number, count: number) =>
  decodeMessages(makeFlows(seed, count).map((flow) => encodeFlow(flow).toString('hex'))).batch;

test('concat: every attribute, in order; parts of batches; nothing', () => {
  const [a, b, c] = [messages(51, 700), messages(52, 1), messages(53, 300)];
  const whole = FlowBatch.concat(a, b, c);
  // What `of` copies is no event any more.
  const loosely = { columns: false };
  sameBatch(whole, FlowBatch.of([...a, ...b, ...c]), loosely);
  sameBatch(whole.slice(0, 700), a);
  sameBatch(whole.slice(701), c);
  const tcp = a.filter(({ protocol }) => protocol === 'tcp');
  sameBatch(
    FlowBatch.concat(tcp, c.slice(10, 20)),
    FlowBatch.of([...tcp, ...c.slice(10, 20)]),
    loosely,
  );
  assert.is(FlowBatch.concat().length, 0);
  assert.is(FlowBatch.concat(a.slice(3, 3), FlowBatch.of([])).length, 0);
  sameBatch(FlowBatch.concat(a), a);
  // It uses no memory of the others.
  assert.is.not(FlowBatch.concat(a).columns.id.buffer, a.columns.id.buffer);
  const random = new Random(54);
  for (let i = 0; i < 12; i++) {
    const parts = [0, 1, 2].map(() =>
      madeBatch(random, {
        rows: random.pick([0, 1, 64, 65, 200]),
        ipv6: random.pick([0, 40, 100]),
        group: random.pick([0, 2, 4, 6] as const),
        bits: 40,
      }),
    );
    const { withoutCounters, sockets } = FlowBatch.concat(...parts).stats;
    sameBatch(
      FlowBatch.concat(...parts),
      FlowBatch.of(parts.flatMap((part) => [...part])),
      loosely,
    );
    assert.is(
      withoutCounters,
      parts.reduce((sum, { stats }) => sum + stats.withoutCounters, 0),
    );
    assert.is(sockets, 3);
  }
  for (const wrong of [undefined, null, [], {}, 5]) {
    assert.throws(
      () => FlowBatch.concat(b, wrong as never),
      (error: Error) => error instanceof TypeError && /^batches\[1\]: /.test(error.message),
    );
  }
});

test('concat: flows belong to a table if all are of the same', () => {
  const rows = { rows: 1, capacity: 64, withoutCounters: 1 };
  const none = { addresses: undefined, extraIndex: undefined, extra: undefined };
  const of = (table: string | undefined) => {
    const arena = new ArrayBuffer(64 * 53);
    new Uint8Array(arena).fill(2, 64 * columnLayout.family.prefix);
    return FlowBatch.fromRaw({ ...rows, ...none, arena, ...(table && { table }) }, noStats);
  };
  const tableOf = (batch: FlowBatch) => batch.at(0)!.source.store.tableOf(0);
  assert.is(tableOf(FlowBatch.concat(of('a'), of('a'))), 'a');
  assert.is(tableOf(FlowBatch.concat(of('a'), of('b'))), undefined);
  assert.is(tableOf(FlowBatch.concat(of('a'), of(undefined))), undefined);
  assert.is(tableOf(FlowBatch.from(of('a').toBytes())), undefined);
});

test('concat of events and flows: the flows are of the own namespace', () => {
  const flow = { protocol: 'tcp', src: '::1', dst: '::2', srcPort: 1, dstPort: 2 } as const;
  const events = EventBatch.of([{ type: 'new', flow, nsid: 3 }]);
  const both = FlowBatch.concat(FlowBatch.of([flow]), events);
  assert.equal([...both.columns.nsid, ...both.columns.type], [-1, 3, 0, 1]);
});

/** The same, flow by flow: what the columns are compared with. */
function slowly(before: FlowBatch, after: FlowBatch, fields: readonly DiffField[]) {
  const parts = (flow: FlowObject): Record<DiffField, unknown> => {
    const counters = [flow.orig, flow.reply].map(({ packets, bytes }) => [packets, bytes]);
    const { packets: _packets, bytes: _bytes, ...reply } = flow.reply;
    return { ...flow, status: flow.statusBits, reply, counters } as Record<DiffField, unknown>;
  };
  const key = ({ family, protocolNumber, orig, zone }: FlowObject) => {
    const { packets: _packets, bytes: _bytes, ...tuple } = orig;
    return canonical({ family, protocolNumber, tuple, zone });
  };
  const left = [...before].map((flow) => flow.toObject());
  const result = { added: 0, removed: 0, unchanged: 0, changed: [] as string[] };
  for (const flow of after) {
    const now = flow.toObject();
    const at = left.findIndex(
      (old) =>
        key(old) === key(now) &&
        (old.start === undefined || now.start === undefined || old.start === now.start),
    );
    if (at < 0) {
      result.added++;
      continue;
    }
    const [old] = left.splice(at, 1);
    const [x, y] = [parts(old!), parts(now)];
    const differ = fields.filter((name) => canonical([x[name]]) !== canonical([y[name]]));
    if (differ.length === 0) result.unchanged++;
    else result.changed.push(`${key(now)} ${differ}`);
  }
  result.removed = left.length;
  return result;
}

function quickly(before: FlowBatch, after: FlowBatch, fields: readonly DiffField[]) {
  const { added, removed, changed, unchanged } = FlowBatch.diff(before, after, { fields });
  const names = Object.keys(diffBits) as DiffField[];
  const told = Array.from({ length: changed.length }, (_, i) => {
    const [old, now] = [changed.before.at(i)!, changed.after.at(i)!];
    assert.equal([old.orig.src, old.zone], [now.orig.src, now.zone]);
    const { family, protocolNumber, zone } = now;
    const { packets: _packets, bytes: _bytes, ...tuple } = now.toObject().orig;
    const differ = changed.fieldsAt(i);
    assert.equal(
      differ,
      names.filter((name) => (changed.fields[i]! & diffBits[name]) !== 0),
    );
    return `${canonical({ family, protocolNumber, tuple, zone })} ${differ}`;
  });
  return { added: added.length, removed: removed.length, unchanged, changed: told };
}

test('random changes, against a comparison flow by flow', () => {
  const random = new Random(55);
  const fields = Object.keys(diffBits) as DiffField[];
  for (let round = 0; round < 6; round++) {
    const before = messages(60 + round, 150);
    const others = messages(70 + round, 150).toArray();
    const after: FlowSample[] = [];
    for (const [i, flow] of before.toArray().entries()) {
      if (random.chance(10)) continue;
      const other = others[i]!;
      const changed: Record<string, unknown> = { ...flow };
      for (const name of [
        'timeout',
        'mark',
        'use',
        'labels',
        'secctx',
        'helper',
        'stop',
      ] as const) {
        if (random.chance(12)) changed[name] = other[name];
      }
      if (other.protocol === flow.protocol && random.chance(30)) {
        for (const name of ['state', 'tcp', 'sctp', 'dccp'] as const) changed[name] = other[name];
      }
      if (random.chance(10)) changed.start = other.start;
      if (random.chance(20)) changed.statusBits = other.statusBits;
      if (random.chance(20)) changed.status = undefined;
      if (random.chance(20)) {
        const { packets, bytes } = other.orig;
        changed.orig = { ...flow.orig, packets, bytes };
      }
      for (const name of Object.keys(changed))
        if (changed[name] === undefined) delete changed[name];
      after.push(changed as unknown as FlowSample);
    }
    for (let i = 0; i < 8; i++) after.splice(random.below(after.length), 0, random.pick(others));
    // What cannot be made of parts of two flows is left as it was.
    const made: FlowObject[] = [];
    for (const [i, flow] of after.entries()) {
      try {
        made.push(FlowBatch.of([flow]).toArray()[0]!);
      } catch {
        made.push(before.at(i % before.length)!.toObject());
      }
    }
    const batch = FlowBatch.of(made);
    const slow = slowly(before, batch, fields);
    assert.equal(quickly(before, batch, fields), slow, `round ${round}`);
    assert.ok(slow.changed.length > 20 && slow.removed > 5 && slow.added > 0);
    // The other way round what came has gone.
    const back = FlowBatch.diff(batch, before, { fields });
    assert.equal([back.added.length, back.removed.length], [slow.removed, slow.added]);
    // Parts of batches, and only the fields that are asked for.
    const [a, b] = [before.slice(20, 120), batch.filter(({ mark }) => mark % 2 === 0)];
    const some = random.some(fields);
    assert.equal(quickly(a, b, some), slowly(a, b, some), String(some));
  }
});

test('what names a flow; the fields that are compared by default', () => {
  const tcp = {
    protocol: 'tcp',
    src: '10.0.0.1',
    dst: '192.0.2.1',
    srcPort: 1,
    dstPort: 2,
  } as const;
  const counts = (before: FlowSample, after: FlowSample) => {
    const diff = FlowBatch.diff(FlowBatch.of([before]), FlowBatch.of([after]));
    return [diff.added.length, diff.removed.length, diff.changed.length, diff.unchanged];
  };
  const [same, changed, other] = [
    [0, 0, 0, 1],
    [0, 0, 1, 0],
    [1, 1, 0, 0],
  ];
  assert.equal(counts(tcp, tcp), same);
  assert.equal(counts(tcp, { ...tcp, mark: 1 }), changed);
  assert.equal(counts(tcp, { ...tcp, timeout: 9, id: 7, use: 3 }), same);
  assert.equal(counts(tcp, { ...tcp, nat: { src: '192.0.2.9' } }), changed);
  assert.equal(counts({ ...tcp, start: 1n }, { ...tcp, start: 2n }), other);
  assert.equal(counts({ ...tcp, start: 1n }, { ...tcp, start: 1n }), same);
  assert.equal(counts(tcp, { ...tcp, start: 2n }), changed);
  assert.equal(counts(tcp, { ...tcp, zone: 1 }), other);
  const { protocol, ...side } = tcp;
  assert.equal(counts(tcp, { protocol, orig: { ...side, zone: 1 } }), other);
  assert.equal(counts(tcp, { ...tcp, reply: { zone: 1 } }), changed);
  assert.equal(counts(tcp, { ...tcp, dstPort: 3 }), other);
  assert.equal(counts(tcp, { ...tcp, protocol: 'udp' }), other);
  const v6 = { ...tcp, src: 'fd00::1', dst: 'fd00::2' };
  assert.equal(counts(v6, { ...v6, mark: 4 }), changed);
  assert.equal(counts(v6, { ...v6, dst: 'fd00::3' }), other);
  assert.equal(counts(v6, { ...v6, nat: { dst: 'fd00::9' } }), changed);

  // Two flows of one tuple: each is compared with one.
  const twice = FlowBatch.of([tcp, { ...tcp, mark: 5 }]);
  const diff = FlowBatch.diff(twice, FlowBatch.of([tcp, tcp, tcp]));
  assert.equal([diff.added.length, diff.changed.length, diff.unchanged], [1, 1, 1]);
  assert.equal(diff.changed.fieldsAt(0), ['mark']);
  assert.equal([diff.changed.fieldsAt(9), diff.changed.fieldsAt(-1)], [[], ['mark']]);

  for (const [wrong, path] of [
    [{ fields: ['mark', 'colour'] }, 'options.fields[1]'],
    [{ fields: [] }, 'options.fields'],
    [{ fields: 'mark' }, 'options.fields'],
    [{ field: ['mark'] }, 'options'],
    [null, 'options'],
  ] as const) {
    assert.throws(
      () => FlowBatch.diff(twice, twice, wrong as never),
      (error: Error) => error.message.startsWith(path),
    );
  }
  assert.throws(() => FlowBatch.diff(twice, [tcp] as never), /^after: /);
});

test.run();

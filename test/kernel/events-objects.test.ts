// An event behaves like the object that it looks like: spread, Object.assign, structuredClone, JSON and console.log
// give its fields, and those of its flow. The same holds for batches, losses and expectations.
import { inspect } from 'node:util';
import { conntrack, type ExpectationEvent, type FlowEvent } from '../../src/index.js';
import { until } from '../support/awaited.js';
import { eventsDuring } from '../support/events.js';
import { assert, suite } from '../support/harness.js';
import { Netns } from '../support/netlab.js';

const test = suite('events as objects');

const orig = { src: '10.9.9.9', dst: '10.9.9.8', srcPort: 7, dstPort: 53 };
const plain = { protocol: 'udp', timeout: 60, orig } as const;

test('events of flows', async () => {
  Netns.current.conntrackSysctls({ events: 1, acct: 1, timestamp: 1 });
  const [made, gone] = await eventsDuring(async () => {
    await conntrack.create(plain);
    await conntrack.flush();
  });
  // The kernel's own time of an event is new (6.14).
  const keys = (event: FlowEvent) => Object.keys(event).filter((key) => key !== 'timestamp');
  assert.equal(keys(made!), ['type', 'portid', 'own', 'flow']);
  assert.equal(keys(gone!), ['type', 'duration', 'portid', 'own', 'flow']);
  assert.is(gone!.duration, gone!.flow.stop! - gone!.flow.start!);
  for (const event of [made!, gone!]) {
    for (const copy of [{ ...event }, Object.assign({}, event)]) {
      assert.is(copy.type, event.type);
      assert.is(copy.duration, event.duration);
      assert.is(copy.flow, event.flow);
    }
    const clone = structuredClone(event);
    assert.equal(Object.keys(clone), Object.keys(event));
    assert.equal([clone.type, clone.duration], [event.type, event.duration]);
    assert.equal(clone.flow.orig, { ...event.flow.orig });
    const json = JSON.parse(JSON.stringify(event)) as typeof event;
    assert.equal(Object.keys(json), Object.keys(event));
    assert.is(json.flow.orig.src, orig.src);
    const shown = inspect(event);
    for (const key of Object.keys(event)) assert.match(shown, new RegExp(`\\b${key}: `));
    assert.match(shown, /src: '10\.9\.9\.9'/);
    assert.is({ ...event, nsid: 4 }.nsid, 4);
  }
});

test('events of another namespace have its id as a property', async () => {
  using other = Netns.create();
  other.conntrackSysctls({ events: 1 });
  Netns.current.ip('netns', 'set', other.name!, '40');
  const stream = conntrack.events({ types: ['new'], allNamespaces: true });
  other.exec(
    'conntrack',
    '-I',
    '-p',
    'udp',
    '-s',
    '10.1.1.1',
    '-d',
    '10.1.1.2',
    '--sport',
    '1',
    '--dport',
    '2',
    '-t',
    '60',
  );
  for await (const event of stream) {
    assert.is(event.type, 'new');
    assert.is({ ...(event as FlowEvent) }.nsid, 40);
    break;
  }
});

test('rows of batches, losses, and expectations', async () => {
  const stream = conntrack.events({ types: ['new'], queue: { maxEvents: 1 } });
  await conntrack.createMany([plain, { ...plain, orig: { ...orig, srcPort: 8 } }]);
  await until('one is lost', () => stream.stats.lost === 1);
  await stream.close({ drain: true });
  for await (const batch of stream.batches()) {
    assert.equal({ ...batch.at(0)! }.orig.src, orig.src);
    assert.is({ ...batch.event(0)! }.flow.orig.src, orig.src);
    assert.equal({ ...batch.overrun }, { type: 'overrun', source: 'queue', lost: 1 });
    assert.equal(
      [...batch.events()].map((event) => ({ ...event }).type),
      ['new', 'overrun'],
    );
  }
  await conntrack.flush();

  const master = { protocol: 'tcp', orig: { ...orig, dstPort: 21 } } as const;
  await conntrack.create({ ...master, timeout: 60, state: 'ESTABLISHED', helper: 'ftp' });
  const expected = conntrack.expectations.events();
  const tuple = { src: orig.dst, dst: orig.src, srcPort: 0, dstPort: 5000 };
  await conntrack.expectations.create({ protocol: 'tcp', tuple, master });
  await expected.close({ drain: true });
  const seen: ExpectationEvent[] = [];
  for await (const event of expected) seen.push(event);
  assert.is(seen.length, 1);
  const clone = structuredClone(seen[0]!);
  assert.equal(clone, { ...seen[0]! });
  assert.is(clone.type === 'new' && clone.expectation.tuple.dstPort, 5000);
  await conntrack.flush();
});

test.run();

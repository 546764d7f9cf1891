// conntrack.expectations, made over netlink and by the kernel's FTP helper, held against `conntrack -L expect`.
import {
  conntrack,
  type Expectation,
  type ExpectationEvent,
  type ExpectationInit,
  type ExpectationTupleInit,
  NetlinkError,
} from '../../src/index.js';
import { until } from '../support/awaited.js';
import { assert, suite, throws } from '../support/harness.js';
import { GatewayLab, labAddresses, Netns } from '../support/netlab.js';
import { python } from '../support/python.js';

const suiteOf = suite('expectations');
const { expectations } = conntrack;
const own = Netns.current;

suiteOf.before(() => own.conntrackSysctls({ events: 1 }));

const master = (port: number, helper: string | null = 'ftp', zone?: number) => ({
  protocol: 'tcp' as const,
  orig: { src: '10.9.9.9', dst: '10.9.9.8', srcPort: port, dstPort: 21 },
  timeout: 600,
  state: 'ESTABLISHED' as const,
  status: ['assured' as const],
  ...(helper !== null && { helper }),
  ...(zone !== undefined && { zone }),
});
const nameOf = (flow: ReturnType<typeof master>) => ({
  protocol: flow.protocol,
  orig: flow.orig,
  ...('zone' in flow && { zone: flow.zone }),
});
const tuple = (dstPort: number) => ({ src: '10.9.9.8', dst: '10.9.9.9', srcPort: 0, dstPort });
const init = (masterPort: number, dstPort: number): ExpectationInit => ({
  protocol: 'tcp',
  tuple: tuple(dstPort),
  master: nameOf(master(masterPort)),
});
const named = (dstPort: number): ExpectationTupleInit => ({ protocol: 'tcp', ...tuple(dstPort) });

/** `conntrack -L expect`, one object of words for each line. */
function oracle(): Record<string, string>[] {
  const list = (family: string) => own.exec('conntrack', '-L', 'expect', '-f', family);
  const text = list('ipv4') + list('ipv6');
  const lines = text.split('\n').filter((line) => line !== '');
  return lines.map((line) => {
    const words: Record<string, string> = {};
    let flags = '';
    for (const word of line.trim().split(/\s+/).slice(1)) {
      const [key = '', value] = word.split('=');
      if (value === undefined) {
        flags += key;
        continue;
      }
      // The ports of mask and master come after the expected flow's, under the same names.
      let name = key;
      while (name in words) name += "'";
      words[name] = value;
    }
    words.flags = flags;
    return words;
  });
}
const asOracle = (one: Expectation): Record<string, string> => ({
  flags: one.flags.map((flag) => flag.toUpperCase()).join(','),
  proto: String(one.protocolNumber),
  src: one.tuple.src,
  dst: one.tuple.dst,
  sport: String(one.tuple.srcPort),
  dport: String(one.tuple.dstPort),
  'mask-src': one.mask.src,
  'mask-dst': one.family === 'ipv4' ? '255.255.255.255' : 'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff',
  "sport'": String(one.mask.srcPort),
  "dport'": '65535',
  'master-src': one.master.src,
  'master-dst': one.master.dst,
  "sport''": String(one.master.srcPort),
  "dport''": String(one.master.dstPort),
  class: String(one.class),
  helper: one.helper!,
});
const byPort = (a: Expectation, b: Expectation) => a.tuple.dstPort! - b.tuple.dstPort!;

/** A case that finds both tables empty, whatever the one before left. */
function test(name: string, run: () => Promise<void>): void {
  suiteOf(name, async () => {
    await expectations.flush();
    await conntrack.flush();
    await run();
  });
}

test('created with everything that can be set, read back, and as conntrack(8) lists it', async () => {
  await conntrack.create(master(1));
  await expectations.create({
    ...init(1, 5001),
    mask: { src: '255.255.0.0', srcPort: 0xfff0 },
    timeout: 77,
    flags: ['permanent', 'inactive'],
    helper: 'ftp',
    class: 0,
    fn: 'nat-follow-master',
    nat: { direction: 'reply', src: '10.1.1.1', srcPort: 99 },
  });
  const [found, ...rest] = await expectations.list();
  assert.is(rest.length, 0);
  const { id, timeout, ...values } = found!;
  assert.ok(id > 0 && timeout! > 70 && timeout! <= 77, `id ${id}, timeout ${timeout}`);
  assert.equal(values, {
    family: 'ipv4',
    protocol: 'tcp',
    protocolNumber: 6,
    tuple: tuple(5001),
    mask: { src: '255.255.0.0', srcPort: 0xfff0 },
    master: { protocol: 'tcp', src: '10.9.9.9', dst: '10.9.9.8', srcPort: 1, dstPort: 21 },
    flags: ['permanent', 'inactive'],
    flagsBits: 3,
    class: 0,
    helper: 'ftp',
    fn: 'nat-follow-master',
    nat: { direction: 'reply', src: '10.1.1.1', srcPort: 99 },
  });
  assert.equal([asOracle(found!)], oracle());
});

test("without a timeout the helper's own, without a mask any source port of that address", async () => {
  await conntrack.create(master(1));
  await expectations.create(init(1, 5001));
  const [found] = await expectations.list();
  // ftp_exp_policy: five minutes.
  assert.ok(found!.timeout! > 290 && found!.timeout! <= 300);
  assert.equal(found!.mask, { src: '255.255.255.255', srcPort: 0 });
  assert.equal([found!.flags, found!.nat, found!.fn], [[], undefined, undefined]);
});

test('IPv6', async () => {
  const side = { src: 'fd00::9', dst: 'fd00::8', srcPort: 7, dstPort: 21 };
  await conntrack.create({ ...master(1), orig: side });
  await expectations.create({
    protocol: 'tcp',
    tuple: { src: 'fd00::8', dst: 'fd00::9', srcPort: 0, dstPort: 6000 },
    mask: { src: 'ffff:ffff::' },
    master: { protocol: 'tcp', orig: side },
  });
  const [found] = await expectations.list({ master: { protocol: 'tcp', orig: side } });
  assert.is(found!.family, 'ipv6');
  assert.equal(found!.mask, { src: 'ffff:ffff::', srcPort: 0 });
  assert.equal([asOracle(found!)], oracle());
  assert.is(await expectations.delete(found!), true);
  assert.equal(await expectations.list(), []);
});

test('list of one flow: its own, none of a flow without helper, none of no flow', async () => {
  await conntrack.createMany([master(1), master(2), master(3, null)]);
  await expectations.create(init(1, 5001));
  await expectations.create(init(2, 5002));
  const all = (await expectations.list()).sort(byPort);
  assert.equal(
    all.map(asOracle),
    oracle().sort((a, b) => Number(a.dport) - Number(b.dport)),
  );
  assert.is(all.length, 2);
  const of = async (port: number) =>
    (await expectations.list({ master: nameOf(master(port)) })).map((one) => one.tuple.dstPort);
  assert.equal([await of(1), await of(2), await of(3), await of(4)], [[5001], [5002], [], []]);
  const flow = await conntrack.get(nameOf(master(2)));
  assert.is((await expectations.list({ master: flow! })).length, 1);
});

test('get: what a flow with the tuple would meet; by id only that one', async () => {
  await conntrack.create(master(1));
  await expectations.create(init(1, 5001));
  const [listed] = await expectations.list();
  const met = await expectations.get({ ...named(5001), srcPort: 33333 });
  assert.equal({ ...met, timeout: 0 }, { ...listed, timeout: 0 });
  assert.is(await expectations.get({ ...named(5001), src: '10.9.9.7' }), undefined);
  assert.is(await expectations.get(named(5002)), undefined);
  assert.is((await expectations.get(listed!))!.id, listed!.id);
  assert.is(await expectations.get({ ...listed!, id: (listed!.id ^ 1) >>> 0 }), undefined);
});

test('delete: exactly the one that is named', async () => {
  await conntrack.createMany([master(1), master(2)]);
  await expectations.create(init(1, 5001));
  await expectations.create(init(2, 5002));
  // The kernel would take this for the one whose mask covers it.
  assert.is(await expectations.delete({ ...named(5001), srcPort: 33333 }), false);
  assert.is(await expectations.delete({ ...named(5001), id: 12345 }), false);
  assert.is(await expectations.delete(named(5003)), false);
  assert.is((await expectations.list()).length, 2);
  assert.is(await expectations.delete(named(5001)), true);
  assert.is(await expectations.delete(named(5001)), false);
  const [left] = await expectations.list();
  assert.is(left!.tuple.dstPort, 5002);
  assert.is(await expectations.delete(left!), true);
  assert.is(oracle().length, 0);
});

test("zones: an expectation is in its master's", async () => {
  const flow = master(1, 'ftp', 5);
  await conntrack.createMany([flow, master(1)]);
  await expectations.create({ ...init(1, 5001), master: nameOf(flow) });
  assert.is(await expectations.get(named(5001)), undefined);
  assert.is((await expectations.get({ ...named(5001), zone: 5 }))!.zone, 5);
  assert.is(await expectations.delete(named(5001)), false);
  const [found] = await expectations.list({ master: nameOf(flow) });
  assert.is(found!.zone, 5);
  assert.equal(await expectations.list({ master: nameOf(master(1)) }), []);
  assert.is(await expectations.delete(found!), true);
});

test('flush: of one helper, and all', async () => {
  await conntrack.createMany([master(1), master(2, 'irc')]);
  await expectations.create(init(1, 5001));
  await expectations.create(init(2, 5002));
  await expectations.flush({ helper: 'irc' });
  assert.equal(
    (await expectations.list()).map((one) => one.helper),
    ['ftp'],
  );
  await expectations.flush({ helper: 'ft' });
  assert.is((await expectations.list()).length, 1);
  await expectations.flush();
  assert.equal(await expectations.list(), []);
});

test("the kernel's refusals are typed and say what to do", async () => {
  await conntrack.createMany([master(1), master(3, null)]);
  await expectations.create(init(1, 5001));
  const refused = async (code: string, message: RegExp, wanted: ExpectationInit) => {
    const error = await throws(NetlinkError, message, () => expectations.create(wanted));
    assert.equal([error.code, error.operation], [code, 'conntrack expectation create']);
  };
  await refused('EEXIST', /an expectation that covers this tuple is there already/, init(1, 5001));
  await refused('EEXIST', /there already/, { ...init(1, 5001), timeout: 5 });
  await refused('ENOENT', /the master flow is not in the table/, init(9, 5002));
  await refused('EOPNOTSUPP', /has no room for a helper/, init(3, 5002));
  await refused('EINVAL', /no policy of that class/, { ...init(1, 5002), helper: 'ftp', class: 3 });
  await refused('EINVAL', /no function of that name/, { ...init(1, 5002), fn: 'no-such' });
  // A refused create with a timeout has changed nothing.
  assert.ok((await expectations.list())[0]!.timeout! > 290);
  assert.is((await expectations.list()).length, 1);
});

test('arguments that make no sense are refused by name', async () => {
  const good = init(1, 5001);
  const bad: [object, new (...args: never[]) => Error, RegExp][] = [
    [{ ...good, protcol: 6 }, TypeError, /^expectation\.protcol: /],
    [{ ...good, protocol: 'icmp' }, RangeError, /^expectation\.protocol: /],
    [{ ...good, tuple: { ...tuple(1), dst: 'x' } }, RangeError, /^expectation\.tuple\.dst: /],
    [
      { ...good, tuple: { src: '::1', dst: '::2', srcPort: 1, dstPort: 2 } },
      RangeError,
      /family of expectation\.master/,
    ],
    [
      { ...good, tuple: { src: '10.0.0.1', dst: '10.0.0.2' } },
      TypeError,
      /^expectation\.tuple\.srcPort: /,
    ],
    [{ ...good, master: undefined }, TypeError, /^expectation\.master: /],
    [{ ...good, mask: { src: 'ffff::' } }, RangeError, /^expectation\.mask\.src: /],
    [{ ...good, mask: { dst: '255.0.0.0' } }, TypeError, /^expectation\.mask\.dst: /],
    [
      { ...good, tuple: { src: '10.0.0.1', dst: '10.0.0.2', dstPort: 21 }, mask: { srcPort: 1 } },
      TypeError,
      /^expectation\.tuple\.srcPort: /,
    ],
    [
      { ...good, protocol: 50, tuple: { src: '10.0.0.1', dst: '10.0.0.2' }, mask: { srcPort: 1 } },
      TypeError,
      /^expectation\.mask\.srcPort: /,
    ],
    [{ ...good, timeout: 0 }, RangeError, /^expectation\.timeout: /],
    [{ ...good, flags: ['userspace'] }, RangeError, /^expectation\.flags\[0\]: /],
    [{ ...good, class: 1 }, TypeError, /^expectation\.class: /],
    [{ ...good, helper: 'a-name-of-16-byte' }, RangeError, /^expectation\.helper: /],
    [{ ...good, helper: '' }, RangeError, /^expectation\.helper: /],
    [{ ...good, fn: 'a\0b' }, RangeError, /^expectation\.fn: /],
    [
      { ...good, nat: { direction: 'both', src: '10.0.0.1' } },
      RangeError,
      /^expectation\.nat\.direction: /,
    ],
    [{ ...good, nat: { direction: 'orig' } }, TypeError, /^expectation\.nat\.src: /],
  ];
  for (const [wanted, kind, message] of bad) {
    await throws(kind as new () => Error, message, () =>
      expectations.create(wanted as ExpectationInit),
    );
  }
  await throws(TypeError, /^options\.helper: is undefined/, () =>
    expectations.flush({ helper: undefined } as never),
  );
  await throws(TypeError, /^options\.masters: /, () => expectations.list({ masters: 1 } as never));
  await throws(TypeError, /^tuple: /, () => expectations.get(undefined as never));
  await throws(RangeError, /^target\.protocol: /, () =>
    expectations.delete({ ...named(1), protocol: 'icmp' }),
  );
  await throws(RangeError, /^options\.types\[0\]: /, () =>
    expectations.events({ types: ['update' as 'new'] }),
  );
  assert.equal(await expectations.list(), []);
});

test('events: made, deleted, evicted, flushed; types; the stream ends', async () => {
  await conntrack.createMany([master(1), master(2)]);
  const stream = expectations.events();
  const ends = expectations.events({ types: ['destroy'] });
  const seen: string[] = [];
  const text = (event: ExpectationEvent) =>
    event.type === 'overrun' ? 'overrun' : `${event.type} ${event.expectation.tuple.dstPort}`;
  const reading = (async () => {
    for await (const event of stream) seen.push(text(event));
  })();
  await expectations.create({ ...init(1, 5001), timeout: 50 });
  await expectations.delete(named(5001));
  await expectations.create(init(1, 5002));
  // The FTP helper has one expectation at a time: the older one goes.
  await expectations.create(init(1, 5003));
  await expectations.flush();
  await until('seven events', () => seen.length >= 6);
  assert.equal(seen, [
    ...['new 5001', 'destroy 5001', 'new 5002', 'destroy 5002', 'new 5003', 'destroy 5003'],
  ]);
  const gone: string[] = [];
  for await (const event of ends) {
    gone.push(text(event));
    if (gone.length === 3) break;
  }
  assert.equal(gone, ['destroy 5001', 'destroy 5002', 'destroy 5003']);
  assert.is(ends.closed, true);
  await stream.close();
  await reading;
  assert.equal(
    [stream.stats.received, stream.stats.delivered, stream.stats.undecodable, stream.stats.lost],
    [6, 6, 0, 0],
  );
});

test('events beyond the queue are counted', async () => {
  await conntrack.createMany([master(1), master(2)]);
  const stream = expectations.events({ queue: { maxEvents: 3 } });
  for (let i = 0; i < 5; i++) {
    await expectations.create(init(1, 5001));
    await expectations.flush();
  }
  await until('ten events', () => stream.stats.received + stream.stats.lost === 10);
  const seen: ExpectationEvent[] = [];
  for await (const event of stream) {
    seen.push(event);
    if (event.type === 'overrun') break;
  }
  assert.equal(
    seen.map(({ type }) => type),
    ['new', 'destroy', 'new', 'overrun'],
  );
  assert.equal(seen[3], { type: 'overrun', source: 'queue', lost: 7 });
});

test('FTP through the gateway: expected, met, and the new flow names its master', async () => {
  const { client, server, gatewayOutside } = labAddresses;
  await using lab = await GatewayLab.create({ gateway: 'current', events: 1 });
  own.iptables(
    '-t',
    'raw',
    '-A',
    'PREROUTING',
    '-p',
    'tcp',
    '--dport',
    '21',
    '-j',
    'CT',
    '--helper',
    'ftp',
  );
  await lab.serverHost.tcpServer(server, 21);
  await lab.clientHost.tcpServer(client, 40000);
  const stream = expectations.events();
  const flows = conntrack.events({ types: ['new'], filter: { status: 'expected' } });
  const reader = stream[Symbol.asyncIterator]();
  // 40000 is 156 * 256 + 64. The helper looks at a line only when it has seen the end of one before.
  const say = `
import socket, sys
s = socket.create_connection(('${server}', 21))
for line in (b'USER x\\r\\n', b'PORT 10,0,1,2,156,64\\r\\n'):
    s.sendall(line)
    s.recv(100)
print('said', flush=True)
sys.stdin.read()`;
  const ftp = lab.client.start([python, '-c', say]);
  await ftp.line(/^said$/);
  const { value: made } = await reader.next();
  assert.is(made!.type, 'new');
  const { expectation } = made as { expectation: Expectation };
  assert.is(expectation.helper, 'ftp');
  assert.is(expectation.tuple.src, server);
  assert.is(expectation.tuple.dst, gatewayOutside);
  assert.is(expectation.master.src, client);
  // nf_nat_ftp keeps the port only: the address is the master's.
  assert.equal(expectation.nat, { direction: 'reply', src: '0.0.0.0', srcPort: 40000 });
  assert.is(expectation.fn, 'nat-follow-master');
  assert.equal((await expectations.list()).map(asOracle), oracle());

  const { dst: address, dstPort: port } = expectation.tuple;
  const data = await lab.serverHost.tcp({ address, port: port! });
  const { value: met } = await reader.next();
  assert.is(met!.type, 'destroy');
  assert.is((met as { expectation: Expectation }).expectation.id, expectation.id);
  const { value: flow } = await flows[Symbol.asyncIterator]().next();
  assert.ok(flow?.type === 'new');
  assert.ok(flow.flow.status.includes('expected'));
  assert.equal(flow.flow.master, {
    protocol: 'tcp',
    ...{ src: client, dst: server },
    ...{ srcPort: expectation.master.srcPort, dstPort: 21 },
  });
  assert.equal(flow.flow.nat?.dst, { address: client, port: 40000 });
  await data.close();
  await ftp.finish();
  await stream.close();
  await flows.close();
});

suiteOf.run();

// conntrack.expectations over netlink: created, read and deleted, and compared with `conntrack -L expect`.
// Kernels: linux, memory
import { type Expectation, type ExpectationInit, NetlinkError } from '../../src/index.js';
import {
  asOracle,
  expectationSuite,
  init,
  master,
  named,
  nameOf,
  oracle,
  tuple,
} from '../support/expectations.js';
import { assert, throws } from '../support/harness.js';
import { conntrack } from '../support/table.js';

const test = expectationSuite('expectations');
const { expectations } = conntrack;
const byPort = (a: Expectation, b: Expectation) => a.tuple.dstPort! - b.tuple.dstPort!;

test('an expectation with all fields is created, read back, and listed by conntrack(8)', async () => {
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
  assert.equal([asOracle(found!)], await oracle());
});

test("the default timeout is the helper's; the default mask takes every source port of the address", async () => {
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
  assert.equal([asOracle(found!)], await oracle());
  assert.is(await expectations.delete(found!), true);
  assert.equal(await expectations.list(), []);
});

test('list of one flow: its own; none for a flow without a helper or for no flow', async () => {
  await conntrack.createMany([master(1), master(2), master(3, null)]);
  await expectations.create(init(1, 5001));
  await expectations.create(init(2, 5002));
  const all = (await expectations.list()).sort(byPort);
  assert.equal(
    all.map(asOracle),
    (await oracle()).sort((a, b) => Number(a.dport) - Number(b.dport)),
  );
  assert.is(all.length, 2);
  const of = async (port: number) =>
    (await expectations.list({ master: nameOf(master(port)) })).map((one) => one.tuple.dstPort);
  assert.equal([await of(1), await of(2), await of(3), await of(4)], [[5001], [5002], [], []]);
  const flow = await conntrack.get(nameOf(master(2)));
  assert.is((await expectations.list({ master: flow! })).length, 1);
});

test('get: the expectation that a flow with the tuple would meet; with an id only that one', async () => {
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

test('delete removes exactly the named expectation', async () => {
  await conntrack.createMany([master(1), master(2)]);
  await expectations.create(init(1, 5001));
  await expectations.create(init(2, 5002));
  // The kernel alone would delete the expectation whose mask covers this tuple.
  assert.is(await expectations.delete({ ...named(5001), srcPort: 33333 }), false);
  assert.is(await expectations.delete({ ...named(5001), id: 12345 }), false);
  assert.is(await expectations.delete(named(5003)), false);
  assert.is((await expectations.list()).length, 2);
  assert.is(await expectations.delete(named(5001)), true);
  assert.is(await expectations.delete(named(5001)), false);
  const [left] = await expectations.list();
  assert.is(left!.tuple.dstPort, 5002);
  assert.is(await expectations.delete(left!), true);
  assert.is((await oracle()).length, 0);
});

test("an expectation is in its master's zone", async () => {
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
  // The refused create with a timeout has changed nothing.
  assert.ok((await expectations.list())[0]!.timeout! > 290);
  assert.is((await expectations.list()).length, 1);
});

test('wrong arguments are refused by name', async () => {
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

test.run();

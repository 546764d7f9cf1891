// Names of flows, and flows to create, in every call that takes a tuple: IPv4 addresses in IPv6 notation, and a reply
// that has only a zone.
import { conntrack, type Flow, type FlowInit } from '../../src/index.js';
import { assert, suite, throws } from '../support/harness.js';
import { Netns } from '../support/netns.js';

const test = suite('names of flows');

const ports = { srcPort: 4000, dstPort: 443 };
const name = { protocol: 'tcp', src: '10.9.0.1', dst: '10.9.0.2', ...ports } as const;
const mapped = { ...name, src: '::ffff:10.9.0.1', dst: '::FFFF:0a09:0002' } as const;

test('an IPv4-mapped address is the IPv4 address, in every call', async () => {
  const nat = { src: { address: '::ffff:10.9.0.9' } };
  for (const init of [
    { ...mapped, timeout: 600 },
    { ...mapped, family: 'ipv4', timeout: 600 },
    { protocol: 'tcp', timeout: 600, orig: { src: mapped.src, dst: mapped.dst, ...ports } },
    { ...name, src: mapped.src, timeout: 600, nat },
  ] as FlowInit[]) {
    await conntrack.create(init);
    assert.match(
      Netns.current.exec('conntrack', '-L', '-p', 'tcp'),
      /src=10\.9\.0\.1 dst=10\.9\.0\.2/,
    );
    const found = [
      await conntrack.get(mapped),
      conntrack.getSync(mapped),
      ...(await conntrack.getMany([mapped, { ...name, dst: mapped.dst }])),
      (await conntrack.dump({ src: mapped.src, dst: [mapped.dst] })).at(0),
    ] as Flow[];
    for (const flow of found) {
      assert.is(flow.family, 'ipv4');
      assert.equal([flow.orig.src, flow.orig.dst], ['10.9.0.1', '10.9.0.2']);
      if ('nat' in init) assert.is(flow.reply.dst, '10.9.0.9');
    }
    assert.ok(await conntrack.update(mapped, { mark: 7 }));
    assert.is(await conntrack.updateWhere({ dst: '::ffff:10.9.0.0/120' }, { timeout: 500 }), 1);
    await conntrack.upsert({ ...mapped, timeout: 600, mark: 8 });
    assert.is((await conntrack.get(name))?.mark, 8);
    assert.ok(await conntrack.delete(mapped));
    assert.is(Netns.current.flowCount(), 0);
  }
  assert.equal((await conntrack.createMany([{ ...mapped, timeout: 600 }])).created, 1);
  assert.is(await conntrack.deleteWhere({ src: '::ffff:0:0/96' }), 1);
  await throws(RangeError, /^tuple\.family|^tuple\.src: is not of tuple\.family/, () =>
    conntrack.get({ ...mapped, family: 'ipv6' }),
  );
  const scoped = { ...name, src: 'fe80::1%eth0', dst: 'fe80::2' };
  const reason = /\.src: has a scope, "fe80::1%eth0"/;
  await throws(RangeError, reason, () => conntrack.get(scoped));
  await throws(RangeError, reason, () => conntrack.delete(scoped));
  await throws(RangeError, reason, () => conntrack.create({ ...scoped, timeout: 60 }));
});

test('a reply with only a zone, with the original tuple in both forms', async () => {
  const { protocol, ...orig } = name;
  const forms: FlowInit[] = [
    { ...name, reply: { zone: 3 }, timeout: 600 },
    { protocol, orig, reply: { zone: 3 }, timeout: 600 },
  ];
  for (const init of forms) {
    await conntrack.create(init);
    const flow = (await conntrack.get(name))!;
    assert.equal([flow.zone, flow.orig.zone, flow.reply.zone], [0, undefined, 3]);
    assert.equal([flow.reply.src, flow.reply.dstPort], [orig.dst, orig.srcPort]);
    assert.is((await conntrack.get(init))?.id, flow.id);
    assert.is((await conntrack.dump({ reply: { zone: 3 } })).length, 1);
    assert.ok(await conntrack.delete(init));
  }
  await throws(TypeError, /names no tuple|\.reply\.src: /, () =>
    conntrack.get({ protocol, reply: { zone: 3 } }),
  );
  await throws(RangeError, /^tuple\.reply\.zone: /, () =>
    conntrack.get({ ...name, reply: { zone: 65536 } }),
  );
});

test('a flow that was read can be created again: unchanged, and spread with another zone', async () => {
  await conntrack.create({ ...name, timeout: 600, mark: 5, state: 'LISTEN' } as FlowInit);
  const flow = (await conntrack.get(name))!;
  assert.is(flow.state, 'SYN_SENT2');
  await conntrack.create({ ...flow, zone: 5 } as FlowInit);
  const copy = (await conntrack.get({ ...name, zone: 5 }))!;
  assert.equal([copy.mark, copy.state, copy.orig.src], [5, 'SYN_SENT2', name.src]);
  assert.not(Object.values(flow).includes(undefined));
  assert.ok(await conntrack.delete({ ...copy } as Flow));
  assert.ok(await conntrack.delete(flow));
  assert.is(Netns.current.flowCount(), 0);
});

test.run();

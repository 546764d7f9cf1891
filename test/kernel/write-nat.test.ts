// Writing flows with translated addresses, ports and ICMP ids.
// Kernels: linux, memory
import { type FlowInit, UnsupportedError } from '../../src/index.js';
import { created, has, ports, timeout, v4, v6 } from '../support/created-flow.js';
import { assert, suite, throws } from '../support/harness.js';
import { conntrack, flowCount, useLabels } from '../support/table.js';

const test = suite('create with translation');

test.before(() => useLabels());

test('translation of source, destination, port, in every combination', async () => {
  const targets = [
    [v4, '203.0.113.5', '10.99.0.7'],
    [v6, '2001:db8:5::5', 'fd99::7'],
  ] as const;
  for (const [addresses, snat, dnat] of targets) {
    for (const protocol of ['tcp', 'udp', 'udplite', 'sctp'] as const) {
      const orig = { ...addresses, ...ports };
      const init = { protocol, orig, timeout };
      const plain = { src: orig.dst, dst: orig.src, srcPort: 443, dstPort: 1024 };
      const src = (await created({ ...init, nat: { src: snat } })).flow;
      assert.equal(src.reply, { ...plain, dst: snat });
      assert.equal(src.nat, { src: { address: snat, port: 1024 } });
      assert.equal(src.status, ['confirmed', 'src_nat', 'src_nat_done', 'dst_nat_done']);
      const srcPort = (await created({ ...init, nat: { src: { address: snat, port: 5000 } } }))
        .flow;
      assert.equal(srcPort.reply, { ...plain, dst: snat, dstPort: 5000 });
      const portOnly = (await created({ ...init, nat: { src: { port: 5001 } } })).flow;
      assert.equal(portOnly.reply, { ...plain, dstPort: 5001 });
      const dst = (await created({ ...init, nat: { dst: { address: dnat } } })).flow;
      assert.equal(dst.reply, { ...plain, src: dnat });
      assert.equal(dst.status, ['confirmed', 'dst_nat', 'src_nat_done', 'dst_nat_done']);
      const dstPort = (await created({ ...init, nat: { dst: { port: 8443 } } })).flow;
      assert.equal(dstPort.reply, { ...plain, srcPort: 8443 });
      const nat = { src: { address: snat, port: 5002 }, dst: { address: dnat, port: 8444 } };
      const all = (await created({ ...init, nat })).flow;
      assert.equal(all.reply, { src: dnat, dst: snat, srcPort: 8444, dstPort: 5002 });
      assert.equal(all.nat, nat);
      assert.ok(all.status.includes('src_nat') && all.status.includes('dst_nat'));
    }
    // Only addresses of a GRE flow are translated. The kernel would not change its keys.
    const gre: FlowInit = { protocol: 'gre', orig: { ...addresses, ...ports }, timeout };
    const sameKey = { src: { address: snat, port: 1024 } };
    assert.equal((await created({ ...gre, nat: { src: snat } })).flow.nat, sameKey);
    assert.equal((await created({ ...gre, nat: sameKey })).flow.nat, sameKey);
    await conntrack.flush();
    const key = { ...gre, nat: { src: { address: snat, port: 77 } } };
    await throws(UnsupportedError, /flow\.nat\.src\.port: .* keys of a GRE flow/, () =>
      conntrack.create(key),
    );
    const made = await conntrack.createMany([gre, key, { ...gre, protocol: 'udp' }]);
    assert.is(made.created, 2);
    assert.is(made.failed[0]!.index, 1);
    assert.instance(made.failed[0]!.error, UnsupportedError);
    for (const protocol of ['esp', 89] as const) {
      const { flow } = await created({ protocol, orig: addresses, timeout, nat: { src: snat } });
      assert.equal(flow.nat, { src: { address: snat } });
      assert.ok(flow.status.includes('src_nat'));
    }
  }
});

test('an ICMP flow whose id the kernel has translated is created again with that id', async () => {
  const cases = [
    ['icmp', v4, 8, 0, '203.0.113.5'],
    ['icmpv6', v6, 128, 129, '2001:db8:5::5'],
  ] as const;
  for (const [protocol, addresses, icmpType, answer, address] of cases) {
    const orig = { ...addresses, icmpType, icmpCode: 0, icmpId: 1 };
    const nat = { src: { address } };
    const { flow } = await created({ protocol, orig, timeout, nat });
    has(flow.reply, { dst: address, icmpType: answer, icmpId: 1 });
    // MASQUERADE does this when two clients have chosen the same id.
    const reply = { ...flow.reply, icmpId: 2 };
    const again = (await created({ ...flow, timeout, reply })).flow;
    assert.equal(again.reply, reply);
    assert.ok(again.status.includes('src_nat'));
    assert.equal(again.nat, nat);
    // Only the id changes, the address stays.
    const id = { ...flow.reply, dst: orig.src, icmpId: 3 };
    const only = (await created({ ...flow, timeout, reply: id, nat: { src: orig.src } })).flow;
    assert.equal(only.reply, id);
    assert.is((await conntrack.dump({ nat: 'src' })).length, 1);
    assert.is((await conntrack.dump()).filter({ nat: 'src' }).length, 1);
    assert.is((await conntrack.dump({ nat: 'none' })).length, 0);
  }
});

test('a translation that contradicts the two tuples is refused', async () => {
  const orig = { ...v4, ...ports };
  const reply = { src: v4.dst, dst: '203.0.113.5', srcPort: 443, dstPort: 1024 };
  const init: FlowInit = { protocol: 'tcp', orig, reply, timeout };
  await conntrack.flush();
  const wrong = (nat: FlowInit['nat'], message: RegExp) =>
    throws(Error, message, () => conntrack.create({ ...init, nat: nat! }));
  await wrong({ src: '203.0.113.6' }, /flow\.reply\.dst: is not what flow\.nat\.src makes of it/);
  await wrong({ src: { port: 9 } }, /flow\.reply\.dst: /);
  await wrong({ dst: v4.dst }, /flow\.reply\.dst: /);
  const { orig: _, ...noOrig } = init;
  await throws(TypeError, /flow\.nat: needs flow\.orig/, () =>
    conntrack.create({ ...noOrig, nat: { src: '203.0.113.5' } }),
  );
  assert.is(await flowCount(), 0);
  assert.equal((await created({ ...init, nat: { src: '203.0.113.5' } })).flow.reply, reply);
});

test('two tuples with a translation and a status: the flow gets all of them', async () => {
  const reply = { src: v4.dst, dst: '203.0.113.5', srcPort: 443, dstPort: 1024 };
  const init: FlowInit = { protocol: 'tcp', orig: { ...v4, ...ports }, reply, timeout };
  const nat = { src: '203.0.113.5' };
  const { flow } = await created({ ...init, nat, status: ['assured', 'confirmed'] });
  assert.ok(flow.status.includes('src_nat'), String(flow.status));
  // A flow that was read without translation is created without it. A translation that its tuples do not show is
  // refused.
  await conntrack.flush();
  await conntrack.create({ ...init, status: 'assured' });
  const row = (await conntrack.dump()).at(0)!.toObject();
  assert.not(row.status.includes('src_nat'));
  await conntrack.flush();
  await conntrack.create(row);
  assert.is((await conntrack.dump()).at(0)!.statusBits, row.statusBits);
  await conntrack.flush();
  for (const other of [{ src: '203.0.113.6' }, { dst: '203.0.113.5' }]) {
    await throws(RangeError, /^flow\.reply\.\w+: is not what flow\.nat\./, () =>
      conntrack.create({ ...row, nat: other }),
    );
  }
  assert.is(await flowCount(), 0);
});

test.run();

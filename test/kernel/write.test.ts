// Writing flows: all that create takes, read back by us, by conntrack(8) and by libnetfilter_conntrack.
import {
  conntrack,
  type FlowInit,
  type FlowObject,
  NetlinkError,
  type SctpState,
  type TcpState,
  UnsupportedError,
} from '../../src/index.js';
import { canonical, meaningful, nfctAttributes, oracleFlow } from '../support/compare.js';
import { conntrackList } from '../support/conntrack-oracle.js';
import { assert, suite, throws } from '../support/harness.js';
import { Netns } from '../support/netns.js';
import { type NfctAttributes, nfctDump } from '../support/nfct-oracle.js';
import { useLabels } from '../support/populate.js';

const test = suite('create');

test.before(() => useLabels());

/** The only flow of the table, when all three agree on it. */
async function only(): Promise<{ flow: FlowObject; library: NfctAttributes }> {
  const batch = await conntrack.dump();
  assert.is(batch.length, 1);
  const view = batch.at(0)!;
  const flow = view.toObject();
  const [message] = nfctDump();
  const { timeout, ...library } = meaningful(message!.attributes);
  const { timeout: _ours, ...ours } = nfctAttributes(flow);
  assert.is(canonical(ours), canonical(library));
  const [line] = conntrackList({ labels: true });
  assert.is(canonical({ ...line, timeout: 0 }), canonical({ ...oracleFlow(view), timeout: 0 }));
  assert.is(canonical((await conntrack.get(view))!.orig), canonical(flow.orig));
  return { flow, library: { ...library, timeout: timeout! } };
}

async function created(init: FlowInit): ReturnType<typeof only> {
  await conntrack.flush();
  await conntrack.create(init);
  return only();
}

function has(actual: object, expected: object): void {
  const part = Object.fromEntries(
    Object.keys(expected).map((key) => [key, (actual as Record<string, unknown>)[key]]),
  );
  assert.is(canonical(part), canonical(expected));
}

const v4 = { src: '10.1.0.1', dst: '192.0.2.1' };
const v6 = { src: 'fd01::1', dst: '2001:db8::1' };
const ports = { srcPort: 1024, dstPort: 443 };
const timeout = 3600;

test('each protocol, in both families, from the original tuple alone', async () => {
  for (const [family, addresses] of [
    ['ipv4', v4],
    ['ipv6', v6],
  ] as const) {
    const mirrored = { src: addresses.dst, dst: addresses.src };
    for (const protocol of ['tcp', 'udp', 'udplite', 'sctp', 'gre'] as const) {
      const { flow } = await created({ protocol, ...addresses, ...ports, timeout });
      has(flow, { family, protocol, zone: 0, mark: 0, nat: undefined });
      has(flow.orig, { ...addresses, ...ports });
      has(flow.reply, { ...mirrored, srcPort: 443, dstPort: 1024 });
      assert.ok(flow.timeout! <= timeout && flow.timeout! > timeout - 30);
    }
    for (const protocol of ['esp', 'ah', 'igmp', 'dccp', 4, 89, 255] as const) {
      const { flow } = await created({ protocol, orig: addresses, timeout });
      has(flow, { family, protocol });
      assert.equal([flow.orig, flow.reply], [addresses, mirrored]);
    }
  }
  const { flow } = await created({ protocol: 6, ...v4, ...ports, timeout });
  assert.is(flow.protocol, 'tcp');
});

test('ICMP: the answer belongs to the question', async () => {
  const pairs: [FlowInit['protocol'], object, [number, number][]][] = [
    [
      'icmp',
      v4,
      [
        [8, 0],
        [0, 8],
        [13, 14],
        [14, 13],
        [15, 16],
        [17, 18],
      ],
    ],
    [
      'icmpv6',
      v6,
      [
        [128, 129],
        [129, 128],
        [139, 140],
        [140, 139],
      ],
    ],
  ];
  for (const [protocol, addresses, types] of pairs) {
    for (const [icmpType, answer] of types) {
      const icmp = { icmpType, icmpCode: 0, icmpId: 4711 };
      const { flow } = await created({ protocol, ...addresses, ...icmp, timeout });
      has(flow.orig, icmp);
      has(flow.reply, { ...icmp, icmpType: answer });
    }
  }
});

test('from the reply tuple alone, and from two tuples that differ', async () => {
  const reply = { src: v4.dst, dst: v4.src, srcPort: 443, dstPort: 1024 };
  const { flow } = await created({ protocol: 'tcp', reply, timeout });
  has(flow.orig, { ...v4, ...ports });
  assert.equal(flow.reply, reply);
  const orig = { ...v6, ...ports };
  const other = { src: 'fd09::9', dst: 'fd08::8', srcPort: 1, dstPort: 2 };
  const both = (await created({ protocol: 'udp', orig, reply: other, timeout })).flow;
  assert.equal([both.orig, both.reply], [orig, other]);
  // No translation was asked for: none is set up, though the tuples look like one.
  has(both, { status: ['confirmed'] });
  assert.equal(both.nat, {
    src: { address: 'fd08::8', port: 2 },
    dst: { address: 'fd09::9', port: 1 },
  });
});

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
    // Addresses of GRE, not its keys: the kernel would leave them as they are.
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

test('an ICMP flow whose id the kernel has translated comes back with that id', async () => {
  const cases = [
    ['icmp', v4, 8, 0, '203.0.113.5'],
    ['icmpv6', v6, 128, 129, '2001:db8:5::5'],
  ] as const;
  for (const [protocol, addresses, icmpType, answer, address] of cases) {
    const orig = { ...addresses, icmpType, icmpCode: 0, icmpId: 1 };
    const nat = { src: { address } };
    const { flow } = await created({ protocol, orig, timeout, nat });
    has(flow.reply, { dst: address, icmpType: answer, icmpId: 1 });
    // As MASQUERADE does when two clients have chosen the same id.
    const reply = { ...flow.reply, icmpId: 2 };
    const again = (await created({ ...flow, timeout, reply })).flow;
    assert.equal(again.reply, reply);
    assert.ok(again.status.includes('src_nat'));
    assert.equal(again.nat, nat);
    // The id alone: an address that stays.
    const id = { ...flow.reply, dst: orig.src, icmpId: 3 };
    const only = (await created({ ...flow, timeout, reply: id, nat: { src: orig.src } })).flow;
    assert.equal(only.reply, id);
    assert.is((await conntrack.dump({ nat: 'src' })).length, 1);
    assert.is((await conntrack.dump()).filter({ nat: 'src' }).length, 1);
    assert.is((await conntrack.dump({ nat: 'none' })).length, 0);
  }
});

test('two tuples and a translation that they do not show are refused', async () => {
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
  assert.is(Netns.current.flowCount(), 0);
  assert.equal((await created({ ...init, nat: { src: '203.0.113.5' } })).flow.reply, reply);
});

test('two tuples, a translation and a status: what is asked for is done', async () => {
  const reply = { src: v4.dst, dst: '203.0.113.5', srcPort: 443, dstPort: 1024 };
  const init: FlowInit = { protocol: 'tcp', orig: { ...v4, ...ports }, reply, timeout };
  const nat = { src: '203.0.113.5' };
  const { flow } = await created({ ...init, nat, status: ['assured', 'confirmed'] });
  assert.ok(flow.status.includes('src_nat'), String(flow.status));
  // What was read as not translated stays so; another translation than it shows is no part of it.
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
  assert.is(Netns.current.flowCount(), 0);
});

test('mark, zone, status, timeout', async () => {
  const init: FlowInit = { protocol: 'udp', ...v4, ...ports, timeout };
  for (const mark of [1, 0x80000000, 0xffffffff]) {
    assert.is((await created({ ...init, mark })).flow.mark, mark);
  }
  for (const zone of [1, 0xffff]) assert.is((await created({ ...init, zone })).flow.zone, zone);
  const all = await created({ ...init, status: ['seen_reply', 'assured', 'fixed_timeout'] });
  assert.equal(all.flow.status, ['seen_reply', 'assured', 'confirmed', 'fixed_timeout']);
  assert.is(all.library.status, 2 | 4 | 8 | 1024);
  // Names that the kernel owns are no error of a flow that was read.
  const names = ['seen_reply', 'src_nat', 'helper', 'offload'] as const;
  const owned = await created({ ...init, status: names, statusBits: 0x6012 } as FlowInit);
  assert.equal(owned.flow.status, ['seen_reply', 'confirmed']);
  // INT_MAX jiffies of 1000 Hz.
  const long = (await created({ ...init, timeout: 2_147_483 })).flow.timeout!;
  assert.ok(long > 2_147_000 && long <= 2_147_483);
  await conntrack.flush();
  // More than any kernel holds; what is longer is cut off by the kernel, and never in silence.
  const tooLong = { ...init, timeout: 0xffffffff };
  for (const make of ['create', 'upsert'] as const) {
    await throws(NetlinkError, /EOPNOTSUPP.*timeout/, () => conntrack[make](tooLong));
  }
  const { created: none, failed } = await conntrack.createMany([tooLong]);
  assert.equal([none, failed[0]?.error.code], [0, 'EOPNOTSUPP']);
  assert.is(Netns.current.flowCount(), 0);
  await conntrack.create({ ...init, timeout });
  await throws(NetlinkError, /EOPNOTSUPP.*timeout/, () =>
    conntrack.update(init, { timeout: 0xffffffff }),
  );
  await throws(NetlinkError, /EOPNOTSUPP.*1 of 1 flows.*timeout/, () =>
    conntrack.updateWhere({ protocol: 'udp' }, { timeout: 0xffffffff }),
  );
});

test('zones of one direction', async () => {
  for (const side of ['orig', 'reply'] as const) {
    const orig = { ...v4, ...ports, ...(side === 'orig' && { zone: 12 }) };
    const reply = { src: v4.dst, dst: v4.src, srcPort: 443, dstPort: 1024 };
    const given = side === 'reply' ? { reply: { ...reply, zone: 12 } } : {};
    const { flow, library } = await created({ protocol: 'tcp', orig, ...given, timeout });
    assert.is(flow[side].zone, 12);
    assert.is(flow[side === 'orig' ? 'reply' : 'orig'].zone, undefined);
    assert.is(flow.zone, 0);
    assert.is(library[side === 'orig' ? 'orig_zone' : 'repl_zone'], 12);
  }
});

test('TCP: every state, flags, window scales', async () => {
  const init: FlowInit = { protocol: 'tcp', ...v4, ...ports, timeout };
  const states =
    'NONE SYN_SENT SYN_RECV ESTABLISHED FIN_WAIT CLOSE_WAIT LAST_ACK TIME_WAIT CLOSE SYN_SENT2';
  for (const [number, state] of (states.split(' ') as TcpState[]).entries()) {
    const { flow, library } = await created({ ...init, state });
    assert.is(flow.state, state);
    assert.is(library.tcp_state, number);
  }
  const flags = { orig: 0x03, reply: 0x0b };
  const wscale = { orig: 7, reply: 14 };
  const both = await created({ ...init, tcp: { flags, wscale } });
  assert.equal(both.flow.tcp, { flags, wscale });
  has(both.library, { tcp_wscale_orig: 7, tcp_wscale_repl: 14, tcp_flags_repl: 0x0b });
  // Without flags, the one that the kernel wants to see is set.
  const scales = (await created({ ...init, tcp: { wscale } })).flow;
  assert.equal(scales.tcp, { flags: { orig: 1, reply: 1 }, wscale });
});

test('SCTP: every state, with its tags', async () => {
  const init: FlowInit = { protocol: 'sctp', ...v6, ...ports, timeout };
  const states =
    'CLOSED COOKIE_WAIT COOKIE_ECHOED ESTABLISHED SHUTDOWN_SENT SHUTDOWN_RECD SHUTDOWN_ACK_SENT HEARTBEAT_SENT';
  const vtag = { orig: 0xdeadbeef, reply: 1 };
  for (const [i, state] of (states.split(' ') as SctpState[]).entries()) {
    const { flow, library } = await created({ ...init, state, sctp: { vtag } });
    assert.is(flow.state, state);
    assert.equal(flow.sctp, { vtag });
    assert.is(library.sctp_state, i + 1);
  }
});

test('labels: the lowest, the highest, all', async () => {
  const init: FlowInit = { protocol: 'tcp', ...v4, ...ports, timeout };
  const all = Array.from({ length: 128 }, (_, bit) => bit);
  for (const labels of [[0], [127], [3, 31, 32, 63, 64, 100], all]) {
    const { flow, library } = await created({ ...init, labels });
    assert.equal(flow.labels, labels);
    assert.equal(library.connlabels, labels);
  }
  assert.is((await created({ ...init, labels: [] })).flow.labels, undefined);
});

test('helpers by name, and one that is not there', async () => {
  const helpers = [
    ['tcp', 'ftp'],
    ['tcp', 'irc'],
    ['udp', 'tftp'],
  ] as const;
  for (const [protocol, helper] of helpers) {
    const { flow } = await created({ protocol, ...v4, ...ports, timeout, helper });
    assert.is(flow.helper, helper);
    assert.ok(flow.status.includes('helper'));
  }
  const six = (await created({ protocol: 'tcp', ...v6, ...ports, timeout, helper: 'ftp' })).flow;
  assert.is(six.helper, 'ftp');
  await conntrack.flush();
  const error = await throws(NetlinkError, /EOPNOTSUPP/, () =>
    conntrack.create({ protocol: 'tcp', ...v4, ...ports, timeout, helper: 'nonesuch' }),
  );
  assert.match(String(error.hint), /helper/);
  assert.is(Netns.current.flowCount(), 0);
});

test('sequence adjustment and synproxy', async () => {
  const init: FlowInit = { protocol: 'tcp', ...v4, ...ports, timeout };
  const orig = { correctionPos: 0xfffffff0, offsetBefore: -5, offsetAfter: 7 };
  const reply = { correctionPos: 1, offsetBefore: 0x7fffffff, offsetAfter: -0x80000000 };
  const { flow, library } = await created({ ...init, seqAdj: { orig, reply } });
  assert.equal(flow.seqAdj, { orig, reply });
  has(library, {
    orig_nat_seq_correction_pos: 0xfffffff0,
    orig_nat_seq_offset_before: 0xfffffffb,
    repl_nat_seq_offset_after: 0x80000000,
  });
  assert.ok(flow.status.includes('seq_adjust'));
  const synproxy = { isn: 0xffffffff, its: 1, tsoff: 0x80000000 };
  assert.equal((await created({ ...init, synproxy })).flow.synproxy, synproxy);
});

test('a master, which must be there', async () => {
  for (const addresses of [v4, v6]) {
    await conntrack.flush();
    const master = { protocol: 'tcp', ...addresses, srcPort: 2000, dstPort: 21 } as const;
    const init: FlowInit = { protocol: 'tcp', ...addresses, ...ports, timeout, master };
    const error = await throws(NetlinkError, /ENOENT/, () => conntrack.create(init));
    assert.match(String(error.hint), /master/);
    await conntrack.create({ ...master, timeout });
    await conntrack.create(init);
    const child = (await conntrack.get({ protocol: 'tcp', ...addresses, ...ports }))!;
    assert.equal(child.master, master);
    assert.ok(child.status.includes('expected'));
    const theirs = nfctDump().find(({ attributes }) => attributes.master_port_dst !== undefined)!;
    assert.is(theirs.attributes.master_port_dst, 21);
    assert.is(theirs.attributes.master_l4proto, 6);
  }
});

test('everything at once, as a view and as plain data', async () => {
  const init: FlowInit = {
    ...{ protocol: 'tcp', orig: { ...v4, ...ports }, timeout, mark: 77, zone: 5, labels: [1, 99] },
    ...{ state: 'ESTABLISHED', status: ['seen_reply', 'assured'], helper: 'ftp' },
    tcp: { flags: { orig: 3, reply: 3 }, wscale: { orig: 1, reply: 2 } },
    nat: { src: { address: '203.0.113.5', port: 6000 } },
    seqAdj: { orig: { correctionPos: 1, offsetBefore: 2, offsetAfter: 3 } },
    synproxy: { isn: 1, its: 2, tsoff: 3 },
  };
  const first = (await created(init)).flow;
  has(first, { mark: 77, zone: 5, labels: [1, 99], state: 'ESTABLISHED', helper: 'ftp' });
  const lasting = ({ id, timeout: _, use, ...rest }: FlowObject) => canonical(rest);
  const view = (await conntrack.dump()).at(0)!;
  await conntrack.flush();
  await conntrack.create(view);
  assert.is(lasting((await only()).flow), lasting(first));
  await conntrack.flush();
  await conntrack.create(first);
  assert.is(lasting((await only()).flow), lasting(first));
});

test('a tuple that is taken, in either direction', async () => {
  await created({ protocol: 'tcp', ...v4, ...ports, timeout, mark: 1 });
  const error = await throws(NetlinkError, /^conntrack create: EEXIST/, () =>
    conntrack.create({ protocol: 'tcp', ...v4, ...ports, timeout, mark: 2 }),
  );
  assert.is(error.code, 'EEXIST');
  assert.is(error.errno, -17);
  assert.is(error.operation, 'conntrack create');
  assert.match(String(error.hint), /upsert/);
  const reverse = { src: v4.dst, dst: v4.src, srcPort: 443, dstPort: 1024 };
  await throws(NetlinkError, /EEXIST/, () =>
    conntrack.create({ protocol: 'tcp', ...reverse, timeout }),
  );
  assert.is((await only()).flow.mark, 1);
});

test('upsert creates, and brings what is there to the same state', async () => {
  await conntrack.flush();
  const init: FlowInit = {
    ...{ protocol: 'tcp', ...v4, ...ports, timeout, mark: 5, labels: [4], state: 'SYN_SENT' },
    ...{ tcp: { wscale: { orig: 1, reply: 1 } } },
  };
  await conntrack.upsert(init);
  const { id } = (await only()).flow;
  await conntrack.upsert({ ...init, timeout: 9000, mark: 6, labels: [5, 6], state: 'ESTABLISHED' });
  const second = (await only()).flow;
  has(second, { id, mark: 6, labels: [5, 6], state: 'ESTABLISHED' });
  assert.ok(second.timeout! > 8000);
  await conntrack.upsert({ ...init, status: 'assured' });
  has((await only()).flow, { id, mark: 5, status: ['assured', 'confirmed'] });
  const reply = { src: v4.dst, dst: v4.src, srcPort: 443, dstPort: 1024 };
  await conntrack.upsert({ ...init, reply, mark: 8 });
  has((await only()).flow, { id, mark: 8 });
  await conntrack.upsert({ protocol: 'tcp', reply, timeout, mark: 9 });
  has((await only()).flow, { id, mark: 9 });
  await throws(NetlinkError, /^conntrack update: EOPNOTSUPP/, () =>
    conntrack.upsert({ ...init, helper: 'ftp' }),
  );
  await conntrack.upsert((await conntrack.dump()).at(0)!);
  has((await only()).flow, { id, mark: 9 });
});

test.run();

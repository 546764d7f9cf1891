// Writing flows: everything that create() takes. Each flow is read back by the package, by conntrack(8) and by
// libnetfilter_conntrack.
// Kernels: linux, memory
import {
  type FlowInit,
  type FlowObject,
  NetlinkError,
  type SctpState,
  type TcpState,
} from '../../src/index.js';
import { canonical } from '../support/compare.js';
import { created, has, only, ports, timeout, v4, v6 } from '../support/created-flow.js';
import { assert, suite, throws } from '../support/harness.js';
import { nfctDump } from '../support/nfct-oracle.js';
import { conntrack, flowCount, memory, useLabels } from '../support/table.js';

const test = suite('create');

test.before(() => useLabels());

test('each protocol, in both families, from only the original tuple', async () => {
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

test('ICMP: the reply has the answer type of the request', async () => {
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

test('from only the reply tuple, and from two different tuples', async () => {
  const reply = { src: v4.dst, dst: v4.src, srcPort: 443, dstPort: 1024 };
  const { flow } = await created({ protocol: 'tcp', reply, timeout });
  has(flow.orig, { ...v4, ...ports });
  assert.equal(flow.reply, reply);
  const orig = { ...v6, ...ports };
  const other = { src: 'fd09::9', dst: 'fd08::8', srcPort: 1, dstPort: 2 };
  const both = (await created({ protocol: 'udp', orig, reply: other, timeout })).flow;
  assert.equal([both.orig, both.reply], [orig, other]);
  // The kernel sets up no translation, because none was given, although the tuples look translated.
  has(both, { status: ['confirmed'] });
  assert.equal(both.nat, {
    src: { address: 'fd08::8', port: 2 },
    dst: { address: 'fd09::9', port: 1 },
  });
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
  // Status names that only the kernel sets are no error, because flows that were read have them.
  const names = ['seen_reply', 'src_nat', 'helper', 'offload'] as const;
  const owned = await created({ ...init, status: names, statusBits: 0x6012 } as FlowInit);
  assert.equal(owned.flow.status, ['seen_reply', 'confirmed']);
  // INT_MAX jiffies of 1000 Hz.
  const long = (await created({ ...init, timeout: 2_147_483 })).flow.timeout!;
  assert.ok(long > 2_147_000 && long <= 2_147_483);
  await conntrack.flush();
  // More than any kernel can hold. The kernel would shorten it, so the package refuses it.
  const tooLong = { ...init, timeout: 0xffffffff };
  for (const make of ['create', 'upsert'] as const) {
    await throws(NetlinkError, /EOPNOTSUPP.*timeout/, () => conntrack[make](tooLong));
  }
  const { created: none, failed } = await conntrack.createMany([tooLong]);
  assert.equal([none, failed[0]?.error.code], [0, 'EOPNOTSUPP']);
  assert.is(await flowCount(), 0);
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
  const flags = {
    orig: ['window_scale', 'sack_perm'],
    reply: ['window_scale', 'sack_perm', 'be_liberal'],
  } as const;
  const wscale = { orig: 7, reply: 14 };
  const both = await created({ ...init, tcp: { flags, wscale } });
  assert.equal(both.flow.tcp, { flags, flagBits: { orig: 0x03, reply: 0x0b }, wscale });
  has(both.library, { tcp_wscale_orig: 7, tcp_wscale_repl: 14, tcp_flags_repl: 0x0b });
  // Without flags the package sets the flag that the kernel needs.
  const scales = (await created({ ...init, tcp: { wscale } })).flow;
  const only = { orig: ['window_scale'], reply: ['window_scale'] };
  assert.equal(scales.tcp, { flags: only, flagBits: { orig: 1, reply: 1 }, wscale });
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

test('helpers by name, and a missing helper', async () => {
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
  assert.is(await flowCount(), 0);
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

test('a master, which must exist', async () => {
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
    if (memory !== undefined) continue;
    const theirs = nfctDump().find(({ attributes }) => attributes.master_port_dst !== undefined)!;
    assert.is(theirs.attributes.master_port_dst, 21);
    assert.is(theirs.attributes.master_l4proto, 6);
  }
});

test('everything at once, as a view and as plain data', async () => {
  const init: FlowInit = {
    ...{ protocol: 'tcp', orig: { ...v4, ...ports }, timeout, mark: 77, zone: 5, labels: [1, 99] },
    ...{ state: 'ESTABLISHED', status: ['seen_reply', 'assured'], helper: 'ftp' },
    tcp: { flagBits: { orig: 3, reply: 3 }, wscale: { orig: 1, reply: 2 } },
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

test('a tuple that another flow has, in either direction', async () => {
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

test('upsert creates a flow, and changes an existing one to the same state', async () => {
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

// Wrong names of flows, wrong flows to create and wrong changes, for every method that takes them.
import { conntrack, type FlowChange, type FlowInit, type TupleInit } from '../../src/index.js';
import { assert, suite, throws } from '../support/harness.js';
import {
  addresses,
  at,
  inside,
  integers,
  notObjects,
  ports,
  protocols,
  refused,
  statuses,
  tcp,
  v4,
  v6,
  type Wrong,
} from '../support/wrong-arguments.js';

const test = suite('arguments: flows');

/** Wrong tuples, in every form. `$` is the path of the tuple's ends. */
const ends: Wrong[] = [
  ...addresses.map(
    ([value, kind, path, says]): Wrong =>
      [
        { ...v4, ...ports, src: value },
        kind,
        path.replace('$', '$.src'),
        ...(says ? [says] : []),
      ] as Wrong,
  ),
  [{ ...ports, src: '10.0.0.1' }, TypeError, '$.dst'],
  [{ ...v4, ...ports, dst: '::1' }, RangeError, '$.dst', /family/],
  [{ ...v4, dstPort: 2 }, TypeError, '$.srcPort'],
  [{ ...v4, srcPort: 2 }, TypeError, '$.dstPort'],
  ...integers(65535).map(
    ([value, kind, , says]): Wrong => [
      { ...v4, srcPort: 1, dstPort: value },
      kind,
      '$.dstPort',
      says!,
    ],
  ),
  [{ ...v4, ...ports, icmpType: 8 }, TypeError, '$.icmpType', /no ICMP fields/],
  [{ ...v4, ...ports, icmpId: 0 }, TypeError, '$.icmpId', /no ICMP fields/],
];

const withProtocol = (list: Wrong[]): Wrong[] =>
  list.map(([value, ...rest]) => [{ protocol: 'tcp', ...(value as object) }, ...rest]);

/** Wrong in a flow's name and in a flow to create. */
const named: Wrong[] = [
  ...notObjects,
  ...withProtocol(ends),
  ...withProtocol(inside('orig', ends)),
  ...withProtocol(inside('reply', ends)),
  ...['orig', 'reply'].flatMap((side) =>
    notObjects.map(
      ([value, kind]): Wrong => [{ protocol: 'tcp', [side]: value }, kind, `$.${side}`],
    ),
  ),
  [{ ...v4, ...ports }, TypeError, '$.protocol'],
  ...protocols.map(([value, kind]): Wrong => [{ ...tcp, protocol: value }, kind, '$.protocol']),
  [{ protocol: 'tcp' }, TypeError, '$', /names no tuple/],
  [{ ...tcp, zone: 65536 }, RangeError, '$.zone'],
  [{ ...tcp, zone: '1' }, TypeError, '$.zone'],
  [{ ...tcp, family: 'ipv5' }, RangeError, '$.family'],
  [{ ...tcp, sport: 1 }, TypeError, '$.sport', /no such field/],
  [{ protocol: 'tcp', orig: { ...v4, ...ports, sport: 1 } }, TypeError, '$.orig.sport'],
  [{ protocol: 'tcp', orig: { ...v4, ...ports, zone: -1 } }, RangeError, '$.orig.zone'],
  [{ protocol: 'tcp', reply: { ...v4, ...ports, zone: 1.5 } }, RangeError, '$.reply.zone'],
  [{ ...tcp, orig: { ...v4, ...ports } }, TypeError, '$.src', /given as well/],
  [{ protocol: 'esp', ...v4, srcPort: 1 }, TypeError, '$.srcPort', /no ports/],
  [{ protocol: 50, ...v4, dstPort: 0 }, TypeError, '$.dstPort', /no ports/],
  [{ protocol: 'esp', ...v4, icmpType: 8 }, TypeError, '$.icmpType', /no ICMP fields/],
  [{ protocol: 'dccp', ...v4, srcPort: 1 }, TypeError, '$.dstPort'],
  [{ protocol: 'icmp', ...v4, icmpCode: 0, icmpId: 1 }, TypeError, '$.icmpType'],
  [{ protocol: 'icmp', ...v4, icmpType: 8, icmpId: 1 }, TypeError, '$.icmpCode'],
  [{ protocol: 'icmp', ...v4, icmpType: 8, icmpCode: 0 }, TypeError, '$.icmpId'],
  [{ protocol: 'icmp', ...v4, icmpType: 256, icmpCode: 0, icmpId: 1 }, RangeError, '$.icmpType'],
  [{ protocol: 'icmp', ...v4, icmpType: 8, icmpCode: 0, icmpId: 65536 }, RangeError, '$.icmpId'],
  [{ protocol: 'icmp', ...v4, ...ports }, TypeError, '$.srcPort', /no ports/],
  [{ protocol: 'icmp', ...v6, icmpType: 8, icmpCode: 0, icmpId: 1 }, RangeError, '$.src', /icmpv6/],
  [
    { protocol: 'icmpv6', ...v4, icmpType: 128, icmpCode: 0, icmpId: 1 },
    RangeError,
    '$.src',
    /icmpv6/,
  ],
];

const tuples: Wrong[] = [
  ...named,
  [{ ...tcp, id: -1 }, RangeError, '$.id'],
  [{ ...tcp, id: 1n }, TypeError, '$.id'],
  [{ ...tcp, family: 'ipv6' }, RangeError, '$.src', /family/],
  [{ ...tcp, reply: { ...v4, ...ports } }, TypeError, '$.src', /given as well/],
];

const timeout = 60;
const pair = (name: string, to: number): Wrong[] => [
  ...notObjects.map(([value]): Wrong => [{ [name]: value }, TypeError, `$.${name}`]),
  [{ [name]: {} }, TypeError, `$.${name}.orig`],
  [{ [name]: { orig: 1 } }, TypeError, `$.${name}.reply`],
  [{ [name]: { orig: to + 1, reply: 0 } }, RangeError, `$.${name}.orig`],
  [{ [name]: { orig: 0, reply: -1 } }, RangeError, `$.${name}.reply`],
  [{ [name]: { orig: 0, reply: 0, both: 1 } }, TypeError, `$.${name}.both`],
];
const adjust = { correctionPos: 1, offsetBefore: 2, offsetAfter: 3 };

/** Wrong in fields of a TCP flow that both creation and change write. */
const writable: Wrong[] = [
  ...inside('timeout', integers(0xffffffff)),
  [{ state: 'established' }, RangeError, '$.state'],
  [{ state: 'COOKIE_WAIT' }, RangeError, '$.state'],
  [{ state: 3 }, TypeError, '$.state'],
  [{ helper: 'x'.repeat(16) }, RangeError, '$.helper'],
  [{ helper: 'f\0p' }, RangeError, '$.helper'],
  [{ helper: 1 }, TypeError, '$.helper'],
  [{ helperInfo: 'x', helper: 'ftp' }, TypeError, '$.helperInfo'],
  [{ helperInfo: new Uint8Array(129), helper: 'ftp' }, RangeError, '$.helperInfo'],
  [{ helperInfo: new Uint8Array(0), helper: 'ftp' }, RangeError, '$.helperInfo'],
  [{ helperInfo: new Uint8Array(4) }, TypeError, '$.helperInfo', /needs/],
  ...inside('tcp', [...notObjects, ...pair('wscale', 14), ...pair('flagBits', 255)]),
  ...inside('tcp', inside('flags', notObjects)),
  [{ tcp: { flags: {} } }, TypeError, '$.tcp.flags', /no direction/],
  [{ tcp: { flags: { both: [] } } }, TypeError, '$.tcp.flags.both'],
  [{ tcp: { flags: { orig: 3 } } }, TypeError, '$.tcp.flags.orig'],
  [{ tcp: { flags: { orig: 'liberal' } } }, RangeError, '$.tcp.flags.orig'],
  [{ tcp: { flags: { reply: ['be_liberal', 'x'] } } }, RangeError, '$.tcp.flags.reply[1]'],
  [{ tcp: { scale: 1 } }, TypeError, '$.tcp.scale'],
  [{ sctp: { vtag: { orig: 1, reply: 1 } } }, TypeError, '$.sctp', /not a part/],
  [{ dccp: { role: 0 } }, TypeError, '$.dccp', /not a part/],
  ...inside('seqAdj', notObjects),
  [{ seqAdj: { both: adjust } }, TypeError, '$.seqAdj.both'],
  ...['orig', 'reply'].flatMap((side): Wrong[] => [
    ...notObjects.map(
      ([value]): Wrong => [{ seqAdj: { [side]: value } }, TypeError, `$.seqAdj.${side}`],
    ),
    ...Object.keys(adjust).map(
      (name): Wrong => [
        { seqAdj: { [side]: { ...adjust, [name]: undefined } } },
        TypeError,
        `$.seqAdj.${side}.${name}`,
      ],
    ),
    [
      { seqAdj: { [side]: { ...adjust, correctionPos: -1 } } },
      RangeError,
      `$.seqAdj.${side}.correctionPos`,
    ],
    [
      { seqAdj: { [side]: { ...adjust, offsetAfter: -(2 ** 31) - 1 } } },
      RangeError,
      `$.seqAdj.${side}.offsetAfter`,
    ],
    [{ seqAdj: { [side]: { ...adjust, x: 1 } } }, TypeError, `$.seqAdj.${side}.x`],
  ]),
  ...inside('synproxy', notObjects),
  [{ synproxy: { isn: 1, its: 1 } }, TypeError, '$.synproxy.tsoff'],
  [{ synproxy: { isn: 2 ** 32, its: 1, tsoff: 1 } }, RangeError, '$.synproxy.isn'],
  [{ synproxy: { isn: 1, its: 1, tsoff: 1, x: 1 } }, TypeError, '$.synproxy.x'],
];

const withTcp = (list: Wrong[]): Wrong[] =>
  list.map(([value, ...rest]) => [{ ...tcp, timeout, ...(value as object) }, ...rest]);

const vtag = { orig: 1, reply: 2 };
const inits: Wrong[] = [
  ...named.map(
    ([value, ...rest]): Wrong =>
      typeof value === 'object' && value !== null && !Array.isArray(value)
        ? [{ timeout, ...value }, ...rest]
        : [value, ...rest],
  ),
  ...withTcp(writable),
  [tcp, TypeError, '$.timeout'],
  [{ ...tcp, timeout, family: 'ipv6' }, RangeError, '$.family'],
  [{ ...tcp, timeout, id: 1, marks: 1 }, TypeError, '$.marks', /no such field/],
  [
    { protocol: 'tcp', orig: { ...v4, ...ports }, reply: { ...v6, ...ports }, timeout },
    RangeError,
    '$.reply',
    /family/,
  ],
  ...withTcp(inside('mark', integers(0xffffffff))),
  ...withTcp(inside('status', statuses)),
  [{ ...tcp, timeout, status: ['assured', 'x'] }, RangeError, '$.status[1]'],
  ...withTcp(
    inside(
      'labels',
      [1, null, {}, 'x'].map((value): Wrong => [value, TypeError, '$']),
    ),
  ),
  [{ ...tcp, timeout, labels: [0, 128] }, RangeError, '$.labels[1]'],
  [{ ...tcp, timeout, labels: ['0'] }, TypeError, '$.labels[0]'],
  ...withTcp(inside('nat', notObjects)),
  [{ ...tcp, timeout, nat: { snat: '1.1.1.1' } }, TypeError, '$.nat.snat'],
  ...['src', 'dst'].flatMap((end): Wrong[] => [
    [{ ...tcp, timeout, nat: { [end]: {} } }, TypeError, `$.nat.${end}`, /neither/],
    [{ ...tcp, timeout, nat: { [end]: 5 } }, TypeError, `$.nat.${end}`],
    [{ ...tcp, timeout, nat: { [end]: 'x' } }, RangeError, `$.nat.${end}.address`],
    [{ ...tcp, timeout, nat: { [end]: '::1' } }, RangeError, `$.nat.${end}.address`, /family/],
    [{ ...tcp, timeout, nat: { [end]: { port: 65536 } } }, RangeError, `$.nat.${end}.port`],
    [{ ...tcp, timeout, nat: { [end]: { port: '1' } } }, TypeError, `$.nat.${end}.port`],
    [{ ...tcp, timeout, nat: { [end]: { host: 'x' } } }, TypeError, `$.nat.${end}.host`],
    [
      { protocol: 'esp', ...v4, timeout, nat: { [end]: { port: 1 } } },
      TypeError,
      `$.nat.${end}.port`,
      /no ports/,
    ],
  ]),
  ...withTcp(inside('master', notObjects)),
  [{ ...tcp, timeout, master: { ...v4, ...ports } }, TypeError, '$.master.protocol'],
  [{ ...tcp, timeout, master: { protocol: 'tcp', ...v6, ...ports } }, RangeError, '$.master.src'],
  [{ ...tcp, timeout, master: { protocol: 'tcp', ...v4 } }, TypeError, '$.master.srcPort'],
  [{ ...tcp, timeout, master: { protocol: 'esp', ...v4 } }, RangeError, '$.master.protocol'],
  [{ ...tcp, timeout, master: { ...tcp, zone: 1 } }, TypeError, '$.master.zone'],
  [
    { protocol: 'icmp', ...v4, icmpType: 3, icmpCode: 0, icmpId: 1, timeout },
    RangeError,
    '$.icmpType',
    /pairs/,
  ],
  [{ ...tcp, protocol: 'sctp', timeout, state: 'ESTABLISHED' }, TypeError, '$.state', /needs/],
  [{ ...tcp, protocol: 'sctp', timeout, sctp: { vtag } }, TypeError, '$.sctp', /needs/],
  [
    { ...tcp, protocol: 'sctp', timeout, state: 'CLOSED', sctp: { vtag, x: 1 } },
    TypeError,
    '$.sctp.x',
  ],
  [{ ...tcp, protocol: 'udp', timeout, state: 'ESTABLISHED' }, TypeError, '$.state', /no states/],
  [{ ...tcp, protocol: 'udp', timeout, tcp: {} }, TypeError, '$.tcp', /not a part/],
  [{ protocol: 'dccp', ...v4, timeout, dccp: { role: 2 } }, RangeError, '$.dccp.role'],
  [
    { protocol: 'dccp', ...v4, timeout, dccp: { role: 1, handshakeSeq: 1 } },
    TypeError,
    '$.dccp.handshakeSeq',
  ],
  [
    { protocol: 'dccp', ...v4, timeout, dccp: { role: 1, handshakeSeq: 1n << 64n } },
    RangeError,
    '$.dccp.handshakeSeq',
  ],
];

const changes: Wrong[] = [
  ...notObjects,
  ...writable,
  [undefined, TypeError, '$'],
  [{}, TypeError, '$', /changes nothing/],
  [{ mark: null }, TypeError, '$.mark'],
  [{ timeout: undefined }, TypeError, '$', /changes nothing/],
  [{ zone: 1 }, TypeError, '$.zone', /no such field/],
  [{ nat: { src: '1.1.1.1' } }, TypeError, '$.nat', /no such field/],
  ...inside(
    'mark',
    integers(0xffffffff).filter(([value]) => typeof value !== 'object'),
  ),
  [{ mark: { value: 1 } }, TypeError, '$.mark.mask'],
  [{ mark: { value: 1, mask: 2 ** 32 } }, RangeError, '$.mark.mask'],
  [{ mark: { value: 1, mask: 1, x: 1 } }, TypeError, '$.mark.x'],
  ...inside('status', statuses),
  [{ status: [] }, RangeError, '$.status'],
  [{ status: 'confirmed' }, RangeError, '$.status'],
  [{ status: ['assured', 'src_nat'] }, RangeError, '$.status'],
  [{ labels: 5 }, TypeError, '$.labels'],
  [{ labels: {} }, TypeError, '$.labels', /changes nothing/],
  [{ labels: { add: [1] } }, TypeError, '$.labels.add'],
  [{ labels: { set: [1], clear: [1] } }, RangeError, '$.labels', /both/],
  [{ labels: { set: [128] } }, RangeError, '$.labels.set[0]'],
  [{ labels: { clear: 'x' } }, TypeError, '$.labels.clear'],
];

test('every method refuses wrong names of flows', async () => {
  const list = at('tuple', [...tuples, [undefined, TypeError, '$']]);
  await refused((tuple) => conntrack.get(tuple as TupleInit), list);
  await refused((tuple) => conntrack.getSync(tuple as TupleInit), list);
  await refused(
    (tuple) => conntrack.getMany([tcp, tuple as TupleInit]),
    at('tuples[1]', [...tuples, [undefined, TypeError, '$']]),
  );
  const targets = at('target', [...tuples, [undefined, TypeError, '$']]);
  await refused((target) => conntrack.update(target as TupleInit, { mark: 1 }), targets);
  await refused((target) => conntrack.update(target as TupleInit, { status: 'assured' }), targets);
  await refused((target) => conntrack.delete(target as TupleInit), targets);
  // Each wrong tuple is reported by its index. Nothing is sent for it, so this needs no addon.
  for (const many of [
    (list: TupleInit[]) => conntrack.deleteMany(list),
    (list: TupleInit[]) => conntrack.updateMany(list, { mark: 1 }),
  ]) {
    await refused(
      async (target) => {
        const { failed } = await many([null as never, target as TupleInit]);
        assert.is(failed[0]?.index, 0);
        assert.is(failed[1]?.index, 1);
        throw failed[1]!.error;
      },
      at('flows[1]', [...tuples, [undefined, TypeError, '$']]),
    );
  }
  for (const value of [undefined, null, 5, {}]) {
    await throws(TypeError, /^tuples: expected an iterable/, () =>
      conntrack.getMany(value as never),
    );
  }
});

test('flows to create', async () => {
  await refused((flow) => conntrack.create(flow as FlowInit), at('flow', inits));
  await refused((flow) => conntrack.upsert(flow as FlowInit), at('flow', inits));
  // createMany reports each bad flow by its index. It sends nothing for them, so it needs no addon.
  await refused(
    async (flow) => {
      const { failed } = await conntrack.createMany([null as never, flow as FlowInit]);
      assert.is(failed[0]?.index, 0);
      assert.is(failed[1]?.index, 1);
      throw failed[1]!.error;
    },
    at('flows[1]', inits).filter(([value]) => value !== tcp),
  );
  for (const value of [undefined, null, 5, {}]) {
    for (const call of [
      () => conntrack.createMany(value as never),
      () => conntrack.upsertMany(value as never),
      () => conntrack.updateMany(value as never, { mark: 1 }),
      () => conntrack.deleteMany(value as never),
    ]) {
      await throws(TypeError, /^flows: expected an iterable/, call);
    }
  }
});

test('changes', async () => {
  const list = at('change', changes);
  await refused((change) => conntrack.update(tcp, change as FlowChange), list);
  await refused((change) => conntrack.updateWhere({ protocol: 'tcp' }, change as FlowChange), list);
  // A part of another protocol may fit some of many flows.
  await refused(
    (change) => conntrack.updateMany([tcp], change as FlowChange),
    list.filter(([, , , message]) => !String(message).includes('not a part')),
  );
  const sctp: Wrong[] = [
    [{ state: 'CLOSED' }, TypeError, 'change.state', /needs/],
    [{ sctp: { vtag } }, TypeError, 'change.sctp', /needs/],
    [{ state: 'CLOSED', sctp: {} }, TypeError, 'change.sctp.vtag'],
    [{ state: 'CLOSED', sctp: { vtag: { orig: 1 } } }, TypeError, 'change.sctp.vtag.reply'],
  ];
  await refused(
    (change) => conntrack.update({ ...tcp, protocol: 'sctp' }, change as FlowChange),
    sctp,
  );
  await refused(
    (change) => conntrack.updateWhere({ protocol: 'sctp' }, change as FlowChange),
    sctp,
  );
});

test.run();

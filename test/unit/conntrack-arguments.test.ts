// Wrong arguments of every method: a TypeError or RangeError that names the field, before anything is
// sent. The addon cannot be loaded here: what is not refused in time shows as an error of another kind.
import { inspect } from 'node:util';
import {
  Conntrack,
  conntrack,
  type DumpOptions,
  type FlowChange,
  type FlowFilter,
  type FlowInit,
  Iptables,
  iptables,
  NetfilterError,
  type TupleInit,
} from '../../src/index.js';
import { assert, suite, throws } from '../support/harness.js';

process.env.CONNTRACK_ADDON = '/nonexistent/addon.node';

const test = suite('arguments');

/** The wrong value, the error's class, the path that it names (whole), and a part of what it says. */
type Wrong = [value: unknown, kind: ErrorConstructor, path: string, says?: RegExp];

async function refused(call: (value: unknown) => unknown, list: Wrong[]): Promise<void> {
  const problems: string[] = [];
  for (const [value, kind, path, says] of list) {
    const wanted = `${kind.name} ${path}: ${says ?? ''}`;
    let error: unknown;
    try {
      await call(value);
    } catch (thrown) {
      error = thrown;
    }
    const good =
      error instanceof kind &&
      error.message.startsWith(`${path}: `) &&
      (says?.test(error.message) ?? true);
    if (!good) problems.push(`${inspect(value)}: expected ${wanted}, got ${String(error)}`);
  }
  assert.equal(problems, []);
}

/** Gets as far as the addon. */
async function accepted(call: () => unknown): Promise<void> {
  const error = await throws(NetfilterError, /load addon: ERR_NETFILTER_ADDON/, call);
  assert.is(error.code, 'ERR_NETFILTER_ADDON');
}

async function drain(batches: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of batches);
}

const circular: Record<string, unknown> = {};
circular.self = circular;

const notObjects: Wrong[] = [null, 1, 'tcp', true, [], 1n, Symbol.iterator].map((value) => [
  value,
  TypeError,
  '$',
]);

/** The same wrong values under another path. */
const at = (path: string, list: Wrong[]): Wrong[] =>
  list.map(
    ([value, kind, inner, says]) =>
      [value, kind, inner.replace('$', path), ...(says ? [says] : [])] as Wrong,
  );

const inside = (name: string, list: Wrong[]): Wrong[] =>
  list.map(
    ([value, kind, inner, says]) =>
      [{ [name]: value }, kind, inner.replace('$', `$.${name}`), ...(says ? [says] : [])] as Wrong,
  );

const integers = (to: number): Wrong[] => [
  ...['1', null, {}, [], true, 1n].map((value): Wrong => [value, TypeError, '$', /an integer/]),
  ...[-1, 1.5, to + 1, Number.NaN, Number.POSITIVE_INFINITY].map(
    (value): Wrong => [value, RangeError, '$', new RegExp(`from \\d+ to ${to}`)],
  ),
];

const addresses: Wrong[] = [
  ...[1, null, {}, [], true, Buffer.from([10, 0, 0, 1])].map(
    (value): Wrong => [value, TypeError, '$', /address/],
  ),
  ...[
    '',
    '10.0.0',
    '10.0.0.256',
    '10.0.0.01',
    '1.2.3.4.5',
    'localhost',
    ' 10.0.0.1',
    '::1::',
    '1:2',
  ].map((value): Wrong => [value, RangeError, '$', /an IPv4 or IPv6 address/]),
  ...['fe80::1%eth0', '10.0.0.1\0', '0x0a000001', '::ffff:1.2.3', '12345::', ':1'].map(
    (value): Wrong => [value, RangeError, '$'],
  ),
];

const prefixes: Wrong[] = [
  ...addresses.filter(([value]) => !Array.isArray(value)),
  [[], RangeError, '$', /at least one address/],
  [['10.0.0.1', 'x'], RangeError, '$[1]'],
  [['10.0.0.1', undefined], TypeError, '$[1]'],
  [Object.assign(['::1'], { 2: '::2' }), TypeError, '$[1]', /hole/],
  [Array.from({ length: 257 }, () => '10.0.0.1/255.0.0.255'), RangeError, '$', /256 masks/],
  ...[
    '10.0.0.0/33',
    '10.0.0.0/-1',
    '10.0.0.0/',
    '10.0.0.0/8/8',
    '::/129',
    '::/1.5',
    '10.0.0.0/ 8',
  ].map((value): Wrong => [value, RangeError, '$', /prefix length/]),
];

const portRanges: Wrong[] = [
  ...integers(65535).filter(([value]) => typeof value !== 'object' || value === null),
  [[], RangeError, '$', /at least one/],
  [[2, '1'], TypeError, '$[1]'],
  [[1, 65536], RangeError, '$[1]'],
  [[-1, 1], RangeError, '$[0]'],
  [[[1, 2]], TypeError, '$[0]', /a port or \{ from, to \}/],
  [[1, undefined], TypeError, '$[1]'],
  [{}, TypeError, '$.from'],
  [{ from: 1 }, TypeError, '$.to'],
  [{ from: 2, to: 1 }, RangeError, '$.from', /not above to/],
  [{ from: 1, to: 65536 }, RangeError, '$.to'],
  [{ from: 1, to: undefined }, TypeError, '$.to', /undefined/],
  [{ from: 1, to: 2, step: 1 }, TypeError, '$.step'],
  [
    [
      { from: 1, to: 2 },
      { from: 9, to: 8 },
    ],
    RangeError,
    '$[1].from',
  ],
  [new Set([1]), TypeError, '$', /got a Set/],
  [Object.assign([1], { 2: 3 }), TypeError, '$[1]', /hole/],
];

const protocols: Wrong[] = [
  ...[null, {}, true].map((value): Wrong => [value, TypeError, '$']),
  ...['TCP', 'http', '6', '', 256, -1, 1.5].map((value): Wrong => [value, RangeError, '$']),
];

const statuses: Wrong[] = [
  ['ASSURED', RangeError, '$'],
  ['nonesuch', RangeError, '$'],
  [5, TypeError, '$'],
];

const sideFilters: Wrong[] = [
  ...inside('src', prefixes),
  ...inside('dst', prefixes),
  ...inside('srcPort', portRanges),
  ...inside('dstPort', portRanges),
  ...inside('icmpType', integers(255)),
  ...inside('icmpCode', integers(255)),
  ...inside('icmpId', integers(65535)),
  ...inside('zone', integers(65535)),
  [{ sport: 1 }, TypeError, '$.sport', /no such field/],
  [{ src: undefined }, TypeError, '$.src', /undefined/],
  [{ zone: undefined }, TypeError, '$.zone', /undefined/],
];

const filters: Wrong[] = [
  ...notObjects,
  ...inside('family', [
    ...['IPv4', 'inet', ''].map((value): Wrong => [value, RangeError, '$']),
    ...[4, null, ['ipv4']].map((value): Wrong => [value, TypeError, '$']),
  ]),
  ...inside('protocol', protocols),
  [{ protocol: [] }, RangeError, '$.protocol'],
  [{ protocol: ['tcp', 'nope'] }, RangeError, '$.protocol[1]'],
  [{ protocol: ['tcp', undefined] }, TypeError, '$.protocol[1]'],
  ...sideFilters.filter(
    ([value]) =>
      !(
        'zone' in (value as object) ||
        'icmpType' in (value as object) ||
        'icmpCode' in (value as object) ||
        'icmpId' in (value as object)
      ),
  ),
  ...inside('zone', integers(65535)),
  ...inside('orig', [...notObjects, ...sideFilters]),
  ...inside('reply', [...notObjects, ...sideFilters]),
  [{ icmpType: 8 }, TypeError, '$.icmpType', /no such field/],
  ...inside(
    'mark',
    integers(0xffffffff).filter(([value]) => typeof value !== 'object' || value === null),
  ),
  [{ mark: {} }, TypeError, '$.mark.mask'],
  [{ mark: { value: 1 } }, TypeError, '$.mark.mask'],
  [{ mark: { mask: 1 } }, TypeError, '$.mark.value'],
  [{ mark: { value: 1, mask: 0 } }, RangeError, '$.mark.mask', /not 0/],
  [{ mark: { value: 1, mask: 2 ** 32 } }, RangeError, '$.mark.mask'],
  [{ mark: { value: -1, mask: 1 } }, RangeError, '$.mark.value'],
  [{ mark: { value: 1, mask: 1, xor: 1 } }, TypeError, '$.mark.xor'],
  ...inside('status', statuses),
  [{ status: [] }, RangeError, '$.status'],
  [{ status: {} }, RangeError, '$.status'],
  [{ status: { all: [], any: [] } }, RangeError, '$.status'],
  [{ status: ['assured', 'x'] }, RangeError, '$.status[1]'],
  [{ status: { all: ['x'] } }, RangeError, '$.status.all[0]'],
  [{ status: { any: 5 } }, TypeError, '$.status.any'],
  [{ status: { none: undefined } }, TypeError, '$.status.none'],
  [{ status: { every: ['assured'] } }, TypeError, '$.status.every'],
  [{ state: 'established' }, RangeError, '$.state'],
  [{ state: ['ESTABLISHED', 'x'] }, RangeError, '$.state[1]'],
  [{ state: [] }, RangeError, '$.state'],
  [{ state: 3 }, TypeError, '$.state'],
  ...inside('label', integers(255)),
  [{ label: 128 }, RangeError, '$.label', /0 to 127/],
  [{ helper: '' }, RangeError, '$.helper'],
  [{ helper: 'f\0p' }, RangeError, '$.helper'],
  [{ helper: 'x'.repeat(64) }, RangeError, '$.helper'],
  [{ helper: 21 }, TypeError, '$.helper'],
  [{ nat: 'both' }, RangeError, '$.nat'],
  [{ nat: true }, TypeError, '$.nat'],
  [{ srcport: 1 }, TypeError, '$.srcport', /no such field/],
  [circular, TypeError, '$.self', /no such field/],
  ...['family', 'protocol', 'orig', 'src', 'mark', 'status', 'state', 'zone', 'label', 'nat'].map(
    (name): Wrong => [{ [name]: undefined }, TypeError, `$.${name}`, /undefined/],
  ),
  [{ src: '10.0.0.1', orig: { src: '10.0.0.1' } }, TypeError, '$.src', /short for/],
  [{ dstPort: 1, orig: { dstPort: 1 } }, TypeError, '$.dstPort', /short for/],
  [{ family: 'ipv6', src: '10.0.0.0/8' }, RangeError, '$.orig.src', /IPv4 .* IPv6/],
  [{ src: '10.0.0.1', dst: '::1' }, RangeError, '$.orig.dst', /IPv6 .* IPv4/],
  [{ orig: { src: '::1' }, reply: { dst: '1.1.1.1' } }, RangeError, '$.reply.dst'],
  [
    new (class Filter {
      mark = 1;
    })(),
    TypeError,
    '$',
    /got a Filter/,
  ],
  [Object.create({ mark: 1 }), TypeError, '$', /of no class/],
  [
    Object.defineProperty({ mark: 1 }, 'src', { value: '10.0.0.1' }),
    TypeError,
    '$.src',
    /enumerable/,
  ],
  [{ mark: 1, orig: Object.create({ src: '10.0.0.1' }) }, TypeError, '$.orig', /of no class/],
];

/** What no flow can match: where the message begins, and the other field that it names. */
const contradictions: Wrong[] = (
  [
    [{ protocol: 'icmp', srcPort: 80 }, 'srcPort', 'protocol'],
    [{ protocol: ['esp', 1, 'igmp'], orig: { dstPort: [1, 2] } }, 'orig.dstPort', 'protocol'],
    [{ protocol: 58, reply: { srcPort: 80 } }, 'reply.srcPort', 'protocol'],
    [{ protocol: 'tcp', orig: { icmpType: 8 } }, 'orig.icmpType', 'protocol'],
    [{ protocol: [6, 'udp'], reply: { icmpId: 8 } }, 'reply.icmpId', 'protocol'],
    [{ orig: { icmpCode: 0 }, reply: { dstPort: 5 } }, 'reply.dstPort', 'orig.icmpCode'],
    [{ orig: { icmpType: 8 }, state: 'CLOSE' }, 'orig.icmpType', 'state'],
    [{ protocol: 'udp', state: 'ESTABLISHED' }, 'state', 'protocol'],
    [{ protocol: 'tcp', state: 'CLOSED' }, 'state', 'protocol'],
    [{ protocol: ['sctp', 'udp'], state: ['LISTEN', 'SYN_SENT'] }, 'state', 'protocol'],
    [{ protocol: 'icmp', family: 'ipv6' }, 'family', 'protocol'],
    [{ protocol: 'icmpv6', src: '10.0.0.1' }, 'orig.src', 'protocol'],
    [{ protocol: ['icmp', 'tcp'], dst: '::1', reply: { icmpId: 1 } }, 'reply.icmpId', 'orig.dst'],
    [{ family: 'ipv4', src: '::/0' }, 'orig.src', 'family'],
    [{ family: 'ipv6', src: '::ffff:10.0.0.1' }, 'orig.src', 'family'],
    [{ src: ['10.0.0.1', '::ffff:10.0.0.2'], dst: ['::1', 'fd00::/8'] }, 'orig.dst', 'orig.src'],
    [{ dst: '::1/ffff::1', reply: { src: '1.1.1.1/8' } }, 'reply.src', 'orig.dst'],
    [{ status: { all: ['assured', 'dying'], none: ['dying'] } }, 'status.all', 'status.none'],
    [{ status: { any: ['assured'], none: ['dying', 'assured'] } }, 'status.any', 'status.none'],
    [{ mark: { value: 5, mask: 1 } }, 'mark.value', 'mark.mask'],
  ] as const
).map(([filter, first, second]) => {
  const other = second.replace('.', '\\.');
  return [
    filter,
    RangeError,
    `$.${first}`,
    new RegExp(`filter\\.${other}\\b.*: nothing could match$`),
  ];
});

const ports = { srcPort: 1, dstPort: 2 };
const v4 = { src: '10.0.0.1', dst: '10.0.0.2' };
const v6 = { src: 'fd00::1', dst: 'fd00::2' };
const tcp = { protocol: 'tcp', ...v4, ...ports } as const;

/** Wrong in a tuple, however it is given: `$` is where its ends are. */
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

/** Wrong in what names or makes a flow. */
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

/** Wrong in what both creation and change write of a TCP flow. */
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
  ...inside('tcp', [...notObjects, ...pair('wscale', 14), ...pair('flags', 255)]),
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

test('filters, of every method that takes one', async () => {
  const list = at('filter', [...filters, ...contradictions]);
  await refused((filter) => conntrack.dump(filter as FlowFilter), list);
  await refused((filter) => drain(conntrack.dumpBatches(filter as FlowFilter)), list);
  await refused((filter) => conntrack.deleteWhere(filter as FlowFilter), list);
  await refused((filter) => conntrack.deleteWhere(filter as FlowFilter, { returning: true }), list);
  await refused((filter) => conntrack.updateWhere(filter as FlowFilter, { mark: 1 }), list);
  await refused((filter) => conntrack.flush(filter as FlowFilter), list);
  const empty: Wrong[] = [
    [{}, TypeError, 'filter', /empty/],
    [{ orig: {} }, TypeError, 'filter', /empty/],
  ];
  await refused((filter) => conntrack.deleteWhere(filter as FlowFilter), empty);
  await refused((filter) => conntrack.updateWhere(filter as FlowFilter, { mark: 1 }), empty);
  await refused((filter) => conntrack.flush(filter as FlowFilter), empty);
  await refused(
    (filter) => conntrack.flush(filter as FlowFilter),
    [[undefined, TypeError, 'filter', /call flush\(\)/]],
  );
  await refused(
    (filter) => conntrack.deleteWhere(filter as FlowFilter),
    [[undefined, TypeError, 'filter']],
  );
});

test('names of flows, of every method that takes one', async () => {
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
  for (const value of [undefined, null, 5, {}]) {
    await throws(TypeError, /^tuples: expected an iterable/, () =>
      conntrack.getMany(value as never),
    );
  }
});

test('flows to make', async () => {
  await refused((flow) => conntrack.create(flow as FlowInit), at('flow', inits));
  await refused((flow) => conntrack.upsert(flow as FlowInit), at('flow', inits));
  // Of many flows each is told of by its place: nothing is sent for these, so it needs no addon.
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
    await throws(TypeError, /^flows: expected an iterable/, () =>
      conntrack.createMany(value as never),
    );
  }
});

test('changes', async () => {
  const list = at('change', changes);
  await refused((change) => conntrack.update(tcp, change as FlowChange), list);
  await refused((change) => conntrack.updateWhere({ protocol: 'tcp' }, change as FlowChange), list);
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

const signals: Wrong[] = [{}, true, 'x', null].map((value) => [
  { signal: value },
  TypeError,
  '$.signal',
  /AbortSignal/,
]);

test('options', async () => {
  const dumps: Wrong[] = [
    ...notObjects,
    ...signals,
    [{ list: 'all' }, RangeError, '$.list'],
    [{ list: 1 }, TypeError, '$.list'],
    [{ zeroCounters: 1 }, TypeError, '$.zeroCounters'],
    [{ parallel: 0 }, RangeError, '$.parallel'],
    [{ parallel: 17 }, RangeError, '$.parallel'],
    [{ parallel: 'all' }, TypeError, '$.parallel'],
    [{ list: 'dying', parallel: 2 }, RangeError, '$.list'],
    [{ list: 'unconfirmed', zeroCounters: true }, RangeError, '$.list'],
    [{ timeout: 5 }, TypeError, '$.timeout', /no such field/],
  ];
  const options = at('options', dumps);
  await refused((value) => conntrack.dump(undefined, value as DumpOptions), options);
  await refused(
    (value) => drain(conntrack.dumpBatches(undefined, value as DumpOptions)),
    [
      ...options,
      ...at('options', inside('batchSize', integers(1048576))),
      [{ batchSize: 0 }, RangeError, 'options.batchSize'],
      [{ zeroCounters: true }, TypeError, 'options.zeroCounters', /dump\(\)/],
      [{ parallel: 2 }, TypeError, 'options.parallel', /dump\(\)/],
      [{ parallel: 'auto' }, TypeError, 'options.parallel', /dump\(\)/],
    ],
  );
  await refused(
    (value) => conntrack.deleteWhere({ mark: 1 }, value as { returning: true }),
    at('options', [
      ...notObjects,
      [{ returning: 1 }, TypeError, '$.returning'],
      [{ return: true }, TypeError, '$.return', /no such field/],
    ]),
  );
  await refused(
    (value) => Conntrack.open(value as object),
    at('options', [
      ...notObjects,
      [{ namespace: 'x' }, TypeError, '$.namespace', /no such field/],
      ...[null, {}, true, []].map((value): Wrong => [{ netns: value }, TypeError, '$.netns']),
      [{ netns: undefined }, TypeError, '$.netns', /is undefined/],
      ...['', '.', '..', 'a\0b', 0, -1, 1.5, 2 ** 31].map(
        (value): Wrong => [{ netns: value }, RangeError, '$.netns'],
      ),
      [{ receiveBuffer: 4095 }, RangeError, '$.receiveBuffer'],
      [{ receiveBuffer: 2 ** 30 + 1 }, RangeError, '$.receiveBuffer'],
      [{ receiveBuffer: '8M' }, TypeError, '$.receiveBuffer'],
    ]),
  );
});

test("tables of another namespace: a name that is undefined is not this process's", async () => {
  await refused(
    (value) => Iptables.open(value as object),
    at('options', [
      ...notObjects,
      [{ netns: undefined }, TypeError, '$.netns', /is undefined/],
      [{ netns: undefined, family: 'ipv6' }, TypeError, '$.netns', /is undefined/],
      [{ namespace: 'x' }, TypeError, '$.namespace', /no such field/],
      [{ family: 'inet' }, RangeError, '$.family'],
    ]),
  );
  await refused(
    (options) => iptables.restore('*filter\nCOMMIT\n', options as object),
    [
      [{ noflush: undefined }, TypeError, 'options.noflush', /is undefined/],
      [{ test: undefined }, TypeError, 'options.test', /is undefined/],
    ],
  );
  await refused(
    (options) => conntrack.expectations.flush(options as object),
    [
      [undefined, TypeError, 'options', /call flush\(\)/],
      [{ helper: undefined }, TypeError, 'options.helper', /is undefined/],
      [null, TypeError, 'options'],
    ],
  );
});

test('a filter is read once: what changes between two reads does not widen it', async () => {
  for (const name of ['src', 'mark', 'protocol', 'status', 'orig'] as const) {
    const good = { src: '10.0.0.1', mark: 1, protocol: 'tcp', status: 'assured', orig: {} }[name];
    let reads = 0;
    const filter = Object.defineProperty({ zone: 1 }, name, {
      enumerable: true,
      get: () => (reads++ === 0 ? good : undefined),
    });
    await accepted(() => conntrack.deleteWhere(filter as FlowFilter));
    assert.is(reads, 1, name);
  }
});

test('lists of a million entries are taken, and said in a bounded message', async () => {
  const million = 1_000_000;
  const ports = Array.from({ length: million }, (_, i) => (i * 7) % 65536);
  const list = Array.from(
    { length: 100_000 },
    (_, i) => `10.${i >> 16}.${(i >> 8) & 255}.${i & 255}`,
  );
  await accepted(() => conntrack.dump({ protocol: new Array(million).fill('tcp') }));
  await accepted(() => conntrack.dump({ state: new Array(million).fill('CLOSE') }));
  await accepted(() => conntrack.dump({ status: new Array(million).fill('assured') }));
  await accepted(() =>
    conntrack.dump({ dstPort: ports, srcPort: ports.map((from) => ({ from, to: 65535 })) }),
  );
  await accepted(() => conntrack.dump({ src: list, dst: list, reply: { dst: [...list, '::/0'] } }));
  const error = await throws(RangeError, /^filter\.protocol\[999999\]: /, () =>
    conntrack.dump({ protocol: [...new Array(million - 1).fill(6), 'x'.repeat(million)] as never }),
  );
  assert.ok(error.message.length < 400);
});

test('settings', async () => {
  await refused(
    (change) => conntrack.configure(change as object),
    at('change', [
      ...notObjects,
      [{ nonesuch: 1 }, TypeError, '$.nonesuch', /no such setting/],
      [{ tcp: { nonesuch: 1 } }, TypeError, '$.tcp.nonesuch'],
      [{ timeouts: { tcp: { nonesuch: 1 } } }, TypeError, '$.timeouts.tcp.nonesuch'],
      [{ timeouts: { tcp: 5 } }, TypeError, '$.timeouts.tcp'],
      [{ acct: 1 }, TypeError, '$.acct'],
      [{ events: 3 }, RangeError, '$.events'],
      [{ max: -1 }, RangeError, '$.max'],
      [{ max: '1' }, TypeError, '$.max'],
      [{ timeouts: { udp: { replied: 1.5 } } }, RangeError, '$.timeouts.udp.replied'],
      [{ logInvalid: 256 }, RangeError, '$.logInvalid'],
      [{ acct: true, timeouts: { icmp: undefined } }, TypeError, '$.timeouts.icmp'],
    ]),
  );
});

test('an aborted signal and a good argument: neither is taken for a bad one', async () => {
  const reason = new Error('enough');
  const signal = AbortSignal.abort(reason);
  await throws(Error, /^enough$/, () => conntrack.dump({ mark: 1 }, { signal }));
  await throws(Error, /^enough$/, () => drain(conntrack.dumpBatches({ mark: 1 }, { signal })));
  await accepted(() =>
    conntrack.dump({ src: '10.0.0.0/0', dstPort: { from: 0, to: 65535 }, mark: 0 }),
  );
  await accepted(() => Conntrack.open());
  await accepted(() => Conntrack.open(undefined));
  await accepted(() => Conntrack.open({ receiveBuffer: undefined } as object));
  await accepted(() => conntrack.dump({}, { parallel: 16, list: 'conntrack' }));
  await accepted(() => drain(conntrack.dumpBatches(undefined, { batchSize: 1, parallel: 1 })));
  await accepted(() => conntrack.get(tcp));
  await accepted(() => conntrack.getSync({ ...tcp, zone: 65535, id: 0xffffffff, family: 'ipv4' }));
  await accepted(() => conntrack.create({ ...tcp, timeout: 0, nat: { src: { port: 0 } } }));
  await accepted(() => conntrack.upsert({ ...tcp, timeout, status: 'assured' }));
  await accepted(() => conntrack.createMany([{ ...tcp, timeout, labels: [] }]));
  await accepted(() => conntrack.update(tcp, { labels: [], mark: { value: 5, mask: 0 } }));
  await accepted(() => conntrack.updateWhere({ zone: 0 }, { timeout: 5 }));
  await accepted(() => conntrack.delete({ protocol: 255, ...v6 }));
  await accepted(() => conntrack.deleteWhere({ reply: { zone: 0 } }));
  await accepted(() => conntrack.flush());
  await accepted(() => conntrack.configure({ timeouts: { icmp: 30 } }));
  await accepted(() => Conntrack.open({ netns: process.pid, receiveBuffer: 4096 }));
});

test.run();

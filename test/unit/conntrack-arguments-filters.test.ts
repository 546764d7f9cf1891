// Wrong filters for every method that takes one. Also large filters, and filters that change while they are read.
import { conntrack, type FlowFilter } from '../../src/index.js';
import { assert, suite, throws } from '../support/harness.js';
import {
  accepted,
  addresses,
  at,
  drain,
  inside,
  integers,
  notObjects,
  protocols,
  refused,
  statuses,
  type Wrong,
} from '../support/wrong-arguments.js';

const test = suite('arguments: filters');

const circular: Record<string, unknown> = {};
circular.self = circular;

/** A filter that is in itself. */
const endless: FlowFilter = { mark: 1 };
endless.not = endless;

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
  ...inside(
    'label',
    integers(255).filter(([value]) => typeof value !== 'object' || value === null),
  ),
  [{ label: 128 }, RangeError, '$.label', /0 to 127/],
  [{ label: {} }, RangeError, '$.label', /at least one/],
  [{ label: [1] }, TypeError, '$.label', /\{ all, any, none \}/],
  [{ label: { every: [1] } }, TypeError, '$.label.every'],
  [{ label: { all: 1 } }, TypeError, '$.label.all'],
  [{ label: { all: [] } }, RangeError, '$.label.all', /at least one/],
  [{ label: { all: [1], any: [] } }, RangeError, '$.label.any', /at least one/],
  [{ label: { none: [5, 128] } }, RangeError, '$.label.none[1]', /0 to 127/],
  [{ label: { none: undefined } }, TypeError, '$.label.none', /undefined/],
  ...inside('host', prefixes),
  ...inside('port', portRanges),
  [{ host: undefined }, TypeError, '$.host', /undefined/],
  [{ port: undefined }, TypeError, '$.port', /undefined/],
  ...inside('any', [
    ...[{}, null, 'x', new Set([{ mark: 1 }]), { mark: 1 }].map(
      (value): Wrong => [value, TypeError, '$'],
    ),
    [undefined, TypeError, '$', /undefined/],
    [[], RangeError, '$', /at least one filter/],
    [Object.assign([{ mark: 1 }], { 2: { mark: 2 } }), TypeError, '$[1]', /hole/],
    [[{ mark: 1 }, undefined], TypeError, '$[1]'],
    [[{ mark: 1 }, {}], TypeError, '$[1]', /is empty/],
    [[{ orig: {} }], TypeError, '$[0]', /is empty/],
    [[{ mark: 1 }, { src: undefined }], TypeError, '$[1].src', /undefined/],
    [[{ any: [{ mark: 1 }, { mark: -1 }] }], RangeError, '$[0].any[1].mark'],
  ]),
  ...inside('not', [
    ...notObjects,
    [{}, TypeError, '$', /is empty/],
    [[{ mark: 1 }], TypeError, '$'],
    [{ srcport: 1 }, TypeError, '$.srcport', /no such field/],
    [{ not: { reply: { src: 'x' } } }, RangeError, '$.not.reply.src'],
  ]),
  [
    endless,
    RangeError,
    '$.not.not.not.not.not.not.not.not.not.not.not.not.not.not.not.not.not',
    /16/,
  ],
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

/** Filters that no flow can match: the filter, the field at the start of the message, and the other field in it. */
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
    [{ label: { all: [4, 5], none: [1, 5] } }, 'label.all', 'label.none'],
    [{ label: { any: [5], none: [1, 5] } }, 'label.any', 'label.none'],
    [{ protocol: 'icmp', port: 80 }, 'port', 'protocol'],
    [{ port: 80, orig: { icmpType: 8 } }, 'port', 'orig.icmpType'],
    [{ family: 'ipv6', host: ['10.0.0.0/8', '::ffff:1.2.3.4'] }, 'host', 'family'],
    [{ host: '::1', protocol: ['icmp'] }, 'host', 'protocol'],
    [{ not: { protocol: 'icmp', dstPort: 1 } }, 'not.dstPort', 'not.protocol'],
    [{ any: [{ mark: 1 }, { src: '::1', dst: '1.1.1.1' }] }, 'any[1].orig.dst', 'any[1].orig.src'],
  ] as const
).map(([filter, first, second]) => {
  const other = second.replace(/[.[\]]/g, '\\$&');
  return [
    filter,
    RangeError,
    `$.${first}`,
    new RegExp(`filter\\.${other}(?!\\w).*: nothing could match$`),
  ];
});

/** Filters in which the filters of `any` and `not` leave nothing, `host` and `port` too. */
const impossible: Wrong[] = (
  [
    [{ protocol: 'tcp', any: [{ protocol: 'udp' }, { orig: { icmpType: 8 } }] }, 'any'],
    [{ family: 'ipv4', any: [{ src: '::1' }, { any: [{ protocol: 'icmpv6' }] }] }, 'any'],
    [{ src: '10.0.0.0/8', any: [{ src: '11.0.0.0/8' }, { src: '9.0.0.0/8' }] }, 'any'],
    [{ dstPort: 80, any: [{ dstPort: [79, 81] }, { not: { dstPort: 80 } }] }, 'any'],
    [{ mark: 5, any: [{ mark: 4 }, { mark: { value: 2, mask: 2 } }] }, 'any'],
    [{ state: 'ESTABLISHED', any: [{ state: 'CLOSE' }, { protocol: 'udp' }] }, 'any'],
    [{ helper: 'ftp', any: [{ helper: 'sip' }, { helper: 'tftp' }] }, 'any'],
    [{ zone: 1, not: { zone: 1 } }, 'not'],
    [{ protocol: 'tcp', not: { protocol: ['tcp', 'udp'] } }, 'not'],
    [{ not: { any: [{ family: 'ipv4' }, { family: 'ipv6' }] } }, 'not'],
    [{ not: { not: { not: { src: ['::/0', '0.0.0.0/0'] } } } }, 'not.not.not'],
    [{ mark: 5, not: { mark: { value: 1, mask: 3 } } }, 'not'],
    [{ not: { any: [{ mark: { value: 0, mask: 1 } }, { mark: { value: 1, mask: 1 } }] } }, 'not'],
    [{ status: ['assured', 'dying'], not: { status: 'assured' } }, 'not'],
    [{ nat: 'src', not: { nat: 'any' } }, 'not'],
    [{ not: { any: [{ nat: 'any' }, { nat: 'none' }] } }, 'not'],
    [{ label: 3, not: { label: { any: [3, 4] } } }, 'not'],
    [{ src: '10.0.0.0/24', not: { host: '10.0.0.0/8' } }, 'not'],
    [{ src: '10.0.0.5', not: { src: ['10.0.0.5', '1.0.0.1/255.0.0.255'] } }, 'not'],
    [{ srcPort: 80, not: { port: { from: 1, to: 100 } } }, 'not'],
    [
      { host: '10.0.0.1', not: { any: [{ orig: { src: '10.0.0.1', dst: '::/0' } }] } },
      'not.any[0].orig.dst',
    ],
    [{ zone: 1, any: [{ mark: 1 }, { mark: 2 }], not: { any: [{ mark: 1 }, { mark: 2 }] } }, 'not'],
    [
      {
        orig: { src: '1.1.1.1', dst: '1.1.1.1' },
        reply: { src: '1.1.1.1', dst: '1.1.1.1' },
        host: '2.2.2.2',
      },
      'host',
    ],
    [{ orig: { srcPort: 1, dstPort: 1 }, reply: { srcPort: 1, dstPort: 1 }, port: 2 }, 'port'],
    [{ orig: { icmpId: 5 }, any: [{ port: 7 }, { state: 'CLOSE' }] }, 'any'],
  ] as const
).map(([filter, field]) => [filter, RangeError, `$.${field}`, /: nothing could match$/]);

/** Filters with filters in them that some flow could match. */
const possible: FlowFilter[] = [
  { protocol: 'tcp', any: [{ protocol: 'udp' }, { state: 'CLOSE' }] },
  { mark: 5, not: { mark: { value: 8, mask: 8 } } },
  { not: { srcPort: { from: 0, to: 65535 } } },
  { not: { state: ['ESTABLISHED', 'CLOSE'] }, protocol: 'tcp' },
  { src: '10.0.0.0/8', not: { src: '10.1.0.0/16' } },
  { src: '10.0.0.0/8', not: { any: [{ src: '10.0.0.0/9' }, { src: '10.192.0.0/10' }] } },
  { not: { any: [{ nat: 'src' }, { nat: 'none' }] } },
  { not: { label: { all: [1, 2], none: [3] } }, label: 1 },
  { host: '10.0.0.1', not: { src: '10.0.0.1' } },
  { port: 80, not: { any: [{ dstPort: 80 }, { reply: { srcPort: 80 } }] } },
  { family: 'ipv6', not: { src: '0.0.0.0/0' } },
  { any: [{ family: 'ipv4' }, { family: 'ipv6' }] },
  { src: ['10.0.0.1', 'fd00::1/ffff::1'], not: { family: 'ipv4' } },
  { src: ['fd00::1', '10.0.0.1/255.0.0.1'], not: { family: 'ipv6' } },
  // Only the last of 1,600 branches matches.
  {
    zone: 39,
    any: Array.from({ length: 40 }, (_, mark) => ({
      mark,
      any: Array.from({ length: 40 }, (_, i) => ({ zone: mark === 39 ? i : i + 40 })),
    })),
  },
  // Equal masks with gaps are not compared: it is taken for possible.
  { src: '10.0.0.1/255.0.0.255', not: { src: '10.0.0.1/255.0.0.255' } },
  // Too many branches to look at all of them.
  {
    protocol: 'tcp',
    any: Array.from({ length: 5000 }, (_, i) => ({ protocol: 'udp' as const, dstPort: i })),
  },
];

test('what can match is taken, with filters in filters', async () => {
  for (const filter of possible) {
    await accepted(() => conntrack.dump(filter));
    await accepted(() => conntrack.deleteWhere(filter));
  }
  let deep: FlowFilter = { mark: 1 };
  for (let i = 0; i < 16; i++) deep = { not: deep };
  await accepted(() => conntrack.dump(deep));
});

test('every method refuses wrong filters', async () => {
  const list = at('filter', [...filters, ...contradictions, ...impossible]);
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

test('a filter is read once: a change between two reads cannot widen it', async () => {
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

test('lists of a million entries are taken, and messages about them stay short', async () => {
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
  const marks = { any: new Array<FlowFilter>(255).fill({ mark: 1 }) };
  const wide = new Array<FlowFilter>(256).fill(marks);
  await accepted(() => conntrack.dump({ any: wide }));
  await throws(RangeError, /^filter\.any\[256\]: .* 65536 filters/, () =>
    conntrack.dump({ any: [...wide, { mark: 2 }] }),
  );
  const error = await throws(RangeError, /^filter\.protocol\[999999\]: /, () =>
    conntrack.dump({ protocol: [...new Array(million - 1).fill(6), 'x'.repeat(million)] as never }),
  );
  assert.ok(error.message.length < 400);
});

test.run();

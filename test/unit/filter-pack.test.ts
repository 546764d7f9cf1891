// The packed words of a filter. Their layout is a contract with native code, and they must mean the same as the
// filter.
import { checkFilter } from '../../src/conntrack/filter/check.js';
import { packFilter } from '../../src/conntrack/filter/pack.js';
import type { FlowFilter } from '../../src/index.js';
import { assert, suite } from '../support/harness.js';

const test = suite('filter words');

const pack = (filter: FlowFilter | undefined) => [...packFilter(checkFilter(filter))];
const words = (...bytes: number[]) => [...new Uint32Array(Uint8Array.from(bytes).buffer)];

// Operations in the order of NF_FILTER_OPS (native/core/conntrack/schema/filter_words.h).
const names = [
  ...['family', 'protocol', 'address', 'port', 'icmpType', 'icmpCode', 'icmpId', 'mark', 'status'],
  ...['state', 'zone', 'tupleZone', 'label', 'helper', 'nat', 'host', 'anyPort', 'any', 'excluded'],
];
const ones = 0xffffffff;
const zeros = (count: number) => new Array<number>(count).fill(0);
const op = (name: string) => names.indexOf(name);

test('each condition is its operation and operands', () => {
  const any = op('family');
  assert.is(any, 0);
  const cases: [FlowFilter, number[]][] = [
    [{ family: 'ipv4' }, [op('family'), 2]],
    [{ family: 'ipv6' }, [op('family'), 10]],
    [{ protocol: 'tcp' }, [op('protocol'), 1, 6]],
    [{ protocol: ['icmpv6', 255, 'udp', 58] }, [op('protocol'), 3, 58, 255, 17]],
    [
      { src: '10.1.2.3' },
      [op('family'), 2, op('address'), 0, ...[1, 0, 0], 0x0a010203, 0x0a010203],
    ],
    [
      { reply: { dst: '2001:db8::1/33' } },
      [
        ...[op('family'), 10, op('address'), 3, ...[0, 1, 0]],
        ...[0x20010db8, 0, 0, 0, 0x20010db8, 0x7fffffff, ones, ones],
      ],
    ],
    [{ dst: '0.0.0.0/0' }, [op('family'), 2, op('address'), 1, ...[1, 0, 0], 0, ones]],
    // Both families. Ranges that touch or overlap become one range.
    [
      { dst: ['10.0.0.1', '::/0', '10.0.0.0', '10.0.0.3', '255.255.255.255', '10.0.0.0/31'] },
      [
        ...[op('address'), 1, ...[3, 1, 0], 0x0a000000, 0x0a000001, 0x0a000003, 0x0a000003],
        ...[ones, ones, ...[0, 0, 0, 0, ones, ones, ones, ones]],
      ],
    ],
    [
      { src: '10.1.2.3/255.0.0.255' },
      [
        ...[op('family'), 2, op('address'), 0, ...[0, 0, 1], 2],
        ...[0x0a000003, 0, 0, 0, 0xff0000ff, 0, 0, 0],
      ],
    ],
    [{ srcPort: 53 }, [op('port'), 0, 1, 53, 53]],
    [{ reply: { dstPort: { from: 1, to: 65535 } } }, [op('port'), 3, 1, 1, 65535]],
    [{ dstPort: [443, 80] }, [op('port'), 1, 2, 80, 80, 443, 443]],
    [
      { dstPort: [{ from: 5, to: 9 }, 10, 7, 65535, { from: 0, to: 0 }] },
      [op('port'), 1, 3, ...[0, 0, 5, 10, 65535, 65535]],
    ],
    [
      { orig: { icmpType: 8, icmpCode: 1, icmpId: 65535 } },
      [op('icmpType'), 0, 8, op('icmpCode'), 0, 1, op('icmpId'), 0, 65535],
    ],
    [{ reply: { icmpType: 0 } }, [op('icmpType'), 1, 0]],
    [{ mark: 0xffffffff }, [op('mark'), 0xffffffff, 0xffffffff]],
    [{ mark: { value: 4, mask: 5 } }, [op('mark'), 4, 5]],
    [{ status: 'assured' }, [op('status'), 4, 0, 0]],
    [{ status: ['assured', 'seen_reply', 'assured'] }, [op('status'), 6, 0, 0]],
    [
      { status: { all: ['expected'], any: ['hw_offload', 'offload'], none: ['dying'] } },
      [op('status'), 1, 0xc000, 0x200],
    ],
    [{ state: 'SYN_SENT' }, [op('state'), 1 << 1, 0, 0]],
    [{ state: 'LISTEN' }, [op('state'), 1 << 9, 0, 0]],
    // A state name of several protocols means the state of each of them.
    [{ state: ['ESTABLISHED', 'NONE'] }, [op('state'), 0b1001, 0b10001, 0b1]],
    [{ zone: 0 }, [op('zone'), 0]],
    [{ orig: { zone: 7 }, reply: { zone: 9 } }, [op('tupleZone'), 0, 7, op('tupleZone'), 1, 9]],
    [{ orig: { zone: 0 } }, [op('tupleZone'), 0, 0]],
    [
      { reply: { zone: 0, icmpId: 0, icmpType: 0, icmpCode: 0 } },
      [...[op('icmpType'), 1, 0, op('icmpCode'), 1, 0, op('icmpId'), 1, 0, op('tupleZone'), 1, 0]],
    ],
    [
      { srcPort: 0, mark: 0, label: 0 },
      [op('port'), 0, 1, 0, 0, op('mark'), 0, ones, op('label'), 1, ...zeros(11)],
    ],
    [{ label: 127 }, [op('label'), 0, 0, 0, 2 ** 31, ...zeros(8)]],
    [
      { label: { all: [0, 33], any: [64, 65, 64], none: [31, 96] } },
      [op('label'), 1, 2, 0, 0, ...[0, 0, 3, 0], ...[2 ** 31, 0, 0, 1]],
    ],
    [{ helper: 'ftp' }, [op('helper'), 3, ...words(0x66, 0x74, 0x70, 0)]],
    [{ helper: 'tftp' }, [op('helper'), 4, ...words(0x74, 0x66, 0x74, 0x70)]],
    [{ nat: 'src' }, [op('nat'), 1]],
    [{ nat: 'none' }, [op('nat'), 4]],
    [{ host: '10.0.0.0/31' }, [op('family'), 2, op('host'), ...[1, 0, 0], 0x0a000000, 0x0a000001]],
    [{ port: [53, 5353] }, [op('anyPort'), 2, 53, 53, 5353, 5353]],
    [
      { any: [{ zone: 1 }, { mark: 2, not: { zone: 3 } }] },
      [
        ...[op('any'), 2, 2, op('zone'), 1],
        ...[7, op('mark'), 2, ones, op('excluded'), 2, op('zone'), 3],
      ],
    ],
    // What all of them have in common is also said outside.
    [
      {
        any: [
          { protocol: 'tcp', src: '10.0.0.1' },
          { protocol: 'udp', family: 'ipv4' },
        ],
      },
      [
        ...[op('family'), 2, op('protocol'), 2, 6, 17, op('any'), 2],
        ...[12, op('family'), 2, op('protocol'), 1, 6, op('address'), 0, 1, 0, 0],
        ...[0x0a000001, 0x0a000001, 5, op('family'), 2, op('protocol'), 1, 17],
      ],
    ],
    [
      { any: [{ protocol: 'tcp' }, { zone: 1 }] },
      [op('any'), 2, 3, op('protocol'), 1, 6, 2, op('zone'), 1],
    ],
  ];
  for (const [filter, expected] of cases) {
    assert.equal(pack(filter), expected, JSON.stringify(filter));
  }
});

test('the short and the long form give the same words, in every order of the fields', () => {
  assert.equal(
    pack({ src: '10.0.0.1', dstPort: 5 }),
    pack({ orig: { dstPort: 5, src: '10.0.0.1' } }),
  );
  assert.equal(
    pack({ mark: 1, zone: 2, protocol: 'tcp', family: 'ipv4' }),
    pack({ family: 'ipv4', protocol: 'tcp', zone: 2, mark: 1 }),
  );
  assert.equal(pack({ family: 'ipv4', dst: '1.2.3.4' }), pack({ dst: '1.2.3.4' }));
});

test('without a condition there are no words', () => {
  assert.equal(pack(undefined), []);
  assert.equal(pack({}), []);
  assert.equal(pack({ orig: {}, reply: {} }), []);
  for (const filter of [undefined, {}, { orig: {} }]) assert.ok(checkFilter(filter).empty);
  for (const filter of [{ zone: 0 }, { mark: 0 }, { reply: { icmpCode: 0 } }, { srcPort: 0 }]) {
    assert.not(checkFilter(filter).empty);
  }
});

test.run();

// A filter's packed words: their layout is a contract with native code, and what they mean there is what
// the filter says.
import { checkFilter, packFilter } from '../../src/conntrack/filter.js';
import type { FlowFilter } from '../../src/index.js';
import { assert, suite } from '../support/harness.js';

const test = suite('filter words');

const pack = (filter: FlowFilter | undefined) => [...packFilter(checkFilter(filter))];
const words = (...bytes: number[]) => [...new Uint32Array(Uint8Array.from(bytes).buffer)];

// Operations in the order of NF_FILTER_OPS (native/core/conntrack/schema.h).
const names = [
  ...['family', 'protocol', 'address', 'port', 'icmpType', 'icmpCode', 'icmpId', 'mark', 'status'],
  ...['state', 'zone', 'tupleZone', 'label', 'helper', 'nat'],
];
const op = (name: string) => names.indexOf(name);

test('each condition is its operation and operands', () => {
  const any = op('family');
  assert.is(any, 0);
  const cases: [FlowFilter, number[]][] = [
    [{ family: 'ipv4' }, [op('family'), 2]],
    [{ family: 'ipv6' }, [op('family'), 10]],
    [{ protocol: 'tcp' }, [op('protocol'), 1, 6]],
    [{ protocol: ['icmpv6', 255, 'udp'] }, [op('protocol'), 3, 58, 255, 17]],
    [{ src: '10.1.2.3' }, [op('family'), 2, op('address'), 0, 32, ...words(10, 1, 2, 3), 0, 0, 0]],
    [
      { reply: { dst: '2001:db8::1/33' } },
      [
        ...[op('family'), 10, op('address'), 3, 33],
        ...words(0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1),
      ],
    ],
    [{ dst: '0.0.0.0/0' }, [op('family'), 2, op('address'), 1, 0, 0, 0, 0, 0]],
    [{ srcPort: 53 }, [op('port'), 0, 53, 53]],
    [{ reply: { dstPort: [1, 65535] } }, [op('port'), 3, 1, 65535]],
    [
      { orig: { icmpType: 8, icmpCode: 1, icmpId: 65535 } },
      [op('icmpType'), 0, 8, op('icmpCode'), 0, 1, op('icmpId'), 0, 65535],
    ],
    [{ reply: { icmpType: 0 } }, [op('icmpType'), 1, 0]],
    [{ mark: 0xffffffff }, [op('mark'), 0xffffffff, 0xffffffff]],
    [{ mark: { value: 5, mask: 1 } }, [op('mark'), 5, 1]],
    [{ status: 'assured' }, [op('status'), 4, 0, 0]],
    [{ status: ['assured', 'seen_reply', 'assured'] }, [op('status'), 6, 0, 0]],
    [
      { status: { all: ['expected'], any: ['hw_offload', 'offload'], none: ['dying'] } },
      [op('status'), 1, 0xc000, 0x200],
    ],
    [{ state: 'SYN_SENT' }, [op('state'), 1 << 1, 0, 0]],
    // A name that several protocols have is a state of each.
    [{ state: ['ESTABLISHED', 'NONE'] }, [op('state'), 0b1001, 0b10001, 0b1]],
    [{ zone: 0 }, [op('zone'), 0]],
    [{ orig: { zone: 7 }, reply: { zone: 9 } }, [op('tupleZone'), 0, 7, op('tupleZone'), 1, 9]],
    [{ label: 127 }, [op('label'), 127]],
    [{ helper: 'ftp' }, [op('helper'), 3, ...words(0x66, 0x74, 0x70, 0)]],
    [{ helper: 'tftp' }, [op('helper'), 4, ...words(0x74, 0x66, 0x74, 0x70)]],
    [{ nat: 'src' }, [op('nat'), 1]],
    [{ nat: 'none' }, [op('nat'), 4]],
  ];
  for (const [filter, expected] of cases) {
    assert.equal(pack(filter), expected, JSON.stringify(filter));
  }
});

test('short and long form are the same words, whatever the order of the fields', () => {
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

test('no condition is no word', () => {
  assert.equal(pack(undefined), []);
  assert.equal(pack({}), []);
  assert.equal(pack({ orig: {}, reply: {} }), []);
  for (const filter of [undefined, {}, { orig: {} }]) assert.ok(checkFilter(filter).empty);
  for (const filter of [{ zone: 0 }, { mark: 0 }, { reply: { icmpCode: 0 } }, { srcPort: 0 }]) {
    assert.not(checkFilter(filter).empty);
  }
});

test.run();

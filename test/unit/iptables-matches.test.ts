// Typed matches without a kernel: a match reads back as it was given, a wrong one is refused with its path, and
// random payloads neither throw nor change.
import { decode, writeFields } from '../../src/iptables/extensions/codec.js';
import { registry } from '../../src/iptables/extensions/index.js';
import { print } from '../../src/iptables/extensions/print.js';
import type { Match, RuleInit } from '../../src/iptables/rule/rule.js';
import { parseRule } from '../../src/iptables/rule/text.js';
import { systemNames } from '../../src/iptables/text/host-names.js';
import { decodeRule, encodeRule } from '../../src/iptables/xtables/rule-bytes.js';
import { assert, suite, throws } from '../support/harness.js';
import { Random } from '../support/random-rules.js';

const test = suite('iptables matches');
const sets = {
  indexOf: (name: string) => (name === 'known' ? 3 : undefined),
  nameOf: () => 'known',
};

const perSecond = { count: 5, per: 'second' } as const;
const matches: Match[] = [
  { name: 'hashlimit', htableName: 'a', upto: perSecond, burst: 5 },
  { name: 'hashlimit', htableName: 'a', above: { bytes: 1 << 20 }, mode: ['srcip', 'dstport'] },
  { name: 'hashlimit', htableName: 'a', upto: { bytes: 1 << 20 }, burst: 1 << 21, srcmask: 24 },
  {
    name: 'hashlimit',
    htableName: 'a',
    upto: perSecond,
    burst: 7,
    rateMatch: true,
    rateInterval: 9,
  },
  { name: 'connlimit', above: 5 },
  { name: 'connlimit', upto: 5, mask: 24, daddr: true },
  { name: 'connbytes', connbytes: { not: { from: 5n, to: 10n } }, mode: 'avgpkt', dir: 'both' },
  { name: 'connbytes', connbytes: 5n, mode: 'bytes', dir: 'original' },
  { name: 'recent', update: { not: true }, seconds: 5, hitcount: 3, list: 'x', mask: '255.0.0.0' },
  { name: 'recent', set: true, list: 'DEFAULT', rdest: true },
  { name: 'set', matchSet: { not: 'known' }, flags: ['src', 'dst'], bytesEq: { not: 5n } },
  { name: 'set', matchSet: 'known', flags: ['dst'], updateCounters: false, packetsLt: 9n },
  { name: 'physdev', in: { not: 'eth+' }, isBridged: { not: true }, out: 'br0' },
  { name: 'string', string: { not: 'a\0\udcff"é' }, algo: 'kmp', from: 5, to: 99, icase: true },
  { name: 'statistic', mode: 'random', probability: { not: 0.25 } },
  { name: 'statistic', mode: 'nth', every: { not: 3 }, packet: 2 },
  {
    name: 'time',
    timeStart: '23:00:00',
    timeStop: '01:00:00',
    monthdays: [1, 31],
    weekdays: ['Mon', 'Sun'],
    dateStart: '2020-02-29T00:00:00',
    dateStop: '2038-01-19T03:14:07',
    kerneltz: true,
    contiguous: true,
  },
  { name: 'helper', helper: { not: 'ftp-2121' } },
  { name: 'connlabel', label: { not: 127 }, set: true },
  { name: 'socket', transparent: true, restoreSkmark: true },
  { name: 'pkttype', pktType: { not: 'otherhost' } },
  { name: 'length', length: { not: { from: 5, to: 10 } } },
  { name: 'tos', tos: { not: { value: 16, mask: 63 } } },
  { name: 'dscp', dscp: { not: 46 } },
  { name: 'ttl', eq: { not: 64 } },
  { name: 'ttl', lt: 5 },
  { name: 'ecn', tcpEce: { not: true }, ipEct: 3 },
  { name: 'tcpmss', mss: { not: { from: 500, to: 1500 } } },
  { name: 'cluster', localNodemask: { not: 5 }, totalNodes: 3, hashSeed: 0xdeadbeef },
  { name: 'cpu', cpu: { not: 1 } },
  { name: 'devgroup', srcGroup: { not: { value: 1, mask: 255 } }, dstGroup: 7 },
  { name: 'quota', quota: { not: 1n << 63n } },
  { name: 'realm', realm: { not: 7 } },
  { name: 'policy', dir: 'in', pol: 'none' },
  {
    name: 'policy',
    dir: 'out',
    pol: 'ipsec',
    strict: true,
    elements: [
      { reqid: 1, mode: 'tunnel', tunnelDst: { not: '1.2.3.0/24' }, tunnelSrc: '5.6.7.8' },
      { proto: { not: 'esp' }, spi: { not: 5 } },
    ],
  },
];

test('a typed match reads back as it was given', () => {
  for (const match of matches) {
    const rule = decodeRule(encodeRule({ protocol: 'tcp', matches: [match] }, { sets }), { sets });
    assert.equal(rule.matches, [match]);
    assert.equal(rule.warnings, []);
  }
  for (const match of [
    { name: 'rpfilter', loose: true, invert: true },
    { name: 'hl', gt: 5 },
  ] as const) {
    const options = { family: 'ipv6', table: 'raw' } as const;
    assert.equal(decodeRule(encodeRule({ matches: [match] }, options), options).matches, [match]);
  }
});

test('a match shows the values that the kernel holds', () => {
  const read = (match: Match) =>
    decodeRule(encodeRule({ protocol: 'tcp', matches: [match] }), {}).matches[0];
  const minute = { count: 60, per: 'minute' } as const;
  const limit = { name: 'hashlimit', htableName: 'a', burst: 5 } as const;
  assert.equal(read({ ...limit, upto: minute }), {
    ...limit,
    upto: { count: 1, per: 'second' },
    htableExpire: 60000,
  });
  assert.equal(read({ ...limit, upto: minute, rateMatch: true }), {
    ...limit,
    upto: { count: 60, per: 'second' },
    htableExpire: 60000,
    rateMatch: true,
    rateInterval: 60,
  });
  const bytes = { name: 'hashlimit', htableName: 'a' } as const;
  assert.equal(read({ ...bytes, upto: { bytes: 1500 }, burst: 1500 }), {
    ...bytes,
    upto: { bytes: 1488 },
    burst: 2976,
  });
  assert.equal(read({ name: 'statistic', mode: 'random', probability: 1 / 3 }), {
    name: 'statistic',
    mode: 'random',
    probability: 715827883 / 2 ** 31,
  });
  assert.equal(read({ name: 'time', weekdays: ['Sun', 'Mon'], monthdays: [5, 1, 5] }), {
    name: 'time',
    weekdays: ['Mon', 'Sun'],
    monthdays: [1, 5],
    dateStop: '2038-01-19T03:14:07',
  });
  assert.equal(read({ name: 'policy', dir: 'in' }), { name: 'policy', dir: 'in', pol: 'ipsec' });
  assert.equal(read({ name: 'recent', set: true }), { name: 'recent', set: true, list: 'DEFAULT' });
});

test('wrong typed matches are refused with the path of the field', async () => {
  const bad = (
    match: unknown,
    pattern: RegExp,
    kind: typeof TypeError | typeof RangeError = RangeError,
  ) =>
    throws(kind, pattern, () =>
      encodeRule({ protocol: 'tcp', matches: [match] } as RuleInit, { sets }),
    );
  const at = (rest: string) => new RegExp(`^rule\\.matches\\[0\\]${rest}`);
  const limit = { name: 'hashlimit', htableName: 'a' };
  await bad({ ...limit }, at(': needs upto or above'));
  await bad({ ...limit, upto: perSecond, above: perSecond }, at('\\.upto: .*\\.above'));
  await bad({ ...limit, upto: { bytes: '1' } }, at('\\.upto\\.bytes: '), TypeError);
  await bad({ ...limit, upto: { bytes: 2 ** 36 } }, at('\\.upto\\.bytes: '));
  await bad({ ...limit, upto: { count: 1, per: 'week' } }, at('\\.upto\\.per: '));
  await bad({ ...limit, upto: perSecond, burst: 1000001 }, at('\\.burst: '));
  await bad(
    { ...limit, upto: { bytes: 2048 }, burst: 1000 },
    at(': .*smaller than one second, 2048'),
  );
  await bad({ ...limit, upto: perSecond, mode: ['src'] }, at('\\.mode\\[0\\]: '));
  await bad({ ...limit, upto: perSecond, srcmask: 33 }, at('\\.srcmask: '));
  await bad({ name: 'hashlimit', upto: perSecond }, at('\\.htableName: hashlimit needs it'));
  await bad({ name: 'hashlimit', upto: perSecond, htableName: 'a/b' }, at('\\.htableName: '));
  await bad({ name: 'connlimit' }, at(': needs upto or above'));
  await bad({ name: 'connlimit', above: { not: 5 } }, at('\\.above: cannot be negated'));
  await bad({ name: 'connlimit', above: 5, mask: -1 }, at('\\.mask: '));
  const bytes = { name: 'connbytes', mode: 'bytes', dir: 'both' };
  await bad({ ...bytes, connbytes: 5 }, at('\\.connbytes: '), TypeError);
  await bad({ ...bytes, connbytes: { from: 5n, to: 3n } }, at('\\.connbytes: .*reversed'));
  await bad({ ...bytes, connbytes: { not: { from: 5n, to: 5n } } }, at(': .*negate'));
  await bad({ name: 'recent', set: true, seconds: 5 }, at(': seconds goes with'));
  await bad({ name: 'recent', set: true, rcheck: true }, at('\\.set: .*rcheck'));
  await bad({ name: 'recent', rcheck: true, reap: true }, at('\\.reap: needs .*seconds'));
  await bad({ name: 'recent', rcheck: true, mask: '24' }, at('\\.mask: '));
  await bad({ name: 'set', matchSet: 'nosuch', flags: ['src'] }, at('\\.matchSet: '));
  await bad({ name: 'set', matchSet: 'known', flags: [] }, at('\\.flags: '));
  const known = { name: 'set', matchSet: 'known', flags: ['src'] };
  await bad({ ...known, updateCounters: true }, at('\\.updateCounters: '), TypeError);
  await bad({ ...known, packetsEq: 1n, packetsGt: 2n }, at('\\.packetsEq: .*packetsGt'));
  await bad({ ...known, packetsEq: 1 }, at('\\.packetsEq: '), TypeError);
  await bad({ name: 'physdev' }, at(': needs'));
  await bad({ name: 'physdev', in: 'sixteen-bytes-xx' }, at('\\.in: '));
  await bad({ name: 'string', algo: 'bm', string: '' }, at('\\.string: '));
  await bad({ name: 'string', algo: 'fsm', string: 'x' }, at('\\.algo: '));
  await bad({ name: 'string', algo: 'bm', string: 'x', from: 9, to: 5 }, at(': from'));
  await bad({ name: 'statistic', mode: 'random', probability: 1.5 }, at('\\.probability: '));
  await bad({ name: 'statistic', mode: 'random', probability: Number.NaN }, at('\\.probability: '));
  await bad({ name: 'statistic', mode: 'nth', every: 3 }, at('\\.every: needs .*packet'));
  await bad({ name: 'statistic', mode: 'nth', every: 3, packet: 3 }, at(': packet 3'));
  await bad({ name: 'time', timeStart: '25:00' }, at('\\.timeStart: '));
  await bad({ name: 'time', dateStart: '2021-02-29' }, at('\\.dateStart: '));
  await bad({ name: 'time', monthdays: [] }, at('\\.monthdays: '));
  await bad({ name: 'time', monthdays: [1, 32] }, at('\\.monthdays\\[1\\]: '));
  await bad({ name: 'time', weekdays: ['Monday'] }, at('\\.weekdays\\[0\\]: '));
  await bad({ name: 'time', contiguous: true }, at(': contiguous'));
  await bad({ name: 'helper', helper: 'h'.repeat(30) }, at('\\.helper: '));
  await bad({ name: 'connlabel', label: 128 }, at('\\.label: '));
  await bad({ name: 'connlabel', label: { not: 'nosuch' } }, at('\\.label\\.not: '));
  await bad({ name: 'pkttype', pktType: 'host' }, at('\\.pktType: '));
  await bad({ name: 'tos', tos: { value: 1, mask: 256 } }, at('\\.tos\\.mask: '));
  await bad({ name: 'dscp', dscp: 64 }, at('\\.dscp: '));
  await bad({ name: 'ttl' }, at(': needs eq, lt or gt'));
  await bad({ name: 'ttl', eq: 5, lt: 6 }, at('\\.eq: .*lt'));
  await bad({ name: 'hl', eq: 5 }, at('\\.name: '));
  await bad({ name: 'ecn' }, at(': needs'));
  await bad(
    { name: 'cluster', localNodemask: 4, totalNodes: 2, hashSeed: 0 },
    at(': .*totalNodes 2'),
  );
  await bad({ name: 'devgroup' }, at(': needs'));
  await bad({ name: 'devgroup', srcGroup: 'nosuch' }, at('\\.srcGroup: '));
  await bad({ name: 'quota', quota: 5 }, at('\\.quota: '), TypeError);
  await bad({ name: 'policy' }, at('\\.dir: '));
  const ipsec = { name: 'policy', dir: 'in' };
  await bad({ ...ipsec, elements: [{}] }, at(': .*says nothing'));
  await bad({ ...ipsec, elements: [{ reqid: 1 }, { reqid: 2 }] }, at(': .*needs strict'));
  await bad(
    { ...ipsec, elements: [{ reqid: { not: -1 } }] },
    at('\\.elements\\[0\\]\\.reqid\\.not: '),
  );
  await bad({ ...ipsec, elements: [{ id: 1 }] }, at('\\.elements\\[0\\]\\.id: '), TypeError);
  await bad({ ...ipsec, elements: [{ tunnelSrc: '1.2.3.4' }] }, at('\\.elements\\[0\\]: .*tunnel'));
  await bad({ ...ipsec, pol: 'none', strict: true }, at(': strict'));
  await throws(RangeError, /only in the tables? raw/, () =>
    encodeRule({ matches: [{ name: 'rpfilter' }] }, { table: 'filter' }),
  );
});

test('a refusal of a text names the option', async () => {
  for (const [text, pattern] of [
    ['-m hashlimit --hashlimit-name a --hashlimit-upto 1gb/s', /^-m hashlimit --hashlimit-upto: /],
    ['-m set --match-set nosuch src', /^-m set --match-set: /],
    ['-m string --algo bm --hex-string |4|', /^-m string --hex-string: /],
    ['-m time --weekdays Mon,Foo', /^-m time --weekdays: /],
    ['-m policy --dir in --pol ipsec --mode x', /^-m policy --mode: /],
    ['-m cluster --cluster-local-node 33', /^-m cluster --cluster-local-node: /],
  ] as const) {
    await throws(RangeError, pattern, () => parseRule(text, { sets }));
  }
});

test('random payloads neither throw nor change', () => {
  const random = new Random(Number(process.env.TEST_SEED ?? 1));
  let typed = 0;
  const names = new Set(matches.map((each) => each.name));
  for (const family of ['ipv4', 'ipv6'] as const) {
    const cx = { family, names: systemNames, sets };
    for (const name of [...names, 'rpfilter', 'hl']) {
      for (const extension of registry.revisions(family, 'match', name)) {
        for (let round = 0; round < 300; round++) {
          const payload = new Uint8Array(extension.size);
          if (round % 3) extension.always?.(new DataView(payload.buffer), cx);
          for (let count = random.int(8); count > 0; count--) {
            if (extension.userSize === 0) break;
            payload[random.int(extension.userSize)] = random.pick([0, 1, 2, 4, 8, 65, 255]);
          }
          const found = decode(extension, payload, cx, true);
          if (found.data instanceof Uint8Array) {
            assert.equal(found.data, payload);
            continue;
          }
          typed++;
          assert.type(print(extension, found as never, cx), 'string');
          const again = new Uint8Array(extension.size);
          writeFields(extension, found as never, new DataView(again.buffer), cx);
          const decodedAgain = decode(extension, again, cx, true);
          assert.equal(decodedAgain, found);
        }
      }
    }
  }
  assert.ok(typed > 1000, `${typed} of them could be read`);
});

test.run();

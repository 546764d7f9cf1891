// Typed matches on headers, payload and sockets: refusals with the path of the field, and texts that no oracle here
// can load. Tests under test/kernel compare text and bytes with iptables.

import type { Family, Match } from '../../src/iptables/rule/rule.js';
import { formatRule, parseRules } from '../../src/iptables/rule/text.js';
import { decodeRule, encodeRule } from '../../src/iptables/xtables/rule-bytes.js';
import { assert, suite, throws } from '../support/harness.js';

const test = suite('iptables matches, typed');

// biome-ignore lint/suspicious/noExplicitAny: the tests give wrong types
const encode = (match: any, protocol?: string, family: Family = 'ipv4') =>
  encodeRule({ matches: [match as Match], ...(protocol && { protocol }) }, { family });

const u32 = (test: object) => ({ tests: [test] });
const refused: [string, RegExp, object, (string | undefined)?, Family?][] = [
  ['ah', /knows no ahlen/, { ahlen: 5 }, 'ah'],
  ['ah', /knows no ahlen/, { ahres: true }, 'ah'],
  ['ah', /only in a rule with -p ah/, { ahspi: 5 }],
  ['ipcomp', /ipcompspi: .*needs it/, {}, 'ipcomp'],
  ['hbh', /options\[1\]\.length/, { options: [1, { type: 1, length: 255 }] }, undefined, 'ipv6'],
  [
    'hbh',
    /options\[0\]\.x: no such field/,
    { options: [{ type: 1, length: 2, x: 1 }] },
    undefined,
    'ipv6',
  ],
  ['dst', /Pad1/, { options: [{ type: 0, length: 1 }] }, undefined, 'ipv6'],
  ['dst', /at least one option/, { options: [] }, undefined, 'ipv6'],
  ['rt', /need rtType: 0/, { rt0Res: true }, undefined, 'ipv6'],
  ['rt', /rt0NotStrict: needs .*rt0Addrs/, { rtType: 0, rt0NotStrict: true }, undefined, 'ipv6'],
  ['rt', /rt0Addrs\[0\]: /, { rtType: 0, rt0Addrs: ['1.2.3.4'] }, undefined, 'ipv6'],
  ['srh', /one number for all/, { hdrLenEq: 1, hdrLenGt: { not: 2 } }, undefined, 'ipv6'],
  ['srh', /no prefix/, { psid: '::1/ff::ff' }, undefined, 'ipv6'],
  ['srh', /revision 0 knows no psid/, { revision: 0, lsid: '::1' }, undefined, 'ipv6'],
  ['sctp', /chunkTypes\.match: /, { chunkTypes: { match: 'none', chunks: 'ALL' } }, 'sctp'],
  ['sctp', /chunks\[0\]: /, { chunkTypes: { match: 'any', chunks: ['AUTH'] } }, 'sctp'],
  [
    'sctp',
    /no flags here/,
    { chunkTypes: { match: 'any', chunks: [{ type: 'PAD', flags: 'B' }] } },
    'sctp',
  ],
  ['dccp', /dccpTypes: /, { dccpTypes: [] }, 'dccp'],
  [
    'u32',
    /tests\[0\]\.steps\[0\]\.number: /,
    u32({ offset: 0, steps: [{ operator: '<<', number: 32 }], values: [1] }),
  ],
  ['u32', /tests\[0\]\.steps: /, u32({ offset: 0, steps: null, values: [1] })],
  ['u32', /tests\[0\]\.values: /, u32({ offset: 0, values: [] })],
  ['u32', /values\[0\]: .*\{ from, to \}/, u32({ offset: 0, values: [[1, 2]] })],
  ['u32', /tests\[0\]\.x: no such field/, u32({ offset: 0, values: [1], x: 1 })],
  ['bpf', /needs bytecode/, {}],
  ['bpf', /together/, { bytecode: [{ code: 6, jt: 0, jf: 0, k: 0 }], objectPinned: '/x' }],
  ['bpf', /bytecode\[0\]\.jt: /, { bytecode: [{ code: 6, jt: 256, jf: 0, k: 0 }] }],
  ['bpf', /revision 0 has bytecode only/, { revision: 0, objectPinned: '/x' }],
  ['cgroup', /needs path/, {}],
  ['cgroup', /together/, { path: '/', cgroup: 1 }],
  ['cgroup', /revision 0 knows no path/, { revision: 0, path: '', cgroup: 1 }],
  ['cgroup', /path: .*4095 bytes/, { revision: 1, path: 'x'.repeat(4096) }],
  ['nfacct', /nfacctName: /, { nfacctName: 'x'.repeat(32) }],
  ['rateest', /needs bps or pps/, { rateest1: 'a', compare: 'lt' }],
  ['rateest', /bps\[1\]: /, { rateest1: 'a', compare: 'lt', bps: [1, -1] }],
  ['ipvs', /at least one/, {}],
  ['ipvs', /stands alone/, { ipvs: true, vport: 80 }],
];

for (const [name, message, fields, protocol, family] of refused) {
  test(`${name}: refused with ${message}`, async () => {
    await throws(Error, message, () => encode({ name, ...fields }, protocol, family));
  });
}

test('bpf: a pinned object, and the open descriptor that iptables writes', () => {
  const match: Match = { name: 'bpf', objectPinned: '/sys/fs/bpf/x' };
  assert.equal(parseRules('-m bpf --object-pinned /sys/fs/bpf/x')[0]?.matches, [match]);
  assert.is(formatRule({ matches: [match] }), '-m bpf --object-pinned /sys/fs/bpf/x');
  const bytes = encode({ ...match, objectFd: 7 });
  const payload = bytes.subarray(112 + 32);
  assert.equal([...payload.subarray(0, 10)], [1, 0, 0, 0, 7, 0, 0, 0, 47, 115]);
  assert.equal(decodeRule(bytes).matches, [{ ...match, objectFd: 7 }]);
});

test('cgroup: the longest path of revision 1', () => {
  const match: Match = { name: 'cgroup', revision: 1, path: 'x'.repeat(4095) };
  assert.equal(decodeRule(encode(match)).matches, [match]);
});

test('rateest: the text that iptables saves for both rates reads back', () => {
  const match: Match = { name: 'rateest', rateest1: 'a', compare: { not: 'lt' }, bps: 1, pps: 5 };
  const text = formatRule({ matches: [match] });
  assert.is(
    text,
    '-m rateest --rateest a ! --rateest-lt --rateest-bps 8bit ! --rateest-lt --rateest-pps 5',
  );
  assert.equal(parseRules(text)[0]?.matches, [match]);
});

test.run();

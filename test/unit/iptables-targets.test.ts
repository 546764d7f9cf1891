// Typed targets: refusals with the path of the field, and canonical forms. Tests under test/kernel compare text and
// bytes with iptables.

import type { Family, Target } from '../../src/iptables/rule/rule.js';
import { formatRule, parseRule } from '../../src/iptables/rule/text.js';
import { decodeRule, encodeRule } from '../../src/iptables/xtables/rule-bytes.js';
import { assert, suite, throws } from '../support/harness.js';

const test = suite('iptables targets, typed');

// biome-ignore lint/suspicious/noExplicitAny: the tests give wrong types
const encode = (target: any, protocol?: string, family: Family = 'ipv4') =>
  encodeRule({ target: target as Target, ...(protocol && { protocol }) }, { family });

const refused: [string, RegExp, object, (string | undefined)?, Family?][] = [
  ['NFLOG', /target\.prefix: .*63 bytes/, { prefix: 'x'.repeat(64) }],
  ['NFLOG', /target\.prefix: .*line break/, { prefix: 'a\nb' }],
  ['NFLOG', /target\.group: /, { group: 65536 }],
  ['NFLOG', /target\.size: .*together/, { size: 1, range: 1 }],
  ['TCPMSS', /needs setMss or clampMssToPmtu/, {}, 'tcp'],
  ['TCPMSS', /target\.setMss: .*together/, { setMss: 1, clampMssToPmtu: true }, 'tcp'],
  ['TCPMSS', /target\.setMss: /, { setMss: 65535 }, 'tcp'],
  ['TCPMSS', /only in a rule with -p tcp/, { setMss: 1 }],
  ['TCPOPTSTRIP', /target\.stripOptions\[1\]: /, { stripOptions: [2, 256] }, 'tcp'],
  ['TCPOPTSTRIP', /target\.stripOptions: /, { stripOptions: 2 }, 'tcp'],
  ['CLASSIFY', /target\.setClass: CLASSIFY needs it/, {}],
  ['CLASSIFY', /target\.setClass: /, { setClass: '1:2' }],
  ['CLASSIFY', /target\.setClass\.major: /, { setClass: { major: 65536, minor: 0 } }],
  ['CLASSIFY', /target\.setClass\.minor: /, { setClass: { major: 1 } }],
  ['CLASSIFY', /target\.setClass\.x: no such field/, { setClass: { major: 1, minor: 1, x: 1 } }],
  ['TEE', /target\.gateway: .*IPv4/, { gateway: '::1' }],
  ['TEE', /target\.gateway: .*no host/, { gateway: '::' }, undefined, 'ipv6'],
  ['TEE', /target\.oif: /, { gateway: '10.0.0.1', oif: 'a\nb' }],
  ['TEE', /target\.oif: /, { gateway: '10.0.0.1', oif: '1234567890123456' }],
  ['NFQUEUE', /target\.balance: .*from lower to higher/, { balance: { from: 2, to: 2 } }],
  ['NFQUEUE', /target\.balance: .*65535 queues/, { balance: { from: 0, to: 65535 } }],
  ['NFQUEUE', /target\.balance\.to: /, { balance: { from: 1, to: 65536 } }],
  ['NFQUEUE', /target\.num: .*together/, { num: 1, balance: { from: 1, to: 2 } }],
  ['NFQUEUE', /target\.cpuFanout: needs .*balance/, { num: 1, cpuFanout: true }],
  ['NFQUEUE', /bypass needs revision 2/, { revision: 1, bypass: true }],
  ['NFQUEUE', /target\.bypass: .*true/, { bypass: false }],
  ['SYNPROXY', /target\.wscale: /, { wscale: 256 }, 'tcp'],
  ['SYNPROXY', /only in a rule with -p tcp/, { mss: 1 }, 'udp'],
  ['TPROXY', /target\.onPort: TPROXY needs it/, {}, 'tcp'],
  ['TPROXY', /target\.mark\.mask: /, { onPort: 1, mark: { value: 1, mask: -1 } }, 'tcp'],
  ['SET', /needs addSet, delSet or mapSet/, {}],
  ['SET', /target\.exist: needs .*addSet/, { exist: true }],
  ['SET', /target\.addSet\.flags: /, { addSet: { set: 'a', flags: 'src' } }],
  ['TOS', /revision 0 knows no mask/, { revision: 0, setTos: { value: 1, mask: 3 } }],
  ['TOS', /target\.setTos\.mask: /, { setTos: { value: 1, mask: 256 } }],
  ['DSCP', /target\.setDscp: /, { setDscp: 64 }],
  ['TTL', /needs set, inc or dec/, {}],
  ['TTL', /target\.set: .*together/, { set: 1, dec: 1 }],
  ['TTL', /target\.inc: /, { inc: 0 }],
  ['HL', /target\.name: /, { set: 1 }],
  ['ECN', /needs tcpEce, tcpCwr or ipEct/, {}],
  ['ECN', /need a rule with -p tcp/, { tcpEce: 1 }],
  ['CHECKSUM', /target\.fill: CHECKSUM needs it/, {}],
  ['AUDIT', /target\.type: /, { type: 'ACCEPT' }],
  ['CONNSECMARK', /needs save or restore/, {}],
  ['SECMARK', /target\.selctx: /, { selctx: 'a\nb' }],
  ['HMARK', /target\.rnd: HMARK needs it/, { mod: 1, srcPrefix: 8 }],
  ['HMARK', /needs a field/, { mod: 1, rnd: 1, offset: 3 }],
  ['HMARK', /spi cannot be used together/, { mod: 1, rnd: 1, spi: 1, sport: 1 }],
  ['IDLETIMER', /target\.timeout: /, { timeout: 0, label: 'x' }],
  ['IDLETIMER', /alarm needs revision 1/, { revision: 0, timeout: 1, label: 'x', alarm: true }],
  ['RATEEST', /target\.interval: .*250, 500/, { estimator: 'x', interval: 300, ewmaLog: 1 }],
  ['RATEEST', /target\.ewmaLog: /, { estimator: 'x', interval: 250, ewmaLog: 31 }],
  ['LED', /target\.triggerId: /, { triggerId: 'x'.repeat(17) }],
  ['LED', /target\.delay: /, { triggerId: 'x', delay: 0xffffffff }],
  ['CLUSTERIP', /needs all of new, hashmode/, { new: true }],
  ['ULOG', /target\.nlgroup: /, { nlgroup: 0 }],
  [
    'SNPT',
    /bits after its prefix/,
    { srcPfx: 'fd00::1/64', dstPfx: 'fd00::/64' },
    undefined,
    'ipv6',
  ],
  ['SNPT', /more than 64 bits/, { srcPfx: 'fd00::/65', dstPfx: 'fd00::/64' }, undefined, 'ipv6'],
  ['TRACE', /target\.x: .*no such field/, { x: 1 }],
  ...(['ipv4', 'ipv6'] as const).flatMap((family) => {
    const address = family === 'ipv4' ? '10.0.0.1' : 'fd00::1';
    const to = (base: number, port: unknown = { from: 80, to: 90 }) => ({ address, port, base });
    const bad = (name: string, message: RegExp, fields: object) =>
      [name, message, fields, 'tcp', family] as [string, RegExp, object, string, Family];
    return [
      bad('DNAT', /toDestination\.base: .*1…65535/, { toDestination: to(0) }),
      bad('DNAT', /toDestination\.base: .*1…65535/, { toDestination: to(65536) }),
      bad('DNAT', /toDestination\.base: needs a range/, { toDestination: { address, base: 1 } }),
      bad('DNAT', /base: only DNAT revision 2/, { revision: 1, toDestination: to(100) }),
      bad('SNAT', /toSource\.base: only DNAT revision 2/, { toSource: to(100) }),
      bad('DNAT', /toDestination\.port: /, { toDestination: to(1, 65536) }),
      bad('REDIRECT', /target\.toPorts: /, { toPorts: 65536 }),
      bad('REDIRECT', /target\.toPorts\.to: /, { toPorts: { from: 0, to: 65536 } }),
      bad('REDIRECT', /target\.toPorts\.from: /, { toPorts: { from: -1, to: 5 } }),
      bad('MASQUERADE', /target\.toPorts: /, { toPorts: -1 }),
      bad('MASQUERADE', /target\.toPorts: .*reversed|higher|lower/, {
        toPorts: { from: 9, to: 8 },
      }),
      bad('TPROXY', /target\.onPort: /, { onPort: 65536 }),
    ];
  }),
];

for (const [name, message, fields, protocol, family] of refused) {
  test(`${name}: refused with ${message}`, async () => {
    await throws(Error, message, () => encode({ name, ...fields }, protocol, family));
  });
}

test('canonical forms', () => {
  const forms: [Target, Target][] = [
    [{ name: 'NFQUEUE' }, { name: 'NFQUEUE', num: 0 }],
    [{ name: 'NFLOG' }, { name: 'NFLOG', group: 0, threshold: 0 }],
    [
      { name: 'TOS', setTos: { value: 3, mask: 255 } },
      { name: 'TOS', setTos: 3 },
    ],
    [
      { name: 'TEE', gateway: '10.0.0.1', revision: 1 },
      { name: 'TEE', gateway: '10.0.0.1' },
    ],
  ];
  for (const [given, shown] of forms) assert.equal(decodeRule(encode(given)).target, shown);
  const strip: Target = { name: 'TCPOPTSTRIP', stripOptions: [5, 3, 5] };
  assert.equal(decodeRule(encode(strip, 'tcp')).target, {
    name: 'TCPOPTSTRIP',
    stripOptions: [3, 5],
  });
});

test('port 0 is a port; without a base port there is none', () => {
  const address = '10.0.0.1';
  const targets: [Target, string][] = [
    [{ name: 'DNAT', toDestination: { address, port: 0 } }, `--to-destination ${address}:0`],
    [
      { name: 'DNAT', toDestination: { address, port: { from: 0, to: 9 }, base: 1 } },
      `--to-destination ${address}:0-9/1`,
    ],
    [{ name: 'SNAT', toSource: { port: { from: 0, to: 65535 } } }, '--to-source :0-65535'],
    [{ name: 'REDIRECT', toPorts: 0 }, '--to-ports 0'],
    [{ name: 'MASQUERADE', toPorts: { from: 0, to: 1 } }, '--to-ports 0-1'],
    [{ name: 'TPROXY', onPort: 0 }, '--on-port 0 --on-ip 0.0.0.0 --tproxy-mark 0x0/0x0'],
  ];
  for (const [target, text] of targets) {
    const raw = encode(target, 'tcp');
    assert.equal(decodeRule(raw).target, target);
    assert.is(decodeRule(raw).toString(), `-p tcp -j ${target.name} ${text}`);
    assert.equal(encodeRule(parseRule(`-p tcp -j ${target.name} ${text}`)), raw);
  }
});

test('targets stay raw if no typed form gives their bytes', () => {
  const change = (target: Target, at: number, byte: number) => {
    const raw = encode(target);
    const size = raw.length - 112 - 32;
    raw[raw.length - size + at] = byte;
    const rule = decodeRule(raw);
    assert.ok(rule.target?.name === 'raw', `${target.name} is raw`);
    assert.equal(encodeRule(rule.with()), raw);
  };
  change({ name: 'NFLOG' }, 9, 1); // an unknown flag
  change({ name: 'NFQUEUE' }, 2, 0); // no queue at all
  change({ name: 'AUDIT', type: 'accept' }, 0, 9);
  change({ name: 'ULOG' }, 1, 1); // two groups
  change({ name: 'LED', triggerId: 'x' }, 0, 0x58);
  change({ name: 'RATEEST', estimator: 'x', interval: 250, ewmaLog: 1 }, 17, 31);
  change({ name: 'HMARK', mod: 1, rnd: 1, srcPrefix: 8 }, 1, 0x0f); // a mask that is not a prefix
});

test('the family of a typed rule follows from its target', () => {
  assert.is(
    formatRule({ target: { name: 'TEE', gateway: '2001:db8::1' } }),
    '-j TEE --gateway 2001:db8::1',
  );
  assert.is(formatRule({ target: { name: 'HL', set: 5 } }), '-j HL --hl-set 5');
});

test.run();

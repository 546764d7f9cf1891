// Targets with their own state: HMARK, IDLETIMER, RATEEST. Also the targets for security marks.

import { parseRule } from '../../src/iptables/rule/text.js';
import { decodeRule, encodeRule } from '../../src/iptables/xtables/rule-bytes.js';
import { fakeKernel } from '../support/fake-kernel.js';
import { assert, suite } from '../support/harness.js';
import { conformance } from '../support/iptables-oracle.js';
import type { Random } from '../support/random-rules.js';

const test = suite('iptables codec: flow targets');
const both = ['ipv4', 'ipv6'] as const;

const base = '--hmark-mod 5 --hmark-rnd 1';
const hmark = (options: string) => `-j HMARK ${options} ${base}`;
const hmarkValid = [
  ...[
    'src',
    'dst,src',
    'src,dst,sport,dport,proto',
    'src,dst,sport,dport,proto,ct',
    'ct',
    'spi',
    'spi,src,dst,proto',
    'src,src',
    'SRC',
    'SPORT,dPort',
    'sr',
    'd',
    's',
    'p',
  ].map((tuple) => hmark(`--hmark-tuple ${tuple}`)),
  ...['24', '0', '32', '0x10'].flatMap((length) => [
    hmark(`--hmark-src-prefix ${length}`),
    hmark(`--hmark-dst-prefix ${length} --hmark-src-prefix 8`),
  ]),
  ...['0', '0xff', '0xffff', '10'].flatMap((bits) =>
    ['sport', 'dport', 'sport-mask', 'dport-mask', 'proto-mask'].map((option) =>
      hmark(`--hmark-${option} ${bits}`),
    ),
  ),
  ...['0', '16', '0xff00', '0xffffffff'].flatMap((bits) => [
    hmark(`--hmark-spi ${bits}`),
    hmark(`--hmark-spi-mask ${bits}`),
  ]),
  hmark('--hmark-sport 1 --hmark-dport 2 --hmark-sport-mask 3 --hmark-dport-mask 4'),
  hmark('--hmark-spi-mask 0xff00 --hmark-spi 1'),
  hmark('--hmark-spi-mask 0xff00 --hmark-sport 1'),
  hmark('--hmark-spi 0xff00 --hmark-sport-mask 1'),
  hmark('--hmark-tuple dst --hmark-src-prefix 24'),
  hmark('--hmark-tuple ct --hmark-src-prefix 8'),
  hmark('--hmark-tuple proto,spi --hmark-spi 8'),
  hmark('--hmark-tuple src --hmark-offset 0'),
  hmark('--hmark-tuple src --hmark-offset 7'),
  '-j HMARK --hmark-tuple src --hmark-mod 4294967295 --hmark-rnd 0xffffffff --hmark-offset 4294967295',
  '-j HMARK --hmark-tuple src --hmark-mod 1 --hmark-rnd 0',
];
const hmarkInvalid = [
  '-j HMARK',
  `-j HMARK ${base}`,
  `-j HMARK --hmark-offset 3 ${base}`,
  '-j HMARK --hmark-tuple src --hmark-rnd 1',
  '-j HMARK --hmark-tuple src,ct --hmark-mod 5',
  '-j HMARK --hmark-tuple src --hmark-mod 0 --hmark-rnd 1',
  '-j HMARK --hmark-tuple src --hmark-mod 4294967296 --hmark-rnd 1',
  '-j HMARK --hmark-tuple src --hmark-mod 5 --hmark-rnd 0x1ffffffff',
  '-j HMARK --hmark-tuple src --hmark-mod 5 --hmark-rnd 0 --hmark-offset 4294967296',
  ...['foo', '""', 'src,', ',src', 'src,,dst', '"src, dst"', 'srcx', 'sport,spi', 'dport,spi'].map(
    (tuple) => hmark(`--hmark-tuple ${tuple}`),
  ),
  hmark('--hmark-tuple src --hmark-tuple dst'),
  hmark('--hmark-tuple src --hmark-src-prefix 24'),
  hmark('--hmark-tuple src,sport --hmark-sport-mask 0xff'),
  hmark('--hmark-tuple proto --hmark-proto-mask 3'),
  hmark('--hmark-tuple spi --hmark-spi-mask 1'),
  hmark('--hmark-src-prefix x'),
  hmark('--hmark-src-prefix -1'),
  hmark('--hmark-src-prefix 8 --hmark-src-prefix 8'),
  hmark('--hmark-sport-mask 0x10000'),
  hmark('--hmark-sport http'),
  hmark('--hmark-dport 65536'),
  hmark('--hmark-proto-mask 0x10000'),
  hmark('--hmark-spi 4294967296'),
  hmark('--hmark-spi-mask 1 --hmark-dport-mask 2'),
  hmark('--hmark-spi 1 --hmark-dport 2'),
  hmark('! --hmark-spi 1'),
];
const hmarkRandom = (bits: number) => (random: Random) =>
  [
    '-j HMARK',
    random.maybe(50, () => `--hmark-src-prefix ${random.int(bits + 1)}`),
    random.maybe(50, () => `--hmark-dst-prefix ${random.int(bits + 1)}`),
    random.maybe(30, () => `--hmark-sport-mask ${random.port()}`),
    random.maybe(30, () => `--hmark-dport-mask ${random.port()}`),
    random.maybe(30, () => `--hmark-sport ${random.port()}`),
    random.maybe(30, () => `--hmark-dport ${random.port()}`),
    random.maybe(30, () => `--hmark-proto-mask ${random.port()}`),
    random.maybe(10, () => `--hmark-spi ${random.u32()}`),
    random.maybe(10, () => `--hmark-spi-mask ${random.u32()}`),
    random.maybe(90, () => '--hmark-tuple ct'),
    random.maybe(30, () => `--hmark-offset ${random.u32()}`),
    ` --hmark-mod ${1 + random.int(1000)} --hmark-rnd ${random.u32()}`,
  ].join('');

conformance(test, 'HMARK', {
  families: ['ipv4'],
  valid: [
    // A tuple fills 128 bits of the mask. iptables-save prints 32, and iptables reads that as 32.
    ...hmarkValid.map((spec) =>
      /-tuple [^ ]*(s|sr|src|d|dst)\b/i.test(spec) ? { spec, lossy: true as const } : spec,
    ),
    ...['255.255.0.0', '255.255.255.255', '0.0.0.0'].map((mask) =>
      hmark(`--hmark-src-prefix ${mask}`),
    ),
  ],
  invalid: hmarkInvalid,
  onlyIptables: [
    hmark('--hmark-src-prefix 33'),
    hmark('--hmark-src-prefix 255.0.255.0'),
    hmark('--hmark-src-prefix 24 --hmark-tuple src'),
  ],
  random: hmarkRandom(32),
});
conformance(test, 'HMARK', {
  families: ['ipv6'],
  valid: [
    ...hmarkValid,
    ...['64', '128', 'ffff::', '::'].map((mask) => hmark(`--hmark-src-prefix ${mask}`)),
  ],
  invalid: [...hmarkInvalid, hmark('--hmark-src-prefix 129')],
  onlyIptables: [hmark('--hmark-src-prefix ffff::ffff')],
  random: hmarkRandom(128),
});

for (const revision of [0, 1]) {
  const real = revision === 1;
  conformance(
    real ? test : fakeKernel(test, { IDLETIMER: revision }),
    `IDLETIMER revision ${revision}`,
    {
      families: both,
      maxRevision: () => revision,
      valid: [
        '-j IDLETIMER --timeout 1 --label a',
        '-j IDLETIMER --label b-b_b.b --timeout 2147482',
        '-j IDLETIMER --timeout 0x10 --label 123456789012345678901234567',
        ...(real
          ? [
              '-j IDLETIMER --timeout 5 --label c --alarm',
              '-j IDLETIMER --alarm --timeout 5 --label d',
            ]
          : []),
      ],
      invalid: [
        '-j IDLETIMER',
        '-j IDLETIMER --timeout 5',
        '-j IDLETIMER --label x',
        ...['4294967296', 'x', '-1', '""'].map(
          (seconds) => `-j IDLETIMER --timeout ${seconds} --label e`,
        ),
        // The kernel refuses these, although iptables takes them.
        ...(real
          ? [
              '-j IDLETIMER --timeout 0 --label e',
              '-j IDLETIMER --timeout 2147483 --label e',
              '-j IDLETIMER --timeout 5 --label ""',
              '-j IDLETIMER --alarm --alarm --timeout 5 --label e',
            ]
          : ['-j IDLETIMER --timeout 5 --label e --alarm']),
        '-j IDLETIMER --timeout 5 --timeout 5 --label e',
        '-j IDLETIMER ! --timeout 5 --label e',
      ],
      onlyIptables: ['-j IDLETIMER --timeout 5 --label 1234567890123456789012345678'],
      ...(real && { kernelRefuses: ['-j IDLETIMER --timeout 5 --label a/b'] }),
    },
  );
}

let estimators = 0;
// Each name is new: the kernel compares with estimators of old rules until these rules are gone.
const rateest = (interval: string, within: string) =>
  `-j RATEEST --rateest-name e${estimators++} --rateest-interval ${interval} --rateest-ewmalog ${within}`;

for (const family of both) {
  conformance(test, 'RATEEST', {
    families: [family],
    valid: [
      ...['250ms', '500ms', '1s', '2s', '4s', '8s', '1.0s', '250.0ms'].map((every) =>
        rateest(every, '30s'),
      ),
      ...['0.25s', '.5s', '4.s', '250000us', '250000', '1sec', '1secs', '500msecs', '500msec'].map(
        (every) => rateest(every, '64s'),
      ),
      ...['500000usec', '500000usecs', '8S', '500MS'].map((every) => rateest(every, '64s')),
      ...['500ms', '1s', '2s', '1024s', '600.5s'].map((within) => rateest('250ms', within)),
      { spec: rateest('1us', '1s'), lossy: 'rounded' },
      { spec: rateest('100ms', '1s'), lossy: 'rounded' },
      { spec: rateest('250001us', '100s'), lossy: 'rounded' },
      { spec: rateest('8000000.9us', '100s'), lossy: 'rounded' },
      ...['300s', '70s', '20us', '2us', '100s', '4s'].map((within) => ({
        spec: rateest('1us', within),
        lossy: 'rounded' as const,
      })),
      '-j RATEEST --rateest-ewmalog 16s --rateest-interval 8s --rateest-name 123456789012345',
    ],
    invalid: [
      '-j RATEEST',
      rateest('250ms', '250ms'),
      rateest('8s', '1s'),
      rateest('9s', '100s'),
      rateest('8000001us', '100s'),
      rateest('1x', '2s'),
      rateest('"1 s"', '2s'),
      rateest('""', '2s'),
      rateest('-1s', '2s'),
      rateest('0s', '2s'),
      rateest('1s', '0s'),
      rateest('1s', 'foo'),
      rateest('1us', '2000s'),
      rateest('1us', '4294967295'),
      rateest('4s', '3.3s'),
      '-j RATEEST --rateest-interval 8s --rateest-ewmalog 16s',
      '-j RATEEST --rateest-name n --rateest-ewmalog 16s',
      '-j RATEEST --rateest-name n --rateest-interval 8s',
      '-j RATEEST --rateest-name n --rateest-interval 8s --rateest-interval 8s --rateest-ewmalog 16s',
      '-j RATEEST ! --rateest-name n --rateest-interval 8s --rateest-ewmalog 16s',
    ],
    onlyIptables: [
      '-j RATEEST --rateest-name "" --rateest-interval 8s --rateest-ewmalog 16s',
      '-j RATEEST --rateest-name 1234567890123456 --rateest-interval 8s --rateest-ewmalog 16s',
      rateest('1e0s', '2s'),
      rateest('0x1p-1s', '4s'),
      rateest('250ms', '10000s'),
    ],
  });
}

conformance(fakeKernel(test), 'RATEEST with random intervals', {
  families: ['ipv4'],
  valid: [],
  random(random) {
    const every =
      random.pick(['us', 'ms']) === 'us' ? `${random.int(9000000)}us` : `${random.int(9000)}ms`;
    const seconds = random.int(random.pick([5, 50, 4000]));
    return rateest(every, `${seconds}.${random.int(10)}s`);
  },
});

conformance(test, 'CONNSECMARK', {
  families: both,
  table: 'security',
  valid: ['-j CONNSECMARK --save', '-j CONNSECMARK --restore'],
  invalid: [
    '-j CONNSECMARK',
    '-j CONNSECMARK --save --restore',
    '-j CONNSECMARK --restore --save',
    '-j CONNSECMARK --save --save',
    '-j CONNSECMARK ! --save',
  ],
});
conformance(test, 'CONNSECMARK in filter', {
  families: both,
  valid: [],
  invalid: ['-j CONNSECMARK --save', '-j SECMARK --selctx x'],
});

for (const revision of [0, 1]) {
  conformance(fakeKernel(test, { SECMARK: revision }), `SECMARK revision ${revision}`, {
    families: both,
    table: 'mangle',
    maxRevision: () => revision,
    valid: [
      '-j SECMARK --selctx system_u:object_r:http_packet_t:s0:c0,c1',
      '-j SECMARK --selctx a',
      `-j SECMARK --selctx ${'x'.repeat(255)}`,
    ],
    invalid: [
      '-j SECMARK',
      '-j SECMARK --selctx a --selctx b',
      '-j SECMARK ! --selctx a',
      '-j SECMARK --selctx',
    ],
    onlyIptables: ['-j SECMARK --selctx ""', `-j SECMARK --selctx ${'x'.repeat(256)}`],
  });
}

test("SECMARK: the kernel's number for a context does not make a rule raw", () => {
  for (const [revision, at] of [
    [0, 4],
    [1, 260],
  ] as const) {
    const options = { table: 'mangle', maxRevision: () => revision };
    const raw = encodeRule(parseRule('-j SECMARK --selctx a:b', options), options);
    raw[raw.length - 264 + at] = 77;
    const rule = decodeRule(raw);
    assert.equal(rule.warnings, []);
    assert.is(rule.toString(), '-j SECMARK --selctx a:b');
  }
});

test.run();

// Targets with state of their own: SET, HMARK, IDLETIMER, RATEEST; and those of security marks.
import { spawnSync } from 'node:child_process';
import { decodeRule, encodeRule } from '../../src/iptables/legacy/rule-bytes.js';
import { parseRule } from '../../src/iptables/rule/text.js';
import { fakeKernel } from '../support/fake-kernel.js';
import { assert, suite, throws } from '../support/harness.js';
import { conformance, type Random } from '../support/iptables-oracle.js';

const test = suite('iptables codec: flow targets');
const both = ['ipv4', 'ipv6'] as const;

// Indexes are given in this order in a new namespace.
const longName = '1234567890123456789012345678901';
const names = ['foo', 'bar', 'skb', longName, 'foo6', 'bar6', 'skb6'];
const sets = {
  indexOf: (name: string) => (names.includes(name) ? names.indexOf(name) : undefined),
  nameOf: (index: number) => names[index],
};

test.before(() => {
  const input = [
    'create foo hash:ip timeout 100',
    'create bar hash:ip,port',
    'create skb hash:ip skbinfo',
    `create ${longName} hash:ip`,
    'create foo6 hash:ip family inet6 timeout 100',
    'create bar6 hash:ip,port family inet6',
    'create skb6 hash:ip family inet6 skbinfo',
    '',
  ].join('\n');
  const done = spawnSync('ipset', ['restore'], { input, encoding: 'utf8' });
  assert.is(done.status, 0, done.stderr);
});

for (const [family, six] of [
  ['ipv4', ''],
  ['ipv6', '6'],
] as const) {
  const [foo, bar, skb] = [`foo${six}`, `bar${six}`, `skb${six}`];
  const flags = ['src', 'dst', 'src,dst', 'dst,src', 'src,dst,src,dst,src'];
  const old = [
    ...flags.map((each) => `-j SET --add-set ${foo} ${each}`),
    ...flags.map((each) => `-j SET --del-set ${bar} ${each}`),
    `-j SET --add-set ${foo} dst --del-set ${bar} src,dst`,
    `-j SET --del-set ${bar} src,dst --add-set ${foo} dst`,
    `-j SET --add-set ${foo} src --del-set ${foo} src`,
  ];
  const timed = [
    `-j SET --add-set ${foo} src --exist`,
    `-j SET --exist --add-set ${foo} src`,
    ...['0', '5', '0x10', '4294967294'].map(
      (seconds) => `-j SET --add-set ${foo} src --timeout ${seconds}`,
    ),
    `-j SET --timeout 5 --add-set ${foo} src --exist --del-set ${bar} dst,src`,
  ];
  const bad = [
    '-j SET',
    '-j SET --add-set',
    `-j SET --add-set ${foo}`,
    ...['x', 'SRC', 'src,', ',src', '""', 'src,dst,src,dst,src,dst,src'].map(
      (each) => `-j SET --add-set ${foo} ${each}`,
    ),
    '-j SET --add-set nosuch src',
    '-j SET --add-set "a b" src',
    `-j SET --add-set ${longName}2 src`,
    `-j SET --add-set ${foo} src --add-set ${bar} src`,
    `-j SET --add-set ${foo} ! src`,
  ];
  const badTimes = [
    '-j SET --exist',
    '-j SET --timeout 5',
    ...['4294967295', '4294967296', 'x', '-1', '""'].map(
      (seconds) => `-j SET --add-set ${foo} src --timeout ${seconds}`,
    ),
    `-j SET --del-set ${foo} src --exist`,
    `-j SET --del-set ${foo} src --timeout 5`,
  ];
  conformance(test, 'SET', {
    families: [family],
    table: 'mangle',
    sets,
    valid: [
      ...old,
      `-j SET --add-set ${foo} src,dst,src,dst,src,dst`,
      ...timed,
      ...['mark', 'prio', 'queue'].map((what) => `-j SET --map-set ${skb} src --map-${what}`),
      `-j SET --map-queue --map-set ${skb} src,dst --map-prio --map-mark`,
      `-j SET --map-set ${skb} dst --map-mark --add-set ${foo} src --timeout 7 --del-set ${bar} src --exist`,
      ...(family === 'ipv4' ? [`-j SET --add-set ${longName} src`] : []),
    ],
    invalid: [
      ...bad,
      ...badTimes,
      `-j SET --map-set ${skb} src`,
      '-j SET --map-mark',
      `-j SET --map-set ${skb} src --exist`,
      `-j SET --map-set ${skb} src --timeout 5`,
    ],
    onlyIptables: [
      `-j SET ! --add-set ${foo} src`,
      `-j SET --add-set ${foo} src --exist --exist`,
      `-j SET --add-set ${foo} src --timeout 1 --timeout 1`,
      `-j SET --add-set ${foo} "src dst"`,
    ],
    random: (random) =>
      [
        `-j SET --add-set ${random.pick([foo, bar, skb])} ${side(random)}`,
        random.maybe(50, () => '--exist'),
        random.maybe(50, () => `--timeout ${random.int(0xffffffff)}`),
        random.maybe(50, () => `--del-set ${random.pick([foo, bar, skb])} ${side(random)}`),
        random.maybe(50, () => `--map-set ${skb} ${side(random)} --map-mark`),
        random.maybe(20, () => '--map-prio'),
      ].join(''),
  });
  // A set that the kernel cannot map from, and a chain where there is nothing to map to.
  conformance(test, 'SET elsewhere', {
    families: [family],
    table: 'mangle',
    hook: 'PREROUTING',
    sets,
    valid: [`-j SET --map-set ${skb} src --map-mark`],
    kernelRefuses: ['prio', 'queue'].map((what) => `-j SET --map-set ${skb} src --map-${what}`),
  });
  for (const revision of [0, 1, 2]) {
    if (revision === 0 && family === 'ipv6') continue;
    conformance(fakeKernel(test, { SET: revision }), `SET revision ${revision}`, {
      families: [family],
      sets,
      maxRevision: () => revision,
      valid: [
        ...old,
        ...(revision > 0 ? [`-j SET --add-set ${foo} src,dst,src,dst,src,dst`] : []),
        ...(revision > 1 ? timed : []),
      ],
      invalid: [
        ...bad,
        ...(revision > 1 ? badTimes : timed),
        ...(revision === 0 ? [`-j SET --add-set ${foo} src,dst,src,dst,src,dst`] : []),
        `-j SET --map-set ${skb} src --map-mark`,
      ],
    });
  }
}

function side(random: Random): string {
  return Array.from({ length: 1 + random.int(6) }, () => random.pick(['src', 'dst'])).join(',');
}

test('SET: what is needed to know a set', async () => {
  const rule = parseRule('-j SET --add-set foo src', { table: 'mangle', sets });
  const raw = encodeRule(rule, { sets });
  const unknown = decodeRule(raw).target!;
  assert.ok(unknown.name === 'raw', 'raw without names');
  assert.match(unknown.warning!, /no names of sets/);
  const gone = { ...sets, nameOf: () => undefined };
  assert.match((decodeRule(raw, { sets: gone }).target as { warning: string }).warning, /index 0/);
  await throws(RangeError, /target\.addSet\.set: .*give `sets`/, () => encodeRule(rule, {}));
  await throws(RangeError, /-j SET --add-set: .*exists/, () =>
    parseRule('-j SET --add-set nosuch src', { sets }),
  );
});

test('SET revision 0: what the kernel adds to a loaded rule does not make it raw', () => {
  const rule = parseRule('-j SET --add-set foo src,dst', { sets, maxRevision: () => 0 });
  const raw = encodeRule(rule, { sets, maxRevision: () => 0 });
  const payload = raw.length - 64;
  raw[payload + 28] = 2; // compat.dim
  raw[payload + 29] = 2; // compat.flags
  const { target } = decodeRule(raw, { sets });
  assert.equal(target, {
    name: 'SET',
    revision: 0,
    addSet: { set: 'foo', flags: ['src', 'dst'] },
  });
});

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
    // A tuple fills 128 bits, which iptables-save prints as 32 and iptables reads as 32.
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
        // What iptables lets through the kernel refuses.
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
// Names are unique: the kernel compares with what it holds until the old rules are gone.
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

conformance(fakeKernel(test), 'RATEEST, what a random interval becomes', {
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

test('SECMARK: the number that the kernel gives to a context does not make a rule raw', () => {
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

// Target SET, with the sets of the namespace.
import { spawnSync } from 'node:child_process';
import { parseRule } from '../../src/iptables/rule/text.js';
import { decodeRule, encodeRule } from '../../src/iptables/xtables/rule-bytes.js';
import { fakeKernel } from '../support/fake-kernel.js';
import { assert, suite, throws } from '../support/harness.js';
import { conformance } from '../support/iptables-oracle.js';
import type { Random } from '../support/random-rules.js';

const test = suite('iptables codec: target SET');

// A new namespace gives indexes in this order.
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
  // In PREROUTING the kernel maps only marks.
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

test('SET: a set is known only with the names of sets', async () => {
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

test('SET revision 0: bytes that the kernel adds to a loaded rule do not make it raw', () => {
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

test.run();

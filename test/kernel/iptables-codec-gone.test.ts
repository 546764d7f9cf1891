// Targets that current kernels rarely or never have: LED, CLUSTERIP, ULOG, and the first revision of TEE.
import { decodeRule, encodeRule } from '../../src/iptables/xtables/rule-bytes.js';
import { fakeKernel } from '../support/fake-kernel.js';
import { assert, suite, throws } from '../support/harness.js';
import { conformance } from '../support/iptables-oracle.js';

const test = suite('iptables codec: gone');
const fake = fakeKernel(test);
const both = ['ipv4', 'ipv6'] as const;

conformance(fake, 'LED', {
  families: both,
  valid: [
    ...['x', '""', '"a b"', '1234567890123456', '"it\'s \\" \\\\"', 'a-b'].map(
      (id) => `-j LED --led-trigger-id ${id}`,
    ),
    ...['0', '5', '0x10', '010', '2147483647'].map(
      (delay) => `-j LED --led-trigger-id x --led-delay ${delay}`,
    ),
    ...['inf', 'Inf', 'infinite', '4294967295', '4294967294', '2147483648'].map((delay) => ({
      spec: `-j LED --led-trigger-id x --led-delay ${delay}`,
      ours: `-j LED --led-trigger-id "x" --led-delay ${/^(i|.*5$)/i.test(delay) ? 'inf' : delay}`,
    })),
    '-j LED --led-trigger-id x --led-always-blink',
    '-j LED --led-always-blink --led-delay 5 --led-trigger-id x',
  ],
  invalid: [
    '-j LED',
    '-j LED --led-trigger-id 12345678901234567',
    ...['4294967296', '-1', 'foo', '10foo', '""', 'in'].map(
      (delay) => `-j LED --led-trigger-id x --led-delay ${delay}`,
    ),
    '-j LED --led-trigger-id x --led-trigger-id y',
    '-j LED --led-trigger-id x --led-always-blink --led-always-blink',
    '-j LED ! --led-trigger-id x',
  ],
  random: (random) =>
    [
      `-j LED --led-trigger-id "${random.pick(['a', 'a b', 'net', "it's"])}"`,
      random.maybe(50, () => `--led-delay ${random.int(0x80000000)}`),
      random.maybe(50, () => '--led-always-blink'),
    ].join(''),
});

const cluster = (options: string) => `-d 10.0.0.1 -j CLUSTERIP ${options}`;
const first = (change: Partial<Record<'mode' | 'mac' | 'total' | 'local', string>> = {}) => {
  const { mode = 'sourceip', mac = '01:02:03:04:05:06', total = '2', local = '1' } = change;
  return cluster(
    `--new --hashmode ${mode} --clustermac ${mac} --total-nodes ${total} --local-node ${local}`,
  );
};

conformance(fake, 'CLUSTERIP', {
  families: ['ipv4'],
  valid: [
    cluster(''),
    '-j CLUSTERIP',
    ...['sourceip', 'sourceip-sourceport', 'sourceip-sourceport-destport'].map((mode) =>
      first({ mode }),
    ),
    ...['11:22:AB:04:05:06', '1:02:03:04:05:06', 'ff:ff:ff:ff:ff:ff'].map((mac) => first({ mac })),
    ...['0', '1', '16', '0x3'].flatMap((nodes) => [
      first({ total: nodes }),
      first({ local: nodes }),
    ]),
    ...['0', '5', '4294967295'].map((seed) => `${first()} --hash-init ${seed}`),
  ],
  invalid: [
    cluster('--new'),
    cluster('--hashmode sourceip'),
    cluster('--local-node 3'),
    cluster('--total-nodes 3'),
    cluster('--hash-init 3'),
    cluster('--clustermac 01:02:03:04:05:06'),
    first().replace('--new ', ''),
    first().replace('--hashmode sourceip ', ''),
    first().replace('--clustermac 01:02:03:04:05:06 ', ''),
    first().replace('--total-nodes 2 ', ''),
    first().replace('--local-node 1', ''),
    ...['SOURCEIP', 'source', '""'].map((mode) => first({ mode })),
    ...['00:02:03:04:05:06', '01:02:03:04:05', 'x'].map((mac) => first({ mac })),
    ...['17', 'x', '65536'].flatMap((nodes) => [first({ total: nodes }), first({ local: nodes })]),
    `${first()} --hash-init 4294967296`,
    `${first()} --local-node 2`,
    `${first()} --new`,
    first().replace('--hashmode', '! --hashmode'),
  ],
  random: (random) =>
    `${first({
      mode: random.pick(['sourceip', 'sourceip-sourceport', 'sourceip-sourceport-destport']),
      total: String(random.int(17)),
      local: String(random.int(17)),
    })} --hash-init ${random.u32()}`,
});

const prefix31 = 'x'.repeat(31);
conformance(fake, 'ULOG', {
  families: ['ipv4'],
  valid: [
    '-j ULOG',
    ...['1', '2', '32', '0x3'].map((group) => `-j ULOG --ulog-nlgroup ${group}`),
    ...['0', '5', '4294967295'].map((size) => `-j ULOG --ulog-cprange ${size}`),
    ...['1', '50'].map((count) => `-j ULOG --ulog-qthreshold ${count}`),
    ...['abc', '"a b"', prefix31, `${prefix31}y`].map(
      (prefix) => `-j ULOG --ulog-prefix ${prefix}`,
    ),
    '-j ULOG --ulog-qthreshold 20 --ulog-cprange 10 --ulog-nlgroup 3 --ulog-prefix a',
  ],
  invalid: [
    ...['0', '33', 'x'].map((group) => `-j ULOG --ulog-nlgroup ${group}`),
    ...['0', '51', 'x'].map((count) => `-j ULOG --ulog-qthreshold ${count}`),
    ...['18446744073709551616', 'x'].map((size) => `-j ULOG --ulog-cprange ${size}`),
    '-j ULOG --ulog-prefix ""',
    '-j ULOG --ulog-prefix a --ulog-prefix b',
    '-j ULOG ! --ulog-prefix a',
  ],
  // iptables-save prints it as 32 bits.
  onlyIptables: ['-j ULOG --ulog-cprange 4294967296'],
  random: (random) =>
    [
      '-j ULOG',
      random.maybe(50, () => `--ulog-prefix "${random.pick(['a', 'a b', "it's"])}"`),
      random.maybe(50, () => `--ulog-nlgroup ${1 + random.int(32)}`),
      random.maybe(50, () => `--ulog-cprange ${random.u32()}`),
      random.maybe(50, () => `--ulog-qthreshold ${1 + random.int(50)}`),
    ].join(''),
});

test('TEE revision 0, which no current iptables writes', async () => {
  for (const [family, gateway] of [
    ['ipv4', '10.0.0.1'],
    ['ipv6', '2001:db8::1'],
  ] as const) {
    const tee = { name: 'TEE', revision: 0, gateway } as const;
    const rule = decodeRule(encodeRule({ target: tee }, { family }), { family });
    assert.equal(rule.target, tee);
    assert.is(rule.toString(), `-j TEE --gateway ${gateway}`);
    await throws(RangeError, /oif needs revision 1/, () =>
      encodeRule({ target: { ...tee, oif: 'eth0' } }, { family }),
    );
  }
});

test.run();

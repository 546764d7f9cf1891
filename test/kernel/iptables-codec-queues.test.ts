// Targets that hand packets to programs or copy them: NFLOG, NFQUEUE, TEE, TPROXY, SYNPROXY; CLASSIFY.

import { fakeKernel } from '../support/fake-kernel.js';
import { suite } from '../support/harness.js';
import { conformance } from '../support/iptables-oracle.js';

const test = suite('iptables codec: queues');
const both = ['ipv4', 'ipv6'] as const;

const prefix63 = 'x'.repeat(63);

conformance(test, 'NFLOG', {
  families: both,
  valid: [
    '-j NFLOG',
    ...['0', '5', '0x10', '65535'].map((group) => `-j NFLOG --nflog-group ${group}`),
    ...['abc', '"a b"', '"it\'s \\" \\\\"', prefix63, `${prefix63}y`, '"$`"'].map(
      (prefix) => `-j NFLOG --nflog-prefix ${prefix}`,
    ),
    ...['0', '5', '0x40', '4294967295'].map((size) => `-j NFLOG --nflog-size ${size}`),
    ...['0', '5', '4294967295'].map((size) => `-j NFLOG --nflog-range ${size}`),
    ...['0', '1', '65535'].map((count) => `-j NFLOG --nflog-threshold ${count}`),
    '-j NFLOG --nflog-prefix a --nflog-size 7 --nflog-threshold 3 --nflog-group 9',
    '-j NFLOG --nflog-range 7 --nflog-threshold 3 --nflog-group 9',
  ],
  invalid: [
    ...['65536', '-1', 'x', '""', '1:2'].map((group) => `-j NFLOG --nflog-group ${group}`),
    '-j NFLOG --nflog-prefix ""',
    '-j NFLOG --nflog-size 4294967296',
    '-j NFLOG --nflog-range 4294967296',
    '-j NFLOG --nflog-threshold 65536',
    '-j NFLOG --nflog-size 5 --nflog-range 5',
    '-j NFLOG --nflog-range 5 --nflog-size 5',
    '-j NFLOG --nflog-group 5 --nflog-group 5',
    '-j NFLOG ! --nflog-group 5',
    '-j NFLOG --nflog-group',
  ],
  random: (random) =>
    [
      '-j NFLOG',
      random.maybe(50, () => `--nflog-group ${random.port()}`),
      random.maybe(
        50,
        () => `--nflog-prefix "${random.pick(['a', 'a b', "it's", 'é', 'DROP: '])}"`,
      ),
      random.maybe(50, () => `--nflog-${random.pick(['size', 'range'])} ${random.u32()}`),
      random.maybe(50, () => `--nflog-threshold ${random.port()}`),
    ].join(''),
});

const queueInvalid = [
  ...['65536', 'x', '1:2', '-1', '""'].map((num) => `-j NFQUEUE --queue-num ${num}`),
  '-j NFQUEUE --queue-num 1 --queue-num 2',
  '-j NFQUEUE ! --queue-num 1',
];

conformance(test, 'NFQUEUE', {
  families: both,
  valid: [
    '-j NFQUEUE',
    ...['0', '5', '65535', '0x10'].map((num) => `-j NFQUEUE --queue-num ${num}`),
    ...['1:2', '0:65534', '1:65535', ':2', '2:', '0x1:0x20', '4:65534'].map(
      (balance) => `-j NFQUEUE --queue-balance ${balance}`,
    ),
    '-j NFQUEUE --queue-bypass',
    '-j NFQUEUE --queue-bypass --queue-num 3',
    '-j NFQUEUE --queue-balance 1:4 --queue-bypass',
    '-j NFQUEUE --queue-balance 1:4 --queue-cpu-fanout',
    '-j NFQUEUE --queue-cpu-fanout --queue-bypass --queue-balance 1:4',
  ],
  invalid: [
    ...queueInvalid,
    ...['2:1', '2:2', '2', '0:65535', ':', '1:2:3', '1:65536', '1-2', 'a:b', '0:0'].map(
      (balance) => `-j NFQUEUE --queue-balance ${balance}`,
    ),
    '-j NFQUEUE --queue-num 1 --queue-balance 1:2',
    '-j NFQUEUE --queue-balance 1:2 --queue-num 1',
    '-j NFQUEUE --queue-cpu-fanout',
    '-j NFQUEUE --queue-num 1 --queue-cpu-fanout',
    '-j NFQUEUE --queue-bypass --queue-bypass',
    '-j NFQUEUE ! --queue-bypass',
  ],
  random: (random) =>
    [
      '-j NFQUEUE',
      random.chance(50)
        ? ` --queue-num ${random.port()}`
        : ` --queue-balance ${random.int(3000)}:${1500 + random.int(60000)}`,
      random.maybe(50, () => '--queue-bypass'),
      random.maybe(40, () => '--queue-cpu-fanout'),
    ].join(''),
});

for (const revision of [0, 1, 2]) {
  const needs = (least: number, specs: readonly string[]) => (revision >= least ? specs : []);
  conformance(fakeKernel(test, { NFQUEUE: revision }), `NFQUEUE revision ${revision}`, {
    families: both,
    maxRevision: () => revision,
    valid: [
      '-j NFQUEUE',
      '-j NFQUEUE --queue-num 3',
      ...needs(1, ['-j NFQUEUE --queue-balance 1:4', '-j NFQUEUE --queue-balance 0:65534']),
      ...needs(2, ['-j NFQUEUE --queue-bypass', '-j NFQUEUE --queue-balance 1:4 --queue-bypass']),
    ],
    invalid: [...queueInvalid, ...(revision === 0 ? ['-j NFQUEUE --queue-balance 1:4'] : [])],
    // iptables 1.8.9 takes the option and ignores it.
    onlyIptables: [
      ...(revision < 2 ? ['-j NFQUEUE --queue-bypass'] : []),
      ...(revision > 0 ? ['-j NFQUEUE --queue-balance 1:2 --queue-cpu-fanout'] : []),
    ],
  });
}

const oifs = ['', ' --oif eth0', ' --oif 123456789012345', ' --oif eth+'];
const teeInvalid = (host: string) => [
  '-j TEE',
  '-j TEE --oif eth0',
  `-j TEE --gateway ${host} --gateway ${host}`,
  `-j TEE --gateway ${host} --oif a --oif b`,
  `-j TEE ! --gateway ${host}`,
  `-j TEE --gateway ${host}/8`,
  '-j TEE --gateway ""',
];

conformance(test, 'TEE', {
  families: ['ipv4'],
  valid: oifs.map((oif) => `-j TEE --gateway 10.0.0.1${oif}`),
  invalid: [...teeInvalid('10.0.0.1'), '-j TEE --gateway 0.0.0.0', '-j TEE --gateway ::1'],
  onlyIptables: [
    '-j TEE --gateway localhost',
    '-j TEE --gateway 10.1',
    '-j TEE --gateway 10.0.0.1 --oif ""',
    '-j TEE --gateway 10.0.0.1 --oif 1234567890123456',
  ],
});
conformance(test, 'TEE', {
  families: ['ipv6'],
  valid: [
    ...oifs.map((oif) => `-j TEE --gateway 2001:db8::1${oif}`),
    '-j TEE --gateway ::ffff:10.0.0.1',
  ],
  invalid: [...teeInvalid('fe80::1'), '-j TEE --gateway ::', '-j TEE --gateway 10.0.0.1'],
});

conformance(test, 'SYNPROXY', {
  families: both,
  hook: 'FORWARD',
  valid: [
    '-p tcp -j SYNPROXY',
    '-p tcp -j SYNPROXY --sack-perm',
    '-p tcp -j SYNPROXY --sack-perm --timestamp --wscale 7 --mss 1460',
    '-p tcp -j SYNPROXY --ecn --mss 1460 --wscale 7 --timestamp --sack-perm',
    ...['0', '14', '255', '0x3'].map((shift) => `-p tcp -j SYNPROXY --wscale ${shift}`),
    ...['0', '65535'].map((mss) => `-p tcp -j SYNPROXY --mss ${mss}`),
    '-p tcp -m tcp --syn -j SYNPROXY --mss 1',
  ],
  invalid: [
    '-j SYNPROXY',
    '-j SYNPROXY --mss 1460',
    '! -p tcp -j SYNPROXY --mss 1460',
    '-p udp -j SYNPROXY --mss 1460',
    '-p tcp -j SYNPROXY --wscale x',
    '-p tcp -j SYNPROXY --mss x',
    '-p tcp -j SYNPROXY --mss -1',
    '-p tcp -j SYNPROXY --mss 1 --mss 2',
    '-p tcp -j SYNPROXY --ecn --ecn',
    '-p tcp -j SYNPROXY ! --ecn',
  ],
  onlyIptables: ['-p tcp -j SYNPROXY --wscale 256', '-p tcp -j SYNPROXY --mss 65536'],
  random: (random) =>
    [
      '-p tcp -j SYNPROXY',
      random.maybe(50, () => '--sack-perm'),
      random.maybe(50, () => '--timestamp'),
      random.maybe(50, () => `--wscale ${random.int(256)}`),
      random.maybe(50, () => `--mss ${random.port()}`),
      random.maybe(50, () => '--ecn'),
    ].join(''),
});

conformance(test, 'SYNPROXY elsewhere', {
  families: both,
  table: 'mangle',
  hook: 'PREROUTING',
  valid: [],
  kernelRefuses: ['-p tcp -j SYNPROXY --mss 1460'],
});

const proxyValid = (host: string, any: string) => [
  ...['80', '0', '65535', 'http', 'tftp', '010'].map(
    (port) => `-p tcp -j TPROXY --on-port ${port}`,
  ),
  '-p udp -j TPROXY --on-port tftp',
  `-p tcp -j TPROXY --on-port 80 --on-ip ${host}`,
  `-p tcp -j TPROXY --on-ip ${any} --on-port 80`,
  ...['1', '1/3', '0/0', '0/1', '0', '5/3', '5/0', '0xffffffff/0xffffffff'].map(
    (mark) => `-p tcp -j TPROXY --on-port 80 --tproxy-mark ${mark}`,
  ),
  `-p udp -j TPROXY --tproxy-mark 1/3 --on-ip ${host} --on-port 53`,
];
const proxyInvalid = (other: string) => [
  '-p tcp -j TPROXY',
  '-j TPROXY --on-port 80',
  '-p icmp -j TPROXY --on-port 80',
  '! -p tcp -j TPROXY --on-port 80',
  ...['foo', '80:90', '0x50', '-1'].map((port) => `-p tcp -j TPROXY --on-port ${port}`),
  ...['0x100000000', '1/x', '1/', '/1', 'x'].map(
    (mark) => `-p tcp -j TPROXY --on-port 80 --tproxy-mark ${mark}`,
  ),
  `-p tcp -j TPROXY --on-port 80 --on-ip ${other}`,
  '-p tcp -j TPROXY --on-port 80 --on-port 81',
  '-p tcp -j TPROXY ! --on-port 80',
];
const proxyRandom =
  (family: 'ipv4' | 'ipv6'): NonNullable<Parameters<typeof conformance>[2]['random']> =>
  (random) =>
    [
      `-p ${random.pick(['tcp', 'udp'])} -j TPROXY --on-port ${random.port()}`,
      random.maybe(50, () => `--on-ip ${random.address(family)}`),
      random.maybe(60, () => `--tproxy-mark ${random.u32()}/${random.u32()}`),
    ].join('');

conformance(test, 'TPROXY', {
  families: ['ipv4'],
  table: 'mangle',
  hook: 'PREROUTING',
  valid: proxyValid('10.0.0.1', '0.0.0.0'),
  invalid: [...proxyInvalid('::1'), '-p tcp -j TPROXY --on-port 80 --on-ip 10.0.0.0/8'],
  onlyIptables: [
    '-p tcp -j TPROXY --on-port 65536',
    '-p tcp -j TPROXY --on-port ""',
    '-p tcp -j TPROXY --on-port 80 --on-ip localhost',
  ],
  random: proxyRandom('ipv4'),
});
conformance(test, 'TPROXY', {
  families: ['ipv6'],
  table: 'mangle',
  hook: 'PREROUTING',
  valid: proxyValid('2001:db8::1', '::'),
  invalid: proxyInvalid('10.0.0.1'),
  random: proxyRandom('ipv6'),
});
conformance(fakeKernel(test, { TPROXY: 0 }), 'TPROXY revision 0', {
  families: ['ipv4'],
  table: 'mangle',
  maxRevision: () => 0,
  valid: proxyValid('10.0.0.1', '0.0.0.0'),
  invalid: ['-p tcp -j TPROXY', '-p tcp -j TPROXY --on-port x'],
});
conformance(test, 'TPROXY elsewhere', {
  families: both,
  valid: [],
  invalid: ['-p tcp -j TPROXY --on-port 80'],
});

conformance(test, 'CLASSIFY', {
  families: both,
  valid: ['1:2', '0:0', 'ffff:ffff', '0x1:0x2', 'AbC:d', '1:00010'].map(
    (each) => `-j CLASSIFY --set-class ${each}`,
  ),
  invalid: [
    '-j CLASSIFY',
    ...['1', ':1', '1:', 'x', '""', '1 2', 'g:1'].map((each) => `-j CLASSIFY --set-class ${each}`),
    '-j CLASSIFY ! --set-class 1:2',
    '-j CLASSIFY --set-class 1:2 --set-class 1:2',
  ],
  onlyIptables: ['10000:1', '1:10000', '1:2:3', '1:2x', '-1:2', '" 1: 2"'].map(
    (each) => `-j CLASSIFY --set-class ${each}`,
  ),
  random: (random) =>
    `-j CLASSIFY --set-class ${random.int(65536).toString(16)}:${random.int(65536).toString(16)}`,
});

test.run();

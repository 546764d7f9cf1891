// Matches on fields of packets: length, pkttype, tos, dscp, ttl, hl, ecn, tcpmss, cpu, quota.
import { suite } from '../support/harness.js';
import { conformance } from '../support/iptables-oracle.js';

const test = suite('iptables codec: fields of packets');
const both = ['ipv4', 'ipv6'] as const;
const each = (lead: string, values: readonly string[]) => values.map((value) => `${lead} ${value}`);
const andNot = (lead: string, option: string, values: readonly string[]) =>
  values.flatMap((value) => [`${lead} ${option} ${value}`, `${lead} ! ${option} ${value}`]);

conformance(test, 'length', {
  families: both,
  valid: [
    ...andNot('-m length', '--length', [
      '5',
      '0',
      '65535',
      '5:10',
      '10:5',
      '0:65535',
      ':10',
      '10:',
      ':',
    ]),
    '-m length --length 0x10:020',
    '-m length --length 7:7',
    '-m length --length 1 -m length ! --length 2:3',
  ],
  invalid: [
    '-m length',
    ...each('-m length --length', ['65536', '1:2:3', 'x', '-1', '5:65536', '5-6']),
    '-m length --length 1 --length 2',
  ],
  onlyIptables: ['-m length --length ""'],
  random: (random) => `-m length ${random.not()}--length ${random.portRange(':', true)}`,
});

conformance(test, 'pkttype', {
  families: both,
  valid: andNot('-m pkttype', '--pkt-type', [
    ...['unicast', 'broadcast', 'multicast', 'otherhost', 'Broadcast', 'MULTICAST'],
    ...['host', 'bcast', 'mcast'],
  ]),
  invalid: [
    '-m pkttype',
    ...each('-m pkttype --pkt-type', ['outgoing', 'loopback', 'uni', '0', 'to', '""']),
    '-m pkttype --pkt-type unicast --pkt-type unicast',
  ],
});

conformance(test, 'tos', {
  families: both,
  valid: andNot('-m tos', '--tos', [
    ...['0x10', '16', '0', '255', '16/0x3f', '0xff/0x0f', '0/0', '0x10/0xff', '020/0377'],
    ...['Minimize-Delay', 'maximize-throughput', 'MAXIMIZE-RELIABILITY', 'Minimize-Cost'],
    'Normal-Service',
  ]),
  invalid: [
    '-m tos',
    ...each('-m tos --tos', ['256', '1/256', 'Minimize', '/3', '3/', '3/4/5', '""', '-1']),
    '-m tos --tos Minimize-Delay/0xff',
    '-m tos --tos 1 --tos 2',
  ],
  random: (random) =>
    `-m tos ${random.not()}--tos ${random.int(256)}${random.chance(50) ? `/${random.int(256)}` : ''}`,
});

const classes = [
  ...['BE', 'be', 'EF', 'ef', 'Ef'],
  ...[0, 1, 2, 3, 4, 5, 6, 7].map((digit) => `CS${digit}`),
  ...[1, 2, 3, 4].flatMap((digit) => [1, 2, 3].map((drop) => `AF${digit}${drop}`)),
];
conformance(test, 'dscp', {
  families: both,
  valid: [
    ...andNot('-m dscp', '--dscp', ['0', '1', '0x3f', '63', '010']),
    ...andNot('-m dscp', '--dscp-class', classes),
  ],
  invalid: [
    '-m dscp',
    ...each('-m dscp --dscp', ['64', 'EF', '-1', '""', '1/2']),
    ...each('-m dscp --dscp-class', ['AF44', 'AF50', 'AF01', 'CS8', 'VA', '5', '""', 'AF1']),
    '-m dscp --dscp 5 --dscp-class EF',
    '-m dscp --dscp-class EF --dscp 5',
    '-m dscp --dscp-class EF --dscp-class CS1',
  ],
});

for (const [family, name] of [
  ['ipv4', 'ttl'],
  ['ipv6', 'hl'],
] as const) {
  conformance(test, name, {
    families: [family],
    valid: [
      ...andNot(`-m ${name}`, `--${name}-eq`, ['0', '5', '255', '0x10']),
      ...andNot(`-m ${name}`, `--${name}`, ['64']),
      ...each(`-m ${name} --${name}-lt`, ['0', '5', '255']),
      ...each(`-m ${name} --${name}-gt`, ['0', '5', '255']),
    ],
    invalid: [
      `-m ${name}`,
      ...['eq', 'lt', 'gt'].flatMap((kind) =>
        each(`-m ${name} --${name}-${kind}`, ['256', 'x', '-1', '""']),
      ),
      `-m ${name} ! --${name}-lt 5`,
      `-m ${name} ! --${name}-gt 5`,
      `-m ${name} --${name}-eq 5 --${name}-lt 3`,
      `-m ${name} --${name}-gt 5 --${name}-lt 3`,
      `-m ${name} --${name}-gt 5 --${name} 3`,
      `-m ${name} --${name} 5 --${name}-eq 5`,
    ],
  });
}

conformance(test, 'ecn', {
  families: both,
  valid: [
    ...andNot('-m ecn', '--ecn-ip-ect', ['0', '1', '2', '3', '0x2']),
    '-p udp -m ecn --ecn-ip-ect 1',
    '-p tcp -m ecn --ecn-tcp-cwr',
    '-p tcp -m ecn ! --ecn-tcp-cwr',
    '-p tcp -m ecn --ecn-tcp-ece',
    '-p tcp -m ecn ! --ecn-tcp-ece',
    '-p tcp -m ecn --ecn-tcp-ece ! --ecn-tcp-cwr ! --ecn-ip-ect 2',
    '-p tcp -m ecn --ecn-tcp-cwr --ecn-tcp-ece --ecn-ip-ect 0',
  ],
  invalid: [
    '-m ecn',
    '-m ecn --ecn-ip-ect 4',
    '-m ecn --ecn-ip-ect x',
    '-m ecn --ecn-ip-ect 1 --ecn-ip-ect 2',
    '-m ecn --ecn-tcp-cwr',
    '-m ecn --ecn-tcp-ece',
    '-p udp -m ecn --ecn-tcp-ece',
    '! -p tcp -m ecn --ecn-tcp-cwr',
    '-p tcp -m ecn --ecn-tcp-cwr --ecn-tcp-cwr',
  ],
});

conformance(test, 'tcpmss', {
  families: both,
  valid: andNot('-p tcp -m tcpmss', '--mss', ['500', '0', '65535', '5:10', ':10', '10:', ':']),
  invalid: [
    '-p tcp -m tcpmss',
    ...each('-p tcp -m tcpmss --mss', ['600:500', '65536', '1:2:3', 'x']),
    '-m tcpmss --mss 5',
    '-p udp -m tcpmss --mss 5',
    '! -p tcp -m tcpmss --mss 5',
  ],
  onlyIptables: ['-p tcp -m tcpmss --mss ""'],
});

conformance(test, 'cpu', {
  families: both,
  valid: andNot('-m cpu', '--cpu', ['0', '1', '4294967295', '0x10']),
  invalid: ['-m cpu', ...each('-m cpu --cpu', ['4294967296', '1:2', 'x', '-1', '""'])],
});

conformance(test, 'quota', {
  families: both,
  valid: andNot('-m quota', '--quota', ['0', '5', '4294967296', '18446744073709551615', '0x10']),
  invalid: ['-m quota', ...each('-m quota --quota', ['18446744073709551616', '-1', 'x', '5kb'])],
});

test.run();

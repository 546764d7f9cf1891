// Targets that change headers: TOS, DSCP, TTL, HL, ECN, CHECKSUM, TCPMSS, TCPOPTSTRIP, SNPT, DNPT. Also TRACE and
// AUDIT, which only report.
import { fakeKernel } from '../support/fake-kernel.js';
import { suite } from '../support/harness.js';
import { conformance } from '../support/iptables-oracle.js';

const test = suite('iptables codec: headers');
const both = ['ipv4', 'ipv6'] as const;

const tosNames = [
  'Minimize-Delay',
  'Maximize-Throughput',
  'Maximize-Reliability',
  'Minimize-Cost',
  'Normal-Service',
  'minimize-delay',
];
const tosBytes = ['0x10', '16', '255', '0', '020', '0x10/0xff', '1/255'];
const tosInvalid = [
  '-j TOS',
  ...['256', 'x', '""', '0x10/256', '0x10/', 'Minimize-Del', 'Minimize-Delay/0x3f', '1/2/3'].map(
    (tos) => `-j TOS --set-tos ${tos}`,
  ),
  '-j TOS --set-tos 1 --set-tos 2',
  '-j TOS ! --set-tos 1',
];

conformance(test, 'TOS', {
  families: both,
  table: 'mangle',
  valid: [
    ...[...tosBytes, ...tosNames, '0x10/0x3f', '0x10/0', '0x1f/3'].map(
      (tos) => `-j TOS --set-tos ${tos}`,
    ),
    ...['and', 'or', 'xor'].flatMap((operation) =>
      ['0x10', '0', '255'].map((bits) => `-j TOS --${operation}-tos ${bits}`),
    ),
  ],
  invalid: [
    ...tosInvalid,
    '-j TOS --and-tos 256',
    '-j TOS --or-tos 1/2',
    '-j TOS --xor-tos Minimize-Delay',
    '-j TOS --set-tos 1 --or-tos 2',
    '-j TOS --or-tos 2 --and-tos 2',
  ],
  random: (random) => `-j TOS --set-tos ${random.int(256)}/${random.int(256)}`,
});
conformance(fakeKernel(test, { TOS: 0 }), 'TOS revision 0', {
  families: ['ipv4'],
  table: 'mangle',
  maxRevision: () => 0,
  valid: [...tosBytes, ...tosNames].map((tos) => `-j TOS --set-tos ${tos}`),
  invalid: [...tosInvalid, '-j TOS --set-tos 1/3', '-j TOS --and-tos 1', '-j TOS --or-tos 1'],
});

const classes = ['EF', 'ef', 'BE', ...[0, 1, 2, 3, 4, 5, 6, 7].map((n) => `CS${n}`)];
for (const n of [1, 2, 3, 4]) for (const d of [1, 2, 3]) classes.push(`AF${n}${d}`, `af${n}${d}`);

conformance(test, 'DSCP', {
  families: both,
  table: 'mangle',
  valid: [
    ...Array.from({ length: 64 }, (_, code) => `-j DSCP --set-dscp ${code}`),
    '-j DSCP --set-dscp 0x20',
    ...classes.map((name) => `-j DSCP --set-dscp-class ${name}`),
  ],
  invalid: [
    '-j DSCP',
    ...['64', 'x', '""', '-1', '1/2'].map((code) => `-j DSCP --set-dscp ${code}`),
    ...['CS8', 'AF44', 'AF50', 'VA', 'LE', 'E', '""', '5'].map(
      (name) => `-j DSCP --set-dscp-class ${name}`,
    ),
    '-j DSCP --set-dscp 1 --set-dscp-class EF',
    '-j DSCP --set-dscp-class EF --set-dscp 1',
    '-j DSCP ! --set-dscp 1',
  ],
});

for (const [name, option, family] of [
  ['TTL', 'ttl', 'ipv4'],
  ['HL', 'hl', 'ipv6'],
] as const) {
  conformance(test, name, {
    families: [family],
    table: 'mangle',
    valid: [
      ...['0', '1', '64', '255', '0xff'].map((hops) => `-j ${name} --${option}-set ${hops}`),
      ...['1', '2', '255'].flatMap((hops) =>
        ['inc', 'dec'].map((way) => `-j ${name} --${option}-${way} ${hops}`),
      ),
    ],
    invalid: [
      `-j ${name}`,
      ...['256', 'x', '-1', '""'].flatMap((hops) =>
        ['set', 'inc', 'dec'].map((way) => `-j ${name} --${option}-${way} ${hops}`),
      ),
      `-j ${name} --${option}-inc 0`,
      `-j ${name} --${option}-dec 0`,
      `-j ${name} --${option}-dec 1 --${option}-inc 1`,
      `-j ${name} --${option}-set 1 --${option}-inc 1`,
      `-j ${name} --${option}-set 1 --${option}-set 1`,
      `-j ${name} ! --${option}-set 1`,
    ],
    random: (random) =>
      `-j ${name} --${option}-${random.pick(['set', 'inc', 'dec'])} ${1 + random.int(255)}`,
  });
  conformance(test, `${name} of the other family`, {
    families: [family === 'ipv4' ? 'ipv6' : 'ipv4'],
    table: 'mangle',
    valid: [],
    invalid: [`-j ${name} --${option}-set 1`],
  });
}

conformance(test, 'ECN', {
  families: ['ipv4'],
  table: 'mangle',
  valid: [
    '-p tcp -j ECN --ecn-tcp-remove',
    ...[0, 1].flatMap((bit) => [
      `-p tcp -j ECN --ecn-tcp-cwr ${bit}`,
      `-p tcp -j ECN --ecn-tcp-ece ${bit}`,
      `-p tcp -j ECN --ecn-tcp-cwr ${bit} --ecn-tcp-ece 0`,
      `-p tcp -j ECN --ecn-tcp-ece 1 --ecn-tcp-cwr ${bit}`,
    ]),
    ...[0, 1, 2, 3].map((point) => `-j ECN --ecn-ip-ect ${point}`),
    '-p tcp -j ECN --ecn-ip-ect 3 --ecn-tcp-cwr 1',
    '-p tcp -j ECN --ecn-tcp-remove --ecn-ip-ect 3',
  ],
  invalid: [
    '-j ECN',
    '-j ECN --ecn-tcp-remove',
    '! -p tcp -j ECN --ecn-tcp-remove',
    '-p udp -j ECN --ecn-tcp-ece 1',
    '-p tcp -j ECN --ecn-tcp-cwr 2',
    '-p tcp -j ECN --ecn-tcp-ece x',
    '-j ECN --ecn-ip-ect 4',
    '-p tcp -j ECN --ecn-tcp-remove --ecn-tcp-cwr 0',
    '-p tcp -j ECN --ecn-tcp-ece 0 --ecn-tcp-remove',
    '-p tcp -j ECN --ecn-tcp-cwr 1 --ecn-tcp-cwr 1',
    '-p tcp -j ECN ! --ecn-tcp-cwr 1',
  ],
  random: (random) =>
    [
      '-p tcp -j ECN',
      random.maybe(60, () => `--ecn-tcp-ece ${random.int(2)}`),
      random.maybe(60, () => `--ecn-tcp-cwr ${random.int(2)}`),
      random.maybe(60, () => `--ecn-ip-ect ${random.int(4)}`),
    ].join(''),
});

conformance(test, 'CHECKSUM', {
  families: both,
  table: 'mangle',
  valid: ['-j CHECKSUM --checksum-fill', '-p udp -j CHECKSUM --checksum-fill'],
  invalid: [
    '-j CHECKSUM',
    '-j CHECKSUM --checksum-fill --checksum-fill',
    '-j CHECKSUM ! --checksum-fill',
    '-j CHECKSUM --checksum-fill=1',
  ],
});

conformance(test, 'AUDIT', {
  families: both,
  valid: ['accept', 'drop', 'reject', 'ACCEPT', 'Drop'].map((type) => `-j AUDIT --type ${type}`),
  invalid: [
    '-j AUDIT',
    ...['acc', 'foo', '""', '0'].map((type) => `-j AUDIT --type ${type}`),
    '-j AUDIT --type accept --type drop',
    '-j AUDIT ! --type accept',
  ],
});

conformance(test, 'TRACE', {
  families: both,
  table: 'raw',
  valid: ['-j TRACE', '-p tcp -m tcp --dport 80 -j TRACE'],
  invalid: ['-j TRACE --foo'],
});

conformance(test, 'outside their tables', {
  families: both,
  valid: [],
  invalid: [
    '-j TRACE',
    '-j TOS --set-tos 1',
    '-j DSCP --set-dscp 1',
    '-j CHECKSUM --checksum-fill',
    '-p tcp -j TCPOPTSTRIP --strip-options 5',
  ],
});

const syn = '-p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK SYN';
conformance(test, 'TCPMSS', {
  families: both,
  table: 'mangle',
  hook: 'POSTROUTING',
  valid: [
    ...['0', '536', '1460', '65495', '0x20'].map((mss) => `${syn} -j TCPMSS --set-mss ${mss}`),
    '-p tcp --syn -j TCPMSS --clamp-mss-to-pmtu',
    '-p tcp --tcp-flags SYN,RST SYN -j TCPMSS --clamp-mss-to-pmtu',
    '-p tcp -m tcp --dport 5 -m tcp --syn -j TCPMSS --set-mss 1400',
  ],
  invalid: [
    `${syn} -j TCPMSS`,
    '-j TCPMSS --set-mss 1400',
    '! -p tcp -j TCPMSS --set-mss 1400',
    '-p udp -j TCPMSS --set-mss 1400',
    ...['65516', '65535', 'x', '-1', '""'].map((mss) => `${syn} -j TCPMSS --set-mss ${mss}`),
    `${syn} -j TCPMSS --set-mss 1 --set-mss 2`,
    `${syn} -j TCPMSS ! --set-mss 1`,
  ],
  // The rule must match on SYN.
  kernelRefuses: [
    '-p tcp -j TCPMSS --set-mss 1400',
    '-p tcp ! --syn -j TCPMSS --set-mss 5',
    '-p tcp --tcp-flags SYN NONE -j TCPMSS --set-mss 5',
  ],
  onlyIptables: [`${syn} -j TCPMSS --set-mss 5 --clamp-mss-to-pmtu`],
  random: (random) => `${syn} -j TCPMSS --set-mss ${random.int(65496)}`,
});
conformance(test, 'TCPMSS, the longest', {
  families: ['ipv4'],
  valid: [`${syn} -j TCPMSS --set-mss 65515`],
});
conformance(test, 'TCPMSS, longer than the longest', {
  families: ['ipv6'],
  valid: [],
  invalid: [`${syn} -j TCPMSS --set-mss 65496`, `${syn} -j TCPMSS --set-mss 65515`],
});
conformance(test, 'TCPMSS before routing', {
  families: both,
  table: 'mangle',
  hook: 'PREROUTING',
  valid: [`${syn} -j TCPMSS --set-mss 1400`],
  kernelRefuses: [`${syn} -j TCPMSS --clamp-mss-to-pmtu`],
});

conformance(test, 'TCPOPTSTRIP', {
  families: both,
  table: 'mangle',
  valid: [
    '-p tcp -j TCPOPTSTRIP',
    ...[
      '5',
      'mss,wscale,sack-permitted,sack,timestamp,md5',
      '19,8,5,4,3,2',
      '2',
      '255',
      '31,32,33,63,64,95,96,127,128,159,160,191,192,223,224,254',
      '0x5',
      'mss,0x10',
    ].map((kinds) => `-p tcp -j TCPOPTSTRIP --strip-options ${kinds}`),
  ],
  invalid: [
    '-j TCPOPTSTRIP',
    '-j TCPOPTSTRIP --strip-options 5',
    '! -p tcp -j TCPOPTSTRIP --strip-options 5',
    '-p udp -j TCPOPTSTRIP --strip-options 5',
    ...['0', '1', '256', '5,5', 'mss,2', '""', '5,', ',5', '5,,6', 'MSS', 'foo', '5-6'].map(
      (kinds) => `-p tcp -j TCPOPTSTRIP --strip-options ${kinds}`,
    ),
    '-p tcp -j TCPOPTSTRIP --strip-options 5 --strip-options 6',
    '-p tcp -j TCPOPTSTRIP ! --strip-options 5',
  ],
  random(random) {
    const kinds = Array.from({ length: 1 + random.int(20) }, () => 2 + random.int(254));
    return `-p tcp -j TCPOPTSTRIP --strip-options ${[...new Set(kinds)].join(',')}`;
  },
});

for (const name of ['SNPT', 'DNPT']) {
  const other = '--dst-pfx 2001:db8::/64';
  conformance(test, name, {
    families: ['ipv6'],
    table: 'mangle',
    hook: name === 'SNPT' ? 'POSTROUTING' : 'PREROUTING',
    valid: [
      ...['fd00::/64', 'fd00::/48', 'fd00::/ffff::', 'fd00::/16', 'fd00:0:0:1::/0x40', '::/1'].map(
        (prefix) => `-j ${name} --src-pfx ${prefix} ${other}`,
      ),
      `-j ${name} --dst-pfx fe80::/10 --src-pfx fd00::/8`,
      `-j ${name} --src-pfx ::/64 --dst-pfx ::/64`,
      ...[`-j ${name} --src-pfx ::/0 ${other}`, `-j ${name} --src-pfx ::/0 --dst-pfx ::/0`].map(
        (spec) => ({ spec, ours: spec }),
      ),
    ],
    invalid: [
      `-j ${name}`,
      `-j ${name} --src-pfx fd00::/64`,
      `-j ${name} ${other}`,
      ...[
        'fd00::1/64',
        'fd00::/0',
        'fd00::/65',
        'fd00::/128',
        'fd00::',
        'fd00::/129',
        'fd00::/64/',
        'fd00::/x',
        '10.0.0.0/8',
        '""',
        '::ffff:1.2.3.4/64',
      ].map((prefix) => `-j ${name} --src-pfx ${prefix} ${other}`),
      `-j ${name} --src-pfx fd00::/64 ${other} ${other}`,
      `-j ${name} ! --src-pfx fd00::/64 ${other}`,
    ],
    random(random) {
      const prefix = () => {
        const length = 16 * (1 + random.int(4));
        const words = Array.from({ length: length / 16 }, () => random.int(65536).toString(16));
        return `${words.join(':')}${'::'}/${length}`;
      };
      return `-j ${name} --src-pfx ${prefix()} --dst-pfx ${prefix()}`;
    },
  });
  conformance(test, `${name} elsewhere`, {
    families: ['ipv6'],
    table: 'mangle',
    hook: name === 'DNPT' ? 'POSTROUTING' : 'PREROUTING',
    valid: [],
    kernelRefuses: [`-j ${name} --src-pfx fd00::/64 ${other}`],
  });
}

test.run();

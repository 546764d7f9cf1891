// Matches on devices, routes and IPsec: physdev, devgroup, realm, rpfilter, policy.
import { suite } from '../support/harness.js';
import { conformance, type Spec } from '../support/iptables-oracle.js';

const test = suite('iptables codec: devices and routes');
const both = ['ipv4', 'ipv6'] as const;
const each = (lead: string, values: readonly string[]) => values.map((value) => `${lead} ${value}`);
const lossy = (specs: readonly string[]): Spec[] => specs.map((spec) => ({ spec, lossy: true }));

const physdev = [
  ...[
    'eth0',
    'eth+',
    '+',
    '0123456789abcde',
    '0123456789abcd+',
    'a/b',
    '.',
    '..',
    'e+h',
    '++',
  ].flatMap((name) => [`--physdev-in ${name}`, `! --physdev-out ${name}`]),
  ...['is-in', 'is-out', 'is-bridged'].flatMap((word) => [
    `--physdev-${word}`,
    `! --physdev-${word}`,
  ]),
  '--physdev-out eth1 --physdev-is-bridged',
  '--physdev-out eth1 --physdev-is-out',
  '! --physdev-is-bridged --physdev-is-in --physdev-in eth0 --physdev-out eth1',
  '--physdev-in eth0 ! --physdev-is-in',
  '--physdev-is-in --physdev-is-out --physdev-is-bridged --physdev-in a --physdev-out b',
];
conformance(test, 'physdev', {
  families: both,
  hook: 'FORWARD',
  valid: each('-m physdev', physdev),
  invalid: [
    '-m physdev',
    '-m physdev --physdev-in 0123456789abcdef',
    '-m physdev --physdev-in a --physdev-in b',
    '-m physdev --physdev-is-in --physdev-is-in',
    '-m physdev --physdev-out',
  ],
  onlyIptables: ['-m physdev --physdev-in ""'],
  random: (random) =>
    [
      `-m physdev ${random.not()}--physdev-in ${random.pick(['eth0', 'br+', 'x'])}`,
      random.maybe(50, () => `${random.not()}--physdev-out ${random.pick(['eth0', 'br+', 'x'])}`),
      random.maybe(30, () => `${random.not()}--physdev-is-in`),
      random.maybe(30, () => `${random.not()}--physdev-is-out`),
      random.maybe(30, () => `${random.not()}--physdev-is-bridged`),
    ].join(''),
});
conformance(test, 'physdev in OUTPUT', {
  families: both,
  hook: 'OUTPUT',
  valid: ['-m physdev --physdev-in eth0', '-m physdev --physdev-is-bridged'],
  kernelRefuses: ['-m physdev --physdev-out eth0', '-m physdev --physdev-is-out'],
});

const groups = [
  '5',
  '5/0xff',
  '0',
  '0/0',
  '0/0xff',
  '4294967295',
  '0x1ff/0xff',
  '5/0xffffffff',
  '010',
];
const badGroups = ['nosuch', '4294967296', '5/', '/5', '5/4294967296', '""', '5/6/7', '-1'];
conformance(test, 'devgroup', {
  families: both,
  hook: 'FORWARD',
  valid: [
    ...groups.flatMap((group) => [
      `-m devgroup --src-group ${group}`,
      `-m devgroup ! --dst-group ${group}`,
    ]),
    '-m devgroup --src-group default',
    '-m devgroup ! --src-group 0x500/0xff00 --dst-group 1',
    '-m devgroup ! --dst-group 1 ! --src-group default',
  ],
  invalid: [
    '-m devgroup',
    ...each('-m devgroup --src-group', badGroups),
    '-m devgroup --src-group default/0xff',
    '-m devgroup --src-group 1 --src-group 2',
  ],
  random: (random) =>
    `-m devgroup ${random.not()}--src-group ${random.u32()}/${random.u32()}${random.maybe(50, () => `${random.not()}--dst-group ${random.u32()}`)}`,
});
conformance(test, 'devgroup in PREROUTING', {
  families: both,
  table: 'raw',
  hook: 'PREROUTING',
  valid: ['-m devgroup --src-group 5'],
  kernelRefuses: ['-m devgroup --dst-group 5'],
});

conformance(test, 'realm', {
  families: ['ipv4'],
  valid: [
    ...groups.flatMap((realm) => [`-m realm --realm ${realm}`, `-m realm ! --realm ${realm}`]),
    '-m realm --realm cosmos',
  ],
  invalid: ['-m realm', ...each('-m realm --realm', badGroups), '-m realm --realm cosmos/0xff'],
});
conformance(test, 'realm in IPv6', {
  families: ['ipv6'],
  valid: [],
  invalid: ['-m realm --realm 5'],
});
conformance(test, 'realm in PREROUTING', {
  families: ['ipv4'],
  table: 'raw',
  hook: 'PREROUTING',
  valid: [],
  kernelRefuses: ['-m realm --realm 5'],
});

const flags = ['--loose', '--validmark', '--accept-local', '--invert'];
conformance(test, 'rpfilter', {
  families: both,
  table: 'raw',
  hook: 'PREROUTING',
  valid: [
    ...Array.from({ length: 16 }, (_, bits) =>
      ['-m rpfilter', ...flags.filter((__, index) => bits & (1 << index))].join(' '),
    ),
    '-m rpfilter --invert --loose',
  ],
  invalid: [
    ...flags.map((flag) => `-m rpfilter ! ${flag}`),
    ...flags.map((flag) => `-m rpfilter ${flag} ${flag}`),
  ],
});
conformance(test, 'rpfilter in the table filter', {
  families: both,
  valid: [],
  invalid: ['-m rpfilter', '-m rpfilter --loose'],
});

const ipsec = '-m policy --dir in --pol ipsec';
const tunnel = `${ipsec} --mode tunnel`;
const policies = [
  '-m policy --dir in --pol none',
  '-m policy --dir out --pol none',
  ipsec,
  '-m policy --dir out --pol ipsec',
  '-m policy --dir in',
  '-m policy --pol ipsec --dir in',
  '-m policy --reqid 1 --dir in --pol ipsec',
  ...each(`${ipsec} --reqid`, ['0', '1', '4294967295', '0x10']),
  ...each(`${ipsec} --spi`, ['0', '5', '0xffffffff']),
  ...each(`${ipsec} --proto`, ['esp', 'ah', 'ipcomp', '50', '51', '108']),
  ...each(`${ipsec} --mode`, ['transport', 'tunnel']),
  `${ipsec} ! --reqid 1 ! --spi 5 ! --proto ah ! --mode tunnel`,
  `${ipsec} --strict --reqid 1`,
  `${ipsec} --strict --reqid 1 --next --reqid 2`,
  `${ipsec} --strict --reqid 1 --next --reqid 2 --next --proto esp --next ! --mode transport`,
];
const badPolicies = [
  '-m policy',
  '-m policy --pol ipsec',
  ...['foo', 'IN', '""'].map((dir) => `-m policy --dir ${dir} --pol none`),
  ...['foo', 'NONE', '""'].map((pol) => `-m policy --dir in --pol ${pol}`),
  '-m policy --dir in --dir out --pol ipsec',
  '-m policy --dir in ! --pol ipsec',
  `${ipsec} ! --strict`,
  `${ipsec} --strict`,
  ...each(`${ipsec} --proto`, ['tcp', 'ESP', 'comp', '6', '256', '""']),
  ...each(`${ipsec} --mode`, ['trans', 'foo', '""']),
  ...each(`${ipsec} --reqid`, ['4294967296', 'x', '-1']),
  ...each(`${ipsec} --spi`, ['4294967296', 'x']),
  `${ipsec} --reqid 1 --reqid 2`,
  `${ipsec} --mode tunnel --mode tunnel`,
  `${ipsec} --strict ${['1', '2', '3', '4', '5'].map((id) => `--reqid ${id}`).join(' --next ')}`,
  `${ipsec} --strict --reqid 1 --next`,
  `${ipsec} --strict --next --reqid 1`,
  `${ipsec} --strict --reqid 1 --next --next --reqid 1`,
  `${ipsec} --next --reqid 1`,
  `${ipsec} --reqid 1 --next --reqid 2`,
  '-m policy --dir in --pol none --strict',
  '-m policy --dir in --pol none --next',
];

conformance(test, 'policy', {
  families: ['ipv4'],
  valid: [
    ...policies,
    ...each(`${tunnel} --tunnel-src`, ['1.2.3.4', '1.2.3.4/16', '0.0.0.0/0']),
    ...lossy([`${tunnel} --tunnel-src 1.2.3.4/32`]),
    `${ipsec} ! --mode transport --tunnel-src 1.2.3.4`,
    `${tunnel} ! --tunnel-src 1.2.3.4 ! --tunnel-dst 5.6.7.0/24`,
    `${ipsec} --strict --reqid 1 --proto esp --mode tunnel --tunnel-src 1.1.1.1 --tunnel-dst 2.2.2.2 --spi 5 --next --proto ah`,
    `${ipsec} --strict --mode tunnel --tunnel-src 1.1.1.1 --next --tunnel-dst 2.2.2.2 --mode tunnel`,
  ],
  invalid: [
    ...badPolicies,
    `${ipsec} --tunnel-src 1.2.3.4`,
    `${ipsec} --mode transport --tunnel-src 1.2.3.4`,
    `${ipsec} ! --mode tunnel --tunnel-src 1.2.3.4`,
    `${tunnel} --tunnel-src 1.2.3.4,2.3.4.5`,
    `${tunnel} --tunnel-src ::1`,
  ],
  onlyIptables: [
    // The kernel stores these conditions and never uses them.
    '-m policy --dir in --pol none --reqid 1',
    ...each(`${tunnel} --tunnel-src`, ['1.2.3.4/255.0.255.0', '1.2.3.4/33', 'localhost']),
  ],
});
conformance(test, 'policy', {
  families: ['ipv6'],
  valid: [
    ...policies,
    `${tunnel} --tunnel-src ::1 --tunnel-dst 2001:db8::/32`,
    `${tunnel} ! --tunnel-src ::/0`,
    `${ipsec} ! --mode transport --tunnel-src ::1`,
  ],
  invalid: [...badPolicies, `${tunnel} --tunnel-src 1.2.3.4`],
});
conformance(test, 'policy in OUTPUT', {
  families: both,
  hook: 'OUTPUT',
  valid: ['-m policy --dir out --pol ipsec'],
  kernelRefuses: ['-m policy --dir in --pol ipsec'],
});

test.run();

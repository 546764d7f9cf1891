// Matches addrtype, comment, iprange, mac, owner.
import { suite } from '../support/harness.js';
import { conformance } from '../support/iptables-oracle.js';

const test = suite('iptables codec: further matches');
const both = ['ipv4', 'ipv6'] as const;
const long = 'x'.repeat(255);

conformance(test, 'comment', {
  families: both,
  valid: [
    ...[
      'a',
      '',
      'a b',
      'a.b',
      'a_b-c',
      'héé',
      '日本',
      'it\'s \\"q\\" \\\\ $x `y`',
      '--x',
      '-',
      '!',
    ].map((text) => `-m comment --comment "${text}"`),
    `-m comment --comment ${long}`,
    `-m comment --comment ${long}xyz`,
    `-m comment --comment ${'é'.repeat(128)}`,
    '-m comment --comment a -m comment --comment b',
    '-m comment --comment "ends with a tab\t"',
    '-m comment --comment a;b|c&d',
  ],
  invalid: [
    '-m comment',
    '-m comment --comment',
    '-m comment --comment a --comment b',
    '-m comment ! --comment a',
  ],
  random: (random) => {
    const alphabet = [...'ab -_."\\\'$`é日!/:,'];
    const text = Array.from({ length: random.int(30) }, () => random.pick(alphabet)).join('');
    return `-m comment --comment "${text.replace(/["\\]/g, '\\$&')}"`;
  },
});

const types4 = [
  ...['UNSPEC', 'UNICAST', 'LOCAL', 'BROADCAST', 'ANYCAST', 'MULTICAST', 'BLACKHOLE'],
  ...['UNREACHABLE', 'PROHIBIT', 'THROW', 'NAT', 'XRESOLVE'],
];
const types6 = ['UNSPEC', 'UNICAST', 'LOCAL', 'ANYCAST', 'MULTICAST', 'UNREACHABLE'];
const badTypes = [
  '-m addrtype',
  '-m addrtype --limit-iface-in',
  '-m addrtype --src-type LOCAL --limit-iface-in --limit-iface-out',
  '-m addrtype --src-type LOCAL --src-type UNICAST',
  '-m addrtype --src-type FOO',
  '-m addrtype --src-type LOCAL,',
  '-m addrtype --src-type ""',
  '-m addrtype --src-type LOCAL ! --limit-iface-in',
];

for (const [family, types] of [
  ['ipv4', types4],
  ['ipv6', types6],
] as const) {
  conformance(test, 'addrtype', {
    families: [family],
    valid: [
      ...types.map((type) => `-m addrtype --src-type ${type}`),
      ...types.map((type) => `-m addrtype ! --dst-type ${type.toLowerCase()}`),
      `-m addrtype ! --src-type ${types.join(',')} --dst-type LOCAL`,
      '-m addrtype --src-type LOCAL --limit-iface-in',
      '-m addrtype --dst-type LOCAL --limit-iface-out',
    ],
    invalid: [
      ...badTypes,
      ...(family === 'ipv6' ? types4.filter((type) => !types6.includes(type)) : []).map(
        (type) => `-m addrtype --src-type ${type}`,
      ),
    ],
    random: (random) =>
      [
        `-m addrtype ${random.not()}--src-type ${random.some(types).join(',')}`,
        random.maybe(50, () => `${random.not()}--dst-type ${random.some(types).join(',')}`),
        random.maybe(30, () => random.pick(['--limit-iface-in', '--limit-iface-out'])),
      ].join(''),
  });
}

conformance(test, 'iprange', {
  families: ['ipv4'],
  valid: [
    '-m iprange --src-range 10.0.0.1-10.0.0.5',
    '-m iprange --src-range 10.0.0.1',
    '-m iprange ! --src-range 10.0.0.5-10.0.0.1',
    '-m iprange ! --dst-range 10.0.0.1-10.0.0.5 --src-range 1.1.1.1-1.1.1.1',
    '-m iprange --src-range 10-11',
  ],
  invalid: [
    '-m iprange',
    '-m iprange --src-range 10.0.0.0/8',
    '-m iprange --src-range ::1',
    '-m iprange --src-range 1.1.1.1-',
    '-m iprange --src-range 1.1.1.1-1.1.1.2-1.1.1.3',
    '-m iprange --src-range 1.1.1.1 --src-range 1.1.1.2',
  ],
  random: (random) =>
    `-m iprange ${random.not()}--src-range ${random.address('ipv4')}-${random.address('ipv4')}${random.maybe(50, () => `${random.not()}--dst-range ${random.address('ipv4')}`)}`,
});

conformance(test, 'iprange', {
  families: ['ipv6'],
  valid: ['-m iprange --src-range ::1-::5', '-m iprange ! --dst-range ::1 --src-range 1::-2::'],
  invalid: ['-m iprange --src-range 1.2.3.4-1.2.3.5', '-m iprange --src-range ::1/64'],
});

conformance(test, 'mac', {
  families: both,
  valid: [
    '-m mac --mac-source 00:11:22:33:44:55',
    '-m mac ! --mac-source 0:1:2:3:4:5',
    '-m mac --mac-source aa:bb:CC:33:44:ff',
  ],
  invalid: [
    '-m mac',
    ...[
      '00:11:22:33:44',
      '00:11:22:33:44:5g',
      '00-11-22-33-44-55',
      '0:1:2:3:4:5:6',
      '',
      '000:1:2:3:4:5',
    ].map((address) => `-m mac --mac-source "${address}"`),
  ],
});

conformance(test, 'owner', {
  families: both,
  valid: [
    '-m owner --uid-owner root',
    '-m owner --uid-owner 0-1000',
    '-m owner ! --gid-owner daemon',
    '-m owner --gid-owner 1-2 --suppl-groups',
    '-m owner --socket-exists',
    '-m owner ! --socket-exists',
    '-m owner --uid-owner 4294967294',
    '-m owner --uid-owner 1-1',
    '-m owner ! --uid-owner 5-7 ! --gid-owner 8 --socket-exists --suppl-groups',
  ],
  invalid: [
    '-m owner',
    '-m owner --uid-owner 5-3',
    '-m owner --uid-owner nosuchuser',
    '-m owner --gid-owner nosuchgroup',
    '-m owner --uid-owner 1-',
    '-m owner --uid-owner 4294967295',
    '-m owner --suppl-groups',
    '-m owner --uid-owner 1 --suppl-groups',
    '-m owner --gid-owner 1 ! --suppl-groups',
    '-m owner --uid-owner 1 --uid-owner 2',
  ],
  random: (random) =>
    [
      `-m owner ${random.not()}--uid-owner ${random.portRange('-')}`,
      random.maybe(50, () => `${random.not()}--gid-owner ${random.portRange('-')}`),
      random.maybe(30, () => `${random.not()}--socket-exists`),
    ].join(''),
});

test.run();

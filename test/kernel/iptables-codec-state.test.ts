// Matches of connection tracking and marks: conntrack, state, mark, connmark, limit.
import { suite } from '../support/harness.js';
import { conformance } from '../support/iptables-oracle.js';
import type { Random } from '../support/random-rules.js';

const test = suite('iptables codec: state');
const both = ['ipv4', 'ipv6'] as const;

const states = ['INVALID', 'NEW', 'RELATED', 'ESTABLISHED', 'UNTRACKED', 'SNAT', 'DNAT'];
const statuses = ['EXPECTED', 'SEEN_REPLY', 'ASSURED', 'CONFIRMED'];

const anyConntrack = (random: Random, address: () => string) =>
  [
    ` ${random.not()}--ctstate ${random.some(states).join(',')}`,
    random.maybe(30, () => `${random.not()}--ctproto ${1 + random.int(255)}`),
    random.maybe(30, () => `${random.not()}--ctorigsrc ${address()}`),
    random.maybe(30, () => `${random.not()}--ctorigdst ${address()}`),
    random.maybe(30, () => `${random.not()}--ctreplsrc ${address()}`),
    random.maybe(30, () => `${random.not()}--ctrepldst ${address()}`),
    random.maybe(30, () => `${random.not()}--ctorigsrcport ${random.portRange(':', true)}`),
    random.maybe(30, () => `${random.not()}--ctorigdstport ${random.portRange(':', true)}`),
    random.maybe(30, () => `${random.not()}--ctreplsrcport ${random.portRange(':', true)}`),
    random.maybe(30, () => `${random.not()}--ctrepldstport ${random.portRange(':', true)}`),
    random.maybe(30, () => `${random.not()}--ctstatus ${random.some(statuses).join(',')}`),
    random.maybe(30, () => `${random.not()}--ctexpire ${random.portRange(':', true)}`),
    random.maybe(30, () => `--ctdir ${random.pick(['ORIGINAL', 'REPLY'])}`),
  ].join('');

const conntrack = [
  '-m conntrack --ctstate NEW,ESTABLISHED',
  '-m conntrack ! --ctstate invalid,untracked,snat,dnat,related',
  '-m conntrack --ctproto 0',
  '-m conntrack --ctproto tcp',
  '-m conntrack --ctproto TCP',
  '-m conntrack ! --ctproto udp',
  '-m conntrack ! --ctproto 0',
  '-m conntrack --ctstate n,EST,i',
  '-m conntrack --ctstatus N,s',
  '-m conntrack --ctproto dccp',
  '-m conntrack --ctorigsrcport 5 --ctorigdstport 5:10 ! --ctreplsrcport 7 --ctrepldstport 0:65535',
  '-m conntrack --ctorigsrcport ssh',
  '-m conntrack --ctorigsrcport :10',
  '-m conntrack --ctorigsrcport 10:',
  '-m conntrack --ctstatus NONE',
  '-m conntrack --ctstatus none,assured',
  '-m conntrack ! --ctstatus EXPECTED,SEEN_REPLY,ASSURED,CONFIRMED',
  '-m conntrack --ctexpire 5',
  '-m conntrack --ctorigsrcport 10:5 ! --ctrepldstport 7:1',
  '-m conntrack ! --ctexpire 10:5',
  '-m conntrack ! --ctexpire 5:10',
  '-m conntrack --ctexpire :5',
  '-m conntrack --ctexpire 5:',
  '-m conntrack --ctexpire 0x10',
  '-m conntrack --ctdir ORIGINAL',
  '-m conntrack --ctdir reply',
  '-m state --state NEW',
  '-m state ! --state RELATED,ESTABLISHED',
  '-m state --state INVALID,NEW,RELATED,ESTABLISHED,UNTRACKED',
  '-m state --state NEW -m conntrack --ctstate NEW -m state --state INVALID',
];
const badConntrack = [
  '-m conntrack',
  '-m conntrack --ctstate NEW,',
  '-m conntrack --ctstate FOO',
  '-m conntrack --ctstate ""',
  '-m conntrack --ctstate NEW --ctstate INVALID',
  '-m conntrack --ctstatus FOO',
  '-m conntrack --ctstatus ""',
  '-m conntrack --ctorigsrcport 0x10',
  '-m conntrack --ctorigsrcport nosuch',
  '-m conntrack --ctdir foo',
  '-m conntrack ! --ctdir ORIGINAL',
  '-m conntrack --ctproto nosuch',
  '-m conntrack --ctproto 256',
  '-m conntrack --ctexpire x',
  '-m conntrack --ctexpire 4294967296',
  '-m conntrack --ctorigsrc nosuch.invalid.',
  '-m conntrack --state NEW',
  '-m state',
  '-m state --state SNAT',
  '-m state --ctstate NEW',
  '-m state --state NEW --state INVALID',
];
const odd = ['-m conntrack --ctorigsrcport 65536'];

conformance(test, 'conntrack', {
  families: ['ipv4'],
  valid: [
    ...conntrack,
    '-m conntrack --ctorigsrc 10.0.0.1 --ctorigdst 10.0.0.0/8 --ctreplsrc 1.2.3.4/16 ! --ctrepldst 2.2.2.2',
    '-m conntrack --ctorigsrc 0.0.0.0/0',
    { spec: '-m conntrack --ctorigsrc 10.0.0.1/32', lossy: true },
    '-m conntrack --ctreplsrc 1.2.3.4/0',
    '-m conntrack --ctreplsrc 0.0.0.0/8',
    '-m conntrack --ctreplsrc 0.0.0.0',
    '-m conntrack --ctreplsrc 1.2.3.4/255.255.0.0',
    '-m conntrack --ctreplsrc 1.2.3.4/0x10',
  ],
  invalid: [...badConntrack, '-m conntrack --ctorigsrc 10.0.0.1,10.0.0.2'],
  onlyIptables: [
    ...odd,
    '-m conntrack --ctorigsrc localhost',
    '-m conntrack --ctorigsrc 10.1',
    '-m conntrack --ctreplsrc 1.2.3.4/255.0.255.0',
    '-m conntrack --ctreplsrc 1.2.3.4/33',
  ],
  random: (random) => `-m conntrack${anyConntrack(random, () => random.address('ipv4'))}`,
});

conformance(test, 'conntrack', {
  families: ['ipv6'],
  valid: [
    ...conntrack,
    '-m conntrack --ctorigsrc ::1 --ctorigdst 2001:db8::/32 --ctreplsrc ::/0 --ctproto 6',
    '-m conntrack ! --ctrepldst 2001:db8::1/64',
  ],
  invalid: [...badConntrack, '-m conntrack --ctorigsrc 1.2.3.4'],
  onlyIptables: [...odd, '-m conntrack --ctorigsrc ::1/ffff::ffff'],
  random: (random) => `-m conntrack${anyConntrack(random, () => random.network('ipv6'))}`,
});

for (const name of ['mark', 'connmark']) {
  conformance(test, name, {
    families: both,
    valid: ['1', '1/0xff', '0x1ff/0xff', '0', '0/0', '4294967295', '7/0xffffffff', '017'].flatMap(
      (value) => [`-m ${name} --mark ${value}`, `-m ${name} ! --mark ${value}`],
    ),
    invalid: [
      `-m ${name}`,
      ...['0x100000000', '1/', '/1', '1/2/3', 'x', '-1', '1/0x100000000'].map(
        (value) => `-m ${name} --mark ${value}`,
      ),
      `-m ${name} --mark 1 --mark 2`,
    ],
    random: (random) =>
      `-m ${name} ${random.not()}--mark ${random.u32()}${random.chance(50) ? `/${random.u32()}` : ''}`,
  });
}

conformance(test, 'limit', {
  families: both,
  valid: [
    '-m limit',
    ...[
      '60/minute',
      '7/MIN',
      '5',
      '5/s',
      '10000/s',
      '9999/s',
      '7000/m',
      '11/d',
      '90000000/day',
    ].map((rate) => `-m limit --limit ${rate}`),
    ...['90/minute', '3/hour', '120/minute', '24/day', '150/minute', '13/hour', '6000/second'].map(
      (rate) => `-m limit --limit ${rate}`,
    ),
    '-m limit --limit 1/h --limit-burst 5',
    '-m limit --limit 60/minute --limit-burst 30',
    '-m limit --limit 10/s --limit-burst 10000',
  ],
  invalid: [
    ...['0', '10001/s', '5/sx', '1/', '1/month', '', 'x/s', '/s'].map(
      (rate) => `-m limit --limit "${rate}"`,
    ),
    '-m limit --limit-burst 10001',
    '-m limit --limit 1/s --limit-burst 0',
    '-m limit ! --limit 3/s',
    '-m limit --limit 3/s --limit 4/s',
  ],
  kernelRefuses: ['-m limit --limit-burst 10000', '-m limit --limit 3/d'],
  random: (random) =>
    `-m limit --limit ${1 + random.int(10000)}/${random.pick(['s', 'minute', 'sec'])} --limit-burst ${1 + random.int(20)}`,
});

test.run();

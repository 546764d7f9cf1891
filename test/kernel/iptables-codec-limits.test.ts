// Matches that count and limit: hashlimit, recent, statistic.
import { suite } from '../support/harness.js';
import { conformance, type Spec } from '../support/iptables-oracle.js';

const test = suite('iptables codec: limits');
const both = ['ipv4', 'ipv6'] as const;
const each = (lead: string, values: readonly string[]) => values.map((value) => `${lead} ${value}`);
const lossy = (specs: readonly string[]): Spec[] => specs.map((spec) => ({ spec, lossy: true }));

const hashlimit = '-m hashlimit --hashlimit-name a';
const upto = (rest: string) => `${hashlimit} --hashlimit-upto ${rest}`;
// Rules share a kernel table by its name. The kernel refuses two kinds of counting in one table.
const rateMatch = (name: string, rest: string) =>
  `-m hashlimit --hashlimit-name rm-${name} --hashlimit-rate-match --hashlimit-upto ${rest}`;
const keys = ['srcip', 'srcport', 'dstip', 'dstport'];

for (const [family, full] of [
  ['ipv4', 32],
  ['ipv6', 128],
] as const) {
  conformance(test, 'hashlimit', {
    families: [family],
    valid: [
      ...[
        ...['5', '5/s', '5/sec', '5/second', '5/S', '5/m', '5/min', '7/hour', '5/day', '5/D', '1'],
        ...['6000/second', '7000/minute', '9999/second', '1000000/second', '90/minute', '333/s'],
        ...['150/minute', '7/hour', '1/min'],
      ].map(upto),
      // The time to live follows the unit in the text. 60/minute is saved as 1/sec and 60000, which is not the same.
      ...lossy(['60/minute', '24/day', '60000000/min', '4294967295/day'].map(upto)),
      `${hashlimit} --hashlimit 5`,
      `${hashlimit} --hashlimit-above 5/sec`,
      `${hashlimit} ! --hashlimit-upto 5/sec`,
      `${hashlimit} ! --hashlimit 5/sec`,
      `${hashlimit} ! --hashlimit-above 5/sec`,
      ...each(upto('5/s --hashlimit-burst'), ['1', '5', '6', '10001', '1000000', '0x10', '5kb']),
      ...each(upto('5 --hashlimit-mode'), [...keys, keys.join(), [...keys].reverse().join()]),
      ...each(upto('5 --hashlimit-mode'), ['srcip,', 'srcip,srcip', '""', ',,dstip']),
      upto('5 --hashlimit-srcmask 24'),
      upto(`5 --hashlimit-mode srcip --hashlimit-srcmask ${full}`),
      upto('5 --hashlimit-mode srcip,dstip --hashlimit-srcmask 0 --hashlimit-dstmask 8'),
      ...each(upto('5 --hashlimit-htable-size'), ['0', '100', '1048576']),
      ...each(upto('5 --hashlimit-htable-max'), ['0', '1000', '1048576']),
      ...each(upto('5 --hashlimit-htable-gcinterval'), ['1', '500', '1000', '4294967295']),
      ...each(upto('5 --hashlimit-htable-expire'), ['1', '500', '1000', '10000', '4294967295']),
      ...each(upto('5/min --hashlimit-htable-expire'), ['1000', '60000']),
      upto('5/hour --hashlimit-htable-expire 3600000'),
      upto('5/day --hashlimit-htable-expire 86400000'),
      ...[
        '16b/s',
        '5kb/s',
        '5kb/sec',
        '5kb/second',
        '512kb/s',
        '1mb/s',
        '1536kb/s',
        '1023mb/s',
      ].map(upto),
      ...['10000b/s', '4095mb/s', '4194303kb/s'].map(upto),
      // iptables-save computes the rate from a reciprocal. It prints a different rate, or none, and that text may
      // change again.
      { spec: upto('5b/s'), ours: 'raw' },
      ...lossy(['1500b/s', '1024mb/s', '4294967295b/s', '4096mb/s'].map(upto)),
      upto('512kb/s --hashlimit-burst 1mb'),
      upto('512kb/s --hashlimit-burst 512kb'),
      upto('1536kb/s --hashlimit-burst 3m'),
      upto('16b/s --hashlimit-burst 64mb'),
      ...lossy([
        upto('1500b/s --hashlimit-burst 1500'),
        upto('1500b/s --hashlimit-burst 1490'),
        `${hashlimit} --hashlimit-above 10000b/s --hashlimit-burst 20000b`,
        upto('512kb/s --hashlimit-burst 600kb'),
      ]),
      ...each(upto('1mb/s --hashlimit-htable-expire'), ['1000', '15000', '60000']),
      ...each(upto('1mb/s --hashlimit-burst 2mb --hashlimit-htable-expire'), ['15000', '60000']),
      upto(
        '1mb/s --hashlimit-htable-gcinterval 1001 --hashlimit-htable-max 3 --hashlimit-htable-size 4',
      ),
      rateMatch('1', '5/s'),
      rateMatch('2', '5/s --hashlimit-rate-interval 10'),
      rateMatch('3', '5/min'),
      rateMatch('4', '60/min --hashlimit-rate-interval 10'),
      rateMatch('5', '5/day'),
      rateMatch('6', '5kb/s --hashlimit-rate-interval 60'),
      rateMatch('7', '5kb/s'),
      rateMatch('8', '1mb/s --hashlimit-burst 2mb'),
      rateMatch('12', '5/s --hashlimit-rate-interval 2147483647'),
      rateMatch('9', '700000/min'),
      rateMatch('10', '333/hour --hashlimit-htable-expire 99'),
      rateMatch('11', '5/s --hashlimit-burst 7 --hashlimit-mode srcip --hashlimit-srcmask 20'),
      // The kernel stores it, and iptables-save does not print it.
      ...lossy([upto('5/s --hashlimit-rate-interval 60'), upto('5/s --hashlimit-rate-interval 1')]),
      `-m hashlimit --hashlimit-name ${'n'.repeat(254)} --hashlimit-upto 5`,
      '-m hashlimit --hashlimit-name b --hashlimit-upto 5 -m hashlimit --hashlimit-name c --hashlimit-upto 6',
    ],
    invalid: [
      '-m hashlimit',
      '-m hashlimit --hashlimit-upto 5',
      hashlimit,
      ...['0', '5/', '5/x', '1000001/second', '60000001/min', '0b/s', '0x10b/s', '0x10/s'].map(
        upto,
      ),
      ...['xb/s', '/s', '""', '5/minutes', '5kb/', '-1'].map(upto),
      `${hashlimit} --hashlimit-above 5/sec --hashlimit-upto 5/sec`,
      `${hashlimit} --hashlimit-upto 5/sec --hashlimit-above 5/sec`,
      upto('5 --hashlimit 6'),
      upto('5 --hashlimit-name b'),
      ...['""', '.', '..', 'a/b'].map(
        (name) => `-m hashlimit --hashlimit-upto 5 --hashlimit-name ${name}`,
      ),
      ...each(upto('5 --hashlimit-mode'), ['none', 'SRCIP', 'src', 'srcip,none']),
      upto('5 ! --hashlimit-mode srcip'),
      upto(`5 --hashlimit-srcmask ${full + 1}`),
      upto('5 --hashlimit-dstmask x'),
      ...each(upto('5/s --hashlimit-burst'), ['0', '1000001', '1mb', '""', 'x']),
      upto('512kb/s --hashlimit-burst 500kb'),
      upto('512kb/s --hashlimit-burst 5'),
      upto('1500b/s --hashlimit-burst 1487'),
      upto('5 --hashlimit-htable-size 4294967296'),
      upto('5 --hashlimit-htable-gcinterval 0'),
      upto('5 --hashlimit-htable-expire 0'),
      upto('5/s ! --hashlimit-rate-match'),
      ...each(rateMatch('bad', '5/s --hashlimit-rate-interval'), ['0', '2147483648', '0x10', 'x']),
    ],
    // The bucket does not fit in the kernel's 64 bits.
    kernelRefuses: ['1/day', '3/day'].map(upto),
    onlyIptables: [
      // iptables reads these as other rates than the text says.
      ...['1gb/s', '1MB/s', '1b', '512kb', '512kb/min', '512k/s', '5Kb/s', '5xyz/s', '5bb/s'].map(
        upto,
      ),
      upto('16b/s --hashlimit-burst 5000mb'),
      upto('5/s --hashlimit-burst 5x'),
      // iptables-save could not write this in a form that can be read.
      `-m hashlimit --hashlimit-upto 5 --hashlimit-name ${'n'.repeat(255)}`,
      // The kernel changes it to 1048576.
      upto('5 --hashlimit-htable-size 4294967295'),
      upto('5 --hashlimit-htable-max 4294967295'),
    ],
    random: (random) =>
      [
        `-m hashlimit --hashlimit-name r${random.int(3)} --hashlimit-${random.pick(['upto', 'above'])} `,
        `${16 + random.int(2000)}${random.pick(['/s', '/sec', 'kb/s', '000b/s', 'mb/s'])}`,
        random.maybe(40, () => `--hashlimit-mode ${random.some(keys).join()}`),
        random.maybe(30, () => `--hashlimit-srcmask ${random.int(full + 1)}`),
        random.maybe(30, () => `--hashlimit-dstmask ${random.int(full + 1)}`),
        random.maybe(30, () => `--hashlimit-htable-size ${random.int(1000)}`),
        random.maybe(30, () => `--hashlimit-htable-max ${random.int(1000)}`),
        random.maybe(30, () => `--hashlimit-htable-gcinterval ${1 + random.int(1000)}`),
        random.maybe(30, () => `--hashlimit-htable-expire ${1 + random.int(1000)}`),
      ].join(''),
  });
}

const recent = (rest: string) => `-m recent ${rest}`;
const recents = [
  ...['--set', '! --set', '--rcheck', '! --rcheck', '--update', '! --update', '--remove'].map(
    recent,
  ),
  recent('! --remove'),
  recent('--rcheck --seconds 5'),
  recent('--rcheck --seconds 2147483647 --hitcount 3'),
  ...each('-m recent --rcheck --hitcount', ['1', '20', '255', '65535']),
  recent('--update --seconds 5 --reap'),
  recent('--rcheck --rttl'),
  recent('--update --rttl --seconds 5 --reap --hitcount 3 --name foo --rdest'),
  recent('--set --name foo'),
  recent('--set --name DEFAULT'),
  recent('--set --name x.y-z_1'),
  recent(`--set --name ${'n'.repeat(199)}`),
  recent('--set --rsource'),
  recent('--set --rdest'),
  recent('--set --rdest --rsource'),
  recent('--set --rsource --rdest'),
];
const badRecents = [
  recent(''),
  recent('--name foo'),
  recent('--set --rcheck'),
  recent('--update --remove'),
  recent('--set --set'),
  recent('--rcheck --seconds 0'),
  recent('--rcheck --seconds x'),
  recent('--rcheck --hitcount 65536'),
  recent('--rcheck --hitcount x'),
  recent('--update --reap'),
  ...['--set', '--remove'].flatMap((operation) =>
    ['--seconds 5', '--hitcount 5', '--rttl', '--reap --seconds 5'].map((rest) =>
      recent(`${operation} ${rest}`),
    ),
  ),
  ...['""', '.', '..', 'a/b'].map((name) => recent(`--set --name ${name}`)),
  recent('--rcheck ! --rttl'),
  recent('--rcheck ! --seconds 5'),
  recent('--set --rdest --rdest'),
];
const oddRecents = [recent('--rcheck --hitcount 0'), recent(`--set --name ${'n'.repeat(200)}`)];

conformance(test, 'recent', {
  families: ['ipv4'],
  valid: [
    // Without a mask iptables fills the whole union. It saves a mask, and with a mask it fills only 4 bytes.
    ...lossy(recents),
    ...['255.255.255.0', '255.0.255.0', '0.0.0.0', '255.255.255.255', '1.2.3.4'].map((mask) =>
      recent(`--set --mask ${mask}`),
    ),
    recent('! --update --mask 255.255.0.0 --rdest --name foo --hitcount 4'),
  ],
  invalid: [...badRecents, recent('--set --mask ffff::'), recent('--set --mask 255.255.255.0/24')],
  // iptables reads 24 as 0.0.0.24.
  onlyIptables: [...oddRecents, recent('--set --mask 24')],
});
conformance(test, 'recent', {
  families: ['ipv6'],
  valid: [
    ...recents,
    // iptables-save prints -1.
    {
      spec: recent('--rcheck --seconds 4294967295'),
      ours: (family) =>
        `-m recent --rcheck --seconds 4294967295 --name DEFAULT --mask ${family === 'ipv4' ? '255.255.255.255' : 'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff'} --rsource`,
    },
    ...['ffff::', 'ffff:0:ffff::', '::', '::1', 'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff'].map(
      (mask) => recent(`--set --mask ${mask}`),
    ),
  ],
  invalid: [...badRecents, recent('--set --mask 64'), recent('--set --mask 255.255.255.0')],
  onlyIptables: oddRecents,
});

const random = (value: string) => `-m statistic --mode random --probability ${value}`;
const nth = (rest: string) => `-m statistic --mode nth ${rest}`;
conformance(test, 'statistic', {
  families: both,
  valid: [
    ...['0', '1', '0.5', '.5', '1.', '0.25', '0.33333333333', '1e-3', '5E-1', '+0.5'].map(random),
    ...['0.99999999999', '0.0000000001', '0.00000000047', '0.9999999995'].map(random),
    // These are halfway between two texts. C rounds to the even digit.
    ...[1, 3, 5, 7, 4095].map((ties) => random(String(ties / 4096))),
    '-m statistic --mode random ! --probability 0.5',
    '-m statistic --probability 0.5 --mode random',
    nth('--every 3 --packet 0'),
    nth('! --every 3 --packet 2'),
    nth('--packet 1 --every 3'),
    nth('--every 1 --packet 0'),
    nth('--every 4294967295 --packet 4294967294'),
    nth('--every 0x10 --packet 010'),
  ],
  invalid: [
    '-m statistic',
    ...['1.1', '-0.1', '5.', '0.5x', 'x', '""', '50%', '.', '1e', '0.5.5'].map(random),
    '-m statistic --mode random',
    '-m statistic --mode random --every 5 --packet 0',
    '-m statistic --mode random --probability 0.5 --packet 3',
    '-m statistic --mode random --probability 0.5 --every 3 --packet 1',
    '-m statistic --probability 0.5',
    '-m statistic --every 3 --packet 0',
    '-m statistic --mode foo',
    '-m statistic --mode NTH --every 5 --packet 0',
    '-m statistic --mode nth --mode random --probability 0.5',
    '-m statistic ! --mode random --probability 0.5',
    nth(''),
    nth('--every 3'),
    nth('--packet 1'),
    nth('--every 3 --packet 3'),
    nth('--every 0 --packet 0'),
    nth('--every 4294967296 --packet 0'),
    nth('--probability 0.5'),
    nth('--every 5 --packet 0 --probability 0.5'),
  ],
  onlyIptables: [random('0x0.8')],
  random: (r) => {
    const every = 1 + r.int(1000);
    return r.chance(50)
      ? `-m statistic --mode random ${r.not()}--probability ${r.int(4097) / 4096}`
      : `-m statistic --mode nth ${r.not()}--every ${every} --packet ${r.int(every)}`;
  },
});

test.run();

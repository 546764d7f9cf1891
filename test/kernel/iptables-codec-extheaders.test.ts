// Matches on the headers of IPsec and on IPv6's extension headers: ah, esp, ipcomp, frag, hbh, dst, rt,
// ipv6header, mh, srh; and eui64.
import { fakeKernel } from '../support/fake-kernel.js';
import { suite } from '../support/harness.js';
import { conformance } from '../support/iptables-oracle.js';
import type { Random } from '../support/random-rules.js';

const test = suite('iptables codec: extension headers');
const both = ['ipv4', 'ipv6'] as const;

const most = 4294967295;
/** Forms of a 32-bit number or range that all these options read the same way. */
const ranges = [
  '0',
  '5',
  '0x10',
  '020',
  `${most}`,
  '5:5',
  '3:5',
  '5:3',
  ':3',
  '3:',
  '0:3',
  `3:${most}`,
];
const badRanges = ['-1', 'x', `${most + 1}`, '5:6:7', '1:x', '5-6', `0:${most + 1}`];
/** Never the full range: iptables-save leaves it out, and its negation too. */
function randomRange(random: Random): string {
  const [a, b] = [random.u32(), random.u32()];
  return random.chance(50) || b - a === most ? `${a}` : `${a}:${b}`;
}

for (const [name, option, protocol, families] of [
  ['ah', 'ahspi', 'ah', ['ipv4']],
  ['esp', 'espspi', 'esp', both],
  ['ipcomp', 'ipcompspi', '108', both],
] as const) {
  const lead = `-p ${protocol} -m ${name}`;
  conformance(test, name, {
    families,
    valid: [
      `-p ${protocol} --${option} 7`,
      ...ranges.flatMap((spi) => [`${lead} --${option} ${spi}`, `${lead} ! --${option} ${spi}`]),
      ...(name === 'ipcomp'
        ? [
            lead,
            `${lead} --compres`,
            `${lead} --ipcompspi 5 --compres`,
            `${lead} --compres ! --ipcompspi 5:9`,
            {
              spec: `${lead} --ipcompspi 0:${most}`,
              ours: `-p ipcomp -m ipcomp --ipcompspi 0:${most}`,
            },
          ]
        : [lead, `${lead} --${option} :`, `${lead} --${option} 0:${most}`]),
      {
        spec: `${lead} ! --${option} 0:${most}`,
        ours: `-p ${name} -m ${name} ! --${option} 0:${most}`,
      },
    ],
    invalid: [
      ...badRanges.map((spi) => `${lead} --${option} ${spi}`),
      `-m ${name} --${option} 5`,
      `-p tcp -m ${name} --${option} 5`,
      `! -p ${protocol} -m ${name} --${option} 5`,
      `${lead} --${option} 5 --${option} 6`,
      `${lead} --${option}`,
      ...(name === 'ah' ? [`${lead} --ahres`, `${lead} --ahlen 5`] : []),
      ...(name === 'ipcomp' ? [`${lead} ! --compres`, `${lead} --compres --compres`] : []),
    ],
    onlyIptables: [`${lead} --${option} ""`],
    random: (random) => `${lead} ${random.not()}--${option} ${randomRange(random)}`,
  });
}

conformance(test, 'ah', {
  families: ['ipv6'],
  valid: [
    '-m ah',
    '-p ah --ahspi 5',
    '-p tcp -m ah --ahspi 5',
    '! -p ah -m ah --ahspi 5',
    ...ranges.flatMap((spi) => [`-m ah --ahspi ${spi}`, `-m ah ! --ahspi ${spi}`]),
    ...['0', '8', '0x10', `${most}`].flatMap((length) => [
      `-m ah --ahlen ${length}`,
      `-m ah ! --ahlen ${length}`,
    ]),
    '-m ah --ahres',
    '-m ah --ahres ! --ahlen 8 --ahspi 5:',
    { spec: `-m ah ! --ahspi 0:${most}`, ours: `-m ah ! --ahspi 0:${most}` },
  ],
  invalid: [
    ...badRanges.map((spi) => `-m ah --ahspi ${spi}`),
    ...['-1', 'x', '""', `${most + 1}`, '1:2'].map((length) => `-m ah --ahlen ${length}`),
    '-m ah ! --ahres',
    '-m ah --ahres --ahres',
    '-m ah --ahspi 1 --ahspi 2',
    '-m ah --ahlen 1 --ahlen 2',
  ],
  onlyIptables: ['-m ah --ahspi ""'],
  random: (random) =>
    [
      '-m ah',
      random.maybe(60, () => `${random.not()}--ahspi ${randomRange(random)}`),
      random.maybe(60, () => `${random.not()}--ahlen ${random.u32()}`),
      random.maybe(40, () => '--ahres'),
    ].join(''),
});

conformance(test, 'frag', {
  families: ['ipv6'],
  valid: [
    '-m frag',
    ...ranges.flatMap((id) => [`-m frag --fragid ${id}`, `-m frag ! --fragid ${id}`]),
    ...['0', '8', '0x10', `${most}`].flatMap((length) => [
      `-m frag --fraglen ${length}`,
      `-m frag ! --fraglen ${length}`,
    ]),
    '-m frag --fragres',
    '-m frag --fragfirst',
    '-m frag --fragmore',
    '-m frag --fraglast',
    '-m frag --fragmore --fragfirst --fragres --fraglen 8 --fragid 1:2',
    '-m frag --fraglast --fragfirst',
    { spec: `-m frag --fragid 0:${most}`, lossy: true },
    { spec: '-m frag ! --fragid :', ours: `-m frag ! --fragid 0:${most}` },
  ],
  invalid: [
    ...badRanges.map((id) => `-m frag --fragid ${id}`),
    ...['-1', 'x', '""', `${most + 1}`].map((length) => `-m frag --fraglen ${length}`),
    ...['fragres', 'fragfirst', 'fragmore', 'fraglast'].flatMap((flag) => [
      `-m frag ! --${flag}`,
      `-m frag --${flag} --${flag}`,
      `-m frag --${flag}=1`,
    ]),
    '-m frag --fragmore --fraglast',
    '-m frag --fraglast --fragmore',
    '-m frag --fragid 1 --fragid 1',
  ],
  onlyIptables: ['-m frag --fragid ""'],
  random: (random) =>
    [
      '-m frag',
      random.maybe(60, () => `${random.not()}--fragid ${randomRange(random)}`),
      random.maybe(60, () => `${random.not()}--fraglen ${random.u32()}`),
      random.maybe(40, () => '--fragres'),
      random.maybe(40, () => '--fragfirst'),
      random.maybe(60, () => random.pick(['--fragmore', '--fraglast'])),
    ].join(''),
});

const sixteen = Array.from({ length: 16 }, (_, index) => index);
for (const name of ['hbh', 'dst']) {
  const [length, options] = [`-m ${name} --${name}-len`, `-m ${name} --${name}-opts`];
  conformance(test, name, {
    families: ['ipv6'],
    valid: [
      `-m ${name}`,
      ...['0', '8', '0x10', `${most}`].flatMap((bytes) => [
        `${length} ${bytes}`,
        `-m ${name} ! --${name}-len ${bytes}`,
      ]),
      ...[
        '0',
        '1',
        '255',
        '1:0',
        '1:2',
        '1:254',
        '1:255',
        '255:255',
        '0x10:0x4',
        '1,2:3,4,5:0',
      ].map((list) => `${options} ${list}`),
      `${options} ${sixteen.join()}`,
      `${options} ${sixteen
        .slice(1)
        .map((n) => `${n}:${n}`)
        .join()},0`,
      `${options} 5,4 ! --${name}-len 24`,
    ],
    invalid: [
      ...['-1', 'x', '""', `${most + 1}`, '1:2'].map((bytes) => `${length} ${bytes}`),
      ...[
        '""',
        'x',
        '1:',
        ':1',
        '1,',
        ',1',
        '1,,2',
        '1:2:3',
        '1:x',
        '1-2',
        '0:0',
        '0:255',
        '1,0:5',
      ].map((list) => `${options} ${list}`),
      `${options} ${[...sixteen, 16].join()}`,
      `${options} ${sixteen.join()}:5`,
      `${options} ${sixteen.join()}:255`,
      `-m ${name} ! --${name}-opts 1`,
      `${options} 1 --${name}-opts 2`,
      `${length} 1 --${name}-len 2`,
      `-m ${name} --${name}-not-strict`,
    ],
    // iptables cuts them to a byte.
    onlyIptables: [`${options} 256`, `${options} 1:256`],
    random(random) {
      const list = Array.from({ length: 1 + random.int(16) }, () =>
        random.chance(50) ? random.int(256) : `${1 + random.int(255)}:${random.int(256)}`,
      );
      const first = random.maybe(60, () => `${random.not()}--${name}-len ${random.u32()}`);
      return `-m ${name}${first} --${name}-opts ${list.join()}`;
    },
  });
}

const manyAddresses = (count: number) =>
  Array.from({ length: count }, (_, n) => `fd00::${n}`).join();
conformance(test, 'rt', {
  families: ['ipv6'],
  valid: [
    '-m rt',
    ...['0', '2', '0x10', `${most}`].flatMap((type) => [
      `-m rt --rt-type ${type}`,
      `-m rt ! --rt-type ${type}`,
      `-m rt --rt-len ${type}`,
      `-m rt ! --rt-len ${type}`,
    ]),
    ...ranges.flatMap((left) => [`-m rt --rt-segsleft ${left}`, `-m rt ! --rt-segsleft ${left}`]),
    '-m rt --rt-type 0 --rt-0-res',
    '-m rt --rt-type 0 --rt-0-addrs ::1',
    `-m rt --rt-type 0 --rt-0-addrs ${manyAddresses(16)}`,
    '-m rt --rt-type 0 --rt-0-addrs ::,2001:db8::1,::ffff:1.2.3.4 --rt-0-not-strict',
    '-m rt --rt-len 24 --rt-type 0 --rt-0-addrs ::1 --rt-0-not-strict --rt-0-res --rt-segsleft 1:3',
    { spec: '-m rt --rt-segsleft :', lossy: true },
    { spec: `-m rt ! --rt-segsleft 0:${most}`, ours: `-m rt ! --rt-segsleft 0:${most}` },
  ],
  invalid: [
    ...['-1', 'x', '""', `${most + 1}`, '1:2'].flatMap((type) => [
      `-m rt --rt-type ${type}`,
      `-m rt --rt-len ${type}`,
    ]),
    ...badRanges.map((left) => `-m rt --rt-segsleft ${left}`),
    ...['', '--rt-type 1 ', '! --rt-type 0 '].flatMap((type) => [
      `-m rt ${type}--rt-0-res`,
      `-m rt ${type}--rt-0-addrs ::1`,
      `-m rt ${type}--rt-0-not-strict`,
    ]),
    '-m rt --rt-0-res --rt-type 0',
    '-m rt --rt-0-addrs ::1 --rt-type 0',
    '-m rt --rt-type 0 --rt-0-not-strict',
    '-m rt --rt-type 0 --rt-0-not-strict --rt-0-addrs ::1',
    ...['""', 'x', '::1/64', '::1,', ',::1', '1.2.3.4', '::1-::2', manyAddresses(17)].map(
      (list) => `-m rt --rt-type 0 --rt-0-addrs ${list}`,
    ),
    '-m rt --rt-type 0 ! --rt-0-addrs ::1',
    '-m rt --rt-type 0 ! --rt-0-res',
    '-m rt --rt-type 0 --rt-type 0',
  ],
  onlyIptables: ['-m rt --rt-segsleft ""'],
  random: (random) =>
    [
      '-m rt',
      random.maybe(60, () => `${random.not()}--rt-segsleft ${randomRange(random)}`),
      random.maybe(60, () => `${random.not()}--rt-len ${random.u32()}`),
      random.pick([
        '',
        ` ${random.not()}--rt-type ${random.u32()}`,
        ' --rt-type 0 --rt-0-res',
        ` --rt-type 0 --rt-0-addrs ${random.address('ipv6')},${random.address('ipv6')}`,
        ` --rt-type 0 --rt-0-addrs ${random.address('ipv6')} --rt-0-not-strict`,
      ]),
    ].join(''),
});

const headers = ['hop', 'dst', 'route', 'frag', 'auth', 'esp', 'none', 'prot'];
const longHeaders = 'hop-by-hop,ipv6-opts,ipv6-route,ipv6-frag,ah,esp,ipv6-nonxt,protocol'.split(
  ',',
);
const headerNumbers = ['0', '60', '43', '44', '51', '50', '59', '255'];
conformance(test, 'ipv6header', {
  families: ['ipv6'],
  valid: [
    ...[...headers, ...longHeaders, ...headerNumbers, 'ip', 'hopopt', 'IPv6-Opts'].flatMap(
      (name) => [`-m ipv6header --header ${name}`, `-m ipv6header ! --header ${name} --soft`],
    ),
    ...[headers, longHeaders, headerNumbers].map((list) => `-m ipv6header --header ${list.join()}`),
    '-m ipv6header --soft ! --header none,esp,esp',
    '-m ipv6header --header ,dst,,esp,',
  ],
  invalid: [
    '-m ipv6header',
    '-m ipv6header --soft',
    ...['""', ',', 'DST', 'proto', 'tcp', '6', '0x3c', '060', 'all', 'dst;esp', 'ipv6-icmp'].map(
      (list) => `-m ipv6header --header ${list}`,
    ),
    '-m ipv6header ! --soft --header dst',
    '-m ipv6header --header dst --header esp',
    '-m ipv6header --header dst --soft --soft',
  ],
  random: (random) =>
    `-m ipv6header ${random.not()}--header ${random.some(headers).join()}${random.maybe(50, () => '--soft')}`,
});

const messages =
  'binding-refresh-request brr home-test-init hoti careof-test-init coti home-test hot careof-test cot binding-update bu binding-acknowledgement ba binding-error be'.split(
    ' ',
  );
conformance(test, 'mh', {
  families: ['ipv6'],
  valid: [
    '-p mh -m mh',
    '-p ipv6-mh -m mh --mh-type 3',
    '-p 135 -m mh --mh-type 3',
    '-p mh --mh-type 3',
    ...['0', '8', '255', '0x3', '03', '3:3', '3:5', ':3', '3:', ':', '0:255', '1:hot', 'bu:be'].map(
      (type) => `-p mh -m mh --mh-type ${type}`,
    ),
    '-p mh -m mh ! --mh-type 3:5',
    ...[
      ...messages,
      'BU',
      'b',
      'binding',
      'binding-a',
      'h',
      'home',
      'care',
      'careof-test-',
    ].flatMap((name) => [`-p mh -m mh --mh-type ${name}`, `-p mh -m mh ! --mh-type ${name}`]),
    {
      spec: '-p mh -m mh ! --mh-type 0:255',
      ours: '-p mobility-header -m mh ! --mh-type 0:255',
    },
  ],
  invalid: [
    ...['256', '-1', 'x', '5:3', '1:2:3', 'be:bu', 'bux', '3-5'].map(
      (type) => `-p mh -m mh --mh-type ${type}`,
    ),
    '-m mh --mh-type 3',
    '-p tcp -m mh --mh-type 3',
    '! -p mh -m mh --mh-type 3',
    '-p mh -m mh --mh-type 3 --mh-type 4',
    // iptables would load a match with the protocol's name. The match has a different name.
    '-p 135 --mh-type 3',
  ],
  onlyIptables: ['-p mh -m mh --mh-type ""'],
});

conformance(test, 'eui64', {
  families: ['ipv6'],
  valid: ['-m eui64', '-p tcp -m eui64 -m tcp --dport 5'],
  invalid: ['-m eui64 --foo', '-m eui64 5'],
});

const srhNumbers = [
  ['next-hdr', 255],
  ...['hdr-len', 'segs-left', 'last-entry'].flatMap((name) =>
    ['eq', 'gt', 'lt'].map((how) => [`${name}-${how}`, 255] as const),
  ),
  ['tag', 65535],
] as const;
const srhValid = [
  '-m srh',
  ...srhNumbers.flatMap(([option, max]) =>
    ['0', '5', '0x10', '020', `${max}`].flatMap((value) => [
      `-m srh --srh-${option} ${value}`,
      `-m srh ! --srh-${option} ${value}`,
    ]),
  ),
  '-m srh --srh-hdr-len-eq 8 ! --srh-hdr-len-gt 8 --srh-hdr-len-lt 8',
];
const srhInvalid = [
  ...srhNumbers.flatMap(([option, max]) => [
    ...[`${max + 1}`, '-1', 'x', '""', '1:2'].map((value) => `-m srh --srh-${option} ${value}`),
    `-m srh --srh-${option} 1 --srh-${option} 1`,
  ]),
  '-m srh --srh-next-hdr tcp',
];
// iptables uses the last one.
const srhOnly = [
  '-m srh --srh-hdr-len-eq 8 --srh-hdr-len-gt 9',
  '-m srh --srh-segs-left-lt 8 ! --srh-segs-left-gt 9',
  '-m srh --srh-last-entry-eq 1 --srh-last-entry-lt 2',
];
const randomSrh = (random: Random, more: string) =>
  `-m srh${srhNumbers
    .filter(([option]) => !/-(gt|lt)$/.test(option))
    .map(([option, max]) =>
      random.maybe(40, () => `${random.not()}--srh-${option} ${random.int(max + 1)}`),
    )
    .join('')}${more}`;
const sids = ['psid', 'nsid', 'lsid'];
conformance(test, 'srh', {
  families: ['ipv6'],
  valid: [
    ...srhValid,
    ...sids.flatMap((sid) =>
      [
        '::1',
        '::1/64',
        '::1/128',
        '::/0',
        'fe80::/10',
        '2001:db8::/ffff:ffff::',
        '::1.2.3.4',
      ].flatMap((address) => [
        `-m srh --srh-${sid} ${address}`,
        `-m srh ! --srh-${sid} ${address}`,
      ]),
    ),
    '-m srh --srh-lsid ::/0 --srh-tag 3 --srh-next-hdr 17 --srh-nsid fe80::/10 ! --srh-psid ::1',
  ],
  invalid: [
    ...srhInvalid,
    ...sids.flatMap((sid) => [
      ...['x', '""', '::1,::2', '::1/129', '1.2.3.4', '::1/', '::1/x'].map(
        (address) => `-m srh --srh-${sid} ${address}`,
      ),
      `-m srh --srh-${sid} ::1 --srh-${sid} ::2`,
    ]),
  ],
  // iptables silently reads a mask that is not a prefix as a whole address.
  onlyIptables: [...srhOnly, '-m srh --srh-lsid 2001::5/ff::ff'],
  random: (random) =>
    randomSrh(
      random,
      sids
        .map((sid) =>
          random.maybe(40, () => `${random.not()}--srh-${sid} ${random.network('ipv6')}`),
        )
        .join(''),
    ),
});
conformance(fakeKernel(test, { srh: 0 }), 'srh revision 0', {
  families: ['ipv6'],
  maxRevision: () => 0,
  valid: srhValid,
  invalid: [...srhInvalid, ...sids.map((sid) => `-m srh --srh-${sid} ::1`)],
  onlyIptables: srhOnly,
  random: (random) => randomSrh(random, ''),
});

conformance(test, 'extension headers in IPv4', {
  families: ['ipv4'],
  valid: [],
  invalid: ['frag', 'hbh', 'dst', 'rt', 'ipv6header --header dst', 'mh', 'eui64', 'srh'].map(
    (name) => `-m ${name}`,
  ),
});

test.run();

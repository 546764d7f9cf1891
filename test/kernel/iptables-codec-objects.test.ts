// Matches on data outside of the packet: cgroup, nfacct, rateest, ipvs.
import { fakeKernel } from '../support/fake-kernel.js';
import { suite } from '../support/harness.js';
import { conformance } from '../support/iptables-oracle.js';

const test = suite('iptables codec: objects');
const both = ['ipv4', 'ipv6'] as const;

const classes = ['0', '5', '0x10', '4294967295'].flatMap((id) => [
  `-m cgroup --cgroup ${id}`,
  `-m cgroup ! --cgroup ${id}`,
]);
const badClasses = [
  ...['-1', 'x', '""', '4294967296', '1:2'].map((id) => `-m cgroup --cgroup ${id}`),
  '-m cgroup --cgroup 1 --cgroup 2',
];
conformance(test, 'cgroup', {
  families: both,
  valid: [...classes, '-m cgroup --path /', '-m cgroup ! --path /', '-m cgroup --path ""'],
  invalid: [
    ...badClasses,
    '-m cgroup',
    '-m cgroup --path / --cgroup 3',
    '-m cgroup --cgroup 3 --path /',
    '-m cgroup --path / --path /',
    '-m cgroup --path',
  ],
  kernelRefuses: ['-m cgroup --path /no/such/group', '-m cgroup ! --path "a b"'],
});
const paths = ['/', '/a/b', 'a_b', '"a b"', '"\\"\\\\"', '""', 'é', 'x'.repeat(511)].flatMap(
  (path) => [`-m cgroup --path ${path}`, `-m cgroup ! --path ${path}`],
);
for (const revision of [1, 2]) {
  conformance(fakeKernel(test, { cgroup: revision }), `cgroup revision ${revision}`, {
    families: both,
    maxRevision: () => revision,
    valid: [
      ...classes,
      ...paths,
      ...(revision === 1 ? [`-m cgroup --path ${'x'.repeat(1000)}`] : []),
    ],
    invalid: badClasses,
    // Every kernel refuses these. The package refuses them before the kernel sees them.
    onlyIptables: [
      '-m cgroup',
      '-m cgroup --path x --cgroup 3',
      ...(revision === 2 ? [`-m cgroup --path ${'x'.repeat(512)}`] : []),
    ],
  });
}
conformance(fakeKernel(test, { cgroup: 0 }), 'cgroup revision 0', {
  families: both,
  maxRevision: () => 0,
  valid: classes,
  invalid: [...badClasses, '-m cgroup', '-m cgroup --path /'],
});

const name31 = 'x'.repeat(31);
const accounts = ['x', 'a-b_c', '"a b"', '"it\'s \\" \\\\"', 'é', name31];
const badAccounts = ['-m nfacct', '-m nfacct --nfacct-name ""', '-m nfacct ! --nfacct-name x'];
for (const revision of [0, 1]) {
  conformance(fakeKernel(test, { nfacct: revision }), `nfacct revision ${revision}`, {
    families: both,
    maxRevision: () => revision,
    valid: accounts.map((name) => `-m nfacct --nfacct-name ${name}`),
    invalid: [...badAccounts, '-m nfacct --nfacct-name x --nfacct-name x'],
    onlyIptables: [`-m nfacct --nfacct-name ${name31}y`],
  });
}
conformance(test, 'nfacct without such an object', {
  families: both,
  valid: [],
  invalid: badAccounts,
  kernelRefuses: accounts.map((name) => `-m nfacct --nfacct-name ${name}`),
});

const estimator = (name: string) =>
  `-A INPUT -j RATEEST --rateest-name ${name} --rateest-interval 250ms --rateest-ewmalog 1s`;
const one = '-m rateest --rateest a';
const pair = '-m rateest --rateest1 a --rateest2 b';
const rates = [
  '0',
  '8',
  '1000',
  '8bit',
  '1kbit',
  '1Kbit',
  '1.5kbit',
  '999992bit',
  '1mbit',
  '2.5mbit',
  '1gbit',
  '1kibit',
  '1mibit',
  '1gibit',
  '100bps',
  '1kbps',
  '1mbps',
  '1gbps',
  '4gbps',
  '1kibps',
  '1mibps',
  '1gibps',
];
conformance(test, 'rateest', {
  families: both,
  lines: [estimator('a'), estimator('b')],
  valid: [
    ...['lt', 'gt', 'eq'].flatMap((how) =>
      ['', '! '].flatMap((not) => [
        `${one} ${not}--rateest-${how} --rateest-bps 8000`,
        `${one} --rateest-pps 5 ${not}--rateest-${how}`,
        `${one} --rateest-pps2 5 --rateest-bps2 8bit ${not}--rateest-${how}`,
        `${pair} ${not}--rateest-${how} --rateest-bps`,
        `${pair} --rateest-pps --rateest-bps ${not}--rateest-${how}`,
        `${pair} ${not}--rateest-${how} --rateest-pps1`,
        `${one} --rateest-delta --rateest-pps1 5 ${not}--rateest-${how} --rateest-pps2 7`,
        `${pair} --rateest-delta --rateest-pps1 5 ${not}--rateest-${how} --rateest-pps2 7`,
        `${pair} --rateest-delta --rateest-bps1 80bit ${not}--rateest-${how} --rateest-pps2 7`,
      ]),
    ),
    // Rates that iptables-save prints without rounding.
    ...[
      '0',
      '8',
      '1000',
      '8bit',
      '1kbit',
      '999992bit',
      '1mbit',
      '2.5mbit',
      '1gbit',
      '100bps',
    ].flatMap((rate) => [
      `${one} --rateest-lt --rateest-bps ${rate}`,
      `${pair} --rateest-delta --rateest-lt --rateest-bps1 ${rate} --rateest-bps2 ${rate}`,
    ]),
    ...rates.map((rate) => ({
      spec: `${one} --rateest-lt --rateest-bps ${rate}`,
      lossy: 'rounded' as const,
    })),
    ...['0', '5', '0x10', '4294967295'].map((pps) => `${one} --rateest-lt --rateest-pps ${pps}`),
    `${one} --rateest-lt --rateest-bps`,
    `${one} --rateest-delta --rateest-lt --rateest-pps`,
    `-m rateest --rateest-delta --rateest1 a --rateest-bps1 5mbit --rateest-gt --rateest2 b --rateest-bps2 7mbit --rateest-pps1 4 --rateest-pps2 3`,
    // The first number has no meaning without --rateest-delta, and both have none together with --rateest2.
    { spec: `${one} --rateest-lt --rateest-bps1 8000`, lossy: true },
    { spec: `${one} --rateest-lt --rateest-pps1 5 --rateest-pps2 6`, lossy: true },
    { spec: `${pair} --rateest-lt --rateest-pps1 5 --rateest-pps2 6`, lossy: true },
  ],
  invalid: [
    '-m rateest',
    `${one} --rateest-lt`,
    `${one} --rateest-bps 5`,
    `${pair} --rateest-lt`,
    '-m rateest --rateest-bps 5 --rateest-lt',
    '-m rateest --rateest2 b --rateest-bps --rateest-lt',
    ...['x', '5x', '"1 kbit"', 'kbit', '1kilobit'].map(
      (rate) => `${one} --rateest-lt --rateest-bps ${rate}`,
    ),
    ...['x', '4294967296', '5x'].map((pps) => `${one} --rateest-lt --rateest-pps ${pps}`),
    `${one} ! --rateest-delta --rateest-lt --rateest-pps 5`,
    `-m rateest ! --rateest1 a --rateest-lt --rateest-pps 5`,
    `${one} ! --rateest2 b --rateest-lt --rateest-pps`,
    `${one} ! --rateest-pps 5 --rateest-lt`,
    `${one} --rateest1 b --rateest-lt --rateest-pps`,
    `${one} --rateest-lt --rateest-pps 5 --rateest-pps2 5`,
    `${one} --rateest-lt --rateest-bps1 5 --rateest-bps1 5`,
    `-m rateest --rateest "" --rateest-lt --rateest-pps 5`,
  ],
  kernelRefuses: [
    '-m rateest --rateest nosuch --rateest-lt --rateest-pps 5',
    '-m rateest --rateest1 a --rateest2 nosuch --rateest-lt --rateest-pps',
  ],
  // iptables uses the last one.
  onlyIptables: [`${one} --rateest-lt --rateest-gt --rateest-bps 8`],
});

const vaddr = { ipv4: '10.0.0.1', ipv6: '2001:db8::1' };
for (const family of both) {
  const full = family === 'ipv4' ? 32 : 128;
  const address = vaddr[family];
  const valid = [
    'ipvs',
    ...['tcp', '17', '253', '0', 'all', 'TCP', '0x6'].map((protocol) => `vproto ${protocol}`),
    ...[address, `${address}/8`, `${address}/${full - 1}`, `${address}/0`].map(
      (each) => `vaddr ${each}`,
    ),
    ...['80', '0', '65535', 'http', '010'].flatMap((port) => [`vport ${port}`, `vportctl ${port}`]),
    ...['GATE', 'ipip', 'MASQ', 'Gate'].map((method) => `vmethod ${method}`),
  ];
  conformance(fakeKernel(test), 'ipvs', {
    families: [family],
    valid: [
      ...valid.flatMap((option) => [`-m ipvs --${option}`, `-m ipvs ! --${option}`]),
      ...['ORIGINAL', 'REPLY', 'reply', 'Original'].map((way) => `-m ipvs --vdir ${way}`),
      // iptables-save prints it without the length. That text means a different mask with the same effect.
      { spec: `-m ipvs --vaddr ${address}/${full}`, lossy: true as const },
      '-m ipvs --ipvs --vport 80',
      '-m ipvs --vport 80 --ipvs',
      `-m ipvs --vaddr ${address} --vproto 6 --vdir REPLY ! --vportctl 7 --vmethod gate ! --vport 5`,
    ],
    invalid: [
      '-m ipvs',
      '-m ipvs ! --ipvs --vport 80',
      '-m ipvs --vport 80 ! --ipvs',
      '-m ipvs --ipvs --ipvs',
      '-m ipvs --vport 80 --vport 81',
      '-m ipvs ! --vdir REPLY',
      ...['256', '-1', 'nosuch', '""'].map((protocol) => `-m ipvs --vproto ${protocol}`),
      ...['x', '""', `${address}/x`, '1,2', 'fe80::1,10.0.0.1'].map(
        (each) => `-m ipvs --vaddr ${each}`,
      ),
      ...['0x50', '80:90', 'nosuch', '80,81'].flatMap((port) => [
        `-m ipvs --vport ${port}`,
        `-m ipvs --vportctl ${port}`,
      ]),
      ...['x', 'ORIG', '""'].map((way) => `-m ipvs --vdir ${way}`),
      ...['x', 'MAS', '""', 'LOCALNODE'].map((method) => `-m ipvs --vmethod ${method}`),
    ],
    onlyIptables: [
      '-m ipvs --vport 65536',
      '-m ipvs --vport ""',
      '-m ipvs --vportctl 70000',
      `-m ipvs --vaddr ${family === 'ipv4' ? '10.0.0.0/255.0.255.0' : '2001:db8::/ffff::1'}`,
    ],
    random: (random) =>
      [
        '-m ipvs',
        ` ${random.not()}--vport ${random.port()}`,
        random.maybe(
          50,
          () => `${random.not()}--vaddr ${random.network(family).replace(/[/]32$/, '/31')}`,
        ),
        random.maybe(50, () => `${random.not()}--vproto ${random.int(256)}`),
        random.maybe(50, () => `--vdir ${random.pick(['ORIGINAL', 'REPLY'])}`),
        random.maybe(50, () => `${random.not()}--vmethod ${random.pick(['GATE', 'IPIP', 'MASQ'])}`),
        random.maybe(50, () => `${random.not()}--vportctl ${random.port()}`),
      ].join(''),
  });
}

test.run();

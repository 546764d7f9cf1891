// Matches on data of conntrack and of sockets: connlimit, connbytes, helper, connlabel, socket, cluster.
import { suite } from '../support/harness.js';
import { conformance, type Spec } from '../support/iptables-oracle.js';

const test = suite('iptables codec: flows');
const both = ['ipv4', 'ipv6'] as const;
const each = (lead: string, values: readonly string[]) => values.map((value) => `${lead} ${value}`);
const lossy = (specs: readonly string[]): Spec[] => specs.map((spec) => ({ spec, lossy: true }));

const connlimit = [
  '-m connlimit --connlimit-upto 5',
  '-m connlimit --connlimit-above 5',
  '-m connlimit ! --connlimit-above 5',
  '-m connlimit ! --connlimit-upto 5',
  '-m connlimit --connlimit-above 4294967295',
  '-m connlimit --connlimit-above 0 --connlimit-saddr',
  '-m connlimit --connlimit-daddr --connlimit-above 0x10',
];
const connlimitMasks = ['0', '1', '24', '32'];
const badConnlimit = [
  '-m connlimit',
  '-m connlimit --connlimit-mask 5',
  '-m connlimit --connlimit-daddr',
  ...each('-m connlimit --connlimit-above', ['4294967296', 'x', '-1', '""', '1:2']),
  '-m connlimit --connlimit-above 5 --connlimit-upto 5',
  '-m connlimit --connlimit-upto 5 --connlimit-above 5',
  '-m connlimit --connlimit-above 5 --connlimit-above 5',
  '-m connlimit --connlimit-above 5 --connlimit-daddr --connlimit-saddr',
  '-m connlimit --connlimit-above 5 --connlimit-saddr --connlimit-daddr',
  '-m connlimit --connlimit-above 5 ! --connlimit-mask 24',
];

conformance(test, 'connlimit', {
  families: ['ipv4'],
  valid: [
    // Without a mask iptables fills the whole union. It saves a mask, and with a mask it fills only 4 bytes.
    ...lossy(connlimit),
    ...each('-m connlimit --connlimit-above 5 --connlimit-mask', connlimitMasks),
    '-m connlimit --connlimit-upto 5 --connlimit-mask 16 --connlimit-daddr',
    '-m connlimit --connlimit-above 5 --connlimit-mask 255.255.0.0',
  ],
  invalid: badConnlimit,
  onlyIptables: each('-m connlimit --connlimit-above 5 --connlimit-mask', ['33', '255.0.255.0']),
});

conformance(test, 'connlimit', {
  families: ['ipv6'],
  valid: [
    ...connlimit,
    ...each('-m connlimit --connlimit-above 5 --connlimit-mask', [...connlimitMasks, '64', '128']),
    '-m connlimit --connlimit-above 5 --connlimit-mask ffff::',
  ],
  invalid: [...badConnlimit, '-m connlimit --connlimit-above 5 --connlimit-mask 129'],
});

const modes = ['packets', 'bytes', 'avgpkt'];
const directions = ['original', 'reply', 'both'];
const amount = (value: string) => `${value} --connbytes-dir both --connbytes-mode bytes`;
conformance(test, 'connbytes', {
  families: both,
  valid: [
    ...modes.flatMap((mode) =>
      directions.map(
        (dir) => `-m connbytes --connbytes 5 --connbytes-mode ${mode} --connbytes-dir ${dir}`,
      ),
    ),
    ...each(
      '-m connbytes --connbytes',
      ['5:10', '0', ':10', '10:', ':', '5:5', '0x10:020'].map(amount),
    ),
    ...each(
      '-m connbytes --connbytes',
      ['18446744073709551615', '4294967296:4294967297'].map(amount),
    ),
    ...each('-m connbytes ! --connbytes', ['5:10', '0', ':10', '10:', ':', '10'].map(amount)),
  ],
  invalid: [
    '-m connbytes',
    ...each('-m connbytes --connbytes', ['10:5', '1:2:3', 'x', '18446744073709551616'].map(amount)),
    '-m connbytes --connbytes 5 --connbytes-dir REPLY --connbytes-mode bytes',
    '-m connbytes --connbytes 5 --connbytes-dir rep --connbytes-mode bytes',
    '-m connbytes --connbytes 5 --connbytes-dir reply --connbytes-mode Bytes',
    '-m connbytes --connbytes 5 --connbytes-dir reply',
    '-m connbytes --connbytes 5 --connbytes-mode bytes',
    '-m connbytes --connbytes-dir reply --connbytes-mode bytes',
    `-m connbytes --connbytes 5 --connbytes ${amount('6')}`,
  ],
  onlyIptables: [
    // iptables drops the negation, or stores 0.
    ...each('-m connbytes ! --connbytes', ['5:5', '18446744073709551615'].map(amount)),
    `-m connbytes --connbytes "" --connbytes-dir reply --connbytes-mode bytes`,
  ],
  random: (random) => {
    const [from, to] = [random.u32(), random.u32()].sort((a, b) => a - b) as [number, number];
    const range = from === to ? `${from}` : `${from}:${to}`;
    return `-m connbytes ${random.not()}--connbytes ${range} --connbytes-mode ${random.pick(modes)} --connbytes-dir ${random.pick(directions)}`;
  },
});

const longest = 'h'.repeat(29);
conformance(test, 'helper', {
  families: both,
  valid: [
    ...['ftp', 'ftp-2121', '', 'a b', 'it\'s \\"x\\"', 'é', longest].flatMap((name) => [
      `-m helper --helper "${name}"`,
      `-m helper ! --helper "${name}"`,
    ]),
  ],
  invalid: ['-m helper', '-m helper --helper', '-m helper --helper a --helper b'],
  onlyIptables: [`-m helper --helper ${longest}x`],
});

conformance(test, 'connlabel', {
  families: both,
  valid: [
    ...['0', '5', '127', '0x10', '010'].flatMap((label) => [
      `-m connlabel --label ${label}`,
      `-m connlabel ! --label ${label}`,
      `-m connlabel --label ${label} --set`,
      `-m connlabel ! --label ${label} --set`,
    ]),
  ],
  invalid: [
    '-m connlabel',
    '-m connlabel --set',
    ...each('-m connlabel --label', ['128', 'nosuch', '""', '5x', '-1']),
    '-m connlabel --label 5 ! --set',
    '-m connlabel --label 5 --label 6',
  ],
});

const socketFlags = ['--transparent', '--nowildcard', '--restore-skmark'];
conformance(test, 'socket', {
  families: both,
  table: 'mangle',
  hook: 'PREROUTING',
  valid: [
    ...[0, 1, 2, 3, 4, 5, 6, 7].map(
      (bits) => `-m socket ${socketFlags.filter((_, index) => bits & (1 << index)).join(' ')}`,
    ),
    '-m socket --restore-skmark --nowildcard --transparent',
  ],
  invalid: [
    ...socketFlags.map((flag) => `-m socket ! ${flag}`),
    ...socketFlags.map((flag) => `-m socket ${flag} ${flag}`),
  ],
});
conformance(test, 'socket in a chain that the kernel does not allow', {
  families: both,
  hook: 'OUTPUT',
  valid: [],
  kernelRefuses: ['-m socket', '-m socket --transparent'],
});

const nodes = (total: number) => `-m cluster --cluster-hash-seed 5 --cluster-total-nodes ${total}`;
conformance(test, 'cluster', {
  families: both,
  valid: [
    '-m cluster --cluster-total-nodes 2 --cluster-local-node 1 --cluster-hash-seed 0xdeadbeef',
    '-m cluster --cluster-total-nodes 2 ! --cluster-local-node 2 --cluster-hash-seed 0',
    `${nodes(2)} --cluster-local-nodemask 3`,
    `${nodes(32)} ! --cluster-local-nodemask 0x5`,
    `${nodes(32)} --cluster-local-nodemask 32`,
    `${nodes(1)} --cluster-local-node 1`,
    ...lossy([
      `${nodes(32)} --cluster-local-node 32`,
      `${nodes(31)} --cluster-local-node 31`,
      `${nodes(7)} --cluster-local-node 7`,
    ]),
  ],
  invalid: [
    '-m cluster',
    `${nodes(2)} --cluster-local-node 3`,
    `${nodes(2)} ! --cluster-local-nodemask 4`,
    `${nodes(33)} --cluster-local-node 1`,
    `${nodes(0)} --cluster-local-node 1`,
    `${nodes(2)} --cluster-local-node 0`,
    `${nodes(2)} --cluster-local-nodemask 0`,
    `${nodes(2)}`,
    `${nodes(2)} --cluster-local-node 1 --cluster-local-nodemask 1`,
    `${nodes(2)} --cluster-local-nodemask 1 --cluster-local-node 1`,
    '-m cluster --cluster-total-nodes 2 --cluster-local-node 1',
    '-m cluster --cluster-local-node 1 --cluster-hash-seed 5',
    '-m cluster --cluster-total-nodes 2 --cluster-local-node 1 --cluster-hash-seed 4294967296',
  ],
});

test.run();

// Names for connlabels, realms and device groups that the host has in files.
import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import type { Match } from '../../src/iptables/rule/rule.js';
import { decodeRule, encodeRule } from '../../src/iptables/xtables/rule-bytes.js';
import { assert, suite } from '../support/harness.js';
import { conformance } from '../support/iptables-oracle.js';

const test = suite('iptables codec: names of the host');
const both = ['ipv4', 'ipv6'] as const;

test.before(() => {
  // A copy of /etc in the mount namespace of this test.
  for (const words of [
    ['cp', '-a', '/etc', '/run/etc'],
    ['mount', '--bind', '/run/etc', '/etc'],
  ]) {
    const done = spawnSync(words[0]!, words.slice(1), { encoding: 'utf8' });
    if (done.status !== 0) throw new Error(`${words.join(' ')}: ${done.stderr}`);
  }
  mkdirSync('/etc/xtables', { recursive: true });
  mkdirSync('/etc/iproute2', { recursive: true });
  writeFileSync(
    '/etc/xtables/connlabel.conf',
    '# labels\n0 eth0-in\n1 eth0-out\n7 to_do\n8 two words\n0x9 nine\n10 nine\n9 neuf\n127 last\n',
  );
  writeFileSync('/etc/iproute2/rt_realms', '0 cosmos\n1 inr.ac\n0x10 sixteen\n255 hosting\n');
  writeFileSync('/etc/iproute2/group', '0 default\n5 lan\n6 wan\n');
});

const andNot = (lead: string, option: string, values: readonly string[]) =>
  values.flatMap((value) => [`${lead} ${option} ${value}`, `${lead} ! ${option} ${value}`]);

conformance(test, 'connlabel', {
  families: both,
  valid: [
    ...andNot('-m connlabel', '--label', [
      ...[
        'eth0-in',
        'eth0-out',
        'last',
        '"two words"',
        'nine',
        '1',
        '2',
        '7',
        '8',
        '9',
        '10',
        '127',
      ],
    ]),
    '-m connlabel --label eth0-out --set',
  ],
  invalid: [
    '-m connlabel --label nosuch',
    '-m connlabel --label to_do',
    '-m connlabel --label neuf',
    '-m connlabel --label eth0',
  ],
});
conformance(test, 'realm', {
  families: ['ipv4'],
  valid: [
    ...andNot('-m realm', '--realm', [
      'inr.ac',
      'sixteen',
      'hosting',
      '1',
      '0x10',
      '2',
      '255/0xff',
    ]),
    '-m realm --realm 1/0xffffffff',
  ],
  invalid: ['-m realm --realm nosuch', '-m realm --realm inr.ac/0xff'],
});
conformance(test, 'devgroup', {
  families: both,
  valid: [
    ...andNot('-m devgroup', '--src-group', ['lan', 'wan', '5', '7', '5/0xff']),
    '-m devgroup --src-group lan ! --dst-group wan',
  ],
  invalid: ['-m devgroup --src-group nosuch'],
});

test('typed rules take names and hold numbers', () => {
  const read = (matches: readonly Match[]) => decodeRule(encodeRule({ matches })).matches[0];
  assert.equal(read([{ name: 'connlabel', label: 'eth0-out' }]), { name: 'connlabel', label: 1 });
  assert.equal(read([{ name: 'realm', realm: { not: 'hosting' } }]), {
    name: 'realm',
    realm: { not: 255 },
  });
  assert.equal(read([{ name: 'devgroup', srcGroup: 'lan' }]), { name: 'devgroup', srcGroup: 5 });
});

test.run();

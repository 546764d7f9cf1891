// NAT targets: SNAT, DNAT, MASQUERADE, REDIRECT, NETMAP.
import type { Family } from '../../src/iptables/rule/rule.js';
import { suite } from '../support/harness.js';
import { conformance } from '../support/iptables-oracle.js';
import type { Random } from '../support/random-rules.js';

const test = suite('iptables codec: NAT');
const both = ['ipv4', 'ipv6'] as const;

/** The same list for both families: A and B become addresses. In IPv6 an address before a port gets brackets. */
function forFamily(family: Family, specs: readonly string[]): string[] {
  if (family === 'ipv4') {
    return specs.map((spec) => spec.replace(/\bA\b/g, '1.2.3.4').replace(/\bB\b/g, '1.2.3.9'));
  }
  return specs.map((spec) =>
    spec
      .replace(/\b(A|B|A-B|B-A):/g, '[$1]:')
      .replace(/\bA\b/g, '2001:db8::4')
      .replace(/\bB\b/g, '2001:db8::9'),
  );
}

function randomRange(random: Random, family: Family): string {
  const address = () => random.address(family);
  const addresses = random.chance(50) ? address() : `${address()}-${address()}`;
  const port = `:${random.portRange('-')}`;
  if (random.chance(40)) return addresses;
  if (random.chance(30)) return port;
  return `${family === 'ipv4' ? addresses : `[${addresses}]`}${port}`;
}

for (const family of both) {
  conformance(test, 'SNAT', {
    families: [family],
    table: 'nat',
    valid: forFamily(family, [
      '-j SNAT --to-source A',
      '-j SNAT --to-source A-B',
      '-j SNAT --to-source B-A',
      '-j SNAT --to-source A-A',
      '-p tcp -j SNAT --to-source A:80',
      '-p tcp -j SNAT --to-source A:80-90',
      '-p tcp -j SNAT --to-source A-B:80-90',
      '-p tcp -j SNAT --to-source :80',
      '-p tcp -j SNAT --to-source :80-90 --random --random-fully --persistent',
      '-p tcp -j SNAT --to-source A:0',
      '-p tcp -j SNAT --to-source A:http',
      '-p dccp -j SNAT --to-source A:80',
      '-p sctp -j SNAT --to-source A:80',
      '! -p tcp -j SNAT --to-source A:80',
      '-j SNAT --to-source A --persistent --random',
      ...(family === 'ipv4' ? ['-p icmp -j SNAT --to-source A:80'] : []),
    ]),
    invalid: forFamily(family, [
      '-j SNAT',
      '-j SNAT --random',
      '-p tcp -j SNAT --to-source A:90-80',
      '-p tcp -j SNAT --to-source A:65536',
      '-p tcp -j SNAT --to-source A:80-',
      '-p tcp -j SNAT --to-source A:',
      '-p tcp -j SNAT --to-source ""',
      '-j SNAT --to-source A:80',
      '-p udplite -j SNAT --to-source A:80',
      '-p ipv6-icmp -j SNAT --to-source A:80',
      '-j SNAT --to-source A --to-source B',
      '-j SNAT --to-source 10.1',
      '-j SNAT --to-source A-',
      '-j SNAT --to-source nosuch',
      '-j SNAT --to-source A:80 -p tcp',
    ]),
    onlyIptables: forFamily(family, ['-p tcp -j SNAT --to-source A:80-90/100']),
    random: (random) =>
      [
        `-p tcp -j SNAT --to-source ${randomRange(random, family)}`,
        random.maybe(30, () => '--random'),
        random.maybe(30, () => '--random-fully'),
        random.maybe(30, () => '--persistent'),
      ].join(''),
  });

  conformance(test, 'DNAT', {
    families: [family],
    table: 'nat',
    hook: 'PREROUTING',
    valid: forFamily(family, [
      '-j DNAT --to-destination A',
      '-j DNAT --to-destination A-B',
      '-p tcp -j DNAT --to-destination A:80',
      '-p tcp -j DNAT --to-destination A:80-90',
      '-p tcp -j DNAT --to-destination A:80-90/100',
      '-p tcp -j DNAT --to-destination A:80-80/100',
      '-p tcp -j DNAT --to-destination A:80-90/http',
      '-p tcp -j DNAT --to-destination :80',
      '-p tcp -j DNAT --to-destination A-B:80-81 --random --persistent',
      '-p tcp -j DNAT --to-destination A:http',
    ]).map((spec) => (spec.includes('80-80/') ? { spec, ours: spec } : spec)),
    invalid: forFamily(family, [
      '-j DNAT',
      '-p tcp -j DNAT --to-destination A:80/100',
      '-p tcp -j DNAT --to-destination A:80-90/0',
      '-j DNAT --to-destination A --random-fully',
      '-j DNAT --to-destination A:80',
      '-p tcp -j DNAT --to-destination A:ssh-http',
      '-p tcp -j DNAT --to-destination A:ssh-http/80',
      '-j DNAT --to-destination A --to-destination B',
    ]),
    random: (random) =>
      [
        `-p udp -j DNAT --to-destination ${randomRange(random, family)}`,
        random.maybe(30, () => '--random'),
        random.maybe(30, () => '--persistent'),
      ].join(''),
  });

  conformance(test, 'NETMAP', {
    families: [family],
    table: 'nat',
    hook: 'PREROUTING',
    valid:
      family === 'ipv4'
        ? [
            '-j NETMAP --to 1.2.3.0/24',
            '-j NETMAP --to 1.2.3.4',
            '-j NETMAP --to 1.2.3.4/24',
            '-j NETMAP --to 1.2.3.4/0',
            '-j NETMAP --to 1.2.3.4/255.255.0.0',
          ]
        : [
            '-j NETMAP --to 2001:db8::0/64',
            '-j NETMAP --to 2001:db8::4',
            '-j NETMAP --to 2001:db8::4/64',
            '-j NETMAP --to 2001:db8::4/0',
          ],
    invalid: ['-j NETMAP', '-j NETMAP --to nosuch'],
    onlyIptables: family === 'ipv4' ? ['-j NETMAP --to 1.2.3.4/255.0.255.0'] : [],
    random: (random) => `-j NETMAP --to ${random.network(family)}`,
  });
}

conformance(test, 'MASQUERADE', {
  families: both,
  table: 'nat',
  valid: [
    '-j MASQUERADE',
    '-p tcp -j MASQUERADE --to-ports 80',
    '-p tcp -j MASQUERADE --to-ports 80-90',
    '-p tcp -j MASQUERADE --to-ports http',
    '-p tcp -j MASQUERADE --to-ports 0',
    '-j MASQUERADE --random',
    '-j MASQUERADE --random-fully',
    '-p udp -j MASQUERADE --random --random-fully --to-ports 1-2',
  ],
  invalid: [
    '-j MASQUERADE --to-ports 80',
    '-p tcp -j MASQUERADE --to-ports 90-80',
    '-p tcp -j MASQUERADE --to-ports 80:90',
    '-p tcp -j MASQUERADE --to-ports nosuch',
    '-j MASQUERADE --persistent',
  ],
  onlyIptables: ['-p tcp -j MASQUERADE --to-ports 80-90/5'],
});

conformance(test, 'REDIRECT', {
  families: both,
  table: 'nat',
  hook: 'PREROUTING',
  valid: [
    '-j REDIRECT',
    '-p tcp -j REDIRECT --to-ports 80',
    '-p tcp -j REDIRECT --to-ports 80-90',
    '-p tcp -j REDIRECT --to-ports http',
    '-p tcp -j REDIRECT --to-ports 0',
    '-p tcp -j REDIRECT --to-ports 80 --random',
    '-j REDIRECT --random',
  ],
  invalid: [
    '-j REDIRECT --to-ports 80',
    '-p tcp -j REDIRECT --to-ports 90-80',
    '-p tcp -j REDIRECT --to-ports 80-',
    '-p tcp -j REDIRECT --to-ports 80-90/100',
    '-p tcp -j REDIRECT --random-fully',
    '-p tcp -j REDIRECT --persistent',
  ],
});

conformance(test, 'nat targets elsewhere', {
  families: both,
  table: 'mangle',
  valid: [],
  invalid: ['-j MASQUERADE', '-j REDIRECT'],
});

test.run();

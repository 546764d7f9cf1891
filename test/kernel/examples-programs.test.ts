// The examples that write rules, and the demo, each run as a program. Its rules are in one backend of iptables, and the
// other one has nothing.
// Backends: legacy, nft
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { assert, suite } from '../support/harness.js';
import { backend } from '../support/iptables-tables.js';
import { Netns } from '../support/netns.js';

const test = suite('examples as programs');

/** Runs a program in a namespace, and not in one of its own. */
const runExample = (netns: Netns, name: string, ...args: string[]) => {
  const program = fileURLToPath(new URL(`../../${name}.ts`, import.meta.url));
  return netns.run([process.execPath, '--import', 'tsx', program, ...args], {
    env: { CONNTRACK_SANDBOX: '1' },
  });
};

/** The legacy tables that the namespace has. */
const legacyTables = (netns: Netns) =>
  ['ip', 'ip6']
    .map((family) => `/proc/net/${family}_tables_names`)
    .filter((path) => existsSync(path))
    .map((path) => netns.exec('cat', path))
    .join('');

/** The rules that iptables-save of this backend shows. */
function rulesIn(netns: Netns, family: 'ip' | 'ip6' = 'ip'): string {
  if (backend === 'nft') assert.is(legacyTables(netns), '');
  else assert.is(netns.exec('nft', 'list', 'ruleset'), '');
  return netns.exec(`${family}tables-${backend}-save`);
}

const place = backend === 'nft' ? 'nf_tables' : 'the legacy tables';

test('the demo shows what it did, and the rules of its gateway', () => {
  using netns = Netns.create();
  const said = runExample(netns, 'demo/gateway', '--backend', backend);
  assert.match(said, new RegExp(`^The rules that translate, in ${place}:$`, 'm'));
  assert.match(said, /^-A POSTROUTING -o outside0 -j MASQUERADE$/m);
  assert.match(said, /^The gateway's table, 7 flows:$/m);
  assert.match(said, /dst 198\.51\.100\.2:\d+/);
  assert.match(said, /^Deleted where .*, 1 gone:$/m);
  for (const [family, inside] of [
    ['ip', '10.0.1.1/32'],
    ['ip6', 'fd00:1::1/128'],
  ] as const) {
    const rules = rulesIn(netns, family);
    assert.match(rules, /^-A POSTROUTING -o outside0 -j MASQUERADE$/m);
    assert.match(
      rules,
      new RegExp(`^-A PREROUTING -d ${inside} -p tcp .*--dport 8080 -j DNAT`, 'm'),
    );
  }
});

for (const [name, rule] of [
  ['firewall-states', /^-A CT_STATES -m conntrack --ctstate INVALID -j DROP$/m],
  ['firewall-limits', /^-A FORWARD -p tcp .*--limit 1\/sec --limit-burst 30 -j ACCEPT$/m],
] as const) {
  test(`${name} shows its rules and says where they are`, () => {
    using netns = Netns.create();
    const said = runExample(netns, `examples/${name}`, '--backend', backend);
    assert.match(said, new RegExp(`^# In ${place}:$`, 'm'));
    assert.match(said, rule);
    assert.match(rulesIn(netns), rule);
  });
}

test('without an option an example takes the backend that the namespace uses', () => {
  using netns = Netns.create();
  netns.exec(`iptables-${backend}`, '-A', 'OUTPUT', '-j', 'ACCEPT');
  assert.match(runExample(netns, 'examples/firewall-states'), new RegExp(`^# In ${place}:$`, 'm'));
  assert.match(rulesIn(netns), /^-A CT_STATES /m);
});

test.run();

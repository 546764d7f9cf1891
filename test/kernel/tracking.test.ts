// Limit: 600 s
// What the package says of tracking and NAT in a namespace, against what happens to packets there: one
// datagram of each family through the loopback, and one of a flow whose translation was written by
// conntrack(8), in a fresh namespace for every rule set.
import { fileURLToPath } from 'node:url';
import { Conntrack, type Support, support } from '../../src/index.js';
import { assert, suite } from '../support/harness.js';
import { Netns } from '../support/netns.js';
import { type RuleSet, ruleSets } from '../support/rule-sets.js';

const test = suite('tracking');
const probe = fileURLToPath(new URL('../support/udp-probe.py', import.meta.url));

type Verdict = { ipv4: boolean; ipv6: boolean };

/** Applies a rule set; returns what the package says before any packet. */
async function saidOf(netns: Netns, { name, script }: RuleSet) {
  netns.run(['sh', '-ec', script]);
  await using table = Conntrack.open({ netns: netns.path });
  const { stats, length } = await table.dump();
  assert.is(length, 0, name);
  const { tracking, nat } = await table.hooks();
  assert.equal(stats.trackingState, tracking);
  return { word: stats.tracking, tracking, nat };
}

/** Whether a packet of each family makes an entry. */
function tracked(netns: Netns): Verdict {
  netns.run(['python3', probe], { input: '127.0.0.1 4000 127.0.0.1 9\n::1 4000 ::1 9\n' });
  const entries = netns.exec('cat', '/proc/net/nf_conntrack');
  return { ipv4: /^ipv4 .*dport=9 /m.test(entries), ipv6: /^ipv6 .*dport=9 /m.test(entries) };
}

/** Whether a flow that is written with a translation of its port has its packets translated. */
function translated(netns: Netns): Verdict {
  // Tracking is on for both, whatever the rule set; the counters tell which port the packets came to.
  netns.run(['nft', '-f', '-'], {
    input: `table inet probe {
      chain on { ct state invalid }
      chain in { type filter hook input priority 300;
        meta nfproto ipv4 udp dport 7777 counter name v4; meta nfproto ipv6 udp dport 7777 counter name v6; }
      counter v4 { } counter v6 { } }`,
  });
  const flow = (address: string, to: string) =>
    `conntrack -I -p udp -s ${address} -d ${address} --sport 5000 --dport 7000 --dst-nat ${to} -t 60`;
  netns.run(['sh', '-c', `${flow('127.0.0.1', '127.0.0.1:7777')}; ${flow('::1', '[::1]:7777')}`]);
  netns.run(['python3', probe], { input: '127.0.0.1 5000 127.0.0.1 7000\n::1 5000 ::1 7000\n' });
  const count = (name: string) =>
    !netns.exec('nft', 'list', 'counter', 'inet', 'probe', name).includes('packets 0');
  return { ipv4: count('v4'), ipv6: count('v6') };
}

const word = (yes: boolean) => (yes ? 'active' : 'none');
const seen = { tracking: new Set<string>(), nat: new Set<string>() };

for (const set of ruleSets) {
  test(set.name, async () => {
    using netns = Netns.create();
    const said = await saidOf(netns, set);
    const packets = tracked(netns);
    const { ipv4, ipv6, bridge, source, state, reasons } = said.tracking;
    assert.equal({ ipv4, ipv6 }, { ipv4: word(packets.ipv4), ipv6: word(packets.ipv6) });
    assert.is(bridge, 'none');
    assert.is(state, word(packets.ipv4 || packets.ipv6));
    assert.is(said.word, state);
    assert.ok(source === 'hooks' || source === 'rules');
    assert.ok(reasons.length > 0 && reasons.every((reason) => reason.length > 10));
    const nat = translated(netns);
    assert.equal(
      { ipv4: said.nat.ipv4, ipv6: said.nat.ipv6, state: said.nat.state },
      { ipv4: word(nat.ipv4), ipv6: word(nat.ipv6), state: word(nat.ipv4 || nat.ipv6) },
    );
    assert.is(said.nat.source, source);
    seen.tracking.add(`${ipv4} ${ipv6}`);
    seen.nat.add(`${said.nat.ipv4} ${said.nat.ipv6}`);
  });
}

test('the rule sets make every combination of families', () => {
  const all = ['active active', 'active none', 'none active', 'none none'];
  assert.equal([...seen.tracking].sort(), all);
  assert.equal([...seen.nat].sort(), all);
});

test('support() tells the same of the namespace of this process', () => {
  const of = (): Support['conntrack'] => support().conntrack;
  const before = of();
  assert.equal([before.tracking.state, before.nat.state], ['none', 'none']);
  Netns.current.ip6tables('-t', 'nat', '-L', '-n');
  const table = of();
  assert.equal([table.tracking.state, table.nat.state], ['none', 'active']);
  assert.equal([table.nat.ipv4, table.nat.ipv6], ['none', 'active']);
  Netns.current.ip6tables('-t', 'nat', '-A', 'POSTROUTING', '-o', 'eth7', '-j', 'MASQUERADE');
  const rule = of().tracking;
  assert.equal(
    [rule.state, rule.ipv4, rule.ipv6, rule.bridge],
    ['active', 'none', 'active', 'none'],
  );
  if (rule.source === 'rules') assert.equal(rule.reasons, ['ip6 nat: MASQUERADE']);
});

test.run();

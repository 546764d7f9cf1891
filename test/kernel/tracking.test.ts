// Limit: 600 s
// The package reports tracking and NAT of a namespace. The test compares the report with packets there: one datagram
// of each family through the loopback, and one of a flow whose translation conntrack(8) wrote. Every rule set gets a
// new namespace.
import { fileURLToPath } from 'node:url';
import { Conntrack, type Support, support } from '../../src/index.js';
import { assert, suite } from '../support/harness.js';
import { Netns } from '../support/netns.js';
import { python } from '../support/python.js';
import { type RuleSet, ruleSets } from '../support/rule-sets.js';

const test = suite('tracking');
const probe = fileURLToPath(new URL('../support/packet-probe.py', import.meta.url));

type Verdict = { ipv4: boolean; ipv6: boolean };

/** Applies a rule set. Returns the report of the package before any packet. */
async function saidOf(netns: Netns, { name, script }: RuleSet) {
  netns.run(['sh', '-ec', script]);
  await using table = Conntrack.open({ netns: netns.path });
  const { stats, length } = await table.dump();
  assert.is(length, 0, name);
  const { tracking, nat } = await table.hooks();
  assert.equal(stats.trackingState, tracking);
  return { word: stats.tracking, tracking, nat };
}

/** Whether packets are tracked and translated. */
const packetsIn = (netns: Netns): { tracked: Verdict; translated: Verdict } =>
  JSON.parse(netns.exec(python, probe));

const word = (yes: boolean) => (yes ? 'active' : 'none');
const seen = { tracking: new Set<string>(), nat: new Set<string>() };

const takes = new Map<string, boolean>();

/** Why this kernel cannot have a rule set, or undefined. */
function missing({ optional, script, probe }: RuleSet): string | undefined {
  const needed = optional ? script : probe;
  if (needed === undefined) return undefined;
  if (!takes.has(needed)) {
    using netns = Netns.create();
    let taken = true;
    try {
      netns.run(['sh', '-ec', needed]);
    } catch {
      taken = false;
    }
    takes.set(needed, taken);
  }
  return takes.get(needed) ? undefined : 'this kernel, or this tool, does not take it';
}

for (const set of ruleSets) {
  test.when(missing(set), set.name, async () => {
    using netns = Netns.create();
    const said = await saidOf(netns, set);
    const { tracked, translated } = packetsIn(netns);
    const { ipv4, ipv6, bridge, source, state, reasons } = said.tracking;
    assert.equal({ ipv4, ipv6 }, { ipv4: word(tracked.ipv4), ipv6: word(tracked.ipv6) });
    assert.is(bridge, word(set.name === 'nft bridge: ct state'));
    assert.is(state, word(tracked.ipv4 || tracked.ipv6));
    assert.is(said.word, state);
    assert.ok(source === 'hooks' || source === 'rules');
    assert.ok(reasons.length > 0 && reasons.every((reason) => reason.length > 5));
    assert.equal(
      { ipv4: said.nat.ipv4, ipv6: said.nat.ipv6, state: said.nat.state },
      {
        ipv4: word(translated.ipv4),
        ipv6: word(translated.ipv6),
        state: word(translated.ipv4 || translated.ipv6),
      },
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

test('support() reports the same for the namespace of this process', () => {
  const of = (): Support['conntrack'] => support().conntrack;
  const before = of();
  assert.equal([before.tracking.state, before.nat.state], ['none', 'none']);
  Netns.current.ip6tables('-t', 'nat', '-P', 'POSTROUTING', 'ACCEPT');
  const table = of();
  assert.equal([table.tracking.state, table.nat.state], ['none', 'active']);
  assert.equal([table.nat.ipv4, table.nat.ipv6], ['none', 'active']);
  Netns.current.ip6tables('-t', 'nat', '-A', 'POSTROUTING', '-o', 'eth7', '-j', 'MASQUERADE');
  const rule = of().tracking;
  assert.equal(
    [rule.state, rule.ipv4, rule.ipv6, rule.bridge],
    ['active', 'none', 'active', 'none'],
  );
  if (rule.source === 'rules') {
    assert.match(rule.reasons.join(), /^(nftables )?ip6 nat: (MASQUERADE|masq)$/);
  }
});

test.run();

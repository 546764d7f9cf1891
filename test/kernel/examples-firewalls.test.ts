// The example firewalls are compared with shell scripts for the same rules: iptables-save shows the same for both.
import { execFileSync } from 'node:child_process';
import { apply as applyLimits, makeRoom } from '../../examples/firewall-limits.js';
import { apply as applyStates } from '../../examples/firewall-states.js';
import { conntrack, Iptables } from '../../src/index.js';
import { assert, suite } from '../support/harness.js';

const test = suite('example firewalls');

const statesScript = `
iptables -P INPUT DROP
iptables -P FORWARD DROP
iptables -P OUTPUT ACCEPT
iptables -A INPUT -i lo -j ACCEPT
iptables -N CT_STATES
iptables -A CT_STATES -m conntrack --ctstate INVALID -j DROP
iptables -A CT_STATES -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT
iptables -A FORWARD -j CT_STATES
iptables -A INPUT -j CT_STATES
iptables -A FORWARD -p tcp --dport 443 -m conntrack --ctstate NEW -j ACCEPT
iptables -A FORWARD -p tcp --dport 80 -m conntrack --ctstate NEW -j ACCEPT
iptables -A INPUT -p icmp --icmp-type echo-request -j ACCEPT
iptables -A FORWARD -p icmp --icmp-type echo-request -j ACCEPT
`;

const limitsScript = `
iptables -P FORWARD DROP
iptables -A FORWARD -m conntrack --ctstate INVALID -j LOG --log-prefix "INVALID: "
iptables -A FORWARD -m conntrack --ctstate INVALID -j DROP
iptables -A FORWARD -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT
iptables -A FORWARD -p tcp --syn -m conntrack --ctstate NEW -m multiport --dports 80,443 -j ACCEPT
iptables -A FORWARD -p udp -m conntrack --ctstate NEW -m multiport --dports 53,123 -j ACCEPT
iptables -A FORWARD -p tcp --syn -m conntrack --ctstate NEW -m limit --limit 60/minute --limit-burst 30 -j ACCEPT
iptables -A FORWARD -p tcp --syn -m conntrack --ctstate NEW -j DROP
`;

type Backend = 'legacy' | 'nft';

/** The filter table as iptables-save shows it, without comments and counters. */
function saved(backend: Backend): string[] {
  return execFileSync(`iptables-${backend}-save`, ['-t', 'filter'], { encoding: 'utf8' })
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => line.replace(/\[\d+:\d+\]/, ''));
}

function empty(backend: Backend): void {
  const script = '*filter\n:INPUT ACCEPT\n:FORWARD ACCEPT\n:OUTPUT ACCEPT\nCOMMIT\n';
  execFileSync(`iptables-${backend}-restore`, { input: script });
}

for (const backend of ['legacy', 'nft'] as const) {
  for (const [name, script, apply] of [
    ['states', statesScript, applyStates],
    ['limits', limitsScript, applyLimits],
  ] as const) {
    test(`${backend}, ${name}: equal to the shell script, in one commit`, async () => {
      await using tables = Iptables.open({ backend });
      empty(backend);
      execFileSync('sh', ['-e', '-c', script.replaceAll('iptables ', `iptables-${backend} `)]);
      const theirs = saved(backend);
      assert.ok(theirs.length > 8);
      empty(backend);
      await apply(tables);
      assert.equal(saved(backend), theirs);
      const ours = (await tables.save({ tables: ['filter'] }))
        .split('\n')
        .filter((line) => line !== '' && !line.startsWith('#'))
        .map((line) => line.replace(/\[\d+:\d+\]/, ''));
      assert.equal(ours, theirs);
    });
  }
}

test('the table gets room if this namespace may change that', async () => {
  await makeRoom(conntrack);
  assert.is((await conntrack.settings()).timeouts.tcp.established, 5400);
});

test.after(async () => {
  await conntrack.close();
});

test.run();

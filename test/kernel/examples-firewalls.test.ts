// The example firewalls are compared with shell scripts for the same rules: iptables-save shows the same for both.
import { execFileSync } from 'node:child_process';
import { apply as applyLimits, makeRoom } from '../../examples/firewall-limits.js';
import { apply as applyStates } from '../../examples/firewall-states.js';
import { conntrack, iptables } from '../../src/index.js';
import { assert, suite } from '../support/harness.js';

const test = suite('example firewalls');

const statesScript = `
iptables-legacy -P INPUT DROP
iptables-legacy -P FORWARD DROP
iptables-legacy -P OUTPUT ACCEPT
iptables-legacy -A INPUT -i lo -j ACCEPT
iptables-legacy -N CT_STATES
iptables-legacy -A CT_STATES -m conntrack --ctstate INVALID -j DROP
iptables-legacy -A CT_STATES -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT
iptables-legacy -A FORWARD -j CT_STATES
iptables-legacy -A INPUT -j CT_STATES
iptables-legacy -A FORWARD -p tcp --dport 443 -m conntrack --ctstate NEW -j ACCEPT
iptables-legacy -A FORWARD -p tcp --dport 80 -m conntrack --ctstate NEW -j ACCEPT
iptables-legacy -A INPUT -p icmp --icmp-type echo-request -j ACCEPT
iptables-legacy -A FORWARD -p icmp --icmp-type echo-request -j ACCEPT
`;

const limitsScript = `
iptables-legacy -P FORWARD DROP
iptables-legacy -A FORWARD -m conntrack --ctstate INVALID -j LOG --log-prefix "INVALID: "
iptables-legacy -A FORWARD -m conntrack --ctstate INVALID -j DROP
iptables-legacy -A FORWARD -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT
iptables-legacy -A FORWARD -p tcp --syn -m conntrack --ctstate NEW -m multiport --dports 80,443 -j ACCEPT
iptables-legacy -A FORWARD -p udp -m conntrack --ctstate NEW -m multiport --dports 53,123 -j ACCEPT
iptables-legacy -A FORWARD -p tcp --syn -m conntrack --ctstate NEW -m limit --limit 60/minute --limit-burst 30 -j ACCEPT
iptables-legacy -A FORWARD -p tcp --syn -m conntrack --ctstate NEW -j DROP
`;

/** The filter table as iptables-legacy-save shows it, without comments and counters. */
function saved(): string[] {
  return execFileSync('iptables-legacy-save', ['-t', 'filter'], { encoding: 'utf8' })
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => line.replace(/\[\d+:\d+\]/, ''));
}

function empty(): void {
  const script = '*filter\n:INPUT ACCEPT\n:FORWARD ACCEPT\n:OUTPUT ACCEPT\nCOMMIT\n';
  execFileSync('iptables-legacy-restore', { input: script });
}

for (const [name, script, apply] of [
  ['states', statesScript, applyStates],
  ['limits', limitsScript, applyLimits],
] as const) {
  test(`${name}: equal to the shell script, in one commit`, async () => {
    empty();
    execFileSync('sh', ['-e', '-c', script]);
    const theirs = saved();
    assert.ok(theirs.length > 8);
    empty();
    await apply(iptables);
    assert.equal(saved(), theirs);
    const ours = (await iptables.save({ tables: ['filter'] }))
      .split('\n')
      .filter((line) => line !== '' && !line.startsWith('#'))
      .map((line) => line.replace(/\[\d+:\d+\]/, ''));
    assert.equal(ours, theirs);
  });
}

test('the table gets room if this namespace may change that', async () => {
  await makeRoom(conntrack);
  assert.is((await conntrack.settings()).timeouts.tcp.established, 5400);
});

test.after(async () => {
  await iptables.close();
  await conntrack.close();
});

test.run();

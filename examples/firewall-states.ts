// A conntrack-aware firewall for a gateway: a chain of its own accepts established traffic before the rules for
// new connections. There is one commit, so no packet ever meets half of the rules.
//
// Without options it applies and shows the rules in its own network namespace. `--here` applies them in the
// namespace where it was started.
import { pathToFileURL } from 'node:url';
import { type Iptables, iptables, type RuleInit } from '../src/index.js';
import { enterSandbox } from '../test/support/sandbox.js';

const states: RuleInit[] = [
  { matches: [{ name: 'conntrack', ctstate: ['INVALID'] }], target: { name: 'DROP' } },
  {
    matches: [{ name: 'conntrack', ctstate: ['RELATED', 'ESTABLISHED'] }],
    target: { name: 'ACCEPT' },
  },
];

const toStates: RuleInit = { target: { name: 'jump', chain: 'CT_STATES' } };

/** Echo requests. */
const ping: RuleInit = {
  protocol: 'icmp',
  matches: [{ name: 'icmp', icmpType: 8 }],
  target: { name: 'ACCEPT' },
};

/** New connections to a TCP port. */
const web = (dport: number): RuleInit => ({
  protocol: 'tcp',
  matches: [
    { name: 'tcp', dport },
    { name: 'conntrack', ctstate: ['NEW'] },
  ],
  target: { name: 'ACCEPT' },
});

export async function apply(tables: Iptables): Promise<void> {
  await tables.edit('filter', (filter) => {
    const [input, forward, output] = ['INPUT', 'FORWARD', 'OUTPUT'].map((name) =>
      filter.chain(name),
    );
    input!.policy('DROP');
    forward!.policy('DROP');
    output!.policy('ACCEPT');
    filter.newChain('CT_STATES').append(...states);
    input!.append({ in: 'lo', target: { name: 'ACCEPT' } }, toStates, ping);
    forward!.append(toStates, web(443), web(80), ping);
  });
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  if (!process.argv.includes('--here')) enterSandbox();
  await apply(iptables);
  process.stdout.write(await iptables.save({ tables: ['filter'] }));
  await iptables.close();
}

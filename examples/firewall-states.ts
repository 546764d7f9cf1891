// A conntrack-aware firewall for a gateway: a chain of its own accepts established traffic before the rules for
// new connections. There is one commit, so no packet ever meets half of the rules.
//
// It applies the rules in the network namespace where it is started, and shows them. To try it in a namespace of its own:
// `unshare --net node …`. `--backend nft` and `--backend legacy` say where the rules go. Without it the package takes the
// backend that the namespace uses, or nf_tables if there are no rules yet.
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { Iptables, type IptablesOptions, type RuleInit } from 'conntrack';

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
  const { values } = parseArgs({
    options: { backend: { type: 'string', default: 'auto' } },
  });
  const tables = Iptables.open({ backend: values.backend as IptablesOptions['backend'] });
  await apply(tables);
  const { uses } = await tables.backendReport();
  process.stdout.write(`# In ${uses === 'nft' ? 'nf_tables' : 'the legacy tables'}:\n`);
  process.stdout.write(await tables.save({ tables: ['filter'] }));
  await tables.close();
}

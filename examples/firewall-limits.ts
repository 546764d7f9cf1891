// A firewall for a busy gateway. It makes room in the connection table. It logs and drops invalid packets,
// accepts new connections to some services, and limits the rate of other new TCP connections. The rules are
// in the syntax of iptables, which people know. The package checks them like typed rules.
//
// It applies the rules in the network namespace where it is started, and shows them. To try it in a namespace of its own:
// `unshare --net node …`. `--backend nft` and `--backend legacy` say where the rules go. Without it the package takes the
// backend that the namespace uses, or nf_tables if there are no rules yet.
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { type Conntrack, conntrack, Iptables, type IptablesOptions } from 'conntrack';

const forward = [
  '-m conntrack --ctstate INVALID -j LOG --log-prefix "INVALID: "',
  '-m conntrack --ctstate INVALID -j DROP',
  '-m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT',
  '-p tcp --syn -m conntrack --ctstate NEW -m multiport --dports 80,443 -j ACCEPT',
  '-p udp -m conntrack --ctstate NEW -m multiport --dports 53,123 -j ACCEPT',
  '-p tcp --syn -m conntrack --ctstate NEW -m limit --limit 60/minute --limit-burst 30 -j ACCEPT',
  '-p tcp --syn -m conntrack --ctstate NEW -j DROP',
];

/** The size of the table belongs to the whole host: only the initial namespace can set it. */
export async function makeRoom(table: Conntrack): Promise<void> {
  await table.configure({ timeouts: { tcp: { established: 5400 } } });
  try {
    await table.configure({ max: 300_000 });
  } catch (error) {
    process.stderr.write(`the table keeps its size: ${(error as Error).message}\n`);
  }
}

export async function apply(tables: Iptables): Promise<void> {
  await tables.edit('filter', (filter) => {
    const chain = filter.chain('FORWARD');
    chain.policy('DROP');
    chain.ensure(forward); // so that a second run adds nothing
  });
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const { values } = parseArgs({
    options: { backend: { type: 'string', default: 'auto' } },
  });
  const tables = Iptables.open({ backend: values.backend as IptablesOptions['backend'] });
  await makeRoom(conntrack);
  await apply(tables);
  const { uses } = await tables.backendReport();
  process.stdout.write(`# In ${uses === 'nft' ? 'nf_tables' : 'the legacy tables'}:\n`);
  process.stdout.write(await tables.save({ tables: ['filter'] }));
  await Promise.all([tables.close(), conntrack.close()]);
}

// A firewall for a busy gateway: room in the connection table, invalid packets logged and dropped, new
// connections to named services only, and the rest of them limited. The rules are written as people know
// them, in iptables syntax; they are checked and typed all the same.
//
// Run as it is, it shows what it makes inside a network namespace of its own; `--here` applies it to the
// namespace that it runs in.
import { pathToFileURL } from 'node:url';
import { type Conntrack, conntrack, type Iptables, iptables } from '../src/index.js';
import { enterSandbox } from '../test/support/sandbox.js';

const forward = [
  '-m conntrack --ctstate INVALID -j LOG --log-prefix "INVALID: "',
  '-m conntrack --ctstate INVALID -j DROP',
  '-m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT',
  '-p tcp --syn -m conntrack --ctstate NEW -m multiport --dports 80,443 -j ACCEPT',
  '-p udp -m conntrack --ctstate NEW -m multiport --dports 53,123 -j ACCEPT',
  '-p tcp --syn -m conntrack --ctstate NEW -m limit --limit 60/minute --limit-burst 30 -j ACCEPT',
  '-p tcp --syn -m conntrack --ctstate NEW -j DROP',
];

/** The size of the table belongs to the whole host: it is set in the initial namespace only. */
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
    chain.append(...forward);
  });
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  if (!process.argv.includes('--here')) enterSandbox();
  await makeRoom(conntrack);
  await apply(iptables);
  process.stdout.write(await iptables.save({ tables: ['filter'] }));
  await Promise.all([iptables.close(), conntrack.close()]);
}

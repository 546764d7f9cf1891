// A second process that edits a table. It appends rules through the package, each in its own edit. Arguments: backend,
// family, chain, first port, count. Prints the number of each appended rule.
import { Iptables } from '../../src/iptables/iptables.js';

const [backend, family, chain, first, count] = process.argv.slice(2);
const ipt = Iptables.open({ family: family as 'ipv4', backend: backend as 'nft' });
for (let port = Number(first); port < Number(first) + Number(count); ) {
  try {
    await ipt.edit('filter', (table) => {
      table.chain(chain!).append(`-p udp --dport ${port}`);
    });
    process.stdout.write(`${port++}\n`);
  } catch (error) {
    // Only a writer that no lock keeps away can cause this. Then the rule is not in the table.
    if ((error as { code?: string }).code !== 'ERR_NETFILTER_TABLE_CHANGED') throw error;
  }
}

// A second process that edits: appends rules one by one through the package, each an edit of its own.
// Arguments: family, chain, first port, count. Prints the number of each rule that is in.
import { Iptables } from '../../src/iptables/iptables.js';

const [family, chain, first, count] = process.argv.slice(2);
const ipt = Iptables.open({ family: family as 'ipv4', backend: 'legacy' });
for (let port = Number(first); port < Number(first) + Number(count); ) {
  try {
    await ipt.edit('filter', (table) => {
      table.chain(chain!).append(`-p udp --dport ${port}`);
    });
    process.stdout.write(`${port++}\n`);
  } catch (error) {
    // Only a writer that takes another lock can be the reason; the rule is not in then.
    if ((error as { code?: string }).code !== 'ERR_NETFILTER_TABLE_CHANGED') throw error;
  }
}

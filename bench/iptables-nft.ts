// iptables, tables in nf_tables: tables of 10,000 and 50,000 rules read with every rule typed, 300 rules added in one edit
// to a table of 5,000, 300 rules made sure of in 5,000, one rule deleted and appended in 10,000, 500 rules restored, a
// table saved as text. Against iptables-nft.
import { Iptables } from '../src/index.js';
import type { Bench } from './lib/bench.js';
import { installed } from './lib/peers.js';
import {
  editing,
  ensuring,
  reading,
  restoring,
  type Side,
  saving,
  single,
} from './lib/rules-bench.js';

export const bench: Bench = {
  name: 'iptables-nft',
  about:
    'nf_tables: read of 10,000 and 50,000 rules, 300 edits in one, 300 rules ensured, one rule, restore, save',
  async run(context) {
    if (!installed('iptables-nft-save')) throw new Error('iptables-nft is not installed');
    const side: Side = { backend: 'nft', tables: Iptables.open({ backend: 'nft' }) };
    await reading(context, side, 10_000, 0.5);
    await reading(context, side, 50_000, undefined);
    await editing(context, side, 60);
    await ensuring(context, side, 300);
    await single(context, side);
    await restoring(context, side, 0.6);
    await saving(context, side, [10_000]);
  },
};

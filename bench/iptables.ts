// iptables, legacy tables: a table of 50,000 rules read with every rule typed, 300 rules added in one edit to a table of
// 5,000, 500 rules restored, tables saved as text. Against iptables-legacy.
import { Iptables } from '../src/index.js';
import type { Bench } from './lib/bench.js';
import { installed } from './lib/peers.js';
import { editing, reading, restoring, type Side, saving } from './lib/rules-bench.js';

export const bench: Bench = {
  name: 'iptables',
  about: 'legacy: read of 50,000 rules, 300 edits in one, restore of 500, save',
  async run(context) {
    if (!installed('iptables-legacy-save')) throw new Error('iptables-legacy is not installed');
    const side: Side = { backend: 'legacy', tables: Iptables.open({ backend: 'legacy' }) };
    await reading(context, side, 50_000, 0.65);
    await editing(context, side, 120);
    await restoring(context, side, 1.2);
    await saving(context, side, [5000, 50_000]);
  },
};

// Rules that refer to IP sets: by name to us, by the index that the kernel gave to the set in the table.
import { registry } from '../../src/iptables/extensions/index.js';
import { Iptables } from '../../src/iptables/iptables.js';
import { assert, suite, throws } from '../support/harness.js';
import { reset, saved } from '../support/iptables-tables.js';
import { run } from '../support/process.js';

const test = suite('iptables rules with IP sets');
const known = registry.has('ipv4', 'match', 'set');
const missing = known ? undefined : 'the codec has no match set yet';

test.when(missing, 'rules that name IP sets', async () => {
  reset();
  run(['ipset', 'create', 'first', 'hash:ip']);
  run(['ipset', 'create', 'second', 'hash:ip', 'family', 'inet6']);
  const ipt = Iptables.open();
  const text = '*filter\n-A INPUT -m set --match-set first src -j ACCEPT\nCOMMIT\n';
  await ipt.restore(text);
  assert.match(saved('ipv4'), /--match-set first src -j ACCEPT/);
  assert.match(await ipt.save(), /--match-set first src -j ACCEPT/);
  await ipt.edit('filter', (table) => {
    const input = table.chain('INPUT');
    assert.is(input.has('-m set --match-set first src -j ACCEPT'), true);
    input.append('-m set ! --match-set first dst -j DROP');
    assert.is(input.rules[1]!.toString(), '-m set ! --match-set first dst -j DROP');
  });
  assert.match(saved('ipv4'), /! --match-set first dst -j DROP/);
  await throws(RangeError, /^line 2: set "nothing": the kernel has no set of that name/, () =>
    ipt.restore(text.replace('first', 'nothing'), { test: true }),
  );
  await throws(RangeError, /^set "second": it holds IPv6 addresses/, () =>
    ipt.edit('filter', (table) => table.chain('INPUT').append('-m set --match-set second src')),
  );
  await ipt.close();
  reset();
  run(['ipset', 'destroy']);
});

test.run();

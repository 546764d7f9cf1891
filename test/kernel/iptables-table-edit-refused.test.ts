// Edits that are refused: the message says why, and nothing has changed.
// Backends: legacy, nft
import { XtablesError } from '../../src/errors.js';
import type { TableEdit } from '../../src/iptables/edit/table-edit.js';
import { here, loopCode } from '../support/backend-differences.js';
import { assert, suite, throws } from '../support/harness.js';
import { families, load, openTables, reset, saved, twoChains } from '../support/iptables-tables.js';

const test = suite('refused edits of iptables tables');

test('a refused edit changes nothing, and the message says why', async () => {
  for (const family of families) {
    reset();
    load(family, twoChains);
    const before = saved(family);
    const ipt = openTables({ family });
    const refuse = async (
      message: RegExp,
      edit: (table: TableEdit) => unknown,
      table = 'filter',
    ) => {
      await throws(Error, message, () =>
        ipt.edit(table, (t) => {
          if (table === 'filter') t.chain('FORWARD').append('-j ACCEPT');
          return edit(t);
        }),
      );
      assert.is(saved(family, { table: 'filter' }), before);
    };
    const append = (rule: string) => (t: TableEdit) => t.chain('INPUT').append(rule);
    await refuse(
      /^INPUT\.rules\[2\]\.target\.chain: expected a chain.*"nowhere"/,
      append('-j nowhere'),
    );
    await refuse(/target\.chain: expected a chain that is not built in/, append('-j OUTPUT'));
    await refuse(/^rule\.out: no outgoing interface is known in INPUT/, append('-o eth0'));
    await refuse(/^rule\.in: no incoming interface/, (t) => t.chain('OUTPUT').append('-i eth0'));
    await refuse(/^rule: -p/, append('-p nonsense'));
    await refuse(/^rule\.target\.name/, (t) =>
      t.chain('INPUT').append({ target: { name: 'NONSENSE' } as never }),
    );
    await refuse(/^chain: expected a chain/, (t) => t.chain('nope'));
    for (const name of ['', '-x', '!x', 'a b', 'x'.repeat(29)]) {
      await refuse(/^chain: /, (t) => t.newChain(name));
    }
    await refuse(/^chain ACCEPT: it is a verdict/, (t) => t.newChain('ACCEPT'));
    await refuse(/^chain LOG: it is a target/, (t) => t.newChain('LOG'));
    await refuse(/^chain one: .* has a chain of that name/, (t) => t.newChain('one'));
    await refuse(/^chain two: .*has a chain of that name/, (t) => t.renameChain('one', 'two'));
    await refuse(/^chain INPUT: it is built in/, (t) => t.renameChain('INPUT', 'x'));
    await refuse(/^chain INPUT: it is built in/, (t) => t.deleteChain('INPUT'));
    await refuse(/^chain one: it still has rules \(4\)/, (t) => t.deleteChain('one'));
    await refuse(/^chain two: 1 rules still jump to it/, (t) => {
      t.chain('two').flush();
      t.deleteChain('two');
    });
    await refuse(/^chain one: only a built-in chain has a policy/, (t) =>
      t.chain('one').policy('DROP'),
    );
    await refuse(/^policy: /, (t) => t.chain('INPUT').policy('RETURN' as never));
    await refuse(/^index: expected 0…4/, (t) => t.chain('one').insert('-j ACCEPT', 5));
    await refuse(/^index: expected 0…3/, (t) => t.chain('one').delete(4));
    await refuse(/^index: expected an integer/, (t) => t.chain('one').replace(0.5, '-j ACCEPT'));
    await refuse(/^rules\[1\]\.target/, (t) =>
      t.chain('one').append({}, { target: { name: 'jump', chain: 'a b' } }),
    );
    await refuse(/DROP is not allowed in it/, (t) => t.chain('OUTPUT').append('-j DROP'), 'nat');
    await refuse(/DROP is not allowed in it/, (t) => t.chain('OUTPUT').policy('DROP'), 'nat');
    await refuse(/the function must do its work before it returns/, async (t) => t.chain('one'));
    await refuse(/^stop$/, () => {
      throw new Error('stop');
    });
    // Only the kernel can find these.
    const loop = (t: TableEdit) =>
      t.chain('one').append('-j two') && t.chain('two').insert('-j one');
    const error = await throws(
      XtablesError,
      new RegExp(`${here(loopCode)}.*\\(rule 0 of chain two: chains jump in a loop`),
      () => ipt.edit('filter', loop),
    );
    assert.is(error.code, here(loopCode));
    await refuse(
      /EINVAL.*\(rule 2 of chain INPUT: the kernel refused it/,
      append('-m owner --uid-owner 0'),
    );
    await refuse(/the kernel has no match conntrack of revision 9/, (t) =>
      t.chain('INPUT').append({
        matches: [{ name: 'raw', extension: 'conntrack', revision: 9, data: new Uint8Array(16) }],
      }),
    );
    await ipt.close();
  }
});

test('the message names the one rule among many that only the kernel refuses', async () => {
  reset();
  load('ipv4', twoChains);
  const before = saved('ipv4');
  const ipt = openTables();
  for (const bad of [0, 1, 499, 500, 998, 999]) {
    const rules = Array.from({ length: 1000 }, (_, i) =>
      i === bad ? '-p udp -m owner --uid-owner 0 -j DROP' : `-p udp --dport ${i + 1} -j ACCEPT`,
    );
    await throws(XtablesError, new RegExp(`EINVAL.*\\(rule ${bad} of chain mine: `), () =>
      ipt.edit('filter', (table) => {
        table.newChain('mine').append(...rules);
        // INPUT leads to it only through an old rule and this new one.
        table.chain('two').insert('-p udp -j mine');
      }),
    );
    assert.is(saved('ipv4'), before);
  }
  // The kernel takes the same rule when only OUTPUT leads to it.
  await ipt.edit('filter', (table) => {
    table.newChain('mine').append('-m owner --uid-owner 0 -j DROP');
    table.chain('OUTPUT').append('-j mine');
  });
  await ipt.close();
});

test('a deleted chain, and a table after its edit, cannot be used', async () => {
  reset();
  load('ipv4', twoChains);
  const ipt = openTables();
  let kept: TableEdit | undefined;
  await ipt.edit('filter', (table) => {
    kept = table;
    const chain = table.newChain('gone');
    table.deleteChain('gone');
    assert.throws(() => chain.append('-j ACCEPT'), /expected a chain of table filter/);
  });
  assert.throws(() => kept!.chain('INPUT'), /used after its edit had ended/);
  await ipt.close();
});

test.run();

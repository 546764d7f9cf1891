// Rules of the package have the same effect on packets, and are the same to iptables, as rules that iptables writes.
// This tests bytes that no listing shows, and that iptables -C and -D compare.
// Backends: legacy, nft
import type { Iptables } from '../../src/iptables/iptables.js';
import { assert, suite } from '../support/harness.js';
import type { Family } from '../support/iptables-tables.js';
import {
  families,
  iptables,
  load,
  openTables,
  packets,
  reset,
} from '../support/iptables-tables.js';

const test = suite('meaning of iptables rules');

const nth = (packet: number, more = '') =>
  `-p udp -m udp --dport 9 -m statistic --mode nth --every 3 --packet ${packet}${more} -j RETURN`;
// Each rule has its own chain: a matching rule must not hide the packet from the next rule.
const chains = ['zero', 'one', 'two'];
const table = (rules: readonly string[]) =>
  [
    '*filter',
    ...chains.map((name) => `:${name} - [0:0]`),
    ...chains.map((name) => `-A OUTPUT -p udp -m udp --dport 9 -j ${name}`),
    ...rules,
    'COMMIT',
    '',
  ].join('\n');
const nthTable = table(chains.map((name, packet) => `-A ${name} ${nth(packet)}`));

/** The rules, of three, that each of six packets hits. */
async function hits(ipt: Iptables, family: Family): Promise<string> {
  const counts = async () => {
    const read = await ipt.read();
    return chains.map((name) => read.chain(name).rules[0]!.counters.packets);
  };
  const words: string[] = [];
  let before = await counts();
  for (let packet = 0; packet < 6; packet++) {
    await packets(family, 1);
    const now = await counts();
    words.push(now.map((count, index) => String(count - before[index]!)).join(''));
    before = now;
  }
  return words.join(' ');
}

const wanted = '100 010 001 100 010 001';
const ways: Record<string, (ipt: Iptables, family: Family) => Promise<void>> = {
  'made by iptables': async (_, family) => load(family, nthTable),
  appended: async (ipt, family) => {
    load(family, table([]));
    await ipt.edit('filter', (edit) => {
      for (const [packet, name] of chains.entries()) edit.chain(name).append(nth(packet));
    });
  },
  'appended as objects': async (ipt, family) => {
    load(family, table([]));
    await ipt.edit('filter', (edit) => {
      for (const [packet, name] of chains.entries()) {
        edit.chain(name).append({
          protocol: 'udp',
          matches: [
            { name: 'udp', dport: 9 },
            { name: 'statistic', mode: 'nth', every: 3, packet },
          ],
          target: { name: 'RETURN' },
        });
      }
    });
  },
  restored: async (ipt) => ipt.restore(nthTable),
  'restored from what was saved of a table that iptables made': async (ipt, family) => {
    load(family, nthTable);
    const text = await ipt.save();
    reset();
    await ipt.restore(text);
  },
  'edited with with()': async (ipt, family) => {
    load(family, nthTable);
    await ipt.edit('filter', (edit) => {
      for (const name of chains) {
        const chain = edit.chain(name);
        chain.replace(0, chain.rules[0]!.with({ counters: { packets: 0n, bytes: 0n } }));
      }
    });
  },
};

for (const family of families) {
  for (const [title, make] of Object.entries(ways)) {
    test(`statistic nth, ${title}: each packet hits its rule (${family})`, async () => {
      reset();
      const ipt = openTables({ family });
      await make(ipt, family);
      assert.is(await hits(ipt, family), wanted);
      await ipt.close();
    });
  }

  test(`statistic nth, negated: all packets except its own hit the rule (${family})`, async () => {
    reset();
    const ipt = openTables({ family });
    const rules = chains.map(
      (name, packet) => `-A ${name} ${nth(packet).replace('--every', '! --every')}`,
    );
    await ipt.restore(table(rules));
    assert.is(await hits(ipt, family), '011 101 110 011 101 110');
    await ipt.close();
  });

  test(`an initial count of statistic from another program is kept, and is not --packet (${family})`, async () => {
    reset();
    const ipt = openTables({ family });
    const data = new Uint8Array(24);
    const view = new DataView(data.buffer);
    view.setUint16(0, 1, true);
    view.setUint32(4, 2, true);
    view.setUint32(12, 1, true); // --every 3 --packet 0 would begin at 2
    load(family, table([]));
    await ipt.edit('filter', (edit) => {
      edit
        .chain('zero')
        .append({ matches: [{ name: 'raw', extension: 'statistic', revision: 0, data }] });
      edit.chain('one').append('-m statistic --mode nth --every 3 --packet 0');
      edit.chain('two').append('-m statistic --mode nth --every 3 --packet 2');
      assert.is(edit.chain('zero').has('-m statistic --mode nth --every 3 --packet 0'), false);
    });
    await ipt.restore(await ipt.save());
    assert.is(await hits(ipt, family), '010 100 001 010 100 001');
    await ipt.close();
  });

  test(`lists of recent with names of every length are found by iptables -C and -D (${family})`, async () => {
    reset();
    const ipt = openTables({ family });
    const names = ['a', 'ab', 'SSH', 'ssh4', 'fives', 'sixsix', 'sevenns', 'DEFAULT', 'eighteen'];
    const spec = (name: string) => `-m recent --update --seconds 60 --name ${name} -j RETURN`;
    await ipt.edit('filter', (edit) => {
      edit.chain('INPUT').appendAll([...names.map(spec), '-m recent --set']);
    });
    for (const name of names) iptables(family, '-C', 'INPUT', ...spec(name).split(' '));
    iptables(family, '-D', 'INPUT', '-m', 'recent', '--set');
    for (const name of names) iptables(family, '-D', 'INPUT', ...spec(name).split(' '));
    assert.is((await ipt.read()).chain('INPUT').rules.length, 0);
    // The package finds rules of others, whatever bytes follow the name.
    iptables(family, '-A', 'INPUT', ...spec('SSH').split(' '));
    await ipt.edit('filter', (edit) => {
      const chain = edit.chain('INPUT');
      assert.is(chain.has(spec('SSH')), true);
      chain.delete(spec('SSH'));
    });
    assert.is((await ipt.read()).chain('INPUT').rules.length, 0);
    await ipt.close();
  });
}

test.after(reset);
test.run();

// Editing tables: every operation is compared with iptables.
// Backends: legacy, nft
import type { TableEdit } from '../../src/iptables/edit/table-edit.js';
import { hex } from '../../src/iptables/rule/print.js';
import type { Rule } from '../../src/iptables/rule/rule.js';
import { layouts } from '../../src/iptables/xtables/entry.js';
import { encodeRule } from '../../src/iptables/xtables/rule-bytes.js';
import { assert, suite } from '../support/harness.js';
import {
  type Family,
  families,
  iptables,
  load,
  openTables,
  reset,
  saved,
  twoChains,
} from '../support/iptables-tables.js';

const test = suite('editing iptables tables');
const open = (family: Family) => openTables({ family });

/** Does an edit, and the same with commands on an equal table. Both tables must be equal afterwards. */
async function alike(
  family: Family,
  start: string,
  edit: (table: TableEdit) => void,
  commands: readonly string[],
  table = 'filter',
): Promise<void> {
  const ipt = open(family);
  reset();
  load(family, start);
  await ipt.edit(table, edit);
  const ours = saved(family, { table });
  reset();
  load(family, start);
  for (const command of commands) iptables(family, '-t', table, ...command.split(' '));
  assert.is(ours, saved(family, { table }));
  await ipt.close();
}

test('append and insert', async () => {
  for (const family of families) {
    await alike(
      family,
      twoChains,
      (table) => {
        table.chain('one').append('-p tcp --dport 5 -j DROP', { target: { name: 'RETURN' } });
        table.chain('one').insert('-p tcp --dport 6 -j DROP');
        table.chain('one').insert('-p tcp --dport 7 -j DROP', 2);
        table.chain('one').insert('-j two', table.chain('one').length);
        table
          .chain('OUTPUT')
          .append({ out: { not: 'lo' }, target: { name: 'jump', chain: 'two' } });
      },
      [
        '-A one -p tcp --dport 5 -j DROP',
        '-A one -j RETURN',
        '-I one -p tcp --dport 6 -j DROP',
        '-I one 3 -p tcp --dport 7 -j DROP',
        '-A one -j two',
        '-A OUTPUT ! -o lo -j two',
      ],
    );
  }
});

test('replace, delete by index and by value, move', async () => {
  for (const family of families) {
    await alike(
      family,
      twoChains,
      (table) => {
        const one = table.chain('one');
        one.replace(1, '-p tcp --dport 22 -j DROP');
        one.delete(3);
        assert.is(one.delete('-p tcp --dport 1 -j ACCEPT'), true);
        assert.is(one.delete('-p tcp --dport 1 -j ACCEPT'), false);
        one.move(0, 1);
        table.chain('INPUT').move(1, 0);
        assert.is(table.chain('two').has('-j RETURN'), true);
        assert.is(table.chain('one').indexOf('-p tcp --dport 22 -j DROP'), 1);
      },
      [
        '-R one 2 -p tcp --dport 22 -j DROP',
        '-D one 4',
        '-D one -p tcp --dport 1 -j ACCEPT',
        '-D one 1',
        '-A one -p tcp --dport 22 -j DROP',
        '-D INPUT 2',
        '-I INPUT -p udp -j two',
      ],
    );
  }
});

test('chains: new, rename, delete, flush, policy', async () => {
  for (const family of families) {
    await alike(
      family,
      twoChains,
      (table) => {
        table.newChain('three').append('-j one');
        table.renameChain('one', 'uno').append('-j three-not-yet');
        table.newChain('three-not-yet');
        table.chain('two').flush();
        table.chain('INPUT').delete('-p udp -j two');
        table.deleteChain('two');
        table.chain('FORWARD').policy('DROP');
        assert.equal(table.has('one'), false);
        assert.is(table.chain('INPUT').rules[0]!.toString(), '-p tcp -j uno');
        assert.is(table.chain('three').rules[0]!.toString(), '-j uno');
      },
      [
        '-N three',
        '-A three -j one',
        '-E one uno',
        '-N three-not-yet',
        '-A uno -j three-not-yet',
        '-F two',
        '-D INPUT -p udp -j two',
        '-X two',
        '-P FORWARD DROP',
      ],
    );
  }
});

test('clear, and the lists of addresses in one text', async () => {
  const [a, b] = ['10.0.0.1', '10.0.0.2'];
  await alike(
    'ipv4',
    twoChains,
    (table) => {
      table.clear();
      table.chain('INPUT').append(`-s ${a},${b} -d ${b},${a} -j ACCEPT`);
      table.chain('INPUT').delete(`-s ${a} -d ${a},${b} -j ACCEPT`);
    },
    [
      '-F',
      '-X',
      `-A INPUT -s ${a},${b} -d ${b},${a} -j ACCEPT`,
      `-D INPUT -s ${a} -d ${a},${b} -j ACCEPT`,
    ],
  );
});

test('many random edits give the same tables as the commands', async () => {
  let seed = 7;
  const random = (below: number) => {
    seed = (seed * 1103515245 + 12345) % 2147483648;
    return Math.floor((seed / 2147483648) * below);
  };
  for (let round = 0; round < 12; round++) {
    const commands: string[] = [];
    const steps: ((table: TableEdit) => void)[] = [];
    const lengths: Record<string, number> = { INPUT: 2, one: 4, two: 1 };
    for (let step = 0; step < 25; step++) {
      const chain = ['INPUT', 'one', 'two'][random(3)]!;
      const length = lengths[chain]!;
      const rule = `-p udp -m udp --dport ${random(1000)} -j ${['ACCEPT', 'DROP', 'RETURN'][random(3)]}`;
      const index = random(length + 1);
      const kind = random(5);
      if (kind === 0) {
        commands.push(`-A ${chain} ${rule}`);
        steps.push((table) => table.chain(chain).append(rule));
        lengths[chain]!++;
      } else if (kind === 1) {
        commands.push(`-I ${chain} ${index + 1} ${rule}`);
        steps.push((table) => table.chain(chain).insert(rule, index));
        lengths[chain]!++;
      } else if (index < length && kind === 2) {
        commands.push(`-R ${chain} ${index + 1} ${rule}`);
        steps.push((table) => table.chain(chain).replace(index, rule));
      } else if (index < length && kind === 3) {
        commands.push(`-D ${chain} ${index + 1}`);
        steps.push((table) => table.chain(chain).delete(index));
        lengths[chain]!--;
      } else if (random(6) === 0) {
        commands.push(`-F ${chain}`);
        steps.push((table) => table.chain(chain).flush());
        lengths[chain] = 0;
      }
    }
    await alike('ipv4', twoChains, (table) => steps.forEach((step) => void step(table)), commands);
  }
});

test('a thousand rules and more are put into a chain and taken out', async () => {
  for (const family of families) {
    await using ipt = openTables({ family });
    reset();
    load(
      family,
      '*filter\n:one - [0:0]\n-A INPUT -p tcp\n-A INPUT -p udp\n-A INPUT -p esp\nCOMMIT\n',
    );
    const texts = (count: number, from: number) =>
      Array.from({ length: count }, (_, i) => `-m mark --mark 0x${(from + i).toString(16)} -j one`);
    for (const count of [999, 1000, 1001, 2500]) {
      await ipt.edit('filter', (t) => {
        const input = t.chain('INPUT');
        input.appendAll(texts(count, 1));
        // One rule moves to the middle of the chain, and one goes out of it.
        const last = input.length - 1;
        input.move(last, 1);
        assert.is(
          input.deleteWhere((rule) => rule.protocol === 'udp'),
          1,
        );
        assert.is(input.length, count + 2);
        input.insert('-p udp', 1);
      });
      const rules = (await ipt.read()).chain('INPUT').rules.map(String);
      assert.equal(rules, [
        '-p tcp',
        '-p udp',
        ...texts(count, 1).slice(-1),
        '-p esp',
        ...texts(count, 1).slice(0, -1),
      ]);
      await ipt.edit('filter', (t) => {
        const input = t.chain('INPUT');
        assert.is(
          input.deleteWhere((rule) => rule.target?.name === 'jump'),
          count,
        );
        // No reference to the chain is left.
        t.deleteChain('one');
        t.newChain('one');
      });
      assert.equal((await ipt.read()).chain('INPUT').rules.map(String), [
        '-p tcp',
        '-p udp',
        '-p esp',
      ]);
    }
  }
});

test('raw extensions stay as they are, byte for byte', async () => {
  reset();
  const ipt = open('ipv4');
  const data = new Uint8Array(8).fill(0);
  data[0] = 1;
  const raw = (extension: string, data: Uint8Array) =>
    ({ name: 'raw', extension, revision: 0, data }) as const;
  // Two matches are given as raw bytes, under names that the codec knows.
  await ipt.edit('filter', (table) => {
    table.chain('INPUT').append({ matches: [raw('pkttype', pkttype(3))] });
    table.chain('INPUT').append({ matches: [raw('length', data)] });
  });
  const before = await ipt.read();
  const content = (rule: Rule) => {
    const bytes = encodeRule(rule).slice();
    return hex(bytes.fill(0, layouts.ipv4.comefrom, layouts.ipv4.size));
  };
  const raws = before.chain('INPUT').rules.map(content);
  await ipt.edit('filter', (table) => {
    table.chain('INPUT').insert('-j ACCEPT').move(1, 2);
    table.newChain('x').append(before.chain('INPUT').rules[0]!);
  });
  const after = await ipt.read();
  const now = after.chain('INPUT').rules.map(content);
  assert.equal([now[2], now[1]], raws);
  assert.is(content(after.chain('x').rules[0]!), raws[0]);
  assert.match(saved('ipv4'), /-A INPUT -m pkttype --pkt-type multicast/);
  await ipt.close();
});

function pkttype(kind: number): Uint8Array {
  const data = new Uint8Array(8);
  new DataView(data.buffer).setInt32(0, kind - 1, true);
  return data;
}

test('rules with the match helper are told apart by the name of the helper', async () => {
  // iptables -D does not compare a match helper at all, and deletes the first one.
  reset();
  load(
    'ipv4',
    '*filter\n-A INPUT -m helper --helper ftp\n-A INPUT -m helper --helper irc\nCOMMIT\n',
  );
  const ipt = open('ipv4');
  const [ftp, irc] = (await ipt.read()).chain('INPUT').rules;
  await ipt.edit('filter', (table) => {
    assert.is(table.chain('INPUT').indexOf(irc!), 1);
    assert.is(table.chain('INPUT').delete(irc!), true);
    assert.is(table.chain('INPUT').has(ftp!), true);
  });
  assert.match(saved('ipv4'), /--helper (")?ftp/);
  assert.not.match(saved('ipv4'), /irc/);
  await ipt.close();
});

test.run();

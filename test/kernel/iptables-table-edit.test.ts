// Editing tables: every operation against iptables-legacy, counters, refusals, and that an edit happens
// as a whole or not at all.

import { XtablesError } from '../../src/errors.js';
import type { TableEdit } from '../../src/iptables/edit/table-edit.js';
import { Iptables } from '../../src/iptables/iptables.js';
import { layouts } from '../../src/iptables/legacy/entry.js';
import { encodeRule } from '../../src/iptables/legacy/rule-bytes.js';
import { hex } from '../../src/iptables/rule/print.js';
import type { Rule } from '../../src/iptables/rule/rule.js';
import { assert, suite, throws } from '../support/harness.js';
import type { Family } from '../support/iptables-tables.js';
import { families, legacy, load, packets, reset, saved } from '../support/iptables-tables.js';

const test = suite('editing iptables tables');
const open = (family: Family) => Iptables.open({ family });

/** Does an edit, and the same by commands on a table that begins alike; both must end alike. */
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
  for (const command of commands) legacy(family, '-t', table, ...command.split(' '));
  assert.is(ours, saved(family, { table }));
  await ipt.close();
}

const start = `*filter
:one - [0:0]
:two - [0:0]
-A INPUT -p tcp -j one
-A INPUT -p udp -j two
-A one -p tcp --dport 1 -j ACCEPT
-A one -p tcp --dport 2 -j ACCEPT
-A one -p tcp --dport 3 -j ACCEPT
-A one -p tcp --dport 4 -j ACCEPT
-A two -j RETURN
COMMIT
`;

test('append and insert', async () => {
  for (const family of families) {
    await alike(
      family,
      start,
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
      start,
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
      start,
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
    start,
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

test('many random edits end as the commands do', async () => {
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
    await alike('ipv4', start, (table) => steps.forEach((step) => void step(table)), commands);
  }
});

test('counters of rules and policies survive, those of moved rules too', async () => {
  for (const family of families) {
    reset();
    const lo = '-i lo -p udp --dport';
    load(
      family,
      `*filter\n:c - [0:0]\n-A INPUT ${lo} 9 -j c\n-A INPUT ${lo} 10 -j DROP\n-A c -p udp -j RETURN\n-A c -j DROP\nCOMMIT\n`,
    );
    await packets(family, 5);
    await packets(family, 3, 10);
    const counters = () => saved(family, { counters: true });
    const count = (of: RegExp) =>
      new RegExp(`\\[(\\d+):\\d+\\] -A ${of.source}`).exec(counters())?.[1];
    const policy = () => /:INPUT ACCEPT \[(\d+):/.exec(counters())?.[1];
    const before = policy();
    assert.is(count(/INPUT .* -j c/), '5');
    assert.ok(Number(before) >= 5);
    const ipt = open(family);
    await ipt.edit('filter', (table) => {
      table.chain('FORWARD').append('-j ACCEPT');
      table.chain('INPUT').move(0, 1);
      table.renameChain('c', 'd');
      table.chain('d').replace(0, '-p udp -m comment --comment replaced -j RETURN', {
        keepCounters: true,
      });
    });
    assert.is(count(/INPUT .* -j d/), '5');
    assert.is(count(/INPUT .*10 -j DROP/), '3');
    assert.is(count(/d .*replaced/), '5');
    assert.is(policy(), before);
    // A replaced rule begins at zero, or at what it is given.
    await ipt.edit('filter', (table) => {
      table.chain('d').replace(0, '-p udp -j RETURN');
      table.chain('d').replace(1, { counters: { packets: 7n, bytes: 70n } });
    });
    assert.is(count(/d .*RETURN/), '0');
    assert.match(counters(), /\[7:70\] -A d\n/);
    assert.is(count(/INPUT .* -j d/), '5');
    // And zeroing hits what it is told, and nothing else.
    await ipt.edit('filter', (table) => table.chain('INPUT').zero(0));
    assert.is(count(/INPUT .*10 -j DROP/), '0');
    assert.is(count(/INPUT .* -j d/), '5');
    await ipt.edit('filter', (table) => table.chain('INPUT').zero());
    assert.is(count(/INPUT .* -j d/), '0');
    assert.is(policy(), '0');
    assert.match(counters(), /\[7:70\] -A d\n/);
    await ipt.edit('filter', (table) => {
      table.chain('INPUT').policy('DROP', { packets: 1n, bytes: 2n });
    });
    assert.match(counters(), /:INPUT DROP \[1:2\]/);
    await ipt.edit('filter', (table) => table.zero());
    assert.not.match(counters(), /\[[1-9]/);
    await ipt.close();
  }
});

test('extensions that nobody knows stay as they are, byte for byte', async () => {
  reset();
  const ipt = open('ipv4');
  const data = new Uint8Array(8).fill(0);
  data[0] = 1;
  const raw = (extension: string, data: Uint8Array) =>
    ({ name: 'raw', extension, revision: 0, data }) as const;
  // A payload that the codec is told nothing about, and a name beside it that it knows.
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

test('helper rules are told apart by what they say', async () => {
  // iptables -D compares nothing of a helper match and deletes the first one.
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

test('what is refused, and that nothing has happened then', async () => {
  for (const family of families) {
    reset();
    load(family, start);
    const before = saved(family);
    const ipt = open(family);
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
    // What only the kernel knows.
    const loop = (t: TableEdit) =>
      t.chain('one').append('-j two') && t.chain('two').insert('-j one');
    const error = await throws(
      XtablesError,
      /ELOOP.*\(rule 0 of chain two: chains jump in a loop\)/,
      () => ipt.edit('filter', loop),
    );
    assert.is(error.code, 'ELOOP');
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

test('the one rule among many that only the kernel refuses is named', async () => {
  reset();
  load('ipv4', start);
  const before = saved('ipv4');
  const ipt = Iptables.open();
  for (const bad of [0, 1, 499, 500, 998, 999]) {
    const rules = Array.from({ length: 1000 }, (_, i) =>
      i === bad ? '-p udp -m owner --uid-owner 0 -j DROP' : `-p udp --dport ${i + 1} -j ACCEPT`,
    );
    await throws(XtablesError, new RegExp(`EINVAL.*\\(rule ${bad} of chain mine: `), () =>
      ipt.edit('filter', (table) => {
        table.newChain('mine').append(...rules);
        // Reached from INPUT only through a rule that was there already and one that is new.
        table.chain('two').insert('-p udp -j mine');
      }),
    );
    assert.is(saved('ipv4'), before);
  }
  // From OUTPUT it is right.
  await ipt.edit('filter', (table) => {
    table.newChain('mine').append('-m owner --uid-owner 0 -j DROP');
    table.chain('OUTPUT').append('-j mine');
  });
  await ipt.close();
});

test('a chain that went, and a table whose edit is over, are of no use', async () => {
  reset();
  load('ipv4', start);
  const ipt = open('ipv4');
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

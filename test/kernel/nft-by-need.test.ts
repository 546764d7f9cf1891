// An edit of a large table in nf_tables reads only the rules that it looks at. What comes of it is the same as in a legacy
// table, which is always read as a whole.

import { XtablesError } from '../../src/errors.js';
import type { ChainEdit, TableEdit } from '../../src/index.js';
import { Iptables } from '../../src/iptables/iptables.js';
import { NftBackend } from '../../src/iptables/nft/nft-backend.js';
import { Session } from '../../src/native/session.js';
import { assert, suite, throws } from '../support/harness.js';
import { nft, nftReset, nftSaved } from '../support/nft-tables.js';
import { run } from '../support/process.js';
import { Random } from '../support/random.js';
import { changeAtRandom, port } from '../support/random-edit.js';

const test = suite('edits that read by need');

const chains = ['a', 'b', 'c', 'd'];
const each = 200;

/** A table with more rules than are always read: 200 in each chain, and jumps to three of the chains. */
function large(): string {
  const lines = ['*filter', ...chains.map((name) => `:${name} - [0:0]`)];
  lines.push(...['a', 'b', 'c'].map((name, index) => `-A INPUT -p ${200 + index} -j ${name}`));
  for (const name of chains) {
    for (let index = 1; index <= each; index++) lines.push(`-A ${name} ${port(index)}`);
  }
  return [...lines, 'COMMIT', ''].join('\n');
}

const open = () => Iptables.open({ backend: 'nft' });
const rulesOf = (chain: string) =>
  nftSaved('ipv4', 'filter').filter((line) => line.startsWith(`-A ${chain} `));

/** How often the function was called, and what the edit returned. */
async function calls<T>(ipt: Iptables, edit: (table: TableEdit) => T): Promise<[number, T]> {
  let count = 0;
  const value = await ipt.edit('filter', (table) => {
    count++;
    return edit(table);
  });
  return [count, value];
}

test('a reading has the rules that were asked for, and those of a small table always', async () => {
  nftReset();
  const session = new Session({ netns: null, receiveBuffer: null });
  const backend = new NftBackend(session, 'ipv4');
  await using ipt = open();
  await ipt.restore(large());
  const counts = async (...wanted: string[]) => {
    const image = await backend.read('filter', undefined, new Set(wanted));
    const rules = image.chains.map(({ name, count, unread }) => [name, unread ? 'unread' : count]);
    return Object.fromEntries(rules);
  };
  // There are no base chains FORWARD and OUTPUT, so nothing is missing of them.
  const none = { INPUT: 'unread', FORWARD: 0, OUTPUT: 0 };
  const unread = { a: 'unread', b: 'unread', c: 'unread', d: 'unread' };
  assert.equal(await counts(), { ...none, ...unread });
  assert.equal(await counts('b', 'nowhere'), { ...none, ...unread, b: each });
  assert.equal(await counts('d', 'INPUT'), { ...none, INPUT: 3, ...unread, d: each });
  await ipt.edit('filter', (table) => {
    for (const name of ['b', 'c', 'd']) table.chain(name).flush();
  });
  assert.equal(await counts(), { ...none, INPUT: 3, a: each, b: 0, c: 0, d: 0 });
  await session.close();
});

test('the function is called again only if it needs rules', async () => {
  nftReset();
  await using ipt = open();
  await ipt.restore(large());
  const [once] = await calls(ipt, (table) => {
    table.newChain('e').append(port(1));
    table.chain('a').append(port(7)).insert(port(8)).insert(port(9));
    table.chain('INPUT').insert('-p 203 -j e').policy('DROP');
    table.chain('OUTPUT').append(port(5));
    return table.has('b');
  });
  assert.is(once, 1);
  assert.equal(
    rulesOf('a').slice(0, 3),
    [port(9), port(8), port(1)].map((text) => `-A a ${text}`),
  );
  assert.is(rulesOf('a').at(-1), `-A a ${port(7)}`);
  assert.is(rulesOf('a').length, each + 3);
  assert.is(rulesOf('INPUT')[0], '-A INPUT -p 203 -j e');
  assert.equal(await calls(ipt, (table) => table.chain('b').rules.length), [2, each]);
  assert.equal(await calls(ipt, (table) => table.chain('b').delete(port(3))), [2, true]);
  assert.equal(
    await calls(ipt, (table) =>
      table.chains.reduce((sum, name) => sum + table.chain(name).length, 0),
    ),
    [3, 4 * each + 3 + 4 + 1],
  );
  assert.equal(await calls(ipt, (table) => table.clear()), [2, undefined]);
  assert.equal(await calls(ipt, (table) => table.chain('INPUT').length), [1, 0]);
});

test('a function that catches the error is called again too', async () => {
  nftReset();
  await using ipt = open();
  await ipt.restore(large());
  const [count, value] = await calls(ipt, (table) => {
    try {
      return table.chain('a').has(port(1)) && table.chain('b').has(port(each));
    } catch {
      table.chain('a').append(port(999));
      return undefined;
    }
  });
  assert.equal([count, value], [3, true]);
  assert.is(rulesOf('a').length, each);
});

test('an error of the function is its last word', async () => {
  nftReset();
  await using ipt = open();
  await ipt.restore(large());
  let count = 0;
  const failing = ipt.edit('filter', (table) => {
    count++;
    table.chain('a').append(port(1));
    throw new Error('enough');
  });
  await throws(Error, /^enough$/, () => failing);
  assert.is(count, 1);
  assert.is(rulesOf('a').length, each);
});

test('rules that others add to a chain that nobody looked at do not disturb', async () => {
  nftReset();
  await using ipt = open();
  await ipt.restore(large());
  let count = 0;
  await ipt.edit('filter', (table) => {
    count++;
    table.chain('a').append(port(1001)).insert(port(1002));
    nft('ipv4', '-A', 'a', ...port(2001).split(' '));
    nft('ipv4', '-I', 'a', ...port(2002).split(' '));
    nft('ipv4', '-D', 'a', ...port(100).split(' '));
  });
  assert.is(count, 1);
  const found = rulesOf('a').map((line) => Number(/--dport (\d+)/.exec(line)![1]));
  const stay = Array.from({ length: each }, (_, index) => index + 1).filter((it) => it !== 100);
  assert.equal(found, [1002, 2002, ...stay, 2001, 1001]);
  // What was looked at must still be there at the commit.
  count = 0;
  await ipt.edit('filter', (table) => {
    count++;
    const { length } = table.chain('b').rules;
    if (count === 2) nft('ipv4', '-A', 'b', ...port(2001).split(' '));
    table.chain('c').append(`-m comment --comment after:${length}`);
  });
  assert.is(count, 3);
  assert.is(rulesOf('c').at(-1), `-A c -m comment --comment "after:${each + 1}"`);
});

test('a refusal names the place of the rule', async () => {
  nftReset();
  await using ipt = open();
  await ipt.restore(large());
  const refused = ipt.edit('filter', (table) => {
    table.chain('a').append(port(1), '-m nfacct --nfacct-name nowhere');
  });
  await throws(XtablesError, new RegExp(`rule ${each + 1} of chain a`), () => refused);
  const dangling = ipt.edit('filter', (table) => {
    table.chain('a').append(port(1), '-j nowhere');
  });
  await throws(RangeError, new RegExp(`a\\.rules\\[${each + 1}\\]`), () => dangling);
  assert.is(rulesOf('a').length, each);
});

test('the table cannot be used after the edit', async () => {
  nftReset();
  await using ipt = open();
  await ipt.restore(large());
  let kept!: ChainEdit;
  await ipt.edit('filter', (table) => {
    kept = table.chain('a').append(port(1));
  });
  for (const use of [() => kept.length, () => kept.rules, () => kept.append(port(1))]) {
    await throws(TypeError, /after its edit had ended/, use);
  }
});

test('an edit that is taken back has read all', async () => {
  nftReset();
  await using ipt = open();
  await ipt.restore(large());
  const before = nftSaved('ipv4', 'filter');
  const pending = await ipt.edit('filter', (table) => void table.chain('a').append(port(7)), {
    revertAfter: 60_000,
  });
  assert.is(rulesOf('a').length, each + 1);
  assert.equal(await pending.revert(), { kind: 'reverted', merged: false });
  assert.equal(nftSaved('ipv4', 'filter'), before);
});

test('two tables read by need', async () => {
  nftReset();
  await using ipt = open();
  await ipt.restore(large());
  await ipt.restore(large().replace('*filter', '*mangle'));
  let count = 0;
  const { value, committed } = await ipt.edit(['filter', 'mangle'], (filter, mangle) => {
    count++;
    filter.chain('a').append(port(5));
    mangle.chain('b').delete(0);
    return filter.chain('c').length + mangle.chain('d').length;
  });
  assert.is(value, 2 * each);
  assert.is(committed.length, 2);
  // filter once for `c`; mangle once for `b` and once for `d`.
  assert.is(count, 4);
  assert.is(rulesOf('a').length, each + 1);
});

test('an edit of both backends takes a large table back', async () => {
  nftReset();
  run(['ip6tables-legacy', '-A', 'INPUT', '-j', 'ACCEPT']);
  await using ipt = Iptables.open();
  await using nftables = open();
  await nftables.restore(large());
  const before = nftSaved('ipv4', 'filter');
  const six = { family: 'ipv6', table: 'filter' } as const;
  const refused = ipt.edit(['filter', six], (filter, other) => {
    filter.chain('a').append(port(1)).insert(port(2));
    other.chain('INPUT').append('-m nfacct --nfacct-name nowhere');
  });
  await throws(
    XtablesError,
    /nowhere.*\(filter: committed before, and taken back\)/s,
    () => refused,
  );
  assert.equal(nftSaved('ipv4', 'filter'), before);
  run(['ip6tables-legacy', '-F']);
});

test('rules with IP sets are added to a chain that was not read', async () => {
  nftReset();
  await using ipt = open();
  await ipt.restore(large());
  for (const name of ['another', 'some']) run(['ipset', 'create', name, 'hash:ip']);
  const rule = '-m set --match-set some src -j DROP';
  assert.equal(await calls(ipt, (table) => void table.chain('a').append(rule)), [1, undefined]);
  assert.is(rulesOf('a').at(-1), `-A a ${rule}`);
  await ipt.restore(`*filter\n-I b ${rule}\n-A b ${rule}\nCOMMIT\n`, { noflush: true });
  assert.equal([rulesOf('b').at(0), rulesOf('b').at(-1)], [`-A b ${rule}`, `-A b ${rule}`]);
  assert.is(rulesOf('b').length, each + 2);
});

/** A text for a restore that adds to what is there. */
function text(random: Random, names: readonly string[]): string {
  const lines = Array.from({ length: random.integer(1, 5) }, () => {
    const chain = random.pick(names);
    const number = random.integer(1, each + 20);
    return random.pick([
      `-A ${chain} ${port(number)}`,
      `-I ${chain} ${port(number)}`,
      `-I ${chain} ${random.integer(1, 9)} ${port(number)}`,
      `-D ${chain} ${port(number)}`,
      `-D ${chain} ${random.integer(1, 9)}`,
      `-R ${chain} ${random.integer(1, 9)} ${port(number)}`,
      `-C ${chain} ${port(number)}`,
      `-N e${random.below(6)}`,
      `-E ${chain} e${random.below(6)}`,
      `-F ${chain}`,
      `-X ${chain}`,
      `-Z ${chain}`,
    ]);
  });
  const emptied = random.chance(30) ? [`:${random.pick(['a', 'e1'])} - [0:0]`] : [];
  return ['*filter', ...emptied, ...lines, 'COMMIT', ''].join('\n');
}

/** What an error says, without what only one backend says of it. */
function message(error: unknown): string {
  const said = error instanceof Error ? error.message : String(error);
  // The errno of a loop is another one.
  return /rule \d+ of chain \S+ chains jump in a loop/.exec(said)?.[0] ?? said;
}

test('random edits do the same as in a legacy table', async () => {
  const random = new Random(20);
  let refusals = 0;
  for (let round = 0; round < 12; round++) {
    nftReset();
    run(['iptables-legacy-restore'], { input: '*filter\nCOMMIT\n' });
    await using ours = open();
    await using whole = Iptables.open({ backend: 'legacy' });
    for (const ipt of [ours, whole]) await ipt.restore(large());
    for (let step = 0; step < 8; step++) {
      const seed = random.u32();
      const names = [...(await whole.read('filter')).chains.keys()];
      const done: unknown[] = [];
      for (const ipt of [ours, whole]) {
        const repeated = new Random(seed);
        const work = repeated.chance(30)
          ? ipt.restore(text(repeated, names), { noflush: true })
          : ipt.edit('filter', (table) => {
              const again = new Random(seed);
              const told: unknown[] = [];
              for (let left = again.integer(1, 4); left > 0; left--)
                changeAtRandom(again, table, told, each);
              return told;
            });
        done.push(await work.catch(message));
      }
      assert.equal(done[0], done[1], `seed ${seed}`);
      if (typeof done[0] === 'string') refusals++;
      const [nftText, legacyText] = await Promise.all(
        [ours, whole].map(async (ipt) => (await ipt.read('filter')).toString()),
      );
      assert.is(nftText, legacyText, `seed ${seed}`);
    }
  }
  // Both kinds of end were met.
  assert.ok(refusals > 10 && refusals < 80, `${refusals} refusals`);
});

test.run();

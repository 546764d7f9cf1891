// Several writers of one table in nf_tables, where no lock keeps anybody away: no rule is lost, none is there twice, and
// the rules of each writer keep their order. An edit touches only what it changes: other rules keep their handles and
// what their matches have counted.
import { fileURLToPath } from 'node:url';
import { Iptables } from '../../src/iptables/iptables.js';
import { NftKernel } from '../../src/iptables/nft/kernel.js';
import type { Operation } from '../../src/iptables/nft/operations.js';
import { writeScript } from '../../src/iptables/nft/script.js';
import { parseRule } from '../../src/iptables/rule/text.js';
import { encodeRule } from '../../src/iptables/xtables/rule-bytes.js';
import { transactionEnd } from '../../src/native/numbers.js';
import { Session } from '../../src/native/session.js';
import { assert, suite } from '../support/harness.js';
import { packets } from '../support/iptables-tables.js';
import { nft, nftReset, nftSaved, nftTool } from '../support/nft-tables.js';
import { Child } from '../support/process.js';

const test = suite('several writers of one table in nf_tables');
const writer = fileURLToPath(new URL('../support/iptables-writer.ts', import.meta.url));
const open = () => Iptables.open({ backend: 'nft' });

/** A process that appends rules with the ports from `first` on. */
const appending = (first: number, count: number) =>
  Child.start(
    [process.execPath, '--import', 'tsx', writer].concat(
      ['nft', 'ipv4', 'INPUT'],
      [`${first}`, `${count}`],
    ),
  );

const ports = () =>
  nftSaved('ipv4', 'filter').flatMap((line) => {
    const [, port] = /^-A INPUT .*--dport (\d+)/.exec(line) ?? [];
    return port === undefined ? [] : [Number(port)];
  });

/** Each writer has its thousand of ports, and appended them in order. */
function complete(writers: readonly number[], count: number): void {
  const found = ports();
  assert.is(found.length, writers.length * count);
  for (const first of writers) {
    const own = found.filter((port) => port >= first && port < first + 1000);
    assert.equal(
      own,
      Array.from({ length: count }, (_, i) => first + i),
    );
  }
}

/** Appends with iptables-nft, and lets the loop turn between two commands. */
async function tool(first: number, count: number): Promise<void> {
  for (let port = first; port < first + count; port++) {
    nft('ipv4', '-A', 'INPUT', '-p', 'udp', '--dport', `${port}`);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** Appends rules that name the last rule before them, as the edit saw it. */
async function naming(ipt: Iptables, first: number, count: number): Promise<void> {
  for (let port = first; port < first + count; port++) {
    await ipt.edit('filter', (table) => {
      const input = table.chain('INPUT');
      const [, last] = /--dport (\d+)/.exec(String(input.rules.at(-1))) ?? [];
      input.append(`-p udp --dport ${port} -m comment --comment after:${last}`);
    });
  }
}

test('two processes, and iptables-nft beside them', async () => {
  nftReset();
  await using ipt = open();
  const count = 40;
  const writers = [1000, 2000].map((first) => appending(first, count));
  for (const child of writers) await child.line(/./);
  await Promise.all([tool(3000, count), naming(ipt, 4000, count)]);
  for (const child of writers) await child.finish();
  complete([1000, 2000, 3000, 4000], count);
  // No edit was made on a table that others had changed meanwhile.
  const lines = nftSaved('ipv4', 'filter').filter((line) => line.startsWith('-A INPUT'));
  lines.forEach((line, index) => {
    const [, last] = /after:(\d+)/.exec(line) ?? [];
    if (last !== undefined) assert.match(lines[index - 1]!, new RegExp(`--dport ${last}( |$)`));
  });
});

test('beside a program that changes other tables all the time', async () => {
  nftReset();
  const other = Child.start([
    'sh',
    '-c',
    'echo begun; while :; do nft add table inet other; nft delete table inet other; done',
  ]);
  await using _ = other;
  await other.line(/begun/);
  await using ipt = open();
  let calls = 0;
  for (let port = 1000; port < 1060; port++) {
    await ipt.edit('filter', (table) => {
      calls++;
      table.chain('INPUT').append(`-p udp --dport ${port}`);
    });
  }
  complete([1000], 60);
  // The table itself is the same: the commit is sent again, and the function is not called again.
  assert.is(calls, 60);
});

test('beside a program that deletes all rules, and never commits it', async () => {
  nftReset();
  await using ipt = open();
  const count = 100;
  await ipt.edit('filter', (table) => {
    for (let port = 1000; port < 1000 + count; port++) {
      table.chain('INPUT').append(`-p udp --dport ${port}`);
    }
  });
  // The kernel works on this for a while, and drops it.
  const session = new Session({ netns: null, receiveBuffer: null });
  const kernel = new NftKernel(session);
  const entry = encodeRule(parseRule('-p tcp --dport 1', { family: 'ipv4' }), { family: 'ipv4' });
  const rule: Operation = {
    ...{ do: 'rule', chain: 'INPUT', place: 'append', content: { entry } },
    ...{ counters: undefined, index: 0, within: 'INPUT' },
  };
  const operations: Operation[] = [{ do: 'flush', chain: 'INPUT' }];
  for (let more = 0; more < 1000; more++) operations.push(rule);
  const table = { family: 'ipv4', name: 'filter', generation: 0 } as const;
  const script = writeScript(table, operations, ['INPUT']);
  let ended = false;
  let rehearsed = 0;
  const rehearsing = async () => {
    for (; !ended; rehearsed++) {
      const { outcome } = await kernel.transaction('rehearsal', [script], false);
      assert.is(outcome, transactionEnd.committed);
    }
  };
  const running = rehearsing();
  await using unsure = Iptables.open();
  try {
    for (let time = 0; time < 100; time++) {
      assert.is((await ipt.read('filter')).chain('INPUT').length, count);
      if (time % 4 === 0) assert.is(await unsure.backend(), 'nft');
    }
  } finally {
    ended = true;
    await running;
    await session.close();
  }
  assert.ok(rehearsed > 1);
  complete([1000], count);
});

test('forty edits at once in one process, on two instances', async () => {
  nftReset();
  const [one, two] = [open(), open()];
  const edits = (ipt: Iptables, first: number) =>
    Array.from({ length: 20 }, (_, i) =>
      ipt.edit(
        'filter',
        (table) => void table.chain('INPUT').append(`-p udp --dport ${first + i}`),
      ),
    );
  await Promise.all([...edits(one, 1000), ...edits(two, 2000)]);
  complete([1000, 2000], 20);
  await one.close();
  await two.close();
});

/** The handles of the rules of a chain. */
async function handles(ipt: Iptables, chain: string): Promise<bigint[]> {
  return (await ipt.read()).chain(chain).rules.map((rule) => rule.nft!.handle);
}

test('an edit of one rule among a thousand touches no other rule', async () => {
  nftReset();
  await using ipt = open();
  const rules = Array.from({ length: 1000 }, (_, i) => `-p udp --dport ${i + 1}`);
  await ipt.edit('filter', (table) => void table.chain('INPUT').appendAll(rules));
  const before = await handles(ipt, 'INPUT');
  assert.is(new Set(before).size, 1000);
  await ipt.edit('filter', (table) => void table.chain('INPUT').replace(500, '-p tcp'));
  const replaced = await handles(ipt, 'INPUT');
  assert.not.ok(before.includes(replaced[500]!));
  assert.equal(replaced.toSpliced(500, 1), before.toSpliced(500, 1));
  await ipt.edit('filter', (table) => void table.chain('INPUT').insert('-p esp', 10).delete(0));
  const edited = await handles(ipt, 'INPUT');
  assert.equal(edited.toSpliced(9, 1), replaced.slice(1));
  await ipt.edit('filter', (table) => void table.chain('INPUT').move(0, 999));
  const moved = await handles(ipt, 'INPUT');
  assert.equal(moved.slice(0, -1), edited.slice(1));
});

test('a limit and a quota go on after an edit of their chain', async () => {
  nftReset();
  await using ipt = open();
  await ipt.edit('filter', (table) => {
    table.chain('INPUT').append(
      '-p udp --dport 9 -m limit --limit 1/hour --limit-burst 3',
      // The kernel counts bytes: a datagram of one byte has 29.
      `-p udp --dport 9 -m quota --quota ${5 * 29}`,
    );
  });
  const counts = async () =>
    (await ipt.read())
      .chain('INPUT')
      .rules.slice(0, 2)
      .map((rule) => rule.counters.packets);
  await packets('ipv4', 2);
  assert.equal(await counts(), [2n, 2n]);
  await ipt.edit('filter', (table) => void table.chain('INPUT').append('-p tcp'));
  await packets('ipv4', 10);
  // One more of three, and three more of five.
  assert.equal(await counts(), [3n, 5n]);
  // Tables of others are not touched either.
  nftTool('add', 'table', 'inet', 'other');
  await ipt.edit('filter', (table) => void table.chain('INPUT').insert('-p esp', 2));
  await packets('ipv4', 10);
  assert.equal(await counts(), [3n, 5n]);
  assert.match(nftTool('list', 'tables'), /inet other/);
});

test.run();

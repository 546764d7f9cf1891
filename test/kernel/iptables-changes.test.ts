// changes(): what each commit of iptables, of nft and of this package changed, and who made it.
// Backends: legacy, nft
import { spawnSync } from 'node:child_process';
import { readlinkSync } from 'node:fs';
import type { Iptables, TableChange } from '../../src/index.js';
import { awaited } from '../support/awaited.js';
import { here, tellsEachCommit, whoMade } from '../support/backend-differences.js';
import { line, Mirror } from '../support/change-mirror.js';
import { assert, suite } from '../support/harness.js';
import {
  backend,
  command,
  type Family,
  families,
  iptables,
  load,
  openTables,
  packets,
  reset,
  restoreCommand,
  twoChains,
} from '../support/iptables-tables.js';
import { run } from '../support/process.js';

const test = suite('changes of iptables tables');
/** The inode of the initial pid namespace (PROC_PID_INIT_INO). There the kernel's numbers are those of this process. */
const isFirstPidNamespace = readlinkSync('/proc/self/ns/pid') === `pid:[${0xeffffffc}]`;

/** Follows the table `filter`, and keeps a mirror of it. */
class Follower {
  readonly ipt: Iptables;
  readonly mirror: Mirror;
  readonly #changes: ReturnType<Iptables['changes']>;

  private constructor(ipt: Iptables, changes: ReturnType<Iptables['changes']>, mirror: Mirror) {
    this.ipt = ipt;
    this.#changes = changes;
    this.mirror = mirror;
  }

  static async begin(family: Family = 'ipv4'): Promise<Follower> {
    const ipt = openTables({ family });
    const changes = ipt.changes({ tables: ['filter'], interval: 10 });
    await awaited('ready', changes.ready);
    return new Follower(ipt, changes, new Mirror(await ipt.read('filter')));
  }

  /** The next change, which leads to the table as it is now. */
  async next(): Promise<TableChange> {
    const { value } = await awaited('a change', this.#changes.next());
    assert.ok(value);
    this.mirror.apply(value!.differences);
    return value!;
  }

  /** What the work changes. */
  async of(work: () => unknown): Promise<string[]> {
    await work();
    const change = await this.next();
    assert.is(change.table, 'filter');
    assert.is(change.family, this.ipt.family);
    assert.ok(change.time instanceof Date);
    assert.is(change.lost, !here(tellsEachCommit));
    assert.is(change.generation === undefined, change.lost);
    assert.equal(this.mirror.content, new Mirror(await this.ipt.read('filter')).content);
    return change.differences.map(line);
  }

  async end(): Promise<void> {
    await this.#changes.close();
    await this.ipt.close();
  }
}

test('rules: appended, inserted, replaced, deleted, flushed', async () => {
  for (const family of families) {
    reset();
    load(family, twoChains);
    const follower = await Follower.begin(family);
    const of = (...args: string[]) => follower.of(() => iptables(family, ...args));
    const port = (n: number) => `-p udp -m udp --dport ${n}`;
    const udp = (n: number) => ['-p', 'udp', '--dport', `${n}`];
    assert.equal(await of('-A', 'one', ...udp(5)), [`ruleAdded one 4 ${port(5)}`]);
    assert.equal(await of('-I', 'one', ...udp(6)), [`ruleAdded one 0 ${port(6)}`]);
    assert.equal(await of('-I', 'one', '3', ...udp(7)), [`ruleAdded one 2 ${port(7)}`]);
    for (const [at, n] of [
      [3, 8],
      [1, 9],
      [7, 10],
    ] as const) {
      const old = (await follower.ipt.read('filter')).chain('one').rules[at - 1]!;
      assert.equal(await of('-R', 'one', `${at}`, ...udp(n)), [
        `ruleDeleted one ${at - 1} ${old}`,
        `ruleAdded one ${at - 1} ${port(n)}`,
      ]);
    }
    assert.equal(await of('-D', 'one', '1'), [`ruleDeleted one 0 ${port(9)}`]);
    assert.equal(await of('-D', 'one', ...udp(10)), [`ruleDeleted one 5 ${port(10)}`]);
    const left = (await follower.ipt.read('filter')).chain('one').rules.map(String);
    // The last one first, so that each index is that of the chain before.
    assert.equal(
      await of('-F', 'one'),
      left.map((rule, i) => `ruleDeleted one ${i} ${rule}`).reverse(),
    );
    await follower.end();
  }
});

test('chains and policies', async () => {
  reset();
  load('ipv4', twoChains);
  const follower = await Follower.begin();
  const of = (...args: string[]) => follower.of(() => iptables('ipv4', ...args));
  assert.equal(await of('-N', 'three'), ['chainAdded three']);
  assert.equal(await of('-A', 'three', '-j', 'one'), ['ruleAdded three 0 -j one']);
  assert.equal(await of('-E', 'one', 'first'), ['chainRenamed one first']);
  // The rules that lead to it have stayed, also if one is made again with the new name.
  iptables('ipv4', '-R', 'INPUT', '1', '-p', 'tcp', '-j', 'first');
  assert.equal(await of('-A', 'three', '-g', 'first'), ['ruleAdded three 1 -g first']);
  assert.equal(await of('-D', 'three', '1'), ['ruleDeleted three 0 -j first']);
  assert.equal(await of('-E', 'three', 'third'), ['chainRenamed three third']);
  assert.equal(await of('-P', 'FORWARD', 'DROP'), ['policyChanged FORWARD ACCEPT DROP']);
  assert.equal(await of('-P', 'FORWARD', 'ACCEPT'), ['policyChanged FORWARD DROP ACCEPT']);
  assert.equal(await of('-F', 'third'), ['ruleDeleted third 0 -g first']);
  assert.equal(await of('-X', 'third'), ['chainDeleted third']);
  await follower.end();
});

test('a restore: the net difference, and none for the same text', async () => {
  reset();
  load('ipv4', twoChains);
  const follower = await Follower.begin();
  load('ipv4', twoChains);
  assert.equal(
    await follower.of(() =>
      load(
        'ipv4',
        twoChains
          .replace('-A one -p tcp --dport 2 -j ACCEPT\n', '')
          .replace('-A two -j RETURN', '-A two -p 209\n-A two -j RETURN\n-A two -p 208'),
      ),
    ),
    [
      'ruleDeleted one 1 -p tcp -m tcp --dport 2 -j ACCEPT',
      'ruleAdded two 0 -p 209',
      'ruleAdded two 2 -p 208',
    ],
  );
  // A table that is emptied in one commit, chains and all.
  const text = '*filter\n:INPUT DROP [0:0]\n-A INPUT -p 207\nCOMMIT\n';
  const found = await follower.of(() => load('ipv4', text));
  assert.ok(found.includes('policyChanged INPUT ACCEPT DROP'));
  assert.ok(found.includes('chainDeleted one') && found.includes('chainDeleted two'));
  assert.ok(found.includes('ruleAdded INPUT 0 -p 207'));
  await follower.end();
});

test('counters are no change: counting, zeroing, rules that are made again', async () => {
  reset();
  load('ipv4', '*filter\n-A INPUT -p udp --dport 9\n-A OUTPUT -p udp\nCOMMIT\n');
  const follower = await Follower.begin();
  await packets('ipv4', 3);
  iptables('ipv4', '-Z');
  iptables('ipv4', '-Z', 'INPUT', '1');
  iptables('ipv4', '-R', 'INPUT', '1', '-p', 'udp', '--dport', '9');
  await follower.ipt.edit('filter', (table) => {
    table.chain('OUTPUT').replace(0, { protocol: 'udp', counters: { packets: 5n, bytes: 6n } });
  });
  assert.equal(await follower.of(() => iptables('ipv4', '-A', 'INPUT', '-p', '1')), [
    'ruleAdded INPUT 1 -p icmp',
  ]);
  await follower.end();
});

test('a rule that is gone has its last counters, and can be put back', async () => {
  reset();
  load('ipv4', '*filter\n-A INPUT -p udp --dport 9 -m comment --comment "a b"\nCOMMIT\n');
  const follower = await Follower.begin();
  await packets('ipv4', 3);
  iptables('ipv4', '-D', 'INPUT', '1');
  const { differences } = await follower.next();
  const [gone] = differences;
  assert.ok(gone?.type === 'ruleDeleted');
  if (here(tellsEachCommit)) assert.is(gone.rule.counters.packets, 3n);
  assert.equal(gone.rule.matches.at(-1), { name: 'comment', comment: 'a b' });
  const put = await follower.of(() =>
    follower.ipt.edit('filter', (table) => table.chain('INPUT').append(gone.rule)),
  );
  assert.is(put.length, 1);
  await follower.end();
});

test('our own edits, and the order of what one edit does', async () => {
  reset();
  load('ipv4', twoChains);
  const follower = await Follower.begin();
  const found = await follower.of(() =>
    follower.ipt.edit('filter', (table) => {
      const one = table.chain('one');
      one.delete(0);
      one.delete(2);
      one.insert('-p 240', 0);
      one.insert('-p 241', 0);
      one.append('-p 242').append('-p 243');
      one.insert('-p 244', 3);
      table.newChain('new').append('-j one');
      table.chain('INPUT').insert('-j new');
    }),
  );
  assert.equal(found.toSorted(), [
    'chainAdded new',
    'ruleAdded INPUT 0 -j new',
    'ruleAdded new 0 -j one',
    'ruleAdded one 0 -p 241',
    'ruleAdded one 1 -p 240',
    'ruleAdded one 3 -p 244',
    'ruleAdded one 5 -p 242',
    'ruleAdded one 6 -p 243',
    'ruleDeleted one 0 -p tcp -m tcp --dport 1 -j ACCEPT',
    'ruleDeleted one 3 -p tcp -m tcp --dport 4 -j ACCEPT',
  ]);
  await follower.end();
});

test('who made the commit', async () => {
  reset();
  load('ipv4', twoChains);
  const follower = await Follower.begin();
  const who = async (work: () => unknown) => {
    await work();
    return (await follower.next()).process;
  };
  const tool = await who(() => iptables('ipv4', '-A', 'INPUT', '-p', '1'));
  assert.is(tool?.name, here(whoMade) ? command('ipv4') : undefined);
  const restored = await who(() => load('ipv4', '*filter\n-A INPUT -p 2\nCOMMIT\n', '-n'));
  // The kernel has 15 bytes of a name.
  assert.is(restored?.name, here(whoMade) ? restoreCommand('ipv4').slice(0, 15) : undefined);
  if (here(whoMade) && isFirstPidNamespace) {
    let pid = 0;
    const made = await who(() => {
      pid = spawnSync(command('ipv4'), ['-A', 'INPUT', '-p', '204']).pid;
    });
    assert.is(made?.pid, pid);
  }
  if (here(whoMade)) assert.ok(Number.isInteger(tool!.pid) && tool!.pid !== restored!.pid);
  const ours = await who(() =>
    follower.ipt.edit('filter', (table) => table.chain('INPUT').append('-p 3')),
  );
  // A thread of the package sent it.
  assert.is(ours?.name, here(whoMade) ? 'conntrack-pool' : undefined);
  await follower.end();
});

test('tables that come', async () => {
  reset();
  const ipt = openTables();
  const changes = ipt.changes({ interval: 10 });
  await changes.ready;
  iptables('ipv4', '-t', 'security', '-A', 'INPUT', '-p', '1');
  const { value } = await awaited('a change', changes.next());
  assert.is(value?.table, 'security');
  const found = value!.differences.map(line);
  assert.equal(found.at(-1), 'ruleAdded INPUT 0 -p icmp');
  await changes.close();
  await ipt.close();
});

if (backend === 'nft') {
  const nft = (text: string) => run(['nft', '-f', '-'], { input: text });

  test('nft: foreign rules and chains, and tables that go', async () => {
    reset();
    load('ipv4', twoChains);
    const follower = await Follower.begin();
    const of = (text: string) => follower.of(() => nft(text));
    assert.equal(await of('add rule ip filter INPUT ct state invalid ip length > 5 drop'), [
      'ruleAdded INPUT 2 # ct bitwise cmp payload cmp immediate',
    ]);
    assert.equal(
      await of(
        'add chain ip filter mine { type filter hook input priority 7; policy drop; }\nadd rule ip filter mine accept',
      ),
      ['foreignAdded mine INPUT 1'],
    );
    assert.equal(await of('add rule ip filter mine tcp dport 22 accept'), [
      'foreignChanged mine INPUT 2',
    ]);
    assert.equal(await of('flush chain ip filter mine'), ['foreignChanged mine INPUT 0']);
    assert.equal(await of('delete chain ip filter mine'), ['foreignDeleted mine INPUT 0']);
    const gone = await of('delete table ip filter');
    assert.is(gone.at(-1), 'tableDeleted');
    assert.is(gone.filter((each) => each.startsWith('ruleDeleted')).length, 8);
    assert.equal(await of('add table ip filter'), ['tableAdded']);
    load('ipv4', twoChains);
    await follower.next();
    assert.is((await of('flush ruleset')).at(-1), 'tableDeleted');
    const { process } = await (async () => {
      nft('add table ip filter');
      return follower.next();
    })();
    assert.is(process?.name, 'nft');
    await follower.end();
  });

  test('nft: one commit that inserts, replaces and deletes in many places', async () => {
    reset();
    load(
      'ipv4',
      `*filter\n${Array.from({ length: 8 }, (_, i) => `-A INPUT -p ${20 + i}\n`).join('')}COMMIT\n`,
    );
    const follower = await Follower.begin();
    const handle = async (at: number) =>
      (await follower.ipt.read('filter')).chain('INPUT').rules[at]!.nft!.handle;
    const rule = (n: number) => `ip protocol ${n} counter`;
    await follower.of(async () =>
      nft(
        [
          `insert rule ip filter INPUT ${rule(41)}`,
          `insert rule ip filter INPUT ${rule(42)}`,
          `delete rule ip filter INPUT handle ${await handle(0)}`,
          `insert rule ip filter INPUT position ${await handle(3)} ${rule(43)}`,
          `add rule ip filter INPUT position ${await handle(3)} ${rule(44)}`,
          `add rule ip filter INPUT position ${await handle(3)} ${rule(45)}`,
          `delete rule ip filter INPUT handle ${await handle(3)}`,
          `replace rule ip filter INPUT handle ${await handle(1)} ${rule(46)}`,
          `add rule ip filter INPUT ${rule(47)}`,
          `delete rule ip filter INPUT handle ${await handle(7)}`,
          `add rule ip filter INPUT ${rule(48)}`,
        ].join('\n'),
      ),
    );
    // Everything that was there goes, and new rules come, in one commit.
    await follower.of(() =>
      nft(
        `flush chain ip filter INPUT\nadd rule ip filter INPUT ${rule(1)}\ninsert rule ip filter INPUT ${rule(2)}\nadd rule ip filter INPUT ${rule(3)}`,
      ),
    );
    await follower.end();
  });
}

test.run();

// changes() while several writers change a table at random: the table at the beginning, with the changes applied, is the
// table at the end. So nothing is lost unnoticed, also where the kernel drops events.
// Backends: legacy, nft
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { TableChange } from '../../src/index.js';
import type { Iptables } from '../../src/iptables/iptables.js';
import { awaited, until } from '../support/awaited.js';
import { here, tellsEachCommit } from '../support/backend-differences.js';
import { Mirror } from '../support/change-mirror.js';
import type { Followed } from '../support/changes-follower.js';
import { assert, suite } from '../support/harness.js';
import { backend, iptables, load, openTables, reset } from '../support/iptables-tables.js';
import { Child, run } from '../support/process.js';
import { Random } from '../support/random.js';

const test = suite('changes of iptables tables in a storm');
const writer = fileURLToPath(new URL('../support/iptables-writer.ts', import.meta.url));
const follower = fileURLToPath(new URL('../support/changes-follower.ts', import.meta.url));
const turn = () => new Promise((resolve) => setImmediate(resolve));

const names = ['a', 'b', 'c', 'd'];
const rule = (random: Random) => ['-p', `${random.integer(200, 205)}`];

/** Work that may be refused: the chain, or the rule, need not be there. */
function attempt(work: () => unknown): void {
  try {
    work();
  } catch {
    // It changed nothing.
  }
}

/** A text that adds rules to chains, and makes those that it names empty. */
function text(random: Random): string {
  const chains = random.some(names);
  const lines = Array.from({ length: random.integer(1, 12) }, () => {
    const chain = random.pick([...chains, 'INPUT']);
    const where = random.chance(50) ? '-A' : '-I';
    const jump = random.chance(20) && chain === 'INPUT' ? ['-j', random.pick(chains)] : [];
    return [where, chain, ...rule(random), ...jump].join(' ');
  });
  return `*filter\n${chains.map((name) => `:${name} - [0:0]\n`).join('')}${lines.join('\n')}\nCOMMIT\n`;
}

function byTool(random: Random): void {
  const chain = random.pick([...names, 'INPUT', 'FORWARD']);
  const at = `${random.integer(1, 4)}`;
  const commands: string[][] = [
    ['-A', chain, ...rule(random)],
    ['-I', chain, at, ...rule(random)],
    ['-R', chain, at, ...rule(random)],
    ['-D', chain, at],
    ['-F', chain],
    ['-Z', chain],
    ['-N', chain],
    ['-X', chain],
    ['-E', chain, random.pick(names)],
    ['-P', 'FORWARD', random.pick(['ACCEPT', 'DROP'])],
  ];
  attempt(() => iptables('ipv4', '-w', ...random.pick(commands)));
}

function byNft(random: Random): void {
  const chain = random.pick([...names, 'INPUT', 'OUTPUT']);
  const foreign = `ip protocol ${random.integer(210, 215)} ip ttl 7 ct state new counter`;
  const commands = [
    `add rule ip filter ${chain} ${foreign}`,
    `insert rule ip filter ${chain} ${foreign}\ninsert rule ip filter ${chain} ${foreign}\nadd rule ip filter ${chain} ${foreign}`,
    `flush chain ip filter ${chain}\nadd rule ip filter ${chain} ${foreign}`,
    `add chain ip filter other { type filter hook input priority 9; }\nadd rule ip filter other accept`,
    'delete chain ip filter other',
    'add table ip6 filter',
    'add table inet mine',
    'flush ruleset',
  ];
  const which = random.chance(5) ? commands.length - 1 : random.below(commands.length - 1);
  attempt(() => run(['nft', '-f', '-'], { input: commands[which]! }));
}

async function byUs(random: Random, ipt: Iptables): Promise<void> {
  await ipt
    .edit('filter', (table) => {
      const input = table.chain(random.pick(['INPUT', 'FORWARD']));
      for (let i = random.integer(1, 5); i > 0; i--) {
        const at = random.below(input.length + 1);
        if (random.chance(40) && at < input.length) input.delete(at);
        else if (random.chance(20) && at < input.length) input.move(at, 0);
        else input.insert(rule(random).join(' '), at);
      }
    })
    .catch((error) => {
      if (error.code !== 'ERR_NETFILTER_TABLE_CHANGED') throw error;
    });
}

async function step(random: Random, ipt: Iptables): Promise<void> {
  const which = random.below(10);
  if (which < 4) byTool(random);
  else if (which < 6)
    attempt(() => load('ipv4', text(random), '-w', ...(random.chance(60) ? ['-n'] : [])));
  else if (which < 8 && backend === 'nft') byNft(random);
  else await byUs(random, ipt);
  await turn();
}

/** Follows the table while `work` goes on. Returns the changes. */
async function follow(work: (ipt: Iptables) => Promise<void>): Promise<TableChange[]> {
  const ipt = openTables();
  const changes = ipt.changes({ tables: ['filter'], interval: 10 });
  await awaited('ready', changes.ready);
  const mirror = new Mirror(await ipt.read('filter'));
  const seen: TableChange[] = [];
  const end = 'the end of the storm';
  const following = (async () => {
    for await (const change of changes) {
      mirror.apply(change.differences);
      seen.push(change);
      const isEnd = change.differences.some(
        (each) => each.type === 'ruleAdded' && String(each.rule).includes(end),
      );
      if (isEnd) return;
    }
  })();
  await work(ipt);
  await ipt.edit('filter', (table) =>
    table.chain('OUTPUT').append(`-m comment --comment "${end}"`),
  );
  await awaited('the last change', following);
  assert.equal(mirror.content, new Mirror(await ipt.read('filter')).content);
  await ipt.close();
  return seen;
}

for (const seed of [1, 2, 3]) {
  test(`random edits of several writers, seed ${seed}`, async () => {
    reset();
    load('ipv4', '*filter\n:a - [0:0]\n-A INPUT -p 201\n-A a -p 202\nCOMMIT\n');
    const random = new Random(seed);
    const seen = await follow(async (ipt) => {
      const child = Child.start(
        [process.execPath, '--import', 'tsx', writer].concat(
          [backend, 'ipv4', 'INPUT'],
          [`${1000 * seed}`, '20'],
        ),
      );
      for (let i = 0; i < 60; i++) await step(random, ipt);
      await child.exited;
    });
    if (!here(tellsEachCommit)) return;
    assert.equal(
      seen.filter(({ lost }) => lost),
      [],
    );
    const generations = seen.map(({ generation }) => generation!);
    assert.equal(
      generations,
      generations.toSorted((a, b) => a - b),
    );
    assert.ok(new Set(seen.map(({ process }) => process?.name)).size > 3);
  });
}

/** Stops a process, and waits until all of its threads stand. */
async function stopped(child: Child): Promise<void> {
  child.signal('SIGSTOP');
  const tasks = `/proc/${child.pid}/task`;
  const stands = (task: string) => /\) T /.test(readFileSync(`${tasks}/${task}/stat`, 'utf8'));
  await until('the process stands', () => readdirSync(tasks).every(stands));
}

if (backend === 'nft') {
  for (const seed of [11, 12]) {
    test(`where the kernel drops events, seed ${seed}`, async () => {
      reset();
      load('ipv4', '*filter\n:a - [0:0]\n-A INPUT -p 201\nCOMMIT\n');
      const random = new Random(seed);
      const rules = Array.from({ length: 300 }, (_, i) => `-A big -p udp --dport ${1 + i}\n`);
      const ipt = openTables();
      await using child = Child.start([process.execPath, '--import', 'tsx', follower]);
      await child.line(/^ready$/);
      for (let round = 0; round < 4; round++) {
        for (let i = 0; i < 8; i++) await step(random, ipt);
        await stopped(child);
        // The messages of this commit do not fit into the buffer, and nobody reads it.
        load('ipv4', `*filter\n:big - [0:0]\n${rules.slice(round).join('')}COMMIT\n`, '-n');
        for (let i = 0; i < 4; i++) await step(random, ipt);
        child.signal('SIGCONT');
      }
      await ipt.edit('filter', (table) => table.chain('OUTPUT').append('-m comment --comment end'));
      const told: Followed = JSON.parse(await child.line(/^\{/));
      assert.equal(told.mirror, told.read);
      assert.ok(told.lost > 0, 'the kernel dropped something');
      assert.ok(told.followed > 0, 'other commits were followed');
      assert.is(told.wrong, 0);
      await ipt.close();
    });
  }
}

test('a consumer that comes late gets every change', async () => {
  reset();
  load('ipv4', '*filter\n-A INPUT -p 201\nCOMMIT\n');
  const ipt = openTables();
  const changes = ipt.changes({ tables: ['filter'], interval: 10 });
  await changes.ready;
  const mirror = new Mirror(await ipt.read('filter'));
  for (let i = 0; i < 20; i++) iptables('ipv4', '-A', 'INPUT', '-p', `${200 + i}`);
  const expected = here(tellsEachCommit) ? 20 : 1;
  for (let i = 0; i < expected; i++) {
    const { value } = await awaited('a change', changes.next());
    mirror.apply(value!.differences);
  }
  assert.equal(mirror.content, new Mirror(await ipt.read('filter')).content);
  await ipt.close();
  assert.equal(await changes.next(), { value: undefined, done: true });
});

test.run();

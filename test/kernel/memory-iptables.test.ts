// Tables of iptables in memory against those in nf_tables: the same edits and restores. The results, the refusals, the
// texts and the changes that are told must be the same.
import {
  type Difference,
  Iptables,
  type RestoreOptions,
  type TableChange,
  type TableEdit,
} from '../../src/index.js';
import { MemoryKernel } from '../../src/testing/testing.js';
import { canonical } from '../support/compare.js';
import { assert, suite } from '../support/harness.js';
import { Netns } from '../support/netns.js';
import { Random } from '../support/random.js';
import { changeAtRandom } from '../support/random-edit.js';

const test = suite('iptables in memory and in the kernel');
type Family = 'ipv4' | 'ipv6';
const families = ['ipv4', 'ipv6'] as const;

/** The tables of the kernel, and those in memory. */
function both(family: Family = 'ipv4', tables?: string) {
  const netns = Netns.create();
  const kernel = Iptables.open({ netns: netns.path, backend: 'nft', family });
  const memory = new MemoryKernel(
    tables === undefined ? {} : { [family === 'ipv4' ? 'tables' : 'tables6']: tables },
  ).openIptables({ family });
  return {
    all: [kernel, memory] as const,
    async [Symbol.asyncDispose]() {
      await Promise.all([kernel.close(), memory.close()]);
      netns[Symbol.dispose]();
    },
  };
}

/** All tables as text, without the lines that have the time. */
const text = async (ipt: Iptables) =>
  (await ipt.save({ counters: true }))
    .replaceAll(/^#.*\n/gm, '')
    .split('*')
    .sort()
    .join('*');

const told = (work: () => Promise<unknown>) =>
  work().then(
    (value) => canonical(value ?? null),
    (error: Error & { code?: string; hint?: string }) =>
      canonical({ name: error.name, message: error.message, code: error.code, hint: error.hint }),
  );

type Step = (ipt: Iptables) => Promise<unknown>;

/** Does the same in both, and compares. Returns what both said. */
async function alike(world: ReturnType<typeof both>, what: string, step: Step): Promise<string> {
  const [kernel, memory] = world.all;
  const expected = await told(() => step(kernel));
  assert.is(await told(() => step(memory)), expected, what);
  assert.is(await text(memory), await text(kernel), what);
  assert.equal((await memory.tables()).sort(), (await kernel.tables()).sort());
  return expected;
}

const tellable = (difference: Difference) => {
  const rule = 'rule' in difference ? { rule: String(difference.rule) } : {};
  return canonical({ ...difference, ...rule });
};

/** What was told of the changes until now. */
async function changesOf(ipt: Iptables, work: () => Promise<void>): Promise<string[]> {
  const stream = ipt.changes();
  await stream.ready;
  const seen: TableChange[] = [];
  const reading = (async () => {
    for await (const change of stream) {
      seen.push(change);
      if (change.table === 'security') break;
    }
  })();
  await work();
  // The last change.
  await ipt.edit('security', (table) => table.newChain('last'));
  await reading;
  return seen.map(({ table, differences, lost }) => {
    return [table, lost, ...differences.map(tellable).sort()].join(' ');
  });
}

const start = `*filter
:INPUT ACCEPT [5:500]
:FORWARD DROP [0:0]
:OUTPUT ACCEPT [0:0]
:a - [0:0]
:b - [0:0]
[1:2] -A INPUT -p tcp -j a
[3:4] -A a -p tcp -m tcp --dport 1 -j ACCEPT
[5:6] -A a -p tcp -m tcp --dport 2 -j b
COMMIT
`;

for (const family of families) {
  test(`300 random edits, ${family}`, async () => {
    await using world = both(family);
    await alike(world, 'start', (ipt) => ipt.restore(start, { counters: true }));
    let refused = 0;
    const steps = async (ipt: Iptables, outcomes: string[]) => {
      for (let seed = 0; seed < 300; seed++) {
        const names: string[] = seed % 7 === 0 ? ['filter', 'mangle'] : ['filter'];
        // The function may be called more than once.
        const edit = (...tables: TableEdit[]) => {
          const random = new Random(seed);
          const said: unknown[] = [];
          for (const table of tables) {
            for (let i = random.integer(1, 4); i > 0; i--) changeAtRandom(random, table, said, 4);
          }
          if (seed % 10 === 3) tables[0]!.zero();
          return said;
        };
        outcomes.push(
          `${seed} ${await told(() => ipt.edit(names, edit).then(({ value }) => value))}`,
        );
        outcomes.push(await text(ipt));
      }
    };
    const [kernel, memory] = world.all;
    const theirs: string[] = [];
    const ours: string[] = [];
    const theirChanges = await changesOf(kernel, () => steps(kernel, theirs));
    const ourChanges = await changesOf(memory, () => steps(memory, ours));
    for (const [i, outcome] of theirs.entries()) {
      if (ours[i] !== outcome) assert.is(ours[i], outcome, `the outcome ${i}`);
      if (outcome.includes('"message"')) refused++;
    }
    assert.equal(ourChanges, theirChanges);
    assert.ok(refused > 50 && refused < 270, `${refused} edits were refused`);
    assert.ok(ourChanges.length > 50, `${ourChanges.length} changes`);
  });
}

const texts: [name: string, text: string, options?: RestoreOptions][] = [
  ['counters', start, { counters: true }],
  ['no counters', start],
  ['noflush', '*filter\n:b - [0:0]\n-A INPUT -j b\n-I a 2 -j RETURN\nCOMMIT\n', { noflush: true }],
  ['two tables', `${start}*nat\n-A POSTROUTING -o eth0 -j MASQUERADE\nCOMMIT\n`],
  ['a test', '*filter\n-A INPUT -j DROP\nCOMMIT\n', { test: true }],
  ['a test of a loop', '*filter\n:x -\n-A INPUT -j x\n-A x -j x\nCOMMIT\n', { test: true }],
  ['commands', '*filter\n-N c\n-E c d\n-A d -j ACCEPT\n-R d 1 -j DROP\n-D d 1\n-X d\nCOMMIT\n'],
  ['policies', '*filter\n-P INPUT DROP\n-Z\nCOMMIT\n', { noflush: true }],
  ['a missing chain', '*filter\n-A INPUT -j nowhere\nCOMMIT\n'],
  ['a missing rule', '*filter\n-D INPUT -j ACCEPT\nCOMMIT\n', { noflush: true }],
  ['a missing table', '*filer\n-A INPUT -j ACCEPT\nCOMMIT\n'],
  ['a wrong option', '*filter\n-A INPUT -p tcp --dprt 5 -j ACCEPT\nCOMMIT\n'],
  ['no commit', '*filter\n-A INPUT -j ACCEPT\n'],
  ['a loop', '*filter\n:x -\n:y -\n-A INPUT -j x\n-A x -j y\n-A y -j x\nCOMMIT\n'],
  ['a chain that is in use', '*filter\n-N z\n-A INPUT -j z\n-X z\nCOMMIT\n', { noflush: true }],
  ['the second of two is wrong', `*filter\n-F\nCOMMIT\n*nat\n-A INPUT -j nowhere\nCOMMIT\n`],
  ['DROP in nat', '*nat\n-A OUTPUT -j DROP\nCOMMIT\n'],
  [
    'many extensions',
    `*mangle
:m - [0:0]
-A PREROUTING -i eth0 -m conntrack --ctstate NEW,ESTABLISHED -m limit --limit 5/min -j MARK --set-xmark 0x5/0xff
-A PREROUTING -m comment --comment "a b" -m multiport -p tcp --dports 80,443 -j m
-A m -m hashlimit --hashlimit-above 10/sec --hashlimit-mode srcip --hashlimit-name h -j RETURN
-A m ! -s 10.0.0.0/8 -j CONNMARK --save-mark
-A FORWARD -p tcp --tcp-flags SYN,RST SYN -j TCPMSS --clamp-mss-to-pmtu
COMMIT
`,
  ],
];

test('restores of right and wrong texts', async () => {
  await using world = both();
  let refused = 0;
  for (const [name, given, options] of texts) {
    await alike(world, 'again', (ipt) => ipt.restore(start, { counters: true }));
    const said = await alike(world, name, (ipt) => ipt.restore(given, options));
    if (said.includes('"message"')) refused++;
  }
  assert.is(refused, 10);
});

test('a table that is given at the beginning is the one that a restore makes', async () => {
  await using world = both('ipv4', start);
  const [kernel, memory] = world.all;
  await kernel.restore(start, { counters: true });
  assert.is(await text(memory), await text(kernel));
  for (const name of ['filter', 'raw', 'nat']) {
    const [theirs, ours] = [await kernel.read(name), await memory.read(name)];
    assert.is(ours.registered, theirs.registered);
    assert.equal([...ours.chains.keys()], [...theirs.chains.keys()]);
    for (const [chain, { policy, rules, references }] of theirs.chains) {
      const own = ours.chain(chain);
      assert.equal([own.policy, own.references], [policy, references]);
      assert.equal(own.rules.map(String), rules.map(String));
      assert.equal(
        own.rules.map(({ counters }) => counters),
        rules.map(({ counters }) => counters),
      );
    }
  }
  await alike(world, 'no such table', (ipt) => ipt.read('nonesuch'));
});

test('edits that are taken back, confirmed, and of rules that were read elsewhere', async () => {
  await using world = both();
  await alike(world, 'start', (ipt) => ipt.restore(start, { counters: true }));
  await alike(world, 'reverted', async (ipt) => {
    const flush = (t: TableEdit) => t.chain('a').flush().length;
    const pending = await ipt.edit('filter', flush, { revertAfter: 60_000 });
    const during = await text(ipt);
    await pending.revert();
    return during;
  });
  await alike(world, 'confirmed', async (ipt) => {
    const remove = (t: TableEdit) => t.chain('a').delete(0);
    const pending = await ipt.edit('filter', remove, { revertAfter: 60_000 });
    await pending.confirm();
  });
  await alike(world, 'rules that were read', async (ipt) => {
    const { rules } = (await ipt.read('filter')).chain('a');
    await ipt
      .edit('filter', (t) => {
        t.chain('FORWARD').append(...rules);
        t.chain('FORWARD').append({ ...rules[0]!, comment: undefined } as never);
      })
      .catch((error: Error) => error.message);
    await ipt.edit('filter', (t) => t.chain('FORWARD').append(...rules));
    return (await ipt.edit('filter', (t) => t.chain('FORWARD').delete(rules[0]!))) === true;
  });
  await alike(world, 'renamed', (ipt) =>
    ipt.edit('filter', (t) => {
      t.renameChain('a', 'z');
      t.chain('z').zero();
    }),
  );
});

test.run();

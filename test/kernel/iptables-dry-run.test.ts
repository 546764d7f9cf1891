// A dry run of an edit changes nothing, and says exactly what the edit then does.
// Backends: legacy, nft
import {
  type DryRun,
  type EditOptions,
  formatSave,
  type Iptables,
  sameRule,
  type Table,
  type TableEdit,
} from '../../src/index.js';
import { NftImage } from '../../src/iptables/nft/image.js';
import { Session } from '../../src/native/session.js';
import { awaited } from '../support/awaited.js';
import { here, loopCode, testAsksKernel } from '../support/backend-differences.js';
import { line, Mirror } from '../support/change-mirror.js';
import { assert, suite, throws } from '../support/harness.js';
import {
  backend,
  backendOf,
  type Family,
  families,
  load,
  loadCounted,
  openTables,
  reset,
  saved,
  twoChains,
} from '../support/iptables-tables.js';
import { patched } from '../support/patch.js';
import { Random } from '../support/random.js';
import { changeAtRandom, port } from '../support/random-edit.js';

const test = suite('dry runs of edits');

/** The number of the last commit in nf_tables; 0 elsewhere. */
async function generation(family: Family): Promise<number> {
  const session = new Session({ netns: null, receiveBuffer: null });
  const image = await backendOf(session, family).read('filter');
  await session.close();
  return image instanceof NftImage ? image.generation : 0;
}

/** Everything that the kernel has, byte for byte, and the number of the last commit. */
const state = async (family: Family) => [
  saved(family, { counters: true }),
  await generation(family),
];

/** Everything of a table but its fingerprint. */
function content({ name, family, registered, chains, foreign }: Table): object {
  const list = Array.from(chains.values(), (chain) => {
    const { name, builtin, policy, counters, references, length, rules } = chain;
    const shown = rules.map((rule) => [
      String(rule),
      { ...rule },
      rule.warnings,
      rule.nft?.foreign,
    ]);
    return { name, builtin, policy, counters, references, length, rules: shown };
  });
  return { name, family, registered, foreign, chains: list };
}

/** Does an edit, first as a dry run. Everything that this says must be so. Returns what both have thrown. */
async function tried(
  ipt: Iptables,
  name: string,
  edit: (table: TableEdit) => unknown,
): Promise<string | undefined> {
  const { family } = ipt;
  const was = await ipt.read(name);
  const stateBefore = await state(family);
  let dry: DryRun<unknown> | undefined;
  let refusal: string | undefined;
  try {
    dry = await ipt.edit(name, edit, { dryRun: true });
  } catch (error) {
    refusal = String(error);
  }
  assert.equal(await state(family), stateBefore, 'a dry run changes nothing');
  let refused: string | undefined;
  let value: unknown;
  try {
    value = await ipt.edit(name, edit);
  } catch (error) {
    refused = String(error);
  }
  assert.is(refusal, refused);
  if (dry === undefined) return refused;
  assert.equal(dry.value, value);
  assert.equal([dry.family, dry.table], [family, name]);
  const now = await ipt.read(name);
  assert.equal(content(dry.before), content(was));
  assert.equal(content(dry.after), content(now));
  for (const [name, { rules }] of now.chains) {
    rules.forEach((rule, index) => {
      assert.ok(sameRule(dry.after.chain(name).rules[index]!, rule));
    });
  }
  const options = { counters: true };
  assert.is(formatSave(dry.after, options), formatSave(now, options));
  assert.is(patched(formatSave(was), dry.diff), formatSave(now));
  const mirror = new Mirror(was);
  if (dry.differences.length > 0) mirror.apply(dry.differences);
  assert.equal(mirror.content, new Mirror(now).content);
  return undefined;
}

/** A table with chains that lead to each other, and counters. */
const start = (rules: number) =>
  [
    '*filter',
    ':INPUT DROP [5:500]',
    ':FORWARD ACCEPT [0:0]',
    ':a - [0:0]',
    ':b - [0:0]',
    ':c - [0:0]',
    '[1:2] -A INPUT -p 201 -j a',
    '[3:4] -A INPUT -p 202 -j b',
    ...['a', 'b', 'INPUT'].flatMap((chain) =>
      Array.from({ length: rules }, (_, i) => `[${i}:${9 * i}] -A ${chain} ${port(i + 1)}`),
    ),
    '[5:6] -A b -j c',
    'COMMIT',
    '',
  ].join('\n');

for (const family of families) {
  test(`edits at random: the dry run tells what the edit does (${family})`, async () => {
    await using ipt = openTables({ family });
    let done = 0;
    const messages = new Set<string>();
    for (let seed = 1; seed <= 60; seed++) {
      const rules = seed % 3 === 0 ? 0 : seed % 20;
      if (seed % 6 === 1) {
        reset();
        await loadCounted(family, start(rules));
      }
      const refused = await tried(ipt, 'filter', (table) => {
        const random = new Random(seed);
        const told: unknown[] = [];
        for (let step = random.integer(1, 6); step > 0; step--) {
          // Most refusals of one step are not the end of the edit.
          const before = told.length;
          try {
            changeAtRandom(random, table, told, rules);
          } catch (error) {
            if (random.chance(25)) throw error;
            told.length = before;
          }
        }
        if (random.chance(10)) table.zero();
        if (random.chance(5)) table.clear();
        return told;
      });
      if (refused === undefined) done++;
      else messages.add(refused);
    }
    assert.ok(done >= 20 && messages.size >= 3, `${done} edits, ${messages.size} refusals`);
  });
}

test('no difference, and what is not in the text', async () => {
  reset();
  await loadCounted('ipv4', start(5));
  await using ipt = openTables();
  const dry = async (edit: (table: TableEdit) => unknown) =>
    ipt.edit('filter', edit, { dryRun: true });
  const nothing = await dry((table) => table.chain('a').ensure(port(1)));
  assert.equal([nothing.value, nothing.diff, nothing.differences], [false, '', []]);
  assert.is(nothing.after, nothing.before);
  // Counters of rules are not in the diff. The table after it has them.
  const zeroed = await dry((table) => table.chain('a').zero());
  assert.equal([zeroed.diff, zeroed.differences], ['', []]);
  assert.is(zeroed.after.chain('a').rules[3]!.counters.packets, 0n);
  assert.is(zeroed.before.chain('a').rules[3]!.counters.packets, 3n);
  // The same rules written again, in another form.
  const again = await dry((table) => {
    const texts = table.chain('a').rules.map((rule) => String(rule).replace('-m tcp ', ''));
    table
      .chain('a')
      .flush()
      .append(...texts);
  });
  assert.equal([again.diff, again.differences], ['', []]);
  // The same meaning and text in other bytes.
  await ipt.edit('filter', (table) => table.chain('c').append('-i + -p udp', '-j ACCEPT').length);
  const bytes = await dry((table) => table.chain('c').flush().append('-p udp', '-j ACCEPT').length);
  assert.equal([bytes.diff, bytes.differences], ['', []]);
  const one = await dry((table) => table.chain('a').insert('-j RETURN', 2));
  const two = await dry((table) => table.chain('a').insert('-j RETURN', 2));
  assert.is(one.after.fingerprint, two.after.fingerprint);
  assert.is.not(one.after.fingerprint, zeroed.after.fingerprint);
  const [, , at, ...lines] = one.diff.split('\n');
  assert.match(at!, /^@@ -\d+,6 \+\d+,7 @@$/);
  const [p5, p1, p2, p3, p4] = [5, 1, 2, 3, 4].map(port);
  assert.equal(lines, [
    ` -A INPUT ${p5}`,
    ...[p1, p2].map((text) => ` -A a ${text}`),
    '+-A a -j RETURN',
    ...[p3, p4, p5].map((text) => ` -A a ${text}`),
    '',
  ]);
});

test('a moved rule, a rule from elsewhere, and rules that the kernel says in another way', async () => {
  reset();
  await loadCounted('ipv4', start(6));
  await using ipt = openTables();
  const [elsewhere] = (await ipt.read()).chain('b').rules;
  const refused = await tried(ipt, 'filter', (table) => {
    const a = table
      .chain('a')
      .move(0, 4)
      .append(elsewhere!, { ...elsewhere! });
    a.append('-j QUEUE', '-j NFLOG --nflog-range 5 --nflog-prefix "a b"', '-c 7 8 -p udp');
    a.append('-m limit --limit 3/min', '-m comment --comment "a \\"b\\""', '-i + -p all');
    a.append({
      matches: [{ name: 'raw', extension: 'comment', revision: 0, data: new Uint8Array(256) }],
    });
    a.replace(1, '-p tcp --dport 999', { keepCounters: true });
    table.chain('INPUT').policy('DROP', { packets: 3n, bytes: 4n });
    table.newChain('Z').append('-g c');
    table.renameChain('c', 'new');
    table.newChain('c').append('-j new');
  });
  assert.is(refused, undefined);
});

test('a chain that is renamed and changed is one that is renamed', async () => {
  reset();
  load('ipv4', twoChains);
  await using ipt = openTables();
  const { differences } = await ipt.edit(
    'filter',
    (table) => void table.renameChain('one', 'uno').insert('-j two').delete(4),
    { dryRun: true },
  );
  assert.equal(differences.map(line), [
    'chainRenamed one uno',
    `ruleDeleted uno 3 ${port(4)}`,
    'ruleAdded uno 0 -j two',
  ]);
});

test('several tables: all of them, in the order of the list', async () => {
  reset();
  load('ipv4', twoChains);
  await using ipt = openTables();
  const states = async () => [await state('ipv4'), await state('ipv6')];
  const before = await states();
  const append = (chain: string) => (nat: TableEdit, other: TableEdit) => {
    nat.chain('OUTPUT').append('-j ACCEPT');
    other.chain(chain).append('-p udp -j DROP');
    return nat.chains.length;
  };
  const tables = ['nat', { family: 'ipv6', table: 'filter' }] as const;
  const dry = await ipt.edit(tables, append('INPUT'), { dryRun: true });
  assert.equal(await states(), before);
  assert.equal(
    dry.tables.map(({ family, table }) => [family, table]),
    [
      ['ipv4', 'nat'],
      ['ipv6', 'filter'],
    ],
  );
  assert.is(dry.diff, dry.tables.map(({ diff }) => diff).join(''));
  assert.match(
    dry.diff,
    /^--- iptables nat\n(?:.*\n)*\+-A OUTPUT -j ACCEPT\n COMMIT\n--- ip6tables filter\n/,
  );
  const done = await ipt.edit(tables, append('INPUT'));
  assert.is(dry.value, done.value);
  await using six = openTables({ family: 'ipv6' });
  assert.equal(content(dry.tables[0]!.after), content(await ipt.read('nat')));
  assert.equal(content(dry.tables[1]!.after), content(await six.read('filter')));
  const error = await throws(Error, /INPUT|chain/, () =>
    ipt.edit(tables, append('NOWHERE'), { dryRun: true }),
  );
  assert.is((error as { code?: string }).code, 'ERR_NETFILTER_NO_CHAIN');
});

test('a dry run refuses what the edit refuses', async () => {
  reset();
  load('ipv4', twoChains);
  await using ipt = openTables();
  const before = await state('ipv4');
  const both = async (edit: (table: TableEdit) => unknown, table = 'filter') => {
    const outcome = async (options: EditOptions) => {
      try {
        await ipt.edit(table, edit, options as { dryRun: false });
      } catch (error) {
        return String(error);
      }
      return 'taken';
    };
    const dry = await outcome({ dryRun: true });
    assert.equal(await state('ipv4'), before);
    return [dry, await outcome({})];
  };
  const equal: [(table: TableEdit) => unknown, RegExp][] = [
    [(table) => table.chain('none'), /ChainEdit|chain of table filter/],
    [(table) => table.deleteChain('one'), /still has rules/],
    [(table) => table.chain('one').append('-j none'), /one\.rules\[4\]\.target\.chain/],
    [(table) => table.chain('one').append('-j INPUT'), /not built in/],
    [(table) => table.chain('one').append('--nonsense'), /nonsense/],
    [(table) => table.chain('one').append('-m set --match-set none src'), /none/],
    [
      (table) =>
        table.chain('one').append({
          matches: [{ name: 'raw', extension: 'nothing', revision: 7, data: new Uint8Array(8) }],
        }),
      /the kernel has no match nothing of revision 7/,
    ],
    [
      () => {
        throw new Error('mine');
      },
      /mine/,
    ],
  ];
  for (const [edit, message] of equal) {
    const [dry, real] = await both(edit);
    assert.is(dry, real);
    assert.match(dry!, message);
  }
  // The kernel refuses this. Only nf_tables says so without a commit.
  const target = (table: TableEdit) => table.chain('INPUT').append('-m owner --uid-owner 1');
  const [dry, real] = await both(target);
  assert.match(real!, /EINVAL/);
  assert.is(dry, here(testAsksKernel) ? real : 'taken');
});

test('that chains jump in a loop is certain only at the commit', async () => {
  reset();
  load('ipv4', twoChains);
  await using ipt = openTables();
  const loop = (table: TableEdit) => {
    table.chain('one').append('-j two');
    table.chain('two').insert('-j one');
  };
  // nf_tables finds some loops when it is asked, a legacy kernel none.
  const dry = await ipt.edit('filter', loop, { dryRun: true }).then(
    ({ diff }) => /^\+-A two -j one$/m.test(diff),
    (error) => String(error),
  );
  const error = await throws(Error, /loop/, () => ipt.edit('filter', loop));
  assert.is((error as { code?: string }).code, here(loopCode));
  assert.ok(dry === true || (here(testAsksKernel) && dry === String(error)), String(dry));
});

test('a dry run waits for no other edit, and can be stopped', async () => {
  reset();
  load('ipv4', twoChains);
  await using ipt = openTables();
  const session = new Session({ netns: null, receiveBuffer: null });
  let release!: () => void;
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  const first = backendOf(session, 'ipv4').locked({ timeout: 1000, signal: undefined }, () => held);
  const append = (table: TableEdit) => table.chain('two').append(port(3));
  const dry = await awaited(
    'the dry run',
    ipt.edit('filter', append, { dryRun: true, lockTimeout: 0 }),
  );
  assert.match(dry.diff, /^\+-A two .*--dport 3 /m);
  const stopped = AbortSignal.abort(new Error('stop'));
  await throws(Error, /^stop$/, () =>
    ipt.edit('filter', append, { dryRun: true, signal: stopped }),
  );
  release();
  await first;
  await session.close();
});

test('options that do not go together are refused', async () => {
  await using ipt = openTables();
  const edit = (options: object) => ipt.edit('filter', () => {}, options as { dryRun: false });
  await throws(RangeError, /^options\.revertAfter: a dry run/, () =>
    edit({ dryRun: true, revertAfter: 5 }),
  );
  await throws(TypeError, /^options\.dryRun: /, () => edit({ dryRun: undefined }));
  await throws(TypeError, /^options\.dryRun: /, () => edit({ dryRun: 'yes' }));
  assert.is(await edit({ dryRun: false }), undefined);
});

test('a table that there is not yet: before it is empty, and the dry run does not make it', async () => {
  reset();
  await using ipt = openTables();
  for (const name of backend === 'nft' ? ['raw', 'mangle'] : ['security', 'mangle']) {
    const there = (await ipt.tables()).includes(name);
    const dry = await ipt.edit(name, (table) => table.chain('OUTPUT').append('-p udp'), {
      dryRun: true,
    });
    assert.is(dry.before.registered, there);
    assert.ok(dry.after.registered);
    assert.is((await ipt.tables()).includes(name), there);
    assert.is(dry.differences[0]!.type, there ? 'ruleAdded' : 'tableAdded');
  }
});

test.run();

// `ensure` adds the rules that a chain lacks, and writes nothing if it lacks none.
// Backends: legacy, nft

import {
  type ChainEdit,
  type EnsurePlace,
  formatSave,
  type RuleInput,
  type TableEdit,
} from '../../src/index.js';
import type { Iptables } from '../../src/iptables/iptables.js';
import { LegacyBackend } from '../../src/iptables/legacy/legacy-backend.js';
import { NftImage } from '../../src/iptables/nft/image.js';
import { NftBackend } from '../../src/iptables/nft/nft-backend.js';
import { Session } from '../../src/native/session.js';
import { assert, suite, throws } from '../support/harness.js';
import {
  backend,
  backendOf,
  type Family,
  families,
  iptables,
  load,
  loadCounted,
  openTables,
  reset,
  saved,
  twoChains,
} from '../support/iptables-tables.js';
import { run } from '../support/process.js';
import { Random } from '../support/random.js';
import { ruleCorpus } from '../support/rule-corpus.js';

const test = suite('ensure');
const port = (number: number) => `-p tcp -m tcp --dport ${number} -j ACCEPT`;

/** The ports of a chain's rules, in order. */
const portsOf = (chain: ChainEdit) =>
  chain.rules.map((rule) => /dport (\d+)/.exec(String(rule))?.[1] ?? String(rule)).join(' ');

/** Ensures rules in the chain `one`, which has ports 1 to 4. Returns the result, and the ports after it. */
async function ensured(
  rules: RuleInput | readonly RuleInput[],
  where?: EnsurePlace,
): Promise<[boolean | number, string]> {
  reset();
  load('ipv4', twoChains);
  await using ipt = openTables();
  const result = await ipt.edit('filter', (table) =>
    table.chain('one').ensure(rules as RuleInput, where),
  );
  return [result, await ipt.edit('filter', (table) => portsOf(table.chain('one')))];
}

test('a rule is added once, at the place that is asked for', async () => {
  assert.equal(await ensured(port(9)), [true, '1 2 3 4 9']);
  assert.equal(await ensured(port(9), 'last'), [true, '1 2 3 4 9']);
  assert.equal(await ensured(port(9), undefined), [true, '1 2 3 4 9']);
  assert.equal(await ensured(port(9), 'first'), [true, '9 1 2 3 4']);
  assert.equal(await ensured(port(9), 0), [true, '9 1 2 3 4']);
  assert.equal(await ensured(port(9), 2), [true, '1 2 9 3 4']);
  assert.equal(await ensured(port(9), 4), [true, '1 2 3 4 9']);
  assert.equal(await ensured(port(9), { before: port(3) }), [true, '1 2 9 3 4']);
  assert.equal(await ensured(port(9), { after: port(3) }), [true, '1 2 3 9 4']);
  assert.equal(await ensured(port(9), { after: port(4) }), [true, '1 2 3 4 9']);
  const where: EnsurePlace[] = ['first', 'last', 0, 3, { before: port(4) }, { after: port(1) }];
  for (const place of where) assert.equal(await ensured(port(2), place), [false, '1 2 3 4']);
});

test('a list is added where it is missing, in its order, each rule once', async () => {
  const list = [port(9), port(2), port(8), port(9), port(1)];
  assert.equal(await ensured(list), [2, '1 2 3 4 9 8']);
  assert.equal(await ensured(list, 'first'), [2, '9 8 1 2 3 4']);
  assert.equal(await ensured(list, 3), [2, '1 2 3 9 8 4']);
  assert.equal(await ensured(list, { before: port(2) }), [2, '1 9 8 2 3 4']);
  assert.equal(await ensured([port(4), port(3)]), [0, '1 2 3 4']);
  assert.equal(await ensured([]), [0, '1 2 3 4']);
  const two = '-s 10.0.0.1,10.0.0.2,10.0.0.1 -j DROP';
  const rules = '-s 10.0.0.1/32 -j DROP -s 10.0.0.2/32 -j DROP';
  assert.equal(await ensured(two), [true, `1 2 3 4 ${rules}`]);
  assert.equal(await ensured([two, '-s 10.0.0.2 -j DROP']), [2, `1 2 3 4 ${rules}`]);
});

test('nothing is missing only if each rule of a text is there', async () => {
  reset();
  await using ipt = openTables();
  const text = '-s 10.0.0.1,10.0.0.2 -j DROP';
  await ipt.edit('filter', (table) => {
    const input = table.chain('INPUT');
    assert.is(input.append('-s 10.0.0.2 -j DROP').ensure(text), true);
    assert.is(input.ensure(text), false);
    assert.is(input.length, 2);
  });
});

/** A rule, and its forms: each means the same. */
const forms = (chain: ChainEdit): RuleInput[] => [
  '-p tcp --dport 22 -m comment --comment "a b" -c 7 8',
  '-c 1 2 -p 6 --destination-port ssh -m comment --comment "a b"',
  {
    protocol: 'tcp',
    matches: [
      { name: 'tcp', dport: 22 },
      { name: 'comment', comment: 'a b' },
    ],
    counters: { packets: 99n, bytes: 100n },
  },
  chain.rules[0]!,
  { ...chain.rules[0]! },
  String(chain.rules[0]),
  JSON.parse(JSON.stringify(chain.rules[0])),
];

for (const family of families) {
  test(`every form of a rule is found: of this edit, of iptables, after a restore (${family})`, async () => {
    reset();
    await using ipt = openTables({ family });
    const look = (chain: ChainEdit) => {
      for (const form of forms(chain)) {
        assert.is(chain.ensure(form), false);
        assert.is(chain.ensure([form, form]), 0);
        assert.ok(chain.has(form));
      }
      assert.is(chain.length, 1);
      return chain.rules[0]!.counters;
    };
    const edited = await ipt.edit('filter', (table) => {
      const chain = table.newChain('mine');
      assert.is(chain.ensure('-p tcp --dport 22 -m comment --comment "a b" -c 7 8'), true);
      return look(chain);
    });
    const counters = { packets: 7n, bytes: 8n };
    assert.equal(edited, counters);
    assert.equal(await ipt.edit('filter', (table) => look(table.chain('mine'))), counters);
    await ipt.restore(await ipt.save());
    await ipt.edit('filter', (table) => look(table.chain('mine')));
    reset();
    load(
      family,
      '*filter\n:mine - [0:0]\n-A mine -p tcp --dport 22 -m comment --comment "a b"\nCOMMIT\n',
    );
    await ipt.edit('filter', (table) => look(table.chain('mine')));
  });

  test(`the same as iptables -A or -I for each rule that is not listed (${family})`, async () => {
    const random = new Random(7);
    const steps = Array.from({ length: 40 }, () => ({
      rule: port(random.integer(1, 12)),
      first: random.chance(50),
      chain: random.pick(['one', 'INPUT']),
    }));
    reset();
    load(family, twoChains);
    for (const { rule, first, chain } of steps) {
      // Not -C: ip6tables-legacy 1.8.9 finds a rule there whose matches are others.
      if (saved(family).includes(`-A ${chain} ${rule}\n`)) continue;
      iptables(family, '-w', first ? '-I' : '-A', chain, ...rule.split(' '));
    }
    const wanted = saved(family);
    reset();
    load(family, twoChains);
    await using ipt = openTables({ family });
    const added = await ipt.edit('filter', (table) =>
      steps.map(({ rule, first, chain }) =>
        table.chain(chain).ensure(rule, first ? 'first' : 'last'),
      ),
    );
    assert.is(saved(family), wanted);
    assert.ok(added.includes(true) && added.includes(false));
  });
}

/** The number of commits of this backend, and what the work returned. */
async function commits<T>(work: () => Promise<T>): Promise<[number, T]> {
  const { prototype } = backend === 'nft' ? NftBackend : LegacyBackend;
  const { commit } = prototype;
  let count = 0;
  prototype.commit = function (...given) {
    count++;
    return commit.apply(this, given);
  };
  try {
    const value = await work();
    return [count, value];
  } finally {
    prototype.commit = commit;
  }
}

/** The number of the last commit in nf_tables; 0 elsewhere. */
async function generation(family: Family): Promise<number> {
  const session = new Session({ netns: null, receiveBuffer: null });
  const image = await backendOf(session, family).read('filter');
  await session.close();
  return image instanceof NftImage ? image.generation : 0;
}

for (const [size, rules] of [
  ['a small table', 20],
  ['a table that is read by need', 700],
] as const) {
  test(`nothing is written if nothing is missing: ${size}`, async () => {
    reset();
    const texts = Array.from({ length: rules }, (_, index) => port(index + 1));
    const counted = texts.map((text, index) => `[${index}:${2 * index}] -A mine ${text}`);
    const lines = ['*filter', ':INPUT DROP [5:6]', ':mine - [0:0]', '[3:4] -A INPUT -j mine'];
    await loadCounted('ipv4', [...lines, ...counted, 'COMMIT', ''].join('\n'));
    const [before, was] = [saved('ipv4', { counters: true }), await generation('ipv4')];
    await using ipt = openTables();
    const [count, added] = await commits(() =>
      ipt.edit('filter', (table) => {
        const mine = table.chain('mine');
        return [
          mine.ensure(texts),
          mine.ensure(texts.toReversed(), 'first'),
          ...texts.map((text) => Number(mine.ensure(text, { before: texts[0]! }))),
          Number(table.chain('INPUT').ensure('-j mine', 'first')),
        ];
      }),
    );
    assert.equal(new Set(added), new Set([0]));
    assert.is(count, 0);
    assert.is(await generation('ipv4'), was);
    assert.is(saved('ipv4', { counters: true }), before);
    const [again] = await commits(() =>
      ipt.edit('filter', (table) => table.chain('mine').ensure(port(9999))),
    );
    assert.is(again, 1);
    if (backend === 'nft') assert.is(await generation('ipv4'), was + 1);
  });
}

test('chains that are new, renamed or deleted in the same edit', async () => {
  reset();
  load('ipv4', twoChains);
  await using ipt = openTables();
  await ipt.edit('filter', (table) => {
    const one = table.chain('one');
    table.newChain('three');
    assert.is(table.chain('three').ensure([port(1), '-j one', '-j two']), 3);
    assert.is(table.chain('three').ensure('-j one'), false);
    table.renameChain('one', 'uno');
    assert.is(table.chain('three').ensure('-j uno'), false);
    assert.is(table.chain('INPUT').ensure('-p tcp -j uno'), false);
    assert.is(table.chain('INPUT').ensure('-p udp -j two'), false);
    assert.is(one.ensure(port(3)), false);
    assert.is(one.ensure([port(3), port(5)], { before: port(2) }), 1);
    table.chain('INPUT').delete('-p udp -j two');
    table.chain('three').delete('-j two');
    const two = table.chain('two').flush();
    table.deleteChain('two');
    assert.throws(() => two.ensure('-j ACCEPT'), /no.*chain|chain of table/i);
    assert.is(table.newChain('two').ensure('-j RETURN'), true);
  });
  const [, rules] = saved('ipv4').split('*filter');
  assert.match(rules!, /-A three .*--dport 1 -j ACCEPT\n-A three -j uno\n-A two -j RETURN/);
  assert.match(rules!, /-A uno .*dport 1 .*\n-A uno .*dport 5 .*\n-A uno .*dport 2 /);
});

for (const name of ['one', 'mine']) {
  test(`changes of the same edit count, in any order: chain ${name}`, async () => {
    reset();
    load('ipv4', twoChains);
    await using ipt = openTables();
    const random = new Random(3);
    await ipt.edit('filter', (table) => {
      const chain = table.has(name) ? table.chain(name) : table.newChain(name);
      const there = (number: number) =>
        chain.rules.some((rule) => String(rule) === port(number)) ? 1 : 0;
      for (let step = 0; step < 1500; step++) {
        const number = random.integer(1, 30);
        const length = chain.length;
        const action = random.below(9);
        if (action === 0) chain.append(port(number));
        else if (action === 1) chain.insert(port(number));
        else if (action === 2 && length > 0) chain.move(random.below(length), random.below(length));
        else if (action === 3 && length > 0) chain.replace(random.below(length), port(number));
        else if (action === 4) assert.is(chain.delete(port(number)), length > chain.length);
        else if (action === 5) chain.zero();
        else if (action === 6 && random.chance(30)) chain.flush();
        else if (action === 7) {
          const first = chain.rules.findIndex((rule) => String(rule) === port(number));
          assert.is(chain.indexOf(port(number)), first);
          assert.is(chain.has(port(number)), first >= 0);
        } else {
          const missing = 1 - there(number);
          assert.is(chain.ensure([port(number), port(number)], 'first'), missing);
          assert.is(there(number), 1);
          if (missing === 1) assert.is(String(chain.rules[0]), port(number));
        }
      }
    });
  });
}

test('rules with IP sets: by the name of the set', async () => {
  reset();
  for (const name of ['good', 'bad']) run(['ipset', 'create', name, 'hash:ip']);
  await using ipt = openTables();
  const rules = ['-m set --match-set bad src -j DROP', '-m set ! --match-set good src,dst -j DROP'];
  const ensure = (table: TableEdit) => table.chain('INPUT').ensure(rules);
  const dry = await ipt.edit('filter', ensure, { dryRun: true });
  assert.is(dry.value, 2);
  assert.match(dry.diff, /^\+-A INPUT -m set --match-set bad src -j DROP$/m);
  assert.is(await ipt.edit('filter', ensure), 2);
  assert.is(formatSave(dry.after), formatSave(await ipt.read()));
  const [commit, again] = await commits(() => ipt.edit('filter', ensure));
  assert.equal([commit, again], [0, 0]);
  assert.is((await ipt.edit('filter', ensure, { dryRun: true })).diff, '');
  const other = (table: TableEdit) =>
    table.chain('INPUT').ensure('-m set --match-set good src -j DROP');
  assert.is(await ipt.edit('filter', other), true);
  const none = (table: TableEdit) => table.chain('INPUT').ensure('-m set --match-set none src');
  for (const options of [{ dryRun: true }, {}] as const) {
    await throws(RangeError, /set "none"/, () => ipt.edit('filter', none, options));
  }
  reset();
  run(['ipset', 'destroy']);
});

test('a place that is not there is an error only if something is missing', async () => {
  reset();
  load('ipv4', twoChains);
  await using ipt = openTables();
  const before = saved('ipv4');
  const ensure = (rule: RuleInput | readonly RuleInput[], where: EnsurePlace) =>
    ipt.edit('filter', (table) => table.chain('one').ensure(rule as RuleInput, where));
  const noRule = { code: 'ERR_NETFILTER_NO_RULE' };
  for (const [where, message] of [
    [5, /^where: expected 0…4, got 5/],
    [{ before: '-j REJECT' }, /^where\.before: chain one has no rule that means "-j REJECT /],
    [{ after: {} }, /^where\.after: chain one has no rule that means ""/],
  ] as const) {
    const error = await throws(Error, message, () => ensure(port(9), where));
    assert.equal({ code: (error as { code?: string }).code }, noRule);
    await throws(Error, message, () => ensure([port(1), port(9)], where));
    assert.is(await ensure(port(1), where), false);
    assert.is(await ensure([port(1), port(4)], where), 0 as unknown as boolean);
  }
  const wrong: [unknown, new (message: string) => Error, RegExp][] = [
    ['end', RangeError, /^where: expected an index, 'first'/],
    [-1, RangeError, /^where: expected an index/],
    [1.5, TypeError, /^where: expected an index/],
    [null, TypeError, /^where: expected an index/],
    [{}, RangeError, /^where: expected either before or after/],
    [{ before: port(1), after: port(1) }, RangeError, /^where: expected either before or after/],
    [{ behind: port(1) }, TypeError, /^where\.behind: /],
    [{ before: undefined }, TypeError, /^where\.before/],
    [{ before: '-s 1.1.1.1,2.2.2.2' }, RangeError, /^where\.before: it means 2 rules/],
    [{ before: '--nonsense' }, RangeError, /^where\.before: --nonsense: /],
  ];
  for (const [where, type, message] of wrong) {
    await throws(type, message, () => ensure(port(1), where as EnsurePlace));
  }
  await throws(RangeError, /^rules\[1\]: --nonsense: /, () => ensure([port(1), '--nonsense'], 0));
  await throws(TypeError, /^rules\[1\]: expected a rule/, () =>
    ensure([port(1), undefined as unknown as string], 0),
  );
  await throws(TypeError, /^rule: expected a rule/, () =>
    ensure(undefined as unknown as string, 0),
  );
  await throws(RangeError, /target\.chain: expected a chain/, () => ensure('-j nowhere', 0));
  await throws(RangeError, /no incoming interface/, () =>
    ipt.edit('filter', (table) => table.chain('OUTPUT').ensure('-i lo -j ACCEPT')),
  );
  assert.is(saved('ipv4'), before);
});

/** Those of the rules that the table takes, each in the chain `all` now. */
async function taken(ipt: Iptables, texts: readonly string[]): Promise<string[]> {
  try {
    await ipt.edit('filter', (table) => table.chain('all').ensure(texts));
    return [...texts];
  } catch {
    if (texts.length === 1) return [];
    const half = texts.length >> 1;
    const first = await taken(ipt, texts.slice(0, half));
    return [...first, ...(await taken(ipt, texts.slice(half)))];
  }
}

for (const family of families) {
  test(`a rule that is there is found, whatever extensions it has (${family})`, async () => {
    reset();
    await using ipt = openTables({ family });
    await ipt.edit('filter', (table) => table.newChain('all'));
    const queue = ['-j QUEUE', '-j NFLOG --nflog-range 5', '-p 6 -j NFLOG --nflog-range 7'];
    const corpus = ruleCorpus(family).filter((_, index) => index % 12 === 0);
    const texts = await taken(ipt, [...queue, ...corpus]);
    assert.ok(texts.length > 150, `${texts.length} rules`);
    assert.equal(
      queue.filter((text) => !texts.includes(text)),
      [],
    );
    const [commit, again] = await commits(() =>
      ipt.edit('filter', (table) => {
        const all = table.chain('all');
        const rules = [...all.rules];
        const forms = [texts, rules, rules.map(String)];
        const copies = rules
          .filter((rule) => rule.inexact === undefined)
          .map((rule) => ({ ...rule }));
        return [
          ...[...forms, copies].map((form) => all.ensure(form)),
          ...texts.filter((text) => all.ensure(text)),
        ];
      }),
    );
    assert.equal(again, [0, 0, 0, 0]);
    assert.is(commit, 0);
  });
}

test.run();

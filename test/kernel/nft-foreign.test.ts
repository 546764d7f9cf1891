// Rules and chains in iptables' tables of nf_tables that iptables did not make: they are read, named, and kept byte for
// byte while what is around them is edited. The nft tool makes them and lists their expressions.
import type { TableEdit } from '../../src/iptables/edit/table-edit.js';
import { Iptables } from '../../src/iptables/iptables.js';
import { assert, suite } from '../support/harness.js';
import { type Family, families, packets } from '../support/iptables-tables.js';
import { nft, nftReset, nftSaved, nftTool } from '../support/nft-tables.js';

const test = suite('foreign rules and chains in nf_tables');
const open = (family: Family) => Iptables.open({ backend: 'nft', family });
const short = (family: Family) => (family === 'ipv6' ? 'ip6' : 'ip');

/** Addresses for the words of a rule. */
const places = {
  ipv4: { A: '10.0.0.1', B: '10.0.0.2', self: '127.0.0.1', type: 'ipv4_addr' },
  ipv6: { A: 'fd00::1', B: 'fd00::2', self: '::1', type: 'ipv6_addr' },
};

/** Rules that iptables has no words for. A and B are addresses, IP is the family's word. */
const foreignRules = [
  'IP saddr @hosts counter accept',
  'meta mark set tcp dport map @marks counter',
  'IP saddr . tcp dport @pairs counter accept',
  'ct state established,related counter accept',
  'ct mark 5 counter',
  'add @seen { IP saddr limit rate over 5/second } counter drop',
  'quota over 1000 mbytes counter drop',
  'limit rate over 5/second counter drop',
  'limit rate 100 kbytes/second counter accept',
  'notrack',
  'fib saddr type local counter',
  'numgen random mod 2 0 counter',
  'counter log group 3 accept',
  'log group 4 counter',
  'log prefix "x" counter',
  'counter IP saddr A accept',
  'ct mark 6 counter comment "said"',
  'meta skuid 0 counter accept',
  'meta mark and 0x3 or 0x4 == 0x7 counter',
  'IP saddr > A counter',
  'counter meta priority set 1:2',
  'reject',
];
/** Each counter of a rule keeps its own values. */
const twoCounters = 'counter packets 3 bytes 30 IP saddr A counter packets 5 bytes 50 drop';
/** The same with a set of their own, which the kernel deletes with the rule. */
const withSets = [
  'IP saddr { A, B } counter drop',
  'tcp dport { 80, 90-100 } counter',
  'tcp dport vmap { 81 : accept, 82 : jump one }',
  'IP saddr . tcp dport vmap { A . 80 : drop }',
];
/** The kernel lists an attribute of this that it takes from nobody. */
const notTaken = 'tcp option maxseg size set 1400 counter';
/** Rules of the nft tool that iptables has words for, and these words. */
const readable: readonly (readonly [string, string])[] = [
  ['IP saddr A accept', '-s A -j ACCEPT'],
  ['tcp dport 80 drop', '-p tcp -m tcp --dport 80 -j DROP'],
  ['iifname "lo" counter return', '-i lo -j RETURN'],
  ['counter drop comment "said"', '-m comment --comment said -j DROP'],
  ['meta mark 7 counter', '-m mark --mark 0x7'],
  ['limit rate 7/minute counter', '-m limit --limit 7/min'],
];

function words(text: string, family: Family): string {
  const { A, B } = places[family];
  return text.replaceAll('IP', short(family)).replace(/\bA\b/g, A).replace(/\bB\b/g, B);
}

interface Dumped {
  readonly chain: string;
  readonly handle: string;
  /** Its expressions as libnftnl prints them, and its line with the comment. */
  readonly text: string;
}

/** The rules of a table as the nft tool has them from the kernel. */
function dumped(family: Family, table = 'filter'): Dumped[] {
  const out = nftTool('-a', '-nn', '--debug=netlink', 'list', 'table', short(family), table);
  const comments = new Map<string, string>();
  for (const [, line, handle] of out.matchAll(/^\t\t(.*) # handle (\d+)$/gm)) {
    comments.set(handle!, line!);
  }
  const heads = new RegExp(`^${short(family)} ${table} (\\S+) (\\d+)(?: \\d+)?\\s*$`, 'm');
  // Chain, handle and expressions of each rule; first what comes before the rules, last the listing.
  const [, ...parts] = out.slice(0, out.indexOf(`\ntable ${short(family)} `)).split(heads);
  return Array.from({ length: parts.length / 3 }, (_, index) => {
    const [chain, handle, expressions] = parts.slice(3 * index);
    return {
      chain: chain!,
      handle: handle!,
      text: `${expressions!.trim()}\n${comments.get(handle!)}`,
    };
  });
}

/** A table of iptables with the objects that the rules use, and a rule before and behind those that are added. */
function start(family: Family, rules: readonly string[]): void {
  const ip = short(family);
  nftReset();
  nft(family, '-N', 'one');
  nft(family, '-A', 'one', '-j', 'RETURN');
  nft(family, '-A', 'INPUT', '-p', 'tcp', '--dport', '1', '-j', 'ACCEPT');
  const { type, A, B } = places[family];
  nftTool('add', 'set', ip, 'filter', 'hosts', `{ type ${type}; elements = { ${A}, ${B} } ; }`);
  nftTool('add', 'set', ip, 'filter', 'pairs', `{ type ${type} . inet_service; }`);
  nftTool('add', 'map', ip, 'filter', 'marks', '{ type inet_service : mark; }');
  const dynamic = `{ type ${type}; size 100; flags dynamic,timeout; timeout 1m; }`;
  nftTool('add', 'set', ip, 'filter', 'seen', dynamic);
  for (const rule of rules) nftTool('add', 'rule', ip, 'filter', 'INPUT', words(rule, family));
  nft(family, '-A', 'INPUT', '-p', 'tcp', '--dport', '2', '-j', 'one');
}

async function rejects(code: RegExp, work: () => Promise<unknown>): Promise<Error> {
  try {
    await work();
  } catch (error) {
    assert.match(String((error as { code?: string }).code ?? '') + String(error), code);
    return error as Error;
  }
  throw new Error('it was not refused');
}

test('foreign rules are read, and have no words', async () => {
  for (const family of families) {
    const rules = [...foreignRules, notTaken, ...withSets];
    start(family, rules);
    const ipt = open(family);
    const list = dumped(family).filter(({ chain }) => chain === 'INPUT');
    const table = await ipt.read();
    const read = table.chain('INPUT').rules;
    assert.is(read.length, rules.length + 2);
    read.forEach((rule, index) => {
      const isForeign = index > 0 && index <= rules.length;
      const what = isForeign ? rules[index - 1] : 'a rule of iptables';
      assert.is(String(rule.nft?.handle), list[index]!.handle, what);
      assert.is(rule.nft?.foreign !== undefined, isForeign, what);
      assert.is(rule.inexact !== undefined, isForeign, what);
      if (!isForeign) return;
      assert.match(rule.toString(), /^# rule \d+ of nf_tables: /);
      const names = [...list[index]!.text.matchAll(/^\s*\[ (\w+)/gm)].map(([, name]) => name);
      assert.is(rule.nft!.foreign!.length, names.length, `${what}: ${rule.nft!.foreign}`);
      assert.match(rule.inexact!, `rule ${rule.nft!.handle} of nf_tables`);
      assert.is(rule.matches.length, 0);
      assert.is(rule.target, undefined);
    });
    assert.equal(table.foreign, []);
    await ipt.close();
  }
});

test('rules of the nft tool that iptables has words for', async () => {
  for (const family of families) {
    start(
      family,
      readable.map(([rule]) => rule),
    );
    const ipt = open(family);
    const rules = (await ipt.read()).chain('INPUT').rules.slice(1, -1);
    const prefix = family === 'ipv6' ? '/128' : '/32';
    const wanted = readable.map(([, text]) =>
      words(text, family).replace(/(-s \S+)/, `$1${prefix}`),
    );
    assert.equal(rules.map(String), wanted);
    assert.ok(
      rules.every(({ inexact, nft }) => inexact === undefined && nft!.foreign === undefined),
    );
    // What was written without a counter stays without one when its neighbours are edited.
    const before = dumped(family);
    const first = before.find(({ chain }) => chain === 'INPUT');
    await ipt.edit('filter', (table) => void table.chain('INPUT').delete(0));
    assert.equal(
      dumped(family),
      before.filter((rule) => rule !== first),
    );
    await ipt.close();
  }
});

test('a foreign rule has its counters, and its verdict decides', async () => {
  for (const family of families) {
    const { self } = places[family];
    const ip = short(family);
    start(family, [`udp dport 9 ${ip} saddr @hosts counter drop`, 'log group 4 counter']);
    nftTool('add', 'element', ip, 'filter', 'hosts', `{ ${self} }`);
    nft(family, '-A', 'INPUT', '-p', 'udp', '--dport', '9', '-m', 'comment', '--comment', 'seen');
    const ipt = open(family);
    const counts = async () =>
      (await ipt.read()).chain('INPUT').rules.map(({ counters }) => counters.packets);
    await packets(family, 3);
    assert.equal(await counts(), [0n, 3n, 0n, 0n, 0n]);
    // Behind the rule that counts it lets the packets reach it.
    await ipt.edit('filter', (table) => table.chain('INPUT').move(1, 4));
    await packets(family, 2);
    assert.equal(await counts(), [0n, 2n, 0n, 2n, 5n]);
    await ipt.edit('filter', (table) => table.chain('INPUT').move(4, 1));
    await packets(family, 1);
    assert.equal(await counts(), [0n, 6n, 2n, 0n, 2n]);
    await ipt.close();
  }
});

test('copies and texts of foreign rules are refused', async () => {
  for (const family of families) {
    start(family, ['ct mark 5 counter accept']);
    const ipt = open(family);
    const before = dumped(family);
    const rule = (await ipt.read()).chain('INPUT').rules[1]!;
    const edits: readonly ((table: TableEdit) => unknown)[] = [
      (table) => table.chain('INPUT').append({ ...rule }),
      (table) => table.chain('INPUT').append(rule.with({})),
      (table) => table.chain('one').append(rule),
      (table) => table.chain('one').append(table.chain('INPUT').rules[1]!),
      (table) => table.chain('INPUT').insert(JSON.parse(JSON.stringify(rule))),
      (table) => table.chain('one').replace(0, structuredClone({ ...rule })),
      (table) => table.chain('INPUT').append(rule.toString()),
      (table) => table.chain('INPUT').has({ ...rule }),
      (table) => table.chain('INPUT').delete({ ...rule }),
    ];
    for (const edit of edits) {
      await rejects(/TypeError|RangeError|Error/, () => ipt.edit('filter', (t) => void edit(t)));
    }
    const refused = await rejects(/ERR_NETFILTER/, () => ipt.save());
    assert.match(refused.message, 'rule 1 of chain');
    assert.match(refused.message, `rule ${rule.nft!.handle} of nf_tables`);
    assert.equal(dumped(family), before);
    // A list of another table can be saved.
    nft(family, '-t', 'mangle', '-A', 'INPUT', '-j', 'ACCEPT');
    assert.match(await ipt.save({ tables: ['mangle'] }), '-A INPUT -j ACCEPT');
    await ipt.close();
  }
});

test('edits around foreign rules keep them', async () => {
  const edits: readonly (readonly [string, (table: TableEdit) => unknown])[] = [
    ['append', (table) => table.chain('INPUT').append('-p udp -j ACCEPT')],
    ['insert', (table) => table.chain('INPUT').insert('-p udp -j ACCEPT')],
    ['insert before it', (table) => table.chain('INPUT').insert('-p udp -j ACCEPT', 1)],
    ['insert between', (table) => table.chain('INPUT').insert('-p udp -j ACCEPT', 3)],
    ['delete', (table) => table.chain('INPUT').delete(0)],
    ['delete the last', (table) => table.chain('INPUT').delete(table.chain('INPUT').length - 1)],
    ['delete by value', (table) => table.chain('INPUT').delete('-p tcp --dport 1 -j ACCEPT')],
    ['replace', (table) => table.chain('INPUT').replace(0, '-p udp')],
    ['move others', (table) => table.chain('INPUT').move(0, table.chain('INPUT').length - 1)],
    ['zero the chain', (table) => table.chain('INPUT').zero()],
    ['zero all', (table) => table.zero()],
    ['rename', (table) => table.renameChain('one', 'uno')],
    ['policy', (table) => table.chain('INPUT').policy('DROP', { packets: 1n, bytes: 2n })],
    ['another chain', (table) => table.newChain('two').append('-j one')],
    ['many', (table) => table.chain('INPUT').deleteWhere(({ nft: place }) => !place?.foreign)],
  ];
  for (const family of families) {
    start(family, [...foreignRules, notTaken, ...withSets]);
    const ipt = open(family);
    for (const [what, edit] of edits) {
      start(family, [...foreignRules, notTaken, ...withSets]);
      const foreign = new Set(
        (await ipt.read())
          .chain('INPUT')
          .rules.flatMap(({ nft: place }) =>
            place?.foreign === undefined ? [] : [String(place.handle)],
          ),
      );
      const only = () => dumped(family).filter(({ handle }) => foreign.has(handle));
      const before = only();
      assert.is(before.length, foreignRules.length + 1 + withSets.length);
      await ipt.edit('filter', (table) => void edit(table));
      // The line that leads to a renamed chain shows its new name.
      const after = only().map((rule) => ({
        ...rule,
        text: rule.text.replace('jump uno', 'jump one'),
      }));
      assert.equal(after, before, what);
    }
    await ipt.close();
  }
});

test('what a commit changes is undone without a trace', async () => {
  for (const family of families) {
    start(family, [...foreignRules, notTaken, ...withSets]);
    const ipt = open(family);
    const before = dumped(family).map(({ chain, text }) => ({ chain, text }));
    const pending = await ipt.edit(
      'filter',
      (table) => {
        table.chain('INPUT').insert('-p udp -j DROP', 2).delete(0);
        table.chain('FORWARD').policy('DROP');
      },
      { revertAfter: 3_600_000 },
    );
    assert.is(dumped(family).length, before.length);
    assert.equal(await pending.revert(), { kind: 'reverted', merged: false });
    assert.equal(
      dumped(family).map(({ chain, text }) => ({ chain, text })),
      before,
    );
    // A text that adds to the table.
    const list = dumped(family);
    await ipt.restore('*filter\n-A INPUT -p udp -j ACCEPT\n:new - [0:0]\nCOMMIT\n', {
      noflush: true,
    });
    assert.equal(dumped(family).slice(0, list.length - 1), list.slice(0, list.length - 1));
    await ipt.close();
  }
});

test('a foreign rule that is moved keeps its bytes; flush() removes it', async () => {
  for (const family of families) {
    const rules = [...foreignRules, twoCounters];
    start(family, rules);
    const ipt = open(family);
    const texts = () =>
      dumped(family)
        .filter(({ chain }) => chain === 'INPUT')
        .map(({ text }) => text);
    const wanted = texts();
    for (const index of rules.keys()) {
      const from = index + 1;
      const to = wanted.length - 1;
      await ipt.edit('filter', (table) => table.chain('INPUT').move(from, to));
      const [moved] = wanted.splice(from, 1);
      wanted.splice(to, 0, moved!);
      assert.equal(texts(), wanted, rules[index]);
      await ipt.edit('filter', (table) => table.chain('INPUT').move(to, from));
      wanted.splice(to, 1);
      wanted.splice(from, 0, moved!);
      assert.equal(texts(), wanted, rules[index]);
    }
    await ipt.edit('filter', (table) => table.chain('INPUT').flush());
    assert.equal(texts(), []);
    await ipt.close();
  }
});

test('some rules cannot be moved: the kernel refuses, and nothing changes', async () => {
  for (const family of families) {
    const rules = [...withSets, notTaken];
    start(family, rules);
    const ipt = open(family);
    const before = dumped(family);
    for (const index of rules.keys()) {
      await rejects(/ENOENT|EBUSY|EINVAL/, () =>
        ipt.edit('filter', (table) =>
          table.chain('INPUT').move(index + 1, index < 2 ? rules.length + 1 : 0),
        ),
      );
      assert.equal(dumped(family), before);
    }
    // It can be deleted and flushed.
    await ipt.edit('filter', (table) => void table.chain('INPUT').delete(1));
    const gone = before.filter(({ chain }) => chain === 'INPUT')[1];
    assert.equal(
      dumped(family),
      before.filter((rule) => rule !== gone),
    );
    await ipt.edit('filter', (table) => void table.chain('INPUT').flush());
    await ipt.close();
  }
});

test('foreign chains and tables', async () => {
  for (const family of families) {
    const ip = short(family);
    start(family, []);
    const long = 'a_chain_with_a_name_of_more_than_28_bytes';
    for (const other of ['inet', 'bridge', 'netdev', 'arp']) {
      nftTool('add', 'table', other, 'filter');
      nftTool('add', 'chain', other, 'filter', 'INPUT');
      nftTool('add', 'rule', other, 'filter', 'INPUT', 'counter drop');
    }
    nftTool('add', 'chain', ip, 'filter', 'theirs', '{ type filter hook input priority 5; }');
    nftTool('add', 'rule', ip, 'filter', 'theirs', 'ct mark 5 counter');
    nftTool('add', 'rule', ip, 'filter', 'theirs', 'counter');
    nftTool('add', 'chain', ip, 'filter', long);
    nftTool('add', 'rule', ip, 'filter', long, 'counter');
    nftTool('add', 'rule', ip, 'filter', 'INPUT', `counter jump ${long}`);
    nftTool(
      'add',
      'chain',
      ip,
      'filter',
      'PREROUTING',
      '{ type filter hook prerouting priority 0; }',
    );
    // The right name, the wrong place.
    nftTool('add', 'table', ip, 'mangle');
    nftTool('add', 'chain', ip, 'mangle', 'INPUT', '{ type filter hook input priority -1; }');
    nftTool('add', 'chain', ip, 'mangle', 'OUTPUT');
    const ipt = open(family);
    const table = await ipt.read();
    assert.equal(
      [...table.foreign].sort((a, b) => (a.name < b.name ? -1 : 1)),
      [
        { name: 'PREROUTING', hook: 'PREROUTING', priority: 0, type: 'filter', rules: 0 },
        { name: long, hook: undefined, priority: undefined, type: undefined, rules: 1 },
        { name: 'theirs', hook: 'INPUT', priority: 5, type: 'filter', rules: 2 },
      ],
    );
    assert.equal([...table.chains.keys()].sort(), ['FORWARD', 'INPUT', 'OUTPUT', 'one']);
    assert.equal(table.chain('INPUT').rules.at(-1)!.nft!.foreign, ['counter', 'immediate']);
    const mangle = await ipt.read('mangle');
    assert.equal(
      mangle.foreign.map(({ name, hook, priority }) => [name, hook, priority]),
      [
        ['INPUT', 'INPUT', -1],
        ['OUTPUT', undefined, undefined],
      ],
    );
    const others = () =>
      ['inet', 'bridge', 'netdev', 'arp'].map((other) =>
        nftTool('-a', 'list', 'table', other, 'filter'),
      );
    const [before, theirs] = [dumped(family), others()];
    await ipt.edit('filter', (edit) => {
      edit.chain('one').append('-j ACCEPT');
      edit.chain('FORWARD').append('-j one').policy('DROP');
    });
    const after = dumped(family);
    const handles = new Set(before.map(({ handle }) => handle));
    assert.equal(
      after.filter(({ handle }) => handles.has(handle)),
      before,
    );
    assert.is(after.length, before.length + 2);
    assert.equal(others(), theirs);
    // A name that is taken cannot be used, and clear() leaves the chains of others.
    await rejects(/Error/, () =>
      ipt.edit('filter', (edit) => void edit.newChain('theirs').append('-j DROP')),
    );
    await ipt.edit('filter', (edit) => edit.clear());
    assert.equal(
      dumped(family)
        .map(({ chain }) => chain)
        .sort(),
      [long, 'theirs', 'theirs'].sort(),
    );
    assert.equal(others(), theirs);
    await ipt.close();
  }
});

test('the chains of other programs are untouched by edits of other chains', async () => {
  const docker = [
    ['-N', 'DOCKER'],
    ['-N', 'DOCKER-USER'],
    ['-A', 'FORWARD', '-j', 'DOCKER-USER'],
    [
      '-A',
      'FORWARD',
      '-o',
      'docker0',
      '-m',
      'conntrack',
      '--ctstate',
      'RELATED,ESTABLISHED',
      '-j',
      'ACCEPT',
    ],
    [
      '-A',
      'DOCKER',
      '!',
      '-i',
      'docker0',
      '-o',
      'docker0',
      '-p',
      'tcp',
      '-m',
      'tcp',
      '--dport',
      '80',
      '-j',
      'ACCEPT',
    ],
    ['-A', 'DOCKER-USER', '-j', 'RETURN'],
    ['-N', 'KUBE-FORWARD'],
    [
      '-A',
      'FORWARD',
      '-m',
      'comment',
      '--comment',
      'kubernetes forwarding rules',
      '-j',
      'KUBE-FORWARD',
    ],
    ['-A', 'KUBE-FORWARD', '-m', 'mark', '--mark', '0x4000/0x4000', '-j', 'ACCEPT'],
    [
      '-A',
      'KUBE-FORWARD',
      '-m',
      'statistic',
      '--mode',
      'random',
      '--probability',
      '0.5',
      '-j',
      'DROP',
    ],
  ];
  for (const family of families) {
    start(family, []);
    for (const args of docker) nft(family, ...args);
    const saved = nftSaved(family, 'filter').filter((line) => /DOCKER|KUBE/.test(line));
    nftTool('add', 'rule', short(family), 'filter', 'INPUT', 'ct mark 5 counter accept');
    const ipt = open(family);
    const before = dumped(family);
    await ipt.edit('filter', (table) => {
      table.newChain('mine').append('-p udp -j ACCEPT');
      table.chain('INPUT').insert('-j mine').append('-j mine').move(1, 2);
      table.chain('FORWARD').insert('-j mine');
      table.chain('OUTPUT').policy('DROP');
    });
    await ipt.restore('*filter\n-A mine -j RETURN\nCOMMIT\n', { noflush: true });
    const isTheirs = ({ chain }: Dumped) => /^(?:DOCKER|KUBE|one)/.test(chain);
    assert.equal(dumped(family).filter(isTheirs), before.filter(isTheirs));
    const handles = new Set(before.map(({ handle }) => handle));
    const forward = (rules: readonly Dumped[]) =>
      rules.filter(({ chain, handle }) => chain === 'FORWARD' && handles.has(handle));
    assert.equal(forward(dumped(family)), forward(before));
    // iptables-nft reads none of the chain INPUT, which has a foreign rule. Without it all is there.
    await ipt.edit('filter', (table) => {
      table.chain('INPUT').deleteWhere(({ nft: place }) => place?.foreign !== undefined);
    });
    assert.equal(
      nftSaved(family, 'filter').filter((line) => /DOCKER|KUBE/.test(line)),
      saved,
    );
    await ipt.close();
  }
});

test.run();

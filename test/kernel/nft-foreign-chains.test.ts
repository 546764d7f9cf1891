// Chains in iptables' tables of nf_tables that other programs made, and tables of other families: they are named, and
// no edit touches them.
import { assert, suite } from '../support/harness.js';
import { families } from '../support/iptables-tables.js';
import { type Dumped, dumped, open, rejects, short, start } from '../support/nft-foreign.js';
import { nft, nftSaved, nftTool } from '../support/nft-tables.js';

const test = suite('foreign chains in nf_tables');

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

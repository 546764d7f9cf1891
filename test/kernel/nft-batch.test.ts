// Transactions of nf_tables that our own code sends: what each message does, and what the kernel refuses.
import { parseRule } from '../../src/iptables/rule/text.js';
import { encodeRule } from '../../src/iptables/xtables/rule-bytes.js';
import { assert, suite } from '../support/harness.js';
import { packets } from '../support/iptables-tables.js';
import { Netns } from '../support/netns.js';
import { NftTable, ruleCommand } from '../support/nft-write.js';
import { run } from '../support/process.js';

const test = suite('transactions of nf_tables');
const table = new NftTable(Netns.current, 'ipv4', 'filter');

const entry = (text: string) => encodeRule(parseRule(text, { family: 'ipv4' }), { family: 'ipv4' });
const rule = (chain: string, text: string, place?: string, handle?: string) =>
  ruleCommand(chain, entry(text), place, handle);
/** The ports that the rules of a chain compare, in order. */
const ports = (chain: string) =>
  table.saved(chain).map((line) => Number(/--dport (\d+)/.exec(line)?.[1]));
const handles = (chain: string) => table.dump(chain).map(({ handle }) => handle);
const dport = (port: number) => `-p udp -m udp --dport ${port}`;
const clear = () => run(['nft', 'flush', 'ruleset']);
/** What the program says of one transaction. */
const tried = (...commands: string[]) =>
  table.ours('generation', ...commands, 'commit').filter((line) => !line.startsWith('generation '));

const accept = 1;
const drop = 0;
const input = `base INPUT filter 1 0 ${accept}`;
const ENOENT = 2;
const EPERM = 1;
const EEXIST = 17;
const EMLINK = 31;

test('a table, chains, and rules in every place', () => {
  table.commit('table', input, 'chain ONE', rule('ONE', dport(1)), rule('ONE', dport(5)));
  const [first, last] = handles('ONE');
  table.commit(
    rule('ONE', dport(0), 'prepend'),
    rule('ONE', dport(2), 'after', first),
    rule('ONE', dport(4), 'before', last),
    rule('ONE', dport(6)),
  );
  assert.equal(ports('ONE'), [0, 1, 2, 4, 5, 6]);
  table.commit(rule('ONE', dport(11), 'replace', first), `delete ONE ${last}`);
  assert.equal(ports('ONE'), [0, 11, 2, 4, 6]);
  clear();
});

test('iptables-nft takes our tables and chains for its own', () => {
  table.commit('table', input, 'chain ONE', rule('INPUT', '-j ONE'), rule('ONE', '-j DROP'));
  assert.is(table.iptables('-A', 'ONE', '-j', 'RETURN').status, 0);
  assert.is(table.iptables('-P', 'INPUT', 'DROP').status, 0);
  assert.equal(table.saved('ONE'), ['[0:0] -j DROP', '[0:0] -j RETURN']);
  assert.match(table.iptables('-S', '-v').out, /^-P INPUT DROP -c 0 0$/m);
  clear();
});

test('a policy with its counters, a new name, and a chain that goes', async () => {
  table.commit('table', input, 'chain ONE', rule('INPUT', '-j ONE'));
  table.commit(`policy INPUT ${drop} 3 333`);
  assert.match(table.iptables('-S', '-v').out, /^-P INPUT DROP -c 3 333$/m);
  await packets('ipv4', 1);
  assert.match(table.iptables('-S', '-v').out, /^-P INPUT DROP -c 4 362$/m);
  const listed = run(['nft', '-j', '-a', 'list', 'chains']);
  const chains = (JSON.parse(listed) as { nftables: { chain?: Record<string, unknown> }[] })
    .nftables;
  const one = chains.find(({ chain }) => chain?.name === 'ONE')!.chain!.handle;
  table.commit(`rename ${one} TWO`);
  assert.equal(table.saved('INPUT'), ['[1:29] -j TWO']);
  assert.match(tried('remove TWO')[0]!, /^refused 0 16 /);
  table.commit(`delete INPUT ${handles('INPUT')[0]}`, 'remove TWO');
  assert.not.match(run(['nft', 'list', 'ruleset']), /TWO/);
  clear();
});

test('a transaction for an old state changes nothing', () => {
  table.commit('table', 'chain ONE');
  assert.equal(table.ours('stale', 'chain TWO', 'commit'), ['stale']);
  // Another program comes in between.
  const [now] = table.ours('generation');
  table.iptables('-N', 'THREE');
  const [later] = table.ours('generation');
  assert.is.not(now, later);
  assert.not.match(run(['nft', 'list', 'ruleset']), /TWO/);
  clear();
});

test('every refusal names its message, and nothing is changed', () => {
  table.commit('table', 'chain ONE');
  const before = run(['nft', 'list', 'ruleset']);
  const said = tried(
    rule('ONE', dport(1)),
    'chain ONE',
    rule('ONE', dport(2), 'after', '999'),
    rule('NONE', dport(3)),
    rule('ONE', dport(4)),
  );
  const codes = said.map((line) => line.split(' ').slice(0, 3).join(' '));
  assert.equal(codes, [`refused 1 ${EEXIST}`, `refused 2 ${ENOENT}`, `refused 3 ${ENOENT}`]);
  assert.is(run(['nft', 'list', 'ruleset']), before);
  // A circle of jumps from a base chain.
  const circle = tried(input, 'chain TWO', rule('INPUT', '-j TWO'), rule('TWO', '-j TWO'));
  assert.ok(new RegExp(`^refused \\S+ ${EMLINK} `).test(circle[0]!), circle[0]);
  assert.is(run(['nft', 'list', 'ruleset']), before);
  clear();
});

test('a rule that cannot be written leaves no message behind', () => {
  table.commit('table', 'chain ONE');
  const broken = Uint8Array.from(entry(dport(7)));
  broken[80] = 6; // the protocol: tcp
  const bad = ruleCommand('ONE', broken);
  const said = table.ours('generation', rule('ONE', dport(1)), bad, 'commit');
  assert.equal(said.slice(1), ['impossible 3 the match udp needs the protocol udp', 'committed']);
  assert.equal(ports('ONE'), [1]);
  const first = table.ours('generation', bad, 'chain ONE', 'commit');
  assert.match(first[2]!, /^refused 0 17 /);
  clear();
});

test('QUEUE is the target NFQUEUE with queue 0: without a listener the packets go', async () => {
  table.commit(
    'table',
    `base OUTPUT filter 3 0 ${accept}`,
    rule('OUTPUT', '-j QUEUE'),
    rule('OUTPUT', '-p udp'),
  );
  await packets('ipv4', 2).catch((error) => assert.is(error.code, 'EPERM'));
  const [queue, after] = table.saved('OUTPUT');
  assert.match(queue!, /^\[[1-9]\d*:\d+\] -j NFQUEUE --queue-num 0$/);
  assert.is(after, '[0:0] -p udp');
  clear();
});

test('a transaction of many megabytes, and one with more refusals than fit', () => {
  table.commit('table', 'chain ONE');
  const comment = `-m comment --comment ${'x'.repeat(200)}`;
  const count = 20_000;
  table.commit(...Array.from({ length: count }, () => rule('ONE', comment)));
  assert.is(handles('ONE').length, count);
  const before = table.ours('generation');
  const said = tried(...Array.from({ length: count }, () => rule('NONE', '-p udp')));
  assert.match(said[0]!, new RegExp(`^refused 0 ${ENOENT} `));
  assert.is(said.at(-1), 'more');
  assert.equal(table.ours('generation'), before);
  clear();
});

test('without the privilege nothing is changed', () => {
  const netns = Netns.create();
  const other = new NftTable(netns, 'ipv4', 'filter');
  other.commit('table', 'chain ONE');
  const said = other.withoutPrivilege('chain TWO', 'commit');
  assert.match(said.join(), new RegExp(`refused batch ${EPERM} `));
  netns[Symbol.dispose]();
});

test.run();

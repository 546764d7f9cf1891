// Which rules of a table the lines of a text for iptables-restore --noflush need: no more than these are read.
import { chainsNeeded } from '../../src/iptables/edit/perform.js';
import { readRestore } from '../../src/iptables/edit/restore-text.js';
import { assert, suite } from '../support/harness.js';

const test = suite('what the lines of a text need');

async function needed(...lines: string[]): Promise<string[] | 'all'> {
  const text = ['*filter', ...lines, 'COMMIT', ''].join('\n');
  const sections = await readRestore(text, 'ipv4', false);
  const chains = chainsNeeded(sections.flatMap(({ steps }) => steps.map(({ work }) => work)));
  return chains === 'all' ? 'all' : [...chains];
}

test('lines that add at the ends, and policies, need no rules', async () => {
  assert.equal(await needed(), []);
  assert.equal(
    await needed(
      ':INPUT DROP [0:0]',
      '-N new',
      '-A INPUT -p tcp -j new',
      '-A INPUT -p udp -j new',
      '-I FORWARD -j new',
      '-I FORWARD 1 -p tcp -j new',
      '-P OUTPUT DROP',
    ),
    [],
  );
});

test('lines that look at rules need those of their chain', async () => {
  assert.equal(await needed('-A INPUT -j one', ':one - [0:0]'), ['one']);
  for (const line of ['-D INPUT -p tcp', '-D INPUT 2', '-C INPUT -p tcp', '-I INPUT 2 -p tcp']) {
    assert.equal(await needed('-A OUTPUT -p tcp', line), ['INPUT'], line);
  }
  assert.equal(await needed('-R one 1 -p tcp', '-F two', '-Z three'), ['one', 'two', 'three']);
  assert.equal(await needed('-Z one 2'), ['one']);
});

test('lines about all chains, and about what leads to a chain, need all', async () => {
  for (const line of ['-F', '-Z', '-X', '-X one', '-E one two']) {
    assert.is(await needed('-A INPUT -p tcp', line), 'all', line);
  }
});

test.run();

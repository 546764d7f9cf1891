// rule-words.ts: quoting, and the parts of a line of a save file.
import { quote, splitRestoreLine, splitWords } from '../../src/iptables/rule-words.js';
import { assert, suite, throws } from '../support/harness.js';

const test = suite('iptables words');

test('words are split as iptables-restore does', () => {
  assert.equal(splitWords('  -s 1.2.3.4\t-j  ACCEPT\n'), ['-s', '1.2.3.4', '-j', 'ACCEPT']);
  assert.equal(splitWords('--comment "a b" -j X'), ['--comment', 'a b', '-j', 'X']);
  assert.equal(splitWords('a"b c"d'), ['ab c', 'd'], 'a closing quote ends the word');
  assert.equal(splitWords('""'), ['']);
  assert.equal(splitWords('"a\\"b\\\\c\\d"'), ['a"b\\cd']);
  assert.equal(splitWords("'a b'"), ["'a", "b'"], 'single quotes mean nothing');
  assert.equal(splitWords('a\\b'), ['a\\b'], 'a backslash counts in quotes only');
  assert.equal(splitWords(''), []);
});

test('a quote that is not closed is an error', async () => {
  await throws(RangeError, /not closed/, () => splitWords('--comment "a'));
});

test('what is quoted reads back as itself', () => {
  for (const text of ['a', '', 'a b', 'a"b', "it's", '\\', '\\"', '$`', 'é', '-j', 'a\tb']) {
    assert.equal(splitWords(quote(text)), [text]);
  }
  assert.is(quote('a_b-C9'), 'a_b-C9');
  assert.is(quote('a.b'), '"a.b"');
});

test('a line of a save file comes apart', () => {
  assert.equal(splitRestoreLine('[12:3456] -A FORWARD -m comment --comment "a b" -j ACCEPT'), {
    command: 'append',
    chain: 'FORWARD',
    counters: { packets: 12n, bytes: 3456n },
    rule: '-m comment --comment "a b" -j ACCEPT',
  });
  assert.equal(splitRestoreLine('-A X'), { command: 'append', chain: 'X', rule: '' });
  assert.equal(splitRestoreLine('-I X 3 -j DROP'), {
    command: 'insert',
    chain: 'X',
    index: 3,
    rule: '-j DROP',
  });
  assert.equal(splitRestoreLine('--insert "my chain" -j DROP'), {
    command: 'insert',
    chain: 'my chain',
    rule: '-j DROP',
  });
  assert.equal(splitRestoreLine('-D X 7'), { command: 'delete', chain: 'X', index: 7, rule: '' });
  assert.equal(splitRestoreLine('-R X 1 -j Y'), {
    command: 'replace',
    chain: 'X',
    index: 1,
    rule: '-j Y',
  });
  assert.is(splitRestoreLine('-N X'), undefined);
  assert.is(splitRestoreLine('COMMIT'), undefined);
  assert.is(splitRestoreLine('# comment'), undefined);
});

test('lines that cannot be right are refused', async () => {
  await throws(RangeError, /needs a chain/, () => splitRestoreLine('-A'));
  await throws(RangeError, /counts rules from 1/, () => splitRestoreLine('-I X 0 -j Y'));
  await throws(RangeError, /needs the number/, () => splitRestoreLine('-R X -j Y'));
  await throws(RangeError, /without a command/, () => splitRestoreLine('[1:2] COMMIT'));
});

test.run();

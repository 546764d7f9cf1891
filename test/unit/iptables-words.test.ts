// rule-words.ts: quoting, and the parts of a line of a save file.

import { textToBytes } from '../../src/iptables/text/encoding.js';
import { bare, linesOf, quote, splitWords } from '../../src/iptables/text/words.js';
import { assert, suite, throws } from '../support/harness.js';

const test = suite('iptables words');

test('words are split as in iptables-restore', () => {
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

test('a quoted word reads back as the same word', () => {
  for (const text of ['a', '', 'a b', 'a"b', "it's", '\\', '\\"', '$`', 'é', '-j', 'a\tb']) {
    assert.equal(splitWords(quote(text)), [text]);
  }
  assert.is(quote('a_b-C9'), 'a_b-C9');
  assert.is(quote('a.b'), '"a.b"');
});

test('lines are those of the text, without blanks at their ends', () => {
  const text = '*filter\r\n\t-A X \n\n# é\udce9\nCOMMIT';
  const lines = ['*filter', '-A X', '', '# é\udce9', 'COMMIT'];
  assert.equal([...linesOf(text)], lines);
  assert.equal([...linesOf(textToBytes(text))], lines);
  assert.equal([...linesOf('')], ['']);
  assert.equal([...linesOf('a\n')], ['a', '']);
  // Characters that iptables does not take as white space are part of the line.
  assert.equal([...linesOf('\u00a0a\ufeff')], ['\u00a0a\ufeff']);
});

test('words that iptables-save prints without quotes are quoted if they would not be read as one', () => {
  for (const text of ['a', '', 'a b', 'a"b', '"', '\\', 'a\\', '-x', '!', "it's", 'é\udce9']) {
    assert.equal(splitWords(`-x ${bare(text)} y`), ['-x', text, 'y']);
  }
  assert.is(bare('a\\b'), 'a\\b');
});

test.run();

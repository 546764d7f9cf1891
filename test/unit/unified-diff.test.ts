// The unified diff of two texts.
import { type DiffLine, unifiedDiff } from '../../src/iptables/text/unified.js';
import { assert, suite } from '../support/harness.js';
import { patched } from '../support/patch.js';
import { Random } from '../support/random.js';

const test = suite('unified diff');

/** `=` for each line of both texts. */
const lines = (signs: string): DiffLine[] =>
  Array.from(signs, (sign, index) => ({
    sign: sign === '=' ? ' ' : (sign as '+' | '-'),
    text: index % 2 === 0 ? `line ${index}` : () => `line ${index}`,
  }));

const heads = (signs: string) => unifiedDiff(lines(signs), 'x').match(/^@@.*@@$/gm) ?? [];

test('hunks have three lines around a change, and are one if these touch', () => {
  assert.is(unifiedDiff(lines('====='), 'x'), '');
  assert.is(unifiedDiff([], 'x'), '');
  assert.is(
    unifiedDiff(lines('=====-+====='), 'some text'),
    [
      '--- some text',
      '+++ some text',
      '@@ -3,7 +3,7 @@',
      ...[' line 2', ' line 3', ' line 4', '-line 5', '+line 6', ' line 7', ' line 8', ' line 9'],
      '',
    ].join('\n'),
  );
  assert.equal(heads('+'.padEnd(10, '=')), ['@@ -1,3 +1,4 @@']);
  assert.equal(heads('-'.padStart(10, '=')), ['@@ -7,4 +7,3 @@']);
  assert.equal(heads('-======-'), ['@@ -1,8 +1,6 @@']);
  assert.equal(heads('-=======-'), ['@@ -1,4 +1,3 @@', '@@ -6,4 +5,3 @@']);
});

test('any diff gives the new text from the old one', () => {
  const random = new Random(5);
  for (let round = 0; round < 400; round++) {
    const percent = random.integer(1, 60);
    const signs = Array.from({ length: random.below(60) }, () =>
      random.chance(percent) ? random.pick(['+', '-']) : '=',
    ).join('');
    const all = lines(signs).map(({ sign, text }) => ({
      sign,
      text: typeof text === 'string' ? text : text(),
    }));
    const of = (other: string) =>
      all
        .filter(({ sign }) => sign !== other)
        .map(({ text }) => `${text}\n`)
        .join('');
    assert.is(patched(of('+'), unifiedDiff(lines(signs), 'x')), of('-'));
  }
});

test.run();
